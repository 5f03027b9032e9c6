"""The simulation's wire: streams in memory on which bytes take their time."""

import random
import ssl
from typing import Final

import trio

from spider_common.memory_network import MemoryNetwork

SHORTEST_S: Final = 0.001
LONGEST_S: Final = 0.05


class _Slow(trio.abc.Stream):
    """A stream whose writes arrive late and in order. A writer that dies meanwhile has written nothing."""

    def __init__(self, stream: trio.abc.Stream, rng: random.Random) -> None:
        self._stream, self._rng = stream, rng

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.sleep(self._rng.uniform(SHORTEST_S, LONGEST_S))
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


class _SlowListener(trio.abc.Listener[trio.abc.Stream]):
    def __init__(self, listener: trio.abc.Listener[trio.abc.Stream], rng: random.Random) -> None:
        self._listener, self._rng = listener, rng

    async def accept(self) -> trio.abc.Stream:
        return _Slow(await self._listener.accept(), self._rng)

    async def aclose(self) -> None:
        await self._listener.aclose()


class Wire:
    """A `Network` in one process on which nothing arrives at once, so that what crosses, crosses."""

    def __init__(self, rng: random.Random) -> None:
        self._network, self._rng = MemoryNetwork(), rng

    async def connect(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> trio.abc.Stream:
        return _Slow(await self._network.connect(host, port, tls=tls), self._rng)

    async def listen(self, host: str, port: int) -> tuple[trio.abc.Listener[trio.abc.Stream], int]:
        listener, port = await self._network.listen(host, port)
        return _SlowListener(listener, self._rng), port
