"""What the judge of a local session expects of each follower."""

from decimal import Decimal

from services.local.judge import rule_of
from services.local.seed import LEADER_DEPOSIT, Follower
from services.simulator.checker import CopyRule
from spider_common.domain.products import EquityProportional, FixedRatio


def test_a_follower_that_is_off_is_expected_to_do_nothing():
    """Law: any order of one whose trading is switched off leaves its path."""
    off = Follower(client="gil", sizing=FixedRatio(Decimal(2)), deposit=Decimal(1), trading=False)
    assert rule_of(off) == CopyRule.fixed(off.account, Decimal(0))


def test_a_rule_is_known_as_far_as_equities_are():
    """Law: a fixed ratio is known exactly, a proportional one within what results and fees may move it."""
    fixed = Follower(client="a", sizing=FixedRatio(Decimal(2)), deposit=Decimal(1))
    assert rule_of(fixed) == CopyRule.fixed(fixed.account, Decimal(2))
    half = Follower(client="b", sizing=EquityProportional(), deposit=LEADER_DEPOSIT / 2)
    rule = rule_of(half, Decimal("0.1"))
    assert (rule.low, rule.high) == (Decimal("0.45"), Decimal("0.55"))
