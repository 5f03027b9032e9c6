"""What venues trade, asked of them and remembered for when one is away."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from spider_common.domain.identifiers import Venue
from spider_common.domain.instruments import Instrument
from spider_common.stores.cache import Cache, CacheUnavailable
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import Listing, VenueClient

KEEP_MS: Final = 7 * 86_400_000
ANSWER_S: Final = 1.0

_encoder: Final = msgspec.json.Encoder(decimal_format="number")  # as venues write them
_decoder: Final = msgspec.json.Decoder(Listing, float_hook=Decimal)


class Listings:
    """Keeps each venue's last list in the cache, so that a service can start while a venue is away: the
    accounts at the others need not wait for it."""

    def __init__(self, cache: Cache, *, log: FilteringBoundLogger) -> None:
        self._cache, self._log = cache, log

    async def know(self, client: VenueClient) -> Sequence[Instrument]:
        """Asks a venue what it trades; if it does not answer, its client goes by its last answer.

        Raises:
            VenueError: it does not answer, and neither the client nor the cache has an earlier list.
        """
        try:
            listing = await client.listing()
            found = client.learn(listing)
        except VenueError as error:
            known = list(client.known_instruments) or await self._remembered(client)
            if not known:
                raise
            self._log.warning("instruments.stale", venue=client.venue, error=str(error))
            return known
        await self._remember(client.venue, listing)
        return found

    async def _remembered(self, client: VenueClient) -> Sequence[Instrument]:
        with trio.move_on_after(ANSWER_S):
            try:
                kept = await self._cache.get(_key(client.venue))
                return client.learn(_decoder.decode(kept)) if kept else ()
            except (CacheUnavailable, msgspec.DecodeError, VenueError):
                return ()
        return ()

    async def _remember(self, venue: Venue, listing: Listing) -> None:
        with trio.move_on_after(ANSWER_S):
            try:
                await self._cache.set(_key(venue), _encoder.encode(listing), ttl_ms=KEEP_MS)
            except CacheUnavailable:
                return


def _key(venue: Venue) -> str:
    return f"listing/{venue}"
