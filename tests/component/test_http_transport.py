import gzip
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
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
from tests.http_peer import Call, Close, Peer, echo, ok, open_peer

EMPTY = PoolStatistics(open=0, idle=0, waiting=0)
ONE_IDLE = PoolStatistics(open=1, idle=1, waiting=0)


@asynccontextmanager
async def pair(answer=echo, *, network=None, **settings):
    """A peer, and an httpx client that speaks to it; at the end nothing is left open."""
    network = MemoryNetwork() if network is None else network
    transport = TrioTransport(network=network, **settings)
    async with open_peer(network, answer) as peer:
        async with client(transport, base_url=f"http://127.0.0.1:{peer.port}") as http:
            http.transport = transport
            yield peer, http
        assert transport.statistics() == EMPTY
        await wait_all_tasks_blocked()
        assert peer.open == 0


class Pieces:
    """A body in pieces. (A generator cut short would be left to the garbage collector, by httpx.)"""

    def __init__(self, *pieces: bytes, pause: float = 0) -> None:
        self._pieces = pieces
        self._pause = pause

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Iterator(iter(self._pieces), self._pause)


class _Iterator:
    def __init__(self, pieces: Iterator[bytes], pause: float) -> None:
        self._pieces = pieces
        self._pause = pause

    def __aiter__(self) -> "_Iterator":
        return self

    async def __anext__(self) -> bytes:
        await trio.sleep(self._pause)
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


def scripted(*answers: bytes | Exception):
    """Answers in turn."""
    left = list(answers)

    async def answer(call: Call) -> bytes:
        part = left.pop(0)
        if isinstance(part, Exception):
            raise part
        return part

    return answer


async def test_requests_one_after_the_other_share_a_connection(autojump_clock):
    """Law: keep-alive; each request gets its own answer over one connection."""
    async with pair() as (peer, http):
        for n in range(5):
            response = await http.get(f"/{n}", params={"q": "a b"})
            assert response.status_code == 200
            assert response.text == f"/{n}?q=a%20b" or response.text == f"/{n}?q=a+b"
        assert peer.accepted == 1
        assert http.transport.statistics() == ONE_IDLE


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"),
        (ok(gzip.compress(b"abc"), "Content-Encoding: gzip"), "abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
    ],
)
async def test_kinds_of_answers(raw, text, autojump_clock):
    """Chunked, after a 1xx, compressed and empty answers are read whole, and the connection goes on."""
    async with pair(scripted(raw, raw)) as (peer, http):
        assert (await http.get("/")).text == text
        assert (await http.get("/")).text == text
        assert peer.accepted == 1


async def test_an_answer_may_end_with_the_connection(autojump_clock):
    """A body without a stated end lasts until the peer closes; the next request opens a new connection."""
    async with pair(scripted(Close(b"HTTP/1.1 200 OK\r\n\r\nabc"), ok(b"next"))) as (peer, http):
        assert (await http.get("/")).text == "abc"
        assert http.transport.statistics() == EMPTY
        assert (await http.get("/")).text == "next"
        assert peer.accepted == 2


