"""BingX trade endpoints: place, amend, replace, cancel, and what became of it."""

from collections.abc import Iterable
from typing import Final

from services.simulator.bingx import shapes
from services.simulator.bingx.call import KEEP, Call, Endpoint, Fields
from services.simulator.bingx.codes import BingxError, of_refusal
from services.simulator.bingx.conditionals import KINDS
from services.simulator.ledger import Executed, Kind, Order, Side
from services.simulator.rules import NewOrder, RefusedError
from spider_common.clock import NS_PER_MS

_KINDS: Final[dict[str, Kind]] = {
    "": "limit",
    "GTC": "limit",
    "PostOnly": "post_only",
    "IOC": "ioc",
    "FOK": "fok",
}
_MOST_ORDERS: Final = 1000
_MOST_FILLS: Final = 1000
_MOST_LISTED: Final = 512  # of allFillOrders, which has no pages


def _new_order(call: Call) -> NewOrder:
    """The order that the parameters ask for.

    Raises:
        BingxError: 109400 a parameter is missing or wrong, 109425 the pair is not listed, 101481 or 109201
            the client order id was used before.
    """
    symbol, kind, side = call.needed("symbol"), call.needed("type"), call.needed("side")
    if symbol not in call.exchange.markets:
        raise BingxError("109425", symbol)
    if kind not in ("LIMIT", "MARKET", *KINDS):
        raise BingxError("101400", f"type {kind} is not simulated")
    market = KINDS.get(kind, kind == "MARKET")
    if side not in ("BUY", "SELL"):
        raise BingxError("109400", "side")
    leg = shapes.SIDES.get(call.params.get("positionSide", "LONG"))
    if leg is None:
        raise BingxError("109400", "positionSide")
    reduce_only = call.params.get("reduceOnly", "false")
    if reduce_only not in ("true", "false") or (leg != "net" and "reduceOnly" in call.params):
        raise BingxError("109400", "reduceOnly")  # hedge mode does not take the parameter at all
    force = call.params.get("timeInForce", "")
    if force not in _KINDS:
        raise BingxError("109400", "timeInForce")
    direction: Side = "buy" if side == "BUY" else "sell"
    return NewOrder(
        symbol=symbol,
        side=direction,
        kind="market" if market else _KINDS[force],
        size=call.decimal("quantity"),
        price=None if market else call.decimal("price"),
        leg=leg,
        reduce_only=reduce_only == "true",
        # the venue keeps an id of limit and market orders only
        client_order_id="" if kind in KINDS else call.client_order_id("clientOrderId", "clientOrderID"),
    )


def _enter(call: Call, new: NewOrder) -> Order:
    market = call.exchange.market(new.symbol)
    opening = not new.closes_only
    try:
        least = market.instrument.minimum_notional
        if opening and new.size > 0 and new.size * (new.price or market.price) < least:
            raise BingxError("110425")
        order = call.exchange.place(call.account, new, call.now)
    except RefusedError as refused:
        raise of_refusal(refused) from None
    call.accepted.append(order)
    return order


def _place(call: Call) -> Fields:
    new, kind = _new_order(call), call.needed("type")
    if kind not in KINDS:
        return {"order": shapes.placed(_enter(call, new))}
    waiting = call.conditionals.place(call.account, new, kind, call.decimal("stopPrice"), call.now)
    return {"order": shapes.conditional(waiting)}


def _named(call: Call, order_id: str = "orderId", client: str = "clientOrderId") -> tuple[str, str]:
    """The ids that a call names an order by: the venue's goes before the client's."""
    given = call.params.get(order_id, ""), call.params.get(client, "").lower()
    if not any(given):
        raise BingxError("109400", f"{order_id} and {client} are both empty")
    return given


def _gone(call: Call, order_id: str, client: str) -> BingxError:
    """Why an order cannot be cancelled or amended."""
    order = call.exchange.find(call.account, order_id, client)
    return BingxError("80018" if order is not None and order.status == "filled" else "109421")


def _take_back(call: Call, order_id: str, client: str) -> Order:
    try:
        order = call.exchange.cancel(
            call.account, call.needed("symbol"), order_id=order_id, client_order_id=client, now=call.now
        )
    except RefusedError:
        raise _gone(call, order_id, client) from None
    call.accepted.append(order)
    return order


def _cancel(call: Call) -> Fields:
    order_id, client = _named(call)
    waiting = call.conditionals.cancel(call.account, order_id, call.now)
    if waiting is not None:
        return {"order": shapes.conditional(waiting)}
    return {"order": shapes.queried(_take_back(call, order_id, client), call.account)}


def _amend(call: Call) -> Fields:
    """The size only, of all that was ordered."""
    order_id, client = _named(call)
    try:
        order = call.exchange.amend(
            call.account,
            call.needed("symbol"),
            order_id=order_id,
            client_order_id=client,
            size=call.decimal("quantity"),
            now=call.now,
        )
    except RefusedError as refused:
        if refused.refusal == "not_found":
            raise _gone(call, order_id, client) from None
        raise of_refusal(refused) from None
    call.accepted.append(order)
    return {
        "orderId": order.order_id,
        "clientOrderId": order.client_order_id,
        "symbol": order.symbol,
        "quantity": shapes.number(order.size),
    }


