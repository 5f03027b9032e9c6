"""OKX trade endpoints: place, amend, cancel, and what became of it."""

from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from services.simulator.ledger import Executed, Leg, Order
from services.simulator.okx import shapes
from services.simulator.okx.call import Call, Endpoint, Number, decimal, decode
from services.simulator.okx.codes import OkxError, of_refusal
from services.simulator.okx.shapes import Fields
from services.simulator.rules import NewOrder, RefusedError
from spider_common.clock import NS_PER_S

_HOUR: Final = 3600 * NS_PER_S
_KEEP_CANCELED: Final = 2 * _HOUR  # canceled orders without a fill leave history after this
_KEEP_ORDERS: Final = 7 * 24 * _HOUR
_KEEP_ARCHIVE: Final = 90 * 24 * _HOUR
_KEEP_FILLS: Final = 3 * 24 * _HOUR
_MAX_PAGE: Final = 100
_ACCOUNT_LIMIT: Final = 1000  # new and amended orders of a sub-account in two seconds


class _PlaceBody(msgspec.Struct, rename="camel"):
    inst_id: str
    td_mode: Literal["cross", "isolated", "cash"]
    side: Literal["buy", "sell"]
    ord_type: Literal["market", "limit", "post_only", "ioc", "fok"]
    sz: Number
    px: Number = ""
    cl_ord_id: str = ""
    tag: str = ""
    pos_side: Literal["", "net", "long", "short"] = ""
    reduce_only: bool | Literal["true", "false", ""] = False
    tgt_ccy: Literal["", "base_ccy", "quote_ccy"] = ""


class _AmendBody(msgspec.Struct, rename="camel"):
    inst_id: str
    ord_id: str = ""
    cl_ord_id: str = ""
    req_id: str = ""
    new_sz: Number = ""
    new_px: Number = ""


class _CancelBody(msgspec.Struct, rename="camel"):
    inst_id: str
    ord_id: str = ""
    cl_ord_id: str = ""


def _place(call: Call, raw: msgspec.Raw) -> Order:
    body = decode(raw, _PlaceBody)
    _count(call)
    if body.cl_ord_id and not (
        len(body.cl_ord_id) <= 32 and body.cl_ord_id.isascii() and body.cl_ord_id.isalnum()
    ):
        raise OkxError("51000", "clOrdId")
    if body.inst_id not in call.exchange.markets:
        raise OkxError("51001")
    spot = call.exchange.markets[body.inst_id].instrument.kind == "spot"
    if spot and body.ord_type == "market" and body.side == "buy" and body.tgt_ccy != "base_ccy":
        raise OkxError("51000", "tgtCcy")  # sizes in quote currency are not simulated
    leg: Leg = "net" if spot else body.pos_side or "net"
    new = NewOrder(
        symbol=body.inst_id,
        side=body.side,
        kind=body.ord_type,
        size=decimal(body.sz, "sz"),
        # a market order's px is ignored, as OKX does
        price=None if body.ord_type == "market" else decimal(body.px, "px"),
        leg=leg,
        # reduceOnly speaks in net mode only; OKX ignores it elsewhere
        reduce_only=body.reduce_only in (True, "true") and leg == "net" and not spot,
        client_order_id=body.cl_ord_id,
        tag=body.tag,
        margin_mode=body.td_mode,
    )
    try:
        return call.exchange.place(call.account, new, call.now)
    except RefusedError as refused:
        raise of_refusal(refused) from None


def _amend(call: Call, raw: msgspec.Raw) -> Order:
    body = decode(raw, _AmendBody)
    _count(call)
    _identified(body.ord_id, body.cl_ord_id)
    if not (body.new_sz or body.new_px):
        raise OkxError("51500")
    try:
        return call.exchange.amend(
            call.account,
            body.inst_id,
            order_id=body.ord_id,
            client_order_id=body.cl_ord_id,
            size=decimal(body.new_sz, "newSz") if body.new_sz else None,
            price=decimal(body.new_px, "newPx") if body.new_px else None,
            request_id=body.req_id,
            now=call.now,
        )
    except RefusedError as refused:
        raise of_refusal(refused, not_found="51503", insufficient_margin="51502") from None


def _cancel(call: Call, raw: msgspec.Raw) -> Order:
    body = decode(raw, _CancelBody)
    _identified(body.ord_id, body.cl_ord_id)
    try:
        return call.exchange.cancel(
            call.account,
            body.inst_id,
            order_id=body.ord_id,
            client_order_id=body.cl_ord_id,
            now=call.now,
        )
    except RefusedError as refused:
        raise of_refusal(refused, not_found="51400") from None


def _identified(order_id: str, client_order_id: str) -> None:
    if not (order_id or client_order_id):
        raise OkxError("51003")


def _count(call: Call) -> None:
    """The limit of all new and amended orders of an account (50061)."""
    if not call.limits.allow(("orders", call.account.uid), _ACCOUNT_LIMIT, call.now):
        raise OkxError("50061")


