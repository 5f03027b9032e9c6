"""A desk for tests: our BingX client, the simulated venue's ledger, and the time."""

from decimal import Decimal

import trio

from services.simulator.faults import Fault
from spider_common.budgets.limits import Limit
from spider_common.clock import NS_PER_S as NS
from spider_common.domain.identifiers import AccountId, ClientOrderId, Venue
from spider_common.domain.orders import OrderType, PositionSide, Side
from spider_common.domain.products import Account
from spider_common.domain.requests import Amendment, OrderRef, OrderRequest
from spider_common.secret import Credentials, Secret
from spider_common.venues.bingx.rest import Limits
from spider_common.venues.socket import open_socket
from spider_common.venues.venue import Failed, KeepAlive, Ready, Send, Told

SWAP = "BTC-USDT"
KEYS = Credentials(Secret("carol"), Secret("carol-secret"))
CAROL = Account(account=AccountId("carol"), venue=Venue.BINGX)
HEDGED = Account(account=CAROL.account, venue=Venue.BINGX, hedge_mode=True)
RESTS = {"price": Decimal(50000)}
_FAST = Limit(1000, 1.0)
FAST = Limits(orders_ip=_FAST, queries_ip=_FAST, place=_FAST, cancel=_FAST, amend=_FAST, settings=_FAST)


class Shifted:
    """A clock that is off."""

    def __init__(self, clock, offset):
        self._clock, self._offset = clock, offset

    def now(self):
        return self._clock.now() + self._offset


class Desk:
    """A client, the venue's ledger, and the time."""

    def __init__(self, client, simulator, network, clock):
        self.client, self.simulator, self.network, self.clock = client, simulator, network, clock
        self.venue = simulator.bingx

    def expires(self, seconds=4.0):
        return self.clock.now() + round(seconds * NS)

    async def place(self, name="a1", *, expires=None, **fields):
        request = order(name, **fields)
        await self.client.ready_to_place(request)
        return await self.client.place(KEYS, request, expires=expires or self.expires())

    async def cancel(self, name="a1", symbol=SWAP):
        return await self.client.cancel(KEYS, ref(name, symbol), expires=self.expires())

    async def amend(self, name="a1", *, symbol=SWAP, size="0.002", price="50000", replacement="b1"):
        change = Amendment(
            ref=ref(name, symbol),
            side=Side.BUY,
            position_side=PositionSide.NET,
            reduce_only=False,
            size=Decimal(size),
            price=Decimal(price),
            replacement=ClientOrderId(replacement),
        )
        return await self.client.amend(KEYS, change, expires=self.expires())

    async def find(self, name="a1", symbol=SWAP):
        return await self.client.find(KEYS, ref(name, symbol))

    async def sweep(self, since=None):
        since = self.clock.now() - 3600 * NS if since is None else since
        return await self.client.sweep(KEYS, CAROL.account, since=since)

    def entries(self, kind):
        return [entry for entry in self.venue.exchange.ledger.entries if isinstance(entry, kind)]

    def arm(self, kind, **how):
        self.venue.faults.arm(Fault(kind=kind, **how))


def order(name="a1", **fields):
    asked = {
        "client_order_id": ClientOrderId(name),
        "account": CAROL,
        "symbol": SWAP,
        "side": Side.BUY,
        "position_side": PositionSide.NET,
        "reduce_only": False,
        "order_type": OrderType.LIMIT if "price" in fields else OrderType.MARKET,
        "size": Decimal("0.001"),
    }
    return OrderRequest(**asked | fields)


def ref(name="a1", symbol=SWAP):
    return OrderRef(account=CAROL, symbol=symbol, client_order_id=ClientOrderId(name))


class Heard:
    """A session on a socket: answers what it says, gathers what it tells."""

    def __init__(self):
        self.events, self.ready = [], trio.Event()

    async def listen(self, desk, url, *, task_status):
        session = desk.client.session(KEYS, CAROL.account)
        async with open_socket(desk.network, url, tls=None) as socket:
            events = session.opened(desk.clock.now())
            task_status.started()
            while True:
                for event in events:
                    match event:
                        case Send(text=text):
                            await socket.send(text)
                        case Ready():
                            self.ready.set()
                        case KeepAlive():
                            self.events.append(event)
                            await desk.client.keep_alive(KEYS, url)
                        case _:
                            self.events.append(event)
                            if isinstance(event, Failed):
                                return
                with trio.move_on_after(max(session.due() - desk.clock.now(), 0) / NS) as waiting:
                    frame = await socket.receive()
                events = (
                    session.tick(desk.clock.now())
                    if waiting.cancelled_caught
                    else session.received(frame, desk.clock.now())
                )

    def facts(self):
        return [fact for event in self.events if isinstance(event, Told) for fact in event.facts]
