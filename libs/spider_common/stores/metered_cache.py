"""A cache whose hits, misses and failures are counted."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager

from spider_common.stores.cache import Cache, CacheUnavailable, Feed, Reply, Script
from spider_common.telemetry.metrics import Meter
from spider_common.telemetry.registry import CACHE_FAILURES, CACHE_HITS, CACHE_MISSES


class MeteredCache:
    """The `Cache` port over another cache."""

    def __init__(self, cache: Cache, meter: Meter) -> None:
        self._cache, self._meter = cache, meter

    async def get(self, key: str) -> bytes | None:
        with self._counting():
            value = await self._cache.get(key)
        self._meter.count(CACHE_MISSES if value is None else CACHE_HITS)
        return value

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        with self._counting():
            await self._cache.set(key, value, ttl_ms=ttl_ms)

    async def delete(self, *keys: str) -> None:
        with self._counting():
            await self._cache.delete(*keys)

    async def publish(self, channel: str, body: bytes) -> None:
        with self._counting():
            await self._cache.publish(channel, body)

    def subscribe(self, *channels: str) -> AbstractAsyncContextManager[Feed]:
        return self._cache.subscribe(*channels)

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[bytes] = ()) -> Reply:
        with self._counting():
            return await self._cache.run(script, keys, arguments)

    @contextmanager
    def _counting(self) -> Iterator[None]:
        try:
            yield
        except CacheUnavailable:
            self._meter.count(CACHE_FAILURES)
            raise
