"""What an account holds, as its venue told: the newest word about each position, from sweeps and pushes."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from spider_common.domain.instruments import Instrument, InstrumentKind
from spider_common.domain.orders import PositionSide
from spider_common.domain.quantities import ZERO
from spider_common.domain.requests import PositionFact


class Held(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One position: signed base quantity, as it was at `ts` (Unix ns) or later."""

    ts: int
    quantity: Decimal
    entry_price: Decimal | None = None

    @property
    def age_key(self) -> tuple[int, Decimal]:
        """Of two words, that with the greater key counts."""
        return self.ts, self.quantity


class AccountPositions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is known of an account's positions.

    Attributes:
        positions: by symbol and position side.
        whole: by kind of instrument, when a sweep last named all that is held of it, Unix ns. What has no
            newer word is flat. Of a kind that is missing here nothing is known but what was told.
    """

    positions: Mapping[str, Mapping[PositionSide, Held]] = {}
    whole: Mapping[InstrumentKind, int] = {}

    def observe(
        self, facts: Iterable[PositionFact], *, whole: Iterable[InstrumentKind] = (), asked: int = 0
    ) -> "AccountPositions":
        """Takes in a push, or the answer of a sweep that began at `asked`. An older word changes nothing.

        A sweep's facts hold as of its beginning, however long ago the position last changed.
        """
        positions = {symbol: dict(sides) for symbol, sides in self.positions.items()}
        for fact in facts:
            told = Held(ts=max(fact.ts_venue, asked), quantity=fact.quantity, entry_price=fact.entry_price)
            sides = positions.setdefault(fact.symbol, {})
            known = sides.get(fact.position_side, told)
            sides[fact.position_side] = max(told, known, key=lambda each: each.age_key)
        since = {**self.whole, **{kind: max(asked, self.whole.get(kind, 0)) for kind in whole}}
        flat_before = min(since.values(), default=0)  # a zero from before says no more than silence
        kept = {
            symbol: {side: held for side, held in sides.items() if held.quantity or held.ts >= flat_before}
            for symbol, sides in positions.items()
        }
        return AccountPositions(
            positions={symbol: sides for symbol, sides in kept.items() if sides}, whole=since
        )

    def held(self, instrument: Instrument, side: PositionSide) -> Held | None:
        """What is held on that side; None: the venue has not told."""
        told = self.positions.get(instrument.symbol, {}).get(side)
        flat = self.whole.get(instrument.kind)
        if flat is not None and (told is None or told.ts < flat):
            return Held(ts=flat, quantity=ZERO)
        return told

    @property
    def swept(self) -> int | None:
        """Since when nothing of it is older, Unix ns; None: no sweep has told yet."""
        return min(self.whole.values(), default=None)
