"""Judges copies by the venues' ledgers alone. Pure.

After each of the leader's executions a follower has a target: the leader's position times the follower's
ratio, cut toward zero to the lot. Those targets, in order, are the path. Each order that the venue accepted
from the follower must land on it, further on than the one before; leaving out points is allowed, because a
later fact makes up for a missed one. At the end the follower must stand on the last point.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from services.simulator.instruments import Instrument
from services.simulator.ledger import Entry, Executed, Order, Placed, Rejected

ZERO = Decimal(0)


class CopyRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a follower copies: base quantity times a ratio between `low` and `high`.

    A fixed ratio has both equal. An equity-proportional one is known only within bounds, because equity
    moves while the session runs: bounds from the least and greatest equities of both sides.
    """

    follower: str
    low: Decimal
    high: Decimal

    @staticmethod
    def fixed(follower: str, ratio: Decimal) -> "CopyRule":
        return CopyRule(follower=follower, low=ratio, high=ratio)

    @staticmethod
    def proportional(
        follower: str, multiplier: Decimal, *, own: tuple[Decimal, Decimal], leaders: tuple[Decimal, Decimal]
    ) -> "CopyRule":
        """Equity of the follower over the leader's, times a multiplier; each equity as (least, greatest)."""
        return CopyRule(
            follower=follower, low=multiplier * own[0] / leaders[1], high=multiplier * own[1] / leaders[0]
        )


