"""Mode `orders`: a leader's resting order becomes a resting order of the follower. Pure.

The follower's copy, its *mirror*, is placed, amended and cancelled as the leader's order is. Its fills are
its own. What the part's `planned` counts moves with the *leader's* fills, as if each were copied at once;
when both orders are over, it is put right by what the mirror really came to. So a part means the same in
both modes, and one client may be copied by either.

Two rules keep a mirror that was not filled from standing alone. One that opens is cancelled when the
leader closes. One that closes is cancelled when the leader's is filled; what it missed is still in the
target, and is made up.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from spider_common.domain.drafting import Draft
from spider_common.domain.identifiers import ClientOrderId, Venue
from spider_common.domain.intents import Action, Cursor, Intent, Mirror, Terms, mirror_key
from spider_common.domain.orders import CopyState, OrderFact, OrderStatus, OrderType
from spider_common.domain.positions import Book, Leg, LegKind, Part, Resting, legs_of, part_key
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason

RESTING: Final = frozenset({OrderType.LIMIT, OrderType.POST_ONLY})


def rests(fact: OrderFact, naming: frozenset[Venue]) -> bool:
    """Whether an order waits at its venue, and can be mirrored.

    A conditional one can where its venue names it in what it becomes: its fills are the mirror's to make,
    and would be copied beside it if they could not be told apart.
    """
    if fact.status.is_final:
        return False
    if fact.trigger is not None:
        return fact.venue in naming and not fact.trigger.paired
    return fact.order_type in RESTING


def is_over(fact: OrderFact) -> bool:
    """Whether nothing more is to come of a leader order. What a conditional one has set off is still to."""
    return fact.status.is_final and fact.status is not OrderStatus.TRIGGERED


def terms_of(fact: OrderFact) -> Terms:
    """What can be amended of a leader order."""
    trigger_price = None if fact.trigger is None else fact.trigger.price
    return Terms(quantity=fact.quantity, price=fact.price, trigger_price=trigger_price)


def legs_of_order(fact: OrderFact, position: Decimal) -> tuple[Leg, ...]:
    """What the whole order would do to the leader's position as it was when the order came."""
    quantity = fact.quantity or abs(position)  # a conditional order without one closes all that there is
    return legs_of(
        position,
        fact.side.sign * quantity,
        position_side=fact.position_side,
        reduce_only=fact.reduce_only,
    )


def place(draft: Draft, fact: OrderFact, leg: Leg, part: Part) -> tuple[Mirror, Intent]:
    """The mirror of one leg of a new leader order, and the order that makes it (or why there is none)."""
    closes = leg.kind is LegKind.CLOSE
    direction, price = leg.after - leg.before, price_of(fact)
    per: Decimal | Reason = part.planned if closes else draft.ratio(fact.quantity, price)
    if isinstance(per, Reason):
        return Mirror(), draft.none(leg.kind, direction, per, reference=price)
    if draft.instrument is None:
        return Mirror(), draft.none(leg.kind, direction, Reason.NO_INSTRUMENT, reference=price)
    if fact.trigger is not None and draft.subscription.account.venue not in draft.situation.firing:
        return Mirror(), draft.none(leg.kind, direction, Reason.NOT_MIRRORED, reference=price)
    if denied := draft.denied(leg.kind):
        return Mirror(), draft.none(leg.kind, direction, denied, CopyState.DENIED, reference=price)
    mirror = Mirror(per=per, of=leg.before if closes else Decimal(1))
    quantity = _quantity(draft, mirror, leg, price)
    if quantity == 0:
        nothing_held = closes and part.planned == 0
        reason = Reason.NOTHING_TO_CLOSE if nothing_held else Reason.BELOW_MINIMUM
        return Mirror(), draft.none(leg.kind, direction, reason, reference=price)
    after = part.planned + quantity
    if over := draft.over_limit(leg.kind, quantity, after, price, rests=True):
        return Mirror(), draft.none(leg.kind, direction, over, CopyState.DENIED, reference=price)
    return _placed(draft, fact, leg.kind, mirror, quantity)


