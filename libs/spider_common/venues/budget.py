"""Rate budgets: no request leaves before its venue would let it in.

Local to one process, and set to what a venue allows one caller. Waiting is first come, first served
for each bucket.
"""

from collections.abc import Hashable
from typing import Final

import msgspec
import trio

from spider_common.clock import NS_PER_S, Clock


class Limit(msgspec.Struct, frozen=True):
    """`count` requests in any `window_s` seconds."""

    count: int
    window_s: float


class _Bucket:
    """A virtual schedule (GCRA): `free_at` is when the next request of a steady caller would be due.

    Half of a window's requests may go at once, the other half at an even pace, so that no window,
    wherever it begins, holds more than its count.
    """

    def __init__(self, limit: Limit) -> None:
        self.interval = round(2 * limit.window_s * NS_PER_S / limit.count)
        self.burst = self.interval * max(limit.count // 2 - 1, 0)
        self.free_at = 0
        self.closed_until = 0
        self.turn = trio.Lock()  # callers wait in order of arrival

    def ready_at(self) -> int:
        return max(self.free_at - self.burst, self.closed_until)

    def take(self, now: int) -> None:
        self.free_at = max(self.free_at, now) + self.interval


_MOST_BUCKETS: Final = 100_000  # accounts x instruments of one task, with room; past it idle ones are dropped


class Budgets:
    """Token buckets by name. A request takes one token of each of its buckets, or waits for all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[Hashable, _Bucket] = {}

    async def acquire(self, *wanted: tuple[Hashable, Limit]) -> None:
        """Returns when a request may be sent under all the limits. Cancelling takes no token."""
        buckets = [self._bucket(name, limit) for name, limit in wanted]
        async with buckets[0].turn:  # the narrowest bucket comes first
            while True:
                now = self._clock.now()
                ready = max(bucket.ready_at() for bucket in buckets)
                if ready <= now:
                    for bucket in buckets:
                        bucket.take(now)
                    return
                await trio.sleep((ready - now) / NS_PER_S)

    def back_off(self, name: Hashable, limit: Limit, until: int) -> None:
        """The venue counted otherwise: nothing of this bucket leaves before `until` (Unix ns)."""
        bucket = self._bucket(name, limit)
        bucket.closed_until = max(bucket.closed_until, until)

    def _bucket(self, name: Hashable, limit: Limit) -> _Bucket:
        if name not in self._buckets:
            if len(self._buckets) >= _MOST_BUCKETS:
                now = self._clock.now()
                self._buckets = {
                    key: each
                    for key, each in self._buckets.items()
                    if max(each.free_at, each.closed_until) > now or each.turn.locked()
                }
            self._buckets[name] = _Bucket(limit)
        return self._buckets[name]
