"""`TrioTransport.exchange`: requests that go out as they are, over the same connections as httpx's."""

import gzip

import httpx
import pytest

from tests.http_pair import ONE_IDLE, pair, scripted
from tests.http_peer import ok


def at(peer, path):
    return f"http://127.0.0.1:{peer.port}{path}"


async def test_a_request_goes_out_as_it_is(autojump_clock):
    """Target, headers and body are those given; Host and Content-Length say where and how much."""
    async with pair() as (peer, http):
        answer = await http.transport.exchange(
            "POST", at(peer, "/order?a=%7B1%7D&b=x,y"), headers={"Sign": "s="}, body=b"{}", deadline=5
        )
        await http.transport.exchange("GET", at(peer, ""), headers={}, deadline=5)
        first, second = peer.calls
        assert (first.method, first.target, first.body) == ("POST", "/order?a=%7B1%7D&b=x,y", b"{}")
        assert first.headers["sign"] == "s="
        assert first.headers["host"] == f"127.0.0.1:{peer.port}"
        assert first.headers["content-length"] == "2"
        assert (second.target, second.headers.get("content-length")) == ("/", None)
        assert (answer.status, answer.content) == (200, b"/order?a=%7B1%7D&b=x,y")
        assert http.transport.statistics() == ONE_IDLE


async def test_an_answer_is_read_with_its_headers(autojump_clock):
    """Any status is an answer; header names in any case are found, missing ones are empty."""
    raw = b"HTTP/1.1 429 Slow\r\nX-Remain: 0\r\nContent-Length: 2\r\n\r\nno"
    async with pair(scripted(raw)) as (peer, http):
        answer = await http.transport.exchange("GET", at(peer, "/"), headers={}, deadline=5)
        assert (answer.status, answer.content) == (429, b"no")
        assert (answer.header("x-remain"), answer.header("x-other")) == ("0", "")


async def test_compressed_content_is_unpacked(autojump_clock):
    """gzip, which the request offers; what only says that it is gzip is an error, never content."""
    packed, broken = (ok(body, "Content-Encoding: gzip") for body in (gzip.compress(b"abc"), b"no gzip"))
    async with pair(scripted(packed, broken)) as (peer, http):
        assert (await http.transport.exchange("GET", at(peer, "/"), headers={}, deadline=5)).content == b"abc"
        assert peer.calls[0].headers["accept-encoding"] == "gzip"
        with pytest.raises(httpx.DecodingError, match="no gzip"):
            await http.transport.exchange("GET", at(peer, "/"), headers={}, deadline=5)


@pytest.mark.parametrize(("path", "headers"), [("/a b", {}), ("/", {"Sign": "a\r\nb: c"})])
async def test_what_would_break_the_framing_is_not_sent(path, headers, autojump_clock):
    """Neither target nor headers can end the head early."""
    async with pair() as (peer, http):
        with pytest.raises(httpx.LocalProtocolError):
            await http.transport.exchange("GET", at(peer, path), headers=headers, deadline=5)
        assert peer.calls == []
