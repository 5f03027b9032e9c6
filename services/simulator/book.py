"""The other side of every order: a price and how much waits at it. Pure."""

import dataclasses
from collections.abc import Iterator
from decimal import Decimal

from services.simulator.instruments import Instrument
from services.simulator.ledger import Order


@dataclasses.dataclass(slots=True)
class Market:
    """Where an instrument trades now.

    `depth` bounds what waits at the last price (None: no bound). Each further tick away holds twice as
    much, so that any market order ends after a few fills. The book refills after every order.
    """

    instrument: Instrument
    price: Decimal
    depth: Decimal | None = None

    def crosses(self, order: Order) -> bool:
        """Whether an order would take liquidity now."""
        return order.price is None or (self.price - order.price) * order.sign <= 0

    def taking(self, order: Order) -> Iterator[tuple[Decimal, Decimal]]:
        """The (price, size) fills an arriving order takes, in turn, up to its limit price."""
        remaining, price, available = order.remaining, self.price, self.depth
        while remaining > 0 and (order.price is None or (price - order.price) * order.sign <= 0):
            last = price - self.instrument.tick <= 0  # no tick below: everything left trades here
            size = remaining if available is None or last else min(remaining, available)
            yield price, size
            remaining -= size
            price += self.instrument.tick * order.sign
            available = available * 2 if available is not None else None

    def making(self, order: Order) -> Decimal:
        """How much of a resting order the market takes when it arrives at this price."""
        if not self.crosses(order):
            return Decimal(0)
        return order.remaining if self.depth is None else min(order.remaining, self.depth)
