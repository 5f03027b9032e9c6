"""Amendments and cancels under the journal: durable first, in the client's order, settled by asking."""

from decimal import Decimal

import msgspec
import pytest
import trio

from spider_common.clock import NS_PER_MS, NS_PER_S
from spider_common.domain.identifiers import VenueOrderId
from spider_common.domain.intents import Action, LeaderEvent
from spider_common.domain.journal import Timing
from spider_common.domain.orders import CopyState, OrderStatus, OrderType, Trigger, TriggerKind
from spider_common.domain.products import CopyMode
from spider_common.domain.reasons import Reason
from tests.oms_rig import PRODUCT, Rig
from tests.scripted import Reply
from tests.strategies import fact

LONG_S = 60
LIVE, GONE = OrderStatus.LIVE, OrderStatus.CANCELED


def mirrored(*clients: str, timing: Timing | None = None) -> Rig:
    rig = Rig(*clients, timing=timing)
    subscriptions = tuple(
        msgspec.structs.replace(each, mode=CopyMode.ORDERS) for each in rig.product.subscriptions
    )
    rig.product = msgspec.structs.replace(rig.product, subscriptions=subscriptions)
    return rig


def resting(rig: Rig, status: OrderStatus = LIVE, price: str = "100", filled: str = "0") -> LeaderEvent:
    """The leader's limit order of 1, as it is now."""
    told = fact(
        venue_order_id=VenueOrderId("1"),
        order_type=OrderType.LIMIT,
        status=status,
        quantity=Decimal(1),
        cum_filled=Decimal(filled),
        price=Decimal(price),
        ts_venue=rig.clock.now(),
        ts_seen=rig.clock.now(),
    )
    return LeaderEvent(product=PRODUCT, shard=0, shards=1, fact=told)


async def told(rig: Rig, worker: object, *events: tuple[OrderStatus, str]) -> list[LeaderEvent]:
    """Handles the leader's order through these states, a second apart, and waits until all is settled."""
    seen = []
    for status, price in events:
        seen.append(resting(rig, status, price))
        await worker.copier.handle(seen[-1], rig.clock.now())  # type: ignore[attr-defined]
        await trio.sleep(1)
    await trio.sleep(LONG_S)
    return seen


async def test_a_resting_order_is_placed_amended_and_cancelled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It is at the leader's price and gone when the leader's is: three rows, three requests."""
    rig = mirrored("alice")
    worker = await rig.worker()
    async with worker.resolving():
        events = await told(rig, worker, (LIVE, "100"), (LIVE, "90"), (GONE, "90"))
    (order,) = rig.venue.orders.values()
    assert (order.order_type, order.price, order.status) == (OrderType.LIMIT, 90, GONE)
    states = [(await rig.intents(event))["alice"] for event in events]
    assert [each.action for each in states] == [Action.PLACE, Action.AMEND, Action.CANCEL]
    assert {each.state for each in states} == {CopyState.ACCEPTED}


@pytest.mark.parametrize("lost", [Reply.LOSE_REPLY, Reply.LOSE_REQUEST])
async def test_an_amendment_in_doubt_is_settled_by_what_the_order_is(
    lost: Reply, autojump_clock: trio.testing.MockClock
) -> None:
    """Lost on its way it is asked for again, lost on the way back it is not; the order has the new price."""
    rig = mirrored("alice")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.ACCEPT, lost)
    async with worker.resolving():
        _, amended = await told(rig, worker, (LIVE, "100"), (LIVE, "90"))
    (order,) = rig.venue.orders.values()
    assert order.price == 90
    assert (await rig.intents(amended))["alice"].state is CopyState.ACCEPTED
    assert len(rig.venue.requests) == (2 if lost is Reply.LOSE_REPLY else 3)


async def test_a_cancel_is_asked_for_again_at_once(autojump_clock: trio.testing.MockClock) -> None:
    """Asked for twice it is one cancel: nobody waits for proof that the first was lost."""
    rig = mirrored("alice")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.ACCEPT, Reply.LOSE_REQUEST, Reply.LOSE_REQUEST)
    async with worker.resolving():
        await told(rig, worker, (LIVE, "100"), (GONE, "100"))
    (order,) = rig.venue.orders.values()
    _, first, *_, last = rig.venue.requests
    assert order.status is GONE
    assert last.at - first.at < 2 * NS_PER_S


async def test_what_follows_a_doubt_waits_for_it(autojump_clock: trio.testing.MockClock) -> None:
    """An amendment and a cancel of an order whose placing is in doubt go after it, in their order."""
    rig = mirrored("alice")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.LOSE_REQUEST)
    async with worker.resolving():
        events = await told(rig, worker, (LIVE, "100"), (LIVE, "90"), (GONE, "90"))
    states = [(await rig.intents(event))["alice"].state for event in events]
    (order,) = rig.venue.orders.values()
    assert states == [CopyState.ACCEPTED] * 3
    assert (order.price, order.status, rig.venue.doubled) == (90, GONE, [])


async def test_a_refused_order_is_neither_amended_nor_counted(autojump_clock: trio.testing.MockClock) -> None:
    """The venue refused the mirror: what comes of the leader's order later is not the follower's."""
    rig = mirrored("alice", "bob")
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.REJECT)
    async with worker.resolving():
        placed, cancelled = await told(rig, worker, (LIVE, "100"), (GONE, "100"))
    assert (await rig.intents(placed))["alice"].state is CopyState.REJECTED
    assert list(await rig.intents(cancelled)) == ["bob"]
    cursor = await rig.trading.cursor(PRODUCT, 0, "1")
    assert cursor is not None
    came_to = {client: list(mirror.orders.values()) for client, mirror in cursor.value.mirrors.items()}
    assert came_to == {"open/alice": [Decimal(0)], "open/bob": [None]}


async def test_a_dead_owners_amendment_is_adopted(autojump_clock: trio.testing.MockClock) -> None:
    """Who takes over asks what the order is, and amends it if it is not as it should be."""
    rig = mirrored("alice")
    dead, heir = await rig.worker("dead"), await rig.worker("heir")
    await dead.copier.handle(resting(rig), rig.clock.now())
    await trio.sleep(1)
    amended = resting(rig, price="90")
    await dead.planned(amended)
    async with heir.resolving():
        await trio.sleep(2 * LONG_S)
    (order,) = rig.venue.orders.values()
    assert order.price == 90
    assert (await rig.row(amended)).lease.owner == "heir"
    assert (await rig.intents(amended))["alice"].state is CopyState.ACCEPTED


def waiting(rig: Rig, price: str) -> LeaderEvent:
    """The leader's conditional buy of 1, and the price that it waits for now."""
    event = resting(rig)
    trigger = Trigger(kind=TriggerKind.ENTRY, price=Decimal(price))
    told = msgspec.structs.replace(event.fact, order_type=OrderType.MARKET, price=None, trigger=trigger)
    return msgspec.structs.replace(event, fact=told)


