"""Where byte streams come from.

Every socket of the system is opened through a `Network`, so that the whole system also runs in one
process over in-memory streams (`spider_common.memory_network`).
"""

import ssl
from typing import Protocol

import trio


class Network(Protocol):
    """Opens and accepts byte streams."""

    async def connect(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> trio.abc.Stream:
        """A stream to host:port, with the TLS handshake done when `tls` is given.

        Raises:
            OSError: nobody listens there, or the name does not resolve.
            trio.BrokenResourceError: the TLS handshake failed; its cause says why.
        """
        ...

    async def listen(self, host: str, port: int) -> tuple[trio.abc.Listener[trio.abc.Stream], int]:
        """A listener on host:port and the port it got (port 0 asks for any free one)."""
        ...


class SystemNetwork:
    """TCP of the operating system. `local_address` binds outgoing connections to one source address."""

    def __init__(self, *, local_address: str | None = None) -> None:
        self._local_address = local_address

    async def connect(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> trio.abc.Stream:
        stream = await trio.open_tcp_stream(host, port, local_address=self._local_address)
        if tls is None:
            return stream
        secured = trio.SSLStream(stream, tls, server_hostname=host, https_compatible=True)
        try:
            await secured.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(secured)
            raise
        return secured

    async def listen(self, host: str, port: int) -> tuple[trio.abc.Listener[trio.abc.Stream], int]:
        listeners = await trio.open_tcp_listeners(port, host=host)
        for spare in listeners[1:]:  # a name may stand for several addresses; the port is that of the first
            await spare.aclose()
        bound: int = listeners[0].socket.getsockname()[1]
        return listeners[0], bound
