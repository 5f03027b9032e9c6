import ssl
import threading
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
import trio
import trustme
from trio.testing import wait_all_tasks_blocked

from spider_common.memory_network import MemoryNetwork
from spider_common.network import SystemNetwork
from spider_common.sdk.http import TrioTransport, client
from spider_common.sdk.pool import Limits, PoolStatistics, ResponseTooLarge
from tests.cancellation import cancel_at_every_checkpoint
from tests.http_pair import EMPTY, ONE_IDLE, Pieces, pair, scripted
from tests.http_peer import Call, Peer, echo, ok, open_peer


async def test_idle_connections_expire(autojump_clock):
    """Law: after `keep_alive` seconds without use a connection is closed, those of other origins too."""
    network = MemoryNetwork()
    async with (
        open_peer(network) as one,
        open_peer(network) as other,
        client(TrioTransport(network=network, limits=Limits(keep_alive=10))) as http,
    ):
        await http.get(f"http://127.0.0.1:{one.port}/")
        await trio.sleep(9)
        await http.get(f"http://127.0.0.1:{one.port}/")
        assert one.accepted == 1
        await trio.sleep(10)
        await http.get(f"http://127.0.0.1:{other.port}/")
        await wait_all_tasks_blocked()
        assert one.open == 0


@pytest.mark.parametrize(("per_host", "total"), [(3, 100), (100, 3)])
async def test_the_pool_is_bounded_and_fair(per_host, total, autojump_clock):
    """Law: never more connections than the limits say; requests are served in the order of their coming."""
    most = 0
    done: list[int] = []

    async def answer(call: Call) -> bytes:
        nonlocal most
        most = max(most, peer.open)
        await trio.sleep(1)
        return ok(call.target.encode())

    async def request(n: int) -> None:
        assert (await http.get(f"/{n}")).text == f"/{n}"
        done.append(n)

    async with pair(answer, limits=Limits(per_host=per_host, total=total)) as (peer, http):
        async with trio.open_nursery() as nursery:
            for n in range(12):
                nursery.start_soon(request, n)
                await wait_all_tasks_blocked()
            assert http.transport.statistics() == PoolStatistics(open=3, idle=0, waiting=9)
        assert most == 3
        assert peer.accepted == 3
        assert [n // 3 for n in done] == [n // 3 for n in range(12)]


async def test_an_idle_connection_gives_way_to_another_origin(autojump_clock):
    """Law: a full pool closes the connection that was idle for longest before it opens one elsewhere."""
    network = MemoryNetwork()
    transport = TrioTransport(network=network, limits=Limits(total=2))
    async with (
        open_peer(network) as a,
        open_peer(network) as b,
        open_peer(network) as c,
        client(transport) as http,
    ):
        for peer in (a, b, c, b):
            await http.get(f"http://127.0.0.1:{peer.port}/")
            await wait_all_tasks_blocked()
            assert transport.statistics().open == a.open + b.open + c.open <= 2
        assert (a.open, b.accepted, c.open) == (0, 1, 1)


async def test_a_waiting_request_takes_over_a_connection_of_another_origin(autojump_clock):
    """Law: at the bound in all, whoever waits longest is next, whichever origin's connection becomes free."""
    network = MemoryNetwork()

    async def slow(call: Call) -> bytes:
        await trio.sleep(1)
        return await echo(call)

    async with (
        open_peer(network, slow) as a,
        open_peer(network, slow) as b,
        client(TrioTransport(network=network, limits=Limits(total=1))) as http,
        trio.open_nursery() as nursery,
    ):
        for peer in (a, b, a):
            nursery.start_soon(http.get, f"http://127.0.0.1:{peer.port}/")
            await wait_all_tasks_blocked()
    assert (a.accepted, b.accepted) == (2, 1)


@pytest.mark.parametrize("step", ["pool", "connect", "write", "read", "deadline"])
async def test_each_step_has_its_timeout(step, autojump_clock):
    """Law: each timeout ends the request after its seconds of Trio's clock, with httpx's error for it."""
    network = MemoryNetwork()
    listener, port = await network.listen(
        "127.0.0.1", 0
    )  # a backlog nobody accepts from: connects, then silence

    class Unreachable(MemoryNetwork):
        async def connect(self, host, port, *, tls=None):
            await trio.sleep_forever()

    transport = TrioTransport(
        network=Unreachable() if step == "connect" else network, limits=Limits(per_host=1)
    )
    timeout = httpx.Timeout(60, **({} if step in ("deadline", "write") else {step: 7}))
    extensions = {"deadline": 7} if step in ("deadline", "write") else {}
    expected = {
        "pool": httpx.PoolTimeout,
        "connect": httpx.ConnectTimeout,
        "write": httpx.WriteTimeout,
        "read": httpx.ReadTimeout,
        "deadline": httpx.ReadTimeout,
    }[step]
    async with client(transport, base_url=f"http://127.0.0.1:{port}") as http, trio.open_nursery() as nursery:
        if step == "pool":
            nursery.start_soon(lambda: http.get("/", timeout=None, extensions={"deadline": 1e9}))
            await wait_all_tasks_blocked()
        start = trio.current_time()
        with pytest.raises(expected, match="7 s"):
            await http.post(
                "/",
                content=Pieces(*[b"x"] * 99, pause=1) if step == "write" else b"",
                timeout=timeout,
                extensions=extensions,
            )
        assert trio.current_time() - start == pytest.approx(7)
        nursery.cancel_scope.cancel()
        await listener.aclose()
    assert transport.statistics() == EMPTY


async def test_the_read_timeout_holds_for_each_piece(autojump_clock):
    """A slow answer that keeps coming is not cut off by the read timeout, only by the deadline."""

    async def answer(call: Call) -> bytes:
        stream = peer.streams[-1]
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            await trio.sleep(4)
            await stream.send_all(b"x")
        return b""

    async with pair(answer, deadline=100) as (peer, http):
        assert (await http.get("/", timeout=5)).text == "x" * 8
        with pytest.raises(httpx.ReadTimeout, match="whole request's 20 s"):
            await http.get("/", timeout=5, extensions={"deadline": 20})
        await trio.sleep(5)  # the peer learns of it with its next piece


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2000 + b"\r\n\r\n",
        ok(b"x" * 1001),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
    ],
)
async def test_an_oversized_answer_closes_its_connection(raw, autojump_clock):
    """Law: heads and bodies are bounded; passing a bound is an httpx error, and the connection is gone."""
    async with pair(scripted(raw), limits=Limits(max_header_bytes=1000, max_body_bytes=1000)) as (_, http):
        with pytest.raises(ResponseTooLarge, match="limit of 1000 bytes"):
            await http.get("/")
        assert http.transport.statistics() == EMPTY


