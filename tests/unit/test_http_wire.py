from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.sdk._wire import ResponseReader, ResponseTooLarge, chunk, request_head

LIMIT = 1_000


def reader(*, head_only: bool = False) -> ResponseReader:
    it = ResponseReader(max_header_bytes=LIMIT, max_body_bytes=LIMIT)
    it.begin(head_only=head_only)
    return it


def read(pieces: list[bytes], *, head_only: bool = False) -> object:
    """What a reader makes of the pieces and then the peer's close: answer, or error type and text."""
    it = reader(head_only=head_only)
    try:
        for piece in pieces:
            if it.feed(piece):
                return it.response(), it.reusable
        it.eof()
    except httpx.TransportError as error:
        return type(error), str(error)
    return it.response(), it.reusable


def split(raw: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({cut % (len(raw) + 1) for cut in cuts}), len(raw)]
    return [raw[a:b] for a, b in pairwise(edges) if a < b]


token = st.text("abcXYZ0189-_!", min_size=1, max_size=12).map(str.encode)
field_value = st.text("abc XYZ=;,/\x80\xff\t", max_size=20).map(lambda text: text.strip().encode("latin-1"))
fields = st.lists(st.tuples(token.map(lambda name: b"X-" + name), field_value), max_size=5)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, int, list[tuple[bytes, bytes]], bytes, bool]:
    """(raw bytes, status, headers, body, whether the connection lives on)."""
    status = draw(st.sampled_from([200, 201, 400, 404, 429, 500, 503]))
    headers = draw(fields)
    body = draw(st.binary(max_size=200))
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    sent = body
    if framing == "length":
        headers.append((b"Content-Length", str(len(body)).encode()))
    elif framing == "chunked":
        headers.append((b"Transfer-Encoding", b"chunked"))
        cuts = draw(st.lists(st.integers(0, 200), max_size=4))
        sent = b"".join(chunk(part) for part in split(body, cuts)) + b"0\r\n"
        sent += draw(st.sampled_from([b"", b"X-Trailer: 1\r\n"])) + b"\r\n"
    early = draw(
        st.sampled_from(
            [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"]
        )
    )
    head = b"HTTP/1.1 %d Some Reason\r\n" % status + b"".join(b"%b: %b\r\n" % field for field in headers)
    return early + head + b"\r\n" + sent, status, headers, body, framing != "close"


@given(answers(), st.lists(st.integers(0, 2_000), max_size=8))
def test_an_answer_reads_the_same_however_its_bytes_are_split(answer, cuts):
    """Law: the reader's result depends on the bytes, not on where the network cut them."""
    raw, status, headers, body, reusable = answer
    assert read(split(raw, cuts)) == ((status, headers, body), reusable)
    assert read([raw[i : i + 1] for i in range(len(raw))]) == ((status, headers, body), reusable)


@given(answers(), answers())
def test_answers_of_one_connection_are_read_one_after_the_other(first, second):
    """Law: nothing of one answer leaks into the next on the same connection."""
    it = reader()
    for raw, status, headers, body, reusable in (first, second):
        it.begin(head_only=False)
        if not it.feed(raw):
            it.eof()
        assert it.response() == (status, headers, body)
        if not reusable:
            return


@given(answers(), st.data())
def test_a_cut_off_answer_is_an_error(answer, data):
    """Law: no strict prefix of an answer with a known end passes for the whole."""
    raw, *_, reusable = answer
    if reusable:
        cut = data.draw(st.integers(0, len(raw) - 1))
        assert read([raw[:cut]] if cut else []) == (
            httpx.RemoteProtocolError,
            "the peer closed before its answer was complete",
        )


@given(answers(), st.binary(min_size=1, max_size=30).filter(lambda extra: extra.strip(b"\r\n")))
def test_bytes_after_an_answer_cost_the_connection(answer, extra):
    """Law: what comes unasked is never taken for the next answer: the connection is not used again."""
    raw, status, headers, body, reusable = answer
    if reusable:
        assert read([raw + extra]) == ((status, headers, body), False)


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(status):
    """204 and 304 end with their head, whatever Content-Length says (RFC 9110 15.3.5, 15.4.5)."""
    raw = b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status
    assert read([raw]) == ((status, [(b"Content-Length", b"5")], b""), True)


def test_an_answer_to_head_has_no_body_and_the_next_is_read_whole():
    """HEAD's answer ends with its head (RFC 9110 9.3.2), and the connection goes on."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    it = reader(head_only=True)
    assert it.feed(raw)
    assert it.response().body == b""
    assert it.reusable
    it.begin(head_only=False)
    assert it.feed(raw + b"12345")
    assert it.response().body == b"12345"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\n\r\na",
    ],
)
def test_a_peer_that_closes_is_not_kept(raw):
    """A connection that the peer is about to close is not used again (RFC 9112 9.3)."""
    assert read([raw])[1] is False


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"not http at all\r\n\r\n", httpx.RemoteProtocolError),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            httpx.RemoteProtocolError,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nxx", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * LIMIT + b"\r\nContent-Length: 0\r\n\r\n", ResponseTooLarge),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 3 * LIMIT, ResponseTooLarge),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 100, ResponseTooLarge),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LIMIT + 1) + b"x" * (LIMIT + 1),
            ResponseTooLarge,
        ),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LIMIT + 1), ResponseTooLarge),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: " + b"x" * 2 * LIMIT,
            ResponseTooLarge,
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_bad_answers_are_typed_errors_however_split(raw, error, size):
    """Law: malformed and oversized answers raise, with any split, an error that httpx callers catch."""
    it = reader()
    with pytest.raises(error) as caught:  # noqa: PT012 any of the pieces may be the one
        for i in range(0, len(raw), size):
            it.feed(raw[i : i + size])
    assert isinstance(caught.value, httpx.TransportError)
    assert not it.complete


@given(fields)
def test_a_head_is_what_was_asked_for(headers):
    """Law: request line and fields go out as given, in order, each on its line."""
    head = request_head(b"GET", b"/a?b=%20", headers)
    assert head.split(b"\r\n") == [
        b"GET /a?b=%20 HTTP/1.1",
        *[name + b": " + value for name, value in headers],
        b"",
        b"",
    ]


@pytest.mark.parametrize("evil", ["\r\nX: y", "\n", "\r", "\0", "\x1b"])
@pytest.mark.parametrize(
    ("place", "named"),
    [("value", "'X-Key'"), ("name", "header name"), ("target", "target"), ("method", "method")],
)
def test_control_characters_never_reach_the_wire(evil, place, named):
    """Law: no part of a request can break out of its place; the error names the place, never the value."""
    bad = f"secret{evil}".encode()
    parts = {"method": b"GET", "target": b"/", "name": b"X-Key", "value": b"v"} | {place: bad}
    with pytest.raises(httpx.LocalProtocolError, match=named) as caught:
        request_head(parts["method"], parts["target"], [(b"A", b"b"), (parts["name"], parts["value"])])
    if place == "value":
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", [b"", b"a b", b"a:b"])
def test_header_names_are_tokens(name):
    """RFC 9110 5.1: a name is a token; anything else is refused."""
    with pytest.raises(httpx.LocalProtocolError, match="header name"):
        request_head(b"GET", b"/", [(name, b"v")])
