"""A venue's client beside its simulator, and a feed of what a session tells: all in memory."""

import errno
import json
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import trio
from msgspec.structs import replace

from services.ingest.keys import Key
from services.ingest.sessions import AccountSession
from services.ingest.sweep import Swept
from services.simulator import accounts, ledger
from services.simulator import venue as simulated
from services.simulator.actions import Action, Arm, OpenAccount, Place, PlaceConditional, SetPrice, apply
from services.simulator.faults import Fault
from services.simulator.rules import NewOrder
from services.simulator.simulator import Simulator, SimulatorConfig, serve_simulator
from services.simulator.triggers import TriggerKind
from spider_common.budgets.fair import Budgets
from spider_common.clock import NS_PER_S, Clock, TrioClock
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, ClientOrderId, EventId, Venue
from spider_common.domain.instruments import Instrument
from spider_common.domain.orders import OrderFact, OrderType, PositionSide, Side
from spider_common.domain.products import Account
from spider_common.domain.requests import Amendment, OrderRef, OrderRequest, PositionFact
from spider_common.memory_network import MemoryNetwork
from spider_common.sdk.http import TrioTransport
from spider_common.secret import Credentials, Secret
from spider_common.stores.secrets import MemorySecrets
from spider_common.telemetry.logs import logger
from spider_common.telemetry.metrics import silent_meter
from spider_common.venues.clients import Address, open_clients
from spider_common.venues.outcomes import Lookup, Outcome
from spider_common.venues.venue import Told

ORIGIN = 1_700_000_000 * NS_PER_S
HOST = "venue.test"
CASH = Decimal(1_000_000)
IDS = tuple(ClientOrderId(f"{number:032x}") for number in range(1, 400))


class Dialect(NamedTuple):
    """What the cards need to know of a venue: its private socket's path, the swap that is traded, and for
    the cards of spot the pair in its place; none where spot is not there."""

    venue: Venue
    socket_path: str
    symbol: str
    spot: str = ""


DIALECTS = (
    Dialect(Venue.OKX, "/ws/v5/private", "BTC-USDT-SWAP", spot="BTC-USDT"),
    Dialect(Venue.BITGET, "/v2/ws/private", "BTCUSDT", spot="BTCUSDT@spot"),
    Dialect(Venue.BINGX, "/swap-market", "BTC-USDT", spot="BTC-USDT@spot"),
)


def key(name: str) -> Credentials:
    return Credentials(Secret(name), Secret(f"{name}-secret"), Secret(f"{name}-phrase"))


class _Accepting(trio.abc.Listener[trio.abc.Stream]):
    """Notes the streams that it accepts."""

    def __init__(self, listener: trio.abc.Listener[trio.abc.Stream], accepted: list[trio.abc.Stream]) -> None:
        self._listener, self._accepted = listener, accepted

    async def accept(self) -> trio.abc.Stream:
        self._accepted.append(await self._listener.accept())
        return self._accepted[-1]

    async def aclose(self) -> None:
        await self._listener.aclose()


