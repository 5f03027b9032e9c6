"""An httpx client on our transport, and a peer for it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio
from trio.testing import wait_all_tasks_blocked

from spider_common.memory_network import MemoryNetwork
from spider_common.network import Network
from spider_common.sdk.http import TrioTransport, client
from spider_common.sdk.pool import PoolStatistics
from tests.http_peer import Answer, Call, Peer, echo, open_peer

EMPTY = PoolStatistics(open=0, idle=0, waiting=0)
ONE_IDLE = PoolStatistics(open=1, idle=1, waiting=0)


@asynccontextmanager
async def pair(
    answer: Answer = echo, *, network: Network | None = None, **settings: Any
) -> AsyncIterator[tuple[Peer, httpx.AsyncClient]]:
    """A peer, and an httpx client that speaks to it; at the end nothing is left open."""
    network = MemoryNetwork() if network is None else network
    transport = TrioTransport(network=network, **settings)
    async with open_peer(network, answer) as peer:
        async with client(transport, base_url=f"http://127.0.0.1:{peer.port}") as http:
            http.transport = transport
            yield peer, http
        assert transport.statistics() == EMPTY
        await wait_all_tasks_blocked()
        assert peer.open == 0


class Pieces:
    """A body in pieces. (A generator cut short would be left to the garbage collector, by httpx.)"""

    def __init__(self, *pieces: bytes, pause: float = 0) -> None:
        self._pieces = pieces
        self._pause = pause

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Iterator(iter(self._pieces), self._pause)


class _Iterator:
    def __init__(self, pieces: Iterator[bytes], pause: float) -> None:
        self._pieces = pieces
        self._pause = pause

    def __aiter__(self) -> "_Iterator":
        return self

    async def __anext__(self) -> bytes:
        await trio.sleep(self._pause)
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


def scripted(*answers: bytes | Exception) -> Answer:
    """Answers in turn."""
    left = list(answers)

    async def answer(call: Call) -> bytes:
        part = left.pop(0)
        if isinstance(part, Exception):
            raise part
        return part

    return answer
