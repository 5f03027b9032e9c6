"""A bench for tests: Bitget's client and session beside the simulated venue, and orders to try them with."""

from decimal import Decimal

import trio
import trio.testing
from msgspec.structs import replace

from services.simulator.actions import Arm, Place, apply
from services.simulator.faults import Fault
from services.simulator.rules import NewOrder
from spider_common.budgets.fair import Budgets
from spider_common.clock import NS_PER_S
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.orders import OrderType, PositionSide, Side
from spider_common.domain.products import Account
from spider_common.domain.requests import (
    OrderRef,
    OrderRequest,
)
from spider_common.sdk.ccxt import Codec
from spider_common.sdk.http import TrioTransport
from spider_common.secret import Credentials, Secret
from spider_common.venues.bitget.client import BitgetClient
from spider_common.venues.socket import open_socket
from spider_common.venues.venue import Ready, Send, VenueClient
from tests.component.bitget_trader import SWAP, BitgetTrader

S = NS_PER_S
IDS = [f"{number:032x}" for number in range(100)]
ONE_WAY = Account(account=AccountId("alice"), venue=Venue.BITGET)
HEDGED = Account(account=AccountId("hedger"), venue=Venue.BITGET, hedge_mode=True)
ORDER = OrderRequest(
    client_order_id=IDS[0],
    account=ONE_WAY,
    symbol=SWAP,
    side=Side.BUY,
    position_side=PositionSide.NET,
    reduce_only=False,
    order_type=OrderType.MARKET,
    size=Decimal("0.01"),
)
RESTING = replace(ORDER, order_type=OrderType.LIMIT, price=Decimal(50000))
REF = OrderRef(account=ONE_WAY, symbol=SWAP, client_order_id=IDS[0])


def key(name):
    return Credentials(Secret(name), Secret(f"{name}-secret"), Secret(f"{name}-pass"))


class Bench:
    """A client beside the simulator that it speaks to, each with a clock of its own."""

    def __init__(self, simulator, network, venue_clock, clock, **settings):
        self.simulator, self.network, self.venue_clock, self.clock = simulator, network, venue_clock, clock
        addresses = simulator.addresses
        self.http = TrioTransport(network=network)
        self.client: VenueClient = BitgetClient(
            http=self.http,
            codec=Codec("bitget", clock, base_url=f"http://{addresses.host}:{addresses.rest_port}"),
            budgets=Budgets(clock),
            clock=clock,
            socket_url=f"ws://{addresses.host}:{addresses.socket_port}/v2/ws/private",
            **settings,
        )
        self.alice = BitgetTrader(simulator, network, venue_clock)
        self.hedger = BitgetTrader(simulator, network, venue_clock, "hedger", mode="long_short")
        self.venue = simulator.bitget

    def in_s(self, seconds):
        return self.clock.now() + seconds * S

    def kinds(self):
        return [type(entry) for entry in self.venue.exchange.ledger.entries]

    def arm(self, kind, **more):
        apply(self.venue, Arm(fault=Fault(kind=kind, **more)))

    async def place(self, order=ORDER, *, within=10):
        await self.client.ready_to_place(order)
        return await self.client.place(key(order.account.account), order, expires=self.in_s(within))

    async def find(self, ref=REF):
        return await self.client.find(key(ref.account.account), ref)


def by_hand(name, number, **more):
    order = NewOrder(
        symbol=SWAP, side="buy", kind="limit", size=Decimal("0.01"), price=Decimal(60000),
        client_order_id=IDS[number], **more,
    )  # fmt: skip
    return Place(account=name, order=order)


async def converse(bench, account, work):
    """What a session tells of an account while `work` is done, ready before it begins."""
    told = []
    credentials = key(account.account)
    session = bench.client.session(credentials, account.account)
    url = await bench.client.socket_url(credentials)
    async with open_socket(bench.network, url, tls=None) as socket, trio.open_nursery() as nursery:

        async def answer(events):
            for event in events:
                match event:
                    case Send(text=text):
                        await socket.send(text)
                    case Ready():
                        ready.set()
                    case _:
                        told.append(event)

        async def read():
            await answer(session.opened(bench.clock.now()))
            while True:
                frame = None
                with trio.move_on_after(max(session.due() - bench.clock.now(), 0) / S):
                    frame = await socket.receive()
                now = bench.clock.now()
                await answer(session.tick(now) if frame is None else session.received(frame, now))

        ready = trio.Event()
        nursery.start_soon(read)
        await ready.wait()
        await work()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return told
