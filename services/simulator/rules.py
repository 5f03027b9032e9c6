"""What an order must be before a venue looks at money. Pure."""

from decimal import Decimal
from typing import Literal

import msgspec

from services.simulator.accounts import Account
from services.simulator.instruments import Instrument
from services.simulator.ledger import Category, Kind, Leg, Side

Refusal = Literal[
    "instrument",
    "parameter",
    "position_side",
    "below_minimum",
    "above_maximum",
    "not_a_lot",
    "duplicate_client_order_id",
    "insufficient_margin",
    "nothing_to_reduce",
    "close_too_large",
    "not_found",
    "has_orders_or_positions",
]


class RefusedError(Exception):
    """The venue says no. `parameter` names the field at fault, where there is one."""

    def __init__(self, refusal: Refusal, parameter: str = "") -> None:
        super().__init__(f"{refusal} {parameter}".strip())
        self.refusal: Refusal = refusal
        self.parameter = parameter


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order as asked for. `price` is None for a market order only; `parent` is the conditional order that
    asks, and its client order id stands beside it."""

    symbol: str
    side: Side
    kind: Kind
    size: Decimal
    price: Decimal | None = None
    leg: Leg = "net"
    reduce_only: bool = False
    client_order_id: str = ""
    tag: str = ""
    margin_mode: str = "cross"
    category: Category = "normal"
    parent: str = ""
    parent_client_order_id: str = ""

    @property
    def signed(self) -> Decimal:
        return self.size if self.side == "buy" else -self.size

    @property
    def closes_only(self) -> bool:
        """In long/short mode the side that closes a leg cannot open anything."""
        return self.reduce_only or (self.leg, self.side) in (("long", "sell"), ("short", "buy"))


def check_order(account: Account, new: NewOrder, instrument: Instrument) -> None:
    """Raises RefusedError: the venue does not take such an order from this account now."""
    if (new.kind == "market") != (new.price is None):
        raise RefusedError("parameter", "px")
    check_numbers(instrument, new.size, new.price)
    if instrument.kind == "spot":
        if new.leg != "net" or new.reduce_only:
            raise RefusedError("parameter", "reduceOnly" if new.reduce_only else "posSide")
        return
    if (new.leg == "net") != (account.position_mode == "net"):
        raise RefusedError("position_side", "posSide")
    if new.closes_only:
        held = account.position(new.symbol, new.leg)
        if not held.reduction(new.signed):
            raise RefusedError("nothing_to_reduce")
        if new.leg != "net" and new.size > abs(held.size):
            raise RefusedError("close_too_large", "sz")


def check_numbers(instrument: Instrument, size: Decimal, price: Decimal | None) -> None:
    """Raises RefusedError: a size or price that the instrument cannot have."""
    if size <= 0:
        raise RefusedError("parameter", "sz")
    if size < instrument.minimum:
        raise RefusedError("below_minimum", "sz")
    if size % instrument.lot:
        raise RefusedError("not_a_lot", "sz")
    if size > instrument.maximum:
        raise RefusedError("above_maximum", "sz")
    if price is not None and (price <= 0 or price % instrument.tick):
        raise RefusedError("parameter", "px")