class VenueLedger(msgspec.Struct, frozen=True):
    """What one venue recorded, and what it lists."""

    entries: Sequence[Entry]
    instruments: Sequence[Instrument]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one follower's copies in one instrument. Quantities are in base coin.

    `expected` counts the leader's executions that moved the target, `split` the orders that only closed the
    old side of a flip, whose other order opens the new one; `skipped` those that did not move it by
    a lot (or left less than the venue's minimum to do at the end), `coalesced` the points that an order
    made up together with a later one. `lost` counts the points that no order covered. `duplicated` counts
    orders whose client order id the venue had already accepted, and orders that leave the path. An order
    that leaves it under a new id may be a second copy or the sequel of a lost one: where the end is wrong
    as well, both counts rise.
    """

    follower: str
    symbol: str
    expected: int
    placed: int
    split: int
    coalesced: int
    skipped: int
    lost: int
    duplicated: int
    target_low: Decimal
    target_high: Decimal
    actual: Decimal


class _Point(msgspec.Struct, frozen=True):
    low: Decimal
    high: Decimal
    slack: Decimal = ZERO
    bridge: bool = False  # flat for a moment, between two sides: a copier may close first, then open

    def holds(self, quantity: Decimal) -> bool:
        """Whether a copier may stand there. `slack`: it may be off by less than this."""
        off = max(self.low - quantity, quantity - self.high)
        return off <= 0 or off < self.slack


def judge(
    entries: Sequence[Entry],
    *,
    instruments: Iterable[Instrument],
    leader: str,
    rules: Sequence[CopyRule],
) -> tuple[Finding, ...]:
    """A finding for each rule and each instrument that the leader or the follower traded, at one venue."""
    ledger = VenueLedger(entries, tuple(instruments))
    return judge_across(ledger, leader, at=ledger, rules=rules)


def judge_across(
    source: VenueLedger, leader: str, *, at: VenueLedger, rules: Sequence[CopyRule]
) -> tuple[Finding, ...]:
    """The same for followers at another venue than the leader's: quantities are compared in base coin.

    Args:
        source: the leader's venue; at: the followers'. Their instruments are matched by what they are.
    """
    entries = at.entries
    final = {e.order.order_id: e.order for e in entries if not isinstance(e, Rejected)}
    followed = {_nature(item): item for item in source.instruments}
    findings: list[Finding] = []
    for rule in rules:
        for instrument in at.instruments:
            leads = followed.get(_nature(instrument))
            moves = [] if leads is None else _moves(source.entries, leader, leads)
            placed = [
                final[e.order.order_id]
                for e in entries
                if isinstance(e, Placed)
                and (e.order.account, e.order.symbol) == (rule.follower, instrument.symbol)
            ]
            if moves or placed:
                findings.append(_judge(rule, instrument, moves, placed))
    return tuple(findings)


def _nature(instrument: Instrument) -> tuple[str, str, str]:
    return instrument.kind, instrument.base, instrument.quote


def _moves(entries: Sequence[Entry], account: str, instrument: Instrument) -> list[Decimal]:
    """Signed base quantities of an account's executions, in order."""
    return [
        e.execution.size * e.order.sign * instrument.unit
        for e in entries
        if isinstance(e, Executed) and (e.order.account, e.order.symbol) == (account, instrument.symbol)
    ]


def _path(rule: CopyRule, instrument: Instrument, moves: Sequence[Decimal]) -> tuple[list[_Point], int]:
    """The targets that differ from the one before, and how many executions made no difference."""
    step = instrument.lot * instrument.unit
    # Where the smallest order is larger than a lot, a copier carries what it cannot order yet, and closes
    # with a reduction what it could not close later.
    slack = ZERO if instrument.minimum == instrument.lot else instrument.minimum * instrument.unit
    points: list[_Point] = []
    held, last, skipped = ZERO, _Point(ZERO, ZERO, slack), 0
    for move in moves:
        held += move
        ends = [held * ratio // step * step for ratio in (rule.low, rule.high)]
        point = _Point(min(ends), max(ends), slack)
        if point == last:
            skipped += 1
            continue
        if last.low * point.low < 0:
            points.append(_Point(ZERO, ZERO, bridge=True))
        points.append(point)
        last = point
    return points, skipped


def _judge(
    rule: CopyRule, instrument: Instrument, moves: Sequence[Decimal], placed: Sequence[Order]
) -> Finding:
    points, skipped = _path(rule, instrument, moves)
    unit = instrument.unit
    seen: set[str] = set()
    at, reached = -1, ZERO  # the last point covered, and the quantity of the orders that are on the path
    coalesced = duplicated = split = 0
    repeated = ZERO  # what second acceptances of a client order id executed
    for order in placed:
        if order.client_order_id in seen:
            duplicated += 1
            repeated += order.filled * order.sign * unit
            continue
        if order.client_order_id:
            seen.add(order.client_order_id)
        meant = order.filled if order.status == "canceled" else order.size
        landed = reached + meant * order.sign * unit
        if landed == reached:
            continue  # taken back before it did anything
        found = next((k for k in range(at + 1, len(points)) if points[k].holds(landed)), None)
        if found is None:
            duplicated += 1
            continue
        coalesced += _count(points[at + 1 : found])
        split += points[found].bridge
        at, reached = found, landed
    target = points[-1] if points else _Point(ZERO, ZERO)
    actual = sum((order.filled * order.sign * unit for order in placed), ZERO)
    lost = 0
    if not target.holds(reached):
        gap = min(abs(target.low - reached), abs(target.high - reached))
        if gap < instrument.minimum * unit and target.low * target.high:
            skipped += 1
        else:
            lost = max(1, _count(points[at + 1 :]))
    elif not target.holds(actual - repeated):
        lost = 1
    return Finding(
        follower=rule.follower,
        symbol=instrument.symbol,
        expected=_count(points),
        placed=len(placed),
        split=split,
        coalesced=coalesced,
        skipped=skipped,
        lost=lost,
        duplicated=duplicated,
        target_low=target.low,
        target_high=target.high,
        actual=actual,
    )


def _count(points: Sequence[_Point]) -> int:
    return sum(not point.bridge for point in points)


def totals(findings: Sequence[Finding]) -> Mapping[str, int]:
    """Each count over all findings."""
    names = ("expected", "placed", "split", "coalesced", "skipped", "lost", "duplicated")
    return {name: sum(getattr(finding, name) for finding in findings) for name in names}
