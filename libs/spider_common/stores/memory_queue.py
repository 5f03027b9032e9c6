"""`MemoryQueue`: the twin of `sqs_queue.SqsQueue`, for the simulation and for tests."""

import math
from collections import defaultdict
from collections.abc import Sequence

import trio

from spider_common.clock import NS_PER_MS, Clock
from spider_common.schema import QueueShape
from spider_common.stores.queue import (
    DEDUPLICATION_S,
    MAX_BATCH,
    MAX_WAIT_S,
    Delivery,
    Outgoing,
    ReceiptExpired,
    as_dead_letter,
    check_outgoing,
    check_receive,
)


class _Held:
    """A message in the queue. `hidden_until` is a reading of Trio's clock; -inf: nobody has it."""

    __slots__ = ("count", "hidden_until", "message", "receipts", "ts_sent")

    def __init__(self, message: Outgoing, ts_sent: int) -> None:
        self.message = message
        self.ts_sent = ts_sent
        self.count = 0
        self.receipts: list[str] = []
        self.hidden_until = -math.inf


class MemoryQueue:
    """A FIFO queue in memory. Visibility and deduplication run on Trio's clock."""

    def __init__(self, shape: QueueShape, clock: Clock, *, dead_letters: "MemoryQueue | None" = None) -> None:
        self._shape = shape
        self._clock = clock
        self._dead_letters = dead_letters
        self._groups: defaultdict[str, list[_Held]] = defaultdict(list)
        self._receipts: dict[str, _Held] = {}
        self._sent: dict[tuple[str, str], float] = {}  # (group, dedup) -> when, oldest first
        self._next_receipt = 0
        self._changed = trio.Event()

    async def send(self, messages: Sequence[Outgoing]) -> None:
        check_outgoing(messages)
        await trio.lowlevel.checkpoint()
        for message in messages:
            self._add(message)

    async def receive(
        self, limit: int = MAX_BATCH, *, wait_s: int = MAX_WAIT_S, visibility_s: int | None = None
    ) -> list[Delivery]:
        check_receive(limit, wait_s)
        await trio.lowlevel.checkpoint()
        visibility_s = self._shape.visibility_s if visibility_s is None else visibility_s
        deadline = trio.current_time() + wait_s
        while True:
            taken = self._take(limit, visibility_s)
            if taken or trio.current_time() >= deadline:
                return taken
            with trio.move_on_at(min(deadline, self._next_return())):
                await self._changed.wait()

    async def extend(self, receipt: str, seconds: int) -> None:
        await trio.lowlevel.checkpoint()
        held = self._holder(receipt)
        if held is None:
            raise ReceiptExpired(f"receipt {receipt} holds no message")
        held.hidden_until = trio.current_time() + seconds if seconds else -math.inf
        if not seconds:
            self._wake()

    async def delete(self, receipts: Sequence[str]) -> tuple[str, ...]:
        await trio.lowlevel.checkpoint()
        expired = []
        for receipt in receipts:
            held = self._holder(receipt)
            if held is not None:
                self._remove(held)
            elif receipt in self._receipts:
                expired.append(receipt)  # one already deleted has gone from there: that is no failure
        self._wake()
        return tuple(expired)

    async def dead_letter(self, delivery: Delivery, reason: str) -> None:
        if self._dead_letters is None:
            raise ValueError(f"{self._shape.name} was given no queue for dead letters")
        await self._dead_letters.send([as_dead_letter(delivery, reason)])
        await self.delete([delivery.receipt])

    async def depth(self) -> int:
        await trio.lowlevel.checkpoint()
        return len(self.bodies())

    def bodies(self) -> list[str]:
        """What is in the queue, group by group: for a look from outside, which SQS does not offer."""
        return [held.message.body for waiting in self._groups.values() for held in waiting]

    def _add(self, message: Outgoing) -> None:
        now = trio.current_time()
        while self._sent:
            oldest = next(iter(self._sent))
            if self._sent[oldest] > now - DEDUPLICATION_S:
                break
            del self._sent[oldest]
        if (message.group, message.dedup) in self._sent:
            return
        self._sent[message.group, message.dedup] = now
        ts_sent = self._clock.now() // NS_PER_MS * NS_PER_MS
        self._groups[message.group].append(_Held(message, ts_sent))
        self._wake()

    def _take(self, limit: int, visibility_s: int) -> list[Delivery]:
        now = trio.current_time()
        taken: list[Delivery] = []
        for waiting in list(self._groups.values()):
            if any(held.hidden_until > now for held in waiting):
                continue
            for held in list(waiting):
                if len(taken) == limit:
                    return taken
                if self._dead_letters is not None and held.count >= self._shape.max_receives:
                    self._remove(held)
                    self._dead_letters._add(held.message)  # noqa: SLF001 a queue of the same class
                else:
                    taken.append(self._deliver(held, now + visibility_s))
        return taken

    def _deliver(self, held: _Held, hidden_until: float) -> Delivery:
        held.count += 1
        receipt = f"receipt-{self._next_receipt}"
        self._next_receipt += 1
        held.receipts.append(receipt)
        held.hidden_until = hidden_until
        self._receipts[receipt] = held
        message = held.message
        return Delivery(
            message.group,
            message.dedup,
            message.body,
            message.attributes,
            receipt,
            held.count,
            held.ts_sent,
        )

    def _holder(self, receipt: str) -> _Held | None:
        held = self._receipts.get(receipt)
        if held is None or held.receipts[-1] != receipt or held.hidden_until <= trio.current_time():
            return None
        return held

    def _remove(self, held: _Held) -> None:
        group = held.message.group
        self._groups[group].remove(held)
        if not self._groups[group]:
            del self._groups[group]
        for receipt in held.receipts:
            del self._receipts[receipt]

    def _next_return(self) -> float:
        now = trio.current_time()
        hidden = (held.hidden_until for waiting in self._groups.values() for held in waiting)
        return min((until for until in hidden if until > now), default=math.inf)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
