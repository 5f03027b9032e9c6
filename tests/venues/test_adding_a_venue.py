"""A venue that the services have never heard of joins them by its client and its session alone."""

import inspect
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from services.ingest.keys import Key
from services.ingest.publish import Publisher
from services.ingest.sessions import AccountSession
from services.ingest.sweep import Sweeper
from services.oms.intake import Handled
from services.simulator.websocket import serve_websocket
from spider_common import schema
from spider_common.domain.executions import Execution
from spider_common.domain.orders import CopyState, OrderFact, OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.requests import OrderRequest
from spider_common.memory_network import MemoryNetwork
from spider_common.messages import LeaderOrder, decode
from spider_common.stores.memory_queue import MemoryQueue
from spider_common.stores.secrets import MemorySecrets
from spider_common.venues.bingx.client import BingxClient
from spider_common.venues.bitget.client import BitgetClient
from spider_common.venues.okx.client import OkxClient
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import PRIVATE, SessionProtocol, Told, VenueClient
from tests.oms_rig import KEY, Rig
from tests.venues import paper
from tests.venues.paper import SEAT, SWAP, PaperClient, PaperSession


class Exchange:
    """The venue's own side: it fills every order at 60000 and tells the sockets.

    Attributes:
        lose: how many answers are lost, the next ones.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig, self.told = rig, Told()
        self.lose = 0
        self._sockets: list[trio.MemorySendChannel[str]] = []

    async def ask(self, what: str, body: OrderRequest | str, expires: int) -> object:
        await trio.lowlevel.checkpoint()
        if isinstance(body, OrderRequest):
            if expires < self._rig.clock.now():
                return "too late"
            answer: object = await self.fill(body)
        else:
            answer = msgspec.json.encode(self.told)
        if self.lose:
            self.lose -= 1
            raise VenueError("no answer")
        return answer

    async def fill(self, order: OrderRequest) -> str:
        number, now, base = str(len(self.told.facts) + 1), self._rig.clock.now(), SWAP.to_base(order.size)
        common = {
            "venue": SEAT,
            "account": order.account.account,
            "symbol": order.symbol,
            "venue_order_id": number,
            "client_order_id": order.client_order_id,
            "side": order.side,
            "quantity": base,
            "ts_venue": now,
        }
        fact = OrderFact(
            **common,
            position_side=PositionSide.NET,
            reduce_only=order.reduce_only,
            order_type=OrderType.MARKET,
            status=OrderStatus.FILLED,
            cum_filled=base,
            price=None,
            average_price=Decimal(60_000),
            ts_seen=now,
        )
        fill = Execution(
            **common, trade_id=number, price=Decimal(60_000), fee=Decimal(0), fee_currency="USDT"
        )
        news = Told(facts=(fact,), executions=(fill,))
        self.told = Told(facts=(*self.told.facts, fact), executions=(*self.told.executions, fill))
        for socket in self._sockets:
            await socket.send(msgspec.json.encode(news).decode())
        return number

    async def converse(self, websocket: object) -> None:
        assert (await websocket.get_message()).startswith("login ")
        await websocket.send_message("welcome")
        send, receive = trio.open_memory_channel[str](10)  # pushes that nobody has read yet
        self._sockets.append(send)
        async for frame in receive:
            await websocket.send_message(frame)


@asynccontextmanager
async def joined() -> AsyncIterator[tuple[Rig, Exchange, MemoryNetwork]]:
    """The order service's parts with the paper venue in them, its socket served."""
    rig, network = Rig("alice", "bob"), MemoryNetwork()
    exchange = Exchange(rig)
    rig.venues = {SEAT: PaperClient(exchange.ask, "ws://paper.test:1/stream", rig.clock)}
    listener, _ = await network.listen("paper.test", 1)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_websocket, listener, {"/stream": exchange.converse})
        yield rig, exchange, network
        nursery.cancel_scope.cancel()


