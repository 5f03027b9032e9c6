"""Limits and their buckets. PURE."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

Name = str | tuple[str, ...]
"""Names a bucket of one venue: ``("order", account, symbol)``, ``("account", account)``."""

ADDRESS: Final = "address"
"""A name that begins with this word is counted for the egress IP address, which the buckets know."""

_NS_PER_US: Final = 1_000


class Limit(msgspec.Struct, frozen=True):
    """`count` requests in any `window_s` seconds."""

    count: int
    window_s: float

    @property
    def window(self) -> int:
        """In ns."""
        return round(self.window_s * 1e9)

    @property
    def at_once(self) -> int:
        """How many may go at once after a quiet time: a quarter. The others of a window keep an even pace."""
        return max(self.count // 4, 1)

    @property
    def interval(self) -> int:
        """What lies between two requests at the even pace, ns: whole microseconds, rounded up, as Redis
        counts in those."""
        return _interval(self.window, max(self.count - self.at_once, 1))

    @property
    def burst(self) -> int:
        """How far ahead of the even pace a caller may be, in ns."""
        return self.interval * (self.at_once - 1)

    def share(self, tasks: int) -> "Limit":
        """What one of `tasks` callers may take without knowing of the others.

        Together they keep the limit in every window. Where there are fewer requests than tasks each has
        one, as seldom as makes the limit's rate for all; only then may their requests coincide.
        """
        if self.count >= tasks:
            return Limit(self.count // tasks, self.window_s)
        return Limit(1, self.window_s * tasks / self.count)


@lru_cache  # there are as many as kinds of limits, and each request asks
def _interval(window: int, steady: int) -> int:
    return -(-window // (steady * _NS_PER_US)) * _NS_PER_US


Wanted = Sequence[tuple[Name, Limit]]
"""The buckets of which a request takes one token each.

They are nested: who wants a narrow one (account x instrument) also wants every wider one (account, IP
address) that others with it want. Limits are kept without that; fair turns are not.
"""


class Bucket:
    """A virtual schedule (GCRA): `free_at` is when the next request of a steady caller would be due.

    A quarter of a window's requests may go at once, the others at an even pace, so that no window,
    wherever it begins, holds more than its count. Times are ns of one clock.
    """

    __slots__ = ("burst", "closed_until", "free_at", "interval")

    def __init__(self, limit: Limit, *, free_at: int = 0, closed_until: int = 0) -> None:
        self.interval, self.burst = limit.interval, limit.burst
        self.free_at, self.closed_until = free_at, closed_until

    @property
    def ready_at(self) -> int:
        """When the next token can be taken."""
        return max(self.free_at - self.burst, self.closed_until)

    @property
    def idle_at(self) -> int:
        """From when on the bucket is as good as new."""
        return max(self.free_at, self.closed_until)

    def take(self, now: int) -> None:
        self.free_at = max(self.free_at, now) + self.interval

    def drain(self, now: int) -> None:
        """Takes what may go at once: tokens counted elsewhere are in the window. The even pace remains."""
        self.free_at = max(self.free_at, now + self.burst + self.interval)

    def close(self, until: int) -> None:
        self.closed_until = max(self.closed_until, until)

    def copy(self) -> "Bucket":
        twin = object.__new__(Bucket)
        twin.interval, twin.burst = self.interval, self.burst
        twin.free_at, twin.closed_until = self.free_at, self.closed_until
        return twin


_MOST_BUCKETS: Final = 100_000  # accounts x instruments of one task, with room; past it idle ones are dropped


class Table:
    """Buckets by name, made when first asked for."""

    def __init__(self) -> None:
        self._buckets: dict[Name, Bucket] = {}

    def find(self, name: Name) -> Bucket | None:
        return self._buckets.get(name)

    def get(self, name: Name, limit: Limit, now: int) -> Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = Bucket(limit)
            self.put(name, bucket, now)
        elif bucket.free_at > (most := now + bucket.burst + bucket.interval):
            bucket.free_at = most  # more than any taking makes it: the wall clock was set back
        return bucket

    def put(self, name: Name, bucket: Bucket, now: int) -> None:
        if len(self._buckets) >= _MOST_BUCKETS:
            self._buckets = {key: each for key, each in self._buckets.items() if each.idle_at > now}
        self._buckets[name] = bucket

    def pop(self, name: Name) -> None:
        self._buckets.pop(name, None)
