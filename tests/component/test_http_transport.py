import gzip

import httpx
import pytest
import trio

from spider_common.network import SystemNetwork
from tests.http_pair import EMPTY, ONE_IDLE, Pieces, pair, scripted
from tests.http_peer import Close, ok


async def test_requests_one_after_the_other_share_a_connection(autojump_clock):
    """Law: keep-alive; each request gets its own answer over one connection."""
    async with pair() as (peer, http):
        for n in range(5):
            response = await http.get(f"/{n}?q=a b")
            assert response.status_code == 200
            assert response.text == f"/{n}?q=a%20b"
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
