"""Bitget's spot and its conditional orders: client and session against the simulator."""

from decimal import Decimal

import pytest
import trio
from msgspec.structs import replace

from services.simulator.actions import Cancel, Place, SetPrice, apply
from services.simulator.rules import NewOrder
from spider_common.domain.instruments import SPOT_MARK
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side, Trigger, TriggerKind
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import Amendment
from spider_common.venues.outcomes import Accepted, Found, NotFound, Refused, Rejected, Unknown
from spider_common.venues.venue import Told
from tests.component.bitget_bench import IDS, ONE_WAY, ORDER, REF, S, converse, key
from tests.component.bitget_trader import SWAP
from tests.desk import Desk, follower, product_of

PAIR = SWAP + SPOT_MARK
BUY = replace(ORDER, symbol=PAIR, reference_price=Decimal(60000))
RESTING = replace(BUY, order_type=OrderType.LIMIT, price=Decimal(50000))
SELL = replace(BUY, side=Side.SELL, client_order_id=IDS[9], reduce_only=True)
AT = replace(REF, symbol=PAIR)


def price(bench, at, *, symbol=PAIR, depth=None):
    apply(bench.venue, SetPrice(symbol=symbol, price=Decimal(at), depth=depth))


async def cancel(bench, ref=AT):
    return await bench.client.cancel(key("alice"), ref, expires=bench.in_s(9))


async def found(bench, ref=AT):
    lookup = await bench.find(ref)
    assert isinstance(lookup, Found), lookup
    return lookup.fact


# Orders


async def test_a_market_buy_is_for_the_exact_base_size(autojump_clock, bench):
    """Whatever the price is within the bound; the coins are then held, less the fee, and can be sold."""
    price(bench, 60100)
    assert isinstance(await bench.place(BUY), Accepted)
    fact = await found(bench)
    assert (fact.symbol, fact.status, fact.cum_filled) == (PAIR, OrderStatus.FILLED, Decimal("0.01"))
    assert isinstance(await bench.place(replace(SELL, size=Decimal("0.009"))), Accepted)
    told = await bench.client.sweep(key("alice"), ONE_WAY.account, since=0)
    held = Decimal("0.01") - Decimal("0.01") * Decimal("0.0005") - Decimal("0.009")
    assert [(each.symbol, each.quantity) for each in told.positions] == [(PAIR, held)]


async def test_a_market_buy_beyond_its_bound_takes_nothing(autojump_clock, bench):
    """Half a percent above the reference price the order is given back; so wide it may be set wider."""
    price(bench, 60301)
    assert isinstance(await bench.place(BUY), Accepted)
    fact = await found(bench)
    assert (fact.status, fact.cum_filled) == (OrderStatus.CANCELED, 0)


async def test_a_market_buy_without_a_reference_price_is_refused(autojump_clock, bench):
    """The venue hears nothing of it; a sale needs none."""
    assert await bench.place(replace(BUY, reference_price=None)) == Refused(Reason.NO_REFERENCE_PRICE)
    assert bench.kinds() == []


async def test_swap_and_spot_of_one_name_are_apart(autojump_clock, bench):
    """The same client order id, sent to one of them, is not found at the other."""
    assert isinstance(await bench.place(RESTING), Accepted)
    assert isinstance(await bench.find(REF), NotFound)
    assert (await found(bench)).symbol == PAIR
    told = await bench.client.sweep(key("alice"), ONE_WAY.account, since=0)
    assert [fact.symbol for fact in told.facts] == [PAIR]
    assert isinstance(await cancel(bench), Accepted)
    assert (await cancel(bench)) == Rejected("43001", "The order does not exist")


async def test_an_order_is_replaced(autojump_clock, bench):
    """In one request; one that is gone or filled in part is left alone, and nothing is placed."""
    await bench.place(RESTING)
    change = Amendment(
        ref=AT,
        side=Side.BUY,
        position_side=PositionSide.NET,
        reduce_only=False,
        size=Decimal("0.02"),
        price=Decimal(51000),
        replacement=IDS[1],
    )
    made = await bench.client.amend(key("alice"), change, expires=bench.in_s(9))
    assert made == Accepted(None)
    fact = await found(bench, replace(AT, client_order_id=IDS[1]))
    assert (fact.status, fact.quantity, fact.price) == (OrderStatus.LIVE, Decimal("0.02"), Decimal(51000))
    assert (await found(bench)).status is OrderStatus.CANCELED
    second = replace(change, ref=replace(AT, client_order_id=IDS[1]), replacement=IDS[2])
    price(bench, 51000, depth=Decimal("0.004"))
    entries = len(bench.kinds())
    for gone_or_touched in (change, second):
        refused = await bench.client.amend(key("alice"), gone_or_touched, expires=bench.in_s(9))
        assert refused == Refused(Reason.NOT_AMENDABLE)
    assert len(bench.kinds()) == entries


