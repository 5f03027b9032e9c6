"""Laws of doubts: asked for until the venue has said yes, or twice no; then at most one order."""

import trio

from services.oms.intake import Handled
from services.oms.journal import Theirs
from services.oms.record import record
from spider_common.clock import NS_PER_S
from spider_common.domain import journal
from spider_common.domain.follower_orders import follower_order
from spider_common.domain.orders import CopyState, Side
from spider_common.domain.positions import LegKind
from spider_common.stores.table import Unavailable
from tests.oms_rig import Rig
from tests.scripted import Reply, Trouble

LONG_S = 60


async def test_an_order_that_is_found_is_accepted(autojump_clock: trio.testing.MockClock) -> None:
    """The reply was lost, the order was not: the venue names it, and nothing is sent again."""
    rig = Rig("alice")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.LOSE_REPLY)
    event = rig.event()
    async with worker.resolving():
        await worker.copier.handle(event, rig.clock.now())
        await trio.sleep(LONG_S)
    intent = (await rig.intents(event))["alice"]
    assert intent.state is CopyState.ACCEPTED
    assert intent.venue_order_id == rig.venue.orders[intent.client_order_id].venue_order_id
    assert (intent.doubt, len(rig.venue.requests), rig.venue.doubled) == (None, 1, [])


async def test_two_counted_misses_bring_one_resubmission(autojump_clock: trio.testing.MockClock) -> None:
    """A lost request is sent again once, after its expiry, the skew and the visibility bound have passed."""
    rig = Rig("alice")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.LOSE_REQUEST)
    event = rig.event()
    async with worker.resolving():
        await worker.copier.handle(event, rig.clock.now())
        await trio.sleep(LONG_S)
    first, second = rig.venue.requests
    assert first.order == second.order
    assert second.at > first.expires + rig.timing.skew + rig.timing.visibility
    assert (await rig.intents(event))["alice"].state is CopyState.ACCEPTED
    assert rig.venue.doubled == []


async def test_an_order_that_shows_late_is_not_doubled(autojump_clock: trio.testing.MockClock) -> None:
    """An accepted order may stay invisible for the visibility bound; until then a miss proves nothing."""
    rig = Rig("alice")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.LOSE_REPLY)
    event = rig.event()
    async with worker.resolving():
        await worker.copier.handle(event, rig.clock.now())
        (request,) = rig.venue.requests
        rig.venue.hidden_until[request.order] = request.expires + rig.timing.skew + rig.timing.visibility
        await trio.sleep(LONG_S)
    assert len(rig.venue.requests) == 1
    assert (await rig.intents(event))["alice"].state is CopyState.ACCEPTED


async def test_no_answer_is_no_miss(autojump_clock: trio.testing.MockClock) -> None:
    """A venue that does not answer queries keeps the doubt; nothing is sent however long it takes."""
    rig = Rig("alice")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.LOSE_REQUEST)
    rig.venue.deaf = True
    event = rig.event()
    async with worker.resolving():
        await worker.copier.handle(event, rig.clock.now())
        await trio.sleep(LONG_S)
        assert (await rig.intents(event))["alice"].state is CopyState.IN_DOUBT
        assert len(rig.venue.requests) == 1
        rig.venue.deaf = False
        await trio.sleep(4 * LONG_S)
    assert len(rig.venue.requests) == 2
    assert (await rig.intents(event))["alice"].state is CopyState.ACCEPTED