class Wire(MemoryNetwork):
    """A network whose connections can be hung up, after which nobody answers any more."""

    def __init__(self) -> None:
        super().__init__()
        self._accepted: list[trio.abc.Stream] = []
        self._down = False

    async def connect(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> trio.abc.Stream:
        if self._down:
            await trio.lowlevel.checkpoint()
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens on {host}:{port}")
        return await super().connect(host, port, tls=tls)

    async def listen(self, host: str, port: int) -> tuple[trio.abc.Listener[trio.abc.Stream], int]:
        listener, port = await super().listen(host, port)
        return _Accepting(listener, self._accepted), port

    async def hang_up(self) -> None:
        self._down = True
        for stream in self._accepted:
            await trio.aclose_forcefully(stream)


class Feed:
    """What an account's session and its sweeps have told so far. Stands in for publisher and sweeper.

    Attributes:
        told: by the socket and by sweeps, in their order.
        swept: how many sweeps are done.
        lines: what the session logged.
    """

    def __init__(self, bench: "Bench", account: Account) -> None:
        self._bench, self._account = bench, account
        self.told: list[Told] = []
        self.swept = 0
        self.lines: list[str] = []
        self._changed = trio.Event()
        log = logger("cards", bench.clock, write=self.lines.append)
        self.sessions = [
            AccountSession(
                account,
                client=bench.client,
                socket=socket,
                key=Key(account.account, key(account.account), MemorySecrets({})),
                network=bench.network,
                tls=None,
                publisher=self,  # type: ignore[arg-type]  # the one method that sessions use
                sweeper=self,  # type: ignore[arg-type]  # likewise
                clock=bench.clock,
                rng=random.Random(5),
                meter=silent_meter(bench.clock),
                log=log,
            )
            for socket in bench.client.sockets
        ]

    async def publish(self, told: Told) -> int:
        await trio.lowlevel.checkpoint()
        self._take(told)
        return 1

    async def sweep(self) -> Swept:
        begun = self._bench.clock.now()
        since = begun - 60 * NS_PER_S
        told = await self._bench.client.sweep(key(self._account.account), self._account.account, since=since)
        self.swept += 1
        self._take(told)
        return Swept(told, since, begun)

    def _take(self, told: Told) -> None:
        self.told.append(told)
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, holds: Callable[[], object]) -> None:
        """Waits for it: a minute at the most."""
        with trio.fail_after(60):
            while not holds():
                await self._changed.wait()

    @property
    def facts(self) -> list[OrderFact]:
        return [fact for told in self.told for fact in told.facts]

    @property
    def executions(self) -> list[Execution]:
        return [each for told in self.told for each in told.executions]

    @property
    def positions(self) -> list[PositionFact]:
        return [each for told in self.told for each in told.positions]

    def events(self) -> set[EventId]:
        return {fact.event_id for fact in self.facts}

    def last(self, order_id: str) -> OrderFact | None:
        """The newest fact of an order."""
        return max(
            (fact for fact in self.facts if fact.venue_order_id == order_id),
            key=lambda fact: fact.age_key,
            default=None,
        )

    async def until_status(self, order_id: str, status: str) -> OrderFact:
        def reached() -> bool:
            fact = self.last(order_id)
            return fact is not None and fact.status == status

        await self.until(reached)
        fact = self.last(order_id)
        assert fact is not None
        return fact

    async def until_executed(self, order_id: str) -> list[Execution]:
        """The executions of a filled order: by socket or, where its pushes do not tell them, by a sweep."""

        def told() -> list[Execution]:
            return [each for each in self.executions if each.venue_order_id == order_id]

        with trio.move_on_after(2):
            await self.until(told)
        if not told():
            await self.sweep()
        return told()

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        return [line for line in map(json.loads, self.lines) if line["event"] == event]


