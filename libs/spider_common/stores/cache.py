"""The `Cache` port: values that may be gone at any time, a live feed, and small atomic scripts.

`redis_cache.RedisCache` and its twin `memory_cache.MemoryCache` pass one contract suite,
`tests/contract/test_cache.py`. The cache is never the truth: whoever gets `CacheUnavailable` goes on
without it, from DynamoDB or with a careful local guess.
"""

from abc import abstractmethod
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, Self

import msgspec


class CacheUnavailable(Exception):
    """The cache did not do what was asked; a change may have happened all the same."""


class Published(NamedTuple):
    """What was published, and where."""

    channel: str
    body: bytes


class Feed(Protocol):
    """What is published on some channels, as an asynchronous iterator.

    Raises:
        CacheUnavailable: the feed is broken, or its reader too slow. What was published meanwhile is
            lost: subscribe anew, then fetch the present state.
    """

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Published: ...


class Values(MutableMapping[str, bytes]):
    """The values as the twin of a script sees them. Setting one that is there leaves its time to live."""

    @property
    @abstractmethod
    def now_us(self) -> int:
        """The cache's own clock in microseconds, which is what ``TIME`` says. It has an origin of its own:
        only differences mean something elsewhere."""
        ...

    @abstractmethod
    def keep(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        """Sets a value that lives for `ttl_ms` milliseconds, at least 1, as ``SET key value PX`` does."""
        ...


Reply = int | bytes | None


class Script(msgspec.Struct, frozen=True):
    """An atomic operation, written for the server and for the twin; the contract suite compares them.

    Attributes:
        lua: what the server runs, with KEYS and ARGV. It sets values with a time to live (``PX``) or over
            one that is there (``KEEPTTL``), so that nothing stays for ever; its time is ``TIME``; and it
            answers an integer, a text or nil.
        twin: the same in Python, given the values, the keys and the arguments.
    """

    lua: str
    twin: Callable[[Values, Sequence[str], Sequence[bytes]], Reply]


class Cache(Protocol):
    """Values by key. Every method raises `CacheUnavailable` when the cache cannot serve."""

    async def get(self, key: str) -> bytes | None:
        """The value, if it is there."""
        ...

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        """Keep a value for `ttl_ms` milliseconds, at least 1: nothing stays for ever."""
        ...

    async def delete(self, *keys: str) -> None:
        """Drop values, whether they are there or not."""
        ...

    async def publish(self, channel: str, body: bytes) -> None:
        """Tell whoever listens now."""
        ...

    def subscribe(self, *channels: str) -> AbstractAsyncContextManager[Feed]:
        """What is published from now on, until the block ends."""
        ...

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[bytes] = ()) -> Reply:
        """Run a script, all of it or nothing.

        Its keys live together: where there is more than one, the text between their first braces is the
        same, and decides on which node of a cluster they are.
        """
        ...
