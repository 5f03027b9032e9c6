"""BingX's spot section: pairs, orders, and what became of them.

Its pairs are named as the swaps; the engine's symbols of them end in `SPOT_MARK`. The engine keeps one purse
of coins for swaps and spot, where the venue has an account for each.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from services.simulator.accounts import ZERO
from services.simulator.bingx import shapes
from services.simulator.bingx.call import KEEP, Call, Endpoint, Fields
from services.simulator.bingx.codes import BingxError
from services.simulator.book import Market
from services.simulator.instruments import Instrument
from services.simulator.ledger import Canceled, Entry, Executed, Kind, Order, Rejected, Side
from services.simulator.rules import NewOrder, RefusedError
from spider_common.domain.instruments import SPOT_MARK, venue_symbol

TOPIC: Final = "spot.executionReport"

_KINDS: Final[dict[str, Kind]] = {
    "": "limit",
    "GTC": "limit",
    "PostOnly": "post_only",
    "IOC": "ioc",
    "FOK": "fok",
}
_STATUS: Final = {
    "live": "PENDING",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "canceled": "CANCELED",
}
_MOST_VALUE: Final = Decimal(10_000_000)
_MOST_ORDERS: Final = 100
_MOST_FILLS: Final = 500


def _new_order(call: Call) -> NewOrder:
    symbol, kind, side = call.needed("symbol"), call.needed("type"), call.needed("side")
    if symbol + SPOT_MARK not in call.exchange.markets:
        raise BingxError("100421", words="CheckUserAndSymbol: contract not exist")
    if kind not in ("LIMIT", "MARKET"):
        raise BingxError("100400", words=f"type {kind} is not simulated")
    if side not in ("BUY", "SELL"):
        raise BingxError("100400", words="side")
    if (kind, side) == ("MARKET", "BUY"):
        raise BingxError("100400", words="market buys are by quoteOrderQty, which is not simulated")
    force = call.params.get("timeInForce", "")
    if force not in _KINDS:
        raise BingxError("100400", words="timeInForce")
    direction: Side = "buy" if side == "BUY" else "sell"
    return NewOrder(
        symbol=symbol + SPOT_MARK,
        side=direction,
        kind="market" if kind == "MARKET" else _KINDS[force],
        size=call.decimal("quantity"),
        price=None if kind == "MARKET" else call.decimal("price"),
        client_order_id=call.client_order_id("newClientOrderId"),
    )


def _place(call: Call) -> Fields:
    new = _new_order(call)
    market = call.exchange.market(new.symbol)
    if new.size * (new.price or market.price) < market.instrument.minimum_notional:
        raise BingxError("100400", words="check limit entrust value fail, entrust volume too low")
    try:
        order = call.exchange.place(call.account, new, call.now)
    except RefusedError as refused:
        if refused.refusal == "insufficient_margin":
            words = "Insufficient assets, please verify the assets status"
            raise BingxError("100202", words=words) from None
        raise BingxError("100400", words=f"check param fail: {refused}") from None
    call.accepted.append(order)
    return {**_row(order), "transactTime": shapes.milliseconds(order.ts_created)}


def _named(call: Call) -> tuple[str, str]:
    """The ids that a call names an order by: the venue's goes before the client's."""
    given = call.params.get("orderId", ""), call.params.get("clientOrderID", "").lower()
    if not any(given):
        raise BingxError("100400", words="orderId and clientOrderID are both empty")
    return given


def _cancel(call: Call) -> Fields:
    order_id, client = _named(call)
    try:
        order = call.exchange.cancel(
            call.account,
            call.needed("symbol") + SPOT_MARK,
            order_id=order_id,
            client_order_id=client,
            now=call.now,
        )
    except RefusedError:
        gone = "the order you want to cancel is FILLED or CANCELLED already, or is not a valid order id"
        raise BingxError("100400", words=gone) from None
    call.accepted.append(order)
    return _row(order)


def _query(call: Call) -> Fields:
    symbol = call.needed("symbol") + SPOT_MARK
    order = call.exchange.find(call.account, *_named(call))
    if order is None or order.symbol != symbol or not call.venue.visible(order) or not call.kept(order):
        raise BingxError("100421", words="order not exist")
    return _row(order)


def _rows(call: Call, orders: Iterable[Order]) -> list[Fields]:
    symbol = call.params.get("symbol", "")
    return [
        _row(order)
        for order in orders
        if _is_spot(call, order) and symbol in ("", venue_symbol(order.symbol)) and call.venue.visible(order)
    ]


def _is_spot(call: Call, order: Order) -> bool:
    return call.exchange.market(order.symbol).instrument.kind == "spot"


def _open_orders(call: Call) -> Fields:
    return {"orders": _rows(call, call.exchange.open_orders(call.account))}


def _history(call: Call) -> Fields:
    """Finished orders by the time they were made, the newest first."""
    begin, end = call.milliseconds("startTime") or 0, call.milliseconds("endTime") or call.now
    found = _rows(
        call,
        (
            order
            for order in call.exchange.orders(call.account)
            if not order.open and call.kept(order) and begin <= order.ts_created <= end
        ),
    )
    size = call.whole("pageSize", _MOST_ORDERS, _MOST_ORDERS)
    skipped = (call.whole("pageIndex", 1, 10_000) - 1) * size
    return {"orders": found[skipped : skipped + size]}


def _fills(call: Call) -> Fields:
    """Fills of a pair, the oldest first."""
    symbol, order_id = call.needed("symbol") + SPOT_MARK, call.params.get("orderId", "")
    begin, end = call.milliseconds("startTime") or 0, call.milliseconds("endTime") or call.now
    found = [
        _fill(entry)
        for entry in call.exchange.ledger.entries
        if isinstance(entry, Executed)
        and (entry.order.account, entry.order.symbol) == (call.account.name, symbol)
        and order_id in ("", entry.order.order_id)
        and max(begin, call.now - KEEP) <= entry.ts <= end
        and call.venue.visible(entry.order)
    ]
    return {"fills": found[: call.whole("limit", _MOST_FILLS, 2 * _MOST_FILLS)][:_MOST_FILLS]}


def _balance(call: Call) -> Fields:
    reserved = call.account.reserved.values()
    return {
        "balances": [
            {
                "asset": currency,
                "free": shapes.number(call.exchange.available(call.account, currency)),
                "locked": shapes.number(sum((amount for held, amount in reserved if held == currency), ZERO)),
            }
            for currency in call.account.balances
        ]
    }


def _symbols(call: Call) -> Fields:
    symbol = call.params.get("symbol", "")
    listed = (_pair(item) for item in call.venue.instruments if item.kind == "spot")
    return {"symbols": [row for row in listed if symbol in ("", row["symbol"])]}


def _tickers(call: Call) -> list[Fields]:
    if not call.params.get("timestamp"):
        raise BingxError("100400", words="timestamp: this field is required")
    symbol = call.params.get("symbol", "")
    rows = (
        _ticker(market, call.now)
        for market in call.exchange.markets.values()
        if market.instrument.kind == "spot"
    )
    return [row for row in rows if symbol in ("", row["symbol"])]


# Shapes


def _row(order: Order) -> Fields:
    """An order as every endpoint states it, in short and at length alike."""
    average = (order.paid / order.filled).quantize(Decimal("1e-8")) if order.filled else ZERO
    return {
        "symbol": venue_symbol(order.symbol),
        "orderId": int(order.order_id),
        "price": shapes.number(order.price or ZERO),
        "stopPrice": "0",
        "origQty": shapes.number(order.size),
        "executedQty": shapes.number(order.filled),
        "cummulativeQuoteQty": shapes.number(order.paid),
        "status": _STATUS[order.status],
        "type": "MARKET" if order.kind == "market" else "LIMIT",
        "side": order.side.upper(),
        "time": shapes.milliseconds(order.ts_created),
        "updateTime": shapes.milliseconds(order.ts_updated),
        "origQuoteOrderQty": "0",
        "fee": shapes.number(order.fee),
        "feeAsset": "" if order.last is None else order.last.fee_currency,
        "clientOrderID": order.client_order_id,
        "avgPrice": float(average),
    }


def _fill(entry: Executed) -> Fields:
    order, execution = entry.order, entry.execution
    return {
        "symbol": venue_symbol(order.symbol),
        "id": int(execution.trade_id),
        "orderId": int(order.order_id),
        "price": shapes.number(execution.price),
        "qty": shapes.number(execution.size),
        "quoteQty": shapes.number(execution.price * execution.size),
        "commission": float(execution.fee),
        "commissionAsset": execution.fee_currency,
        "time": shapes.milliseconds(execution.ts),
        "isBuyer": order.side == "buy",
        "isMaker": execution.maker,
    }


def _pair(item: Instrument) -> Fields:
    return {
        "symbol": venue_symbol(item.symbol),
        "minQty": float(item.minimum),
        "maxQty": float(item.maximum),
        "minNotional": float(item.minimum_notional),
        "maxNotional": float(_MOST_VALUE),
        "status": 1,
        "tickSize": float(item.tick),
        "stepSize": float(item.lot),
        "apiStateSell": True,
        "apiStateBuy": True,
        "timeOnline": 0,
        "offTime": 0,
        "maintainTime": 0,
    }


def _ticker(market: Market, now: int) -> Fields:
    """A pair as ticker/24hr states it."""
    prices = ("openPrice", "highPrice", "lowPrice", "lastPrice", "askPrice", "bidPrice")
    return {
        **dict.fromkeys(prices, shapes.number(market.price)),
        "symbol": venue_symbol(market.instrument.symbol),
        "priceChange": "0",
        "priceChangePercent": "0%",
        "volume": 0,
        "quoteVolume": 0,
        "openTime": shapes.milliseconds(now),
        "closeTime": shapes.milliseconds(now),
    }


def report(entry: Entry) -> Fields:
    """A spot.executionReport: numbers are JSON numbers, and what is not there is 0."""
    assert not isinstance(entry, Rejected), "a refusal is said in its reply"
    order = entry.order
    fill = entry.execution if isinstance(entry, Executed) else None
    happened = "TRADE" if fill else "CANCELED" if isinstance(entry, Canceled) else "NEW"
    return {
        "code": 0,
        "dataType": TOPIC,
        "data": {
            "e": "executionReport",
            "E": shapes.milliseconds(entry.ts),
            "s": venue_symbol(order.symbol),
            "S": order.side.upper(),
            "o": "MARKET" if order.kind == "market" else "LIMIT",
            "q": float(order.size),
            "p": float(order.price or ZERO),
            "x": happened,
            "X": _STATUS[order.status],
            "i": int(order.order_id),
            "l": float(fill.size) if fill else 0,
            "z": float(order.filled),
            "L": float(fill.price) if fill else 0,
            "n": float(fill.fee) if fill else 0,
            "N": fill.fee_currency if fill else "",
            "T": shapes.milliseconds(fill.ts) if fill else 0,
            "t": int(fill.trade_id) if fill else 0,
            "O": shapes.milliseconds(order.ts_created),
            "Z": float(order.paid),
            "Y": float(fill.price * fill.size) if fill else 0,
            "Q": 0,
            "C": order.client_order_id,
            "m": fill is not None and fill.maker,
        },
    }


ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("GET", "spot/v1/common/symbols"): Endpoint(_symbols, private=False),
    ("GET", "spot/v1/ticker/24hr"): Endpoint(_tickers, private=False),
    ("GET", "spot/v1/account/balance"): Endpoint(_balance),
    ("POST", "spot/v1/trade/order"): Endpoint(_place, operation="place"),
    ("POST", "spot/v1/trade/cancel"): Endpoint(_cancel, operation="cancel"),
    ("GET", "spot/v1/trade/query"): Endpoint(_query, 10),
    ("GET", "spot/v1/trade/openOrders"): Endpoint(_open_orders, 10),
    ("GET", "spot/v1/trade/historyOrders"): Endpoint(_history, 10),
    ("GET", "spot/v1/trade/myTrades"): Endpoint(_fills),
}
