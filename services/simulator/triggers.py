"""The price that a conditional order waits for. Pure.

Each dialect keeps its conditional orders as its listings state them, and looks at their triggers in
`Venue.on_change`, which comes after each change and so after each step of a price path.
"""

from decimal import Decimal
from typing import Literal, Protocol

import msgspec

from services.simulator.accounts import Account
from services.simulator.ledger import Side
from services.simulator.rules import NewOrder

TriggerKind = Literal["entry", "stop_loss", "take_profit"]


class Trigger(msgspec.Struct, frozen=True):
    """Reached at or above `price` where it is `rising`, otherwise at or below."""

    price: Decimal
    rising: bool

    @classmethod
    def of(cls, kind: TriggerKind, price: Decimal, side: Side, market: Decimal) -> "Trigger":
        """A stop loss waits on the side of the market where it hurts, a take profit on the other; an entry
        on whichever its price is."""
        if kind == "entry":
            return cls(price, price > market)
        return cls(price, (kind == "stop_loss") == (side == "buy"))

    def reached(self, market: Decimal) -> bool:
        return market >= self.price if self.rising else market <= self.price


class Conditionals(Protocol):
    """What a dialect keeps, as far as an account's owner handles it by hand.

    Each raises RefusedError: the venue would not take the order, or has none of that id that waits.
    """

    def wait(self, account: Account, new: NewOrder, kind: TriggerKind, price: Decimal, now: int) -> str:
        """Keeps an order until its price comes. Its id."""
        ...

    def move(self, account: Account, order_id: str, price: Decimal, now: int) -> None:
        """Lets it wait for another price."""
        ...

    def call_off(self, account: Account, order_id: str, now: int) -> None:
        """Takes it back."""
        ...
