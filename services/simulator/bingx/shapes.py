"""BingX's objects as the documentation shows them. Pure."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from services.simulator.accounts import ZERO, Account, Position, margin_used
from services.simulator.bingx.call import Fields
from services.simulator.bingx.conditionals import Conditional
from services.simulator.engine import Exchange
from services.simulator.instruments import Instrument
from services.simulator.ledger import Canceled, Entry, Executed, Leg, Order, Rejected
from spider_common.clock import NS_PER_MS

SIDES: Final[dict[str, Leg]] = {"BOTH": "net", "LONG": "long", "SHORT": "short"}
_SIDE_OF: Final = {leg: side for side, leg in SIDES.items()}
_STATUS: Final = {
    "live": "NEW",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "canceled": "CANCELLED",
}
_TIME_IN_FORCE: Final = {
    "market": "GTC",
    "limit": "GTC",
    "post_only": "PostOnly",
    "ioc": "IOC",
    "fok": "FOK",
}
_CONDITIONAL: Final = {  # status of a conditional order -> what happened and status, as pushes write them
    "NEW": ("NEW", "NEW"),
    "FILLED": ("TRADE", "FILLED"),
    "CANCELLED": ("CANCELED", "CANCELED"),
    "FAILED": ("EXPIRED", "EXPIRED"),
}
_HERE: Final = timezone(timedelta(hours=8))  # the venue writes its fills' times in


def number(value: Decimal) -> str:
    """A decimal without exponent."""
    return f"{value:f}"


def eight(value: Decimal) -> str:
    """As pushes write numbers."""
    return f"{value:.8f}"


def milliseconds(ns: int) -> int:
    return ns // NS_PER_MS


def written_time(ns: int) -> str:
    """A time as the venue writes it, where it does not count milliseconds."""
    at = datetime.fromtimestamp(ns // 10**9, UTC).astimezone(_HERE)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ns // NS_PER_MS % 1000:03d}+0800"


def _average(order: Order) -> Decimal:
    return (order.paid / order.filled).quantize(Decimal("1e-8")) if order.filled else ZERO


def _type(order: Order) -> str:
    if order.category != "normal":
        return "ADL" if order.category == "adl" else "LIQUIDATION"
    return "MARKET" if order.kind == "market" else "LIMIT"


def placed(order: Order) -> Fields:
    """An order as the answer to placing it states it."""
    return {
        "orderId": int(order.order_id),
        "orderID": order.order_id,
        "symbol": order.symbol,
        "positionSide": _SIDE_OF[order.leg],
        "side": order.side.upper(),
        "type": _type(order),
        "price": number(order.price or ZERO),
        "quantity": number(order.size),
        "stopPrice": "0",
        "workingType": "MARK_PRICE",
        "clientOrderId": order.client_order_id,
        "clientOrderID": order.client_order_id,
        "timeInForce": _TIME_IN_FORCE[order.kind],
        "priceRate": "0",
        "stopLoss": "",
        "takeProfit": "",
        "reduceOnly": order.reduce_only and order.leg == "net",
    }


def queried(order: Order, account: Account) -> Fields:
    """An order as trade/order, openOrders and allOrders state it."""
    return {
        "symbol": order.symbol,
        "orderId": int(order.order_id),
        "side": order.side.upper(),
        "positionSide": _SIDE_OF[order.leg],
        "type": _type(order),
        "origQty": number(order.size),
        "price": number(order.price or ZERO),
        "executedQty": number(order.filled),
        "avgPrice": number(_average(order)),
        "cumQuote": number(order.paid),
        "stopPrice": "",
        "profit": number(order.pnl),
        "commission": number(order.fee),
        "status": _STATUS[order.status],
        "time": milliseconds(order.ts_created),
        "updateTime": milliseconds(order.ts_updated),
        "clientOrderId": order.client_order_id,
        "leverage": f"{number(account.leverage_of(order.symbol))}X",
        "takeProfit": {},
        "stopLoss": {},
        "advanceAttr": 0,
        "positionID": 0,
        "takeProfitEntrustPrice": 0,
        "stopLossEntrustPrice": 0,
        "orderType": "",
        "workingType": "MARK_PRICE",
        "timeInForce": _TIME_IN_FORCE[order.kind],
        "onlyOnePosition": False,
        "reduceOnly": order.reduce_only and order.leg == "net",
        "stopGuaranteed": "",
        "triggerOrderId": int(order.parent or 0),
    }


def conditional(order: Conditional) -> Fields:
    """A conditional order as placing it, trade/order, openOrders and allOrders state it."""
    new = order.new
    return {
        "symbol": new.symbol,
        "orderId": int(order.order_id),
        "side": new.side.upper(),
        "positionSide": _SIDE_OF[new.leg],
        "type": order.kind,
        "origQty": number(new.size),
        "quantity": number(new.size),
        "price": number(new.price or ZERO),
        "executedQty": "0",
        "avgPrice": "0",
        "cumQuote": "0",
        "stopPrice": number(order.stop_price),
        "profit": "",
        "commission": "",
        "status": order.status,
        "time": milliseconds(order.ts_created),
        "updateTime": milliseconds(order.ts_updated),
        "clientOrderId": "",
        "workingType": "CONTRACT_PRICE",
        "reduceOnly": new.reduce_only and new.leg == "net",
    }


def pushed_order(entry: Entry, exchange: Exchange, now: int) -> Fields:
    """An ORDER_TRADE_UPDATE. It states sums; the size of the fill that it is about is nowhere in it."""
    assert not isinstance(entry, Rejected), "a refusal is said in its reply"
    order = entry.order
    fill = entry.execution if isinstance(entry, Executed) else None
    happened, status = "NEW", _STATUS[order.status]
    if fill is not None:
        happened = "TRADE" if order.category == "normal" else "CALCULATED"
    elif isinstance(entry, Canceled):
        happened = status = "CANCELED" if order.canceled_for == "user" else "EXPIRED"
    price = order.price if order.price is not None else exchange.markets[order.symbol].price
    stamp = milliseconds(entry.ts)
    return {
        "e": "ORDER_TRADE_UPDATE",
        "E": milliseconds(now),
        "T": stamp,
        "o": {
            "s": order.symbol,
            "c": order.client_order_id,
            "i": int(order.order_id),
            "S": order.side.upper(),
            "o": _type(order),
            "q": eight(order.size),
            "p": eight(price),
            "sp": eight(ZERO),
            "ap": eight(_average(order)),
            "x": happened,
            "X": status,
            "N": "USDT",
            "n": eight(fill.fee if fill else ZERO),
            "T": stamp if fill else 0,
            "wt": "",
            "ps": _SIDE_OF[order.leg],
            "rp": eight(fill.pnl if fill else ZERO),
            "z": eight(order.filled),
            "sg": "false",
            "ti": int(order.parent or 0),
            "ro": order.reduce_only and order.leg == "net",
            "td": int(fill.trade_id) if fill else 0,
            "tv": f"{fill.price * fill.size:.1f}" if fill else "0",
        },
    }


def pushed_conditional(order: Conditional, now: int) -> Fields:
    """An ORDER_TRADE_UPDATE of an order that waits, or waits no more. Nothing of it is ever filled."""
    new = order.new
    happened, status = _CONDITIONAL[order.status]
    return {
        "e": "ORDER_TRADE_UPDATE",
        "E": milliseconds(now),
        "T": milliseconds(order.ts_updated),
        "o": {
            "s": new.symbol,
            "c": "",
            "i": int(order.order_id),
            "S": new.side.upper(),
            "o": order.kind,
            "q": eight(new.size),
            "p": eight(new.price or ZERO),
            "sp": eight(order.stop_price),
            "ap": eight(ZERO),
            "x": happened,
            "X": status,
            "N": "USDT",
            "n": eight(ZERO),
            "T": 0,
            "wt": "CONTRACT_PRICE",
            "ps": _SIDE_OF[new.leg],
            "rp": eight(ZERO),
            "z": eight(ZERO),
            "sg": "false",
            "ti": 0,
            "ro": new.reduce_only and new.leg == "net",
            "td": 0,
            "tv": "0",
        },
    }


def pushed_account(entry: Executed, exchange: Exchange, account: Account, now: int) -> Fields:
    """An ACCOUNT_UPDATE: what an execution moved."""
    order = entry.order
    market = exchange.markets[order.symbol]
    held = account.position(order.symbol, order.leg)
    return {
        "e": "ACCOUNT_UPDATE",
        "E": milliseconds(now),
        "T": milliseconds(entry.ts),
        "a": {
            "m": "ORDER",
            "B": [
                {"a": currency, "wb": eight(cash), "cw": eight(cash), "bc": "0"}
                for currency, cash in account.balances.items()
            ],
            "P": [
                {
                    "s": order.symbol,
                    "pa": eight(held.size if held.leg == "net" else abs(held.size)),
                    "ep": eight(held.average),
                    "up": eight(held.unrealised(market.price, market.instrument.unit)),
                    "mt": "cross",
                    "iw": eight(ZERO),
                    "ps": _SIDE_OF[held.leg],
                    "cr": eight(held.realised),
                }
            ],
        },
    }


def pushed_configuration(instrument: Instrument, account: Account, now: int) -> Fields:
    """An ACCOUNT_CONFIG_UPDATE."""
    leverage = int(account.leverage_of(instrument.symbol))
    told = {"s": instrument.symbol, "l": leverage, "S": leverage, "mt": "cross"}
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": milliseconds(now), "ac": told}


def fill(entry: Executed) -> Fields:
    """An execution as trade/fillHistory states it; filledTm is local time with a Z, as the venue has it."""
    order, execution = entry.order, entry.execution
    written = written_time(execution.ts)
    return {
        "filledTm": f"{written[:19]}Z",
        "volume": number(execution.size),
        "price": number(execution.price),
        "qty": number(execution.size),
        "quoteQty": number(execution.price * execution.size),
        "commission": number(execution.fee),
        "commissionAsset": execution.fee_currency,
        "orderId": order.order_id,
        "tradeId": execution.trade_id,
        "filledTime": written,
        "symbol": order.symbol,
        "role": "maker" if execution.maker else "taker",
        "side": order.side.upper(),
        "positionSide": _SIDE_OF[order.leg],
    }


def filled_order(entry: Executed) -> Fields:
    """An execution as trade/allFillOrders states it."""
    row = fill(entry)
    kept = ("filledTm", "volume", "price", "commission", "orderId", "filledTime", "symbol")
    return {name: row[name] for name in kept} | {
        "amount": row["quoteQty"],
        "currency": row["commissionAsset"],
        "clientOrderId": entry.order.client_order_id,
        "liquidatedPrice": "",
        "liquidatedMarginRatio": "",
    }


def position(held: Position, exchange: Exchange, account: Account) -> Fields:
    """A position as user/positions states it: LONG or SHORT in either mode."""
    market = exchange.markets[held.symbol]
    unit, leverage = market.instrument.unit, account.leverage_of(held.symbol)
    value = abs(held.size) * unit * market.price
    profit = held.unrealised(market.price, unit)
    index = list(exchange.markets).index(held.symbol)
    return {
        "positionId": f"{account.uid}{index}{('net', 'long', 'short').index(held.leg)}",
        "symbol": held.symbol,
        "currency": "USDT",
        "positionAmt": number(abs(held.size)),
        "availableAmt": number(abs(held.size)),
        "positionSide": "LONG" if held.size > 0 else "SHORT",
        "isolated": False,
        "avgPrice": number(held.average),
        "initialMargin": number(value / leverage),
        "margin": number(value / leverage + profit),
        "leverage": int(leverage),
        "unrealizedProfit": number(profit),
        "realisedProfit": number(held.realised),
        "liquidationPrice": 0,
        "pnlRatio": number((profit * leverage / value).quantize(Decimal("1e-4"))) if value else "0",
        "maxMarginReduction": "0.0000",
        "riskRate": "0.0008",
        "markPrice": number(market.price),
        "positionValue": number(value),
        "onlyOnePosition": True,
        "updateTime": milliseconds(held.ts_updated),
    }


def balance(exchange: Exchange, account: Account, currency: str) -> Fields:
    """One currency as user/balance states it."""
    cash, available = account.balances[currency], exchange.available(account, currency)
    markets = [market for market in exchange.markets.values() if market.instrument.quote == currency]
    profit = sum((exchange.unrealised(account, market) for market in markets), ZERO)
    used = sum((margin_used(account, market.instrument, market.price) for market in markets), ZERO)
    frozen = sum((amount for held, amount in account.reserved.values() if held == currency), ZERO)
    return {
        "userId": account.uid,
        "asset": currency,
        "balance": number(cash),
        "equity": number(cash + profit),
        "unrealizedProfit": number(profit),
        "realisedProfit": number(sum((p.realised for p in account.positions.values()), ZERO)),
        "availableMargin": number(available),
        "usedMargin": number(used),
        "freezedMargin": number(frozen),
        "shortUid": account.uid,
        "maxWithdrawAmount": number(cash),
    }


def contract(item: Instrument, index: int) -> Fields:
    """An instrument as quote/contracts lists it."""
    leverage = int(item.leverage)
    return {
        "contractId": str(100 + index),
        "symbol": item.symbol,
        "size": number(item.lot),
        "quantityPrecision": -int(item.lot.normalize().as_tuple().exponent),
        "pricePrecision": -int(item.tick.normalize().as_tuple().exponent),
        "feeRate": 0.0005,
        "makerFeeRate": 0.0002,
        "takerFeeRate": 0.0005,
        "tradeMinLimit": 0,
        "tradeMinQuantity": float(item.minimum),
        "tradeMinUSDT": int(item.minimum_notional),
        "maxLongLeverage": leverage,
        "maxShortLeverage": leverage,
        "currency": item.quote,
        "asset": item.base,
        "status": 1,
        "apiStateOpen": "true",
        "apiStateClose": "true",
        "ensureTrigger": True,
        "triggerFeeRate": "0.00020000",
        "brokerState": True,
        "launchTime": 1586275200000,
        "maintainTime": 0,
        "offTime": 0,
        "displayName": item.symbol,
    }
