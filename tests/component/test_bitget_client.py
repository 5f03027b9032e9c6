"""Bitget's client against the simulator: orders, limits and settings."""

from decimal import Decimal

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from services.simulator.ledger import Canceled, Placed
from services.simulator.simulator import SimulatorConfig
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side, Trigger, TriggerKind
from spider_common.domain.products import MarginMode
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import Amendment, OrderRef
from spider_common.secret import Credentials, Secret
from spider_common.venues.bitget.parse import ClosingSide
from spider_common.venues.outcomes import (
    Accepted,
    Found,
    RateLimited,
    Refused,
    Rejected,
    Unknown,
    VenueError,
)
from tests.component.bitget_bench import HEDGED, IDS, ONE_WAY, ORDER, REF, RESTING, key
from tests.component.bitget_trader import SWAP


async def test_instruments_are_listed_in_base_coin(autojump_clock, bench):
    """Every simulated swap, with its own steps, is known from then on."""
    listed = await bench.client.instruments()
    assert [(each.symbol, each.lot, each.minimum, each.tick, each.contract_size) for each in listed] == [
        (item.symbol, item.lot, item.minimum, item.tick, 1) for item in bench.venue.instruments
    ]
    assert list(bench.client.known_instruments) == list(listed)


# Placing


@pytest.mark.parametrize(
    ("kind", "price"),
    [
        (OrderType.MARKET, None),
        (OrderType.LIMIT, Decimal(59000)),
        (OrderType.POST_ONLY, Decimal(59000)),
        (OrderType.IOC, Decimal("60000.1")),
        (OrderType.FOK, Decimal(61000)),
    ],
)
async def test_an_order_is_placed_as_asked_and_found_again(autojump_clock, bench, kind, price):
    """The venue's ledger has it as it was asked for, and `find` tells it back."""
    outcome = await bench.place(replace(ORDER, order_type=kind, price=price))
    order = bench.venue.exchange.ledger.entries[0].order
    assert outcome == Accepted(order.order_id)
    assert (order.kind, order.price, order.size, order.side) == (kind, price, Decimal("0.01"), "buy")
    found = await bench.find()
    assert isinstance(found, Found)
    assert (found.fact.order_type, found.fact.price) == (kind, price)
    assert (found.fact.venue_order_id, found.fact.client_order_id) == (order.order_id, IDS[0])


@pytest.mark.parametrize("closing", list(ClosingSide))
async def test_hedged_orders_work_on_the_position_they_name(autojump_clock, make_bench, closing):
    """Open and close, long and short, whichever meaning of `side` both ends are set to."""
    bench = await make_bench(config=SimulatorConfig(bitget_closing=closing.value), closing=closing)
    opens_and_closes = [
        (PositionSide.LONG, Side.BUY),
        (PositionSide.SHORT, Side.SELL),
        (PositionSide.LONG, Side.SELL),
        (PositionSide.SHORT, Side.BUY),
    ]
    sizes = [Decimal("0.03"), Decimal("0.02"), Decimal("0.01"), Decimal("0.01")]
    for number, ((leg, side), size) in enumerate(zip(opens_and_closes, sizes, strict=True)):
        order = replace(
            ORDER, client_order_id=IDS[number], account=HEDGED, position_side=leg, side=side, size=size
        )
        assert isinstance(await bench.place(order), Accepted)
    told = await bench.client.sweep(key("hedger"), HEDGED.account, since=0)
    assert [(fact.position_side, fact.side) for fact in told.facts] == opens_and_closes
    assert [(each.side, each.quantity) for each in told.executions] == [
        (side, size) for (_, side), size in zip(opens_and_closes, sizes, strict=True)
    ]
    held = {each.position_side: each.quantity for each in told.positions}
    assert held == {PositionSide.LONG: Decimal("0.02"), PositionSide.SHORT: Decimal("-0.01")}


async def test_reduce_only_reduces(autojump_clock, bench):
    """In one-way mode; without anything to reduce the venue refuses."""
    reducing = replace(ORDER, side=Side.SELL, reduce_only=True)
    assert await bench.place(reducing) == Rejected("22002", "No position to close")
    await bench.place()
    assert isinstance(await bench.place(replace(reducing, client_order_id=IDS[1])), Accepted)
    assert bench.alice.account.held() == []


