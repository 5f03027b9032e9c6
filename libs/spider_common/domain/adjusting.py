"""From what the desk itself wants of a client's part to orders: joining, leaving, drift, flatten. Pure."""

from decimal import Decimal

import msgspec

from spider_common.domain import mirroring
from spider_common.domain.drafting import Draft, Situation, leaders_instrument
from spider_common.domain.intents import DeskAction, DeskEvent, Intent
from spider_common.domain.orders import CopyState
from spider_common.domain.planning import Plan, queue_up
from spider_common.domain.positions import Book, LegKind, Part, part_key
from spider_common.domain.products import Subscription
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason


def adjust(event: DeskEvent, situation: Situation) -> Plan | Reason:
    """The orders that an event of the desk calls for, or why it calls for none.

    Raises:
        UnknownInstrument: the leader's own instrument is not in the list.
    """
    subscription = _subscription(event, situation)
    if subscription is None:
        return Reason.NOT_SUBSCRIBED
    leaders = leaders_instrument(situation, event.symbol)
    draft = Draft(event, situation, subscription, leaders, event.leader_side)
    book, intents = situation.book, list[Intent]()
    if event.action is DeskAction.CLOSE:
        book, intents = mirroring.cancel_resting(draft, book)
    if draft.instrument is not None:
        intents.extend(draft.cancel(LegKind.OPEN, order, Decimal(1)) for order in event.cancels)
    before = book.part(event.client, event.leader_side)
    part, intent = _Adjustment(event, draft, before).order()
    if part != before:
        book = book.with_parts({part_key(event.client, event.leader_side): part})
    planned, book = queue_up([*intents, intent], book, event)
    return Plan(intents=planned, cursor=None, book=book)


def _subscription(event: DeskEvent, situation: Situation) -> Subscription | None:
    return next((each for each in situation.product.subscriptions if each.client == event.client), None)


class _Adjustment:
    def __init__(self, event: DeskEvent, draft: Draft, part: Part) -> None:
        self._event, self._draft, self._part = event, draft, part
        self._book: Book = draft.situation.book

    def order(self) -> tuple[Part, Intent]:
        """The part afterwards, and the order (or why there is none)."""
        draft, part, instrument = self._draft, self._part, self._draft.instrument
        if instrument is None:
            return part, draft.none(LegKind.CLOSE, -part.planned, Reason.NO_INSTRUMENT)
        target = self._target()
        if isinstance(target, Reason):
            return part, draft.none(LegKind.OPEN, Decimal(1), target)
        if self._event.action is DeskAction.CORRECT:
            leg, quantity = LegKind.CLOSE if self._event.reduces else LegKind.OPEN, self._event.quantity
        else:
            leg, quantity = self._step(instrument.to_size(target) * instrument.contract_size)
        after = part.planned + quantity
        denied = draft.denied(leg) or draft.over_limit(leg, quantity, after, self._event.reference)
        if denied is not None:
            return part, draft.none(leg, quantity, denied, CopyState.DENIED)
        aimed = msgspec.structs.replace(part, target=target)
        if abs(quantity) < draft.least(leg, self._event.reference):
            reason = Reason.BELOW_MINIMUM if quantity else Reason.IN_LINE
            return aimed, draft.none(leg, quantity, reason)
        counted = self._event.action is not DeskAction.CORRECT
        intent = draft.place(leg, quantity, counted=counted)
        return (msgspec.structs.replace(aimed, planned=part.planned + quantity) if counted else part), intent

    def _target(self) -> Decimal | Reason:
        match self._event.action:
            case DeskAction.ALIGN:
                position = self._book.leader.get(self._event.leader_side, ZERO)
                if position == 0:
                    return ZERO
                ratio = self._draft.ratio(abs(position), self._event.reference)
                return ratio if isinstance(ratio, Reason) else ratio * position
            case DeskAction.CLOSE:
                return ZERO
            case DeskAction.CATCH_UP | DeskAction.CORRECT:
                return self._part.target

    def _step(self, goal: Decimal) -> tuple[LegKind, Decimal]:
        """The order towards the goal, and what it does. One that would cross zero only closes."""
        planned, quantity = self._part.planned, goal - self._part.planned
        if planned * goal < 0:
            return LegKind.CLOSE, -planned
        return LegKind.CLOSE if abs(goal) < abs(planned) else LegKind.OPEN, quantity
