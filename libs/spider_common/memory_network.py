"""A `Network` inside one process: the simulation's wire."""

import errno
import ssl

import trio
import trio.testing

_BACKLOG = 1024  # as a kernel's accept queue: past it, connecting waits


class _MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    def __init__(self, network: "MemoryNetwork", address: tuple[str, int]) -> None:
        self._network = network
        self._address = address
        self.offer, self._accept = trio.open_memory_channel[trio.abc.Stream](_BACKLOG)

    async def accept(self) -> trio.abc.Stream:
        try:
            return await self._accept.receive()
        except trio.EndOfChannel:
            raise trio.ClosedResourceError from None

    async def aclose(self) -> None:
        self._network.forget(self._address)
        self.offer.close()
        self._accept.close()
        await trio.lowlevel.checkpoint()


class MemoryNetwork:
    """Streams between tasks of one process, by host and port. TLS is left out: nothing leaves the process."""

    def __init__(self) -> None:
        self._listeners: dict[tuple[str, int], _MemoryListener] = {}
        self._next_port = 49152

    async def connect(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> trio.abc.Stream:  # noqa: ARG002 the port has it
        listener = self._listeners.get((host, port))
        if listener is None:
            await trio.lowlevel.checkpoint()
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens on {host}:{port}")
        near, far = trio.testing.memory_stream_pair()
        await listener.offer.send(far)
        return near

    async def listen(self, host: str, port: int) -> tuple[trio.abc.Listener[trio.abc.Stream], int]:
        await trio.lowlevel.checkpoint()
        if port == 0:
            port, self._next_port = self._next_port, self._next_port + 1
        if (host, port) in self._listeners:
            raise OSError(errno.EADDRINUSE, f"{host}:{port} is taken")
        listener = _MemoryListener(self, (host, port))
        self._listeners[host, port] = listener
        return listener, port

    def forget(self, address: tuple[str, int]) -> None:
        """Frees an address; its listener calls this as it closes."""
        self._listeners.pop(address, None)