async def test_nobody_listens(autojump_clock):
    """A refused connection is httpx's ConnectError and leaves nothing in the pool."""
    transport = TrioTransport(network=MemoryNetwork())
    async with client(transport) as http:
        with pytest.raises(httpx.ConnectError, match=r"127\.0\.0\.1:9"):
            await http.get("http://127.0.0.1:9/")
        with pytest.raises(httpx.UnsupportedProtocol, match="ftp"):
            await http.get("ftp://127.0.0.1/")
    assert transport.statistics() == EMPTY


@pytest.mark.parametrize("system", [False, True], ids=["memory", "sockets"])
@pytest.mark.parametrize("before", ["none", "used", "closed by the peer"])
async def test_a_call_cancelled_at_any_checkpoint_leaves_everything_in_agreement(system, before):
    """Law: wherever a request is cancelled, on a new, a used or a dead connection, the pool's counts are
    right, no connection leaks, and the next request gets its own answer."""
    network = SystemNetwork() if system else MemoryNetwork()
    runs = 0
    async with pair(network=network, limits=Limits(per_host=1)) as (peer, http):

        async def prepare() -> None:
            headers = {"Connection": "close"} if before == "none" else {}
            assert (await http.get("/prepare", headers=headers)).text == "/prepare"
            if before == "closed by the peer":
                await peer.hang_up()
            assert http.transport.statistics() == (EMPTY if before == "none" else ONE_IDLE)

        async def call() -> None:
            response = await http.post(f"/call/{runs}", content=b"x" * 1000)
            assert response.text == f"/call/{runs}"

        async def check(cancelled: bool) -> None:
            nonlocal runs
            assert http.transport.statistics() in ((EMPTY, ONE_IDLE) if cancelled else (ONE_IDLE,))
            assert (await http.get(f"/check/{runs}")).text == f"/check/{runs}"
            assert http.transport.statistics() == ONE_IDLE
            await wait_all_tasks_blocked()
            assert peer.open == 1
            runs += 1
            await prepare()

        await prepare()
        assert await cancel_at_every_checkpoint(call, check) >= 2
        assert runs >= 3


