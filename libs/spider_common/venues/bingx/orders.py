"""What our orders are in BingX's words. PURE."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from spider_common.domain.orders import OrderType, PositionSide, Side, Trigger, TriggerKind
from spider_common.domain.quantities import toward_zero
from spider_common.domain.requests import OrderRef, OrderRequest
from spider_common.venues.outcomes import Rejected

POSITION_SIDE: Final = {
    PositionSide.NET: "BOTH",
    PositionSide.LONG: "LONG",
    PositionSide.SHORT: "SHORT",
}
_TIME_IN_FORCE: Final = {
    OrderType.LIMIT: "GTC",
    OrderType.POST_ONLY: "PostOnly",
    OrderType.IOC: "IOC",
    OrderType.FOK: "FOK",
}
_TRIGGERED: Final = {
    (TriggerKind.STOP_LOSS, True): "STOP_MARKET",
    (TriggerKind.STOP_LOSS, False): "STOP",
    (TriggerKind.TAKE_PROFIT, True): "TAKE_PROFIT_MARKET",
    (TriggerKind.TAKE_PROFIT, False): "TAKE_PROFIT",
}


def leg(side: PositionSide, *, reduce_only: bool) -> dict[str, str | bool]:
    """Which position an order works on. In hedge mode the side says so, and reduceOnly is refused there."""
    if side is PositionSide.NET and reduce_only:
        return {"positionSide": "BOTH", "reduceOnly": True}
    return {"positionSide": POSITION_SIDE[side]}


def placing(order: OrderRequest) -> dict[str, str | bool]:
    """What a request that places an order says beside its instrument, side, size, price and id."""
    said = leg(order.position_side, reduce_only=order.reduce_only)
    if order.price is not None:
        said |= {"timeInForce": _TIME_IN_FORCE.get(order.order_type, "GTC")}
    return said


def spot_placing(
    order: OrderRequest, *, tick: Decimal, slippage_bps: int
) -> tuple[Decimal | None, str] | Rejected:
    """Price and time in force of a spot order: ``(None, "")`` for one that is sent as a market order.

    A market buy gets a price, since BingX would size it in quote currency.
    """
    if order.trigger is not None:
        return Rejected("unsupported", "conditional spot orders are not sent to BingX")
    if order.price is not None:
        return order.price, _TIME_IN_FORCE.get(order.order_type, "GTC")
    if order.side is Side.SELL:
        return None, ""
    if order.reference_price is None:
        return Rejected("unsupported", "BingX sizes spot market buys in quote currency: no reference price")
    bound = order.reference_price * (10_000 + slippage_bps) / 10_000
    return max(toward_zero(bound, tick), tick), _TIME_IN_FORCE[OrderType.IOC]


def triggered(params: Mapping[str, object], trigger: Trigger, *, market: bool) -> dict[str, object]:
    """The same request as one that waits for the last price to reach the trigger's. It names no client
    order id: BingX keeps those of limit and market orders only.

    Raises:
        ValueError: an entry, see `refused_trigger`.
    """
    kind = _TRIGGERED.get((trigger.kind, market))
    if kind is None:
        raise ValueError(f"trigger.kind: {trigger.kind} is not sent to BingX")
    kept = {name: value for name, value in params.items() if name != "clientOrderId"}
    return {**kept, "type": kind, "stopPrice": f"{trigger.price:f}", "workingType": "CONTRACT_PRICE"}


def refused_trigger(trigger: Trigger | None) -> str:
    """Why a conditional order is not sent; "" for one that is.

    BingX keeps no client order id of conditional orders, so one in doubt cannot be looked for and its
    resubmission might double it. A stop loss or take profit only reduces, and BingX takes no more of them
    than the position holds; an entry has no such bound.
    """
    if trigger is None or (trigger.kind, True) in _TRIGGERED:
        return ""
    return "BingX keeps no client order id of conditional entries, so one in doubt could double: not sent"


def named(ref: OrderRef, *, order_id: str = "orderId", client: str = "clientOrderId") -> dict[str, str]:
    """An existing order by the venue's id, or by ours, which BingX holds in lower case."""
    if ref.venue_order_id is not None:
        return {order_id: ref.venue_order_id}
    return {client: ref.client_order_id.lower()}
