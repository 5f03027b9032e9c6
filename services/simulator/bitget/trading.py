"""Bitget's order endpoints: place, modify, cancel, and what became of it."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal, cast

import msgspec

from services.simulator.bitget import shapes
from services.simulator.bitget.call import Call, Endpoint, Number, decimal
from services.simulator.bitget.codes import BitgetError, of_refusal
from services.simulator.bitget.shapes import PRODUCT, Fields, is_spot
from services.simulator.ledger import Executed, Kind, Leg, Order, Side
from services.simulator.rules import NewOrder, RefusedError
from spider_common.clock import NS_PER_MS, NS_PER_S

_KEEP: Final = 90 * 24 * 3600 * NS_PER_S  # history is of three months
_MAX_PAGE: Final = 100
_MARGIN: Final = {"crossed": "cross", "isolated": "isolated"}
_OPPOSITE: Final[dict[Side, Side]] = {"buy": "sell", "sell": "buy"}


class _PlaceBody(msgspec.Struct, rename="camel"):
    symbol: str
    product_type: str
    margin_mode: Literal["crossed", "isolated"]
    margin_coin: str
    size: Number
    side: Literal["buy", "sell"]
    order_type: Literal["market", "limit"]
    price: Number = ""
    trade_side: str = ""
    force: str = "gtc"
    client_oid: str = ""
    reduce_only: str = "NO"


class _ModifyBody(msgspec.Struct, rename="camel"):
    symbol: str
    product_type: str
    order_id: str = ""
    client_oid: str = ""
    new_client_oid: str = ""
    new_size: Number = ""
    new_price: Number = ""


class _CancelBody(msgspec.Struct, rename="camel"):
    symbol: str
    product_type: str
    order_id: str = ""
    client_oid: str = ""


def _place(call: Call) -> Fields:
    body = call.body(_PlaceBody)
    _check_product(body.product_type)
    if not (len(body.client_oid) <= 64 and body.client_oid.isascii()):
        raise BitgetError("40017", "clientOid")
    if body.symbol not in call.exchange.markets or is_spot(body.symbol):
        raise BitgetError("40034", "symbol")
    kind = order_kind(body.order_type, body.force)
    leg, side = _position(call, body)
    new = NewOrder(
        symbol=body.symbol,
        side=side,
        kind=kind,
        size=decimal(body.size, "size"),
        price=None if kind == "market" else decimal(body.price, "price"),
        leg=leg,
        reduce_only=leg == "net" and body.reduce_only.upper() == "YES",  # it speaks in one-way mode only
        client_order_id=body.client_oid,
        margin_mode=_MARGIN[body.margin_mode],
    )
    market = call.exchange.markets[body.symbol]
    least = market.instrument.minimum_notional
    if not new.closes_only and new.size * (new.price or market.price) < least:
        raise BitgetError("45110")
    order = placed(call, new)
    return {"clientOid": order.client_order_id or f"sim{order.order_id}", "orderId": order.order_id}


def order_kind(order_type: str, force: str) -> Kind:
    if order_type == "market":
        return "market"
    force = force.lower()
    if force not in ("gtc", "post_only", "ioc", "fok"):
        raise BitgetError("40017", "force")
    return "limit" if force == "gtc" else cast("Kind", force)


def _position(call: Call, body: _PlaceBody) -> tuple[Leg, Side]:
    """The position that an order works on, and its direction.

    In one-way mode ``tradeSide`` is ignored. In hedge mode it must be there, and of a closing order ``side``
    is the position's own (documentation, Place Order), or the direction if the venue is set to that.
    """
    if call.account.position_mode == "net":
        return "net", body.side
    trade_side = body.trade_side.lower()
    if trade_side not in ("open", "close"):
        raise BitgetError("40774")
    by_direction = trade_side == "close" and call.closing == "direction"
    of_position = _OPPOSITE[body.side] if by_direction else body.side
    leg: Leg = "long" if of_position == "buy" else "short"
    return leg, _OPPOSITE[of_position] if trade_side == "close" else of_position


def placed(call: Call, new: NewOrder, **instead: str) -> Order:
    """Raises BitgetError: it was refused; see `of_refusal`."""
    try:
        order = call.exchange.place(call.account, new, call.now)
    except RefusedError as refused:
        raise of_refusal(refused, **instead) from None
    call.accepted.append(order)
    return order


def _modify(call: Call) -> Fields:
    """Takes the old order back and places another one; only an untouched limit order can be modified."""
    body = call.body(_ModifyBody)
    _check_product(body.product_type)
    old = found(call, body.symbol, body.order_id, body.client_oid)
    if not (body.new_size and body.new_price):
        raise BitgetError("40019", "newPrice" if body.new_size else "newSize")
    if not body.new_client_oid:
        raise BitgetError("22003")
    if old is None or old.status != "live":
        raise BitgetError("40768")
    canceled(call, old)
    new = NewOrder(
        symbol=old.symbol,
        side=old.side,
        kind=old.kind,
        size=decimal(body.new_size, "newSize"),
        price=decimal(body.new_price, "newPrice"),
        leg=old.leg,
        reduce_only=old.reduce_only and old.leg == "net",
        client_order_id=body.new_client_oid,
        margin_mode=old.margin_mode,
    )
    placed(call, new)
    return {"clientOid": body.new_client_oid, "orderId": None}  # the new id is not known when it answers


def _cancel(call: Call) -> Fields:
    body = call.body(_CancelBody)
    _check_product(body.product_type)
    order = found(call, body.symbol, body.order_id, body.client_oid)
    if order is None:
        raise BitgetError("40768")
    canceled(call, order)
    return {"clientOid": order.client_order_id or f"sim{order.order_id}", "orderId": order.order_id}


def canceled(call: Call, order: Order) -> None:
    """Raises BitgetError: 22001, it is not open."""
    try:
        call.exchange.cancel(call.account, order.symbol, order_id=order.order_id, now=call.now)
    except RefusedError as refused:
        raise of_refusal(refused, not_found="22001") from None


def _check_product(product: str) -> None:
    if product.upper() != PRODUCT:
        raise BitgetError("40034", "productType")


def found(call: Call, symbol: str, order_id: str, client_order_id: str) -> Order | None:
    """The order of an instrument that a request names."""
    if not (order_id or client_order_id):
        raise BitgetError("40019", "orderId")
    order = call.exchange.find(call.account, order_id, client_order_id)
    return order if order is not None and order.symbol == symbol else None


# Queries


def _detail(call: Call) -> Fields:
    call.needs_product()
    ids = call.query.get("orderId", ""), call.query.get("clientOid", "")
    order = found(call, call.needed("symbol"), *ids)
    if order is None or not call.venue.visible(order) or not (order.open or kept(order, call.now)):
        raise BitgetError("40109")
    return shapes.queried_order(order, call.account, call.closing, status="state")


def kept(order: Order, now: int) -> bool:
    """Whether history still has an ended order."""
    return order.ts_updated > now - _KEEP


def _pending(call: Call) -> Fields:
    return _orders(call, (order for order in call.exchange.orders(call.account) if order.open))


def _history(call: Call) -> Fields:
    ended = (order for order in call.exchange.orders(call.account) if not order.open)
    return _orders(call, (order for order in ended if kept(order, call.now)))


def _orders(call: Call, orders: Iterable[Order]) -> Fields:
    call.needs_product()
    shown = (
        shapes.queried_order(order, call.account, call.closing, status="status")
        for order in orders
        if not is_spot(order.symbol) and call.venue.visible(order)
    )
    return page(call, shown, "entrustedList", "orderId")


def _fills(call: Call) -> Fields:
    call.needs_product()
    shown = (
        shapes.fill(entry, call.closing)
        for entry in reversed(call.exchange.ledger.entries)
        if isinstance(entry, Executed)
        and entry.order.account == call.account.name
        and entry.ts > call.now - _KEEP
        and not is_spot(entry.order.symbol)
        and call.venue.visible(entry.order)
    )
    return page(call, shown, "fillList", "tradeId")


def page(call: Call, rows: Iterable[Fields], key: str, cursor: str) -> Fields:
    """A page of rows that come newest first. An empty one is null."""
    shown = listed(call, rows, cursor)
    return {key: shown or None, "endId": shown[-1][cursor] if shown else None}


def listed(call: Call, rows: Iterable[Fields], cursor: str) -> list[Fields]:
    """Bitget's filters and pages over rows that come newest first."""
    limit = min(int(decimal(call.query.get("limit", str(_MAX_PAGE)), "limit")), _MAX_PAGE)
    page: list[Fields] = []
    for row in _matching(call, rows, cursor):
        if len(page) == limit:
            break
        page.append(row)
    return page


