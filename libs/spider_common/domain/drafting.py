"""What every intent of a plan is made from: the situation, one subscription, and its instrument."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from spider_common.domain import identifiers, risk
from spider_common.domain.control import Controls
from spider_common.domain.identifiers import AccountId, ClientId, ClientOrderId, EventId, Venue, VenueOrderId
from spider_common.domain.instruments import Instrument, InstrumentKind, InstrumentList, Mark
from spider_common.domain.intents import Action, Cursor, Event, Intent
from spider_common.domain.orders import CopyState, OrderType, PositionSide, Side
from spider_common.domain.positions import Book, LegKind
from spider_common.domain.products import CopyMode, Equity, Product, Subscription, copied_side
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason
from spider_common.domain.sizing import Trade, ratio_of
from spider_common.domain.standing import Standing

_BPS: Final = Decimal(10_000)
_UNKNOWN: Final = Standing()


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """All that a plan depends on beside the event.

    Attributes:
        cursor: what was planned of this leader order before; None if nothing.
        oldest_equity: equities told before this time (Unix ns) do not count.
        now: Unix ns.
        replacing: the venues at which an amended order becomes another order.
        naming: the venues that name the conditional order which another one comes from.
        firing: the venues that tell what a conditional order of ours becomes under our id.
        marks: of followers' venues, by symbol; standings: of their accounts. Those that limits need.
    """

    product: Product
    instruments: InstrumentList
    cursor: Cursor | None
    book: Book
    equities: dict[AccountId, Equity]
    oldest_equity: int
    now: int
    controls: Controls = Controls()
    replacing: frozenset[Venue] = frozenset()
    naming: frozenset[Venue] = frozenset()
    firing: frozenset[Venue] = frozenset()
    marks: Mapping[Venue, Mapping[str, Mark]] = {}
    standings: Mapping[AccountId, Standing] = {}


class UnknownInstrument(LookupError):
    """A leader's instrument that the instrument list does not have."""


def leaders_instrument(situation: Situation, symbol: str) -> Instrument:
    """The leader's own instrument.

    Raises:
        UnknownInstrument: it is not in the list, so nothing can be scaled.
    """
    venue = situation.product.leader.venue
    instrument = situation.instruments.get(venue, symbol)
    if instrument is None:
        raise UnknownInstrument(f"fact.symbol: {venue} lists no {symbol!r}; refresh the instruments")
    return instrument


def followers_instrument(
    listed: InstrumentList, leaders: Instrument, subscription: Subscription
) -> Instrument | None:
    """What a subscription trades for an instrument of the leader; None: its venue lists nothing like it."""
    venue = subscription.account.venue
    if other := subscription.overrides.get(leaders.symbol):
        return listed.get(venue, other)
    return listed.counterpart(leaders, venue)


