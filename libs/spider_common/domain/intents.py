"""What is asked of followers' venues, as the journal keeps it, and the events that call for it."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec

from spider_common.domain.identifiers import (
    ClientId,
    ClientOrderId,
    EventId,
    ProductId,
    VenueOrderId,
    digest,
)
from spider_common.domain.orders import CopyState, OrderFact, OrderType, PositionSide, Side, Trigger
from spider_common.domain.positions import LegKind
from spider_common.domain.products import Account, MarginMode
from spider_common.domain.quantities import ZERO
from spider_common.domain.requests import Amendment, OrderRef, OrderRequest


class Action(StrEnum):
    """What an intent asks a venue for."""

    PLACE = "place"
    AMEND = "amend"
    CANCEL = "cancel"


class Doubt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order whose outcome is unknown.

    Attributes:
        expires: the venue accepts none of its requests after this time (Unix ns, the venue's clock).
        misses: how often the venue has answered "not found" in a way that counts (see `journal.miss`).
        since: when the doubt arose, Unix ns.
    """

    expires: int
    why: str
    since: int
    misses: int = 0


class Intent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request that a plan makes of a follower's venue, and what has become of its submission.

    Attributes:
        client_order_id: names the intent, and at the venue the order that it places or, where the venue
            replaces what it amends, the replacement.
        side, position_side, reduce_only: as the follower's venue needs them.
        leader_side: the leader's position this order copies a change of; names the book's part.
        quantity: base quantity, positive, a multiple of the lot. Zero when skipped or a cancel. Of an
            amendment: the whole order's afterwards.
        size: the same in venue size.
        counted: the part's `planned` counts its quantity from the moment it is planned. Not that of a
            mirrored order, which counts as the leader's is filled, nor of a correction.
        price: of a limit order; of a market order None.
        reference_price: the leader's price; None when its venue did not say.
        settle: the currency that the instrument's profit and loss is in.
        coin: of spot, the coin that is bought and sold: a fee taken in it makes less of what is held. Empty
            of swaps.
        acts_on: the order that an amendment or a cancel is about, or that a new one is in the place of.
        mirrors: the leader order whose resting copy it is about; None for a copy of fills.
        reason: why it was skipped, denied or rejected; empty otherwise.
        waited: it has been in doubt or held, so the book's queue knows it.
        ts_sent, ts_answered: of the last request, Unix ns; 0 before it.
    """

    client_order_id: ClientOrderId
    product: ProductId
    client: ClientId
    account: Account
    symbol: str
    leg: LegKind
    side: Side
    position_side: PositionSide
    leader_side: PositionSide
    reduce_only: bool
    quantity: Decimal
    size: Decimal
    reference_price: Decimal | None
    state: CopyState
    action: Action = Action.PLACE
    settle: str = ""
    coin: str = ""
    order_type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    trigger: Trigger | None = None
    margin_mode: MarginMode = MarginMode.CROSS
    leverage: int | None = None
    counted: bool = True
    acts_on: ClientOrderId | None = None
    mirrors: VenueOrderId | None = None
    reason: str = ""
    venue_order_id: VenueOrderId | None = None
    doubt: Doubt | None = None
    waited: bool = False
    requests: int = 0
    ts_sent: int = 0
    ts_answered: int = 0

    @property
    def signed(self) -> Decimal:
        return self.side.sign * self.quantity

    @property
    def counts(self) -> Decimal:
        """What of it the part's `planned` counts from the moment it is planned, signed."""
        return self.signed if self.counted else ZERO

    @property
    def request(self) -> OrderRequest:
        """What its venue is asked for, of an intent that places an order."""
        return OrderRequest(
            client_order_id=self.client_order_id,
            account=self.account,
            symbol=self.symbol,
            side=self.side,
            position_side=self.position_side,
            reduce_only=self.reduce_only,
            order_type=self.order_type,
            size=self.size,
            price=self.price,
            reference_price=self.reference_price,
            margin_mode=self.margin_mode,
            trigger=self.trigger,
        )

    @property
    def amendment(self) -> Amendment:
        """What its venue is asked for, of an intent that amends one."""
        return Amendment(
            ref=self.ref,
            side=self.side,
            position_side=self.position_side,
            reduce_only=self.reduce_only,
            size=self.size,
            price=self.price,
            replacement=self.client_order_id,
        )

    @property
    def ref(self) -> OrderRef:
        """The name at its venue of the order that it places or acts on."""
        return OrderRef(
            account=self.account,
            symbol=self.symbol,
            client_order_id=self.client_order_id
            if self.acts_on is None or self.action is Action.PLACE
            else self.acts_on,
            venue_order_id=self.venue_order_id,
        )


