"""Buckets of one process, for what only it asks of a venue."""

from collections.abc import Sequence
from typing import Protocol

from spider_common.budgets.limits import Bucket, Limit, Name, Table, Wanted
from spider_common.clock import Clock


class Buckets(Protocol):
    """The token buckets of one venue. Times are Unix ns of the caller's clock.

    `take` and `close` are called where nothing is cancelled: they end soon by themselves, whatever
    becomes of the server that may be behind them.
    """

    def state(self, name: Name, limit: Limit) -> Bucket:
        """What is known of a bucket here and now. It is only looked at."""
        ...

    async def take(self, requests: Sequence[Wanted]) -> Sequence[bool]:
        """For each request, in this order: whether it got one token of each of its buckets, or none."""
        ...

    async def close(self, name: Name, limit: Limit, until: int) -> None:
        """Gives no token of a bucket before `until`, or before a later time that was given earlier."""
        ...


class LocalBuckets:
    """`Buckets` in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._table = Table()

    def state(self, name: Name, limit: Limit) -> Bucket:
        return self._table.get(name, limit, self._clock.now())

    async def take(self, requests: Sequence[Wanted]) -> Sequence[bool]:
        now = self._clock.now()
        return [take_all([self.state(*each) for each in wanted], now) for wanted in requests]

    async def close(self, name: Name, limit: Limit, until: int) -> None:
        self.state(name, limit).close(until)


def take_all(buckets: Sequence[Bucket], now: int) -> bool:
    """One token of each bucket, or none."""
    if any(bucket.ready_at > now for bucket in buckets):
        return False
    for bucket in buckets:
        bucket.take(now)
    return True
