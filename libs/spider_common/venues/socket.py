"""A venue's WebSocket on a Trio stream from a `Network`."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import trio
import trio_websocket

from spider_common.network import Network

CONNECT_WITHIN_S: Final = 10.0
SEND_WITHIN_S: Final = 10.0
MAX_MESSAGE: Final = 1 << 20


class SocketClosed(Exception):
    """The socket could not be opened or is over; the text says how."""


class VenueSocket:
    """An open socket: text or binary frames both ways."""

    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        """Sends a text frame.

        Raises:
            SocketClosed: the socket is over, or the peer does not read.
        """
        try:
            with trio.fail_after(SEND_WITHIN_S):
                await self._connection.send_message(text)
        except trio_websocket.ConnectionClosed as closed:
            raise SocketClosed(str(closed)) from closed
        except trio.TooSlowError:
            raise SocketClosed("the venue does not read") from None

    async def receive(self) -> str | bytes:
        """The next frame.

        Raises:
            SocketClosed: there is none to come.
        """
        try:
            frame: str | bytes = await self._connection.get_message()
        except trio_websocket.ConnectionClosed as closed:
            raise SocketClosed(str(closed)) from closed
        return frame


@asynccontextmanager
async def open_socket(
    network: Network, url: str, *, tls: ssl.SSLContext | None
) -> AsyncIterator[VenueSocket]:
    """An open socket to a ``wss://`` (with `tls`) or ``ws://`` URL, closed at the end of the block.

    Raises:
        SocketClosed: it cannot be opened.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    resource = parts.path + (f"?{parts.query}" if parts.query else "")
    stream: trio.abc.Stream | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                with trio.fail_after(CONNECT_WITHIN_S):
                    stream = await network.connect(host, port, tls=tls if secure else None)
                    connection = await trio_websocket.wrap_client_stream(
                        nursery,
                        stream,  # type: ignore[arg-type]  # any stream will do, its documentation says
                        parts.netloc,
                        resource,
                        max_message_size=MAX_MESSAGE,
                    )
            except (OSError, trio.BrokenResourceError, trio_websocket.HandshakeError) as error:
                raise SocketClosed(f"cannot connect to {host}:{port}: {error}") from error
            except trio.TooSlowError:
                raise SocketClosed(f"no connection to {host}:{port} within {CONNECT_WITHIN_S} s") from None
            yield VenueSocket(connection)
            nursery.cancel_scope.cancel()
    finally:
        if stream is not None:
            await trio.aclose_forcefully(stream)
