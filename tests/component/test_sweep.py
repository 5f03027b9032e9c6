"""Laws of the sweep: REST is the truth, a failed question is no answer, and the mark moves last."""

from decimal import Decimal
from typing import Any

import trio
from msgspec.structs import replace
from trio.testing import MockClock

from services.ingest.keys import Key
from services.ingest.publish import Publisher
from services.ingest.sweep import OVERLAP_NS, Sweeper
from spider_common import schema
from spider_common.clock import NS_PER_S
from spider_common.domain.identifiers import AccountId, ProductId, Venue, VenueOrderId
from spider_common.domain.products import Account
from spider_common.messages import LeaderOrder, decode
from spider_common.stores.memory_queue import MemoryQueue
from spider_common.stores.table import Conflict, Unavailable
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import Told
from tests.oms_rig import KEY, ORIGIN, Rig
from tests.scripted import FailingQueue, Trouble
from tests.strategies import fact

LEADER = Account(account=AccountId("leader"), venue=Venue.OKX)


class Desk:
    """A sweeper of the leader's account over a scripted venue, a queue and a table."""

    def __init__(self, queue_away: int = 0) -> None:
        self.rig = Rig("alice")
        self.queue = MemoryQueue(schema.COPY, self.rig.clock)
        self.products = [self.rig.product]
        self.sweeper = self.another(queue_away)

    def another(self, queue_away: int = 0) -> Sweeper:
        """As another task would have it."""
        rig = self.rig
        queue = FailingQueue(self.queue, queue_away, 0)
        publisher = Publisher(
            LEADER,
            queue=queue,  # type: ignore[arg-type]  # only sends
            clock=rig.clock,
            products=lambda: self.products,
            meter=rig.meter,
            log=rig.log,
        )
        return Sweeper(
            LEADER,
            client=rig.venue,
            key=Key(LEADER.account, KEY, rig.secrets),
            publisher=publisher,
            trading=rig.trading,
            clock=rig.clock,
            log=rig.log,
        )

    async def told(self) -> list[tuple[str, bool]]:
        """Venue order id and baseline of each message in the queue, taken and deleted."""
        return [told for told, _ in await self.messages()]

    async def messages(self) -> list[tuple[tuple[str, bool], LeaderOrder]]:
        found: list[tuple[tuple[str, bool], LeaderOrder]] = []
        while deliveries := await self.queue.receive(wait_s=0):
            for each in deliveries:
                message = decode(each.body)
                assert isinstance(message, LeaderOrder)
                told = (message.event.fact.venue_order_id, message.event.baseline)
                found.append((told, message))
            await self.queue.delete([each.receipt for each in deliveries])
        return found

    async def mark(self) -> int | None:
        stored = await self.rig.trading.mark(LEADER.venue, LEADER.account)
        return stored.value.swept if stored else None


def news(order: str, *, after_s: int = 0) -> Told:
    """A fill so many seconds after the beginning."""
    ts = ORIGIN + after_s * NS_PER_S
    return Told(facts=(fact(venue_order_id=VenueOrderId(order), cum_filled=Decimal(1), ts_venue=ts),))


async def test_the_first_sweep_is_the_baseline(autojump_clock: MockClock) -> None:
    """What is there before the first mark is remembered, not copied; what a later sweep finds is."""
    desk = Desk()
    desk.rig.venue.told.extend([news("old"), news("new", after_s=1)])
    await desk.sweeper.sweep()
    await desk.sweeper.sweep()
    assert await desk.told() == [("old", True), ("new", False)]


async def test_another_task_goes_on_from_the_mark(autojump_clock: MockClock) -> None:
    """A new task's first sweep is no baseline: the account has been swept before."""
    desk = Desk()
    await desk.sweeper.sweep()
    await trio.sleep(100)
    desk.rig.venue.told.append(news("missed", after_s=50))
    await desk.another().sweep()
    assert await desk.told() == [("missed", False)]


async def test_a_sweep_looks_back_past_the_one_before(autojump_clock: MockClock) -> None:
    """From the beginning of the last one, less an overlap: whatever happened meanwhile is in both."""
    desk = Desk()
    begun = desk.rig.clock.now()
    await desk.sweeper.sweep()
    assert await desk.mark() == begun
    await trio.sleep(300)
    await desk.sweeper.sweep()
    assert desk.rig.venue.swept_since == [begun - OVERLAP_NS] * 2
    assert await desk.mark() == desk.rig.clock.now()


async def test_a_failed_question_is_asked_again(autojump_clock: MockClock) -> None:
    """It never means "nothing there": no mark, no baseline, until the venue has answered."""
    desk = Desk()
    desk.rig.venue.told.extend([VenueError("busy"), VenueError("busy"), news("old")])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.sweeper.sweep)
        await trio.testing.wait_all_tasks_blocked()
        assert await desk.mark() is None
    assert await desk.told() == [("old", True)]
    assert await desk.mark() is not None


