"""An HTTP/1.1 peer for tests, on h11: a second opinion on what our own wire code sends."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import h11
import trio

from spider_common.network import Network


class Call(NamedTuple):
    """One request as the peer got it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int  # counts the accepted connections from 1


class Close(Exception):
    """Raised by an answer function: close the connection after sending `data`."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data


Answer = Callable[[Call], Awaitable[bytes]]


class Peer:
    """What the peer saw: its port, the calls in their order, connections accepted and now open."""

    def __init__(self, answer: Answer) -> None:
        self.port = 0
        self.calls: list[Call] = []
        self.accepted = 0
        self.open = 0
        self._answer = answer
        self.streams: list[trio.abc.Stream] = []

    async def hang_up(self) -> None:
        """Closes every connection."""
        for stream in self.streams:
            await trio.aclose_forcefully(stream)

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        self.accepted += 1
        self.open += 1
        self.streams.append(stream)
        try:
            await self._serve_stream(stream, self.accepted)
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            pass  # one side hung up
        finally:
            self.open -= 1
            await trio.aclose_forcefully(stream)

    async def _serve_stream(self, stream: trio.abc.Stream, connection: int) -> None:
        http = h11.Connection(h11.SERVER)
        while True:
            request: h11.Request | None = None
            body = b""
            while True:
                event = http.next_event()
                if event is h11.NEED_DATA:
                    http.receive_data(bytes(await stream.receive_some()))
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    break
                else:
                    return
            assert request is not None
            call = Call(
                request.method.decode(),
                request.target.decode(),
                {name.decode().lower(): value.decode() for name, value in request.headers},
                body,
                connection,
            )
            self.calls.append(call)
            try:
                await stream.send_all(await self._answer(call))
            except Close as close:
                if close.data:
                    await stream.send_all(close.data)
                return
            # The answer is raw bytes: tell h11 that it went out.
            http.send(h11.Response(status_code=204, headers=[]))
            http.send(h11.EndOfMessage())
            if http.our_state is h11.MUST_CLOSE:
                return
            http.start_next_cycle()


def ok(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer with Content-Length."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


async def echo(call: Call) -> bytes:
    """Answers with the target, so that each request can tell its own answer."""
    return ok(call.target.encode())


@asynccontextmanager
async def open_peer(network: Network, answer: Answer = echo, *, port: int = 0) -> AsyncIterator[Peer]:
    """A peer that listens on `network` at 127.0.0.1."""
    peer = Peer(answer)
    listener, peer.port = await network.listen("127.0.0.1", port)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, peer.serve_stream, [listener], name="peer")
        yield peer
        nursery.cancel_scope.cancel()
