"""From a leader order fact to follower orders. Pure: same facts, same orders, same ids.

The planner is level-triggered: it compares what the leader order *is* with what was planned of it, so
a repeated or older fact plans nothing and a missed one is made up by the next.
"""

from decimal import Decimal

import msgspec

from spider_common.domain import identifiers
from spider_common.domain.control import Controls
from spider_common.domain.identifiers import ClientId, EventId
from spider_common.domain.instruments import Instrument, InstrumentKind, InstrumentList
from spider_common.domain.intents import Cursor, Intent, LeaderEvent
from spider_common.domain.journal import hold
from spider_common.domain.orders import CopyState, PositionSide, Side
from spider_common.domain.positions import Book, Leg, LegKind, Part, Waiting, part_key
from spider_common.domain.products import Equity, Product, Subscription, copied_side
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason
from spider_common.domain.sizing import Trade, ratio_of


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """All that a plan depends on beside the event.

    Attributes:
        cursor: what was planned of this leader order before; None if nothing.
        oldest_equity: equities told before this time (Unix ns) do not count.
        now: Unix ns.
    """

    product: Product
    instruments: InstrumentList
    cursor: Cursor | None
    book: Book
    equities: dict[identifiers.AccountId, Equity]
    oldest_equity: int
    now: int
    controls: Controls = Controls()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be made durable at once: the orders, the moved cursor and the moved book."""

    intents: tuple[Intent, ...]
    cursor: Cursor
    book: Book


def plan(event: LeaderEvent, situation: Situation) -> Plan | Reason:
    """The follower orders of one shard that an event calls for, or why it calls for none.

    Raises:
        UnknownInstrument: the leader's own instrument is not in the list, so nothing can be scaled.
    """
    fact, cursor = event.fact, situation.cursor
    seen = ZERO if cursor is None else cursor.cum_filled
    if fact.cum_filled < seen:
        return Reason.OLDER_FACT
    if fact.cum_filled == seen:
        return Reason.NO_NEW_FILL
    moved = Cursor(cum_filled=fact.cum_filled, ts_venue=fact.ts_venue)
    if event.baseline:
        return Plan(intents=(), cursor=moved, book=situation.book)
    instrument = situation.instruments.get(fact.venue, fact.symbol)
    if instrument is None:
        raise UnknownInstrument(
            f"fact.symbol: {fact.venue} lists no {fact.symbol!r}; refresh the instruments"
        )

    book, legs = situation.book.fill(
        fact.position_side,
        fact.side.sign * (fact.cum_filled - seen),
        ts_venue=fact.ts_venue,
        reduce_only=fact.reduce_only,
        long_only=instrument.kind is InstrumentKind.SPOT,
    )
    intents: list[Intent] = []
    parts: dict[str, Part] = {}
    queues: dict[ClientId, tuple[Waiting, ...]] = {}
    for subscription in _of_shard(situation.product, event):
        client = subscription.client
        before = part = book.part(client, fact.position_side)
        for leg in legs:
            draft = _Draft(event, situation, subscription, instrument, leg)
            part, intent = draft.follow(part)
            waiting = book.waiting.get(client, ()) if client not in queues else queues[client]
            if intent.state is CopyState.PLANNED and waiting:
                intent = hold(intent)
                queues[client] = (*waiting, Waiting(intent.client_order_id, fact.event_id))
            intents.append(intent)
        if part != before:
            parts[part_key(client, fact.position_side)] = part
    book = book.with_parts(parts)
    for client, queue in queues.items():
        book = book.with_waiting(client, queue)
    return Plan(intents=tuple(intents), cursor=moved, book=book)


class UnknownInstrument(LookupError):
    """A leader's instrument that the instrument list does not have."""


def _of_shard(product: Product, event: LeaderEvent) -> list[Subscription]:
    mine = [
        subscription
        for subscription in product.subscriptions
        if identifiers.shard_of(subscription.client, event.shards) == event.shard
    ]
    return sorted(mine, key=lambda subscription: subscription.client)


