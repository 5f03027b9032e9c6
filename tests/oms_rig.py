"""The order service's parts over the twins, a scripted venue and a scripted table."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import trio

from services.oms.copying import Copier
from services.oms.counting import News
from services.oms.executions import Executions
from services.oms.journal import Journal, Mine
from services.oms.reference import Reference
from services.oms.resolve import Resolver
from services.oms.standings import Standings
from services.oms.submit import Submitter
from spider_common import schema
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.follower_orders import FollowerOrder
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue, VenueOrderId
from spider_common.domain.intents import Intent, LeaderEvent
from spider_common.domain.journal import JournalRow, Timing
from spider_common.domain.orders import Side
from spider_common.domain.products import Account, FixedRatio, Product, Subscription
from spider_common.secret import Credentials, Secret
from spider_common.stores.config import ConfigStore
from spider_common.stores.documents import Stored
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.positions import PositionStore
from spider_common.stores.secrets import MemorySecrets
from spider_common.stores.trading import TradingStore
from spider_common.telemetry.logs import logger
from spider_common.telemetry.metrics import Meter
from tests.scripted import ScriptedVenue, TroubledTable
from tests.strategies import fact, spot, swap

ORIGIN = 1_700_000_000 * NS_PER_S
PRODUCT = ProductId("p")
SYMBOL = "BTC-USDT-SWAP"
COINS = "BTC-USDT"
KEY = Credentials(Secret("key"), Secret("secret"), Secret("phrase"))


def subscription(client: str, ratio: str = "1") -> Subscription:
    account = Account(account=AccountId(f"{client}-account"), venue=Venue.OKX)
    return Subscription(client=ClientId(client), account=account, sizing=FixedRatio(Decimal(ratio)))


class Rig:
    """What workers share: clock, table, venue, keys, one product with the clients named.

    Attributes:
        timeline: table writes and order requests, in the order in which they happened.
        lines: what was logged.
    """

    def __init__(self, *clients: str, timing: Timing | None = None, max_signal_age_ms: int = 600_000) -> None:
        self.clock = TrioClock(ORIGIN)
        self.timing = timing or Timing()
        self.timeline: list[str] = []
        self.lines: list[str] = []
        self.table = TroubledTable(MemoryTable(schema.TRADING, self.clock), self.timeline)
        self.trading, self.positions = TradingStore(self.table), PositionStore(self.table)
        listed = [
            swap(Venue.OKX, SYMBOL, contract_size="0.01", lot="0.1", minimum="0.1"),
            spot(Venue.OKX, COINS, lot="0.001"),
        ]
        self.venue = ScriptedVenue(self.clock, listed, self.timeline)
        self.venues = {Venue.OKX: self.venue}
        self.log = logger("test", self.clock, write=self.lines.append)
        self.metrics: list[str] = []
        self.meter = Meter("oms", self.clock, environment="test", write=self.metrics.append)
        self.product = Product(
            product=PRODUCT,
            leader=Account(account=AccountId("leader"), venue=Venue.OKX),
            subscriptions=tuple(subscription(client) for client in clients or ("alice",)),
            max_signal_age_ms=max_signal_age_ms,
        )
        self.config = ConfigStore(MemoryTable(schema.CONFIG, self.clock), MemoryCache())
        self.secrets = MemorySecrets({each.account.account: KEY for each in self.product.subscriptions})

    def event(
        self, cum_filled: str = "1", *, order: str = "1", side: Side = Side.BUY, symbol: str = SYMBOL
    ) -> LeaderEvent:
        """A leader's order with that much filled, just now."""
        told = fact(
            symbol=symbol,
            venue_order_id=VenueOrderId(order),
            side=side,
            quantity=Decimal(10),
            cum_filled=Decimal(cum_filled),
            ts_venue=self.clock.now(),
            ts_seen=self.clock.now(),
        )
        return LeaderEvent(product=PRODUCT, shard=0, shards=1, fact=told)

    async def worker(self, owner: str = "one") -> "Worker":
        """A worker with its reference read."""
        await self.config.put_product(self.product)
        made = Worker(self, owner)
        await made.reference.load()
        return made

    async def told(self, news: News) -> None:
        """An account's session or sweep says something, and it is counted."""
        await Executions(trading=self.trading, clock=self.clock, log=self.log).handle(news)

    async def row(self, event: LeaderEvent) -> JournalRow:
        """The row as it is stored."""
        stored = await self.trading.journal(event.fact.event_id, event.product, event.shard)
        assert stored is not None, "the event has no journal row"
        return stored.value

    async def order(self, intent: Intent) -> FollowerOrder | None:
        """The order of an intent as it is kept."""
        account = intent.account
        found = await self.trading.orders.order(account.venue, account.account, intent.client_order_id)
        return found.value if found else None

    async def intents(self, event: LeaderEvent) -> dict[str, Intent]:
        """The stored intents by client."""
        return {intent.client: intent for intent in (await self.row(event)).intents}


class Worker:
    """One order service, its parts in reach."""

    def __init__(self, rig: Rig, owner: str) -> None:
        self._rig = rig
        log, trading, clock, timing = rig.log, rig.trading, rig.clock, rig.timing
        self.reference = Reference(config=rig.config, trading=trading, venues=rig.venues, log=log)
        self.standings = Standings(
            venues=rig.venues,
            reference=self.reference,
            positions=rig.positions,
            orders=trading.orders,
            log=log,
        )
        self.journal = Journal(
            owner=owner,
            timing=timing,
            clock=clock,
            trading=trading,
            reference=self.reference,
            standings=self.standings,
            log=log,
        )
        self.submitter = Submitter(
            timing=timing,
            clock=clock,
            venues=rig.venues,
            secrets=rig.secrets,
            trading=trading,
            reference=self.reference,
            meter=rig.meter,
            log=log,
        )
        self.resolver = Resolver(
            timing=timing,
            clock=clock,
            trading=trading,
            journal=self.journal,
            submitter=self.submitter,
            meter=rig.meter,
            log=log,
        )
        self.copier = Copier(
            journal=self.journal,
            submitter=self.submitter,
            resolver=self.resolver,
            trading=trading,
            clock=clock,
            meter=rig.meter,
            log=log,
        )
        self.executions = Executions(trading=trading, clock=clock, log=log)

    async def planned(self, event: LeaderEvent) -> Stored[JournalRow]:
        """The event's row, opened by this worker."""
        opened = await self.journal.open(event, self._rig.clock.now())
        assert isinstance(opened, Mine), opened
        return opened.stored

    @asynccontextmanager
    async def resolving(self) -> AsyncIterator[None]:
        """The resolver at work."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.resolver.serve)
            yield
            nursery.cancel_scope.cancel()