def price_of(fact: OrderFact) -> Decimal | None:
    """What a waiting order is to trade at, as far as it says."""
    return fact.price or (fact.trigger.price if fact.trigger else None)


def _placed(
    draft: Draft,
    fact: OrderFact,
    leg: LegKind,
    mirror: Mirror,
    quantity: Decimal,
    *,
    in_place_of: ClientOrderId | None = None,
) -> tuple[Mirror, Intent]:
    intent = draft.place(
        leg,
        quantity,
        order_type=fact.order_type,
        price=fact.price,
        trigger=fact.trigger,
        reference=price_of(fact),
        acts_on=in_place_of,
        counted=False,
        mirrors=fact.origin,
    )
    orders = {**mirror.orders, intent.client_order_id: None}
    return msgspec.structs.replace(mirror, orders=orders, quantity=quantity), intent


def _quantity(draft: Draft, mirror: Mirror, leg: Leg, price: Decimal | None) -> Decimal:
    """Signed base quantity of the follower's whole order, in lots; zero below the minimum."""
    instrument = draft.instrument
    assert instrument is not None, "checked when the mirror was made"
    exact = mirror.per * (leg.after - leg.before) / mirror.of
    quantity = instrument.to_size(exact) * instrument.contract_size
    return ZERO if abs(quantity) < draft.least(leg.kind, price) else quantity


def amend(
    draft: Draft, fact: OrderFact, leg: Leg, part: Part, mirror: Mirror
) -> tuple[Mirror, tuple[Intent, ...]]:
    """The mirror of an amended leader order, and the steps that take it there.

    An order that would be below its venue's minimum is cancelled, and placed anew when the leader's has
    grown again. No venue moves a trigger for us: a conditional order is cancelled and another one placed,
    if the cancel was in time.
    """
    price, living = price_of(fact), _living(mirror)
    quantity = _quantity(draft, mirror, leg, price) if mirror.orders else ZERO
    if quantity == mirror.quantity == 0 or (mirror.quantity and not living):
        return mirror, ()
    after = part.planned - mirror.counted + quantity
    is_new = mirror.quantity == 0
    refused = draft.denied(leg.kind) or draft.over_limit(
        leg.kind, quantity, after, price, rests=is_new, replaces=mirror.quantity
    )
    if is_new and not refused:
        placed, intent = _placed(draft, fact, leg.kind, mirror, quantity)
        return placed, (intent,)
    if quantity == 0:
        cancelled = msgspec.structs.replace(mirror, quantity=ZERO)
        return cancelled, _cancels(draft, fact, leg.kind, mirror)
    if refused:
        direction = mirror.quantity or quantity
        return mirror, (draft.none(leg.kind, direction, refused, CopyState.DENIED, reference=price),)
    if fact.trigger is not None:
        cancels = _cancels(draft, fact, leg.kind, mirror)
        placed, intent = _placed(draft, fact, leg.kind, mirror, quantity, in_place_of=living[-1])
        return placed, (*cancels, intent)
    intent = draft.place(
        leg.kind,
        quantity,
        name=f"amend/{leg.kind}",
        order_type=fact.order_type,
        price=fact.price,
        reference=fact.price,
        action=Action.AMEND,
        acts_on=living[-1],
        counted=False,
        mirrors=fact.origin,
    )
    orders = mirror.orders
    if draft.subscription.account.venue in draft.situation.replacing:
        orders = {**orders, intent.client_order_id: None}
    return msgspec.structs.replace(mirror, orders=orders, quantity=quantity), (intent,)


def _cancels(draft: Draft, fact: OrderFact, leg: LegKind, mirror: Mirror) -> tuple[Intent, ...]:
    """Takes back all of a mirror that may still be filled: of an order and its replacement one is there."""
    exposure = _exposure(leg, mirror)
    return tuple(draft.cancel(leg, order, exposure, mirrors=fact.origin) for order in _living(mirror))


def _exposure(leg: LegKind, mirror: Mirror) -> Decimal:
    return mirror.quantity if leg is LegKind.OPEN else -mirror.quantity


