"""BingX's rows to facts: exact, strict, and every bad value named by its place."""

import copy
import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side, Trigger, TriggerKind
from spider_common.domain.requests import MarginMode
from spider_common.venues.bingx import fields, listings, parse, spot
from spider_common.venues.outcomes import UnreadableFrame
from tests.unit.bingx_frames import (
    ACCOUNT,
    ACCOUNT_UPDATE,
    BALANCE_ROW,
    CONTRACT_ROW,
    FILL_ROW,
    INSTRUMENTS,
    ORDER_ROW,
    ORDER_TRADE_UPDATE,
    POSITION_ROW,
    SEEN,
    SPOT,
    TRADE_UPDATE,
)

SPOT_ROW = fields.read_object(json.dumps(SPOT), "frame")["data"]


def order(row):
    return parse.order(row, place="orders[0]", account=ACCOUNT, instruments=INSTRUMENTS, seen=SEEN)


def pushed(frame):
    return parse.pushed_order(frame, account=ACCOUNT, instruments=INSTRUMENTS, seen=SEEN)


def changed(frame, **fields_of_order):
    frame = copy.deepcopy(frame)
    frame["o"] |= fields_of_order
    return frame


def test_a_push_says_what_the_order_is():
    """Sums, sides and the frame's own time; a market order has no limit price."""
    fact, execution = pushed(TRADE_UPDATE)
    assert execution is None  # the frame states no size of its fill
    assert (fact.venue_order_id, fact.client_order_id, fact.symbol) == (
        "1970374651259388000",
        None,
        "BTC-USDT",
    )
    assert (fact.side, fact.position_side, fact.reduce_only) == (Side.SELL, PositionSide.SHORT, False)
    assert (fact.order_type, fact.status, fact.price) == (OrderType.MARKET, OrderStatus.FILLED, None)
    assert (fact.quantity, fact.cum_filled) == (Decimal("0.001"), Decimal("0.001"))
    assert fact.average_price == Decimal("112848.1")
    assert (fact.ts_venue, fact.ts_seen) == (1758608899316_000_000, SEEN)


def test_a_push_without_its_own_time_has_that_of_the_event():
    """Older frames carry no T beside E; an order id may be text."""
    fact, _ = pushed(ORDER_TRADE_UPDATE)
    assert (fact.ts_venue, fact.venue_order_id) == (1696843635475_000_000, "1711312357852147712")
    assert (fact.price, fact.average_price) == (Decimal("64.3501"), Decimal("64.36"))


def test_a_push_that_states_its_fill_tells_it():
    """With l and L the fill is known: its size and price, not the order's."""
    _, execution = pushed(changed(TRADE_UPDATE, l="0.0004", L="112848.2", c="mine"))
    assert (execution.trade_id, execution.quantity, execution.price) == (
        "511178071",
        Decimal("0.0004"),
        Decimal("112848.2"),
    )
    assert (execution.client_order_id, execution.fee) == ("mine", Decimal("-0.05642405"))


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("NEW", OrderStatus.LIVE),
        ("PENDING", OrderStatus.LIVE),
        ("WORKING", OrderStatus.LIVE),
        ("PARTIALLY_FILLED", OrderStatus.PARTIALLY_FILLED),
        ("FILLED", OrderStatus.FILLED),
        ("CANCELED", OrderStatus.CANCELED),
        ("CANCELLED", OrderStatus.CANCELED),
        ("EXPIRED", OrderStatus.CANCELED),
        ("FAILED", OrderStatus.CANCELED),
    ],
)
def test_each_status_of_push_and_rest_is_read(told, status):
    """The two sections spell some of them differently."""
    assert pushed(changed(TRADE_UPDATE, X=told))[0].status is status
    assert order(ORDER_ROW | {"status": told, "executedQty": "0.0010"}).status is status


