"""`RedisCache`: the `Cache` port over Redis or Valkey."""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import redis
import trio

from spider_common.network import Network
from spider_common.sdk.redis import RedisClient, Subscription
from spider_common.sdk.redis_wire import LoginSource
from spider_common.secret import Login, Secret
from spider_common.stores.cache import Cache, CacheUnavailable, Feed, Published, Reply, Script
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.redis_login import FixedLogin

T = TypeVar("T")

_FAILURES: Final = (redis.RedisError, trio.TooSlowError)


class RedisCache:
    """A cache on a server. `prefix` keeps its keys and channels apart from others there."""

    def __init__(self, client: RedisClient, *, prefix: str = "") -> None:
        self._client = client
        self._prefix = prefix

    async def get(self, key: str) -> bytes | None:
        named = self._prefix + key
        value: bytes | None = await self._call(lambda r: r.get(named), named)
        return value

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        if ttl_ms < 1:
            raise ValueError(f"ttl_ms {ttl_ms} of {key!r} must be at least 1")
        named = self._prefix + key
        await self._call(lambda r: r.set(named, value, px=ttl_ms), named)

    async def delete(self, *keys: str) -> None:
        for key in keys:  # of a cluster each may have another node
            named = self._prefix + key
            await self._call(partial(_delete, named), named)

    async def publish(self, channel: str, body: bytes) -> None:
        await self._call(lambda r: r.publish(self._prefix + channel, body))

    @asynccontextmanager
    async def subscribe(self, *channels: str) -> AsyncIterator[Feed]:
        subscription = self._client.subscription(*(self._prefix + channel for channel in channels))
        try:
            messages = await subscription.__aenter__()
        except _FAILURES as error:
            raise CacheUnavailable(f"subscribing: {_told(error)}") from error
        try:
            yield _RedisFeed(messages, len(self._prefix))
        finally:
            await subscription.__aexit__(None, None, None)

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[bytes] = ()) -> Reply:
        named = [self._prefix + key for key in keys]
        key = named[0] if named else None
        reply: Reply = await self._call(lambda r: r.register_script(script.lua)(named, arguments), key)
        return reply

    async def _call(self, work: Callable[[Any], T], key: str | None = None) -> T:
        try:
            return await self._client.call(work, key=key)
        except _FAILURES as error:
            raise CacheUnavailable(_told(error)) from error


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
            raise CacheUnavailable(f"the feed broke: {_told(error)}") from error
        return Published(channel[self._prefix_length :], body)


def _told(error: Exception) -> str:
    """redis-py leaves the text out of an error's repr."""
    return f"{type(error).__name__}: {error}"


def _delete(key: str, r: Any) -> None:
    r.delete(key)


@asynccontextmanager
async def open_cache(
    url: str, network: Network, tls: ssl.SSLContext, prefix: str, login: LoginSource | None = None
) -> AsyncIterator[Cache]:
    """Redis at ``redis://`` or, with TLS, ``rediss://``; without a URL a cache in this process only.

    A cluster's address leads to any of its nodes. `login` goes before a password in the URL.
    """
    if not url:
        yield MemoryCache()
        return
    parts = urlsplit(url)
    if login is None and parts.password:
        login = FixedLogin(Login(parts.username or "", Secret(parts.password)))
    async with RedisClient(
        network,
        parts.hostname or "localhost",
        parts.port or 6379,
        tls=tls if parts.scheme == "rediss" else None,
        login=login,
    ) as client:
        yield RedisCache(client, prefix=prefix)
