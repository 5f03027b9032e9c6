"""Bitget's documented objects of spot. Pure.

One wallet serves swaps and spot here, where the venue keeps two apart.
"""

from decimal import Decimal
from typing import Final

from services.simulator.accounts import ZERO, Account
from services.simulator.bitget.shapes import Fields, average, milliseconds, number
from services.simulator.book import Market
from services.simulator.engine import Exchange
from services.simulator.instruments import Instrument
from services.simulator.ledger import Entry, Executed, Order, Rejected
from services.simulator.rules import NewOrder
from spider_common.domain.instruments import venue_symbol

PRODUCT: Final = "SPOT"
_STATUS: Final = {"canceled": "cancelled"}
_FORCE: Final = {"market": "gtc", "limit": "gtc", "post_only": "post_only", "ioc": "ioc", "fok": "fok"}


def _common(order: Order) -> Fields:
    """What a push and a query say alike."""
    return {
        "cTime": milliseconds(order.ts_created),
        "clientOid": order.client_order_id
        or f"sim{order.order_id}",  # the venue gives one where there is none
        "enterPointSource": "API",
        "orderId": order.order_id,
        "orderType": "market" if order.kind == "market" else "limit",
        "side": order.side,
        "status": _STATUS.get(order.status, order.status),
        "uTime": milliseconds(order.ts_updated),
    }


def _ordered(order: Order) -> Decimal:
    """The size as the venue counts it: market buys in quote currency."""
    in_quote = order.kind == "market" and order.side == "buy"
    return order.paid if in_quote else order.size


def listed_order(order: Order) -> Fields:
    """An order as orderInfo and history-orders state it."""
    return _common(order) | {
        "baseVolume": number(order.filled),
        "cancelReason": "",
        "orderSource": "market" if order.kind == "market" else "normal",
        "price": "0" if order.price is None else number(order.price),
        "priceAvg": number(average(order)),
        "quoteVolume": number(order.paid),
        "size": number(_ordered(order)),
        "symbol": venue_symbol(order.symbol),
        "tpslType": "normal",
        "userId": "1",
    }


def pending_order(order: Order) -> Fields:
    """An order as unfilled-orders states it: ``priceAvg`` is its limit price."""
    row = listed_order(order) | {"basePrice": number(average(order))}
    row["priceAvg"] = row.pop("price")
    return row


def planned(new: NewOrder, size: Decimal, plan_type: str, trigger_type: str) -> Fields:
    """A conditional order as its listings state it, but for its status, trigger and times."""
    return {
        "enterPointSource": "API",
        "executePrice": "" if new.price is None else number(new.price),
        "orderType": new.kind,
        "planType": plan_type,
        "side": new.side,
        "size": number(size),
        "symbol": venue_symbol(new.symbol),
        "triggerType": trigger_type,
    }


def pushed_order(entry: Entry) -> Fields:
    """An order as the orders channel states it; the fields of the fill are there only when there was one."""
    assert not isinstance(entry, Rejected), "a refusal is said in its reply"
    order = entry.order
    row = _common(order) | {
        "accBaseVolume": number(order.filled),
        "feeDetail": [],
        "force": _FORCE[order.kind],
        "instId": venue_symbol(order.symbol),
        "newSize": number(_ordered(order)),
        "notional": number(order.size * order.price if order.price is not None else order.paid),
        "priceAvg": number(average(order)),
        "size": number(_ordered(order)),
        "stpMode": "none",
        "uTime": milliseconds(entry.ts),
    }
    if order.price is not None:
        row["price"] = number(order.price)
    if isinstance(entry, Executed):
        execution = entry.execution
        row |= {
            "baseVolume": number(execution.size),
            "feeDetail": [{"feeCoin": execution.fee_currency, "fee": number(order.fee)}],
            "fillFee": number(execution.fee),
            "fillFeeCoin": execution.fee_currency,
            "fillPrice": number(execution.price),
            "fillTime": milliseconds(execution.ts),
            "tradeId": execution.trade_id,
            "tradeScope": "M" if execution.maker else "T",
        }
    return row


def fill(entry: Executed) -> Fields:
    """An execution as trade/fills states it; the fill channel has its fees in a list."""
    order, execution = entry.order, entry.execution
    return {
        "amount": number(execution.size * execution.price),
        "cTime": milliseconds(execution.ts),
        "feeDetail": {
            "deduction": "no",
            "feeCoin": execution.fee_currency,
            "totalDeductionFee": "",
            "totalFee": number(execution.fee),
        },
        "orderId": order.order_id,
        "orderType": "market" if order.kind == "market" else "limit",
        "priceAvg": number(execution.price),
        "side": order.side,
        "size": number(execution.size),
        "symbol": venue_symbol(order.symbol),
        "tradeId": execution.trade_id,
        "tradeScope": "maker" if execution.maker else "taker",
        "uTime": milliseconds(execution.ts),
        "userId": "1",
    }


def assets(account: Account, now: int) -> list[Fields]:
    """The coins of an account, as account/assets and the account channel state them."""
    frozen = {
        coin: sum((amount for held, amount in account.reserved.values() if held == coin), ZERO)
        for coin in account.balances
    }
    return [
        {
            "available": number(balance - frozen[coin]),
            "coin": coin,
            "frozen": number(frozen[coin]),
            "limitAvailable": "0",
            "locked": "0",
            "uTime": milliseconds(now),
        }
        for coin, balance in account.balances.items()
    ]


def pair(item: Instrument) -> Fields:
    """An instrument as public/symbols states it."""
    return {
        "baseCoin": item.base,
        "buyLimitPriceRatio": "0.05",
        "makerFeeRate": "0.001",
        "maxTradeAmount": number(item.maximum),
        "minTradeAmount": number(item.minimum),
        "minTradeUSDT": number(item.minimum_notional),
        "openTime": "",
        "orderQuantity": "200",
        "pricePrecision": _places(item.tick),
        "quantityPrecision": _places(item.lot),
        "quoteCoin": item.quote,
        "quotePrecision": "8",
        "sellLimitPriceRatio": "0.05",
        "status": "online",
        "symbol": venue_symbol(item.symbol),
        "takerFeeRate": "0.001",
    }


def ticker(market: Market, now: int) -> Fields:
    """A pair as market/tickers states it."""
    prices = ("lastPr", "askPr", "bidPr", "high24h", "low24h", "open", "openUtc")
    return {
        **dict.fromkeys(prices, number(market.price)),
        "symbol": venue_symbol(market.instrument.symbol),
        "askSz": number(market.depth or market.instrument.maximum),
        "bidSz": number(market.depth or market.instrument.maximum),
        "baseVolume": "0",
        "quoteVolume": "0",
        "usdtVolume": "0",
        "change24h": "0",
        "changeUtc24h": "0",
        "ts": milliseconds(now),
    }


def base_size(exchange: Exchange, symbol: str, quote: Decimal) -> Decimal:
    """What a market buy for so much quote currency is in base coin, at the price that there is."""
    market = exchange.market(symbol)
    return quote // (market.price * market.instrument.lot) * market.instrument.lot


def _places(step: Decimal) -> str:
    return str(max(-int(step.normalize().as_tuple().exponent), 0))
