"""Our orders in BingX's words."""

from decimal import Decimal

import pytest

from spider_common.domain.identifiers import AccountId, ClientOrderId, Venue, VenueOrderId
from spider_common.domain.orders import OrderType, PositionSide, Side, Trigger, TriggerKind
from spider_common.domain.products import Account
from spider_common.domain.requests import OrderRef, OrderRequest
from spider_common.venues.bingx import orders

ACCOUNT = Account(account=AccountId("a"), venue=Venue.BINGX)


def order(**fields):
    asked = {
        "client_order_id": ClientOrderId("abc"),
        "account": ACCOUNT,
        "symbol": "BTC-USDT",
        "side": Side.SELL,
        "position_side": PositionSide.NET,
        "reduce_only": True,
        "order_type": OrderType.MARKET,
        "size": Decimal("0.001"),
    }
    return OrderRequest(**asked | fields)


@pytest.mark.parametrize("reduce_only", [True, False])
@pytest.mark.parametrize("side", list(PositionSide))
def test_reduce_only_is_said_in_one_way_mode_only(side, reduce_only):
    """Hedge mode refuses the parameter; there the leg and the side say what closes."""
    said = orders.leg(side, reduce_only=reduce_only)
    assert said["positionSide"] == {"net": "BOTH", "long": "LONG", "short": "SHORT"}[side]
    assert ("reduceOnly" in said) is (side is PositionSide.NET and reduce_only)


def test_only_orders_with_a_price_say_how_they_rest():
    """A market order has no time in force."""
    assert "timeInForce" not in orders.placing(order())
    resting = order(order_type=OrderType.POST_ONLY, price=Decimal(1))
    assert orders.placing(resting)["timeInForce"] == "PostOnly"


@pytest.mark.parametrize(
    ("kind", "market", "named"),
    [
        (TriggerKind.STOP_LOSS, True, "STOP_MARKET"),
        (TriggerKind.STOP_LOSS, False, "STOP"),
        (TriggerKind.TAKE_PROFIT, True, "TAKE_PROFIT_MARKET"),
        (TriggerKind.TAKE_PROFIT, False, "TAKE_PROFIT"),
    ],
)
def test_a_conditional_order_waits_for_the_last_price(kind, market, named):
    """Same endpoint, another type; the venue keeps no client order id of it, so none is sent."""
    params = {"symbol": "BTC-USDT", "type": "MARKET", "clientOrderId": "abc"}
    trigger = Trigger(kind=kind, price=Decimal("5.9E+4"))
    assert orders.triggered(params, trigger, market=market) == {
        "symbol": "BTC-USDT",
        "type": named,
        "stopPrice": "59000",
        "workingType": "CONTRACT_PRICE",
    }
    assert orders.refused_trigger(trigger) == ""


def test_a_conditional_entry_is_refused():
    """It could double; the words say why."""
    trigger = Trigger(kind=TriggerKind.ENTRY, price=Decimal(59000))
    assert "could double" in orders.refused_trigger(trigger)
    with pytest.raises(ValueError, match=r"trigger\.kind"):
        orders.triggered({}, trigger, market=True)
    assert orders.refused_trigger(None) == ""


def test_an_order_is_named_by_the_venues_id_where_it_is_known():
    """Ours otherwise, in lower case as the venue holds it."""
    ref = OrderRef(account=ACCOUNT, symbol="BTC-USDT", client_order_id=ClientOrderId("ABC"))
    assert orders.named(ref) == {"clientOrderId": "abc"}
    known = OrderRef(
        account=ACCOUNT,
        symbol="BTC-USDT",
        client_order_id=ClientOrderId("abc"),
        venue_order_id=VenueOrderId("17"),
    )
    assert orders.named(known) == {"orderId": "17"}
