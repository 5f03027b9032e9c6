"""The real ingest service over one venue's simulator, and what it says."""

import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import trio

from services.local.seed import Follower, Team, seed_teams
from services.local.world import World, open_world
from services.simulator.actions import Action, Place, apply
from services.simulator.instruments import Instrument
from services.simulator.rules import NewOrder
from spider_common.clock import TrioClock
from spider_common.domain.identifiers import ProductId, Venue
from spider_common.domain.journal import Timing
from spider_common.messages import LeaderOrder, decode
from tests.oms_rig import ORIGIN


class Bench:
    """A leader at a venue, the world around it, and the log."""

    def __init__(self, world: World, team: Team, lines: list[str]) -> None:
        self.world, self.lines, self.team, self.leader = world, lines, team, team.leader
        self.venue = world.simulator.venues[team.venue]

    @property
    def instrument(self) -> Instrument:
        return next(each for each in self.venue.instruments if each.kind == "swap")

    def order(self, **changed: Any) -> NewOrder:
        """The leader's order of the least size, at the market unless a price is given."""
        fields = {"symbol": self.instrument.symbol, "side": "buy", "kind": "market"}
        return NewOrder(**{**fields, "size": self.instrument.minimum, **changed})

    def buy(self) -> str:
        """The leader buys at the market; gives the venue's order id."""
        return self.act(Place(account=self.leader, order=self.order()))

    def act(self, action: Action) -> str:
        return apply(self.venue, action)

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        return [line for line in map(json.loads, self.lines) if line["event"] == event]

    async def told(self) -> list[tuple[str, Decimal, bool]]:
        """Order id, filled and baseline of each leader message in the queue, taken and deleted."""
        found = []
        while deliveries := await self.world.queue.receive(wait_s=0):
            for each in deliveries:
                message = decode(each.body)
                if isinstance(message, LeaderOrder):
                    event = message.event
                    found.append((event.fact.venue_order_id, event.fact.cum_filled, event.baseline))
            await self.world.queue.delete([each.receipt for each in deliveries])
        return found


@asynccontextmanager
async def open_bench(
    venue: Venue, *, followers: Sequence[Follower] = (), before: Sequence[Action] = ()
) -> AsyncIterator[Bench]:
    """With nothing started yet. `before`: what happens at the venue before the world does anything."""
    lines: list[str] = []
    team = Team(product=ProductId("p"), venue=venue, followers=tuple(followers))
    opened = open_world(
        seed_teams(random.Random(7), [team]),
        clock=TrioClock(ORIGIN),
        rng=random.Random(1),
        timing=Timing(),
        write=lines.append,
    )
    async with opened as world:
        world.shaky.calm()
        bench = Bench(world, team, lines)
        for action in before:
            bench.act(action)
        yield bench


@asynccontextmanager
async def running_ingest(bench: Bench) -> AsyncIterator[None]:
    """The ingest service, from ready to its sudden end."""
    async with trio.open_nursery() as nursery:
        stop = trio.Event()
        await nursery.start(lambda task_status: bench.world.serve_ingest(stop=stop, task_status=task_status))
        yield
        nursery.cancel_scope.cancel()
