"""Laws of taking messages: order within a group, kept while work runs, deleted last, nothing lost."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from services.oms.intake import Handled, Intake, Later, Poison, Verdict
from spider_common import schema
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.messages import FollowerUpdate, Message, encode
from spider_common.stores.memory_queue import MemoryQueue
from spider_common.stores.queue import (
    MAX_BATCH_BYTES,
    REASON,
    Delivery,
    Outgoing,
    QueueUnavailable,
    ReceiptExpired,
)
from spider_common.telemetry.logs import logger
from tests.oms_rig import ORIGIN
from tests.strategies import fact

settled = trio.testing.wait_all_tasks_blocked


class Desk:
    """An intake over a queue, with a handler that notes what it is given and answers as told."""

    def __init__(self) -> None:
        self.clock = TrioClock(ORIGIN)
        self.dead_letters = MemoryQueue(schema.COPY_DLQ, self.clock)
        self.queue = MemoryQueue(schema.COPY, self.clock, dead_letters=self.dead_letters)
        self.handled: list[str] = []
        self.answer: Callable[[str], Awaitable[Verdict]] = self._handled
        self.lines: list[str] = []
        self.stop = trio.Event()

    async def _handled(self, name: str) -> Verdict:
        await trio.lowlevel.checkpoint()
        return Handled()

    async def send(self, *names: str, group: str = "g") -> None:
        """A message by name, each in its turn."""
        for name in names:
            await self.queue.send([Outgoing(group=group, dedup=name, body=encode(message(name)))])

    async def handle(self, told: Message, _received: int) -> Verdict:
        assert isinstance(told, FollowerUpdate)
        assert told.fact is not None
        self.handled.append(told.fact.symbol)
        return await self.answer(told.fact.symbol)

    async def left(self) -> list[str]:
        """What is still in the queue, in anybody's hands."""
        return [held.message.dedup for group in self.queue._groups.values() for held in group]

    @asynccontextmanager
    async def serving(self, queue: Any = None) -> AsyncIterator[trio.Nursery]:
        log = logger("test", self.clock, write=self.lines.append)
        intake = Intake(
            queue=queue or self.queue, handler=self.handle, clock=self.clock, visibility_s=30, log=log
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: intake.serve(stop=self.stop, task_status=task_status))
            yield nursery
            self.stop.set()


def message(name: str) -> FollowerUpdate:
    told = fact(symbol=name)
    return FollowerUpdate(venue=told.venue, account=told.account, fact=told)


async def test_a_group_is_handled_in_order_one_at_a_time(autojump_clock: MockClock) -> None:
    """However long one takes, the next of its group begins after it; other groups do not wait."""
    desk = Desk()
    running: list[str] = []

    async def answer(name: str) -> Verdict:
        assert not [other for other in running if other[0] == name[0]], "two of one group at once"
        running.append(name)
        await trio.sleep(5 if name == "a1" else 1)
        running.remove(name)
        return Handled()

    desk.answer = answer
    await desk.send("a1", "a2", "a3", group="a")
    await desk.send("b1", "b2", group="b")
    async with desk.serving():
        await trio.sleep(4)
        assert sorted(desk.handled) == ["a1", "b1", "b2"]
        await trio.sleep(60)
    assert [name for name in desk.handled if name[0] == "a"] == ["a1", "a2", "a3"]
    assert await desk.left() == []