async def test_a_waiter_cancelled_at_any_checkpoint_loses_nobodys_place():
    """Law: a cancelled request that waited for a connection neither keeps nor loses a place in the pool."""
    async with pair(limits=Limits(per_host=1)) as (peer, http):

        async def call() -> None:
            async with trio.open_nursery() as nursery:
                for n in range(3):
                    nursery.start_soon(http.get, f"/{n}")

        async def check(cancelled: bool) -> None:
            await http.get("/check")
            assert http.transport.statistics() == ONE_IDLE

        await cancel_at_every_checkpoint(call, check)
        for n in range(1, 40):  # the third request, cancelled after n scheduler turns of the others
            async with trio.open_nursery() as nursery:
                scope = trio.CancelScope()

                async def cancelled(scope: trio.CancelScope = scope) -> None:
                    with scope:
                        await http.get("/victim")

                async def later(n: int = n, scope: trio.CancelScope = scope) -> None:
                    for _ in range(n):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()

                nursery.start_soon(http.get, "/a")
                nursery.start_soon(cancelled)
                nursery.start_soon(http.get, "/b")
                nursery.start_soon(later)
            await check(True)
        assert peer.open == 1


@asynccontextmanager
async def tls_peer(authority: trustme.CA, name: str):
    """The port of a peer that speaks TLS with a certificate for `name`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    peer = Peer(echo)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def serve(stream: trio.abc.Stream) -> None:
        with suppress(trio.BrokenResourceError):
            await peer.serve_stream(trio.SSLStream(stream, context, server_side=True, https_compatible=True))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield listener.socket.getsockname()[1], peer
        nursery.cancel_scope.cancel()


async def test_tls_peers_are_verified():
    """Law: https works with an authority that is trusted, and with no other and no other name."""
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with (
        tls_peer(authority, "127.0.0.1") as (port, peer),
        tls_peer(authority, "example.org") as (wrong, _),
    ):
        async with client(TrioTransport(network=SystemNetwork(), tls=trusting)) as http:
            for n in range(3):
                assert (await http.get(f"https://127.0.0.1:{port}/{n}")).text == f"/{n}"
            assert peer.accepted == 1
            with pytest.raises(httpx.ConnectError, match="IP address mismatch"):
                await http.get(f"https://127.0.0.1:{wrong}/")
        async with client(TrioTransport(network=SystemNetwork())) as http:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await http.get(f"https://127.0.0.1:{port}/")


async def test_requests_start_no_thread():
    """Law: a hundred requests, sixteen at a time, run in the one thread there is."""
    threads = {thread.name for thread in threading.enumerate()}
    async with pair(network=SystemNetwork()) as (peer, http):
        for _ in range(6):
            async with trio.open_nursery() as nursery:
                for n in range(16):
                    nursery.start_soon(http.get, f"/{n}")
    assert {thread.name for thread in threading.enumerate()} == threads
    assert len(peer.calls) == 96