async def test_a_lost_answer_is_unknown_and_the_order_is_found(autojump_clock, bench):
    """As for swaps."""
    bench.arm("lose_reply")
    assert isinstance(await bench.place(RESTING), Unknown)
    assert (await found(bench)).status is OrderStatus.LIVE


async def test_an_order_that_arrives_late_places_nothing(autojump_clock, bench):
    """Its expiry is enforced as that of swap orders is."""
    bench.arm("hold_request", delay=3 * S)
    await bench.place(RESTING, within=2)
    assert bench.kinds() == []


# Session and sweep


async def test_socket_and_sweep_tell_the_same(autojump_clock, bench):
    """What was last pushed of each order has the event id, and each fill the very form, that REST gives."""

    async def trade():
        price(bench, 60000, depth=Decimal("0.004"))
        buy = NewOrder(symbol=PAIR, side="buy", kind="market", size=Decimal("0.01"), client_order_id=IDS[0])
        apply(bench.venue, Place(account="alice", order=buy))
        for number, at in ((1, 50000), (2, 59000)):
            limit = replace(buy, kind="limit", price=Decimal(at), client_order_id=IDS[number])
            apply(bench.venue, Place(account="alice", order=limit))
        price(bench, 59000, depth=Decimal("0.004"))
        apply(bench.venue, Cancel(account="alice", symbol=PAIR, client_order_id=IDS[2]))
        sell = replace(buy, side="sell", size=Decimal("0.001"), client_order_id=IDS[3])
        apply(bench.venue, Place(account="alice", order=sell))

    events = await converse(bench, ONE_WAY, trade)
    assert all(isinstance(event, Told) for event in events)
    facts = [fact for event in events for fact in event.facts]
    pushed = {fact.venue_order_id: fact for fact in facts}
    swept = await bench.client.sweep(key("alice"), ONE_WAY.account, since=0)
    assert {fact.event_id for fact in swept.facts} == {fact.event_id for fact in pushed.values()}
    executions = [each for event in events for each in event.executions]
    assert list(swept.executions) == sorted(executions, key=lambda each: (each.ts_venue, each.trade_id))
    assert {fact.symbol for fact in facts} == {PAIR}
    assert {fact.status for fact in pushed.values()} == {
        OrderStatus.FILLED,
        OrderStatus.LIVE,
        OrderStatus.CANCELED,
    }
    last = [event.positions for event in events if event.positions][-1]
    assert [each.quantity for each in last] == [each.quantity for each in swept.positions]


async def test_an_old_order_that_was_filled_is_told_by_its_fill(autojump_clock, bench):
    """History goes by the time of making: of an old order only the new fill is in its listing."""
    await bench.place(RESTING)
    await trio.sleep(3600)
    since = bench.clock.now()
    price(bench, 50000)
    told = await bench.client.sweep(key("alice"), ONE_WAY.account, since=since)
    assert [(fact.client_order_id, fact.status) for fact in told.facts] == [(IDS[0], OrderStatus.FILLED)]
    assert [each.client_order_id for each in told.executions] == [IDS[0]]


async def test_a_sweep_reads_every_page(autojump_clock, bench):
    """More orders and fills than a page holds, each of them once."""
    buy = NewOrder(symbol=PAIR, side="buy", kind="market", size=Decimal("0.001"))
    for _ in range(210):
        apply(bench.venue, Place(account="alice", order=buy))
    told = await bench.client.sweep(key("alice"), ONE_WAY.account, since=0)
    assert len({fact.venue_order_id for fact in told.facts}) == len(told.facts) == 210
    assert len({each.trade_id for each in told.executions}) == len(told.executions) == 210


# Conditional orders


def waiting(symbol, kind, at, *, side=Side.SELL, limit=None):
    return replace(
        BUY,
        symbol=symbol,
        side=side,
        trigger=Trigger(kind=kind, price=Decimal(at)),
        price=limit,
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        reduce_only=kind is not TriggerKind.ENTRY,
    )


@pytest.mark.parametrize("limit", [None, Decimal(54000)])
async def test_a_conditional_spot_order_waits_and_is_found_and_cancelled(autojump_clock, bench, limit):
    """Found by our id while it waits and after the cancel, by the very id that it was made under."""
    made = await bench.place(waiting(PAIR, TriggerKind.STOP_LOSS, 55000, limit=limit))
    assert isinstance(made, Accepted)
    fact = await found(bench)
    assert (fact.venue_order_id, fact.symbol, fact.side) == (made.venue_order_id, PAIR, Side.SELL)
    assert (fact.status, fact.price, fact.cum_filled) == (OrderStatus.LIVE, limit, 0)
    assert isinstance(await cancel(bench), Accepted)
    assert isinstance(await cancel(bench), Rejected)
    assert (await found(bench)).status is OrderStatus.CANCELED


