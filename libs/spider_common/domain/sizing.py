"""How much of a leader's trade a follower takes."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from spider_common.domain.identifiers import AccountId
from spider_common.domain.products import Equity, FixedRatio, Sizing
from spider_common.domain.reasons import Reason

_DOLLARS: Final = frozenset({"USD", "USDT", "USDC"})


def ratio_of(
    sizing: Sizing,
    *,
    leader: AccountId,
    follower: AccountId,
    equities: Mapping[AccountId, Equity],
    oldest: int,
) -> Decimal | Reason:
    """The follower's base quantity for one of the leader's, or why there is none.

    `oldest`: equities told before this time (Unix ns) do not count.
    """
    if isinstance(sizing, FixedRatio):
        return sizing.ratio
    leads, follows = equities.get(leader), equities.get(follower)
    if leads is None or follows is None or leads.equity <= 0:
        return Reason.EQUITY_UNKNOWN
    if min(leads.ts_venue, follows.ts_venue) < oldest:
        return Reason.EQUITY_STALE
    if _unit_of(leads.currency) != _unit_of(follows.currency):
        return Reason.EQUITY_CURRENCY
    return sizing.multiplier * max(follows.equity, Decimal(0)) / leads.equity


def _unit_of(currency: str) -> str:
    """What a currency is counted in. Dollars are at par: OKX tells a worth in USD, Bitget in USDT."""
    return "USD" if currency in _DOLLARS else currency