async def test_what_follows_a_later_is_given_back_with_it(autojump_clock: MockClock) -> None:
    """The followers are not handled before it, and all come again in their order at its time."""
    desk = Desk()
    ready_at = desk.clock.now() + 7 * NS_PER_S

    async def answer(name: str) -> Verdict:
        await trio.lowlevel.checkpoint()
        return Later(ready_at) if name == "2" and desk.clock.now() < ready_at else Handled()

    desk.answer = answer
    await desk.send("1", "2", "3", "4")
    async with desk.serving():
        await trio.sleep(6)
        assert desk.handled == ["1", "2"]
        await trio.sleep(3)
        assert desk.handled == ["1", "2", "2", "3", "4"]
    assert await desk.left() == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("nonsense", "message body: "),
        ("[]", "message body: "),
        ('{"v":99,"message":{"type":"follower_update"}}', "version 99 is newer"),
        (encode(message("x")).replace('"symbol"', '"symbool"'), "symbool"),
        (encode(message("x")).replace('"account"', '"akkount"', 1), "akkount"),
        (encode(message("x")).replace('"buy"', '"hold"'), "hold"),
    ],
)
async def test_a_poison_message_is_set_aside_with_its_reason(
    body: str, words: str, autojump_clock: MockClock
) -> None:
    """Malformed, newer, with unknown fields: whole in the dead letters, with what is wrong."""
    desk = Desk()
    await desk.queue.send([Outgoing(group="g", dedup="bad", body=body)])
    await desk.send("good")
    async with desk.serving():
        await settled()
    (letter,) = await desk.dead_letters.receive(wait_s=0)
    assert letter.body == body
    assert words in letter.attributes[REASON]
    assert desk.handled == ["good"]
    assert await desk.left() == []


@pytest.mark.parametrize("size", [MAX_BATCH_BYTES, MAX_BATCH_BYTES - 100])
async def test_an_oversized_poison_message_is_set_aside(size: int, autojump_clock: MockClock) -> None:
    """A body that leaves no room for a reason goes without it, whole."""
    desk = Desk()
    body = "x" * size
    await desk.queue.send([Outgoing(group="g", dedup="bad", body=body)])
    async with desk.serving():
        await settled()
    (letter,) = await desk.dead_letters.receive(wait_s=0)
    assert letter.body == body
    assert await desk.left() == []


@pytest.mark.parametrize("reason", ["", "\x00" * 5_000, "a\nb"])
async def test_any_reason_can_be_carried(reason: str, autojump_clock: MockClock) -> None:
    """It may quote what was sent, whatever that is: cut, and without what a queue refuses."""
    desk = Desk()

    async def answer(_name: str) -> Verdict:
        await trio.lowlevel.checkpoint()
        return Poison(reason)

    desk.answer = answer
    await desk.send("1")
    async with desk.serving():
        await settled()
    (letter,) = await desk.dead_letters.receive(wait_s=0)
    assert letter.attributes[REASON].isprintable()
    assert 0 < len(letter.attributes[REASON]) <= 1_000


async def test_what_the_handler_calls_poison_is_set_aside(autojump_clock: MockClock) -> None:
    """An event of an unknown product, say: kept with the handler's reason."""
    desk = Desk()

    async def answer(_name: str) -> Verdict:
        await trio.lowlevel.checkpoint()
        return Poison("event.product: 'x' is not configured")

    desk.answer = answer
    await desk.send("1")
    async with desk.serving():
        await settled()
    (letter,) = await desk.dead_letters.receive(wait_s=0)
    assert letter.attributes[REASON] == "event.product: 'x' is not configured"
    assert await desk.left() == []


async def test_a_message_is_deleted_last(autojump_clock: MockClock) -> None:
    """While its handler works the queue holds it; if the worker dies there, it comes again."""
    desk = Desk()

    async def answer(_name: str) -> Verdict:
        await trio.sleep_forever()
        raise AssertionError

    desk.answer = answer
    await desk.send("1")
    async with desk.serving() as nursery:
        await settled()
        assert desk.handled == ["1"]
        assert await desk.left() == ["1"]
        nursery.cancel_scope.cancel()
    assert await desk.left() == ["1"]
    await trio.sleep(schema.COPY.visibility_s + 1)
    (delivery,) = await desk.queue.receive(wait_s=0)
    assert (delivery.dedup, delivery.count) == ("1", 2)


async def test_visibility_is_extended_while_work_runs(autojump_clock: MockClock) -> None:
    """However long the handler takes, nobody else is given the message; then it is deleted."""
    desk = Desk()

    async def answer(_name: str) -> Verdict:
        await trio.sleep(10 * schema.COPY.visibility_s)
        return Handled()

    desk.answer = answer
    await desk.send("1")
    async with desk.serving():
        for _ in range(9):
            await trio.sleep(schema.COPY.visibility_s)
            assert await desk.queue.receive(wait_s=0) == []
        await trio.sleep(2 * schema.COPY.visibility_s)
    assert desk.handled == ["1"]
    assert await desk.left() == []


