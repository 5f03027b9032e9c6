"""Laws of flattening, with the real services over the simulated venues."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from services.cli import flattening
from services.cli.flattening import Left, Ports
from services.cli.refusal import Refusal
from services.oms.desk import DeskOrders
from spider_common import schema
from spider_common.domain.control import TradingState
from spider_common.domain.identifiers import ClientId, ProductId, Venue
from spider_common.domain.instruments import InstrumentList
from spider_common.stores.audit import Audit
from spider_common.stores.config_rows import Author, Scope
from spider_common.stores.memory_table import MemoryTable
from spider_common.telemetry.logs import logger
from tests.component.test_reconcile import ANA, BRUNO, LOTS, Desk, at, open_desk

EVERYTHING = Scope()
ONLY_ANA = Scope(client=ClientId("ana"))


@asynccontextmanager
async def open_ports(desk: Desk) -> AsyncIterator[Ports]:
    world = desk.world
    log = logger("spider", world.clock, write=desk.lines.append)
    async with world.venues("spider") as venues:
        listed = [each for client in venues.values() for each in await client.instruments()]
        yield Ports(
            config=world.config,
            audit=Audit(MemoryTable(schema.CONFIG, world.clock)),
            positions=world.positions,
            trading=world.trading,
            desk=DeskOrders(world.queue, world.clock, log),
            instruments=InstrumentList(listed),
            clock=world.clock,
        )


async def flatten(desk: Desk, ports: Ports, scope: Scope, timeout_s: float = 180) -> list[Left]:
    by = Author(who="eva", ts=desk.world.clock.now(), from_where="here")
    begun = desk.world.clock.now()
    outlook = await flattening.close(ports, scope, by, "flatten by eva")
    return await flattening.wait_until_flat(ports, outlook, since=begun, timeout_s=timeout_s)


@pytest.mark.parametrize("venue", Venue)
async def test_all_is_closed_and_seen_to_be_flat(venue: Venue, autojump_clock: MockClock) -> None:
    """Law: what was planned is named before; afterwards the venues hold nothing, and nothing is opened until
    somebody resumes."""
    ana, bruno = at(ANA, venue), at(BRUNO, venue)
    async with open_desk(venue, ana, bruno) as desk, open_ports(desk) as ports:
        desk.trade("buy")
        await trio.sleep(60)
        outlook = await flattening.look(ports, EVERYTHING, "flatten")
        unit = desk.instrument.minimum * desk.instrument.unit
        assert [(each.client, each.planned / unit) for each in outlook.stakes] == [("ana", 10), ("bruno", 20)]
        assert await flatten(desk, ports, EVERYTHING) == []
        assert (desk.held(ana), desk.held(bruno)) == (0, 0)
        desk.trade("buy")
        await trio.sleep(30)
        assert (desk.held(ana), desk.held(bruno)) == (0, 0)
        assert (await flattening.look(ports, EVERYTHING, "flatten")).stakes == ()


async def test_one_client_is_closed_and_the_others_go_on(autojump_clock: MockClock) -> None:
    """Law: a scope closes what is in it, and says flat by the venues' word."""
    async with open_desk(Venue.OKX, ANA, BRUNO) as desk, open_ports(desk) as ports:
        desk.trade("buy")
        await trio.sleep(60)
        assert await flatten(desk, ports, ONLY_ANA) == []
        desk.trade("buy")
        await trio.sleep(30)
        assert (desk.held(ANA), desk.held(BRUNO)) == (0, 4 * LOTS)


async def test_what_was_traded_by_hand_is_left_and_told(autojump_clock: MockClock) -> None:
    """Law: flat is what the venues say, not what we planned: what is held beyond our parts is named."""
    async with open_desk(Venue.OKX, ANA) as desk, open_ports(desk) as ports:
        desk.trade("buy")
        await trio.sleep(60)
        desk.trade("buy", Decimal(3), account=ANA.account)
        await trio.sleep(60)
        (left,) = await flatten(desk, ports, EVERYTHING)
        assert (left.client, desk.held(ANA)) == ("ana", 3)
        assert "is held" in left.why


async def test_without_services_nothing_is_called_flat(autojump_clock: MockClock) -> None:
    """Law: an order that nobody has planned is named, and so is an account that has not told since."""
    async with open_desk(Venue.OKX, ANA) as desk, open_ports(desk) as ports:
        desk.trade("buy")
        await trio.sleep(60)
        desk.stop()
        await trio.sleep(60)
        left = await flatten(desk, ports, EVERYTHING, timeout_s=30)
        assert [each.why for each in left] == ["no service has planned it", "its venue has not told yet"]


async def test_what_is_halted_is_not_flattened(autojump_clock: MockClock) -> None:
    """Law: closes that would be denied are not asked for, and nobody's halt is lifted by it."""
    async with open_desk(Venue.OKX, ANA) as desk, open_ports(desk) as ports:
        by = Author(who="eva", ts=1, from_where="here")
        await ports.config.set_state(TradingState.HALTED, Scope(product=ProductId("p")), by)
        with pytest.raises(Refusal, match="halted"):
            await flattening.look(ports, ONLY_ANA, "flatten")
        with pytest.raises(Refusal, match="nobody follows"):
            await flattening.look(ports, Scope(client=ClientId("nobody")), "flatten")
