"""What Bitget is asked about spot orders, as unsigned requests. PURE but for ccxt's part in building orders.

The venue sizes market buys in quote currency, which would leave what is bought to the price. So a market buy
is sent as an immediate-or-cancel limit order for the exact base size, at the reference price plus a bound.
Sources: https://www.bitget.com/api-doc/spot/trade/Place-Order, ``Cancel-Replace-Order`` and ``/spot/plan/``.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from spider_common.domain.instruments import Instrument, venue_symbol
from spider_common.domain.orders import OrderType, Side, Trigger
from spider_common.domain.quantities import canonical, toward_zero
from spider_common.domain.requests import Amendment, OrderRef, OrderRequest
from spider_common.sdk.ccxt import Codec, VenueRequest

SLIPPAGE_BPS: Final = 50
"""How far above the reference price a market buy may fill, in 1/100 of a percent."""
_FORCE: Final = {OrderType.POST_ONLY: "post_only", OrderType.IOC: "ioc", OrderType.FOK: "fok"}
_BPS: Final = 10_000


def question(path: str, asked: Mapping[str, str]) -> VenueRequest:
    """A GET of a private ``v2/spot`` path."""
    return VenueRequest(("private", "spot"), "GET", f"v2/spot/{path}", asked)


def lacks_bound(order: OrderRequest) -> bool:
    """Whether it is a market buy at once without a reference price, which cannot be placed."""
    at_market = order.price is None and order.trigger is None
    return at_market and order.side is Side.BUY and order.reference_price is None


def place(order: OrderRequest, codec: Codec, listed: Instrument, slippage_bps: int) -> VenueRequest:
    """The request that places an order, at once or when its trigger is reached.

    Raises:
        ValueError: the venue would not take the size or the price as it is.
    """
    prices = [order.price, order.trigger.price if order.trigger else None]
    if not listed.takes(order.size, *prices):
        raise ValueError(f"{order.symbol}: size {order.size} or a price of {prices} is not among its steps")
    if order.trigger is not None:
        return _conditional(order, order.trigger)
    price, force = order.price, _FORCE.get(order.order_type)
    if price is None and order.side is Side.BUY:
        price, force = _bound(order, listed, slippage_bps), "ioc"
    return codec.order_request(
        order.symbol,
        side=order.side.value,
        size=order.size,
        client_order_id=order.client_order_id,
        price=price,
        params={"force": force} if force else {},
    )


def cancel(order: OrderRef) -> VenueRequest:
    return _post("trade/cancel-order", {"symbol": venue_symbol(order.symbol), **_named(order)})


def cancel_plan(order: OrderRef) -> VenueRequest:
    """Conditional orders are cancelled by an endpoint of their own."""
    return _post("trade/cancel-plan-order", _named(order))


def modify(change: Amendment, price: Decimal) -> VenueRequest:
    """Cancel and new order in one."""
    return _post(
        "trade/cancel-replace-order",
        {
            "symbol": venue_symbol(change.ref.symbol),
            **_named(change.ref),
            "newClientOid": change.replacement,
            "size": canonical(change.size),
            "price": canonical(price),
        },
    )


def _conditional(order: OrderRequest, trigger: Trigger) -> VenueRequest:
    """An order that waits for the last price to reach its trigger."""
    limit = {} if order.price is None else {"executePrice": canonical(order.price)}
    return _post(
        "trade/place-plan-order",
        {
            "symbol": venue_symbol(order.symbol),
            "side": order.side.value,
            "size": canonical(order.size),
            "clientOid": order.client_order_id,
            "triggerPrice": canonical(trigger.price),
            "triggerType": "fill_price",
            "planType": "amount",  # the size is in base coin, of market buys too
            "orderType": "market" if order.price is None else "limit",
            **limit,
        },
    )


def _bound(order: OrderRequest, listed: Instrument, slippage_bps: int) -> Decimal:
    """The highest price of a market buy, on a tick."""
    assert order.reference_price is not None, "it lacks a bound"
    return max(toward_zero(order.reference_price * (_BPS + slippage_bps) / _BPS, listed.tick), listed.tick)


def _named(order: OrderRef) -> dict[str, str]:
    if order.venue_order_id is not None:
        return {"orderId": order.venue_order_id}
    return {"clientOid": order.client_order_id}


def _post(path: str, body: Mapping[str, Any]) -> VenueRequest:
    return VenueRequest(("private", "spot"), "POST", f"v2/spot/{path}", body)