async def test_a_held_order_goes_after_the_doubt_and_is_written_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The open of a flip is sent only when its close is settled; it is durable as PLANNED before that."""
    rig = Rig("alice")
    worker = await rig.worker()
    async with worker.resolving():
        await worker.copier.handle(rig.event("1", order="1"), rig.clock.now())
        rig.venue.script("alice-account", Reply.LOSE_REQUEST)
        flip = rig.event("3", order="2", side=Side.SELL)
        await worker.copier.handle(flip, rig.clock.now())
        await trio.sleep(LONG_S)
    ids = {intent.leg: intent.client_order_id for intent in (await rig.row(flip)).intents}
    sent = [request.order for request in rig.venue.requests[1:]]
    assert sent == [ids[LegKind.CLOSE], ids[LegKind.CLOSE], ids[LegKind.OPEN]]
    assert all(intent.state is CopyState.ACCEPTED for intent in (await rig.row(flip)).intents)
    # two writes between the close's second request and the open's: its outcome, and the release
    again = len(rig.timeline) - 1 - rig.timeline[::-1].index(f"request {ids[LegKind.CLOSE]}")
    released = rig.timeline.index(f"request {ids[LegKind.OPEN]}")
    between = rig.timeline[again + 1 : released]
    assert [entry for entry in between if "journal" in entry] == ["write book, journal"] * 2


async def test_a_held_event_goes_after_the_doubt_before_it(autojump_clock: trio.testing.MockClock) -> None:
    """Orders of one client keep their sequence over events."""
    rig = Rig("alice")
    worker = await rig.worker()
    async with worker.resolving():
        rig.venue.script("alice-account", Reply.LOSE_REQUEST)
        events = [rig.event("1"), rig.event("2"), rig.event("3")]
        for event in events:
            await worker.copier.handle(event, rig.clock.now())
        await trio.sleep(LONG_S)
    ids = [(await rig.intents(event))["alice"].client_order_id for event in events]
    assert [request.order for request in rig.venue.requests] == [ids[0], *ids]
    book = await rig.trading.book(rig.product.product, 0, events[0].fact.symbol)
    assert book.value.waiting == {}


async def test_a_table_that_is_away_delays_and_loses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """The resolver goes on when the table answers again."""
    rig = Rig("alice")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.LOSE_REPLY)
    event = rig.event()
    async with worker.resolving():
        await worker.copier.handle(event, rig.clock.now())
        rig.table.trouble_writes(*[Trouble(Unavailable("gone"), "journal")] * 5)
        rig.table.trouble_reads(*[Trouble(Unavailable("gone"), "book")] * 5)
        await trio.sleep(LONG_S)
    assert (await rig.intents(event))["alice"].state is CopyState.ACCEPTED
    assert len(rig.venue.requests) == 1


async def test_a_dead_owners_row_is_adopted_after_its_lease_not_before(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its order is asked for, missed twice, and sent once; until the lease is over nobody acts."""
    rig = Rig("alice")
    dead, heir = await rig.worker("dead"), await rig.worker("heir")
    event = rig.event()
    planned_at = rig.clock.now()
    await dead.planned(event)  # and it is never heard of again
    over = rig.timing.lease + rig.timing.takeover
    async with heir.resolving():
        await trio.sleep(over / NS_PER_S - 0.1)
        assert (await rig.row(event)).lease.owner == "dead"
        assert isinstance(await heir.journal.open(event, rig.clock.now()), Theirs)
        assert rig.venue.questions == rig.venue.requests == []
        await trio.sleep(LONG_S)
    row = await rig.row(event)
    assert (row.lease.owner, row.lease.fence) == ("heir", 2)
    (request,) = rig.venue.requests
    closed = planned_at + rig.timing.lease + rig.timing.skew  # no request of the dead owner comes later
    assert request.at > closed + rig.timing.visibility
    assert row.intents[0].state is CopyState.ACCEPTED
    # the orders can be looked up, although their owner died before it had made them findable
    assert await rig.order(row.intents[0]) is not None


async def test_a_dead_owners_order_is_found_not_sent(autojump_clock: trio.testing.MockClock) -> None:
    """It died between the venue's answer and its write: the heir finds the order."""
    rig = Rig("alice")
    dead, heir = await rig.worker("dead"), await rig.worker("heir")
    event = rig.event()
    stored = await dead.planned(event)
    rig.venue.accept(stored.value.intents[0])
    async with heir.resolving():
        await trio.sleep(LONG_S)
    assert rig.venue.requests == []
    assert (await rig.intents(event))["alice"].state is CopyState.ACCEPTED


async def test_the_redelivered_message_of_a_dead_owner_is_handled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Whoever comes first after the lease, message or timer, takes the row over; the message may go."""
    rig = Rig("alice")
    dead, heir = await rig.worker("dead"), await rig.worker("heir")
    event = rig.event()
    await dead.planned(event)
    await trio.sleep((rig.timing.lease + rig.timing.takeover) / NS_PER_S)
    async with heir.resolving():
        assert await heir.copier.handle(event, rig.clock.now()) == Handled()
        assert (await rig.row(event)).lease.owner == "heir"
        await trio.sleep(LONG_S)
    assert len(rig.venue.requests) == 1


async def test_a_stale_opening_is_not_sent_again(autojump_clock: trio.testing.MockClock) -> None:
    """Proved absent but too old by then: denied, and withdrawn from the book."""
    rig = Rig("alice", max_signal_age_ms=3_000)
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.LOSE_REQUEST)
    event = rig.event()
    async with worker.resolving():
        await worker.copier.handle(event, rig.clock.now())
        await trio.sleep(LONG_S)
    intent = (await rig.intents(event))["alice"]
    assert intent.state is CopyState.DENIED
    assert len(rig.venue.requests) == 1
    book = await rig.trading.book(rig.product.product, 0, event.fact.symbol)
    assert book.value.waiting == {}
    assert book.value.part(intent.client, intent.leader_side).planned == 0


async def test_an_order_whose_owner_died_after_its_row_is_mended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Law: what the journal has settled and the orders have not heard of is brought to them."""
    rig = Rig("alice")
    worker = await rig.worker()
    stored = await worker.planned(rig.event())
    (made,) = stored.value.intents
    doubtful = journal.doubt(made, why="no answer", expires=rig.clock.now(), now=rig.clock.now())
    stored = await record(rig.trading, stored, stored.value.with_intents({made.client_order_id: doubtful}))
    await rig.trading.orders.follow(stored)
    await worker.resolver.mend()
    assert await rig.order(made) == follower_order(stored.value, doubtful, stored.version)
    accepted = journal.accept(doubtful, None)
    await record(rig.trading, stored, stored.value.with_intents({made.client_order_id: accepted}))
    await worker.resolver.mend()
    order = await rig.order(made)
    assert order is not None
    assert order.intent == accepted
