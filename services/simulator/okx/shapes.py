"""OKX's documented objects, every field a string as OKX sends it. Pure."""

from decimal import Decimal
from typing import Final

from services.simulator.accounts import Account, Position
from services.simulator.book import Market
from services.simulator.engine import Exchange
from services.simulator.instruments import Instrument
from services.simulator.ledger import Amended, Canceled, Entry, Executed, Order, Rejected
from spider_common.clock import NS_PER_MS

Fields = dict[str, object]

ORDER_TYPES: Final = {
    "market": "market",
    "limit": "limit",
    "post_only": "post_only",
    "ioc": "ioc",
    "fok": "fok",
}
INSTRUMENT_TYPES: Final = {"spot": "SPOT", "swap": "SWAP"}
# 0: by the system; 1: by the user; 3: by a liquidation; 13, 14, 31: FOK, IOC and post-only orders that could
# not be what they are
_CANCEL_SOURCES: Final = {
    "": "",
    "user": "1",
    "fok": "13",
    "ioc": "14",
    "post_only": "31",
    "reduce_only": "0",
    "liquidation": "3",
}


def number(value: Decimal) -> str:
    """A decimal without exponent and trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def milliseconds(ns: int) -> str:
    return str(ns // NS_PER_MS)


def average(order: Order) -> str:
    return number((order.paid / order.filled).quantize(Decimal("1e-12"))) if order.filled else ""


def _usd(size: Decimal, price: Decimal, instrument: Instrument) -> str:
    return number(size * price * instrument.unit)


def _order(order: Order, market: Market, leverage: Decimal) -> Fields:
    """What a push and a query say alike."""
    instrument = market.instrument
    spot = instrument.kind == "spot"
    received = instrument.base if order.side == "buy" else instrument.quote
    return {
        "accFillSz": number(order.filled),
        "algoClOrdId": order.parent_client_order_id,
        "algoId": order.parent,
        "attachAlgoClOrdId": "",
        "attachAlgoOrds": [],
        "avgPx": average(order),
        "cTime": milliseconds(order.ts_created),
        "cancelSource": _CANCEL_SOURCES[order.canceled_for],
        "category": order.category,
        "ccy": "",
        "clOrdId": order.client_order_id,
        "fee": number(order.fee),
        "feeCcy": received if spot else instrument.quote,
        "instId": order.symbol,
        "instType": INSTRUMENT_TYPES[instrument.kind],
        "isTpLimit": "false",
        "lever": "0" if spot else number(leverage),
        "linkedAlgoOrd": {"algoId": ""},
        "ordId": order.order_id,
        "ordType": ORDER_TYPES[order.kind],
        "pnl": number(order.pnl),
        "posSide": "" if spot else order.leg,
        "px": "" if order.price is None else number(order.price),
        "quickMgnType": "",
        "rebate": "0",
        "rebateCcy": received if spot else instrument.quote,
        "reduceOnly": "true" if order.reduce_only else "false",
        "side": order.side,
        "slOrdPx": "",
        "slTriggerPx": "",
        "slTriggerPxType": "",
        "source": "",
        "state": order.status,
        "stpMode": "cancel_maker",
        "sz": number(order.size),
        "tag": order.tag,
        "tdMode": order.margin_mode,
        "tgtCcy": "base_ccy" if spot and order.kind == "market" else "",
        "tpOrdPx": "",
        "tpTriggerPx": "",
        "tpTriggerPxType": "",
        "tradeQuoteCcy": instrument.quote if spot else "",
        "uTime": milliseconds(order.ts_updated),
    }


def queried_order(order: Order, exchange: Exchange, account: Account) -> Fields:
    """An order as trade/order, orders-pending and orders-history state it."""
    fill = order.last
    return _order(order, exchange.markets[order.symbol], account.leverage_of(order.symbol)) | {
        "cancelSourceReason": "",
        "fillPx": number(fill.price) if fill else "",
        "fillSz": number(fill.size) if fill else "0",
        "fillTime": milliseconds(fill.ts) if fill else "",
        "pxType": "",
        "pxUsd": "",
        "pxVol": "",
        "stpId": "",
        "tradeId": fill.trade_id if fill else "",
    }


def pushed_order(entry: Entry, exchange: Exchange, account: Account) -> Fields:
    """An order as the orders channel states it, with the fill or amendment that this push is about."""
    assert not isinstance(entry, Rejected), "a refusal is said in its reply"
    order = entry.order
    market = exchange.markets[order.symbol]
    price = order.price if order.price is not None else market.price
    fill = entry.execution if isinstance(entry, Executed) else None
    return _order(order, market, account.leverage_of(order.symbol)) | {
        "amendResult": "0" if isinstance(entry, Amended) else "",
        "amendSource": "1" if isinstance(entry, Amended) else "",
        "code": "0",
        "execType": ("M" if fill.maker else "T") if fill else "",
        "fillFee": number(fill.fee) if fill else "0",
        "fillFeeCcy": fill.fee_currency if fill else "",
        "fillNotionalUsd": _usd(fill.size, fill.price, market.instrument) if fill else "",
        "fillPnl": number(fill.pnl) if fill else "0",
        "fillPx": number(fill.price) if fill else "",
        "fillSz": number(fill.size) if fill else "0",
        "fillTime": milliseconds(fill.ts) if fill else "",
        "lastPx": number(market.price),
        "msg": "",
        "notionalUsd": _usd(order.size, price, market.instrument),
        "reqId": entry.request_id if isinstance(entry, Amended) else "",
        "tradeId": fill.trade_id if fill else "",
        "uTime": milliseconds(entry.ts),
        "cancelSource": _CANCEL_SOURCES[order.canceled_for] if isinstance(entry, Canceled) else "",
    }


def fill(entry: Executed, exchange: Exchange) -> Fields:
    """An execution as trade/fills states it."""
    order, execution = entry.order, entry.execution
    instrument = exchange.markets[order.symbol].instrument
    return {
        "billId": str(900_000_000_000_000_000 + entry.seq),
        "clOrdId": order.client_order_id,
        "execType": "M" if execution.maker else "T",
        "fee": number(execution.fee),
        "feeCcy": execution.fee_currency,
        "feeRate": "",
        "fillIdxPx": number(execution.price),
        "fillMarkPx": number(execution.price),
        "fillPnl": number(execution.pnl),
        "fillPx": number(execution.price),
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillFwdPx": "",
        "fillMarkVol": "",
        "fillSz": number(execution.size),
        "fillTime": milliseconds(execution.ts),
        "instId": order.symbol,
        "instType": INSTRUMENT_TYPES[instrument.kind],
        "ordId": order.order_id,
        "posSide": order.leg,
        "side": order.side,
        "subType": "",
        "tag": order.tag,
        "tradeId": execution.trade_id,
        "tradeQuoteCcy": "",
        "ts": milliseconds(execution.ts),
    }


def position_id(held: Position, exchange: Exchange, account: Account) -> str:
    """A number that stays the same for one leg of one account."""
    index = list(exchange.markets).index(held.symbol)
    return f"{account.uid}{index}{('net', 'long', 'short').index(held.leg)}"


def position(held: Position, exchange: Exchange, account: Account) -> Fields:
    """A position as account/positions and the positions channel state it."""
    market = exchange.markets[held.symbol]
    instrument, price = market.instrument, market.price
    leverage = account.leverage_of(held.symbol)
    notional = abs(held.size) * instrument.unit * price
    profit = held.unrealised(price, instrument.unit)
    size = held.size if held.leg == "net" else abs(held.size)
    return {
        "adl": "1",
        "availPos": "" if held.leg == "net" else number(size),
        "avgPx": number(held.average) if held.size else "",
        "bePx": number(held.average) if held.size else "",
        "cTime": milliseconds(held.ts_created),
        "ccy": instrument.quote,
        "closeOrderAlgo": [],
        "fee": "0",
        "fundingFee": "0",
        "idxPx": number(price),
        "imr": number(notional / leverage),
        "instId": held.symbol,
        "instType": INSTRUMENT_TYPES[instrument.kind],
        "interest": "",
        "last": number(price),
        "lever": number(leverage),
        "liab": "",
        "liabCcy": "",
        "liqPenalty": "0",
        "liqPx": "",
        "margin": "",
        "markPx": number(price),
        "mgnMode": "cross",
        "mgnRatio": "100" if held.size else "",
        "mmr": number(notional * Decimal("0.004")),
        "notionalUsd": number(notional),
        "optVal": "",
        "pnl": number(held.realised),
        "pos": number(size),
        "posCcy": "",
        "posId": position_id(held, exchange, account),
        "posSide": held.leg,
        "realizedPnl": number(held.realised),
        "settledPnl": "",
        "tradeId": held.last_trade,
        "uTime": milliseconds(held.ts_updated),
        "upl": number(profit),
        "uplLastPx": number(profit),
        "uplRatio": number((profit * leverage / notional).quantize(Decimal("1e-12"))) if notional else "0",
        "usdPx": "1",
    }
