"""Laws of opening an event: planned once, by one worker, in one write."""

import msgspec
import pytest
import trio

from services.oms.intake import Handled, Later, Poison
from services.oms.journal import Finished, Mine, Theirs, UnknownProduct
from spider_common.clock import NS_PER_S
from spider_common.domain.drafting import UnknownInstrument
from spider_common.domain.identifiers import ProductId
from spider_common.domain.orders import CopyState
from spider_common.domain.reasons import Reason
from spider_common.stores.table import Ambiguous, Conflict
from tests.oms_rig import Rig, subscription
from tests.scripted import Trouble
from tests.strategies import altered


async def test_an_event_is_planned_once(autojump_clock: trio.testing.MockClock) -> None:
    """The first to open it owns it; any other is told until when, takeover margin included."""
    rig = Rig("alice")
    one, two = await rig.worker("one"), await rig.worker("two")
    event = rig.event()
    opened = await one.journal.open(event, rig.clock.now())
    assert isinstance(opened, Mine)
    lease = opened.stored.value.lease
    assert (lease.owner, lease.fence, lease.ends) == ("one", 1, rig.clock.now() + rig.timing.lease)
    assert await two.journal.open(event, rig.clock.now()) == Theirs(lease.ends + rig.timing.takeover)
    assert await two.copier.handle(event, rig.clock.now()) == Later(lease.ends + rig.timing.takeover)


async def test_two_workers_at_once_plan_once(autojump_clock: trio.testing.MockClock) -> None:
    """Both read "nothing planned"; one writes, the other looks again and finds it."""
    rig = Rig("alice")
    workers = [await rig.worker("one"), await rig.worker("two")]
    event = rig.event()
    opened: list[object] = []

    async def open_it(number: int) -> None:
        opened.append(await workers[number].journal.open(event, rig.clock.now()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_it, 0)
        nursery.start_soon(open_it, 1)
    assert sorted(type(each).__name__ for each in opened) == ["Mine", "Theirs"]
    assert rig.timeline.count("write book, cursor, journal") == 1


async def test_the_same_event_again_is_finished(autojump_clock: trio.testing.MockClock) -> None:
    """A redelivered message of an event that is done sends nothing and may go."""
    rig = Rig("alice")
    worker = await rig.worker()
    event = rig.event()
    for _ in range(3):
        assert await worker.copier.handle(event, rig.clock.now()) == Handled()
    finished = Finished(stored=await rig.trading.journal(event.event_id, event.product, 0))
    assert await worker.journal.open(event, rig.clock.now()) == finished
    assert len(rig.venue.requests) == 1


async def test_an_older_fact_plans_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """The cursor is at a larger fill: what is older has been copied with it."""
    rig = Rig("alice")
    worker = await rig.worker()
    older, newer = rig.event("1"), rig.event("2")
    await worker.copier.handle(newer, rig.clock.now())
    assert await worker.journal.open(older, rig.clock.now()) == Finished(Reason.OLDER_FACT)
    assert await rig.trading.event_journal(older.fact.event_id) == []


async def test_a_baseline_is_remembered_and_not_copied(autojump_clock: trio.testing.MockClock) -> None:
    """What was filled before the product began is in the cursor; only what is filled later is copied."""
    rig = Rig("alice")
    worker = await rig.worker()
    before = msgspec.structs.replace(rig.event("3"), baseline=True)
    opened = await worker.journal.open(before, rig.clock.now())
    assert isinstance(opened, Finished)
    assert opened.reason is Reason.BASELINE
    assert rig.venue.requests == []
    after = rig.event("5")
    await worker.copier.handle(after, rig.clock.now())
    assert (await rig.intents(after))["alice"].quantity == 2


@pytest.mark.parametrize("effect", [True, False])
async def test_an_ambiguous_plan_is_looked_up(effect: bool, autojump_clock: trio.testing.MockClock) -> None:
    """No answer to the plan's write: if it happened it is ours, otherwise it is made again. One order."""
    rig = Rig("alice")
    worker = await rig.worker()
    rig.table.trouble_writes(Trouble(Ambiguous("no answer"), "journal", effect))
    event = rig.event()
    assert await worker.copier.handle(event, rig.clock.now()) == Handled()
    row = await rig.row(event)
    assert (row.lease.fence, row.intents[0].state) == (1, CopyState.ACCEPTED)
    assert len(rig.venue.requests) == 1


async def test_a_book_that_moved_is_read_again(autojump_clock: trio.testing.MockClock) -> None:
    """A conflict on the plan's write means that somebody was faster: look, and plan anew."""
    rig = Rig("alice")
    worker = await rig.worker()
    rig.table.trouble_writes(Trouble(Conflict([]), "journal"), Trouble(Conflict([]), "journal"))
    event = rig.event()
    assert isinstance(await worker.journal.open(event, rig.clock.now()), Mine)


async def test_a_takeover_waits_for_lease_and_margin(autojump_clock: trio.testing.MockClock) -> None:
    """A moment before, the row is theirs; then it is taken, and what was planned is in doubt."""
    rig = Rig("alice")
    one, two = await rig.worker("one"), await rig.worker("two")
    event = rig.event()
    await one.planned(event)
    wait = (rig.timing.lease + rig.timing.takeover) / NS_PER_S
    await trio.sleep(wait - 0.001)
    assert isinstance(await two.journal.open(event, rig.clock.now()), Theirs)
    await trio.sleep(0.001)
    row = (await two.planned(event)).value
    assert (row.lease.owner, row.lease.fence) == ("two", 2)
    assert row.intents[0].state is CopyState.IN_DOUBT


async def test_an_unknown_product_is_named(autojump_clock: trio.testing.MockClock) -> None:
    """The configuration is read again before the event is set aside with its reason."""
    rig = Rig("alice")
    worker = await rig.worker()
    event = msgspec.structs.replace(rig.event(), product=ProductId("nobody's"))
    with pytest.raises(UnknownProduct, match=r"event\.product: .* is not configured; add it"):
        await worker.journal.open(event, rig.clock.now())
    verdict = await worker.copier.handle(event, rig.clock.now())
    assert isinstance(verdict, Poison)
    assert "event.product" in verdict.reason


async def test_an_unknown_instrument_is_named(autojump_clock: trio.testing.MockClock) -> None:
    """A leader's symbol that its venue does not list cannot be scaled: set aside with its reason."""
    rig = Rig("alice")
    worker = await rig.worker()
    event = rig.event()
    event = msgspec.structs.replace(event, fact=altered(event.fact, symbol="XYZ-USDT-SWAP"))
    with pytest.raises(UnknownInstrument, match=r"fact\.symbol"):
        await worker.journal.open(event, rig.clock.now())
    assert isinstance(await worker.copier.handle(event, rig.clock.now()), Poison)


async def test_a_new_product_is_found_without_a_restart(autojump_clock: trio.testing.MockClock) -> None:
    """One that was configured after the service had read its reference is read when its event comes."""
    rig = Rig("alice")
    worker = await rig.worker()
    second = msgspec.structs.replace(
        rig.product, product=ProductId("new"), subscriptions=(subscription("alice"),)
    )
    await rig.config.put_product(second)
    await trio.sleep(6)  # the cache is five seconds old at most
    event = msgspec.structs.replace(rig.event(), product=second.product)
    assert isinstance(await worker.journal.open(event, rig.clock.now()), Mine)
