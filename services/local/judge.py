"""Judging a session from the venue's ledger alone: none of our own records are asked."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from services.local.seed import FOLLOWERS, LEADER, LEADER_DEPOSIT, Follower
from services.simulator.checker import CopyRule, Finding, judge
from services.simulator.instruments import OKX_INSTRUMENTS
from services.simulator.ledger import Entry
from spider_common.domain.products import FixedRatio

EQUITY_DRIFT: Final = Decimal("0.01")
"""How far fees and results move a ratio of equities during a local session: less than this part of it."""


def rule_of(follower: Follower) -> CopyRule:
    """What the checker has to know of a follower: its ratio, or the bounds of it."""
    if isinstance(follower.sizing, FixedRatio):
        return CopyRule.fixed(follower.account, follower.sizing.ratio)
    ratio = follower.sizing.multiplier * follower.deposit / LEADER_DEPOSIT
    return CopyRule(
        follower=follower.account, low=ratio * (1 - EQUITY_DRIFT), high=ratio * (1 + EQUITY_DRIFT)
    )


def findings(entries: Sequence[Entry], followers: Sequence[Follower] = FOLLOWERS) -> tuple[Finding, ...]:
    """What became of each follower's copies in each instrument."""
    rules = [rule_of(follower) for follower in followers]
    return judge(entries, instruments=OKX_INSTRUMENTS, leader=LEADER, rules=rules)