@pytest.mark.parametrize(
    ("happened", "told", "status"),
    [
        ("NEW", "NEW", OrderStatus.LIVE),
        ("CANCELED", "CANCELED", OrderStatus.CANCELED),
        ("EXPIRED", "EXPIRED", OrderStatus.CANCELED),
        ("TRADE", "FILLED", OrderStatus.TRIGGERED),
    ],
)
@pytest.mark.parametrize(
    "kind", ["STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRIGGER_MARKET"]
)
def test_a_conditional_order_waits_and_fills_nothing(kind, happened, told, status):
    """It is live or over. When it fires it has set off another order, which is what fills."""
    fact, execution = pushed(changed(TRADE_UPDATE, o=kind, x=happened, X=told, z="0.00000000", sp="59000"))
    assert (fact.status, fact.cum_filled, execution) == (status, 0, None)
    row = ORDER_ROW | {"type": kind, "status": told, "executedQty": "0"}
    assert (order(row).status, order(row).cum_filled) == (status, 0)


@pytest.mark.parametrize(
    ("kind", "trigger"),
    [
        ("STOP_MARKET", TriggerKind.STOP_LOSS),
        ("STOP", TriggerKind.STOP_LOSS),
        ("TAKE_PROFIT", TriggerKind.TAKE_PROFIT),
        ("TRIGGER_LIMIT", TriggerKind.ENTRY),
        ("TRAILING_STOP_MARKET", None),
        ("LIMIT", None),
    ],
)
def test_a_conditional_order_has_its_trigger(kind, trigger):
    """By socket and REST alike; one that trails the price waits for none."""
    expected = None if trigger is None else Trigger(kind=trigger, price=Decimal(59000))
    frame = changed(TRADE_UPDATE, o=kind, x="NEW", X="NEW", z="0", sp="59000.0")
    assert pushed(frame)[0].trigger == expected
    fact = order(ORDER_ROW | {"type": kind, "stopPrice": "59000", "reduceOnly": False})
    assert (fact.trigger, fact.reduce_only) == (expected, trigger not in (TriggerKind.ENTRY, None))


def test_a_conditional_spot_order_never_looks_like_one_that_rests():
    """REST tells its trigger; a push, which does not, tells no limit either."""
    row = {**SPOT_ROW, "o": "TRIGGER_LIMIT", "x": "NEW", "X": "NEW", "p": "50000"}
    fact, _ = spot.pushed_order(row, account=ACCOUNT, instruments=INSTRUMENTS, seen=SEEN)
    assert (fact.price, fact.trigger) == (None, None)


def test_what_a_conditional_order_became_names_it():
    """By the id of an older order; that of a younger one is of a stop which it has got since."""
    own = int(ORDER_ROW["orderId"])
    for told, parent in ((own - 1, str(own - 1)), (own + 1, None), (0, None), ("", None)):
        assert order(ORDER_ROW | {"triggerOrderId": told}).parent == parent
    assert pushed(changed(TRADE_UPDATE, i=12, ti=11))[0].parent == "11"
    assert pushed(changed(TRADE_UPDATE, i=12, ti=0))[0].parent is None


@pytest.mark.parametrize(
    ("kind", "happened"), [("LIQUIDATION", "TRADE"), ("ADL", "TRADE"), ("MARKET", "CALCULATED")]
)
@pytest.mark.parametrize(("leg", "side"), [("BOTH", "BUY"), ("LONG", "SELL"), ("SHORT", "BUY")])
def test_what_the_venue_closes_is_a_market_order_that_reduces(kind, happened, leg, side):
    """Whatever flags the frame has, in either position mode."""
    fact, _ = pushed(changed(TRADE_UPDATE, o=kind, x=happened, ps=leg, S=side, ro=False))
    assert (fact.order_type, fact.price, fact.reduce_only) == (OrderType.MARKET, None, True)
    wanted = {"BOTH": PositionSide.NET, "LONG": PositionSide.LONG, "SHORT": PositionSide.SHORT}[leg]
    assert (fact.position_side, fact.side) == (wanted, Side(side.lower()))


@pytest.mark.parametrize("happened", ["NEW", "TRADE", "CANCELED", "EXPIRED", "CALCULATED"])
def test_each_kind_of_event_is_read(happened):
    """CALCULATED is a liquidation or an ADL."""
    assert pushed(changed(TRADE_UPDATE, x=happened))[0].status is OrderStatus.FILLED


