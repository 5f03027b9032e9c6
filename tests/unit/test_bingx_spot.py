"""BingX's spot rows and orders, pure."""

from decimal import Decimal

import pytest

from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side, Trigger, TriggerKind
from spider_common.venues.bingx import orders, spot
from spider_common.venues.outcomes import Rejected, UnreadableFrame
from tests.component.bingx_desk import order
from tests.unit.bingx_frames import ACCOUNT, INSTRUMENTS, SEEN

ROW = {
    "symbol": "LTC-USDT",
    "orderId": 1514087361158316032,
    "price": "85.5",
    "origQty": "10",
    "executedQty": "4",
    "cummulativeQuoteQty": "340",
    "status": "PARTIALLY_FILLED",
    "type": "LIMIT",
    "side": "BUY",
    "time": 1649821532000,
    "updateTime": 1649821543000,
    "origQuoteOrderQty": "0",
    "fee": "0",
    "feeAsset": "LTC",
    "clientOrderID": "a1",
}
FILL = {
    "symbol": "LTC-USDT",
    "id": 36237072,
    "orderId": 1674069326895775744,
    "price": "85.891",
    "qty": "0.0582",
    "quoteQty": "4.9988562000000005",
    "commission": Decimal("-0.0000582"),
    "commissionAsset": "LTC",
    "time": 1687964205000,
    "isBuyer": True,
    "isMaker": False,
}
PAIR = {
    "symbol": "GEAR-USDT",
    "minQty": 735,
    "maxQty": 2941177,
    "minNotional": 5,
    "maxNotional": 20000,
    "status": 1,
    "tickSize": Decimal("0.000001"),
    "stepSize": 1,
    "apiStateSell": True,
    "apiStateBuy": True,
}
TICK = Decimal("0.01")


def read(row):
    return spot.order(row, place="orders[0]", account=ACCOUNT, instruments=INSTRUMENTS, seen=SEEN)


def test_an_order_is_read():
    """Net, in base coin, with what it has paid on average."""
    fact = read(ROW)
    assert (fact.symbol, fact.client_order_id, fact.status) == (
        "LTC-USDT@spot",
        "a1",
        OrderStatus.PARTIALLY_FILLED,
    )
    assert (fact.position_side, fact.reduce_only, fact.order_type) == (
        PositionSide.NET,
        False,
        OrderType.LIMIT,
    )
    assert (fact.quantity, fact.cum_filled, fact.price, fact.average_price) == (10, 4, Decimal("85.5"), 85)


def test_a_market_buy_by_value_has_the_size_that_it_got():
    """Its origQty is zero; its price is no limit."""
    fact = read(ROW | {"type": "MARKET", "origQty": "0", "status": "FILLED"})
    assert (fact.quantity, fact.price) == (4, None)


@pytest.mark.parametrize("kind", ["TAKE_STOP_LIMIT", "TAKE_STOP_MARKET", "TRIGGER_LIMIT", "TRIGGER_MARKET"])
def test_a_waiting_order_is_live_and_unfilled(kind):
    """A conditional order is a fact without a fill."""
    fact = read(ROW | {"type": kind, "status": "NEW", "executedQty": "0", "cummulativeQuoteQty": "0"})
    assert (fact.status, fact.cum_filled, fact.average_price) == (OrderStatus.LIVE, 0, None)


@pytest.mark.parametrize("field", ["symbol", "side", "type", "status", "updateTime", "origQty"])
def test_a_wrong_field_is_named(field):
    """The error says which row and which field."""
    with pytest.raises(UnreadableFrame, match=rf"orders\[0\]\.{field}"):
        read(ROW | {field: "?"})


def test_a_fill_is_read():
    """The side is a flag, the fee in the coin that came in."""
    fill = spot.execution(FILL, place="f[0]", account=ACCOUNT, instruments=INSTRUMENTS, client=None)
    assert (fill.side, fill.quantity, fill.fee, fill.fee_currency) == (
        Side.BUY,
        Decimal("0.0582"),
        Decimal("-0.0000582"),
        "LTC",
    )
    assert fill.ts_venue == FILL["time"] * 10**6


def test_a_pair_is_read():
    """Its symbol is marked, so that it is not the swap's."""
    pair = spot.instrument(PAIR, place="symbols[0]")
    assert pair is not None
    assert (pair.symbol, pair.base, pair.quote, pair.lot, pair.tick) == (
        "GEAR-USDT@spot",
        "GEAR",
        "USDT",
        1,
        Decimal("0.000001"),
    )


@pytest.mark.parametrize("change", [{"apiStateBuy": False}, {"status": 0}, {"symbol": "GEAR-USDC"}])
def test_a_pair_that_is_not_open_to_us_is_none(change):
    """Offline, closed to the API on one side, or quoted in another coin."""
    assert spot.instrument(PAIR | change, place="symbols[0]") is None


def placing(**fields):
    return orders.spot_placing(order(**fields), tick=TICK, slippage_bps=50)


def test_a_market_buy_is_bounded():
    """Up to 0.5 % above the reference, on the tick, taking what it finds; never without a reference."""
    assert placing(reference_price=Decimal("60000.01")) == (Decimal("60300.01"), "IOC")
    assert isinstance(placing(), Rejected)


def test_a_market_sell_is_one():
    """It is sized in base coin, as it is."""
    assert placing(side=Side.SELL) == (None, "")


@pytest.mark.parametrize(
    ("kind", "force"),
    [
        (OrderType.LIMIT, "GTC"),
        (OrderType.POST_ONLY, "PostOnly"),
        (OrderType.IOC, "IOC"),
        (OrderType.FOK, "FOK"),
    ],
)
def test_a_limit_order_keeps_its_price_and_kind(kind, force):
    """A reference price changes nothing of it."""
    asked = placing(order_type=kind, price=Decimal(50000), reference_price=Decimal(60000))
    assert asked == (Decimal(50000), force)


def test_conditional_spot_orders_are_refused():
    """Before anything is sent."""
    waiting = Trigger(kind=TriggerKind.STOP_LOSS, price=Decimal(1))
    assert isinstance(placing(side=Side.SELL, trigger=waiting), Rejected)