class Draft:
    """Makes one subscription's intents of one event."""

    def __init__(
        self,
        event: Event,
        situation: Situation,
        subscription: Subscription,
        leaders: Instrument,
        leader_side: PositionSide,
    ) -> None:
        self.situation, self.subscription, self.leader_side = situation, subscription, leader_side
        self.client: ClientId = subscription.client
        self.event_id: EventId = event.event_id
        self._ts_signal = event.ts_signal
        self.is_spot = leaders.kind is InstrumentKind.SPOT
        self.instrument = followers_instrument(situation.instruments, leaders, subscription)

    @property
    def mirrors(self) -> bool:
        """Whether the leader's resting orders are copied as such."""
        return self.subscription.mode is CopyMode.ORDERS

    def ratio(self, quantity: Decimal, price: Decimal | None) -> Decimal | Reason:
        """See `ratio_of`; of a leader order of `quantity` at `price`."""
        trade = Trade(
            leader=self.situation.product.leader.account,
            follower=self.subscription.account.account,
            quantity=quantity,
            price=price,
        )
        situation = self.situation
        return ratio_of(self.subscription, trade, equities=situation.equities, oldest=situation.oldest_equity)

    def denied(self, leg: LegKind) -> Reason | None:
        """Why an order of this kind is refused, whatever its size."""
        product, subscription = self.situation.product, self.subscription
        if self.leader_side is not PositionSide.NET and not subscription.account.hedge_mode:
            return Reason.POSITION_MODE_MISMATCH
        state = self.situation.controls.state(product.product, self.client)
        if refusal := state.refusal(opens=leg is LegKind.OPEN):
            return refusal
        if leg is LegKind.CLOSE:
            return None
        if not (product.trading and subscription.trading):
            return Reason.TRADING_OFF
        if self.is_spot and subscription.reverse:
            return Reason.REVERSED_SPOT
        if self.situation.now - self._ts_signal > product.max_signal_age_ms * 1_000_000:
            return Reason.STALE_SIGNAL
        return None

    def least(self, leg: LegKind, price: Decimal | None) -> Decimal:
        """Smallest order of its kind, base quantity: what opens has to be worth something, too."""
        instrument = self.instrument
        assert instrument is not None, "an order without an instrument is skipped"
        return instrument.minimum_base if leg is LegKind.CLOSE else instrument.least_opening(price)

    def over_limit(
        self,
        leg: LegKind,
        quantity: Decimal,
        after: Decimal,
        price: Decimal | None,
        *,
        rests: bool = False,
        replaces: Decimal = ZERO,
    ) -> Reason | None:
        """Which limit an order of signed base quantity is over. `after`: what the part comes to with it.

        `replaces`: of an amendment, the signed base quantity before.
        """
        instrument, situation, account = self.instrument, self.situation, self.subscription.account
        if instrument is None or leg is LegKind.CLOSE:
            return None
        proposal = risk.Proposal(
            instrument=instrument,
            position_side=self._position_side(quantity),
            quantity=quantity,
            after=after,
            rests=rests,
            replaces=replaces,
            price=price,
            mark=situation.marks.get(account.venue, {}).get(instrument.symbol),
        )
        standing = situation.standings.get(account.account, _UNKNOWN)
        return risk.deny(proposal, self.subscription, standing, situation.now)

    def _position_side(self, exposure: Decimal) -> PositionSide:
        """The position of the follower's account that an exposure of that sign lives in."""
        if self.is_spot:
            return PositionSide.NET
        return copied_side(self.subscription.account, 1 if exposure > 0 else -1)

    def guard(self, quantity: Decimal, reference: Decimal | None) -> Decimal | Reason | None:
        """The worst price at which an opening order of this signed quantity may be filled; None: any."""
        bps, instrument = self.subscription.slippage_bps, self.instrument
        if bps is None or instrument is None:
            return None
        if reference is None:
            return Reason.NO_REFERENCE_PRICE
        worst = reference * (_BPS + (bps if quantity > 0 else -bps)) / _BPS
        ticks = worst // instrument.tick
        if quantity < 0 and worst % instrument.tick:
            ticks += 1  # rounding never lets an order be filled at a worse price
        return ticks * instrument.tick

    def place(
        self,
        leg: LegKind,
        quantity: Decimal,
        *,
        name: str = "",
        order_type: OrderType = OrderType.MARKET,
        price: Decimal | None = None,
        reference: Decimal | None = None,
        exposure: Decimal | None = None,
        **more: Any,
    ) -> Intent:
        """An order of signed base quantity, lots. `exposure`: sign of the position it works on, if not of
        its own direction (opens) or against it (closes)."""
        instrument = self.instrument
        assert instrument is not None, "an order without an instrument is skipped"
        if exposure is None:
            exposure = quantity if leg is LegKind.OPEN else -quantity
        return self._intent(
            leg,
            quantity,
            exposure,
            name=name,
            symbol=instrument.symbol,
            size=instrument.to_size(abs(quantity)),
            state=CopyState.PLANNED,
            order_type=order_type,
            price=price,
            reference_price=reference,
            leverage=self.subscription.leverage,
            margin_mode=self.subscription.margin_mode,
            **more,
        )

    def none(
        self,
        leg: LegKind,
        direction: Decimal,
        reason: Reason,
        state: CopyState = CopyState.SKIPPED,
        *,
        reference: Decimal | None = None,
    ) -> Intent:
        """No order, and why."""
        return self._intent(
            leg,
            ZERO,
            direction if leg is LegKind.OPEN else -direction,
            direction=direction,
            symbol=self.instrument.symbol if self.instrument else "",
            state=state,
            reason=reason,
            reference_price=reference,
        )

    def cancel(
        self, leg: LegKind, order: ClientOrderId, exposure: Decimal, *, mirrors: VenueOrderId | None = None
    ) -> Intent:
        """Takes a resting order back. `exposure`: sign of the position that it works on."""
        instrument = self.instrument
        assert instrument is not None, "what rests has an instrument"
        return self._intent(
            leg,
            ZERO,
            exposure,
            name=f"cancel/{order}",
            direction=exposure if leg is LegKind.OPEN else -exposure,
            symbol=instrument.symbol,
            state=CopyState.PLANNED,
            action=Action.CANCEL,
            acts_on=order,
            counted=False,
            mirrors=mirrors,
        )

    def _intent(
        self,
        leg: LegKind,
        quantity: Decimal,
        exposure: Decimal,
        *,
        symbol: str,
        state: CopyState,
        name: str = "",
        direction: Decimal | None = None,
        size: Decimal = ZERO,
        reference_price: Decimal | None = None,
        **more: Any,
    ) -> Intent:
        product, account = self.situation.product.product, self.subscription.account
        direction = quantity if direction is None else direction
        return Intent(
            client_order_id=identifiers.client_order_id(self.event_id, product, self.client, name or leg),
            product=product,
            client=self.client,
            account=account,
            symbol=symbol,
            leg=leg,
            side=Side.BUY if direction > 0 else Side.SELL,
            position_side=self._position_side(exposure),
            leader_side=self.leader_side,
            reduce_only=leg is LegKind.CLOSE,
            quantity=abs(quantity),
            size=size,
            reference_price=reference_price,
            settle=self.instrument.settle if self.instrument else "",
            coin=self.instrument.base if self.instrument and self.is_spot else "",
            state=state,
            **more,
        )
