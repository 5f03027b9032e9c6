"""Laws of reconciling, with the real services over the simulated venues: what goes astray is found."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from services.local.seed import Follower
from services.simulator.actions import Place
from services.simulator.rules import NewOrder
from spider_common.domain.identifiers import Venue
from spider_common.domain.products import Correction, FixedRatio, Subscription
from spider_common.domain.reconciling import Drift
from tests.ingest_rig import Bench, open_bench

ANA = Follower(client="ana", sizing=FixedRatio(Decimal(1)), deposit=Decimal(1_000_000))
BRUNO = Follower(client="bruno", sizing=FixedRatio(Decimal(2)), deposit=Decimal(1_000_000))
LOTS = Decimal(10)


class Desk(Bench):
    """A bench with ingest and two order services at work."""

    def trade(self, side: str, lots: Decimal = LOTS, *, account: str = "") -> None:
        """At the market, by the leader or by somebody at an account's own screen."""
        size = self.instrument.minimum * lots
        order = NewOrder(symbol=self.instrument.symbol, side=side, kind="market", size=size)
        self.act(Place(account=account or self.leader, order=order))

    def held(self, follower: Follower) -> Decimal:
        """What the account holds, in the least size."""
        account = self.venue.exchange.accounts[follower.account]
        sizes = [each.size for each in account.held() if each.symbol == self.instrument.symbol]
        return sum(sizes, Decimal(0)) / self.instrument.minimum

    async def drifts(self) -> list[Drift]:
        (product,) = await self.world.config.products()
        found = await self.world.positions.drifts(product.product)
        return [each.value for each in found.values()]

    async def reasons(self) -> list[tuple[str, str]]:
        return sorted((each.client, each.reason) for each in await self.drifts())

    async def subscribe(self, *subscriptions: Subscription) -> None:
        """From now on these follow."""
        (product,) = await self.world.config.products()
        changed = msgspec.structs.replace(product, subscriptions=subscriptions)
        await self.world.config.put_product(changed)

    async def change(self, **changes: Any) -> None:
        """Changes every subscription."""
        (product,) = await self.world.config.products()
        await self.subscribe(*(msgspec.structs.replace(each, **changes) for each in product.subscriptions))

    def lines_of(self, event: str, **fields: str) -> list[dict[str, Any]]:
        return [line for line in self.said(event) if fields.items() <= line.items()]


@asynccontextmanager
async def open_desk(venue: Venue = Venue.OKX, *followers: Follower, services: int = 2) -> AsyncIterator[Desk]:
    async with open_bench(venue, followers=followers) as bench, trio.open_nursery() as nursery:
        desk = Desk(bench.world, bench.team, bench.lines)
        stop = trio.Event()
        await nursery.start(lambda task_status: bench.world.serve_ingest(stop=stop, task_status=task_status))
        for number in range(services):
            await nursery.start(
                lambda task_status, owner=f"oms-{number}": bench.world.serve_oms(  # type: ignore[misc]  # bound now
                    owner, stop=stop, task_status=task_status
                )
            )
        yield desk
        nursery.cancel_scope.cancel()


def at(follower: Follower, venue: Venue) -> Follower:
    return msgspec.structs.replace(follower, venue=venue)


@pytest.mark.parametrize("venue", Venue)
async def test_a_manual_trade_is_told_and_left_alone(venue: Venue, autojump_clock: MockClock) -> None:
    """Law: with `alert` somebody else's trade is told once, by one of the services, and nothing is ordered."""
    ana, bruno = at(ANA, venue), at(BRUNO, venue)
    async with open_desk(venue, ana, bruno) as desk:
        desk.trade("buy")
        await trio.sleep(200)
        assert await desk.reasons() == []
        desk.trade("sell", Decimal(3), account=ana.account)
        await trio.sleep(400)
        assert await desk.reasons() == [("ana", "manual_trade")]
        (drift,) = await desk.drifts()
        unit = desk.instrument.minimum * desk.instrument.unit
        assert drift.quantity == -3 * unit
        assert len(desk.lines_of("drift", reason="manual_trade", level="error")) == 1
        assert (desk.held(ana), desk.held(bruno)) == (7, 20)
        desk.trade("buy", Decimal(3), account=ana.account)
        await trio.sleep(200)
        assert await desk.reasons() == []


@pytest.mark.parametrize("venue", Venue)
@pytest.mark.parametrize(("side", "lots"), [("buy", Decimal(4)), ("sell", Decimal(3)), ("sell", Decimal(25))])
async def test_a_manual_trade_is_taken_back(
    venue: Venue, side: str, lots: Decimal, autojump_clock: MockClock
) -> None:
    """Law: with `correct` the account comes back to what was planned, in one order, or two where its
    position had passed through zero; two services do it once."""
    ana = at(ANA, venue)
    async with open_desk(venue, ana) as desk:
        await desk.change(correction=Correction.CORRECT)
        desk.trade("buy")
        await trio.sleep(200)
        desk.trade(side, lots, account=ana.account)
        await trio.sleep(900)
        assert desk.held(ana) == LOTS
        assert await desk.reasons() == []
        orders = 2 if lots > LOTS else 1
        assert len({line["event_id"] for line in desk.said("desk.asked")}) == orders
        assert len(desk.said("event.copied")) == 1 + orders
