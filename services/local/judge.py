"""Judging a session from the venues' ledgers alone: none of our own records are asked."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from services.local.seed import LEADER_DEPOSIT, ONE_VENUE, Follower, Team
from services.simulator.checker import CopyRule, Finding, VenueLedger, judge_across
from services.simulator.instruments import BINGX_INSTRUMENTS, BITGET_INSTRUMENTS, OKX_INSTRUMENTS
from services.simulator.ledger import Entry
from spider_common.domain.identifiers import Venue
from spider_common.domain.products import EquityProportional, FixedRatio

EQUITY_DRIFT: Final = Decimal("0.01")
"""How far fees and results move a ratio of equities during a local session: less than this part of it."""

LISTED: Final = {
    Venue.OKX: OKX_INSTRUMENTS,
    Venue.BITGET: BITGET_INSTRUMENTS,
    Venue.BINGX: BINGX_INSTRUMENTS,
}


def rule_of(follower: Follower, drift: Decimal = EQUITY_DRIFT) -> CopyRule:
    """What the checker has to know of a follower: its ratio, or the bounds of it; 0 of one that is off."""
    if not follower.trading:
        return CopyRule.fixed(follower.account, Decimal(0))
    if isinstance(follower.sizing, FixedRatio):
        return CopyRule.fixed(follower.account, follower.sizing.ratio)
    if not isinstance(follower.sizing, EquityProportional):
        raise TypeError(f"{follower.client}: the judge knows no ratio of {follower.sizing}")
    ratio = follower.sizing.multiplier * follower.deposit / LEADER_DEPOSIT
    return CopyRule(follower=follower.account, low=ratio * (1 - drift), high=ratio * (1 + drift))


def findings(
    ledgers: Mapping[Venue, Sequence[Entry]], teams: Sequence[Team] = ONE_VENUE
) -> tuple[Finding, ...]:
    """What became of each follower's copies in each instrument."""
    books = {venue: VenueLedger(entries, LISTED[venue]) for venue, entries in ledgers.items()}
    return tuple(
        finding
        for team in teams
        for follower in team.followers
        for finding in judge_across(
            books[team.venue], team.leader, at=books[follower.venue], rules=[rule_of(follower)]
        )
    )