@pytest.mark.parametrize("gone", [False, True])
async def test_a_moved_trigger_is_a_cancel_and_an_order_in_its_place(
    gone: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """The new order is sent in the same pass; not if the old one could not be taken back any more."""
    rig = mirrored("alice")
    worker = await rig.worker()
    async with worker.resolving():
        await worker.copier.handle(waiting(rig, "90"), rig.clock.now())
        await trio.sleep(1)
        (old,) = rig.venue.orders.values()
        if gone:
            rig.venue.orders[old.client_order_id] = msgspec.structs.replace(old, status=OrderStatus.TRIGGERED)
        moved = waiting(rig, "95")
        await worker.copier.handle(moved, rig.clock.now())
        await trio.sleep(LONG_S)
    cancel, anew = (await rig.row(moved)).intents
    assert cancel.state is (CopyState.REJECTED if gone else CopyState.ACCEPTED)
    assert (anew.state, anew.reason) == (
        (CopyState.DENIED, Reason.NOT_AMENDABLE) if gone else (CopyState.ACCEPTED, "")
    )
    assert len(rig.venue.orders) == (1 if gone else 2)


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param([Reply.LOSE_REPLY], id="then-refused"),
        pytest.param([Reply.LOSE_REPLY, Reply.RATE_LIMIT], id="then-no-time-left"),
    ],
)
async def test_a_moved_trigger_survives_a_lost_answer(
    replies: list[Reply], autojump_clock: trio.testing.MockClock
) -> None:
    """The cancel had worked and is refused when asked again: the venue is asked who took the order back, and
    the order in its place goes. Else the follower would be left with neither."""
    short = Timing(lease=2 * NS_PER_S, window=500 * NS_PER_MS, skew=200 * NS_PER_MS)
    rig = mirrored("alice", timing=short)
    worker = await rig.worker()
    rig.venue.script("alice-account", Reply.ACCEPT, *replies)
    async with worker.resolving():
        for price in ("90", "95"):
            moved = waiting(rig, price)
            await worker.copier.handle(moved, rig.clock.now())
            await trio.sleep(LONG_S)
    assert [intent.state for intent in (await rig.row(moved)).intents] == [CopyState.ACCEPTED] * 2
    assert [order.status for order in rig.venue.orders.values()] == [GONE, LIVE]


async def test_a_trigger_that_has_fired_is_not_moved(autojump_clock: trio.testing.MockClock) -> None:
    """Who took over finds the order fired: it was not taken back, and nothing is placed in its place."""
    rig = mirrored("alice")
    dead, heir = await rig.worker("dead"), await rig.worker("heir")
    await dead.copier.handle(waiting(rig, "90"), rig.clock.now())
    await trio.sleep(1)
    moved = waiting(rig, "95")
    await dead.planned(moved)
    (old,) = rig.venue.orders.values()
    rig.venue.orders[old.client_order_id] = msgspec.structs.replace(old, status=OrderStatus.TRIGGERED)
    async with heir.resolving():
        await trio.sleep(2 * LONG_S)
    cancel, anew = (await rig.row(moved)).intents
    assert (cancel.state, anew.state) == (CopyState.REJECTED, CopyState.DENIED)
    assert anew.reason == Reason.NOT_AMENDABLE
    assert list(rig.venue.orders) == [old.client_order_id]
