"""`RedisCache`: the `Cache` port over Redis or Valkey."""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import redis
import trio

from spider_common.network import Network
from spider_common.sdk.redis import RedisClient, Subscription
from spider_common.stores.cache import Cache, CacheUnavailable, Feed, Published, Reply, Script
from spider_common.stores.memory_cache import MemoryCache

T = TypeVar("T")

_FAILURES: Final = (redis.RedisError, trio.TooSlowError)


class RedisCache:
    """A cache on a server. `prefix` keeps its keys and channels apart from others there."""

    def __init__(self, client: RedisClient, *, prefix: str = "") -> None:
        self._client = client
        self._prefix = prefix

    async def get(self, key: str) -> bytes | None:
        value: bytes | None = await self._call(lambda r: r.get(self._prefix + key))
        return value

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        if ttl_ms < 1:
            raise ValueError(f"ttl_ms {ttl_ms} of {key!r} must be at least 1")
        await self._call(lambda r: r.set(self._prefix + key, value, px=ttl_ms))

    async def delete(self, *keys: str) -> None:
        if keys:
            await self._call(lambda r: r.delete(*(self._prefix + key for key in keys)))

    async def publish(self, channel: str, body: bytes) -> None:
        await self._call(lambda r: r.publish(self._prefix + channel, body))

    @asynccontextmanager
    async def subscribe(self, *channels: str) -> AsyncIterator[Feed]:
        subscription = self._client.subscription(*(self._prefix + channel for channel in channels))
        try:
            messages = await subscription.__aenter__()
        except _FAILURES as error:
            raise CacheUnavailable(f"subscribing: {error!r}") from error
        try:
            yield _RedisFeed(messages, len(self._prefix))
        finally:
            await subscription.__aexit__(None, None, None)

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[bytes] = ()) -> Reply:
        named = [self._prefix + key for key in keys]
        reply: Reply = await self._call(lambda r: r.register_script(script.lua)(named, arguments))
        return reply

    async def _call(self, work: Callable[[Any], T]) -> T:
        try:
            return await self._client.call(work)
        except _FAILURES as error:
            raise CacheUnavailable(repr(error)) from error


class _RedisFeed:
    def __init__(self, messages: Subscription, prefix_length: int) -> None:
        self._messages = messages
        self._prefix_length = prefix_length

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Published:
        try:
            channel, body = await anext(self._messages)
        except _FAILURES as error:
            raise CacheUnavailable(f"the feed broke: {error!r}") from error
        return Published(channel[self._prefix_length :], body)


@asynccontextmanager
async def open_cache(url: str, network: Network, tls: ssl.SSLContext, prefix: str) -> AsyncIterator[Cache]:
    """Redis at ``redis://`` or, with TLS, ``rediss://``; without a URL a cache in this process only."""
    if not url:
        yield MemoryCache()
        return
    parts = urlsplit(url)
    user, password = parts.username or "", parts.password or ""
    async with RedisClient(
        network,
        parts.hostname or "localhost",
        parts.port or 6379,
        tls=tls if parts.scheme == "rediss" else None,
        credentials=(lambda: (user, password)) if password else None,
    ) as client:
        yield RedisCache(client, prefix=prefix)
