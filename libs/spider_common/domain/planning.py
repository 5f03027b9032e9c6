"""From a leader order fact to follower orders. Pure: same facts, same orders, same ids.

The planner is level-triggered: it compares what the leader order *is* with what was planned of it, so
a repeated or older fact plans nothing and a missed one is made up by the next.
"""

from collections.abc import Iterable

import msgspec

from spider_common.domain import fills, identifiers, mirroring
from spider_common.domain.drafting import Draft, Situation, leaders_instrument
from spider_common.domain.identifiers import ClientId
from spider_common.domain.instruments import Instrument, InstrumentKind
from spider_common.domain.intents import Cursor, Event, Intent, LeaderEvent, mirror_key
from spider_common.domain.journal import hold
from spider_common.domain.orders import CopyState
from spider_common.domain.positions import Book, Leg, LegKind, Part, Waiting, part_key
from spider_common.domain.products import CopyMode, Product, Subscription
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be made durable at once: the orders, the moved cursor (of a leader order) and the book."""

    intents: tuple[Intent, ...]
    cursor: Cursor | None
    book: Book


def plan(event: LeaderEvent, situation: Situation) -> Plan | Reason:
    """The follower orders of one shard that an event calls for, or why it calls for none.

    Raises:
        UnknownInstrument: the leader's own instrument is not in the list, so nothing can be scaled.
    """
    fact, cursor = event.fact, situation.cursor
    if cursor is not None and fact.age_key <= cursor.age_key:
        return Reason.OLDER_FACT if fact.cum_filled < cursor.cum_filled else Reason.NO_NEW_FILL
    seen = ZERO if cursor is None else cursor.cum_filled
    moved = Cursor(
        cum_filled=fact.cum_filled,
        ts_venue=fact.ts_venue,
        rank=fact.status.rank,
        done=mirroring.is_over(fact),
    )
    subscriptions = _of_shard(situation.product, event)
    is_new = (
        cursor is None
        and mirroring.rests(fact, situation.naming)
        and any(each.mode is CopyMode.ORDERS for each in subscriptions)
    )
    if fact.cum_filled == seen and not is_new and not (cursor and cursor.mirrors):
        return Reason.NO_NEW_FILL
    if event.baseline:
        return Plan(intents=(), cursor=moved, book=situation.book)
    leaders = leaders_instrument(situation, fact.symbol)
    return _Planner(event, situation, leaders, is_new=is_new).plan(subscriptions, moved)


def _of_shard(product: Product, event: Event) -> list[Subscription]:
    mine = [
        subscription
        for subscription in product.subscriptions
        if not subscription.left and identifiers.shard_of(subscription.client, event.shards) == event.shard
    ]
    return sorted(mine, key=lambda subscription: subscription.client)


class _Planner:
    """One leader order fact for the subscriptions of one shard."""

    def __init__(
        self, event: LeaderEvent, situation: Situation, leaders: Instrument, *, is_new: bool
    ) -> None:
        self._event, self._situation, self._leaders = event, situation, leaders
        self._fact, self._is_new = event.fact, is_new
        self._before = situation.cursor or Cursor(
            cum_filled=ZERO,
            ts_venue=0,
            position=situation.book.leader.get(event.fact.position_side, ZERO),
        )
        self._mirrors = dict(self._before.mirrors)
        self._book = situation.book
        self._intents: list[Intent] = []

    def plan(self, subscriptions: Iterable[Subscription], moved: Cursor) -> Plan:
        fact, before = self._fact, self._before
        legs: tuple[Leg, ...] = ()
        if fact.cum_filled > before.cum_filled:
            self._book, legs = self._book.fill(
                fact.position_side,
                fact.side.sign * (fact.cum_filled - before.cum_filled),
                ts_venue=fact.ts_venue,
                reduce_only=fact.reduce_only,
                long_only=self._leaders.kind is InstrumentKind.SPOT,
            )
        terms = before.terms
        if self._is_new or (self._mirrors and fact.parent is None):
            terms = mirroring.terms_of(fact)
        whole = mirroring.legs_of_order(fact, before.position) if terms else ()
        parts = dict(self._book.parts)
        for subscription in subscriptions:
            draft = Draft(self._event, self._situation, subscription, self._leaders, fact.position_side)
            key = part_key(draft.client, fact.position_side)
            part = self._book.part(draft.client, fact.position_side)
            if terms:
                self._mirror(draft, whole, part, amended=terms != before.terms)
            for leg in legs:
                part = self._copy(draft, leg, part)
            if terms and mirroring.is_over(fact):
                part = self._end(draft, part)
            if part != self._book.part(draft.client, fact.position_side):
                parts[key] = part
        book = msgspec.structs.replace(self._book, parts=parts)
        intents, book = queue_up(self._intents, book, self._event)
        cursor = msgspec.structs.replace(moved, terms=terms, position=before.position, mirrors=self._mirrors)
        return Plan(intents=intents, cursor=cursor if terms else moved, book=book)

    def _mirror(self, draft: Draft, whole: Iterable[Leg], part: Part, *, amended: bool) -> None:
        """Places the resting copies of a new leader order, or changes them as it has changed."""
        for leg in whole:
            key = mirror_key(draft.client, leg.kind)
            if self._is_new:
                if draft.mirrors:
                    self._mirrors[key], intent = mirroring.place(draft, self._fact, leg, part)
                    self._intents.append(intent)
            elif amended and not self._fact.status.is_final and (mirror := self._mirrors.get(key)):
                self._mirrors[key], changes = mirroring.amend(draft, self._fact, leg, part, mirror)
                self._intents.extend(changes)

    def _copy(self, draft: Draft, leg: Leg, part: Part) -> Part:
        """Takes one leg of the leader's fill to a client: by its resting copy, or by an order of its own."""
        if leg.kind is LegKind.CLOSE:
            self._book, cancels = mirroring.cancel_resting(draft, self._book)
            self._intents.extend(cancels)
        key = mirror_key(draft.client, leg.kind)
        mirror = self._mirrors.get(key)
        if mirror is None or (not mirror.orders and leg.kind is LegKind.CLOSE):
            part, intent = fills.follow(draft, self._fact, leg, part)
            self._intents.append(intent)
        elif not mirror.orders:
            change = leg.after - leg.before
            self._intents.append(draft.none(leg.kind, change, Reason.NOT_MIRRORED))
        else:
            part, self._mirrors[key] = mirroring.count(draft, leg, part, mirror)
        return part

    def _end(self, draft: Draft, part: Part) -> Part:
        """The leader's order is over: so are its copies, but for what waits for its own fill."""
        for leg in LegKind:
            key = mirror_key(draft.client, leg)
            mirror = self._mirrors.get(key)
            if mirror is None:
                continue
            part, self._mirrors[key] = mirroring.settle(part, leg, mirror)
            self._book = self._book.without_ahead(draft.client, self._fact.origin)
            for left in mirroring.end(draft, self._fact, leg, mirror):
                if isinstance(left, Intent):
                    self._intents.append(left)
                else:
                    kept = self._book.resting.get(draft.client, ())
                    self._book = self._book.with_resting(draft.client, (*kept, left))
        return part


def queue_up(intents: Iterable[Intent], book: Book, event: Event) -> tuple[tuple[Intent, ...], Book]:
    """The intents as they are to be written: those of a client with orders in doubt wait behind them."""
    queued: list[Intent] = []
    queues: dict[ClientId, tuple[Waiting, ...]] = {}
    for intent in intents:
        waiting = queues.get(intent.client, book.waiting.get(intent.client, ()))
        if intent.state is CopyState.PLANNED and waiting:
            intent = hold(intent)
            queues[intent.client] = (*waiting, Waiting(intent.client_order_id, event.event_id, intent.counts))
        queued.append(intent)
    for client, queue in queues.items():
        book = book.with_waiting(client, queue)
    return tuple(queued), book
