"""Laws of remembered listings: a service knows what it can trade also while a venue is away."""

import json

import pytest
import trio
from trio.testing import MockClock

from spider_common.clock import TrioClock
from spider_common.domain.identifiers import Venue
from spider_common.listings import Listings
from spider_common.stores.memory_cache import MemoryCache
from spider_common.telemetry.logs import logger
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import Listing, VenueClient
from tests.ingest_rig import open_bench
from tests.oms_rig import ORIGIN


class Away:
    """A client whose venue does not answer about its instruments."""

    def __init__(self, client: VenueClient) -> None:
        self._client = client

    async def listing(self) -> Listing:
        await trio.lowlevel.checkpoint()
        raise VenueError("it is being maintained")

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def cache() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def listings(cache: MemoryCache, lines: list[str]) -> Listings:
    return Listings(cache, log=logger("oms", TrioClock(ORIGIN), write=lines.append))


@pytest.mark.parametrize("venue", Venue)
async def test_a_venue_that_is_away_is_known_by_its_last_listing(
    venue: Venue, listings: Listings, cache: MemoryCache, lines: list[str], autojump_clock: MockClock
) -> None:
    """Law: a new client of a venue that does not answer knows what another one was told, exactly."""
    async with (
        open_bench(venue) as bench,
        bench.world.venues("one") as one,
        bench.world.venues("two") as two,
    ):
        told = await listings.know(one[venue])
        away = Away(two[venue])
        assert list(await listings.know(away)) == list(told)
        assert list(two[venue].known_instruments) == list(told)
        (line,) = map(json.loads, lines)
        assert (line["event"], line["venue"]) == ("instruments.stale", venue)
        cache.is_down = True
        assert list(await listings.know(away)) == list(told)  # it knows by itself now


async def test_a_venue_that_nobody_knows_is_an_error(
    listings: Listings, cache: MemoryCache, autojump_clock: MockClock
) -> None:
    """Law: without an answer, a memory or a cache a service does not start."""
    async with open_bench(Venue.OKX) as bench, bench.world.venues("one") as one:
        for down in (False, True):
            cache.is_down = down
            with pytest.raises(VenueError, match="maintained"):
                await listings.know(Away(one[Venue.OKX]))


async def test_what_is_kept_may_be_damaged(
    listings: Listings, cache: MemoryCache, autojump_clock: MockClock
) -> None:
    """Law: a value that is no listing, or with rows of none, is as none."""
    async with open_bench(Venue.OKX) as bench, bench.world.venues("one") as one:
        for value in (b"{", b'{"swaps": 1}', b'{"swaps": [{"instId": 1}]}'):
            await cache.set("listing/okx", value, ttl_ms=1000)
            with pytest.raises(VenueError, match="maintained"):
                await listings.know(Away(one[Venue.OKX]))


async def test_the_cache_is_not_needed(
    listings: Listings, cache: MemoryCache, autojump_clock: MockClock
) -> None:
    """Law: with the cache down the venue's answer counts as ever."""
    cache.is_down = True
    async with open_bench(Venue.OKX) as bench, bench.world.venues("one") as one:
        assert await listings.know(one[Venue.OKX])
