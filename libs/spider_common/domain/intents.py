"""Follower orders as the journal keeps them."""

from decimal import Decimal

import msgspec

from spider_common.domain.identifiers import ClientId, ClientOrderId, ProductId, VenueOrderId
from spider_common.domain.orders import CopyState, OrderFact, OrderType, PositionSide, Side
from spider_common.domain.positions import LegKind
from spider_common.domain.products import Account
from spider_common.domain.requests import OrderRef, OrderRequest


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


class Intent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One follower order that a plan wants, and what has become of its submission.

    Attributes:
        side, position_side, reduce_only: as the follower's venue needs them.
        leader_side: the leader's position this order copies a change of; names the book's part.
        quantity: base quantity, positive, a multiple of the lot. Zero when skipped.
        size: the same in venue size.
        reference_price: the leader's average fill price; None when its venue did not say.
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
    def request(self) -> OrderRequest:
        """What its venue is asked for."""
        return OrderRequest(
            client_order_id=self.client_order_id,
            account=self.account,
            symbol=self.symbol,
            side=self.side,
            position_side=self.position_side,
            reduce_only=self.reduce_only,
            order_type=OrderType.MARKET,
            size=self.size,
            reference_price=self.reference_price,
        )

    @property
    def ref(self) -> OrderRef:
        """Its name at its venue."""
        return OrderRef(
            account=self.account,
            symbol=self.symbol,
            client_order_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
        )


class LeaderEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A leader order fact on its way to one shard of one product.

    `baseline`: the order was there before the product began to copy; remember it and plan nothing.
    """

    product: ProductId
    shard: int
    shards: int
    fact: OrderFact
    baseline: bool = False
    ts_published: int = 0


class Cursor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has been planned of one leader order in one shard: its fill up to here."""

    cum_filled: Decimal
    ts_venue: int
