"""What OKX is asked, as unsigned requests. PURE but for ccxt's part in building orders.

Sources: https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order, ``-algo-trading`` and
``#trading-account-rest-api``.
"""

from collections.abc import Mapping
from typing import Any, Final

from spider_common.domain.instruments import Instrument, InstrumentKind
from spider_common.domain.orders import OrderType, PositionSide, Trigger, TriggerKind
from spider_common.domain.products import MarginMode
from spider_common.domain.quantities import canonical
from spider_common.domain.requests import Amendment, OrderRef, OrderRequest
from spider_common.sdk.ccxt import Codec, VenueRequest

_AT_MARKET: Final = "-1"
_KIND: Final[Mapping[OrderType, Mapping[str, object]]] = {
    OrderType.POST_ONLY: {"postOnly": True},
    OrderType.IOC: {"timeInForce": "IOC"},
    OrderType.FOK: {"timeInForce": "FOK"},
}
_REDUCING: Final = {TriggerKind.STOP_LOSS: "sl", TriggerKind.TAKE_PROFIT: "tp"}


def question(path: str, asked: Mapping[str, str], *, public: bool = False) -> VenueRequest:
    return VenueRequest(("public" if public else "private",), "GET", path, asked)


def place(order: OrderRequest, codec: Codec, listed: Instrument) -> VenueRequest:
    """The request that places an order.

    Raises:
        ValueError: the venue would not take the size or the price as it is, or has no such instrument.
    """
    prices = [order.price, None if order.trigger is None else order.trigger.price]
    if not listed.takes(order.size, *prices):
        raise ValueError(f"{order.symbol}: size {order.size} or a price of {prices} is not among its steps")
    if order.trigger is not None:
        return _conditional(order, order.trigger, listed)
    return codec.order_request(
        order.symbol,
        side=order.side,
        size=order.size,
        client_order_id=order.client_order_id,
        price=order.price,
        params={**_position(order, listed), **_KIND.get(order.order_type, {})},
    )


def cancel(order: OrderRef) -> VenueRequest:
    return _post("trade/cancel-order", _named(order))


def cancel_conditional(symbol: str, algo_id: str) -> VenueRequest:
    body = {"instId": symbol, "algoId": algo_id}
    return VenueRequest(("private",), "POST", "trade/cancel-algos", body, listed=True)


def amend(change: Amendment) -> VenueRequest:
    """The order stays the same one. Its new size counts what is filled of it already."""
    price = {} if change.price is None else {"newPx": canonical(change.price)}
    return _post("trade/amend-order", {**_named(change.ref), "newSz": canonical(change.size), **price})


def leverage(symbol: str, factor: int, mode: MarginMode, leg: PositionSide) -> VenueRequest:
    """`leg`: NET for both sides at once; in isolated margin and long/short mode each has its own."""
    side = {} if leg is PositionSide.NET else {"posSide": leg.value}
    body = {"instId": symbol, "lever": str(factor), "mgnMode": mode.value, **side}
    return _post("account/set-leverage", body)


def position_mode(*, hedge: bool) -> VenueRequest:
    return _post("account/set-position-mode", {"posMode": "long_short_mode" if hedge else "net_mode"})


def _conditional(order: OrderRequest, trigger: Trigger, listed: Instrument) -> VenueRequest:
    """An order that waits for the last price."""
    price = _AT_MARKET if order.price is None else canonical(order.price)
    body = {
        "instId": order.symbol,
        **_position(order, listed),
        "side": order.side.value,
        "sz": canonical(order.size),
        "algoClOrdId": order.client_order_id,
        "clOrdId": order.client_order_id,  # without one ccxt signs a broker's into it
    }
    prefix = _REDUCING.get(trigger.kind)
    if prefix is None:
        waits = {"ordType": "trigger", "triggerPx": canonical(trigger.price), "orderPx": price}
        return _post("trade/order-algo", {**body, **waits, "triggerPxType": "last"})
    waits = {f"{prefix}TriggerPx": canonical(trigger.price), f"{prefix}OrdPx": price}
    return _post(
        "trade/order-algo", {**body, "ordType": "conditional", **waits, f"{prefix}TriggerPxType": "last"}
    )


def _position(order: OrderRequest, listed: Instrument) -> dict[str, Any]:
    """Which position an order works on. In long/short mode its side says so instead of reduceOnly.

    Spot has none; a market buy of it would be sized in quote currency if nothing else were said.
    """
    if listed.kind is InstrumentKind.SPOT:
        return {"tdMode": "cash", "tgtCcy": "base_ccy"}
    mode = {"tdMode": order.margin_mode.value}
    if order.position_side is not PositionSide.NET:
        return {**mode, "posSide": order.position_side.value}
    return {**mode, "reduceOnly": True} if order.reduce_only else mode


def _named(order: OrderRef) -> dict[str, str]:
    if order.venue_order_id is not None:
        return {"instId": order.symbol, "ordId": order.venue_order_id}
    return {"instId": order.symbol, "clOrdId": order.client_order_id}


def _post(path: str, body: Mapping[str, Any]) -> VenueRequest:
    return VenueRequest(("private",), "POST", path, body)
