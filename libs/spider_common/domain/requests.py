"""What may be asked of a venue about an order, in one form for all of them."""

from decimal import Decimal

import msgspec

from spider_common.domain.identifiers import ClientOrderId, Venue, VenueOrderId
from spider_common.domain.orders import OrderType, PositionSide, Side, Trigger
from spider_common.domain.products import Account, MarginMode


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to be placed.

    Spot has one position side, NET, and nothing that only reduces: what is said there of reducing is for
    our own queue, and is not sent.

    Attributes:
        size: in the venue's unit (contracts on OKX swaps, base coin elsewhere), a multiple of the lot.
        price: of limit, post-only, ioc and fok orders; None for market orders.
        reference_price: what the leader paid, where it is known: bounds spot market buys at venues that
            would size them in quote currency.
        trigger: None for an order that works at once.
    """

    client_order_id: ClientOrderId
    account: Account
    symbol: str
    side: Side
    position_side: PositionSide
    reduce_only: bool
    order_type: OrderType
    size: Decimal
    price: Decimal | None = None
    reference_price: Decimal | None = None
    margin_mode: MarginMode = MarginMode.CROSS
    trigger: Trigger | None = None

    @property
    def closes(self) -> bool:
        """Whether a hedged order trades against its position; the direction says so there."""
        return (self.position_side, self.side) in (
            (PositionSide.LONG, Side.SELL),
            (PositionSide.SHORT, Side.BUY),
        )

    @property
    def reduces(self) -> bool:
        """Whether it can open nothing."""
        return self.reduce_only or self.closes


class OrderRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order of ours at its venue: by its client order id, and by the venue's own where that is known."""

    account: Account
    symbol: str
    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId | None = None


class Amendment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change of an open order: what it is to be afterwards.

    Attributes:
        side, position_side, reduce_only: as they are; venues that replace the order want them again.
        size: in the venue's unit; price: None for an order without one.
        replacement: the client order id of the order that takes its place, where the venue makes a new one.
    """

    ref: OrderRef
    side: Side
    position_side: PositionSide
    reduce_only: bool
    size: Decimal
    price: Decimal | None
    replacement: ClientOrderId


class PositionFact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account holds of an instrument, as its venue tells: signed base quantity.

    A sweep tells every position that is not flat, so what it leaves out is flat. A coin of a spot account is
    held as its pair with USDT.

    Attributes:
        leverage, margin_mode, mark_price: None where the row does not tell them, as pushes may not.
    """

    venue: Venue
    account: str
    symbol: str
    position_side: PositionSide
    quantity: Decimal
    entry_price: Decimal | None
    ts_venue: int
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    mark_price: Decimal | None = None


class KeyPermissions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an API key may do, and from where. `addresses` is empty where the key has no list."""

    read: bool
    trade: bool
    withdraw: bool
    addresses: tuple[str, ...] = ()
