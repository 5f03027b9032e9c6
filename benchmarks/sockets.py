"""What 500 private sockets cost one ingest service: memory while nothing happens, CPU when all push.

The service is `services.ingest.service.Ingest` over the in-memory stores and the system's network, in a
process of its own (`python -m benchmarks.sockets PORT`), against `benchmarks.socket_peer`.
"""

import gc
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
import trio

from benchmarks.measure import Reading, peer
from services.ingest.service import Ingest, IngestPorts
from spider_common import schema
from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import Limit, Name
from spider_common.clock import SystemClock
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.products import Account, FixedRatio, Product, Subscription
from spider_common.network import SystemNetwork
from spider_common.sdk import http
from spider_common.secret import Credentials, Secret
from spider_common.stores.config import ConfigStore
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.memory_queue import MemoryQueue
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.queue import Outgoing
from spider_common.stores.secrets import MemorySecrets
from spider_common.stores.trading import TradingStore
from spider_common.telemetry.logs import logger
from spider_common.telemetry.metrics import silent_meter
from spider_common.venues.clients import SOCKET_PATHS, Address, open_clients

SOCKETS: Final = 500
ACCOUNTS: Final = SOCKETS // 2
"""OKX has two private sockets of an account: one for orders, one for conditional orders."""
_PRODUCT: Final = 10
"""Accounts of a product: a leader and nine followers. The first product is there before RSS is first read,
so that what a socket needs once (modules, connections to REST) is not counted as a socket's."""
SECONDS: Final = 20
_CREDENTIALS: Final = Credentials(Secret("key"), Secret("secret"), Secret("passphrase"))


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """RSS in bytes before and after `added` sockets, the CPU seconds of opening them, and the CPU and wall
    seconds in which `pushes` were read and published."""

    before: int
    after: int
    added: int
    cpu_opening: float
    pushes: int
    cpu_pushes: float
    wall_pushes: float


class _Counted:
    """Counts, and tells when there are enough."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._changed = trio.Event()

    def add(self, what: str) -> None:
        self._counts[what] += 1
        self._changed.set()
        self._changed = trio.Event()

    def of(self, what: str) -> int:
        return self._counts[what]

    async def until(self, what: str, number: int, *, within_s: float) -> None:
        with trio.fail_after(within_s):
            while self._counts[what] < number:
                await self._changed.wait()


class _Unlimited(Budgets):
    """OKX lets an address open three sockets a second; that wait is not what is measured."""

    async def acquire(self, *_wanted: tuple[Name, Limit], **_turn: object) -> None:
        await trio.lowlevel.checkpoint()


class _Queue(MemoryQueue):
    """Counts what is sent: each push that tells something is one call."""

    def __init__(self, counted: _Counted, clock: SystemClock) -> None:
        super().__init__(schema.COPY, clock)
        self._counted = counted

    async def send(self, messages: Sequence[Outgoing]) -> None:
        await super().send(messages)
        self._counted.add("sent")


def _products() -> list[Product]:
    """Products that between them name each account once."""
    accounts = [Account(account=AccountId(f"okx-{at}"), venue=Venue.OKX) for at in range(ACCOUNTS)]
    return [
        Product(
            product=ProductId(f"product-{at}"),
            leader=accounts[at],
            subscriptions=tuple(
                Subscription(client=ClientId(each.account), account=each, sizing=FixedRatio(Decimal(1)))
                for each in accounts[at + 1 : at + _PRODUCT]
            ),
        )
        for at in range(0, ACCOUNTS, _PRODUCT)
    ]


def _rss() -> int:
    """Bytes resident, from Linux's /proc."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _measure(port: int) -> Measured:
    clock, network, counted = SystemClock(), SystemNetwork(), _Counted()
    log = logger("ingest", clock, write=lambda line: counted.add(msgspec.json.decode(line)["event"]))
    config = ConfigStore(MemoryTable(schema.CONFIG, clock), MemoryCache())
    first, *others = _products()
    await config.put_product(first)
    async with (
        http.TrioTransport(network=network) as wire,
        http.client(http.TrioTransport(network=network)) as client,
        trio.open_nursery() as nursery,
    ):
        address = Address(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}{SOCKET_PATHS[Venue.OKX]}")
        ports = IngestPorts(
            clock=clock,
            rng=random.Random(1),  # noqa: S311 for pauses before a reconnect, of which there are none
            network=network,
            tls=None,
            queue=_Queue(counted, clock),
            trading=TradingStore(MemoryTable(schema.TRADING, clock)),
            config=config,
            secrets=MemorySecrets({AccountId(f"okx-{at}"): _CREDENTIALS for at in range(ACCOUNTS)}),
            venues=open_clients(
                {Venue.OKX: address}, http=wire, clock=clock, budgets=lambda _: _Unlimited(clock)
            ),
            meter=silent_meter(clock),
            log=log,
            sweep_every_s=3600,  # the timer's sweeps are not what is measured
        )
        stop = trio.Event()
        await nursery.start(lambda task_status: Ingest(ports).serve(stop=stop, task_status=task_status))
        before, cpu = _rss(), time.process_time()
        for product in others:
            await config.put_product(product)
        await counted.until("session.ready", SOCKETS, within_s=120)
        await counted.until("sweep.done", ACCOUNTS, within_s=120)
        cpu_opening = time.process_time() - cpu
        assert counted.of("session.ready") == SOCKETS
        after, quiet = _rss(), counted.of("sent")

        cpu, wall = time.process_time(), time.monotonic()
        answer = await client.get(f"http://127.0.0.1:{port}/push?seconds={SECONDS}", timeout=3 * SECONDS)
        pushes: int = answer.json()
        await counted.until("sent", quiet + pushes, within_s=SECONDS)
        cpu_pushes, wall_pushes = time.process_time() - cpu, time.monotonic() - wall
        assert counted.of("frame.unreadable") == counted.of("session.ended") == 0
        stop.set()
    return Measured(
        before=before,
        after=after,
        added=SOCKETS - 2 * _PRODUCT,
        cpu_opening=cpu_opening,
        pushes=pushes,
        cpu_pushes=cpu_pushes,
        wall_pushes=wall_pushes,
    )


def run() -> Sequence[Reading]:
    """Starts peer and service, each in a process of its own."""
    print(f"ingest: {SOCKETS} sockets, {SECONDS} s of pushes", file=sys.stderr)
    with peer("benchmarks.socket_peer") as port:
        command = [sys.executable, "-m", "benchmarks.sockets", str(port)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    measured = msgspec.json.decode(done.stdout, type=Measured)
    of_pushes, of_opening = measured.cpu_pushes, measured.cpu_opening
    grown = (measured.after - measured.before) / measured.added
    figures = (
        ("RSS before them", measured.before / 2**20, "MiB"),
        ("RSS, all idle", measured.after / 2**20, "MiB"),
        ("RSS an idle socket", grown / 2**10, "KiB"),
        ("CPU of opening one, with its sweep", of_opening / measured.added * 1e3, "ms"),
        (f"CPU at {SOCKETS} pushes a second", of_pushes / measured.wall_pushes * 100, "% of a core"),
        ("CPU a push", of_pushes / measured.pushes * 1e6, "us"),
    )
    return [
        Reading(what=f"ingest, {SOCKETS} sockets: {name}", value=value, unit=unit)
        for name, value, unit in figures
    ]


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(trio.run(_measure, int(sys.argv[1]))).decode())
