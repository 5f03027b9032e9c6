"""How much of a leader's trade a follower takes."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from spider_common.domain.identifiers import AccountId
from spider_common.domain.products import (
    CopyRule,
    Equity,
    EquityPercent,
    EquityProportional,
    FixedNotional,
    FixedQuantity,
    FixedRatio,
)
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason

_DOLLARS: Final = frozenset({"USD", "USDT", "USDC"})


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """The leader order that is sized.

    Attributes:
        quantity: of the whole order, base quantity. price: what it trades at, or waits for.
    """

    leader: AccountId
    follower: AccountId
    quantity: Decimal
    price: Decimal | None


def ratio_of(
    rule: CopyRule, trade: Trade, *, equities: Mapping[AccountId, Equity], oldest: int
) -> Decimal | Reason:
    """The follower's base quantity for one of the leader's, negative where it copies in reverse; or why
    there is none.

    Rules of so much an order give it for the whole order, so that its partial fills add up to it.

    `oldest`: equities told before this time (Unix ns) do not count.
    """
    ratio = _ratio(rule, trade, equities, oldest)
    if isinstance(ratio, Reason):
        return ratio
    ratio *= rule.multiplier
    return -ratio if rule.reverse else ratio


def _ratio(
    rule: CopyRule, trade: Trade, equities: Mapping[AccountId, Equity], oldest: int
) -> Decimal | Reason:
    follows = _equity(trade.follower, equities, oldest)
    match rule.sizing:
        case FixedRatio(ratio=ratio):
            return ratio
        case FixedQuantity(quantity=quantity):
            return quantity / trade.quantity
        case FixedNotional(notional=notional):
            return _per_unit(notional, trade)
        case EquityPercent(percent=percent):
            if isinstance(follows, Reason):
                return follows
            return _per_unit(max(follows.equity, ZERO) * percent / 100, trade)
        case EquityProportional(multiplier=multiplier):
            leads = _equity(trade.leader, equities, oldest)
            if isinstance(leads, Reason):
                return leads
            if isinstance(follows, Reason):
                return follows
            if leads.equity <= 0:
                return Reason.EQUITY_UNKNOWN
            if unit_of(leads.currency) != unit_of(follows.currency):
                return Reason.EQUITY_CURRENCY
            return multiplier * max(follows.equity, ZERO) / leads.equity


def _equity(account: AccountId, equities: Mapping[AccountId, Equity], oldest: int) -> Equity | Reason:
    known = equities.get(account)
    if known is None:
        return Reason.EQUITY_UNKNOWN
    return Reason.EQUITY_STALE if known.ts_venue < oldest else known


def _per_unit(notional: Decimal, trade: Trade) -> Decimal | Reason:
    """The ratio at which the whole order is worth `notional`."""
    return notional / (trade.quantity * trade.price) if trade.price else Reason.PRICE_UNKNOWN


def unit_of(currency: str) -> str:
    """What a currency is counted in. Dollars are at par: OKX tells a worth in USD, Bitget in USDT."""
    return "USD" if currency in _DOLLARS else currency
