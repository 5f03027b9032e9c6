"""Laws of reconciling, with the real services over the simulated venues: what goes astray is found."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from services.local.seed import Follower, Team
from services.local.world import World
from services.simulator.actions import Place
from services.simulator.rules import NewOrder
from spider_common.domain.control import TradingState
from spider_common.domain.drift import Drift
from spider_common.domain.identifiers import AccountId, ClientId, Venue
from spider_common.domain.products import (
    Account,
    Correction,
    FixedRatio,
    Joining,
    Leaving,
    Subscription,
)
from spider_common.stores.config_rows import Author, Scope
from spider_common.stores.secrets import MemorySecrets
from tests.ingest_rig import Bench, open_bench

ANA = Follower(client="ana", sizing=FixedRatio(Decimal(1)), deposit=Decimal(1_000_000))
BRUNO = Follower(client="bruno", sizing=FixedRatio(Decimal(2)), deposit=Decimal(1_000_000))
LOTS = Decimal(10)


class Desk(Bench):
    """A bench with ingest and two order services at work."""

    def __init__(self, world: World, team: Team, lines: list[str]) -> None:
        super().__init__(world, team, lines)
        self.stopped = trio.Event()

    def stop(self) -> None:
        """The services end."""
        self.stopped.set()

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
        stop = desk.stopped
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
    """Law: with `alert` what somebody else trades is told once, by one service, and nothing is ordered."""
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


async def joins(desk: Desk, follower: Follower, **changes: Any) -> None:
    """A client joins now, beside those who follow already."""
    (product,) = await desk.world.config.products()
    joined = Subscription(
        client=ClientId(follower.client),
        account=Account(account=follower.account, venue=follower.venue),
        sizing=follower.sizing,
        **{"since": desk.world.clock.now(), **changes},
    )
    others = [each for each in product.subscriptions if each.client != joined.client]
    await desk.subscribe(*others, joined)


@pytest.mark.parametrize("services", [1, 2])
async def test_who_joins_is_brought_in_line_once(services: int, autojump_clock: MockClock) -> None:
    """Law: with `joining: align` it gets what the rule gives of what the leader holds, once, whoever looks;
    without it starts flat and is told as not copied."""
    async with open_desk(Venue.OKX, ANA, BRUNO, services=services) as desk:
        await desk.subscribe()
        await trio.sleep(20)  # by then every service knows
        desk.trade("buy")
        await trio.sleep(60)
        await joins(desk, ANA)
        await joins(desk, BRUNO, joining=Joining.ALIGN)
        await trio.sleep(200)
        assert (desk.held(ANA), desk.held(BRUNO)) == (0, 20)
        assert await desk.reasons() == [("ana", "not_copied")]
        desk.trade("sell", Decimal(5))
        await trio.sleep(100)
        assert (desk.held(ANA), desk.held(BRUNO)) == (0, 10)
        assert len(desk.said("event.copied")) == 2  # the alignment, and the close


async def test_a_joining_is_acted_on_however_late(autojump_clock: MockClock) -> None:
    """Law: one that nobody has seen for an hour is made up for; what was done once is not done again."""
    async with open_desk(Venue.OKX, ANA) as desk:
        await desk.subscribe()
        await trio.sleep(20)  # by then every service knows
        desk.trade("buy")
        await trio.sleep(60)
        joined = desk.world.clock.now()
        await trio.sleep(3_600)
        for _ in range(2):
            await joins(desk, ANA, joining=Joining.ALIGN, since=joined)
            await trio.sleep(60)
            assert desk.held(ANA) == LOTS
            desk.trade("sell", Decimal(1), account=ANA.account)
            desk.trade("buy", Decimal(1), account=ANA.account)
            await desk.subscribe()
            await trio.sleep(60)
        assert len({line["event_id"] for line in desk.said("desk.asked")}) == 1


async def test_who_leaves_keeps_or_closes_its_part(autojump_clock: MockClock) -> None:
    """Law: with `leaving: close` nothing is held afterwards; with `keep` it stays, and nobody trades it."""
    async with open_desk(Venue.OKX, ANA, BRUNO) as desk:
        desk.trade("buy")
        await trio.sleep(60)
        left = {"left": True, "since": desk.world.clock.now()}
        (product,) = await desk.world.config.products()
        ana, bruno = product.subscriptions
        await desk.subscribe(
            msgspec.structs.replace(ana, leaving=Leaving.CLOSE, **left),
            msgspec.structs.replace(bruno, leaving=Leaving.KEEP, **left),
        )
        await trio.sleep(200)
        assert (desk.held(ANA), desk.held(BRUNO)) == (0, 20)
        desk.trade("sell", Decimal(5), account=BRUNO.account)
        await trio.sleep(300)
        assert desk.held(BRUNO) == 15
        assert await desk.reasons() == [("bruno", "manual_trade")]
        assert not desk.lines_of("drift", level="error")


async def test_leaders_wait_until_accounts_have_told(autojump_clock: MockClock) -> None:
    """Law: after an outage a service takes no leader's event before it knows what the accounts hold; one
    that never tells does not keep the others from being served."""
    async with open_bench(Venue.OKX, followers=[ANA]) as bench, trio.open_nursery() as nursery:
        stop = trio.Event()
        desk = Desk(bench.world, bench.team, bench.lines)

        async def oms(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            await bench.world.serve_oms("oms", stop=stop, task_status=task_status)

        nursery.start_soon(oms)
        await trio.sleep(30)
        assert desk.said("oms.ready") == []
        await nursery.start(lambda task_status: bench.world.serve_ingest(stop=stop, task_status=task_status))
        await trio.sleep(5)
        assert len(desk.said("oms.ready")) == 1
        desk.trade("buy")
        await trio.sleep(5)
        assert desk.held(ANA) == LOTS
        assert desk.said("reconcile.accounts_silent") == []
        nursery.cancel_scope.cancel()


async def test_an_account_that_never_tells_is_named_and_left_out(autojump_clock: MockClock) -> None:
    """Law: the start waits for it for a bounded time; nothing is known of it, so nothing is corrected."""
    async with open_bench(Venue.OKX, followers=[ANA, BRUNO]) as bench, trio.open_nursery() as nursery:
        stop = trio.Event()
        desk = Desk(bench.world, bench.team, bench.lines)
        keys = [desk.leader, BRUNO.account]
        bench.world.secrets = MemorySecrets(
            {
                AccountId(each): key
                for each in keys
                if (key := await bench.world.secrets.credentials(AccountId(each))) is not None
            }
        )
        await nursery.start(lambda task_status: bench.world.serve_ingest(stop=stop, task_status=task_status))
        await nursery.start(
            lambda task_status: bench.world.serve_oms("oms", stop=stop, task_status=task_status)
        )
        assert [line["accounts"] for line in desk.said("reconcile.accounts_silent")] == [["okx/okx-ana"]]
        desk.trade("buy")
        await trio.sleep(200)
        assert desk.held(BRUNO) == 2 * LOTS
        assert await desk.reasons() == []
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("correction", "held"), [(Correction.ALERT, 10), (Correction.CORRECT, 4)])
async def test_a_close_that_was_halted_is_caught_up_with(
    correction: Correction, held: int, autojump_clock: MockClock
) -> None:
    """Law: what a leader closed while its followers were halted is told, and closed when that is over
    where the subscription says so."""
    async with open_desk(Venue.OKX, ANA) as desk:
        await desk.change(correction=correction)
        desk.trade("buy")
        await trio.sleep(60)
        by = Author(who="eva", ts=desk.world.clock.now(), from_where="here")
        await desk.world.config.set_state(TradingState.HALTED, Scope(), by)
        await trio.sleep(5)
        desk.trade("sell", Decimal(6))
        await trio.sleep(200)
        assert desk.held(ANA) == LOTS
        assert await desk.reasons() == [("ana", "denied")]
        await desk.world.config.set_state(TradingState.ACTIVE, Scope(), by)
        await trio.sleep(900)
        assert desk.held(ANA) == held


@pytest.mark.parametrize("venue", Venue)
async def test_fees_taken_in_coins_are_no_drift(venue: Venue, autojump_clock: MockClock) -> None:
    """Law: coins that the venue kept as its fee are not missed. What is missing beyond is told, and not
    bought: to move his coins is the owner's right."""
    ana = at(ANA, venue)
    async with open_desk(venue, ana) as desk:
        await desk.change(correction=Correction.CORRECT)
        pair = next(each for each in desk.venue.instruments if each.kind == "spot")
        size = pair.minimum * 1000

        def order(side: str, size: Decimal) -> NewOrder:
            return NewOrder(symbol=pair.symbol, side=side, kind="market", size=size)

        desk.act(Place(account=desk.leader, order=order("buy", size)))
        await trio.sleep(300)
        assert await desk.reasons() == []
        (position,) = await desk.world.trading.orders.positions(ClientId("ana"))
        assert position.holding.fees.get(pair.base, 0) < 0
        desk.act(Place(account=ana.account, order=order("sell", size / 2)))
        await trio.sleep(300)
        assert await desk.reasons() == [("ana", "transfer")]
        assert desk.said("desk.asked") == []
        assert len(desk.lines_of("drift", reason="transfer", level="error")) == 1
