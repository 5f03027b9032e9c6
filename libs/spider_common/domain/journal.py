"""The copy protocol's transitions: journal, lease and fence, doubts. Pure.

The services act only on what these functions return, and so does the model checker in the tests, so
that what was proved is what runs. `docs/copy-protocol.md` tells the rules; their short form:

- Nothing is sent before its intent is durable (`JournalRow` with its `Lease`).
- A request carries an expiry which the *venue* enforces, inside the lease (`request_expiry`), so a
  paused owner cannot send late.
- Taking a row over waits past the old lease end and turns all that may have been sent into doubts
  which count from that lease end (`take_over`).
- A doubt is resolved by asking. Only two counted misses prove that there is no order (`miss`).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from spider_common.domain.identifiers import ClientOrderId, EventId, VenueOrderId
from spider_common.domain.instruments import Instrument
from spider_common.domain.intents import Action, DeskAction, DeskEvent, Doubt, Event, Intent
from spider_common.domain.orders import CopyState, OrderFact, OrderStatus, step
from spider_common.domain.positions import Book, LegKind, Part, Waiting, part_key
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason

_MS: Final = 1_000_000
WORDS: Final = 200
"""Characters kept of what a venue says of an order: a row has room for all of its orders' words."""


class Timing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The protocol's times, in ns. `__post_init__` holds the relations that the proof needs.

    Attributes:
        lease: how long a row is owned without renewal.
        window: how long a venue may take to receive a request.
        skew: the most by which two clocks (ours, another task's, a venue's) differ.
        visibility: how long an accepted order may stay invisible to queries at its venue.
    """

    lease: int = 10_000 * _MS
    window: int = 2_000 * _MS
    skew: int = 500 * _MS
    visibility: int = 3_000 * _MS

    def __post_init__(self) -> None:
        if min(self.lease, self.window, self.skew, self.visibility) <= 0:
            raise ValueError("timing: lease, window, skew and visibility are positive nanoseconds")
        least = max(self.window, self.margin) + self.margin
        if self.lease <= least:
            raise ValueError(
                f"timing.lease: {self.lease} leaves no room for a request; "
                f"make it more than the larger of window and 2 x skew, + 2 x skew = {least}"
            )

    @property
    def margin(self) -> int:
        """A request's expiry stays this far inside the lease: our clock and the venue's may both be off."""
        return 2 * self.skew

    @property
    def takeover(self) -> int:
        """A takeover waits this long past the old lease end."""
        return 2 * self.skew


class Lease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may act for a row, until when. `fence` counts the owners."""

    owner: str
    fence: int
    ends: int


class JournalRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event in one shard, with every follower order that it calls for."""

    event: Event
    intents: tuple[Intent, ...]
    lease: Lease
    ts_received: int
    ts_planned: int

    @property
    def unfinished(self) -> tuple[Intent, ...]:
        """The intents whose submission has no terminal outcome."""
        return tuple(intent for intent in self.intents if not intent.state.is_submitted)

    def changed_since(self, before: "JournalRow") -> set[ClientOrderId]:
        """The intents that stood otherwise in an earlier version of the row."""
        pairs = zip(before.intents, self.intents, strict=True)
        return {new.client_order_id for old, new in pairs if new != old}

    def with_intents(self, changed: Mapping[ClientOrderId, Intent]) -> "JournalRow":
        intents = tuple(changed.get(intent.client_order_id, intent) for intent in self.intents)
        return msgspec.structs.replace(self, intents=intents)


def first_lease(owner: str, now: int, timing: Timing) -> Lease:
    """The lease of a row that is planned now."""
    return Lease(owner=owner, fence=1, ends=now + timing.lease)


def renew(row: JournalRow, now: int, timing: Timing) -> JournalRow:
    """The row with its lease prolonged; writing it fails if another owner has taken over meanwhile."""
    lease = msgspec.structs.replace(row.lease, ends=max(row.lease.ends, now + timing.lease))
    return msgspec.structs.replace(row, lease=lease)


def request_expiry(lease: Lease, now: int, timing: Timing) -> int | None:
    """Until when (Unix ns) the venue may accept a request signed now; None: renew the lease first."""
    limit = lease.ends - timing.margin
    return min(now + timing.window, limit) if now + timing.margin < limit else None


def can_take_over(row: JournalRow, now: int, timing: Timing) -> bool:
    """Whether the old owner's last request can no longer arrive, by any clock."""
    return now >= row.lease.ends + timing.takeover