@pytest.mark.parametrize(
    "change", [{"symbol": "NOPEUSDT"}, {"size": Decimal("0.00005")}, {"price": Decimal("1.01")}]
)
async def test_what_the_instrument_cannot_have_is_not_sent(autojump_clock, bench, change):
    """Refused by us: the venue's ledger has not even a refusal."""
    outcome = await bench.place(replace(RESTING, **change))
    assert outcome == Refused(Reason.INSTRUMENT_CHANGED)
    assert bench.kinds() == []


async def test_a_key_without_a_passphrase_is_not_tried(autojump_clock, bench):
    """Writes are refused by us, questions raise."""
    bare = Credentials(Secret("alice"), Secret("alice-secret"))
    assert await bench.client.place(bare, ORDER, expires=bench.in_s(9)) == Refused(Reason.NO_CREDENTIALS)
    assert isinstance(await bench.client.find(bare, REF), Unknown)
    with pytest.raises(VenueError, match="passphrase"):
        await bench.client.sweep(bare, ONE_WAY.account, since=0)


# Cancelling and amending


async def test_a_cancel_is_accepted_once(autojump_clock, bench):
    """By our id or the venue's; what has ended or never was is refused."""
    for number in range(2):
        made = await bench.place(replace(RESTING, client_order_id=IDS[number]))
        ref = OrderRef(
            account=ONE_WAY,
            symbol=SWAP,
            client_order_id=IDS[number],
            venue_order_id=made.venue_order_id if number else None,
        )
        outcomes = [await bench.client.cancel(key("alice"), ref, expires=bench.in_s(9)) for _ in range(2)]
        assert outcomes == [Accepted(made.venue_order_id), Rejected("22001", "No order to cancel")]
    never = replace(REF, client_order_id=IDS[9])
    outcome = await bench.client.cancel(key("alice"), never, expires=bench.in_s(9))
    assert outcome == Rejected("40768", "Order does not exist")
    found = await bench.find()
    assert isinstance(found, Found)
    assert found.fact.status is OrderStatus.CANCELED


async def test_an_amendment_replaces_the_order(autojump_clock, bench):
    """The new one has the replacement's id, which finds it; an order without a price cannot be amended."""
    await bench.place(RESTING)
    change = Amendment(
        ref=REF,
        side=Side.BUY,
        position_side=PositionSide.NET,
        reduce_only=False,
        size=Decimal("0.02"),
        price=Decimal(51000),
        replacement=IDS[1],
    )
    assert await bench.client.amend(key("alice"), change, expires=bench.in_s(9)) == Accepted(None)
    found = await bench.find(replace(REF, client_order_id=IDS[1]))
    assert isinstance(found, Found)
    assert (found.fact.quantity, found.fact.price) == (Decimal("0.02"), Decimal(51000))
    assert bench.kinds() == [Placed, Canceled, Placed]
    again = await bench.client.amend(key("alice"), change, expires=bench.in_s(9))
    assert again == Rejected("40768", "Order does not exist")
    priceless = await bench.client.amend(key("alice"), replace(change, price=None), expires=bench.in_s(9))
    assert priceless == Refused(Reason.NOT_AMENDABLE)


# Conditional orders


def conditional(kind, *, account=ONE_WAY, leg=PositionSide.NET, side=Side.SELL, price=None):
    trigger = Trigger(kind=kind, price=Decimal(65000 if kind is TriggerKind.TAKE_PROFIT else 55000))
    return replace(
        ORDER,
        account=account,
        position_side=leg,
        side=side,
        trigger=trigger,
        price=price,
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        reduce_only=kind is not TriggerKind.ENTRY,
    )


