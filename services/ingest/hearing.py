"""Whether a socket tells what happens: a stream may be open, answer pings, and be silent for all that.

REST says what has happened. A fill that it knows and that the socket has not told, although it was ready
well before, is one that the stream has lost. Only the fills in order facts are held against it: every
venue pushes those, while pushes of executions, equities and conditional orders are left out by some.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

from services.ingest.sweep import Swept
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.identifiers import VenueOrderId
from spider_common.domain.quantities import ZERO
from spider_common.venues.venue import Told

GRACE_NS: Final = 10 * NS_PER_S
"""How late a push may be, and how near to the beginning of a stream one may be missing. Venues push within a
second; a new socket hears all only some time after its subscriptions are acknowledged, and clocks differ."""


class Hearing:
    """What one account's sockets have told, and since when they should have told all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: int | None = None  # from then on the socket should have told; None: there is none
        self._busy_since: int | None = None
        self._filled: dict[VenueOrderId, tuple[Decimal, int]] = {}  # most told filled, and its ts_venue

    def ready(self) -> None:
        """A socket is subscribed."""
        self._since = self._clock.now()

    def deaf(self) -> None:
        """What was told until now may not have been understood."""
        if self._since is not None:
            self._since = self._clock.now()

    def hear(self, told: Told) -> None:
        """A socket has told this."""
        for fact in told.facts:
            filled, ts = self._filled.get(fact.venue_order_id, (ZERO, 0))
            self._filled[fact.venue_order_id] = (max(filled, fact.cum_filled), max(ts, fact.ts_venue))

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Meanwhile the socket is not read, as while the queue is away: what it tells waits in it."""
        begun = self._busy_since = self._clock.now()
        try:
            yield
        finally:
            self._busy_since = None
            if self._clock.now() - begun >= GRACE_NS:
                self.deaf()

    def missed(self, swept: Swept) -> list[VenueOrderId]:
        """The orders of which a sweep has told fills that a socket should have told and has not."""
        if self._since is None:
            return []
        first = max(self._since, swept.since) + GRACE_NS
        last = min(swept.begun, self._busy_since or swept.begun) - GRACE_NS
        missed = [
            fact.venue_order_id
            for fact in swept.told.facts
            if first <= fact.ts_venue <= last
            and fact.cum_filled > self._filled.get(fact.venue_order_id, (ZERO, 0))[0]
        ]
        # Nothing that changed before this sweep's time is asked for again by the next.
        self._filled = {order: told for order, told in self._filled.items() if told[1] >= swept.since}
        return missed
