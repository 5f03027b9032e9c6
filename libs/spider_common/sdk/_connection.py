"""One HTTP/1.1 connection and one exchange on it; `sdk/pool.py` decides which."""

import enum
import math
import ssl
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Final, NamedTuple

import httpx
import msgspec
import trio

from spider_common.network import Network
from spider_common.sdk._wire import LAST_CHUNK, Response, ResponseReader, chunk

# RFC 9110 9.2.2: doing these twice does what doing them once does.
_IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool may hold. Times in seconds, sizes in bytes."""

    per_host: int = 32
    total: int = 128
    keep_alive: float = 50.0  # below the 60 s after which common load balancers drop an idle connection
    max_header_bytes: int = 64 * 1024
    max_body_bytes: int = 16 * 1024 * 1024


class Timeouts(NamedTuple):
    """Seconds for each step, and for the whole request. `read` and `write` hold for each piece."""

    pool: float = math.inf
    connect: float = math.inf
    write: float = math.inf
    read: float = math.inf
    whole: float = math.inf


class Origin(NamedTuple):
    """Where connections lead: those to equal origins are interchangeable."""

    scheme: str
    host: str
    port: int


class Request(NamedTuple):
    """One request, its head already written (`_wire.request_head`).

    The body is whole, framed as the head says, or comes in pieces: then of `length` bytes in all, or
    chunked when that is None. `idempotent`: sending it twice does no harm (see `Pool.send`). `last`:
    its head says that the connection closes afterwards.
    """

    method: bytes
    head: bytes
    body: bytes | AsyncIterable[bytes] = b""
    length: int | None = None
    idempotent: bool = False
    last: bool = False


class Step(enum.Enum):
    """Where a request is: names the timeout it runs into."""

    POOL = httpx.PoolTimeout
    CONNECT = httpx.ConnectTimeout
    WRITE = httpx.WriteTimeout
    READ = httpx.ReadTimeout


class Watch:
    """One cancel scope per request, re-armed for each step."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.scope = trio.CancelScope()
        self.step = Step.POOL
        self._timeouts = timeouts
        self._end = trio.current_time() + timeouts.whole

    def enter(self, step: Step, seconds: float) -> None:
        self.step = step
        if seconds < math.inf or self._end < math.inf:  # arming a scope costs more than asking
            self.scope.deadline = min(trio.current_time() + seconds, self._end)

    def error(self) -> httpx.TimeoutException:
        step = self.step.name.lower()
        if trio.current_time() >= self._end:
            bound = f"the whole request's {self._timeouts.whole:g} s"
        else:
            bound = f"its {getattr(self._timeouts, step):g} s"
        error: httpx.TimeoutException = self.step.value(f"{step} took longer than {bound}")
        return error


class Progress(enum.IntEnum):
    """How far an exchange came, judged by what the peer may know of it."""

    REFUSED = 0  # the connection did not take the request whole: the peer cannot hold a complete one
    SENT = 1  # the peer may have it, or a part of it
    ANSWERED = 2  # the peer has begun to answer


def may_resend(progress: Progress, request: Request) -> bool:
    """Whether a request that failed on a used connection may go out again: the rule of `Pool.send`."""
    if progress is Progress.REFUSED:
        return True
    whole = isinstance(request.body, bytes)  # pieces, once taken, are gone
    return progress is Progress.SENT and whole and (request.idempotent or request.method in _IDEMPOTENT)


class Connection:
    """A place in the pool, with a stream or still without one."""

    def __init__(self, origin: Origin, limits: Limits) -> None:
        self.origin = origin
        self.idle_until = -math.inf
        self.progress = Progress.REFUSED
        self._limits = limits
        self._stream: trio.abc.Stream | None = None

    def alive(self) -> bool:
        """Not idle for too long, and the peer has not closed, as far as can be seen without reading."""
        if self._stream is None or trio.current_time() >= self.idle_until:
            return False
        stream = self._stream
        if isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        # An idle connection has nothing to read but its end (or what nobody asked for).
        return not (isinstance(stream, trio.SocketStream) and stream.socket.is_readable())

    def move(self, origin: Origin) -> None:
        """Leads to another origin from now on; its old stream is closed when the new one opens."""
        self.origin = origin
        self.idle_until = -math.inf

    async def open(self, network: Network, tls: ssl.SSLContext | None) -> None:
        await self.close()
        origin = self.origin
        try:
            self._stream = await network.connect(origin.host, origin.port, tls=tls)
        except OSError as error:
            raise httpx.ConnectError(f"cannot connect to {origin.host}:{origin.port}: {error}") from error
        except trio.BrokenResourceError as error:
            cause = error.__cause__ or error
            raise httpx.ConnectError(f"TLS with {origin.host}:{origin.port} failed: {cause}") from error
        self._reader = ResponseReader(
            max_header_bytes=self._limits.max_header_bytes, max_body_bytes=self._limits.max_body_bytes
        )

    async def close(self) -> None:
        """Drops the stream at once, without a goodbye; a cancellation does not stop it."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def exchange(self, request: Request, watch: Watch, timeouts: Timeouts) -> Response:
        assert self._stream is not None
        self.progress = Progress.REFUSED
        reader = self._reader
        reader.begin(head_only=request.method == b"HEAD")
        try:
            await self._send(self._stream, request, watch, timeouts.write)
        except trio.BrokenResourceError as error:
            raise httpx.WriteError(f"the connection broke while sending: {error}") from error
        try:
            while True:
                watch.enter(Step.READ, timeouts.read)
                received = await self._stream.receive_some()
                if not received:
                    reader.eof()
                    break
                self.progress = Progress.ANSWERED
                if reader.feed(bytes(received)):
                    break
        except trio.BrokenResourceError as error:
            raise httpx.ReadError(f"the connection broke while reading: {error}") from error
        if request.last:
            reader.reusable = False
        return reader.response()

    def reusable(self) -> bool:
        return self._stream is not None and self._reader.reusable

    async def _send(self, stream: trio.abc.Stream, request: Request, watch: Watch, seconds: float) -> None:
        body = request.body
        watch.enter(Step.WRITE, seconds)
        if isinstance(body, bytes):
            await stream.send_all(request.head + body)
            self.progress = Progress.SENT
            return
        await stream.send_all(request.head)
        self.progress = Progress.SENT
        sent = 0
        pieces = aiter(body)
        try:
            async for piece in pieces:
                sent += len(piece)
                if request.length is not None and sent > request.length:
                    break  # the surplus would be read as the next request
                watch.enter(Step.WRITE, seconds)
                await stream.send_all(piece if request.length is not None else chunk(piece))
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
        if request.length is None:
            await stream.send_all(LAST_CHUNK)
        elif sent != request.length:
            raise httpx.LocalProtocolError(
                f"the streamed body is {'longer' if sent > request.length else 'shorter'}"
                f" than its Content-Length of {request.length} bytes"
            )