def take_over(row: JournalRow, owner: str, now: int, timing: Timing) -> JournalRow:
    """The row under a new owner. Call it only when `can_take_over`, and write it against the old version.

    Whatever may have been sent is in doubt until the venue has spoken; its last possible acceptance
    is the old lease end. A held order was surely not sent.
    """
    doubts = {}
    for intent in row.unfinished:
        if intent.state is CopyState.HELD:
            continue
        doubt = Doubt(expires=row.lease.ends, why="the owner before stopped", since=now)
        if intent.doubt is not None:
            doubt = msgspec.structs.replace(doubt, why=intent.doubt.why, since=intent.doubt.since)
        state = intent.state if intent.state is CopyState.IN_DOUBT else step(intent.state, CopyState.IN_DOUBT)
        doubts[intent.client_order_id] = msgspec.structs.replace(
            intent, state=state, doubt=doubt, waited=True
        )
    lease = Lease(owner=owner, fence=row.lease.fence + 1, ends=now + timing.lease)
    return msgspec.structs.replace(row.with_intents(doubts), lease=lease)


def accept(intent: Intent, venue_order_id: VenueOrderId | None) -> Intent:
    """The venue has the order."""
    return msgspec.structs.replace(
        intent,
        state=step(intent.state, CopyState.ACCEPTED),
        venue_order_id=venue_order_id or intent.venue_order_id,
        doubt=None,
    )


def reject(intent: Intent, reason: str) -> Intent:
    """The venue proved that it has refused the order."""
    return msgspec.structs.replace(
        intent, state=step(intent.state, CopyState.REJECTED), reason=reason[:WORDS], doubt=None
    )


def deny(intent: Intent, reason: Reason) -> Intent:
    """We do not send the order (any more)."""
    return msgspec.structs.replace(
        intent, state=step(intent.state, CopyState.DENIED), reason=reason, doubt=None
    )


def doubt(intent: Intent, *, why: str, expires: int, now: int) -> Intent:
    """The request may or may not have reached the venue, which accepts it until `expires`.

    With an older doubt about the same order, either request may still arrive: the later expiry counts.
    """
    since = intent.doubt.since if intent.doubt else now
    expires = max(expires, intent.doubt.expires) if intent.doubt else expires
    state = intent.state if intent.state is CopyState.IN_DOUBT else step(intent.state, CopyState.IN_DOUBT)
    unknown = Doubt(expires=expires, why=why[:WORDS], since=since)
    return msgspec.structs.replace(intent, state=state, doubt=unknown, waited=True)


def hold(intent: Intent) -> Intent:
    """An order that was not sent, because one before it of the same client is in doubt."""
    return msgspec.structs.replace(intent, state=step(intent.state, CopyState.HELD), waited=True)


def miss(intent: Intent, asked: int, timing: Timing) -> Intent:
    """The venue answered "not found" to a query sent at `asked` (Unix ns, our clock).

    The first miss counts only after the request's expiry, the second only when an order accepted at
    the last moment would have become visible. With both the order is proved absent and planned anew.
    """
    held = intent.doubt
    assert held is not None, "only an order in doubt can be missed"
    closed = held.expires + timing.skew
    if asked <= closed:
        return intent
    if held.misses == 0:
        return msgspec.structs.replace(intent, doubt=msgspec.structs.replace(held, misses=1))
    if asked <= closed + timing.visibility:
        return intent
    return msgspec.structs.replace(intent, state=step(intent.state, CopyState.PLANNED), doubt=None)


