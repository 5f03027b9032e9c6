"""What Bitget is asked, as unsigned requests. PURE but for ccxt's part in building orders.

Sources: https://www.bitget.com/api-doc/contract/trade/Place-Order, ``Modify-Order`` and ``/contract/plan/``.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from spider_common.domain.instruments import Instrument
from spider_common.domain.orders import OrderType, PositionSide, Side, Trigger, TriggerKind
from spider_common.domain.products import MarginMode
from spider_common.domain.quantities import canonical
from spider_common.domain.requests import Amendment, OrderRef, OrderRequest
from spider_common.sdk.ccxt import Codec, VenueRequest
from spider_common.venues.bitget.parse import COIN, ClosingSide
from spider_common.venues.bitget.session import PRODUCT

_MARGIN: Final = {MarginMode.CROSS: "crossed", MarginMode.ISOLATED: "isolated"}
_FORCE: Final = {OrderType.POST_ONLY: "post_only", OrderType.IOC: "ioc", OrderType.FOK: "fok"}
_TPSL: Final = {TriggerKind.STOP_LOSS: "loss_plan", TriggerKind.TAKE_PROFIT: "profit_plan"}


def question(section: str, path: str, asked: Mapping[str, str]) -> VenueRequest:
    """A GET of a ``v2`` path: `section` is ccxt's, such as ``private/mix``."""
    return VenueRequest(tuple(section.split("/")), "GET", f"v2/{path}", asked)


def place(order: OrderRequest, codec: Codec, listed: Instrument, closing: ClosingSide) -> VenueRequest:
    """The request that places an order.

    Raises:
        ValueError: the venue would not take the size or the price as it is, or has no such instrument.
    """
    prices = [order.price, order.trigger.price if order.trigger else None]
    if not listed.takes(order.size, *prices):
        raise ValueError(f"{order.symbol}: size {order.size} or a price of {prices} is not among its steps")
    if order.trigger is not None:
        return _conditional(order, order.trigger, closing)
    force = {"force": _FORCE[order.order_type]} if order.order_type in _FORCE else {}
    return codec.order_request(
        order.symbol,
        side=_side(order, closing),
        size=order.size,
        client_order_id=order.client_order_id,
        price=order.price,
        params={"marginMode": order.margin_mode.value, **_position(order), **force},
    )


def cancel(order: OrderRef) -> VenueRequest:
    return _post("order/cancel-order", {**_named(order), "marginCoin": COIN})


def cancel_plan(order: OrderRef) -> VenueRequest:
    """Conditional orders are cancelled by an endpoint of their own, as a list."""
    named = _named(order)
    ids = {name: named.pop(name) for name in ("orderId", "clientOid") if name in named}
    return _post("order/cancel-plan-order", {**named, "marginCoin": COIN, "orderIdList": [ids]})


def modify(change: Amendment, price: Decimal) -> VenueRequest:
    """Cancel and new order in one: the venue wants size, price and the new order's id, all three."""
    return _post(
        "order/modify-order",
        {
            **_named(change.ref),
            "marginCoin": COIN,
            "newClientOid": change.replacement,
            "newSize": canonical(change.size),
            "newPrice": canonical(price),
        },
    )


def margin_mode(symbol: str, mode: MarginMode) -> VenueRequest:
    return _post("account/set-margin-mode", {**_symbol(symbol), "marginMode": _MARGIN[mode]})


def leverage(symbol: str, factor: int, leg: PositionSide) -> VenueRequest:
    """`leg`: NET for both sides at once; in isolated margin and hedge mode each has its own."""
    side = {} if leg is PositionSide.NET else {"holdSide": leg.value}
    return _post("account/set-leverage", {**_symbol(symbol), "leverage": str(factor), **side})


def position_mode(*, hedge: bool) -> VenueRequest:
    mode = "hedge_mode" if hedge else "one_way_mode"
    return _post("account/set-position-mode", {"productType": PRODUCT, "posMode": mode})


def _conditional(order: OrderRequest, trigger: Trigger, closing: ClosingSide) -> VenueRequest:
    """An order that waits for the last price to reach its trigger."""
    common = {
        **_symbol(order.symbol),
        "clientOid": order.client_order_id,
        "size": canonical(order.size),
        "triggerPrice": canonical(trigger.price),
        "triggerType": "fill_price",
    }
    if trigger.kind in _TPSL:
        limit = {} if order.price is None else {"executePrice": canonical(order.price)}
        held = {"planType": _TPSL[trigger.kind], "holdSide": _held(order)}
        return _post("order/place-tpsl-order", {**common, **held, **limit})
    limit = {} if order.price is None else {"price": canonical(order.price)}
    position = _position(order)
    if position.pop("reduceOnly", False):
        position["reduceOnly"] = "YES"
    return _post(
        "order/place-plan-order",
        {
            **common,
            **position,
            **limit,
            "planType": "normal_plan",
            "marginMode": _MARGIN[order.margin_mode],
            "side": _side(order, closing),
            "orderType": "market" if order.price is None else "limit",
        },
    )


def _side(order: OrderRequest, closing: ClosingSide) -> str:
    if closing is ClosingSide.POSITION and order.closes:
        return "buy" if order.position_side is PositionSide.LONG else "sell"
    return order.side.value


def _position(order: OrderRequest) -> dict[str, Any]:
    """Which position an order works on: in hedge mode by ``tradeSide``, where reduceOnly does not apply."""
    if order.position_side is not PositionSide.NET:
        return {"tradeSide": "close" if order.closes else "open"}
    return {"reduceOnly": True} if order.reduce_only else {}


def _held(order: OrderRequest) -> str:
    """The position that a stop loss or take profit reduces: its side, in one-way mode that of its opening."""
    if order.position_side is not PositionSide.NET:
        return order.position_side.value
    return "buy" if order.side is Side.SELL else "sell"


def _named(order: OrderRef) -> dict[str, str]:
    named = {"symbol": order.symbol, "productType": PRODUCT}
    if order.venue_order_id is not None:
        return named | {"orderId": order.venue_order_id}
    return named | {"clientOid": order.client_order_id}


def _symbol(symbol: str) -> dict[str, str]:
    return {"symbol": symbol, "productType": PRODUCT, "marginCoin": COIN}


def _post(path: str, body: Mapping[str, Any]) -> VenueRequest:
    return VenueRequest(("private", "mix"), "POST", f"v2/mix/{path}", body)