async def test_a_group_that_waits_behind_long_work_stays_with_its_worker(autojump_clock: MockClock) -> None:
    """Messages received together are all kept: none comes twice because the first took long."""
    desk = Desk()

    async def answer(name: str) -> Verdict:
        await trio.sleep(2 * schema.COPY.visibility_s if name == "1" else 1)
        return Handled()

    desk.answer = answer
    await desk.send("1", "2", "3")
    async with desk.serving():
        await trio.sleep(10 * schema.COPY.visibility_s)
    assert desk.handled == ["1", "2", "3"]
    assert await desk.left() == []


async def test_what_was_received_together_is_deleted_together(autojump_clock: MockClock) -> None:
    """One call for those of a group that are done; one that has to wait and what is behind it stays."""
    desk = Desk()
    calls: list[int] = []

    class Counting(MemoryQueue):
        async def delete(self, receipts: Sequence[str]) -> tuple[str, ...]:
            calls.append(len(receipts))
            return await super().delete(receipts)

    async def answer(name: str) -> Verdict:
        await trio.lowlevel.checkpoint()
        return Later(desk.clock.now() + 3600 * NS_PER_S) if name == "5" else Handled()

    desk.queue = Counting(schema.COPY, desk.clock)
    desk.answer = answer
    await desk.send(*(f"{n}" for n in range(1, 8)))
    async with desk.serving():
        await settled()
        assert calls == [4]
        assert await desk.left() == ["5", "6", "7"]


async def test_stop_drains(autojump_clock: MockClock) -> None:
    """Nothing new is taken after stop; what was taken is finished and deleted before serve returns."""
    desk = Desk()

    async def answer(_name: str) -> Verdict:
        await trio.sleep(3)
        return Handled()

    desk.answer = answer
    await desk.send("1", "2")
    async with desk.serving():
        await settled()
        desk.stop.set()
        await settled()
        await desk.send("late", group="other")
    assert desk.handled == ["1", "2"]
    assert await desk.left() == ["late"]


async def test_an_idle_intake_stops_at_once(autojump_clock: MockClock) -> None:
    """A long poll does not hold it up."""
    desk = Desk()
    begun = trio.current_time()
    async with desk.serving():
        await settled()
    assert trio.current_time() == begun


class Flaky:
    """A queue whose calls fail a few times each."""

    def __init__(self, queue: MemoryQueue, times: int) -> None:
        self._queue = queue
        self.failures = {"receive": times, "extend": times, "delete": times}

    async def _fail(self, call: str, error: Exception) -> None:
        await trio.lowlevel.checkpoint()
        if self.failures[call]:
            self.failures[call] -= 1
            raise error

    async def receive(self, limit: int = 10, *, wait_s: int = 20) -> list[Delivery]:
        await self._fail("receive", QueueUnavailable("no answer"))
        return await self._queue.receive(limit, wait_s=wait_s)

    async def extend(self, receipt: str, seconds: int) -> None:
        await self._fail("extend", QueueUnavailable("no answer"))
        await self._queue.extend(receipt, seconds)

    async def delete(self, receipts: list[str]) -> tuple[str, ...]:
        await self._fail("delete", ReceiptExpired("gone"))
        return await self._queue.delete(receipts)


async def test_a_queue_that_is_away_delays_and_loses_nothing(autojump_clock: MockClock) -> None:
    """Receiving, extending and deleting fail; in the end each message is handled and gone."""
    desk = Desk()

    async def answer(_name: str) -> Verdict:
        await trio.sleep(schema.COPY.visibility_s)
        return Handled()

    desk.answer = answer
    await desk.send("1", "2")
    async with desk.serving(Flaky(desk.queue, 2)):
        await trio.sleep(20 * schema.COPY.visibility_s)
    assert set(desk.handled) == {"1", "2"}
    assert await desk.left() == []