async def test_head_has_no_body(autojump_clock):
    """HEAD's answer ends with its head though Content-Length speaks of a body."""
    async with pair(scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", ok(b"x"))) as (peer, http):
        assert (await http.head("/")).headers["content-length"] == "9"
        assert (await http.get("/")).text == "x"
        assert peer.accepted == 1


async def test_request_bodies_arrive_whole(autojump_clock):
    """Bytes go out with Content-Length, pieces chunked or under their own Content-Length."""
    pieces = Pieces(b"ab", b"", b"cde")
    async with pair() as (peer, http):
        await http.post("/", content=b"abcde")
        await http.post("/", content=pieces)
        await http.post("/", content=pieces, headers={"Content-Length": "5"})
        assert [call.body for call in peer.calls] == [b"abcde"] * 3
        assert [call.headers.get("content-length") for call in peer.calls] == ["5", None, "5"]


@pytest.mark.parametrize("coding", ["chunked", "gzip"])
async def test_a_request_is_framed_in_one_way_only(coding, autojump_clock):
    """Law: Content-Length and Transfer-Encoding never go out together (RFC 9112 6.1: smuggling)."""
    async with pair() as (peer, http):
        for content in (b"abc", Pieces(b"abc")):
            headers = {"Transfer-Encoding": coding, "Content-Length": "3"}
            with pytest.raises(httpx.LocalProtocolError, match="Transfer-Encoding"):
                await http.post("/", content=content, headers=headers)
        assert peer.calls == []


@pytest.mark.parametrize("length", ["4", "6"])
async def test_a_body_that_breaks_its_content_length_is_refused(length, autojump_clock):
    """Law: no byte past the stated length goes out, where it would read as the next request."""
    async with pair() as (peer, http):
        for content in (Pieces(b"abc", b"de"), b"abcde"):
            with pytest.raises(httpx.LocalProtocolError, match="Content-Length"):
                await http.post("/", content=content, headers={"Content-Length": length})
        assert peer.calls == []


async def test_a_header_cannot_smuggle_another(autojump_clock):
    """Law: CR LF in a header is an error that names the header, and nothing is sent."""
    async with pair() as (peer, http):
        with pytest.raises(httpx.LocalProtocolError, match="X-Key"):
            await http.get("/", headers={"X-Key": "a\r\nX-Evil: b"})
        assert peer.accepted == 0


@pytest.mark.parametrize(
    ("method", "extensions", "sent"),
    [
        ("GET", {}, 2),
        ("PUT", {}, 2),
        ("DELETE", {}, 2),
        ("POST", {"idempotent": True}, 2),
        ("POST", {}, 1),
        ("PATCH", {}, 1),
    ],
)
async def test_a_request_is_sent_again_only_where_that_cannot_double_it(
    method, extensions, sent, autojump_clock
):
    """Law: after a used connection closes without an answer, what is idempotent is repeated, never a POST."""
    async with pair(scripted(ok(b"1"), Close(), ok(b"2"))) as (peer, http):
        await http.get("/first")
        if sent == 2:
            assert (await http.request(method, "/order", extensions=extensions)).text == "2"
        else:
            with pytest.raises(httpx.RemoteProtocolError, match="closed"):
                await http.request(method, "/order", extensions=extensions)
        assert [call.target for call in peer.calls].count("/order") == sent


async def test_a_post_that_a_closed_connection_refuses_is_sent_on_a_new_one(autojump_clock):
    """Law: writing failed, so the peer holds no complete request: sending again cannot double it."""
    async with pair() as (peer, http):
        await http.get("/first")
        await peer.hang_up()
        assert (await http.post("/order", content=b"buy")).text == "/order"
        assert [call.target for call in peer.calls] == ["/first", "/order"]


async def test_a_new_connection_that_closes_is_not_tried_again(autojump_clock):
    """Law: one new connection per request at most."""
    async with pair(scripted(Close())) as (peer, http):
        with pytest.raises(httpx.RemoteProtocolError, match="closed"):
            await http.get("/")
        assert peer.accepted == 1
    async with pair(scripted(ok(), Close(), Close())) as (peer, http):
        await http.get("/")
        with pytest.raises(httpx.RemoteProtocolError, match="closed"):
            await http.get("/")
        assert peer.accepted == 2


async def test_an_answer_that_began_is_never_asked_for_again(autojump_clock):
    """Law: with one byte of an answer the request is known to have arrived; it is not repeated."""
    async with pair(scripted(ok(), Close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"))) as (
        peer,
        http,
    ):
        await http.get("/")
        with pytest.raises(httpx.RemoteProtocolError, match="before its answer was complete"):
            await http.get("/")
        assert len(peer.calls) == 2


async def test_a_connection_seen_to_be_closed_is_not_used():
    """Law: on a real socket the peer's close is noticed before sending, so even a POST succeeds."""
    async with pair(network=SystemNetwork()) as (peer, http):
        await http.get("/first")
        await peer.hang_up()
        with trio.fail_after(5):
            await http.post("/order")
        assert [call.connection for call in peer.calls] == [1, 2]


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
