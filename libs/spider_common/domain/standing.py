"""How a follower's account stands: what the limits of risk are checked against. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from spider_common.domain.held import AccountPositions
from spider_common.domain.identifiers import Venue
from spider_common.domain.instruments import InstrumentKind, InstrumentList, Mark
from spider_common.domain.products import Equity
from spider_common.domain.quantities import ZERO

DAY: Final = 86_400 * 1_000_000_000


class Worth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an account's equity has been: all that its limits remember of it.

    It is the same whatever the order in which facts come, and however often. Deposits and withdrawals are
    not told apart from gains and losses: after one, somebody lets it begin `anew`.

    Attributes:
        latest: the newest fact.
        opening: the last fact from before midnight (UTC) of the newest one's day; without one, the first of
            that day.
        peak: the highest equity of all facts.
        since: facts from before this time (Unix ns) do not count.
    """

    latest: Equity
    opening: Equity
    peak: Decimal
    since: int = 0

    @classmethod
    def of(cls, fact: Equity) -> "Worth":
        """From a first fact."""
        return cls(latest=fact, opening=fact, peak=fact.equity)

    def observe(self, fact: Equity) -> "Worth":
        """Takes in a fact.

        One in another currency cannot be compared: a newer one begins anew, an older one is dropped.
        """
        if fact.ts_venue < self.since:
            return self
        if fact.currency != self.latest.currency:
            return Worth.of(fact) if fact.ts_venue > self.latest.ts_venue else self
        latest, opening = self.latest, self.opening
        midnight = _midnight(max(latest.ts_venue, fact.ts_venue))
        known = sorted((opening, latest, fact), key=lambda each: (each.ts_venue, each.equity))
        before = [each for each in known if each.ts_venue < midnight]
        return Worth(
            latest=known[-1],
            opening=before[-1] if before else known[0],
            peak=max(self.peak, fact.equity),
            since=self.since,
        )

    def anew(self) -> "Worth":
        """As if the newest fact were the first."""
        return msgspec.structs.replace(Worth.of(self.latest), since=self.latest.ts_venue)

    def lost(self, now: int) -> Decimal:
        """How much less than at the last midnight (UTC) it is worth; negative: more. `now`: Unix ns."""
        newest_day = _midnight(self.latest.ts_venue)
        return ZERO if newest_day < _midnight(now) else self.opening.equity - self.latest.equity


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An account as its venue last told. What is not known denies where a limit needs it.

    Attributes:
        worth: None: nothing was told of its equity.
        notional: what `notional` makes of its positions.
        open_orders: how many rest at the venue.
    """

    worth: Worth | None = None
    positions: AccountPositions = AccountPositions()
    notional: Decimal | None = None
    open_orders: int | None = None


def notional(
    venue: Venue, positions: AccountPositions, instruments: InstrumentList, marks: Mapping[str, Mark]
) -> Decimal | None:
    """What an account's positions in swaps are worth together, longs and shorts added up, in quote currency.

    None: not known, because no sweep has told, or one of them is not listed or has no mark.
    """
    if InstrumentKind.SWAP not in positions.whole:
        return None
    total = ZERO
    for symbol, sides in positions.positions.items():
        instrument = instruments.get(venue, symbol)
        if instrument is None:
            return None
        if instrument.kind is not InstrumentKind.SWAP:
            continue
        for held in (positions.held(instrument, side) for side in sides):
            if held is None or not held.quantity:
                continue
            if symbol not in marks:
                return None
            total += abs(held.quantity) * marks[symbol].price
    return total


def _midnight(ts: int) -> int:
    return ts - ts % DAY
