"""The venue's append-only record: the truth that a checker reads. Pure.

Every entry holds the order as it stood after the event, so that pushes and judgements need nothing else.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import msgspec

Side = Literal["buy", "sell"]
Leg = Literal["net", "long", "short"]
Kind = Literal["market", "limit", "post_only", "ioc", "fok"]
Status = Literal["live", "partially_filled", "filled", "canceled"]
PositionMode = Literal["net", "long_short"]
Reason = Literal["", "user", "post_only", "fok", "ioc", "reduce_only", "liquidation"]
Category = Literal["normal", "full_liquidation", "partial_liquidation", "adl"]


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One fill. `fee` is negative when charged; `pnl` is what it realised."""

    trade_id: str
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_currency: str
    pnl: Decimal
    maker: bool
    ts: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the venue holds it. Sizes in the instrument's unit, times in Unix ns."""

    order_id: str
    client_order_id: str
    account: str
    symbol: str
    side: Side
    leg: Leg
    kind: Kind
    size: Decimal
    price: Decimal | None
    reduce_only: bool
    ts_created: int
    ts_updated: int
    status: Status = "live"
    filled: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)  # sum of price x size over its executions: the average price is paid / filled
    fee: Decimal = Decimal(0)  # negative when charged
    pnl: Decimal = Decimal(0)
    canceled_for: Reason = ""
    category: Category = "normal"
    tag: str = ""
    margin_mode: str = "cross"
    parent: str = ""  # the conditional order that set it off, and its client order id
    parent_client_order_id: str = ""
    last: Execution | None = None  # its latest fill

    @property
    def open(self) -> bool:
        return self.status in ("live", "partially_filled")

    @property
    def remaining(self) -> Decimal:
        return self.size - self.filled

    @property
    def sign(self) -> int:
        return 1 if self.side == "buy" else -1


class Placed(msgspec.Struct, frozen=True, kw_only=True, tag="placed"):
    """The venue accepted an order."""

    seq: int
    ts: int
    order: Order


class Executed(msgspec.Struct, frozen=True, kw_only=True, tag="executed"):
    """An order was filled, in part or whole, by `order.last`."""

    seq: int
    ts: int
    order: Order

    @property
    def execution(self) -> Execution:
        assert self.order.last is not None
        return self.order.last


class Amended(msgspec.Struct, frozen=True, kw_only=True, tag="amended"):
    """An order's size or price was changed."""

    seq: int
    ts: int
    order: Order
    request_id: str


class Canceled(msgspec.Struct, frozen=True, kw_only=True, tag="canceled"):
    """What was left of an order was taken back; `order.canceled_for` says why."""

    seq: int
    ts: int
    order: Order


class Rejected(msgspec.Struct, frozen=True, kw_only=True, tag="rejected"):
    """The venue refused an order, an amendment or a cancellation."""

    seq: int
    ts: int
    account: str
    symbol: str
    client_order_id: str
    reason: str


Entry = Placed | Executed | Amended | Canceled | Rejected


class Ledger:
    """Entries in the order in which the venue made them; `seq` counts from 0."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    @property
    def next_seq(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> Sequence[Entry]:
        return tuple(self._entries)

    def append(self, entry: Entry) -> None:
        if entry.seq != len(self._entries):
            raise ValueError(f"entry {entry.seq} is out of turn: the ledger's next is {len(self._entries)}")
        self._entries.append(entry)

    def since(self, seq: int) -> Sequence[Entry]:
        """The entries from `seq` on."""
        return tuple(self._entries[seq:])


def to_json(entries: Sequence[Entry]) -> bytes:
    """Entries as a JSON array; decimals are strings."""
    return msgspec.json.encode(entries)


def from_json(raw: bytes) -> tuple[Entry, ...]:
    """The entries of `to_json`.

    Raises:
        msgspec.ValidationError: a field is missing or of the wrong type; the message holds its path.
    """
    return msgspec.json.decode(raw, type=tuple[Entry, ...])
