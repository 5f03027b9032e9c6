"""What can be traded, and how a venue counts it."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from spider_common.domain.identifiers import Venue
from spider_common.domain.quantities import toward_zero

SPOT_MARK: Final = "@spot"
"""After the venue's own name in the symbol of a spot instrument, where a swap has the same name."""


def venue_symbol(symbol: str) -> str:
    """The venue's own name for an instrument."""
    return symbol.removesuffix(SPOT_MARK)


class InstrumentKind(StrEnum):
    SPOT = "spot"
    SWAP = "swap"


class Instrument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One instrument of one venue.

    Sizes come in two units. *Base quantity* is what the desk thinks in: 0.5 BTC. *Venue size* is what
    the venue's API takes: contracts on OKX swaps, base coin elsewhere. `contract_size` is the base
    quantity of one unit of venue size (OKX: ctVal x ctMult; 1 where a venue counts in base coin).

    Attributes:
        symbol: the venue's own name, e.g. ``BTC-USDT-SWAP``; spot may have SPOT_MARK after it.
        lot: smallest step of venue size.
        minimum: smallest venue size of an order.
        tick: smallest price step, in quote currency.
        minimum_notional: smallest value of an order that opens, in quote currency; 0 where none is listed.
    """

    venue: Venue
    symbol: str
    kind: InstrumentKind
    base: str
    quote: str
    settle: str
    contract_size: Decimal
    lot: Decimal
    minimum: Decimal
    tick: Decimal
    minimum_notional: Decimal = Decimal(0)

    @property
    def lot_base(self) -> Decimal:
        """Smallest step in base quantity."""
        return self.lot * self.contract_size

    @property
    def minimum_base(self) -> Decimal:
        """Smallest order in base quantity."""
        return self.minimum * self.contract_size

    def least_opening(self, price: Decimal | None) -> Decimal:
        """Smallest order that opens at a price, base quantity in lots. None: its value is not looked at."""
        if not price or not self.minimum_notional:
            return self.minimum_base
        lots, rest = divmod(self.minimum_notional, price * self.lot_base)
        return max(self.minimum_base, (lots + 1 if rest else lots) * self.lot_base)

    def takes(self, size: Decimal, *prices: Decimal | None) -> bool:
        """Whether an order may have such a venue size and such prices; None is no price."""
        if size < self.minimum or size % self.lot:
            return False
        return not any(price <= 0 or price % self.tick for price in prices if price is not None)

    def to_base(self, size: Decimal) -> Decimal:
        """Venue size -> base quantity, exactly."""
        return size * self.contract_size

    def to_size(self, quantity: Decimal) -> Decimal:
        """Base quantity -> venue size, truncated to the lot."""
        return toward_zero(quantity, self.lot_base) / self.contract_size


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an instrument is worth by its venue, in quote currency: a swap's mark price, a pair's last price.

    `ts_venue`: as of when, Unix ns.
    """

    symbol: str
    price: Decimal
    ts_venue: int


class InstrumentList:
    """The instruments that are known, found by venue and symbol or by what they are."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_symbol = {(each.venue, each.symbol): each for each in instruments}
        self._by_nature = {(each.venue, *_nature(each)): each for each in self._by_symbol.values()}

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_symbol.values())

    def get(self, venue: Venue, symbol: str) -> Instrument | None:
        return self._by_symbol.get((venue, symbol))

    def counterpart(self, instrument: Instrument, venue: Venue) -> Instrument | None:
        """The instrument of `venue` with the same base, quote, settlement currency and kind."""
        return self._by_nature.get((venue, *_nature(instrument)))


def _nature(instrument: Instrument) -> tuple[str, str, str, str]:
    return instrument.kind, instrument.base, instrument.quote, instrument.settle
