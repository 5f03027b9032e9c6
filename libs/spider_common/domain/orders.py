"""Orders as facts, and the one table of what may follow what."""

from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from spider_common.domain import identifiers
from spider_common.domain.identifiers import AccountId, ClientOrderId, EventId, Venue, VenueOrderId
from spider_common.domain.quantities import check_amounts, check_finite


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class PositionSide(StrEnum):
    """Which position an order works on: the one of a net-mode account, or one of a hedge-mode pair."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    POST_ONLY = "post_only"
    IOC = "ioc"
    FOK = "fok"


class OrderStatus(StrEnum):
    """What a venue says an order is.

    TRIGGERED is the end of a conditional order whose price has come: what it has set off is an order of its
    own, which names it as its `parent`, and the fills are that one's.
    """

    LIVE = "live"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    TRIGGERED = "triggered"

    @property
    def rank(self) -> int:
        """Orders the stages of a life: a fact with a lower rank at the same fill is older."""
        return _RANK[self]

    @property
    def is_final(self) -> bool:
        return self in {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.TRIGGERED}


_RANK: Final = {
    OrderStatus.LIVE: 0,
    OrderStatus.PARTIALLY_FILLED: 1,
    OrderStatus.CANCELED: 2,
    OrderStatus.FILLED: 2,
    OrderStatus.TRIGGERED: 2,
}


class TriggerKind(StrEnum):
    """What a conditional order is for; a stop loss and a take profit reduce what is held."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    ENTRY = "entry"


class Trigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The order waits at the venue until the last price reaches `price`.

    `paired`: it is one of two, of which one price sets off one; what that becomes does not say which it was.
    """

    kind: TriggerKind
    price: Decimal
    paired: bool = False

    def __post_init__(self) -> None:
        check_amounts(price=self.price)


class OrderFact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an order *is* at one moment, as its venue told. Not what changed.

    Attributes:
        quantity: ordered, in base quantity; 0 of a conditional order that closes whatever is held then.
        cum_filled: filled so far, in base quantity.
        price: limit price; None for market orders.
        average_price: of what was filled; None before the first fill.
        ts_venue: the venue's update time of the order, Unix ns.
        ts_seen: when we read the frame or the answer, Unix ns.
        trigger: of a conditional order, what it waits for or has waited for.
        parent: of the order that a conditional order has become, that one's id, where the venue tells it.
    """

    venue: Venue
    account: AccountId
    symbol: str
    venue_order_id: VenueOrderId
    client_order_id: ClientOrderId | None
    side: Side
    position_side: PositionSide
    reduce_only: bool
    order_type: OrderType
    status: OrderStatus
    quantity: Decimal
    cum_filled: Decimal
    price: Decimal | None
    average_price: Decimal | None
    ts_venue: int
    ts_seen: int
    trigger: Trigger | None = None
    parent: VenueOrderId | None = None

    def __post_init__(self) -> None:
        check_amounts(quantity=self.quantity, cum_filled=self.cum_filled)
        check_finite(price=self.price, average_price=self.average_price)

    @property
    def origin(self) -> VenueOrderId:
        """The order, or the conditional one that it has come from: what a copy of either is a copy of."""
        return self.parent or self.venue_order_id

    @property
    def waits(self) -> bool:
        """Whether it is a conditional order whose price has not come yet."""
        return self.trigger is not None and self.status is OrderStatus.LIVE

    @property
    def event_id(self) -> EventId:
        return identifiers.event_id(
            venue=self.venue,
            account=self.account,
            venue_order_id=self.venue_order_id,
            status=self.status,
            cum_filled=self.cum_filled,
            price=self.price,
            quantity=self.quantity,
            ts_venue=self.ts_venue,
            trigger_price=None if self.trigger is None else self.trigger.price,
        )

    @property
    def age_key(self) -> tuple[Decimal, int, int]:
        """Facts of one order, compared by this key, stand in the order in which they became true."""
        return self.cum_filled, self.status.rank, self.ts_venue


class CopyState(StrEnum):
    """Where a follower order stands.

    DENIED is our refusal, REJECTED the venue's proven one, SKIPPED means there was nothing to do.
    IN_DOUBT is an unknown outcome, which is never a failure. HELD waits behind a doubt.
    """

    PLANNED = "planned"
    HELD = "held"
    IN_DOUBT = "in_doubt"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    DENIED = "denied"
    SKIPPED = "skipped"

    @property
    def is_submitted(self) -> bool:
        """The submission has a terminal outcome: nothing more is to be sent for this order."""
        return self not in {CopyState.PLANNED, CopyState.HELD, CopyState.IN_DOUBT}

    @property
    def is_final(self) -> bool:
        """Nothing can follow."""
        return not TRANSITIONS[self]


_FILLS: Final = frozenset({CopyState.PARTIALLY_FILLED, CopyState.FILLED, CopyState.CANCELED})

# A fill or a cancellation proves that the order had been accepted, even before the answer to the
# request arrives: hence the steps from PLANNED and IN_DOUBT straight to what executions tell.
TRANSITIONS: Final[dict[CopyState, frozenset[CopyState]]] = {
    CopyState.PLANNED: frozenset(
        {CopyState.ACCEPTED, CopyState.REJECTED, CopyState.IN_DOUBT, CopyState.HELD, CopyState.DENIED}
    )
    | _FILLS,
    CopyState.HELD: frozenset({CopyState.PLANNED, CopyState.DENIED}),
    # not DENIED: an order that may be there cannot be called off; proved absent it is PLANNED again
    CopyState.IN_DOUBT: frozenset({CopyState.ACCEPTED, CopyState.REJECTED, CopyState.PLANNED}) | _FILLS,
    CopyState.ACCEPTED: _FILLS,
    CopyState.PARTIALLY_FILLED: _FILLS,
    CopyState.FILLED: frozenset(),
    CopyState.CANCELED: frozenset(),
    CopyState.REJECTED: frozenset(),
    CopyState.DENIED: frozenset(),
    CopyState.SKIPPED: frozenset(),
}


class ForbiddenTransition(ValueError):
    """A follower order was asked to become what it cannot become: a bug, never a venue's doing."""


def step(before: CopyState, after: CopyState) -> CopyState:
    """`after`, if the table allows it from `before`.

    Raises:
        ForbiddenTransition: it does not.
    """
    if after not in TRANSITIONS[before]:
        allowed = ", ".join(sorted(TRANSITIONS[before])) or "nothing"
        raise ForbiddenTransition(f"{before} cannot become {after}; allowed: {allowed}")
    return after