@pytest.mark.parametrize("symbol", [SWAP, PAIR])
async def test_the_channel_tells_that_a_conditional_order_waits_fires_and_is_cancelled(
    autojump_clock, bench, symbol
):
    """It is no fill, and plans nothing; what it sets off is an order of its own, which is one."""
    ref, made = replace(AT, symbol=symbol), []

    async def work():
        await bench.place(replace(BUY, symbol=symbol, client_order_id=IDS[5]))
        made.append(await bench.place(waiting(symbol, TriggerKind.STOP_LOSS, 55000)))
        await cancel(bench, ref)
        stop = replace(
            waiting(symbol, TriggerKind.STOP_LOSS, 56000), client_order_id=IDS[6], size=Decimal("0.005")
        )
        made.append(await bench.place(stop))
        price(bench, 55999, symbol=symbol)

    events = await converse(bench, ONE_WAY, work)
    facts = [fact for event in events for fact in event.facts]
    plans = [outcome.venue_order_id for outcome in made]
    lives = [[fact.status for fact in facts if fact.venue_order_id == order] for order in plans]
    assert lives == [
        [OrderStatus.LIVE, OrderStatus.CANCELED],
        [OrderStatus.LIVE, OrderStatus.TRIGGERED],
    ]
    conditional = [fact for fact in facts if fact.venue_order_id in plans]
    assert {(fact.symbol, fact.cum_filled, fact.reduce_only) for fact in conditional} == {
        (symbol, 0, symbol == SWAP)
    }
    last = facts[-1]
    assert (last.status, last.side, last.cum_filled) == (OrderStatus.FILLED, Side.SELL, Decimal("0.005"))

    desk = Desk(product_of(follower("bob", "1")), bench.client.known_instruments)
    assert [desk.see(fact) for fact in conditional] == [Reason.NO_NEW_FILL] * 4


async def test_a_sweep_tells_the_conditional_orders(autojump_clock, bench):
    """Under the event ids of the channel: what waits, and of swaps what has ended since."""

    async def work():
        for number, symbol in enumerate((SWAP, PAIR)):
            stop = waiting(symbol, TriggerKind.STOP_LOSS, 55000, limit=Decimal(54000))
            entry = waiting(symbol, TriggerKind.ENTRY, 61000, side=Side.BUY)
            await bench.place(replace(stop, client_order_id=IDS[number]))
            await bench.place(replace(entry, client_order_id=IDS[number + 2]))
        await trio.sleep(1)
        await cancel(bench, REF)

    events = await converse(bench, ONE_WAY, work)
    pushed = {fact.venue_order_id: fact.event_id for event in events for fact in event.facts}
    told = await bench.client.sweep(key("alice"), ONE_WAY.account, since=0)
    assert {fact.venue_order_id: fact.event_id for fact in told.facts} == pushed
    assert [fact.status for fact in told.facts].count(OrderStatus.CANCELED) == 1
    assert len(pushed) == 4
    await trio.sleep(60)
    later = await bench.client.sweep(key("alice"), ONE_WAY.account, since=bench.clock.now())
    assert {fact.status for fact in later.facts} == {OrderStatus.LIVE}
    assert len(later.facts) == 3


@pytest.mark.parametrize(
    ("kind", "side", "at", "reached"),
    [
        (TriggerKind.TAKE_PROFIT, Side.SELL, 65000, 65000),
        (TriggerKind.STOP_LOSS, Side.SELL, 55000, 54000),
        (TriggerKind.ENTRY, Side.BUY, 61000, 61000),
        (TriggerKind.ENTRY, Side.BUY, 59000, 58000),
    ],
)
@pytest.mark.parametrize("symbol", [SWAP, PAIR])
async def test_a_price_sets_off_what_waits_for_it(autojump_clock, bench, symbol, kind, side, at, reached):
    """Not before it is reached; afterwards the conditional order is over and another is there."""
    await bench.place(replace(BUY, symbol=symbol, client_order_id=IDS[5], size=Decimal("0.02")))
    orders = len(bench.venue.exchange.ledger.entries)
    assert isinstance(await bench.place(waiting(symbol, kind, at, side=side)), Accepted)
    price(bench, 60000, symbol=symbol)
    assert len(bench.venue.exchange.ledger.entries) == orders
    assert (await found(bench, replace(AT, symbol=symbol))).status is OrderStatus.LIVE
    price(bench, reached, symbol=symbol)
    assert len(bench.venue.exchange.ledger.entries) == orders + 2
    assert (await found(bench, replace(AT, symbol=symbol))).status is OrderStatus.TRIGGERED