def _cancel_replace(call: Call) -> Fields:
    """Code 0 whatever came of the two halves; each says for itself."""
    mode = call.needed("cancelReplaceMode")
    if mode not in ("STOP_ON_FAILURE", "ALLOW_FAILURE"):
        raise BingxError("109400", "cancelReplaceMode")
    new = _new_order(call)
    named = _named(call, "cancelOrderId", "cancelClientOrderId")
    result: Fields = {
        "cancelResult": "false",
        "cancelMsg": "",
        "cancelResponse": {},
        "replaceResult": "false",
        "replaceMsg": "",
        "newOrderResponse": {},
    }
    try:
        _restrict(call, *named)
        old = _take_back(call, *named)
    except BingxError as error:
        result["cancelMsg"] = error.message
        if mode == "STOP_ON_FAILURE":
            return result
    else:
        result |= {"cancelResult": "true", "cancelResponse": shapes.queried(old, call.account)}
    try:
        order = _enter(call, new)
    except BingxError as error:
        result["replaceMsg"] = error.message
    else:
        result |= {"replaceResult": "true", "newOrderResponse": shapes.placed(order)}
    return result


def _restrict(call: Call, order_id: str, client: str) -> None:
    """Raises BingxError: the order is not in the state that cancelRestrictions asks for."""
    wanted = call.params.get("cancelRestrictions", "")
    order = call.exchange.find(call.account, order_id, client)
    if not wanted or order is None:
        return
    if wanted != f"ONLY_{shapes.queried(order, call.account)['status']}":
        raise BingxError("101400", "cancelRestrictions")


# Queries


def _order(call: Call) -> Fields:
    symbol, named = call.needed("symbol"), _named(call)
    waiting = call.conditionals.find(call.account, named[0])
    if waiting is not None and waiting.new.symbol == symbol:
        return {"order": shapes.conditional(waiting)}
    order = call.exchange.find(call.account, *named)
    if order is None or order.symbol != symbol or not call.venue.visible(order) or not call.kept(order):
        raise BingxError("80016")
    return {"order": shapes.queried(order, call.account)}


def _is_swap(call: Call, order: Order) -> bool:
    return call.exchange.market(order.symbol).instrument.kind == "swap"


def _rows(call: Call, orders: Iterable[Order]) -> list[Fields]:
    symbol = call.params.get("symbol", "")
    return [
        shapes.queried(order, call.account)
        for order in orders
        if symbol in ("", order.symbol) and _is_swap(call, order) and call.venue.visible(order)
    ]


def _waiting_rows(call: Call, *, waiting: bool) -> list[Fields]:
    """The conditionals that wait, or those that are done."""
    symbol = call.params.get("symbol", "")
    return [
        shapes.conditional(order)
        for order in call.conditionals.of(call.account)
        if symbol in ("", order.new.symbol) and (order.status == "NEW") is waiting
    ]


def _open_orders(call: Call) -> Fields:
    rows = _rows(call, call.exchange.open_orders(call.account))
    return {"orders": rows + _waiting_rows(call, waiting=True)}


def _all_orders(call: Call) -> Fields:
    """Finished orders by the time they were made, the newest first."""
    begin, end = call.milliseconds("startTime") or 0, call.milliseconds("endTime") or call.now
    listed = (
        order
        for order in call.exchange.orders(call.account)
        if not order.open and call.kept(order) and begin <= order.ts_created <= end
    )
    done = (
        row for row in _waiting_rows(call, waiting=False) if begin <= int(str(row["time"])) * NS_PER_MS <= end
    )
    found = sorted([*_rows(call, listed), *done], key=lambda row: int(str(row["time"])), reverse=True)
    return {"orders": found[: call.whole("limit", 500, _MOST_ORDERS)]}


def _executions(call: Call) -> list[Executed]:
    """Fills within startTs (exclusive) and endTs, the newest first."""
    begin, end = call.milliseconds("startTs"), call.milliseconds("endTs")
    if begin is None or end is None:
        raise BingxError("109400", "startTs and endTs: this field is required")
    symbol, order_id = call.params.get("symbol", ""), call.params.get("orderId", "")
    return [
        entry
        for entry in reversed(call.exchange.ledger.entries)
        if isinstance(entry, Executed)
        and entry.order.account == call.account.name
        and symbol in ("", entry.order.symbol)
        and _is_swap(call, entry.order)
        and order_id in ("", entry.order.order_id)
        and begin < entry.ts <= end
        and entry.ts > call.now - KEEP
        and call.venue.visible(entry.order)
    ]


def _fill_history(call: Call) -> Fields:
    call.needed("symbol")
    size = call.whole("pageSize", 50, _MOST_FILLS)
    skipped = (call.whole("pageIndex", 1, 1_000_000) - 1) * size
    found = _executions(call)
    page = [shapes.fill(entry) for entry in found[skipped : skipped + size]]
    return {"fill_history_orders": page, "total": len(found)}


def _all_fills(call: Call) -> Fields:
    call.needed("tradingUnit")
    return {"fill_orders": [shapes.filled_order(entry) for entry in _executions(call)[:_MOST_LISTED]]}


ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("POST", "swap/v2/trade/order"): Endpoint(_place, operation="place"),
    ("DELETE", "swap/v2/trade/order"): Endpoint(_cancel, operation="cancel"),
    ("POST", "swap/v1/trade/amend"): Endpoint(_amend, operation="amend"),
    ("POST", "swap/v1/trade/cancelReplace"): Endpoint(_cancel_replace, operation="amend"),
    ("GET", "swap/v2/trade/order"): Endpoint(_order),
    ("GET", "swap/v2/trade/openOrders"): Endpoint(_open_orders),
    ("GET", "swap/v2/trade/allOrders"): Endpoint(_all_orders),
    ("GET", "swap/v2/trade/fillHistory"): Endpoint(_fill_history),
    ("GET", "swap/v2/trade/allFillOrders"): Endpoint(_all_fills),
}