def next_question(doubt: Doubt, now: int, timing: Timing) -> int:
    """When (Unix ns) to ask the venue again, having asked just now.

    Often while the answer is likely to come soon, then at the two moments at which a miss counts; a venue
    that is away is asked every half minute.
    """
    closed = doubt.expires + timing.skew
    proof = closed if doubt.misses == 0 else closed + timing.visibility
    pause = min(max((now - doubt.since) // 2, 100 * _MS), 30_000 * _MS)
    return now + pause if now > proof else min(now + pause, proof + _MS)


def never_made(before: Intent, after: Intent) -> bool:
    """Whether an intent's new state says that a mirror's order will never be: its cursor is to be told."""
    return (
        after.mirrors is not None
        and after.action is not Action.CANCEL
        and before.state is not after.state
        and after.state in {CopyState.REJECTED, CopyState.DENIED}
    )


def is_done(intent: Intent, fact: OrderFact) -> bool:
    """Whether what an intent asked for has come true, by what the venue says of the order it is about.

    An order that is over can neither be changed nor taken back any more: nothing is left to ask for.
    """
    match intent.action:
        case Action.PLACE:
            return True
        case Action.CANCEL:
            return fact.status.is_final
        case Action.AMEND:
            as_asked = fact.quantity == intent.quantity and fact.price == intent.price
            return as_asked or fact.status.is_final


def found(intent: Intent, fact: OrderFact) -> Intent:
    """A request in doubt whose order is as it asked (`is_done`), by what the venue says of that order.

    A cancel that came too late is not accepted: what is to stand in the order's place must not (`is_free`).
    """
    if intent.action is Action.CANCEL and fact.status is not OrderStatus.CANCELED:
        return reject(intent, f"the order was {fact.status} before it was taken back")
    return accept(intent, fact.venue_order_id)


def is_free(row: JournalRow, intent: Intent) -> bool:
    """Whether the place of an order is free: that which it is in the place of was taken back in time."""
    if intent.action is not Action.PLACE or intent.acts_on is None:
        return True
    cancels = [
        each for each in row.intents if each.action is Action.CANCEL and each.acts_on == intent.acts_on
    ]
    return all(each.state is CopyState.ACCEPTED for each in cancels)


def is_fresh(intent: Intent, event: Event, now: int, max_signal_age_ms: int) -> bool:
    """Whether the order may still be sent: reducing orders always, opening ones while the signal is young.

    An order against drift has its time too: later the difference is another one, and was asked for anew.
    """
    corrects = isinstance(event, DeskEvent) and event.action is DeskAction.CORRECT
    return (intent.leg is LegKind.CLOSE and not corrects) or now - event.ts_signal <= max_signal_age_ms * _MS


def touches_book(after: Intent) -> bool:
    """Whether an intent's new state has to be settled in the book. Most orders are simply accepted."""
    return after.waited or after.state in {CopyState.REJECTED, CopyState.DENIED}


def settle(book: Book, event: EventId, before: Intent, after: Intent) -> Book:
    """The book after an intent has changed its state.

    Keeps the client's queue: an order in doubt stands in it until its outcome is known, and what is
    planned meanwhile waits behind it. A refused order is withdrawn from its part, and so is what one was
    cut by.
    """
    entry = Waiting(after.client_order_id, event, after.counts)
    queue = book.waiting.get(after.client, ())
    others = tuple(each for each in queue if each.client_order_id != entry.client_order_id)
    if after.state.is_submitted:
        queue = others
    elif others != queue:
        queue = tuple(each if each in others else entry for each in queue)
    elif after.state is not CopyState.PLANNED:
        queue = (*queue, entry)
    book = book.with_waiting(after.client, queue)
    refused = before.state is not after.state and after.state in {CopyState.REJECTED, CopyState.DENIED}
    missed = before.quantity - (ZERO if refused else after.quantity)
    return withdraw(book, after, missed) if missed else book


def withdraw(book: Book, intent: Intent, quantity: Decimal) -> Book:
    """Takes what an order will not fill (base quantity) out of its subscription's part, if it counts there.

    An open that was missed leaves the target too, so that no later fill catches it up at another
    price. A close that was missed stays in the target: the next fact makes it up.
    """
    if not intent.counted:
        return book
    part = book.part(intent.client, intent.leader_side)
    missed = intent.side.sign * quantity
    target = part.target
    if intent.leg is LegKind.OPEN:
        rest = target - missed
        target = rest if rest * target > 0 else ZERO
    changed = Part(target=target, planned=part.planned - missed)
    return book.with_parts({part_key(intent.client, intent.leader_side): changed})


def charge(book: Book, intent: Intent, fee: Decimal) -> Book:
    """Takes a fee that an order paid in the coin itself (base quantity, negative) out of its part.

    It was bought and is gone: it cannot be sold, and is not bought again.
    """
    if not intent.counted and intent.mirrors is None:
        return book
    part = book.part(intent.client, intent.leader_side)
    rest = part.target + fee
    target = rest if rest * part.target > 0 else ZERO
    charged = Part(target=target, planned=part.planned + fee)
    return book.with_parts({part_key(intent.client, intent.leader_side): charged})


def may_release(book: Book, intent: Intent) -> bool:
    """Whether a held order is first in its client's queue: nothing before it is in doubt any more."""
    queue = book.waiting.get(intent.client, ())
    return not queue or queue[0].client_order_id == intent.client_order_id


def cover(book: Book, sale: Intent, listed: Instrument) -> Intent:
    """A held sale of coins whose turn it is, cut to what this subscription's orders have bought, or denied.

    Spot has no reduce-only at the venue: a sale held behind a buy that was then refused would sell the
    client's own. `planned` counts what waits too; less the sale and what waits behind it, it is bought.
    Only a new order is cut: an amendment names the whole of one that is there, and a cancel always goes.
    """
    if sale.action is not Action.PLACE:
        return sale
    queue = book.waiting.get(sale.client, ())
    behind = sum((each.signed for each in queue if each.client_order_id != sale.client_order_id), ZERO)
    bought = book.part(sale.client, sale.leader_side).planned - behind - sale.counts
    if bought >= sale.quantity:
        return sale
    size = listed.to_size(max(bought, ZERO))
    if size < listed.minimum:
        return deny(sale, Reason.BELOW_MINIMUM if bought > 0 else Reason.NOTHING_TO_CLOSE)
    return msgspec.structs.replace(sale, quantity=listed.to_base(size), size=size)


def release(intent: Intent) -> Intent:
    """A held order that may go. Write it before sending: a held order counts as never sent."""
    return msgspec.structs.replace(intent, state=step(intent.state, CopyState.PLANNED))