def count(draft: Draft, leg: Leg, part: Part, mirror: Mirror) -> tuple[Part, Mirror]:
    """The part after a fill of the leader's that the mirror stands for: counted, as if it were copied."""
    aimed = part.follow(leg, mirror.per if leg.kind is LegKind.OPEN else ZERO)
    if not _living(mirror) and mirror.settled:
        return aimed, mirror  # it came to what it came to
    instrument = draft.instrument
    assert instrument is not None, "a mirror has one"
    goal = instrument.to_size(aimed.target) * instrument.contract_size
    change = _within(goal - part.planned, ZERO - mirror.counted, mirror.quantity - mirror.counted)
    counted = msgspec.structs.replace(mirror, counted=mirror.counted + change)
    return msgspec.structs.replace(aimed, planned=part.planned + change), counted


def _within(number: Decimal, one: Decimal, other: Decimal) -> Decimal:
    return min(max(number, min(one, other)), max(one, other))


def end(draft: Draft, fact: OrderFact, leg: LegKind, mirror: Mirror) -> Sequence[Intent | Resting]:
    """What becomes of a mirror whose leader order is over: cancels, or rests that wait for their fill."""
    if mirror.quantity == 0:
        return ()
    if fact.status is not OrderStatus.FILLED or leg is LegKind.CLOSE:
        return _cancels(draft, fact, leg, mirror)
    exposure = _exposure(leg, mirror)
    return [
        Resting(order=order, leader_order=fact.origin, side=draft.leader_side, exposure=exposure)
        for order in _living(mirror)
    ]


def _living(mirror: Mirror) -> list[ClientOrderId]:
    """Its orders that may still be filled, newest last."""
    return [order for order, came_to in mirror.orders.items() if came_to is None]


def settle(part: Part, leg: LegKind, mirror: Mirror) -> tuple[Part, Mirror]:
    """The part with what a mirror came to in the place of what was counted for it, once both are over.

    An open that was missed leaves the target too, so that no later fill catches it up at another price.
    A close that was missed stays in the target.
    """
    if _living(mirror):
        return part, mirror
    came_to = sum((each for each in mirror.orders.values() if each is not None), ZERO)
    change = came_to - mirror.counted
    target = part.target
    if leg is LegKind.OPEN and change * mirror.counted < 0:
        rest = target + change
        target = rest if rest * target > 0 else ZERO
    settled = msgspec.structs.replace(mirror, counted=came_to, settled=True)
    return Part(target=target, planned=part.planned + change), settled


def finish(
    cursor: Cursor, book: Book, intent: Intent, order: ClientOrderId, executed: Decimal
) -> tuple[Cursor, Book]:
    """Cursor and book after one of a mirror's orders is over: filled, cancelled, or never made.

    Args:
        intent: of the order, or any other of the same mirror.
        executed: base quantity, signed.
    """
    key = mirror_key(intent.client, intent.leg)
    mirror = cursor.mirrors.get(key)
    if mirror is None or mirror.orders.get(order, executed) is not None:
        return cursor, book  # not of this mirror, or told before
    mirror = msgspec.structs.replace(mirror, orders={**mirror.orders, order: executed})
    if cursor.done:
        part, mirror = settle(book.part(intent.client, intent.leader_side), intent.leg, mirror)
        book = book.with_parts({part_key(intent.client, intent.leader_side): part})
    elif intent.mirrors is not None and not _living(mirror):
        book = book.with_ahead(intent.client, intent.mirrors)
    book = book.without_resting(intent.client, order)
    return msgspec.structs.replace(cursor, mirrors={**cursor.mirrors, key: mirror}), book


def cancel_resting(draft: Draft, book: Book) -> tuple[Book, list[Intent]]:
    """Takes back what a client still has resting to open of leader orders that are over."""
    resting = book.resting.get(draft.client, ())
    stale = [each for each in resting if each.side is draft.leader_side]
    if not stale or draft.instrument is None:
        return book, []
    cancels = [
        draft.cancel(LegKind.OPEN, each.order, each.exposure, mirrors=each.leader_order) for each in stale
    ]
    kept = tuple(each for each in resting if each.side is not draft.leader_side)
    return book.with_resting(draft.client, kept), cancels
