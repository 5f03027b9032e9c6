"""Messages: take, extend while work runs, delete last."""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from spider_common.clock import NS_PER_S, Clock
from spider_common.messages import Message, UnreadableMessage, decode
from spider_common.stores.queue import (
    MAX_WAIT_S,
    Delivery,
    Queue,
    QueueError,
    QueueUnavailable,
    ReceiptExpired,
)

GROUPS_AT_ONCE: Final = 64
"""Message groups handled at a time. Each holds one message; its work is bounded by rate budgets."""
_AGAIN_S: Final = 1.0


class Handled(msgspec.Struct, frozen=True):
    """The message has done its work: delete it."""


class Later(msgspec.Struct, frozen=True):
    """Another worker is on it: show the message again at `at` (Unix ns)."""

    at: int


class Poison(msgspec.Struct, frozen=True):
    """The message cannot be handled as things are: keep it with its reason for an operator."""

    reason: str


Verdict = Handled | Later | Poison
Handler = Callable[[Message, int], Awaitable[Verdict]]


class Intake:
    """Feeds a handler from the queue: groups side by side, a group's messages one after the other."""

    def __init__(
        self,
        *,
        queue: Queue,
        handler: Handler,
        clock: Clock,
        visibility_s: int,
        wait_s: int = MAX_WAIT_S,
        log: FilteringBoundLogger,
    ) -> None:
        self._queue, self._handler, self._clock, self._log = queue, handler, clock, log
        self._visibility_s, self._wait_s = visibility_s, wait_s

    async def serve(
        self, *, stop: trio.Event, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Takes messages until `stop` is set, then returns when those taken are done."""
        places = trio.Semaphore(GROUPS_AT_ONCE)
        async with trio.open_nursery() as groups:
            task_status.started()
            while not stop.is_set():
                await places.acquire()
                places.release()  # there is a place: the groups of one receive may take a few more
                for group in by_group(await self._receive(stop)):
                    groups.start_soon(self._serve_group, group, places, name=f"oms.group[{group[0].group}]")

    async def _receive(self, stop: trio.Event) -> list[Delivery]:
        """Some messages, or none once `stop` is set."""
        received: list[Delivery] = []
        async with trio.open_nursery() as nursery:

            async def cancel_when_stopped() -> None:
                await stop.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(cancel_when_stopped, name="oms.intake.stop")
            try:
                received = await self._queue.receive(wait_s=self._wait_s)
            except QueueUnavailable as error:
                self._log.warning("intake.queue_unavailable", error=str(error))
                await trio.sleep(_AGAIN_S)
            nursery.cancel_scope.cancel()
        return received

    async def _serve_group(self, group: Sequence[Delivery], places: trio.Semaphore) -> None:
        """One group's messages in order. What follows one that has to wait is given back with it.

        Those that are done are deleted together at the end: until then the queue shows nothing else of the
        group anyway.
        """
        async with places:
            received = self._clock.now()
            done: list[Delivery] = []
            waiting: Sequence[Delivery] = ()
            again_at = 0
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep, group, name=f"oms.keep[{group[0].group}]")
                for place, delivery in enumerate(group):
                    verdict = await self._handle(delivery, received)
                    if isinstance(verdict, Later):
                        again_at, waiting = verdict.at, group[place:]
                        break
                    if isinstance(verdict, Poison):
                        await self._set_aside(delivery, verdict.reason)
                    else:
                        done.append(delivery)
                await self._delete(done)
                nursery.cancel_scope.cancel()
            seconds = max(math.ceil((again_at - self._clock.now()) / NS_PER_S), 0)
            for delivery in waiting:
                await self._give_back(delivery, seconds)
                seconds = 0  # they come again behind the first

    async def _handle(self, delivery: Delivery, received: int) -> Verdict:
        try:
            message = decode(delivery.body)
        except UnreadableMessage as error:
            return Poison(str(error))
        return await self._handler(message, received)

    async def _keep(self, group: Sequence[Delivery]) -> None:
        """Keeps a group's messages from other workers until all are done with."""
        while True:
            await trio.sleep(self._visibility_s / 3)
            async with trio.open_nursery() as nursery:  # at the same time: the queue takes them together
                for delivery in group:
                    nursery.start_soon(self._extend, delivery)

    async def _extend(self, delivery: Delivery) -> None:
        try:
            await self._queue.extend(delivery.receipt, self._visibility_s)
        except ReceiptExpired:
            return  # the journal's lease, not the receipt, says who may act
        except QueueUnavailable as error:
            self._log.warning("intake.not_extended", group=delivery.group, error=str(error))

    async def _delete(self, done: Sequence[Delivery]) -> None:
        """Removes messages that are done. If that fails they come again, harmlessly."""
        if not done:
            return
        try:
            await self._queue.delete([delivery.receipt for delivery in done])
        except QueueError as error:
            self._log.warning("intake.not_deleted", group=done[0].group, error=str(error))

    async def _set_aside(self, delivery: Delivery, reason: str) -> None:
        """Puts a message among the dead letters. If that fails it comes again."""
        self._log.error("message.dead_lettered", group=delivery.group, reason=reason)
        try:
            await self._queue.dead_letter(delivery, reason)
        except QueueError as error:
            self._log.warning("intake.not_set_aside", group=delivery.group, error=str(error))

    async def _give_back(self, delivery: Delivery, seconds: int) -> None:
        try:
            await self._queue.extend(delivery.receipt, seconds)
        except QueueError as error:
            self._log.warning("intake.not_given_back", group=delivery.group, error=str(error))


def by_group(deliveries: Sequence[Delivery]) -> list[list[Delivery]]:
    """The deliveries of each group, in their order."""
    groups: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        groups.setdefault(delivery.group, []).append(delivery)
    return list(groups.values())
