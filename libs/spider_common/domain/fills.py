"""Mode `fills`: a leader's fill becomes a follower's order. Pure."""

from decimal import Decimal

import msgspec

from spider_common.domain.drafting import Draft
from spider_common.domain.instruments import Instrument
from spider_common.domain.intents import Intent
from spider_common.domain.orders import CopyState, OrderFact, OrderType
from spider_common.domain.positions import Leg, LegKind, Part
from spider_common.domain.products import BelowMinimum
from spider_common.domain.quantities import ZERO, toward_zero
from spider_common.domain.reasons import Reason


def follow(draft: Draft, fact: OrderFact, leg: Leg, part: Part) -> tuple[Part, Intent]:
    """The part after one leg of a leader's fill, and the order that takes it there (or why there is none)."""
    price = fact.average_price
    ratio: Decimal | Reason = ZERO  # closes are proportional to the part, whatever the rule
    if leg.kind is LegKind.OPEN:
        ratio = draft.ratio(max(fact.quantity, fact.cum_filled), price or fact.price)
    sense = sense_of(draft, leg, part)
    direction = sense * (leg.after - leg.before)
    if isinstance(ratio, Reason):
        return part, draft.none(leg.kind, direction, ratio, reference=price)
    instrument = draft.instrument
    if instrument is None:
        return part, draft.none(leg.kind, direction, Reason.NO_INSTRUMENT, reference=price)
    aimed = part.follow(leg, ratio)
    if denied := draft.denied(leg.kind):
        # a close that is not allowed now is still what the leader did: it is made up when it is
        kept = aimed if leg.kind is LegKind.CLOSE and denied is Reason.HALTED else part
        return kept, draft.none(leg.kind, direction, denied, CopyState.DENIED, reference=price)
    goal = _goal(instrument, aimed.target, leg)
    crosses = leg.kind is LegKind.OPEN and part.planned * direction < 0
    change = goal if crosses and not _may_cross(draft) else goal - part.planned
    quantity = toward_zero(change, instrument.lot_base)  # a fee paid in coins leaves a part that is no lots
    least = draft.least(leg.kind, price or fact.price)
    if quantity * direction <= 0 or abs(quantity) < least:
        if _rounds_up(draft, leg, quantity * direction):
            quantity = least.copy_sign(direction)
        else:
            return _too_small(draft, leg, part, aimed, direction, price)
    if over := draft.over_limit(leg.kind, quantity, part.planned + quantity, price or fact.price):
        return part, draft.none(leg.kind, direction, over, CopyState.DENIED, reference=price)
    worst = draft.guard(quantity, price) if leg.kind is LegKind.OPEN else None
    if isinstance(worst, Reason):
        return part, draft.none(leg.kind, direction, worst, CopyState.DENIED, reference=price)
    intent = draft.place(
        leg.kind,
        quantity,
        order_type=OrderType.MARKET if worst is None else OrderType.IOC,
        price=worst,
        reference=price,
        exposure=sense * (leg.before if leg.kind is LegKind.CLOSE else leg.after),
    )
    return msgspec.structs.replace(aimed, planned=part.planned + quantity), intent


def sense_of(draft: Draft, leg: Leg, part: Part) -> int:
    """1 if the part goes the leader's way, -1 if against it.

    What is held was copied by the rule of its time: a close goes by it, whatever the rule is now.
    """
    if leg.kind is LegKind.CLOSE and part.target:
        return 1 if part.target * leg.before > 0 else -1
    return -1 if draft.subscription.reverse else 1


def _goal(instrument: Instrument, target: Decimal, leg: Leg) -> Decimal:
    goal = instrument.to_size(target) * instrument.contract_size
    if leg.kind is LegKind.CLOSE and abs(goal) < instrument.minimum_base:
        return ZERO  # a rest below the minimum could never be closed by an order of its own
    return goal


def _may_cross(draft: Draft) -> bool:
    """Whether an open may make up for what is planned on the other side of zero.

    That is a close which failed, and in a net account one order can do both. Not in a hedged one,
    whose sides are apart, nor while orders wait: with a refused open before it, the close will fail
    and the follower holds nothing to make up for.
    """
    hedged = draft.subscription.account.hedge_mode
    return not hedged and draft.client not in draft.situation.book.waiting


def _rounds_up(draft: Draft, leg: Leg, ahead: Decimal) -> bool:
    rounding = draft.subscription.below_minimum is BelowMinimum.ROUND_UP
    return rounding and leg.kind is LegKind.OPEN and ahead >= 0


def _too_small(
    draft: Draft, leg: Leg, part: Part, aimed: Part, direction: Decimal, price: Decimal | None
) -> tuple[Part, Intent]:
    """No order for now. What it would have been is carried in the target, or forgotten."""
    nothing_held = leg.kind is LegKind.CLOSE and part.planned == 0
    reason = Reason.NOTHING_TO_CLOSE if nothing_held else Reason.BELOW_MINIMUM
    forgets = draft.subscription.below_minimum is BelowMinimum.SKIP and leg.kind is LegKind.OPEN
    return part if forgets else aimed, draft.none(leg.kind, direction, reason, reference=price)