@pytest.mark.parametrize("price", [None, Decimal(54900)])
@pytest.mark.parametrize("kind", list(TriggerKind))
@pytest.mark.parametrize(
    ("account", "leg"), [(ONE_WAY, PositionSide.NET), (HEDGED, PositionSide.LONG)], ids=["net", "long"]
)
async def test_a_conditional_order_waits_and_is_found_and_cancelled(
    autojump_clock, bench, kind, account, leg, price
):
    """Entry, stop loss and take profit, of a long: found by our id while they wait and after the cancel."""
    side = Side.BUY if kind is TriggerKind.ENTRY else Side.SELL
    order = conditional(kind, account=account, leg=leg, side=side, price=price)
    made = await bench.place(order)
    assert isinstance(made, Accepted)
    ref = replace(REF, account=account)
    found = await bench.find(ref)
    assert isinstance(found, Found)
    fact = found.fact
    assert (fact.venue_order_id, fact.side, fact.position_side) == (made.venue_order_id, side, leg)
    assert (fact.reduce_only, fact.price) == (order.reduce_only, price)
    assert (fact.status, fact.cum_filled, fact.quantity) == (OrderStatus.LIVE, 0, Decimal("0.01"))
    credentials = key(account.account)
    outcomes = [await bench.client.cancel(credentials, ref, expires=bench.in_s(9)) for _ in range(2)]
    assert outcomes == [made, Rejected("40768", "Order does not exist")]
    found = await bench.find(ref)
    assert isinstance(found, Found)
    assert found.fact.status is OrderStatus.CANCELED


# Limits


async def test_orders_wait_for_their_budget(autojump_clock, bench):
    """Thirty orders at once are all taken: none leaves before the venue lets it in."""
    outcomes = []

    async def one(number):
        order = replace(RESTING, client_order_id=IDS[number])
        await bench.client.ready_to_place(order)
        outcomes.append(await bench.client.place(key("alice"), order, expires=bench.in_s(9)))

    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(one, number)
    assert [type(outcome) for outcome in outcomes] == [Accepted] * 30


async def test_a_rate_limit_closes_the_bucket(autojump_clock, bench):
    """Somebody else has used the account's window up: the next order waits a second by itself."""
    for _ in range(10):
        await bench.alice.order()
    outcome = await bench.client.place(key("alice"), ORDER, expires=bench.in_s(9))
    assert isinstance(outcome, RateLimited)
    begun = trio.current_time()
    assert isinstance(await bench.place(), Accepted)
    assert trio.current_time() - begun == pytest.approx(1)


# Settings


async def test_leverage_and_position_mode(autojump_clock, bench):
    """Set at the venue; what it refuses is told as its refusal."""
    alice = key("alice")
    for mode in MarginMode:
        assert await bench.client.set_leverage(alice, ONE_WAY, SWAP, 20, mode) == Accepted(None)
    assert bench.alice.account.leverage_of(SWAP) == 20
    hedger = key("hedger")
    assert await bench.client.set_leverage(hedger, HEDGED, SWAP, 5, MarginMode.ISOLATED) == Accepted(None)
    too_much = await bench.client.set_leverage(alice, ONE_WAY, SWAP, 500, MarginMode.CROSS)
    assert isinstance(too_much, Rejected)
    await bench.place()
    blocked = await bench.client.set_hedge_mode(alice, ONE_WAY, hedge=True)
    assert isinstance(blocked, Rejected)
    assert blocked.code == "40920"
    assert await bench.client.set_hedge_mode(hedger, HEDGED, hedge=False) == Accepted(None)
    assert bench.hedger.account.position_mode == "net"


@pytest.mark.parametrize("mode", MarginMode)
async def test_leverage_beside_an_open_position(autojump_clock, bench, mode):
    """Another process sets it again without harm; the margin mode stays while something is open."""
    alice, other = key("alice"), next(each for each in MarginMode if each is not mode)
    assert await bench.client.set_leverage(alice, ONE_WAY, SWAP, 20, mode) == Accepted(None)
    await bench.place()
    assert await bench.client.set_leverage(alice, ONE_WAY, SWAP, 7, mode) == Accepted(None)
    assert bench.alice.account.leverage_of(SWAP) == 7
    blocked = await bench.client.set_leverage(alice, ONE_WAY, SWAP, 9, other)
    assert isinstance(blocked, Rejected)
    assert blocked.code == "45117"
    assert bench.alice.account.leverage_of(SWAP) == 7


async def test_permissions_of_a_key(autojump_clock, bench):
    """The simulator's keys may read and trade, and have no list of addresses."""
    told = await bench.client.permissions(key("alice"))
    assert (told.read, told.trade, told.withdraw, told.addresses) == (True, True, False, ())