def _each(act: Callable[[Call, msgspec.Raw], Order]) -> Callable[[Call], list[Fields]]:
    """An endpoint that acts on each object of the body and answers for each."""

    def answer(call: Call) -> list[Fields]:
        rows: list[Fields] = []
        for raw in call.items():
            try:
                order = act(call, raw)
            except OkxError as error:
                rows.append(_row("", _named(raw), error.code, error.message, call.now))
            else:
                call.accepted.append(order)
                rows.append(_row(order.order_id, order.client_order_id, "0", "", call.now))
        return rows

    return answer


class _Named(msgspec.Struct, rename="camel"):
    cl_ord_id: str = ""


def _named(raw: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=_Named).cl_ord_id
    except msgspec.DecodeError:
        return ""


def _row(order_id: str, client_order_id: str, code: str, message: str, now: int) -> Fields:
    return {
        "clOrdId": client_order_id,
        "ordId": order_id,
        "sCode": code,
        "sMsg": message,
        "tag": "",
        "ts": shapes.milliseconds(now),
    }


# Queries


def _kept(order: Order, now: int, keep: int) -> bool:
    """Whether history still has a finished order."""
    if order.status == "canceled" and not order.filled:
        keep = _KEEP_CANCELED
    return order.ts_updated > now - keep


def _order(call: Call) -> list[Fields]:
    symbol = call.needed("instId")
    order_id, client_order_id = call.query.get("ordId", ""), call.query.get("clOrdId", "")
    _identified(order_id, client_order_id)
    order = call.exchange.find(call.account, order_id, client_order_id)
    known = order is not None and order.symbol == symbol and call.venue.visible(order)
    if order is None or not known or not (order.open or _kept(order, call.now, _KEEP_ARCHIVE)):
        raise OkxError("51603")
    return [shapes.queried_order(order, call.exchange, call.account)]


def _pending(call: Call) -> list[Fields]:
    orders = (order for order in call.exchange.orders(call.account) if order.open)
    return _order_page(call, orders)


def _history(keep: int) -> Callable[[Call], list[Fields]]:
    def answer(call: Call) -> list[Fields]:
        call.needed("instType")
        orders = (
            order
            for order in call.exchange.orders(call.account)
            if not order.open and _kept(order, call.now, keep)
        )
        return _order_page(call, orders)

    return answer


def _order_page(call: Call, orders: Iterable[Order]) -> list[Fields]:
    shown = (
        shapes.queried_order(order, call.exchange, call.account)
        for order in orders
        if call.venue.visible(order)
    )
    return _page(call, shown, "ordId", "cTime")


def _fills(keep: int) -> Callable[[Call], list[Fields]]:
    def answer(call: Call) -> list[Fields]:
        shown = (
            shapes.fill(entry, call.exchange)
            for entry in reversed(call.exchange.ledger.entries)
            if isinstance(entry, Executed)
            and entry.order.account == call.account.name
            and entry.ts > call.now - keep
            and call.venue.visible(entry.order)
        )
        return _page(call, shown, "billId", "ts")

    return answer


def _page(call: Call, rows: Iterable[Fields], cursor: str, time: str) -> list[Fields]:
    """OKX's filters and pages over rows that come newest first."""
    query = call.query
    limit = min(int(decimal(query.get("limit", str(_MAX_PAGE)), "limit")), _MAX_PAGE)
    page: list[Fields] = []
    for row in rows:
        if len(page) == limit:
            break
        same = all(
            str(row[name]) == query[name]
            for name in ("instType", "instId", "ordId", "ordType", "state", "category")
            if query.get(name) and name in row
        )
        number, at = int(str(row[cursor])), int(str(row[time]))
        after = not query.get("after") or number < decimal(query["after"], "after")
        before = not query.get("before") or number > decimal(query["before"], "before")
        begun = not query.get("begin") or at >= decimal(query["begin"], "begin")
        ended = not query.get("end") or at <= decimal(query["end"], "end")
        if same and after and before and begun and ended:
            page.append(row)
    return page


ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("POST", "trade/order"): Endpoint(_each(_place), 60, operation="place"),
    ("POST", "trade/batch-orders"): Endpoint(_each(_place), 300, operation="place"),
    ("POST", "trade/amend-order"): Endpoint(_each(_amend), 60, operation="amend"),
    ("POST", "trade/amend-batch-orders"): Endpoint(_each(_amend), 300, operation="amend"),
    ("POST", "trade/cancel-order"): Endpoint(_each(_cancel), 60, operation="cancel"),
    ("POST", "trade/cancel-batch-orders"): Endpoint(_each(_cancel), 300, operation="cancel"),
    ("GET", "trade/order"): Endpoint(_order, 60),
    ("GET", "trade/orders-pending"): Endpoint(_pending, 60),
    ("GET", "trade/orders-history"): Endpoint(_history(_KEEP_ORDERS), 40),
    ("GET", "trade/orders-history-archive"): Endpoint(_history(_KEEP_ARCHIVE), 20),
    ("GET", "trade/fills"): Endpoint(_fills(_KEEP_FILLS), 60),
    ("GET", "trade/fills-history"): Endpoint(_fills(_KEEP_ARCHIVE), 10),
}