class _Draft:
    """One leg of one leader fill for one subscription."""

    def __init__(
        self,
        event: LeaderEvent,
        situation: Situation,
        subscription: Subscription,
        leader_instrument: Instrument,
        leg: Leg,
    ) -> None:
        self._fact = event.fact
        self._event_id: EventId = event.event_id
        self._situation = situation
        self._subscription = subscription
        self._leg = leg
        self._is_spot = leader_instrument.kind is InstrumentKind.SPOT
        self._instrument = situation.instruments.counterpart(leader_instrument, subscription.account.venue)

    def follow(self, part: Part) -> tuple[Part, Intent]:
        """The part after this leg, and the order that takes it there (or says why there is none)."""
        ratio = self._ratio()
        if isinstance(ratio, Reason):
            return part, self._none(ratio, CopyState.SKIPPED)
        instrument = self._instrument
        if instrument is None:
            return part, self._none(Reason.NO_INSTRUMENT, CopyState.SKIPPED)
        if denied := self._denied():
            return part, self._none(denied, CopyState.DENIED)
        aimed = part.follow(self._leg, ratio)
        goal = instrument.to_size(aimed.target) * instrument.contract_size
        if self._leg.kind is LegKind.CLOSE and abs(goal) < instrument.minimum_base:
            goal = ZERO  # a rest below the minimum could never be closed by an order of its own
        direction = self._leg.after - self._leg.before
        crosses = self._leg.kind is LegKind.OPEN and part.planned * direction < 0
        quantity = goal if crosses and not self._may_cross() else goal - part.planned
        if quantity * direction <= 0:
            nothing_held = self._leg.kind is LegKind.CLOSE and part.planned == 0
            reason = Reason.NOTHING_TO_CLOSE if nothing_held else Reason.BELOW_MINIMUM
            return aimed, self._none(reason, CopyState.SKIPPED)
        if abs(quantity) < instrument.minimum_base:
            return aimed, self._none(Reason.BELOW_MINIMUM, CopyState.SKIPPED)
        intent = self._intent(instrument, quantity)
        return msgspec.structs.replace(aimed, planned=part.planned + quantity), intent

    def _ratio(self) -> Decimal | Reason:
        if self._leg.kind is LegKind.CLOSE:
            return ZERO  # closes are proportional to the part, whatever the rule
        fact = self._fact
        trade = Trade(
            leader=self._situation.product.leader.account,
            follower=self._subscription.account.account,
            quantity=max(fact.quantity, fact.cum_filled),
            price=fact.average_price or fact.price,
        )
        situation = self._situation
        return ratio_of(
            self._subscription, trade, equities=situation.equities, oldest=situation.oldest_equity
        )

    def _may_cross(self) -> bool:
        """Whether an open may make up for what is planned on the other side of zero.

        That is a close which failed, and in a net account one order can do both. Not in a hedged one,
        whose sides are apart, nor while orders wait: with a refused open before it, the close will fail
        and the follower holds nothing to make up for.
        """
        account, client = self._subscription.account, self._subscription.client
        return not account.hedge_mode and client not in self._situation.book.waiting

    def _denied(self) -> Reason | None:
        hedged = self._fact.position_side is not PositionSide.NET
        if hedged and not self._subscription.account.hedge_mode:
            return Reason.POSITION_MODE_MISMATCH
        if self._leg.kind is LegKind.CLOSE:
            return None
        if not (self._situation.product.trading and self._subscription.trading):
            return Reason.TRADING_OFF
        limit = self._situation.product.max_signal_age_ms * 1_000_000
        if self._situation.now - self._fact.ts_venue > limit:
            return Reason.STALE_SIGNAL
        return None

    def _none(self, reason: Reason, state: CopyState) -> Intent:
        return self._order(
            symbol=self._instrument.symbol if self._instrument else "", state=state, reason=reason
        )

    def _intent(self, instrument: Instrument, quantity: Decimal) -> Intent:
        return self._order(
            symbol=instrument.symbol,
            state=CopyState.PLANNED,
            quantity=abs(quantity),
            size=instrument.to_size(abs(quantity)),
        )

    def _order(
        self,
        *,
        symbol: str,
        state: CopyState,
        reason: str = "",
        quantity: Decimal = ZERO,
        size: Decimal = ZERO,
    ) -> Intent:
        leg, account = self._leg, self._subscription.account
        product, client = self._situation.product.product, self._subscription.client
        exposure = leg.before if leg.kind is LegKind.CLOSE else leg.after
        return Intent(
            client_order_id=identifiers.client_order_id(self._event_id, product, client, leg.kind),
            product=product,
            client=client,
            account=account,
            symbol=symbol,
            leg=leg.kind,
            side=Side.BUY if leg.after > leg.before else Side.SELL,
            position_side=PositionSide.NET
            if self._is_spot
            else copied_side(account, 1 if exposure > 0 else -1),
            leader_side=self._fact.position_side,
            reduce_only=leg.kind is LegKind.CLOSE,
            quantity=quantity,
            size=size,
            reference_price=self._fact.average_price,
            state=state,
            reason=reason,
        )