def test_socket_and_rest_make_the_same_event():
    """The same order told by both has one event id, whatever the spelling of its numbers."""
    row = ORDER_ROW | {
        "orderId": "1970374651259388000",
        "side": "SELL",
        "positionSide": "SHORT",
        "type": "MARKET",
        "origQty": "0.0010",
        "price": "0",
        "executedQty": Decimal("0.001"),
        "avgPrice": "112848.1",
        "status": "FILLED",
        "updateTime": 1758608899316,
    }
    assert order(row).event_id == pushed(TRADE_UPDATE)[0].event_id


@pytest.mark.parametrize(
    ("force", "kind"),
    [
        ("GTC", OrderType.LIMIT),
        ("PostOnly", OrderType.POST_ONLY),
        ("IOC", OrderType.IOC),
        ("FOK", OrderType.FOK),
    ],
)
def test_a_limit_order_says_how_it_rests(force, kind):
    """timeInForce tells the kinds of limit orders apart where it is given."""
    assert order(ORDER_ROW | {"type": "LIMIT", "timeInForce": force}).order_type is kind
    assert order(ORDER_ROW | {"type": "MARKET", "timeInForce": force}).order_type is OrderType.MARKET


def test_a_spot_report_is_read():
    """A market buy sized in quote currency has bought what it filled; its frame states the fill."""
    fact, execution = spot.pushed_order(SPOT_ROW, account=ACCOUNT, instruments=INSTRUMENTS, seen=SEEN)
    assert (fact.quantity, fact.cum_filled, fact.position_side) == (
        Decimal("0.0802"),
        Decimal("0.0802"),
        PositionSide.NET,
    )
    assert (execution.trade_id, execution.fee_currency) == ("38259147", "LTC")


def test_a_spot_pair_is_not_the_swap_of_its_name():
    """BingX names both BTC-USDT; a spot frame of it tells nothing of the swap."""
    row = SPOT_ROW | {"s": "BTC-USDT"}
    with pytest.raises(UnreadableFrame, match=r"data\.s: 'BTC-USDT' is no spot"):
        spot.pushed_order(row, account=ACCOUNT, instruments=INSTRUMENTS, seen=SEEN)


def test_a_fill_has_the_time_with_an_offset():
    """filledTime is right; filledTm writes the same local time as if it were UTC."""
    read = parse.execution(FILL_ROW, place="f[0]", account=ACCOUNT, instruments=INSTRUMENTS, client=None)
    assert read.ts_venue == 1702731516_000_000_000
    assert (read.quantity, read.fee, read.trade_id) == (Decimal("4.10"), Decimal("-0.0025"), "511178071")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1970-01-01T00:00:00.000+0000", 0),
        ("1970-01-01T08:00:00+08:00", 0),
        ("2000-02-29T23:59:59.000-0130", 951874199),
        ("2024-12-31T23:59:59.000+0000", 1735689599),
        ("2100-03-01T00:00:00.000+0000", 4107542400),
    ],
)
def test_written_times_follow_the_calendar(written, seconds):
    """Leap years and offsets both ways."""
    assert fields.written_time({"t": written}, "t", "row") == seconds * 10**9


