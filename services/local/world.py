"""The whole system in one process: the simulation.

Ingest, order service and venues are the real ones; network, tables, queue, cache and secrets are the
in-memory twins, on a slow wire and a shaky table; time is Trio's clock. With a `MockClock` and a seed a
run repeats itself exactly.
"""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from services.ingest.service import Ingest, IngestPorts
from services.local.seed import Seed
from services.local.shaky import ShakyTable
from services.local.wire import Wire
from services.oms.service import OmsPorts, serve_oms
from services.simulator.actions import apply
from services.simulator.simulator import Simulator, SimulatorConfig, serve_simulator
from spider_common import schema
from spider_common.budgets.fair import Budgets
from spider_common.budgets.usage import Usage
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.identifiers import Venue
from spider_common.domain.journal import Timing
from spider_common.network import Network
from spider_common.sdk.http import TrioTransport
from spider_common.stores.config import ConfigStore
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.memory_queue import MemoryQueue
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.metered_cache import MeteredCache
from spider_common.stores.positions import PositionStore
from spider_common.stores.secrets import MemorySecrets
from spider_common.stores.shared_buckets import SharedBuckets
from spider_common.stores.trading import TradingStore
from spider_common.telemetry.logs import logger
from spider_common.telemetry.metrics import Meter, open_meter, silent_meter
from spider_common.telemetry.registry import INGEST, LOCAL, OMS, Service
from spider_common.venues.clients import SOCKET_PATHS, Address, open_clients
from spider_common.venues.venue import VenueClient

HOST: Final = "venue.test"
INDEX_LAG_NS: Final = NS_PER_S // 2
"""How far the table's indexes trail it: longer than DynamoDB's usually do."""
METRICS_S: Final = 10.0
TASKS = 3
"""An ingest service and up to two order services."""


class World:
    """A simulator with its accounts open, the twins with the product stored; services are started in it."""

    def __init__(
        self,
        *,
        simulator: Simulator,
        network: Network,
        seed: Seed,
        clock: Clock,
        rng: random.Random,
        timing: Timing,
        write: Callable[[str], object],
        write_metrics: Callable[[str], object] | None,
        log_level: str,
    ) -> None:
        self.simulator, self.clock, self.rng, self.timing = simulator, clock, rng, timing
        self._network, self._write, self._write_metrics = network, write, write_metrics
        self._log_level = log_level
        self.table = MemoryTable(schema.TRADING, clock, index_lag_ns=INDEX_LAG_NS)
        self.shaky = ShakyTable(self.table, rng)
        self.trading = TradingStore(self.shaky)
        self.positions = PositionStore(self.shaky)
        self.dead_letters = MemoryQueue(schema.COPY_DLQ, clock)
        self.queue = MemoryQueue(schema.COPY, clock, dead_letters=self.dead_letters)
        self.cache = MemoryCache()
        self._configured = MemoryTable(schema.CONFIG, clock)
        self.config = ConfigStore(self._configured, self.cache)
        self.secrets = MemorySecrets(seed.credentials)

    async def serve_ingest(
        self, *, stop: trio.Event, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """One ingest service, until `stop` is set or it is cancelled."""
        async with self.meter(INGEST) as meter, self.venues("ingest", meter) as venues:
            ports = IngestPorts(
                clock=self.clock,
                rng=self.rng,
                network=self._network,
                tls=None,
                queue=self.queue,
                trading=self.trading,
                config=ConfigStore(self._configured, MeteredCache(self.cache, meter)),
                secrets=self.secrets,
                venues=venues,
                meter=meter,
                log=self._log("ingest"),
            )
            await Ingest(ports).serve(stop=stop, task_status=task_status)

    async def serve_oms(
        self, owner: str, *, stop: trio.Event, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """One order service, until `stop` is set or it is cancelled: cancelling it is its sudden death."""
        async with self.meter(OMS) as meter, self.venues(owner, meter) as venues:
            ports = OmsPorts(
                owner=owner,
                clock=self.clock,
                timing=self.timing,
                queue=self.queue,
                trading=self.trading,
                positions=self.positions,
                config=ConfigStore(self._configured, MeteredCache(self.cache, meter)),
                secrets=self.secrets,
                venues=venues,
                meter=meter,
                log=self._log(owner),
                visibility_s=schema.COPY.visibility_s,
            )
            await serve_oms(ports, stop=stop, task_status=task_status)

    def _log(self, service: str) -> FilteringBoundLogger:
        return logger(service, self.clock, write=self._write, level=self._log_level)

    @asynccontextmanager
    async def meter(self, service: Service) -> AsyncIterator[Meter]:
        """What one service measures: told only to who reads it, for telling takes a simulated hour long."""
        if self._write_metrics is None:
            yield silent_meter(self.clock)
            return
        opened = open_meter(
            service, self.clock, environment=LOCAL, every_s=METRICS_S, write=self._write_metrics
        )
        async with opened as meter:
            yield meter

    @asynccontextmanager
    async def venues(
        self, service: str, meter: Meter | None = None
    ) -> AsyncIterator[dict[Venue, VenueClient]]:
        """Venue clients of one service: it has connections of its own, and shares the rate budgets."""
        addresses = self.simulator.addresses
        rest, socket = f"http://{HOST}:{addresses.rest_port}", f"ws://{HOST}:{addresses.socket_port}"
        log = self._log(service)
        meter = meter or silent_meter(self.clock)
        cache = MeteredCache(self.cache, meter)

        def budgets(venue: Venue) -> Budgets:
            buckets = SharedBuckets(cache, self.clock, venue=venue, egress=HOST, tasks=TASKS, log=log)
            return Budgets(self.clock, buckets, Usage(meter, self.clock, venue=venue))

        async with TrioTransport(network=self._network) as wire:
            yield open_clients(
                {venue: Address(rest, socket + path) for venue, path in SOCKET_PATHS.items()},
                http=wire,
                clock=self.clock,
                budgets=budgets,
            )


@asynccontextmanager
async def open_world(
    seed: Seed,
    *,
    clock: Clock,
    rng: random.Random,
    timing: Timing,
    write: Callable[[str], object],
    write_metrics: Callable[[str], object] | None = None,
    log_level: str = "info",
) -> AsyncIterator[World]:
    """A world without services yet; everything ends with the block. `write` takes each log line,
    `write_metrics` each line of metrics."""
    network = Wire(rng)
    async with trio.open_nursery() as nursery:
        serve = partial(serve_simulator, SimulatorConfig(host=HOST), network=network, clock=clock, rng=rng)
        simulator: Simulator = await nursery.start(serve, name="simulator")
        for venue, accounts in seed.venue_accounts.items():
            for account in accounts:
                apply(simulator.venues[venue], account)
        world = World(
            simulator=simulator,
            network=network,
            seed=seed,
            clock=clock,
            rng=rng,
            timing=timing,
            write=write,
            write_metrics=write_metrics,
            log_level=log_level,
        )
        for product in seed.products:
            await world.config.put_product(product)
        yield world
        nursery.cancel_scope.cancel()
