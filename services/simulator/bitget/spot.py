"""Bitget's spot endpoints: orders, fills, coins and pairs.

Swaps and spot have the same names at the venue; in the engine those of spot are marked.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Literal

import msgspec

from services.simulator.bitget import spot_shapes
from services.simulator.bitget.call import Call, Endpoint, Number, decimal
from services.simulator.bitget.codes import BitgetError
from services.simulator.bitget.shapes import Fields, is_spot
from services.simulator.bitget.trading import canceled, found, kept, listed, order_kind, placed
from services.simulator.ledger import Executed, Order
from services.simulator.rules import NewOrder
from spider_common.domain.instruments import SPOT_MARK

_NO_BALANCE: Final = "43012"
_NOT_FOUND: Final = "43001"


class _PlaceBody(msgspec.Struct, rename="camel"):
    symbol: str
    size: Number
    side: Literal["buy", "sell"]
    order_type: Literal["market", "limit"]
    price: Number = ""
    force: str = "gtc"
    client_oid: str = ""


class _NamedBody(msgspec.Struct, rename="camel"):
    symbol: str
    order_id: str = ""
    client_oid: str = ""


class _ReplaceBody(_NamedBody, rename="camel", kw_only=True):
    price: Number
    size: Number
    new_client_oid: str = ""


def _place(call: Call) -> Fields:
    body = call.body(_PlaceBody)
    if not (len(body.client_oid) <= 64 and body.client_oid.isascii()):
        raise BitgetError("40017", "clientOid")
    symbol = body.symbol + SPOT_MARK
    if symbol not in call.exchange.markets:
        raise BitgetError("40034", "symbol")
    kind, size = order_kind(body.order_type, body.force), decimal(body.size, "size")
    if kind == "market" and body.side == "buy":
        size = spot_shapes.base_size(call.exchange, symbol, size)
    new = NewOrder(
        symbol=symbol,
        side=body.side,
        kind=kind,
        size=size,
        price=None if kind == "market" else decimal(body.price, "price"),
        client_order_id=body.client_oid,
    )
    return _placed(call, new)


def _placed(call: Call, new: NewOrder) -> Fields:
    market = call.exchange.markets[new.symbol]
    if new.size * (new.price or market.price) < market.instrument.minimum_notional:
        raise BitgetError("45110")
    order = placed(call, new, insufficient_margin=_NO_BALANCE)
    return {"clientOid": order.client_order_id or f"sim{order.order_id}", "orderId": order.order_id}


def _cancel(call: Call) -> Fields:
    body = call.body(_NamedBody)
    order = _open(call, body)
    canceled(call, order)
    return {"clientOid": order.client_order_id or f"sim{order.order_id}", "orderId": order.order_id}


def _replace(call: Call) -> Fields:
    """Takes the old order back and places another one."""
    body = call.body(_ReplaceBody)
    old = _open(call, body)
    canceled(call, old)
    new = NewOrder(
        symbol=old.symbol,
        side=old.side,
        kind=old.kind,
        size=decimal(body.size, "size"),
        price=decimal(body.price, "price"),
        client_order_id=body.new_client_oid,
    )
    return _placed(call, new) | {"success": "success", "msg": None}


def _open(call: Call, body: _NamedBody) -> Order:
    order = found(call, body.symbol + SPOT_MARK, body.order_id, body.client_oid)
    if order is None or not order.open:
        raise BitgetError(_NOT_FOUND)
    return order


# Queries


def _info(call: Call) -> list[Fields]:
    """One order, in a list; an empty one where there is none of that id."""
    ids = call.query.get("orderId", ""), call.query.get("clientOid", "")
    if not any(ids):
        raise BitgetError("40019", "orderId")
    order = call.exchange.find(call.account, *ids)
    if order is None or not is_spot(order.symbol) or not call.venue.visible(order):
        return []
    return [spot_shapes.listed_order(order)] if order.open or kept(order, call.now) else []


def _unfilled(call: Call) -> list[Fields]:
    shown = (order for order in call.exchange.orders(call.account) if order.open)
    return _orders(call, (spot_shapes.pending_order(order) for order in _spot(call, shown)))


def _history(call: Call) -> list[Fields]:
    ended = (order for order in call.exchange.orders(call.account) if not order.open)
    shown = (order for order in ended if kept(order, call.now))
    return _orders(call, (spot_shapes.listed_order(order) for order in _spot(call, shown)))


def _spot(call: Call, orders: Iterable[Order]) -> Iterable[Order]:
    return (order for order in orders if is_spot(order.symbol) and call.venue.visible(order))


def _orders(call: Call, rows: Iterable[Fields]) -> list[Fields]:
    return listed(call, rows, "orderId")


def _fills(call: Call) -> list[Fields]:
    shown = (
        spot_shapes.fill(entry)
        for entry in reversed(call.exchange.ledger.entries)
        if isinstance(entry, Executed)
        and entry.order.account == call.account.name
        and is_spot(entry.order.symbol)
        and kept(entry.order, call.now)
        and call.venue.visible(entry.order)
    )
    return listed(call, shown, "tradeId")


def _assets(call: Call) -> list[Fields]:
    coins = spot_shapes.assets(call.account, call.now)
    return [row for row in coins if Decimal(str(row["available"])) or Decimal(str(row["frozen"]))]


def _symbols(call: Call) -> list[Fields]:
    symbol = call.query.get("symbol", "")
    pairs = (spot_shapes.pair(item) for item in call.venue.instruments if item.kind == "spot")
    return [row for row in pairs if symbol in ("", row["symbol"])]


def _tickers(call: Call) -> list[Fields]:
    symbol = call.query.get("symbol", "")
    rows = (
        spot_shapes.ticker(market, call.now)
        for market in call.exchange.markets.values()
        if market.instrument.kind == "spot"
    )
    return [row for row in rows if symbol in ("", row["symbol"])]


ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("POST", "spot/trade/place-order"): Endpoint(_place, 10, operation="place"),
    ("POST", "spot/trade/cancel-order"): Endpoint(_cancel, 10, operation="cancel"),
    ("POST", "spot/trade/cancel-replace-order"): Endpoint(_replace, 5, operation="amend"),
    ("GET", "spot/trade/orderInfo"): Endpoint(_info, 20),
    ("GET", "spot/trade/unfilled-orders"): Endpoint(_unfilled, 20),
    ("GET", "spot/trade/history-orders"): Endpoint(_history, 20),
    ("GET", "spot/trade/fills"): Endpoint(_fills, 10),
    ("GET", "spot/account/assets"): Endpoint(_assets, 10),
    ("GET", "spot/market/tickers"): Endpoint(_tickers, 20, private=False),
    ("GET", "spot/public/symbols"): Endpoint(_symbols, 20, private=False),
}
