"""`RedisClient` and a real cluster: slots that move, nodes that die, cancellation at every point."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import greenback
import pytest
import redis
import trio

from spider_common.network import SystemNetwork
from spider_common.sdk.redis import RedisClient
from tests.cancellation import cancel_at_every_checkpoint
from tests.valkey_cluster import MASTERS, ValkeyCluster, slot


@pytest.fixture
async def client(valkey_cluster: ValkeyCluster) -> AsyncIterator[RedisClient]:
    valkey_cluster.flush()
    async with RedisClient(SystemNetwork(), "127.0.0.1", valkey_cluster.port, size=2) as opened:
        yield opened


@pytest.fixture
def breakable() -> Iterator[ValkeyCluster]:
    """A cluster of its own for what cannot be undone."""
    with ValkeyCluster() as cluster:
        yield cluster


def far_key(cluster: ValkeyCluster, node: int, prefix: str = "key") -> str:
    """A key of a master."""
    return next(key for n in range(1_000) if cluster.owner(key := f"{prefix}-{n}") == node)


async def put(client: RedisClient, key: str, value: str = "v") -> None:
    await client.call(lambda r: r.set(key, value), key=key)


async def get(client: RedisClient, key: str) -> Any:
    return await client.call(lambda r: r.get(key), key=key)


async def script(client: RedisClient, key: str) -> Any:
    return await client.call(
        lambda r: r.register_script("return redis.call('INCR', KEYS[1])")([key]), key=key
    )


def redirections(cluster: ValkeyCluster) -> int:
    """How often the nodes have answered MOVED or ASK."""
    told = [cluster.ask(number, "INFO", "errorstats").decode() for number in range(MASTERS)]
    lines = [
        line
        for each in told
        for line in each.split()
        if line.startswith(("errorstat_MOVED", "errorstat_ASK"))
    ]
    return sum(int(line.partition("count=")[2]) for line in lines)


async def test_one_redirection_teaches_the_whole_map(
    client: RedisClient, valkey_cluster: ValkeyCluster
) -> None:
    """Law: a cluster is found by its first MOVED; from then on each key goes straight to its node."""
    before = redirections(valkey_cluster)
    for number in range(200):
        await put(client, f"k{number}", str(number))
    assert [await get(client, f"k{number}") for number in range(200)] == [b"%d" % n for n in range(200)]
    assert redirections(valkey_cluster) - before <= 1
    assert all(valkey_cluster.ask(number, "DBSIZE") > 0 for number in range(MASTERS))


async def test_many_first_calls_at_once_ask_once_for_the_map(
    client: RedisClient, valkey_cluster: ValkeyCluster
) -> None:
    """Law: callers that are sent elsewhere together wait for one answer."""

    def asked() -> int:
        told = [valkey_cluster.ask(n, "INFO", "commandstats").decode() for n in range(MASTERS)]
        lines = [line for each in told for line in each.split() if line.startswith("cmdstat_cluster|slots:")]
        return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in lines)

    before = asked()
    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(put, client, f"k{number}")
    assert asked() - before == 1


async def test_a_slot_that_moves_is_followed(client: RedisClient, valkey_cluster: ValkeyCluster) -> None:
    """Law: before, during and after a move each key is found: by ASK on the way, by MOVED then."""
    tag = far_key(valkey_cluster, 0)
    here, gone, new, counter = (f"{{{tag}}}{each}" for each in ("here", "gone", "new", "counter"))
    for key in (here, gone, far_key(valkey_cluster, 1)):
        await put(client, key)
    with valkey_cluster.moving(tag, 1):
        valkey_cluster.carry(gone, 1)
        assert await get(client, here) == b"v"
        assert await get(client, gone) == b"v"
        await put(client, new, "fresh")
        assert await get(client, new) == b"fresh"
        assert await script(client, counter) == 1  # unknown there: loaded, each command let in by itself
        assert await script(client, counter) == 2
        valkey_cluster.carry(here, 1)
        valkey_cluster.give(tag, 1)
        before = redirections(valkey_cluster)
        assert [await get(client, key) for key in (here, gone, new, counter)] == [b"v", b"v", b"fresh", b"2"]
        assert redirections(valkey_cluster) - before == 1


async def test_an_error_of_the_server_is_no_redirection(client: RedisClient) -> None:
    """Law: keys of several slots in one command are refused as the server says it, at once."""
    await put(client, "a")
    with pytest.raises(redis.ResponseError, match="same slot"):
        await client.call(lambda r: r.mget("a", "b", "c", "d", "e"), key="a")


@pytest.mark.parametrize("how", ["dies", "hangs"])
async def test_a_lost_node_costs_its_own_keys_until_another_takes_them(
    breakable: ValkeyCluster, how: str
) -> None:
    """Law: other nodes' keys and the feed go on; what the lost one had is found at its replica, once that
    has taken over; nothing is sent twice on its own."""
    lost, safe = far_key(breakable, 0), far_key(breakable, 1)
    async with RedisClient(SystemNetwork(), "127.0.0.1", breakable.port, size=2, deadline_s=1.0) as client:
        for key in (lost, safe):
            await put(client, key)
        breakable.lose(0, hangs=how == "hangs")
        with pytest.raises((redis.ConnectionError, trio.TooSlowError)):
            await get(client, lost)
        assert await get(client, safe) == b"v"
        async with client.subscription("news") as messages:  # the entry is dead: another node tells
            await client.call(lambda r: r.publish("news", "still here"))
            assert await anext(messages) == ("news", b"still here")
        breakable.fail_over()
        with trio.fail_after(20):
            while True:
                try:
                    assert await get(client, lost) == b"v"
                    break
                except (redis.RedisError, trio.TooSlowError):
                    await trio.lowlevel.checkpoint()
        await put(client, lost, "again")
        assert await get(client, lost) == b"again"


async def test_a_cluster_without_a_slot_says_so_within_bounds(breakable: ValkeyCluster) -> None:
    """Law: a slot that nobody has is asked for a few times, and then it is an error, not a hanging call."""
    key = far_key(breakable, 1)
    async with RedisClient(SystemNetwork(), "127.0.0.1", breakable.port) as client:
        await put(client, key)
        breakable.ask(1, "FLUSHALL")
        for number in range(MASTERS):
            breakable.ask(number, "CLUSTER DELSLOTS", slot(key))
        with (
            trio.fail_after(2),
            pytest.raises((redis.exceptions.ClusterDownError, redis.exceptions.MovedError)),
        ):
            await get(client, key)


async def test_a_demoted_master_is_left(valkey: Any) -> None:
    """Law: a server alone that takes no writes any more is connected to anew by its name, and asked again;
    it is an error when it stays so."""
    async with RedisClient(SystemNetwork(), "127.0.0.1", valkey.port, size=2) as client:
        await put(client, "a")
        with redis.Redis(port=valkey.port) as admin:
            admin.replicaof("127.0.0.1", 1)
            try:
                before = await client.call(lambda r: r.client_id())
                with pytest.raises(redis.ReadOnlyError):
                    await put(client, "a")
                assert await client.call(lambda r: r.client_id()) != before
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(put, client, "a", "written")
                    await trio.testing.wait_all_tasks_blocked(0.01)
                    admin.replicaof("NO", "ONE")
            finally:
                admin.replicaof("NO", "ONE")
        assert await get(client, "a") == b"written"


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", ["get", "script", "moving", "subscription"])
async def test_a_call_cancelled_at_any_wait_leaves_everything_usable(
    valkey_cluster: ValkeyCluster, name: str, known: bool
) -> None:
    """Law: whatever wait is cancelled, redirections and the reading of the map included, every connection
    afterwards answers its own questions, and the client finds every node."""
    keys = [far_key(valkey_cluster, node) for node in range(MASTERS)]
    absent = far_key(valkey_cluster, 2, "absent")
    cancellations = 0

    async def work(client: RedisClient) -> None:
        if name == "subscription":
            async with client.subscription("one") as messages:
                await client.call(lambda r: r.publish("one", "hello"))
                assert await anext(messages) == ("one", b"hello")
        elif name == "script":
            await script(client, f"{{{keys[1]}}}counter")
        else:
            await get(client, absent if name == "moving" else keys[2])

    moved = valkey_cluster.moving(absent, 1) if name == "moving" else contextlib.nullcontext()
    with moved:
        async with RedisClient(SystemNetwork(), "127.0.0.1", valkey_cluster.port, size=2) as client:

            async def check(cancelled: bool) -> None:
                nonlocal cancellations
                cancellations += cancelled
                assert all(node.pool.free == 2 for node in client._nodes.values())
                for turn, key in enumerate(keys * 2):
                    text = f"{turn}-{key}"
                    assert await client.call(lambda r, text=text: r.echo(text), key=key) == text.encode()
                    await put(client, key, text)
                    assert await get(client, key) == text.encode()
                if not known:
                    client._map = None
                    for node in client._nodes.values():
                        await greenback.with_portal_run_sync(node.pool.disconnect)

            await check(False)
            await cancel_at_every_checkpoint(lambda: work(client), check)
    assert cancellations > 0
