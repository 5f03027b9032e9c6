"""OKX's REST client before a scripted peer."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from urllib.parse import urlsplit

import trio

from spider_common.budgets.fair import Budgets
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.identifiers import ClientOrderId, Venue
from spider_common.domain.requests import OrderRef, OrderRequest
from spider_common.memory_network import MemoryNetwork
from spider_common.sdk.ccxt import Codec
from spider_common.sdk.http import TrioTransport
from spider_common.secret import Credentials, Secret
from spider_common.venues.okx.client import OkxClient
from spider_common.venues.outcomes import (
    Outcome,
)
from tests.http_peer import Call, Close, Peer, ok, open_peer
from tests.okx_samples import LISTED
from tests.oms_rig import ORIGIN
from tests.strategies import intent

KEY = Credentials(Secret("key-1"), Secret("secret-2"), Secret("phrase-3"))
ORDER = ClientOrderId("0123456789abcdef0123456789abcdef")
EXPIRES = ORIGIN + 2 * NS_PER_S
Answers = Callable[[Call], bytes]


def rows(*found: object, code: str = "0", msg: str = "") -> bytes:
    """An answer of OKX."""
    return ok(json.dumps({"code": code, "msg": msg, "data": list(found)}).encode())


ACCEPTED = {"ordId": "312269865356374016", "clOrdId": ORDER, "sCode": "0", "sMsg": "", "ts": "1700000000000"}


class Bench:
    """The client, the peer, and what the peer answers: by path, or raw bytes, or an error."""

    def __init__(self) -> None:
        self.clock = TrioClock(ORIGIN)
        self.network = MemoryNetwork()
        self.answers: dict[str, bytes | Close | Answers] = {
            "public/instruments": lambda call: rows(*[LISTED] * ("SWAP" in call.target)),
            "trade/order-algo": rows(code="51603", msg="Order does not exist"),
        }
        self.delay_s = 0.0
        self.peer: Peer
        self.client: OkxClient

    async def answer(self, call: Call) -> bytes:
        await trio.sleep(self.delay_s)
        answer = self.answers[path_of(call)]
        if isinstance(answer, Close):
            raise answer
        return answer if isinstance(answer, bytes) else answer(call)

    async def place(self, order: OrderRequest | None = None) -> Outcome:
        return await self.client.place(KEY, order or an_order(), expires=EXPIRES)

    def asked(self) -> list[str]:
        """The paths of all calls but the first two, which list the instruments."""
        return [path_of(call) for call in self.peer.calls[2:]]


def path_of(call: Call) -> str:
    return urlsplit(call.target).path.removeprefix("/api/v5/")


def an_order(**fields: object) -> OrderRequest:
    return intent(client_order_id=ORDER, size=Decimal("2.5"), **fields).request


def a_ref(**fields: object) -> OrderRef:
    return intent(client_order_id=ORDER, **fields).ref


@asynccontextmanager
async def open_bench() -> AsyncIterator[Bench]:
    bench = Bench()
    async with (
        open_peer(bench.network, bench.answer) as peer,
        TrioTransport(network=bench.network) as transport,
    ):
        bench.peer = peer
        base = f"http://127.0.0.1:{peer.port}"
        bench.client = OkxClient(
            http=transport,
            codec=Codec(Venue.OKX, bench.clock, base_url=base),
            budgets=Budgets(bench.clock),
            clock=bench.clock,
            socket_url="ws://unused",
        )
        await bench.client.instruments()
        yield bench