def test_it_is_small() -> None:
    """All that the services need of a venue, in about a hundred lines."""
    assert len(Path(paper.__file__).read_text().splitlines()) < 120


@pytest.mark.parametrize("client", [OkxClient, BitgetClient, BingxClient, PaperClient])
def test_a_client_has_the_whole_shape(client: type) -> None:
    """Every method and property of `VenueClient`; what takes arguments takes those of the same names."""
    for name, wanted in inspect.getmembers(VenueClient, lambda member: not inspect.isclass(member)):
        if name.startswith("_") or name == "known_instruments":  # which instances have
            continue
        have = getattr(client, name)
        if inspect.isfunction(wanted) and have not in (PaperClient.cannot, PaperClient.nothing_to_wait_for):
            assert list(inspect.signature(have).parameters) == list(inspect.signature(wanted).parameters)


def test_a_session_has_the_whole_shape() -> None:
    """Every method of `SessionProtocol`, with the same arguments."""
    for name, wanted in inspect.getmembers(SessionProtocol, inspect.isfunction):
        if not name.startswith("_"):
            have = inspect.signature(getattr(PaperSession, name))
            assert list(have.parameters) == list(inspect.signature(wanted).parameters)


async def test_the_session_runner_takes_it(autojump_clock: MockClock) -> None:
    """Logged in, swept, and an order of its leader is a message in the queue, told once by two ways."""
    async with joined() as (rig, exchange, network):
        account, queue = rig.product.leader, MemoryQueue(schema.COPY, rig.clock)
        publisher = Publisher(
            account,
            queue=queue,
            clock=rig.clock,
            products=lambda: [rig.product],
            meter=rig.meter,
            log=rig.log,
        )
        client = rig.venues[SEAT]
        sweeper = Sweeper(
            account,
            client=client,
            key=Key(account.account, KEY, MemorySecrets({account.account: KEY})),
            publisher=publisher,
            trading=rig.trading,
            clock=rig.clock,
            log=rig.log,
        )
        session = AccountSession(
            account,
            client=client,
            key=Key(account.account, KEY, MemorySecrets({account.account: KEY})),
            socket=PRIVATE,
            network=network,
            tls=None,
            publisher=publisher,
            sweeper=sweeper,
            clock=rig.clock,
            rng=random.Random(1),
            meter=rig.meter,
            log=rig.log,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(session.serve)
            order = OrderRequest(
                client_order_id="by-hand",
                account=account,
                symbol=SWAP.symbol,
                side=Side.BUY,
                position_side=PositionSide.NET,
                reduce_only=False,
                order_type=OrderType.MARKET,
                size=Decimal("2.5"),
            )
            await exchange.fill(order)
            (delivery,) = await queue.receive(wait_s=5)
            await sweeper.sweep()  # tells it again, and the queue hears nothing
            assert await queue.receive(wait_s=0) == []
            nursery.cancel_scope.cancel()
        message = decode(delivery.body)
        assert isinstance(message, LeaderOrder)
        fact = message.event.fact
        assert (fact.status, fact.cum_filled) == (OrderStatus.FILLED, Decimal("0.025"))


async def test_the_order_service_copies_to_it(autojump_clock: MockClock) -> None:
    """A leader's fill becomes an order of each follower, accepted; a lost answer is settled by asking."""
    async with joined() as (rig, exchange, _):
        worker = await rig.worker()
        event = rig.event("0.02")
        exchange.lose = 1
        assert await worker.copier.handle(event, rig.clock.now()) == Handled()
        async with worker.resolving():
            await trio.sleep(60)
        intents = (await rig.intents(event)).values()
        assert [intent.state for intent in intents] == [CopyState.ACCEPTED] * 2
        assert sorted(fact.account for fact in exchange.told.facts) == ["alice-account", "bob-account"]
        assert {fact.quantity for fact in exchange.told.facts} == {Decimal("0.02")}