class Bench:
    """One venue: its client, its simulator, two accounts (`net` and `hedged`) and one swap."""

    def __init__(
        self, dialect: Dialect, simulator: Simulator, network: "Wire", clock: Clock, rest: TrioTransport
    ) -> None:
        self.dialect, self.simulator, self.network, self.clock = dialect, simulator, network, clock
        self.venue: simulated.Venue = getattr(simulator, dialect.venue)
        addresses = simulator.addresses
        address = Address(
            f"http://{HOST}:{addresses.rest_port}",
            f"ws://{HOST}:{addresses.socket_port}{dialect.socket_path}",
        )
        venue = dialect.venue
        made = open_clients({venue: address}, http=rest, clock=clock, budgets=lambda _: Budgets(clock))
        self.client = made[venue]
        self.net = Account(account=AccountId("alice"), venue=dialect.venue)
        self.hedged = Account(account=AccountId("hedger"), venue=dialect.venue, hedge_mode=True)
        for account in (self.net, self.hedged):
            self.open_account(account.account, hedge_mode=account.hedge_mode)

    def open_account(self, name: str, *, hedge_mode: bool = False, **fields: Any) -> Account:
        credentials = accounts.Credentials(name, f"{name}-secret", f"{name}-phrase")
        apply(
            self.venue,
            OpenAccount(
                name=name,
                credentials=credentials,
                balances={"USDT": CASH} | ({"BTC": Decimal(1)} if self.symbol == self.dialect.spot else {}),
                position_mode="long_short" if hedge_mode else "net",
                **fields,
            ),
        )
        return Account(account=AccountId(name), venue=self.dialect.venue, hedge_mode=hedge_mode)

    @property
    def symbol(self) -> str:
        return self.dialect.symbol

    @property
    def instrument(self) -> Instrument:
        found = self.client.known_instruments.get(self.dialect.venue, self.symbol)
        assert found is not None
        return found

    @property
    def size(self) -> Decimal:
        """0.01 BTC in the venue's unit."""
        return self.instrument.to_size(Decimal("0.01"))

    # What the venue does

    def do(self, action: Action) -> str:
        return apply(self.venue, action)

    def arm(self, kind: Any, **fields: Any) -> None:
        self.do(Arm(fault=Fault(kind=kind, **fields)))

    def price(self, price: int | str, depth: Decimal | None = None) -> None:
        self.do(SetPrice(symbol=self.symbol, price=Decimal(price), depth=depth))

    def by_hand(self, account: Account | None = None, **fields: Any) -> str:
        """Places an order as the account's owner would, a market buy of `size` unless said otherwise."""
        order = NewOrder(
            **{"symbol": self.symbol, "side": "buy", "kind": "market", "size": self.size} | fields
        )
        return self.do(Place(account=(account or self.net).account, order=order))

    def conditional(self, waits: TriggerKind, trigger: int, price: int | None = None) -> str:
        """An order that waits, placed as the account's owner would: a sale of `size`, at the market without a
        price; a stop loss or take profit only reduces. Its id at the venue."""
        order = NewOrder(
            symbol=self.symbol,
            side="sell",
            kind="market" if price is None else "limit",
            size=self.size,
            price=None if price is None else Decimal(price),
            reduce_only=waits != "entry",
        )
        return self.do(
            PlaceConditional(account=self.net.account, order=order, kind=waits, trigger=Decimal(trigger))
        )

    def entries(self, *kinds: type) -> list[Any]:
        """The ledger's entries of some kinds, all without any."""
        return [each for each in self.venue.exchange.ledger.entries if not kinds or isinstance(each, kinds)]

    def placed(self) -> list[ledger.Order]:
        return [each.order for each in self.entries(ledger.Placed)]

    def orders(self, account: Account | None = None) -> list[ledger.Order]:
        """Every order of an account, the oldest first, as it stands."""
        owner = self.venue.exchange.accounts[(account or self.net).account]
        return list(self.venue.exchange.orders(owner))[::-1]

    def sockets(self) -> float:
        """How many of each socket of the account are open."""
        return len(self.venue.sessions(self.net.account)) / len(self.client.sockets)

    # What we do

    def order(self, number: int = 0, **fields: Any) -> OrderRequest:
        """A market buy of `size`, but for what `fields` say; orders differ by number."""
        market = OrderRequest(
            client_order_id=IDS[number],
            account=self.net,
            symbol=self.symbol,
            side=Side.BUY,
            position_side=PositionSide.NET,
            reduce_only=False,
            order_type=OrderType.MARKET,
            size=self.size,
            reference_price=Decimal(60_000),
        )
        return replace(market, **fields)

    def resting(self, number: int = 0, **fields: Any) -> OrderRequest:
        """A limit buy far below the market."""
        return self.order(number, **{"order_type": OrderType.LIMIT, "price": Decimal(50_000)} | fields)

    def ref(self, number: int = 0, **fields: Any) -> OrderRef:
        return replace(OrderRef(account=self.net, symbol=self.symbol, client_order_id=IDS[number]), **fields)

    def change(self, number: int = 0, *, size: Decimal, price: Decimal) -> Amendment:
        return Amendment(
            ref=self.ref(number),
            side=Side.BUY,
            position_side=PositionSide.NET,
            reduce_only=False,
            size=size,
            price=price,
            replacement=IDS[number + 200],
        )

    def within(self, seconds: float = 4) -> int:
        return self.clock.now() + round(seconds * NS_PER_S)

    async def place(self, order: OrderRequest, *, within: float = 4) -> Outcome:
        await self.client.ready_to_place(order)
        return await self.client.place(key(order.account.account), order, expires=self.within(within))

    async def cancel(self, ref: OrderRef) -> Outcome:
        return await self.client.cancel(key(ref.account.account), ref, expires=self.within())

    async def amend(self, change: Amendment) -> Outcome:
        return await self.client.amend(key(change.ref.account.account), change, expires=self.within())

    async def find(self, number: int = 0) -> Lookup:
        ref = self.ref(number)
        return await self.client.find(key(ref.account.account), ref)

    async def sweep(self, account: Account | None = None, *, since_s: float = 3_600) -> Told:
        name = (account or self.net).account
        since = self.clock.now() - round(since_s * NS_PER_S)
        return await self.client.sweep(key(name), name, since=since)

    @asynccontextmanager
    async def feed(self, account: Account | None = None, *, ready: bool = True) -> AsyncIterator[Feed]:
        """A running session of an account; `ready` waits until it is swept and its socket subscribed."""
        made = Feed(self, account or self.net)
        async with trio.open_nursery() as nursery:
            for session in made.sessions:
                nursery.start_soon(session.serve)
            if ready:
                await made.until(lambda: made.swept >= len(made.sessions))
            yield made
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_bench(dialect: Dialect, *, venue_ahead_s: float = 0) -> AsyncIterator[Bench]:
    """The bench of a venue, its instruments known. The venue's clock may differ from ours."""
    network, clock = Wire(), TrioClock(ORIGIN)
    venue_clock = TrioClock(ORIGIN + round(venue_ahead_s * NS_PER_S))
    serve = partial(
        serve_simulator,
        SimulatorConfig(host=HOST),
        network=network,
        clock=venue_clock,
        rng=random.Random(7),
    )
    async with trio.open_nursery() as nursery, TrioTransport(network=network) as rest:
        simulator: Simulator = await nursery.start(serve)
        bench = Bench(dialect, simulator, network, clock, rest)
        await bench.client.instruments()
        yield bench
        nursery.cancel_scope.cancel()
