"""The ports of a service as a process has them: the system's sockets, AWS, Redis, the venues."""

import gc
import os
import random
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from spider_common import schema
from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import Limit
from spider_common.budgets.usage import Usage
from spider_common.clock import Clock, SystemClock
from spider_common.domain.identifiers import Venue
from spider_common.network import Network, SystemNetwork
from spider_common.sdk.aws import open_aws
from spider_common.sdk.http import TrioTransport
from spider_common.settings import CommonSettings
from spider_common.stores.audit import Audit
from spider_common.stores.config import ConfigStore
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.metered_cache import MeteredCache
from spider_common.stores.positions import PositionStore
from spider_common.stores.queue import Queue
from spider_common.stores.redis_cache import open_cache
from spider_common.stores.redis_login import open_login
from spider_common.stores.secrets import SecretsManager
from spider_common.stores.shared_buckets import SharedBuckets
from spider_common.stores.sqs_queue import SqsQueue, open_queue
from spider_common.stores.trading import TradingStore
from spider_common.telemetry.logs import logger
from spider_common.telemetry.metrics import Meter, open_lines, open_meter
from spider_common.telemetry.registry import environment_of
from spider_common.venues.bingx.rest import Limits as BingxLimits
from spider_common.venues.clients import Address, open_clients
from spider_common.venues.venue import VenueClient

_LOOK_AFTER: Final = 10_000
"""New objects after which the youngest are looked through; Python's own number is 700."""


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """What a service of the copy path stands on."""

    clock: Clock
    rng: random.Random
    network: Network
    tls: ssl.SSLContext
    queue: Queue
    trading: TradingStore
    positions: PositionStore
    config: ConfigStore
    audit: Audit
    secrets: SecretsManager
    venues: Mapping[Venue, VenueClient]
    meter: Meter
    log: FilteringBoundLogger


@asynccontextmanager
async def open_runtime(service: str, settings: CommonSettings, *, ask: bool = True) -> AsyncIterator[Runtime]:
    """The ports, open until the end of the block. Randomness is seeded by the operating system.

    Args:
        ask: ask for credentials, and AWS where the queue is. Without, nobody is talked to and the queue is
            nowhere: enough to see whether all can be built.

    Raises:
        QueueUnavailable: the queue does not exist or AWS does not answer.
    """
    clock, rng = SystemClock(), random.Random(os.urandom(16))  # noqa: S311 jitter and names, no secrets
    network = SystemNetwork()
    to_venues = SystemNetwork(local_address=settings.local_address or None)
    tls = ssl.create_default_context()
    log = logger(service, clock, level=settings.log_level)
    async with AsyncExitStack() as stack:
        meter = await stack.enter_async_context(  # before all else, to tell what was measured to the end
            open_meter(
                service,
                clock,
                environment=environment_of(settings.names_prefix),
                every_s=settings.metrics_ms / 1_000,
                write=stack.enter_context(open_lines(settings.metrics_to if ask else "")),
            )
        )
        aws = await stack.enter_async_context(
            open_aws(
                network=network,
                region=settings.aws_region,
                endpoint_url=settings.aws_endpoint or None,
                keys=None if ask else ("unasked", "unasked"),
            )
        )
        prefix = settings.names_prefix
        wire = await stack.enter_async_context(TrioTransport(network=to_venues, tls=tls))
        secrets = SecretsManager(aws, clock, prefix=prefix)
        credential = settings.redis_credential if ask else ""
        login = await stack.enter_async_context(open_login(credential, secrets, log))
        redis = await stack.enter_async_context(open_cache(settings.redis_url, network, tls, prefix, login))
        cache = MeteredCache(redis, meter)

        def budgets(venue: Venue) -> Budgets:
            egress = settings.egress_address or settings.local_address
            buckets = SharedBuckets(cache, clock, venue=venue, egress=egress, tasks=settings.tasks, log=log)
            return Budgets(clock, buckets, Usage(meter, clock, venue=venue))

        venues = open_clients(
            {
                Venue.OKX: Address(settings.okx_rest, settings.okx_socket),
                Venue.BITGET: Address(settings.bitget_rest, settings.bitget_socket),
                Venue.BINGX: Address(settings.bingx_rest, settings.bingx_socket),
            },
            http=wire,
            clock=clock,
            budgets=budgets,
            bingx_limits=BingxLimits(
                orders_ip=Limit(settings.bingx_orders_per_s, 1.0),
                queries_ip=Limit(settings.bingx_queries_per_s, 1.0),
            ),
        )
        trading = DynamoTable(aws, schema.TRADING, rng, prefix=prefix)
        config = DynamoTable(aws, schema.CONFIG, rng, prefix=prefix)
        _let_garbage_wait()
        yield Runtime(
            clock=clock,
            rng=rng,
            network=to_venues,
            tls=tls,
            queue=await open_queue(aws, schema.COPY, rng, prefix=prefix) if ask else SqsQueue(aws, "", rng),
            trading=TradingStore(trading),
            positions=PositionStore(trading),
            config=ConfigStore(config, cache),
            audit=Audit(config),
            secrets=secrets,
            venues=venues,
            meter=meter,
            log=log,
        )


def _let_garbage_wait() -> None:
    """Takes what was loaded so far out of the garbage collector's sight, and has it look more seldom.

    Modules and markets are most of what there is, and never garbage. To look through them all while a
    thousand orders are under way adds half to what those cost.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_LOOK_AFTER, 20, 20)