async def test_the_mark_moves_after_publishing(autojump_clock: MockClock) -> None:
    """If the task dies with the queue away, the next sweep looks at the same time again."""
    desk = Desk()
    await desk.sweeper.sweep()
    before = await desk.mark()
    await trio.sleep(100)
    dying = desk.another(queue_away=10**6)
    desk.rig.venue.told.append(news("missed", after_s=50))
    with trio.move_on_after(30):
        await dying.sweep()
    assert await desk.mark() == before
    assert await desk.told() == []
    desk.rig.venue.told.append(news("missed", after_s=50))
    await desk.another().sweep()
    assert await desk.told() == [("missed", False)]
    assert desk.rig.venue.swept_since[-1] == desk.rig.venue.swept_since[-2]


async def test_a_table_that_is_away_is_waited_for(autojump_clock: MockClock) -> None:
    """Reading or writing the mark may fail, or another task may have moved it: the sweep is made again."""
    desk = Desk()
    desk.rig.table.trouble_reads(Trouble(Unavailable("gone"), "swept"))
    desk.rig.table.trouble_writes(Trouble(Unavailable("gone"), "swept"), Trouble(Conflict([]), "swept"))
    desk.rig.venue.told.extend([news("old")] * 3)
    await desk.sweeper.sweep()
    assert await desk.told() == [("old", True)]
    assert await desk.mark() is not None


async def test_sweeps_of_one_account_take_turns(autojump_clock: MockClock) -> None:
    """Sockets and the timer may want one at the same time: one that begins after they asked serves all."""
    desk = Desk()
    ask, sweep = desk.rig.venue.sweep, desk.sweeper.sweep

    async def told_slowly(*args: Any, **fields: Any) -> Told:
        await trio.sleep(1)
        return await ask(*args, **fields)

    desk.rig.venue.sweep = told_slowly  # type: ignore[method-assign]  # put in between
    async with trio.open_nursery() as nursery:
        for asked_after_s in (0, 0, 0.5, 0):
            await trio.sleep(asked_after_s)
            nursery.start_soon(sweep)
    assert sum("sweep.done" in line for line in desk.rig.lines) == 2
    assert not any("sweep.failed" in line for line in desk.rig.lines)


async def test_the_timer_sweeps(autojump_clock: MockClock) -> None:
    """Again and again, beside what reconnects ask for."""
    desk = Desk()
    with trio.move_on_after(605):
        await desk.sweeper.serve_timer(60, lambda _swept: None)
    assert len(desk.rig.venue.swept_since) == 10


async def test_a_product_that_joins_later_copies_nothing_from_before(autojump_clock: MockClock) -> None:
    """Its first sweep is its baseline, though the account has been swept for long; the others go on."""
    desk = Desk()
    await desk.sweeper.sweep()
    await trio.sleep(100)
    desk.products.append(replace(desk.rig.product, product=ProductId("late")))
    desk.rig.venue.told.extend([news("before", after_s=90), news("after", after_s=150)])
    await desk.sweeper.sweep()
    await trio.sleep(100)
    await desk.sweeper.sweep()
    messages = await desk.messages()
    told = [(each.event.product, *what) for what, each in messages]
    assert sorted(told) == [
        ("late", "after", False),
        ("late", "before", True),
        ("p", "after", False),
        ("p", "before", False),
    ]


async def test_when_a_product_joined_is_remembered(autojump_clock: MockClock) -> None:
    """By the table: another task's first sweep copies what has happened since, and nothing from before."""
    desk = Desk()
    await desk.sweeper.sweep()
    await trio.sleep(100)
    told = Told(facts=(*news("late-listed", after_s=-1).facts, *news("missed", after_s=50).facts))
    desk.rig.venue.told.append(told)
    await desk.another().sweep()
    assert await desk.told() == [("late-listed", True), ("missed", False)]


async def test_a_sweep_whose_mark_is_not_saved_does_not_join_again(autojump_clock: MockClock) -> None:
    """What happens between two tries is copied."""
    desk = Desk()
    desk.rig.table.trouble_writes(Trouble(Unavailable("gone"), "swept"))
    desk.rig.venue.told.extend([news("old"), news("between", after_s=1)])
    await desk.sweeper.sweep()
    assert await desk.told() == [("old", True), ("between", False)]


async def test_a_new_product_does_not_wait_for_the_timer(autojump_clock: MockClock) -> None:
    """Its leader's orders are held until it has joined."""
    desk = Desk()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.sweeper.serve_timer, 3600, lambda _swept: None)
        await trio.sleep(1)
        desk.sweeper.follow()
        await trio.sleep(1)
        assert len(desk.rig.venue.swept_since) == 1
        desk.sweeper.follow()  # nothing is to join any more
        await trio.sleep(1)
        assert len(desk.rig.venue.swept_since) == 1
        nursery.cancel_scope.cancel()