def _matching(call: Call, rows: Iterable[Fields], cursor: str) -> Iterator[Fields]:
    query = call.query
    below = decimal(query["idLessThan"], "idLessThan") if query.get("idLessThan") else None
    begin = decimal(query.get("startTime", "0"), "startTime") * NS_PER_MS
    end = decimal(query["endTime"], "endTime") * NS_PER_MS if query.get("endTime") else None
    for row in rows:
        same = all(
            str(row[name]) == query[name]
            for name in ("symbol", "orderId", "clientOid", "status")
            if query.get(name) and name in row
        )
        at = int(str(row["cTime"])) * NS_PER_MS
        in_time = at >= begin and (end is None or at <= end)
        if same and in_time and (below is None or int(str(row[cursor])) < below):
            yield row


ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("POST", "mix/order/place-order"): Endpoint(_place, 10, operation="place"),
    ("POST", "mix/order/modify-order"): Endpoint(_modify, 10, operation="amend"),
    ("POST", "mix/order/cancel-order"): Endpoint(_cancel, 10, operation="cancel"),
    ("GET", "mix/order/detail"): Endpoint(_detail, 10),
    ("GET", "mix/order/orders-pending"): Endpoint(_pending, 10),
    ("GET", "mix/order/orders-history"): Endpoint(_history, 10),
    ("GET", "mix/order/fills"): Endpoint(_fills, 10),
    ("GET", "mix/order/fill-history"): Endpoint(_fills, 10),
}
