"""HTTP/1.1 on bytes, without I/O: request heads out, whole responses in (RFC 9110, RFC 9112).

Errors are httpx's: they are the one vocabulary of everything that sends HTTP here.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import httptools
import httpx

Headers = Sequence[tuple[bytes, bytes]]

# RFC 9110 5.6.2 (token), RFC 9112 3.2 (a target holds no white space), RFC 9110 5.5 (field value).
_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_LINE: Final = re.compile(_TOKEN + rb" [!-~\x80-\xff]+")
_NAME: Final = re.compile(_TOKEN)
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_FIELDS: Final = re.compile(rb"(?:" + _TOKEN + rb": [\t\x20-\x7e\x80-\xff]*\r\n)*")

LAST_CHUNK: Final = b"0\r\n\r\n"


class ResponseTooLarge(httpx.RemoteProtocolError):
    """The answer's head or body is larger than the limit. Its connection is closed."""


class Response(NamedTuple):
    """One whole answer. Header names are as they came; the body is as sent, still encoded."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def request_head(method: bytes, target: bytes, headers: Headers) -> bytes:
    """The request line and header fields, ready to send; the caller's order and case are kept.

    Raises:
        httpx.LocalProtocolError: a part would break the message's framing (CR, LF, NUL, ...).
    """
    line = b"%b %b" % (method, target)
    fields = b"".join([b"%b: %b\r\n" % field for field in headers])
    # A field with CR LF inside could read as two good ones: the count tells.
    if _LINE.fullmatch(line) and _FIELDS.fullmatch(fields) and fields.count(b"\n") == len(headers):
        return b"%b HTTP/1.1\r\n%b\r\n" % (line, fields)
    raise httpx.LocalProtocolError(_fault(method, headers))


def _fault(method: bytes, headers: Headers) -> str:
    # Values are not shown: they may be secrets.
    if not _NAME.fullmatch(method):
        return f"HTTP method {method!r} is not a token; use letters only"
    for name, value in headers:
        if not _NAME.fullmatch(name):
            return f"HTTP header name {name!r} is not a token; use letters, digits and hyphens"
        if not _VALUE.fullmatch(value):
            return (
                f"the value of HTTP header {name.decode()!r} holds a control character; remove CR, LF and NUL"
            )
    return "the HTTP request target holds white space or a control character; percent-encode it"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body (RFC 9112 7.1); empty data gives nothing, since it would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class ResponseReader:
    """Reads the answers of one connection, one after the other. `begin` before each.

    Informational answers (1xx) are skipped. `complete` turns true when the answer is whole, and
    `reusable` then says whether the connection may carry another request.
    """

    def __init__(self, *, max_header_bytes: int, max_body_bytes: int) -> None:
        self._max_header = max_header_bytes
        self._max_body = max_body_bytes
        self._parser = httptools.HttpResponseParser(self)
        self.begin(head_only=False)

    def begin(self, *, head_only: bool) -> None:
        """Makes ready for the next answer; `head_only` when it answers a HEAD request."""
        self._head_only = head_only
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._size = 0
        self._quiet = 0  # bytes fed since the body last grew: heads, chunk lines and trailers
        self._in_body = False
        self._excess = False
        self._failure: httpx.TransportError | None = None
        self.complete = False
        self.reusable = False

    def feed(self, data: bytes) -> bool:
        """Takes what the peer sent; True when the answer is complete.

        Raises:
            ResponseTooLarge: a limit is passed.
            httpx.RemoteProtocolError: this is not HTTP/1.1.
        """
        size = self._size
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise httpx.RemoteProtocolError(
                "the answer switches protocols, which nobody asked for"
            ) from error
        except httptools.HttpParserError as error:
            if self._failure is None and not self.complete:
                raise httpx.RemoteProtocolError(f"the answer is not HTTP/1.1: {error}") from error
            self.reusable = False
        if self._failure is not None:
            raise self._failure
        self._quiet = self._quiet + len(data) if self._size == size else 0
        if self._quiet > self._max_header and not self.complete:
            raise self._too_large("head or trailer", self._max_header)
        if self._excess:
            self.reusable = False
        return self.complete

    def eof(self) -> None:
        """The peer has closed: the end of a body that has no other end (RFC 9112 6.3, case 8).

        Raises:
            httpx.RemoteProtocolError: the answer is not whole.
        """
        if not self._in_body or self._has_length():
            raise httpx.RemoteProtocolError("the peer closed before its answer was complete")
        self.complete = True

    def response(self) -> Response:
        """The answer, once `complete`."""
        assert self.complete
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        return Response(self._status, self._headers, body)

    def _has_length(self) -> bool:
        for name, value in self._headers:
            lowered = name.lower()
            if lowered == b"content-length":
                return True
            if lowered == b"transfer-encoding" and value.lower().endswith(b"chunked"):
                return True
        return False

    def _too_large(self, part: str, limit: int) -> ResponseTooLarge:
        return ResponseTooLarge(f"the answer's {part} is larger than the limit of {limit} bytes")

    # What httptools calls.

    def on_message_begin(self) -> None:
        if self.complete:
            self._excess = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body and not self.complete:  # later ones are trailers, which nothing here uses
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        if sum([len(name) + len(value) for name, value in self._headers]) > self._max_header:
            self._failure = self._too_large("head", self._max_header)
            return
        self._status: int = self._parser.get_status_code()
        if self._status < 200:
            self._headers = []
            return
        self._in_body = True
        if self._head_only:
            # The parser would wait for the body that Content-Length speaks of; a fresh one will not.
            self.complete = True
            self.reusable = self._parser.should_keep_alive()
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        if self.complete:
            self._excess = True
            return
        self._size += len(data)
        if self._size > self._max_body:
            self._failure = self._too_large("body", self._max_body)
            return
        self._parts.append(data)

    def on_message_complete(self) -> None:
        if self._in_body and not self.complete and self._failure is None:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()
