"""OKX's account objects, every field a string as OKX sends it. Pure."""

from decimal import Decimal

from services.simulator.accounts import ZERO, Account, margin_used
from services.simulator.engine import Exchange
from services.simulator.ledger import Executed
from services.simulator.okx.shapes import Fields, milliseconds, number, position_id


def _price(exchange: Exchange, currency: str) -> Decimal:
    """A currency in USD; one that nothing trades against USDT counts nothing."""
    if currency == "USDT":
        return Decimal(1)
    market = exchange.markets.get(f"{currency}-USDT")
    return market.price if market else ZERO


def _detail(exchange: Exchange, account: Account, currency: str, now: int) -> tuple[Fields, Decimal]:
    """One currency and its equity in USD."""
    cash = account.balances[currency]
    available = exchange.available(account, currency)
    swaps = [
        m for m in exchange.markets.values() if m.instrument.kind == "swap" and m.instrument.quote == currency
    ]
    profit = sum((exchange.unrealised(account, market) for market in swaps), ZERO)
    margin = sum((margin_used(account, market.instrument, market.price) for market in swaps), ZERO)
    orders = sum((amount for held, amount in account.reserved.values() if held == currency), ZERO)
    equity = cash + profit
    worth = equity * _price(exchange, currency)
    fields: Fields = {
        "accAvgPx": "",
        "availBal": number(available),
        "availEq": number(available),
        "cashBal": number(cash),
        "ccy": currency,
        "crossLiab": "",
        "disEq": number(worth),
        "eq": number(equity),
        "eqUsd": number(worth),
        "fixedBal": "0",
        "frozenBal": number(equity - available),
        "imr": number(margin),
        "interest": "",
        "isoEq": "0",
        "isoLiab": "",
        "isoUpl": "0",
        "liab": "",
        "maxLoan": "",
        "mgnRatio": "",
        "mmr": number(margin / 10),
        "notionalLever": "0",
        "ordFrozen": number(orders),
        "rewardBal": "0",
        "spotInUseAmt": "",
        "stgyEq": "0",
        "twap": "0",
        "uTime": milliseconds(now),
        "upl": number(profit),
        "uplLiab": "",
    }
    return fields, worth


def balance(exchange: Exchange, account: Account, now: int, currencies: frozenset[str]) -> Fields:
    """An account as account/balance and the account channel state it; no currencies named means all."""
    total = ZERO
    details: list[Fields] = []
    for currency in account.balances:
        fields, worth = _detail(exchange, account, currency, now)
        total += worth
        if not currencies or currency in currencies:
            details.append(fields)
    return {
        "adjEq": "",
        "availEq": "",
        "borrowFroz": "",
        "details": details,
        "imr": "",
        "isoEq": "0",
        "mgnRatio": "",
        "mmr": "",
        "notionalUsd": "",
        "ordFroz": "",
        "totalEq": number(total),
        "uTime": milliseconds(now),
        "upl": "",
    }


def balance_and_position(exchange: Exchange, account: Account, entry: Executed | None, now: int) -> Fields:
    """What the balance_and_position channel pushes: all of it first, then what an execution moved."""
    positions = account.held()
    if entry is not None:
        order = entry.order
        swap = exchange.markets[order.symbol].instrument.kind == "swap"
        positions = [account.position(order.symbol, order.leg)] if swap else []
    trades: list[Fields] = []
    if entry is not None:
        trades = [{"instId": entry.order.symbol, "tradeId": entry.execution.trade_id}]
    return {
        "pTime": milliseconds(now),
        "eventType": "snapshot" if entry is None else "filled",
        "balData": [
            {"ccy": currency, "cashBal": number(amount), "uTime": milliseconds(now)}
            for currency, amount in account.balances.items()
        ],
        "posData": [
            {
                "avgPx": number(held.average) if held.size else "",
                "baseBal": "",
                "ccy": exchange.markets[held.symbol].instrument.quote,
                "instId": held.symbol,
                "instType": "SWAP",
                "mgnMode": "cross",
                "nonSettleAvgPx": "",
                "pos": number(held.size if held.leg == "net" else abs(held.size)),
                "posCcy": "",
                "posId": position_id(held, exchange, account),
                "posSide": held.leg,
                "quoteBal": "",
                "settledPnl": "",
                "tradeId": held.last_trade,
                "uTime": milliseconds(held.ts_updated),
            }
            for held in positions
        ],
        "trades": trades,
    }