@given(
    st.datetimes(
        min_value=dt.datetime(1970, 1, 2),  # noqa: DTZ001 as hypothesis wants it
        timezones=st.just(dt.UTC),
    )
)
def test_written_times_are_those_of_the_standard_library(at):
    """For every date: the same second as Python's calendar says."""
    since = at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    written = at.strftime("%Y").zfill(4) + at.strftime("-%m-%dT%H:%M:%S.%f+0000")
    micros = (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds
    assert fields.written_time({"t": written}, "t", "row") == micros * 1000


def test_a_position_is_signed_by_its_side():
    """LONG and SHORT are legs in hedge mode, and the sign of the one position otherwise."""
    leg = parse.position(POSITION_ROW, place="p[0]", account=ACCOUNT, hedge=True)
    net = parse.position(POSITION_ROW, place="p[0]", account=ACCOUNT, hedge=False)
    assert (leg.position_side, leg.quantity) == (PositionSide.SHORT, Decimal("-0.1"))
    assert (net.position_side, net.quantity) == (PositionSide.NET, Decimal("-0.1"))
    assert (net.leverage, net.margin_mode, net.mark_price) == (6, MarginMode.CROSS, None)


@pytest.mark.parametrize(
    ("side", "size", "read"),
    [
        ("SHORT", "5", "-5"),
        ("LONG", "5", "5"),
        ("BOTH", "-5", "-5"),
        ("BOTH", "5", "5"),
        ("SHORT", "-5", "-5"),
    ],
)
def test_a_pushed_position_is_signed_by_its_side(side, size, read):
    """BOTH carries its own sign; a leg's size may be written either way."""
    frame = copy.deepcopy(ACCOUNT_UPDATE)
    frame["a"]["P"][0] |= {"ps": side, "pa": size}
    (held,) = parse.pushed_positions(frame, account=ACCOUNT)
    assert (held.quantity, held.ts_venue) == (Decimal(read), 1696244249321_000_000)


def test_equity_is_what_the_venue_says_it_is():
    """In USDT, at the time of the answer; other currencies are not what we size by."""
    read = parse.equity(BALANCE_ROW, place="b[0]", account=ACCOUNT, at=SEEN)
    assert (read.equity, read.currency, read.ts_venue) == (Decimal("196.7431"), "USDT", SEEN)
    assert parse.equity(BALANCE_ROW | {"asset": "USDC"}, place="b[0]", account=ACCOUNT, at=SEEN) is None


def test_an_instrument_has_steps_from_its_digits():
    """Digits behind the point are a step; the minimum is never below it."""
    read = listings.instrument(CONTRACT_ROW | {"tradeMinQuantity": Decimal("0.00001")}, place="data[0]")
    assert (read.lot, read.tick, read.minimum, read.contract_size) == (
        Decimal("0.0001"),
        Decimal("0.1"),
        Decimal("0.0001"),
        Decimal(1),
    )


@pytest.mark.parametrize("change", [{"currency": "USDC"}, {"apiStateOpen": "false"}, {"status": 25}])
def test_what_cannot_be_traded_is_no_instrument(change):
    """Other currencies, pairs closed to the API, and pairs that are off."""
    assert listings.instrument(CONTRACT_ROW | {"tradeMinQuantity": "1"} | change, place="data[0]") is None


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"symbol": "NOPE-USDT"}, r"orders\[0\]\.symbol: 'NOPE-USDT' is no swap"),
        ({"orderId": None}, r"orders\[0\]\.orderId: missing"),
        ({"orderId": [1]}, r"orders\[0\]\.orderId: \[1\] is neither text"),
        ({"side": "buy"}, r"orders\[0\]\.side: 'buy' is none of BUY, SELL"),
        ({"positionSide": ""}, r"orders\[0\]\.positionSide"),
        ({"type": "ICEBERG"}, r"orders\[0\]\.type: 'ICEBERG'"),
        ({"status": "DONE"}, r"orders\[0\]\.status: 'DONE'"),
        ({"origQty": "-1"}, r"orders\[0\]\.origQty: -1 is below zero"),
        ({"origQty": "NaN"}, r"orders\[0\]\.origQty: 'NaN'"),
        ({"origQty": "1e999"}, r"orders\[0\]\.origQty: '1e999'"),
        ({"origQty": True}, r"orders\[0\]\.origQty: True"),
        ({"origQty": {}}, r"orders\[0\]\.origQty: {}"),
        ({"price": []}, r"orders\[0\]\.price: \[\]"),
        ({"reduceOnly": "maybe"}, r"orders\[0\]\.reduceOnly: 'maybe'"),
        ({"reduceOnly": []}, r"orders\[0\]\.reduceOnly: \[\]"),
        ({"updateTime": 0}, r"orders\[0\]\.updateTime: '0'"),
        ({"updateTime": "9" * 400}, r"orders\[0\]\.updateTime"),
    ],
)
def test_a_bad_field_is_named_by_its_place(change, place):
    """The error says where the value stands and what is wrong with it."""
    with pytest.raises(UnreadableFrame, match=place):
        order(ORDER_ROW | change)


@pytest.mark.parametrize("written", ["", "2023-12-16", "2023-13-16T00:00:00+0800", "2023-12-16T20:58:36Z"])
def test_a_bad_time_is_named(written):
    """A time without its offset says nothing."""
    with pytest.raises(UnreadableFrame, match=r"f\[0\]\.filledTime"):
        parse.execution(
            FILL_ROW | {"filledTime": written},
            place="f[0]",
            account=ACCOUNT,
            instruments=INSTRUMENTS,
            client=None,
        )
