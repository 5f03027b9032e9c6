"""Bitget's documented objects. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from services.simulator.accounts import ZERO, Account, Position, margin_used
from services.simulator.book import Market
from services.simulator.engine import Exchange
from services.simulator.instruments import Instrument
from services.simulator.ledger import Entry, Executed, Order, Rejected
from services.simulator.rules import NewOrder
from spider_common.clock import NS_PER_MS
from spider_common.domain.instruments import SPOT_MARK

Fields = dict[str, object]
PRODUCT: Final = "USDT-FUTURES"
COIN: Final = "USDT"

_MODES: Final = {"net": "one_way_mode", "long_short": "hedge_mode"}
_MARGIN: Final = {"cross": "crossed", "isolated": "isolated"}
_FORCE: Final = {"market": "gtc", "limit": "gtc", "post_only": "post_only", "ioc": "ioc", "fok": "fok"}
_SOURCES: Final = {"full_liquidation": "burst", "partial_liquidation": "reduce", "adl": "dte_sys_adl"}


def is_spot(symbol: str) -> bool:
    """Whether an instrument of the engine is spot, which is marked because a swap has the same name."""
    return symbol.endswith(SPOT_MARK)


def number(value: Decimal) -> str:
    """A decimal without exponent and trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def milliseconds(ns: int) -> str:
    return str(ns // NS_PER_MS)


def mode_of(account: Account) -> str:
    return _MODES[account.position_mode]


def average(order: Order) -> Decimal:
    return (order.paid / order.filled).quantize(Decimal("1e-12")) if order.filled else ZERO


def wire_side(order: Order, closing: str) -> str:
    """``side`` as the venue tells it: of a hedged position's closing order that of the position, or not."""
    if closing == "position" and order.leg != "net" and _closes(order):
        return "buy" if order.leg == "long" else "sell"
    return order.side


def _closes(order: Order) -> bool:
    return (order.leg, order.side) in (("long", "sell"), ("short", "buy"))


def _trade_side(order: Order) -> str:
    source = _SOURCES.get(order.category)
    if order.leg == "net" and order.category == "adl":
        return f"{source}_{order.side}_in_single_side_mode"
    if order.leg == "net":
        return f"{source}_{order.side}_single" if source else f"{order.side}_single"
    if not _closes(order):
        return "open"
    return f"{source}_close_{order.leg}" if source else "close"


def _common(order: Order, account: Account, closing: str) -> Fields:
    """What a push and a query say alike."""
    return {
        "cTime": milliseconds(order.ts_created),
        "clientOid": order.client_order_id
        or f"sim{order.order_id}",  # the venue gives one where there is none
        "enterPointSource": "SYS" if order.category != "normal" else "API",
        "force": _FORCE[order.kind],
        "leverage": number(account.leverage_of(order.symbol)),
        "marginCoin": COIN,
        "marginMode": _MARGIN[order.margin_mode],
        "orderId": order.order_id,
        "orderType": "market" if order.kind == "market" else "limit",
        "posMode": _MODES["net" if order.leg == "net" else "long_short"],
        "presetStopLossPrice": "",
        "presetStopSurplusPrice": "",
        "side": wire_side(order, closing),
        "size": number(order.size),
        "stpMode": "none",
        "tradeSide": _trade_side(order),
        "uTime": milliseconds(order.ts_updated),
    }


def queried_order(order: Order, account: Account, closing: str, *, status: str) -> Fields:
    """An order as order/detail and the listings state it; `status` is what its status is called there."""
    return _common(order, account, closing) | {
        "baseVolume": number(order.filled),
        "fee": number(order.fee),
        "orderSource": order.category,
        "posSide": order.leg,
        "price": "" if order.price is None else number(order.price),
        "priceAvg": number(average(order)) if order.filled else "",
        "quoteVolume": number(order.paid),
        "reduceOnly": "YES" if order.reduce_only else "NO",
        status: order.status,
        "symbol": order.symbol,
        "totalProfits": number(order.pnl),
    }


def planned(account: Account, new: NewOrder, plan_type: str, trigger_type: str, margin_mode: str) -> Fields:
    """A conditional order as its listings state it, but for its status, trigger and times."""
    limit = "" if new.price is None else number(new.price)
    trade_side = f"{new.side}_single" if new.leg == "net" else "close" if new.closes_only else "open"
    return {
        "callbackRatio": "",
        "enterPointSource": "API",
        "executePrice": limit,
        "leverage": number(account.leverage_of(new.symbol)),
        "marginCoin": COIN,
        "marginMode": margin_mode,
        "orderSource": plan_type,
        "orderType": new.kind,
        "planType": plan_type,
        "posMode": mode_of(account),
        "posSide": new.leg,
        "price": limit,
        "reduceOnly": "YES" if new.reduce_only else "NO",
        "side": new.side,
        "size": number(new.size),
        "symbol": new.symbol,
        "tradeSide": trade_side,
        "triggerType": trigger_type,
    }


def pushed_order(entry: Entry, exchange: Exchange, account: Account, closing: str) -> Fields:
    """An order as the orders channel states it; the fields of the fill are there only when there was one."""
    assert not isinstance(entry, Rejected), "a refusal is said in its reply"
    order = entry.order
    price = order.price if order.price is not None else exchange.markets[order.symbol].price
    row = _common(order, account, closing) | {
        "accBaseVolume": number(order.filled),
        "feeDetail": [{"feeCoin": COIN, "fee": number(order.fee)}],
        "instId": order.symbol,
        "notionalUsd": number(order.size * price),
        "posSide": order.leg,
        "price": "0" if order.price is None else number(order.price),
        "reduceOnly": "yes" if order.reduce_only else "no",
        "status": order.status,
        "uTime": milliseconds(entry.ts),
    }
    if order.filled:
        row["priceAvg"] = number(average(order))
    if isinstance(entry, Executed):
        fill = entry.execution
        row |= {
            "baseVolume": number(fill.size),
            "fillFee": number(fill.fee),
            "fillFeeCoin": fill.fee_currency,
            "fillNotionalUsd": number(fill.size * fill.price),
            "fillPrice": number(fill.price),
            "fillTime": milliseconds(fill.ts),
            "pnl": number(fill.pnl),
            "tradeId": fill.trade_id,
            "tradeScope": "M" if fill.maker else "T",
        }
    return row


def fill(entry: Executed, closing: str) -> Fields:
    """An execution as order/fills and the fill channel state it."""
    order, execution = entry.order, entry.execution
    return {
        "baseVolume": number(execution.size),
        "cTime": milliseconds(execution.ts),
        "enterPointSource": "api",
        "feeDetail": [
            {
                "deduction": "no",
                "feeCoin": execution.fee_currency,
                "totalDeductionFee": "0",
                "totalFee": number(execution.fee),
            }
        ],
        "orderId": order.order_id,
        "orderType": "market" if order.kind == "market" else "limit",
        "posMode": _MODES["net" if order.leg == "net" else "long_short"],
        "price": number(execution.price),
        "profit": number(execution.pnl),
        "quoteVolume": number(execution.size * execution.price),
        "side": wire_side(order, closing),
        "symbol": order.symbol,
        "tradeId": execution.trade_id,
        "tradeScope": "maker" if execution.maker else "taker",
        "tradeSide": _trade_side(order),
        "uTime": milliseconds(execution.ts),
    }


def position(held: Position, exchange: Exchange, account: Account) -> Fields:
    """What position/all-position and the positions channel say alike; the name of the symbol is theirs."""
    market = exchange.markets[held.symbol]
    size, leverage = abs(held.size), account.leverage_of(held.symbol)
    legs = ("net", "long", "short")
    return {
        "achievedProfits": number(held.realised),
        "autoMargin": "off",
        "available": number(size),
        "breakEvenPrice": number(held.average),
        "cTime": milliseconds(held.ts_created),
        "holdSide": "long" if held.size > 0 else "short",
        "keepMarginRate": "0.004",
        "leverage": number(leverage),
        "liquidationPrice": "0",
        "marginCoin": COIN,
        "marginMode": "crossed",
        "marginRatio": "0.01",
        "marginSize": number((size * held.average / leverage).quantize(Decimal("1e-8"))),
        "markPrice": number(market.price),
        "openPriceAvg": number(held.average),
        "posId": f"{account.uid}{list(exchange.markets).index(held.symbol)}{legs.index(held.leg)}",
        "posMode": mode_of(account),
        "total": number(size),
        "uTime": milliseconds(held.ts_updated),
        "unrealizedPL": number(held.unrealised(market.price, market.instrument.unit)),
    }


def balance(exchange: Exchange, account: Account) -> Mapping[str, Decimal]:
    """What both account objects are made of: free, frozen, equity, margin and unrealised profit in USDT."""
    profit = sum((exchange.unrealised(account, market) for market in exchange.markets.values()), ZERO)
    margin = sum(
        (margin_used(account, market.instrument, market.price) for market in exchange.markets.values()), ZERO
    )
    equity = account.balances.get(COIN, ZERO) + profit
    available = exchange.available(account, COIN)
    return {
        "available": available,
        "equity": equity,
        "locked": equity - available - margin,
        "margin": margin,
        "unrealised": profit,
    }


def ticker(market: Market, now: int) -> Fields:
    """A swap as market/tickers states it: the engine has one price an instrument, which is its mark too."""
    price = number(market.price)
    prices = (
        "lastPr",
        "askPr",
        "bidPr",
        "high24h",
        "low24h",
        "open24h",
        "openUtc",
        "indexPrice",
        "markPrice",
    )
    return {
        **dict.fromkeys(prices, price),
        "symbol": market.instrument.symbol,
        "askSz": number(market.depth or market.instrument.maximum),
        "bidSz": number(market.depth or market.instrument.maximum),
        "baseVolume": "0",
        "quoteVolume": "0",
        "usdtVolume": "0",
        "change24h": "0",
        "changeUtc24h": "0",
        "fundingRate": "0",
        "holdingAmount": "0",
        "ts": milliseconds(now),
    }


def contract(item: Instrument) -> Fields:
    """An instrument as market/contracts states it: the tick is priceEndStep x 10^-pricePlace."""
    places = max(-int(item.tick.normalize().as_tuple().exponent), 0)
    volume_places = max(-int(item.lot.normalize().as_tuple().exponent), 0)
    return {
        "baseCoin": item.base,
        "buyLimitPriceRatio": "0.05",
        "deliveryPeriod": "",
        "deliveryStartTime": "",
        "deliveryTime": "",
        "feeRateUpRatio": "0.005",
        "fundInterval": "8",
        "launchTime": "",
        "limitOpenTime": "-1",
        "maintainTime": "",
        "makerFeeRate": "0.0002",
        "maxLever": number(item.leverage),
        "maxOrderQty": number(item.maximum),
        "maxMarketOrderQty": number(item.maximum),
        "maxProductOrderNum": "1000",
        "maxSymbolOrderNum": "200",
        "minLever": "1",
        "minTradeNum": number(item.minimum),
        "minTradeUSDT": number(item.minimum_notional),
        "offTime": "-1",
        "openCostUpRatio": "0.01",
        "posLimit": "0.1",
        "priceEndStep": number(item.tick.scaleb(places)),
        "pricePlace": str(places),
        "quoteCoin": item.quote,
        "sellLimitPriceRatio": "0.05",
        "sizeMultiplier": number(item.lot),
        "supportMarginCoins": [item.quote],
        "symbol": item.symbol,
        "symbolStatus": "normal",
        "symbolType": "perpetual",
        "takerFeeRate": "0.0005",
        "volumePlace": str(volume_places),
    }
