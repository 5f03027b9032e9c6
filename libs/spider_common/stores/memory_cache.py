"""`MemoryCache`: the twin of `redis_cache.RedisCache`, for the simulation and for tests."""

import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

import trio

from spider_common.sdk.redis_slots import slot_of
from spider_common.stores.cache import CacheUnavailable, Feed, Published, Reply, Script, Values

_BACKLOG: Final = 1024  # a reader further behind loses its feed, as it does at a server


class MemoryCache:
    """A cache in memory; times to live run on Trio's clock.

    Attributes:
        is_down: while it is true every call fails, and every feed breaks at its next message.
    """

    def __init__(self) -> None:
        self.is_down = False
        self._values = _Expiring()
        self._feeds: list[_MemoryFeed] = []

    async def get(self, key: str) -> bytes | None:
        await self._enter()
        return self._values.get(key)

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        if ttl_ms < 1:
            raise ValueError(f"ttl_ms {ttl_ms} of {key!r} must be at least 1")
        await self._enter()
        self._values.keep(key, value, ttl_ms=ttl_ms)

    async def delete(self, *keys: str) -> None:
        await self._enter()
        for key in keys:
            self._values.pop(key, None)

    async def publish(self, channel: str, body: bytes) -> None:
        await self._enter()
        for feed in self._feeds:
            if channel in feed.channels:
                feed.offer(Published(channel, body))

    @asynccontextmanager
    async def subscribe(self, *channels: str) -> AsyncIterator[Feed]:
        await self._enter()
        feed = _MemoryFeed(self, channels)
        self._feeds.append(feed)
        try:
            yield feed
        finally:
            self._feeds.remove(feed)
            feed.close()

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[bytes] = ()) -> Reply:
        await self._enter()
        if len({slot_of(key) for key in keys}) > 1:  # what stands alone would take them, a cluster does not
            raise ValueError(f"keys of one script must share what is between their braces: {list(keys)}")
        return script.twin(self._values, keys, arguments)

    async def _enter(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_down:
            raise CacheUnavailable("the twin is down")


class _MemoryFeed:
    def __init__(self, cache: MemoryCache, channels: Sequence[str]) -> None:
        self.channels = channels
        self._cache = cache
        self._in, self._out = trio.open_memory_channel[Published](_BACKLOG)

    def offer(self, message: Published) -> None:
        try:
            self._in.send_nowait(message)
        except trio.WouldBlock:
            self._in.close()  # what is waiting can still be read; then the feed is broken
        except trio.ClosedResourceError:
            pass  # broken before

    def close(self) -> None:
        self._in.close()
        self._out.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Published:
        try:
            message = await self._out.receive()
        except trio.EndOfChannel:
            raise CacheUnavailable("the reader was too slow") from None
        if self._cache.is_down:
            raise CacheUnavailable("the twin is down")
        return message


class _Expiring(Values):
    """Values with the moment (Trio's clock) each is gone. What a script sets over a value keeps its time."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, float]] = {}

    @property
    def now_us(self) -> int:
        return round(trio.current_time() * 1e6)

    def keep(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        self._kept[key] = (value, trio.current_time() + ttl_ms / 1000)

    def __getitem__(self, key: str) -> bytes:
        value, until = self._kept[key]
        if until <= trio.current_time():
            del self._kept[key]
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: bytes) -> None:
        until = self._kept[key][1] if key in self else math.inf
        self._kept[key] = (value, until)

    def __delitem__(self, key: str) -> None:
        del self._kept[key]

    def __iter__(self) -> Iterator[str]:
        return iter([key for key in list(self._kept) if key in self])

    def __len__(self) -> int:
        return len(list(iter(self)))
