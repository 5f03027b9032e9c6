"""The price that a conditional order waits for. Pure.

Each dialect keeps its conditional orders as its listings state them, and looks at their triggers in
`Venue.on_change`, which comes after each change and so after each step of a price path.
"""

from decimal import Decimal

import msgspec


class Trigger(msgspec.Struct, frozen=True):
    """Reached at or above `price` where it is `rising`, otherwise at or below."""

    price: Decimal
    rising: bool

    @classmethod
    def ahead(cls, price: Decimal, market: Decimal) -> "Trigger":
        """For an order that waits on whichever side of the market its price is."""
        return cls(price, price > market)

    def reached(self, market: Decimal) -> bool:
        return market >= self.price if self.rising else market <= self.price
