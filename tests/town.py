"""The whole system in one process, its services started and stopped by name, and what they say."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import trio

from services.local.seed import LEADER, Follower, Seed, seed
from services.local.world import World, open_world
from services.simulator.actions import Place, apply
from services.simulator.checker import CopyRule, judge, totals
from services.simulator.rules import NewOrder
from spider_common.clock import TrioClock
from spider_common.domain.journal import Timing
from spider_common.domain.products import FixedRatio
from tests.oms_rig import ORIGIN

SWAP = "BTC-USDT-SWAP"
ANA = Follower(client="ana", sizing=FixedRatio(Decimal("0.5")), deposit=Decimal(500_000))
BRUNO = Follower(client="bruno", sizing=FixedRatio(Decimal("0.1")), deposit=Decimal(60_000))


class Town:
    """A world with its services started and stopped by name.

    Attributes:
        lines: the log.
        metrics: each line that a service has told, the newest last.
    """

    def __init__(self, world: World, nursery: trio.Nursery, lines: list[str], metrics: list[str]) -> None:
        self.world, self.lines, self.metrics, self._nursery = world, lines, metrics, nursery
        self.venue = world.simulator.okx

    async def ingest(self) -> trio.Event:
        """Started; set the event to stop it."""
        stop = trio.Event()
        await self._nursery.start(
            lambda task_status: self.world.serve_ingest(stop=stop, task_status=task_status)
        )
        return stop

    async def oms(self, owner: str) -> tuple[trio.Event, trio.CancelScope]:
        """Started; set the event to stop it, cancel the scope to kill it."""
        stop, scope = trio.Event(), trio.CancelScope()

        async def serve(*, task_status: trio.TaskStatus[None]) -> None:
            with scope:
                await self.world.serve_oms(owner, stop=stop, task_status=task_status)

        await self._nursery.start(serve)
        return stop, scope

    def trade(self, contracts: int, side: str = "buy", *, reduce_only: bool = False) -> None:
        """The leader trades at the market."""
        order = NewOrder(
            symbol=SWAP,
            side=side,  # type: ignore[arg-type]  # buy or sell
            kind="market",
            size=Decimal(contracts),
            reduce_only=reduce_only,
        )
        apply(self.venue, Place(account=LEADER, order=order))

    def verdict(self, *followers: Follower) -> dict[str, int]:
        """What the venue's own ledger says of the copies."""
        rules = []
        for follower in followers:
            assert isinstance(follower.sizing, FixedRatio)
            rules.append(CopyRule.fixed(follower.account, follower.sizing.ratio))
        findings = judge(
            self.venue.exchange.ledger.entries,
            instruments=self.venue.instruments,
            leader=LEADER,
            rules=rules,
        )
        return dict(totals(findings))

    def said(self, event: str) -> list[dict[str, object]]:
        return [line for line in map(json.loads, self.lines) if line["event"] == event]


@asynccontextmanager
async def open_town(
    *followers: Follower, seeded: Seed | None = None, measured: bool = False
) -> AsyncIterator[Town]:
    """A town without services yet. `measured`: its metrics are told."""
    rng, lines, metrics = random.Random(7), list[str](), list[str]()
    seeded = seeded or seed(rng, followers=followers)
    async with (
        open_world(
            seeded,
            clock=TrioClock(ORIGIN),
            rng=rng,
            timing=Timing(),
            write=lines.append,
            write_metrics=metrics.append if measured else None,
        ) as world,
        trio.open_nursery() as nursery,
    ):
        world.shaky.calm()
        yield Town(world, nursery, lines, metrics)
        nursery.cancel_scope.cancel()