class LeaderEvent(
    msgspec.Struct, frozen=True, kw_only=True, tag="leader", tag_field="event", forbid_unknown_fields=True
):
    """A leader order fact on its way to one shard of one product.

    `baseline`: the order was there before the product began to copy; remember it and plan nothing.
    """

    product: ProductId
    shard: int
    shards: int
    fact: OrderFact
    baseline: bool = False
    ts_published: int = 0

    @property
    def event_id(self) -> EventId:
        return self.fact.event_id

    @property
    def symbol(self) -> str:
        """The leader's instrument; names the book."""
        return self.fact.symbol

    @property
    def ts_signal(self) -> int:
        """When the leader's venue had it, Unix ns: what freshness is judged by."""
        return self.fact.ts_venue

    @property
    def ts_seen(self) -> int:
        return self.fact.ts_seen

    @property
    def leader_order(self) -> VenueOrderId | None:
        """Names the cursor. What a conditional order has become goes on where that one ended."""
        return self.fact.origin

    @property
    def cause(self) -> str:
        """What the leader did, in words."""
        return f"{self.fact.side} {self.fact.status}, {self.fact.cum_filled} filled"


class DeskAction(StrEnum):
    """What the desk itself wants of one client's part of one instrument.

    ALIGN: the target becomes what the rule gives for the leader's position as it is, and is ordered.
    CATCH_UP: what the target calls for and is not planned is ordered, such as a close that was denied.
    CLOSE: nothing held, and resting orders cancelled. CORRECT: an order of `quantity` against drift; the
    part stays as it is.
    """

    ALIGN = "align"
    CATCH_UP = "catch_up"
    CLOSE = "close"
    CORRECT = "correct"


class DeskEvent(
    msgspec.Struct, frozen=True, kw_only=True, tag="desk", tag_field="event", forbid_unknown_fields=True
):
    """Something to be done for one client that no leader order calls for: joining, leaving, drift, flatten.

    It goes the way of a leader's event, in its shard's order.

    Attributes:
        symbol: the leader's instrument; names the book.
        leader_side: the leader's position that the client's part copies.
        quantity: of a correction, base quantity, signed. reduces: it takes away what the account holds.
        reference: what the instrument trades at, where the rule needs it.
        cancels: the client's orders in the instrument to be taken back first.
        cause: what asked for it, in words: ``joined``, ``drift``, ``flatten by ana``.
        ts_asked: when, Unix ns; with the rest it makes the id.
    """

    product: ProductId
    shard: int
    shards: int
    client: ClientId
    symbol: str
    leader_side: PositionSide
    action: DeskAction
    cause: str
    ts_asked: int
    quantity: Decimal = ZERO
    reduces: bool = False
    reference: Decimal | None = None
    cancels: tuple[ClientOrderId, ...] = ()
    ts_published: int = 0

    @property
    def event_id(self) -> EventId:
        return EventId(
            digest(
                "desk",
                self.product,
                self.client,
                self.symbol,
                self.leader_side,
                self.action,
                str(self.quantity),
                str(self.ts_asked),
            )
        )

    @property
    def ts_signal(self) -> int:
        """When it was sent: what calls for it may be older, and holds still."""
        return max(self.ts_asked, self.ts_published)

    @property
    def ts_seen(self) -> int:
        return self.ts_asked

    @property
    def leader_order(self) -> VenueOrderId | None:
        return None


Event = LeaderEvent | DeskEvent


class Mirror(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A follower's resting copy of one leg of one leader order.

    Attributes:
        orders: the follower orders that have been it, newest last, and what each came to, signed base
            quantity: None while it may still be filled. More than one where a venue replaces on amending.
            None at all: the copy was skipped or denied.
        quantity: base quantity of the newest, signed; zero while the order would be below the minimum.
        per, of: the follower's signed base quantity for one of the leader's is per / of, kept apart so
            that an amendment there and back is exact.
        counted: signed base quantity that the part's `planned` counts for it so far.
        settled: it counts what its orders came to, for good.
    """

    orders: Mapping[ClientOrderId, Decimal | None] = {}
    quantity: Decimal = ZERO
    per: Decimal = ZERO
    of: Decimal = Decimal(1)
    counted: Decimal = ZERO
    settled: bool = False


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What can be amended of a leader order: quantity (base), limit price, trigger price."""

    quantity: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None


class Cursor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What has been planned of one leader order in one shard: its fill up to here.

    Attributes:
        rank, ts_venue: of the newest fact that was planned; with `cum_filled` they say which fact is older.
        done: the leader's order is final.
        terms: of the order as it was mirrored last. position: the leader's when the order came.
        mirrors: by `mirror_key` of client and leg, the resting copies of it.
    """

    cum_filled: Decimal
    ts_venue: int
    rank: int = 0
    done: bool = False
    terms: Terms | None = None
    position: Decimal = ZERO
    mirrors: Mapping[str, Mirror] = {}

    @property
    def age_key(self) -> tuple[Decimal, int, int]:
        """Compares with `OrderFact.age_key`."""
        return self.cum_filled, self.rank, self.ts_venue


def mirror_key(client: ClientId, leg: LegKind) -> str:
    return f"{leg}/{client}"
