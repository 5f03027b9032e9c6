"""HTTP on Trio streams: plain exchanges over `sdk.pool`, and a transport that puts httpx on it."""

import math
import re
import ssl
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

import httpx

from spider_common.network import Network
from spider_common.sdk._wire import request_head
from spider_common.sdk.pool import Limits, Origin, Pool, PoolStatistics, Request, Timeouts

_PORTS: Final = {"http": 80, "https": 443}
_OWN_FIELDS: Final = ((b"User-Agent", b"oms-spider"), (b"Accept", b"*/*"), (b"Accept-Encoding", b"gzip"))
_GUNZIP: Final = 16 + zlib.MAX_WBITS
_CLOSE: Final = re.compile(rb"\r\nconnection:[^\r]*\bclose\b", re.IGNORECASE)


class Answer(NamedTuple):
    """An answer to `TrioTransport.exchange`, its content decoded."""

    status: int
    fields: list[tuple[bytes, bytes]]
    content: bytes

    def header(self, name: str) -> str:
        """A header field's value, "" where there is none. `name` in lower case."""
        wanted = name.encode()
        return next((value.decode("latin-1") for key, value in self.fields if key.lower() == wanted), "")


class TrioTransport(httpx.AsyncBaseTransport):
    """Sends httpx's requests over the streams of a `Network`.

    Timeouts are httpx's own (connect, read, write, pool). Beside them the whole request has a
    deadline: `extensions={"deadline": seconds}`, or `deadline` here. Each is a Trio cancel scope, so a
    caller's own scope works the same way. `extensions={"idempotent": True}` marks a request that may
    be sent twice, for example a POST that only reads: see `Pool.send` for when that happens.

    `tls` is the context for https; without it the system's trusted authorities verify the peer.
    """

    def __init__(
        self,
        *,
        network: Network,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        deadline: float = 30.0,
    ) -> None:
        self._pool = Pool(network=network, tls=tls, limits=limits)
        self._deadline = deadline

    def statistics(self) -> PoolStatistics:
        """How full the connection pool is."""
        return self._pool.statistics()

    async def aclose(self) -> None:
        """Closes the idle connections."""
        await self._pool.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request; the answer is read whole, its content encoding is left to httpx.

        Raises:
            httpx.TransportError: see `Pool.send`. httpx.LocalProtocolError: the request is not sendable.
        """
        response = await self._pool.send(
            _origin(request.url), _wire_request(request), self._timeouts(request.extensions)
        )
        return httpx.Response(
            response.status, headers=response.headers, stream=httpx.ByteStream(response.body)
        )

    async def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"", deadline: float
    ) -> Answer:
        """Sends a request as it is: what httpx's client does beside that costs three times as much.

        No redirects, no cookies, nothing from the environment. Host and Content-Length are set here.

        Raises:
            httpx.TransportError: see `Pool.send`; LocalProtocolError: the request is not sendable;
                DecodingError: the answer's content is not what its head says.
        """
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        origin, own = _place(scheme, host)
        fields = [*own, *((name.encode(), value.encode()) for name, value in headers.items())]
        if body or method == "POST":
            fields.append((b"Content-Length", b"%d" % len(body)))
        verb = method.encode()
        request = Request(verb, request_head(verb, (slash + path or "/").encode(), fields), body)
        answer = await self._pool.send(origin, request, Timeouts(whole=deadline))
        told = Answer(answer.status, answer.headers, answer.body)
        if told.header("content-encoding") != "gzip":
            return told
        try:
            return told._replace(content=zlib.decompress(told.content, _GUNZIP))
        except zlib.error as error:
            raise httpx.DecodingError(f"the answer is no gzip: {error}") from error

    def _timeouts(self, extensions: dict[str, object]) -> Timeouts:
        steps = extensions.get("timeout", {})
        whole = extensions.get("deadline", self._deadline)
        assert isinstance(steps, dict)
        assert isinstance(whole, int | float)

        def seconds(step: str) -> float:
            value: float | None = steps.get(step)
            return math.inf if value is None else value

        return Timeouts(seconds("pool"), seconds("connect"), seconds("write"), seconds("read"), float(whole))


def client(transport: TrioTransport, *, base_url: str = "") -> httpx.AsyncClient:
    """An httpx client on `transport` that reads nothing from the environment (no proxies, no .netrc).

    Closing the client closes the transport: clients that share one are closed together.
    """
    return httpx.AsyncClient(transport=transport, base_url=base_url, trust_env=False)


@lru_cache(maxsize=64)
def _place(scheme: str, authority: str) -> tuple[Origin, tuple[tuple[bytes, bytes], ...]]:
    """Where a URL leads, and the header fields of every request there."""
    own = ((b"Host", authority.encode()), *_OWN_FIELDS)
    return _origin(httpx.URL(f"{scheme}://{authority}")), own


def _origin(url: httpx.URL) -> Origin:
    scheme = url.scheme
    default = _PORTS.get(scheme)
    if default is None:
        raise httpx.UnsupportedProtocol(f"cannot send to {scheme!r} URLs; use http or https")
    return Origin(scheme, url.raw_host.decode(), url.port or default)


def _wire_request(request: httpx.Request) -> Request:
    method = request.method.encode()
    idempotent = request.extensions.get("idempotent") is True
    head = request_head(method, request.url.raw_path, request.headers.raw)
    last = _CLOSE.search(head) is not None
    length = request.headers.get("content-length")
    coding = request.headers.get("transfer-encoding")
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        body = b"".join(stream)
        if coding is not None:  # with Content-Length beside it, the two ends could disagree on the body's end
            raise httpx.LocalProtocolError(
                "a body given whole takes no Transfer-Encoding; remove that header"
            )
        if len(body) != int(length or 0):
            raise httpx.LocalProtocolError(f"Content-Length is {length}, but the body has {len(body)} bytes")
        return Request(method, head, body, None, idempotent, last)
    if not isinstance(stream, httpx.AsyncByteStream):
        raise httpx.LocalProtocolError("the request body is a blocking iterator; use bytes or an async one")
    if (length is None) is (coding is None) or coding not in (None, "chunked"):
        raise httpx.LocalProtocolError("a streamed body needs Content-Length or Transfer-Encoding: chunked")
    return Request(method, head, stream, None if length is None else int(length), idempotent, last)
