"""The BingX client against the simulator: sweeps, settings and sessions of an account."""

from decimal import Decimal
from functools import partial

import pytest
import trio

from services.simulator.actions import AnnounceClose, DropSockets, SetPrice, Silence, apply
from services.simulator.faults import Fault
from services.simulator.ledger import Executed
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.products import MarginMode
from spider_common.secret import Credentials, Secret
from spider_common.venues.outcomes import (
    Accepted,
    VenueError,
)
from spider_common.venues.socket import SocketClosed, open_socket
from spider_common.venues.venue import Failed, KeepAlive
from tests.component.bingx_desk import CAROL, KEYS, NS, RESTS, SWAP


async def test_a_sweep_tells_everything(autojump_clock, open_desk):
    """Open and finished orders, fills named as their orders, equity, position; twice the same."""
    async with open_desk() as desk:
        await desk.place("a1", size=Decimal("0.003"))
        await desk.place("a2", **RESTS)
        await desk.place("a3", **RESTS)
        await desk.cancel("a3")
        await desk.place("a4", side=Side.SELL, reduce_only=True)
        told, again = await desk.sweep(), await desk.sweep()
        assert {fact.client_order_id: fact.status for fact in told.facts} == {
            "a1": OrderStatus.FILLED,
            "a2": OrderStatus.LIVE,
            "a3": OrderStatus.CANCELED,
            "a4": OrderStatus.FILLED,
        }
        assert [fact.event_id for fact in told.facts] == [fact.event_id for fact in again.facts]
        assert [(each.client_order_id, each.signed) for each in told.executions] == [
            ("a1", Decimal("0.003")),
            ("a4", Decimal("-0.001")),
        ]
        ledger = [entry.execution.trade_id for entry in desk.entries(Executed)]
        assert [each.trade_id for each in told.executions] == ledger
        (equity,) = told.equities
        assert equity.equity == Decimal(1_000_000) - 240 * Decimal("0.0005")
        (held,) = told.positions
        assert (held.position_side, held.quantity, held.entry_price) == (
            PositionSide.NET,
            Decimal("0.002"),
            Decimal(60000),
        )


async def test_a_sweep_finds_an_old_order_that_has_ended(autojump_clock, open_desk):
    """History lists by the time of making; an order made before the last sweep and ended since is told."""
    async with open_desk() as desk:
        await desk.place(**RESTS)
        await trio.sleep(3 * 3600)
        since = desk.clock.now()
        await desk.cancel()
        (fact,) = (await desk.sweep(since)).facts
        assert (fact.client_order_id, fact.status) == ("a1", OrderStatus.CANCELED)
        assert (await desk.sweep(desk.clock.now() + NS)).facts == ()


async def test_a_sweep_finds_what_rested_for_days(autojump_clock, open_desk):
    """Out of history's reach, an order is told by its fill, with the execution; once."""
    async with open_desk() as desk:
        await desk.place(**RESTS)
        await trio.sleep(3 * 24 * 3600)
        since = desk.clock.now()
        apply(desk.venue, SetPrice(symbol=SWAP, price=Decimal(50000)))
        told = await desk.sweep(since - NS)
        assert [(fact.client_order_id, fact.status) for fact in told.facts] == [("a1", OrderStatus.FILLED)]
        assert [each.client_order_id for each in told.executions] == ["a1"]


async def test_a_sweep_asks_for_every_page(autojump_clock, open_desk, monkeypatch):
    """A full page is asked for again in parts, and none is told twice or left out."""
    monkeypatch.setattr("spider_common.venues.bingx.sweep._PAGE", 3)
    monkeypatch.setattr("spider_common.venues.bingx.sweep._FILLS_PAGE", 3)
    async with open_desk() as desk:
        for each in range(10):
            await desk.place(f"a{each}")
            await trio.sleep(1)
        told = await desk.sweep()
        assert [fact.client_order_id for fact in told.facts] == [f"a{each}" for each in range(10)]
        assert len(told.executions) == 10


async def test_hedge_positions_are_told_by_leg(autojump_clock, open_desk):
    """Long and short of one instrument, each signed."""
    async with open_desk(mode="long_short") as desk:
        await desk.place("a1", position_side=PositionSide.LONG)
        await desk.place("a2", position_side=PositionSide.SHORT, side=Side.SELL)
        told = await desk.sweep()
        assert [(held.position_side, held.quantity) for held in told.positions] == [
            (PositionSide.LONG, Decimal("0.001")),
            (PositionSide.SHORT, Decimal("-0.001")),
        ]


async def test_settings_of_an_account(autojump_clock, open_desk):
    """Leverage, refusals with their code, key permissions."""
    async with open_desk() as desk:
        set_leverage = partial(desk.client.set_leverage, KEYS, CAROL, SWAP)
        assert isinstance(await set_leverage(20, MarginMode.CROSS), Accepted)
        assert desk.venue.exchange.accounts["carol"].leverage_of(SWAP) == 20
        assert (await set_leverage(500, MarginMode.CROSS)).code == "101414"
        await desk.place(**RESTS)
        assert (await desk.client.set_hedge_mode(KEYS, CAROL, hedge=True)).code == "104103"
        permissions = await desk.client.permissions(KEYS)
        assert (permissions.read, permissions.trade, permissions.withdraw) == (True, True, False)
        assert permissions.addresses == ()


async def test_a_wrong_key_says_that_it_is_fatal(autojump_clock, open_desk):
    """So that nobody tries it every second."""
    async with open_desk() as desk:
        for keys in (Credentials(Secret("x"), Secret("y")), Credentials(Secret("carol"), Secret("y"))):
            with pytest.raises(VenueError) as refused:
                await desk.client.socket_url(keys)
            assert refused.value.fatal
            assert "y" not in str(refused.value).split()


async def test_a_session_tells_what_a_sweep_tells(autojump_clock, open_desk, listen):
    """The same event ids from the socket and from REST, for orders that rest, fill and end."""
    async with open_desk() as desk:
        heard = await listen(desk)
        await desk.place("a1")
        await desk.place("a2", **RESTS)
        await desk.place("a3", **RESTS)
        await desk.cancel("a3")
        await desk.place("a4", price=Decimal(50000), order_type=OrderType.IOC)
        await trio.sleep(1)
        pushed = {fact.event_id for fact in heard.facts()}
        swept = {fact.event_id for fact in (await desk.sweep()).facts}
        assert (len(swept), swept - pushed) == (4, set())


async def test_a_session_lives_for_hours(autojump_clock, open_desk, listen):
    """Its key is extended every half hour, and pushes still come."""
    async with open_desk() as desk:
        heard = await listen(desk)
        await trio.sleep(3.25 * 3600)
        await desk.place()
        await trio.sleep(1)
        assert [type(event) for event in heard.events[:6]] == [KeepAlive] * 6
        assert [fact.status for fact in heard.facts()] == [OrderStatus.LIVE, OrderStatus.FILLED]


@pytest.mark.parametrize(
    "action", [AnnounceClose(account="carol"), Silence(account="carol", duration=60 * NS)]
)
async def test_a_dead_stream_fails_its_session(autojump_clock, open_desk, listen, action):
    """An expired key at once, a silent stream within its bound; a new session works again."""
    async with open_desk() as desk:
        heard = await listen(desk)
        apply(desk.venue, action)
        await trio.sleep(30)
        (failed,) = heard.events
        assert (type(failed), failed.fatal) == (Failed, False)
        await trio.sleep(60)
        again = await listen(desk)
        await desk.place()
        await trio.sleep(1)
        assert len(again.facts()) == 2


async def test_a_broken_socket_is_told_by_the_socket(autojump_clock, open_desk):
    """A drop is no event of the session: the socket says so, and the sweep finds what was missed."""
    async with open_desk() as desk:
        url = await desk.client.socket_url(KEYS)
        with pytest.RaisesGroup(SocketClosed, flatten_subgroups=True):
            async with open_socket(desk.network, url, tls=None) as socket:
                await socket.receive()
                apply(desk.venue, DropSockets(account="carol"))
                await desk.place()
                while True:
                    await socket.receive()
        assert len((await desk.sweep()).facts) == 1


async def test_keeping_an_unknown_key_alive_says_so(autojump_clock, open_desk):
    """The session is to be made anew."""
    async with open_desk() as desk:
        with pytest.raises(VenueError, match="109400"):
            await desk.client.keep_alive(KEYS, "ws://simulator/swap-market?listenKey=nobody")


@pytest.mark.parametrize("fault", ["drop_push", "duplicate_push"])
async def test_lost_and_repeated_pushes_change_nothing_in_the_end(autojump_clock, open_desk, listen, fault):
    """What the stream and one sweep tell together is what a whole stream tells: the same last facts."""

    def last(facts):
        newest = {}
        for fact in facts:
            known = newest.get(fact.venue_order_id)
            if known is None or fact.age_key >= known.age_key:
                newest[fact.venue_order_id] = fact
        return {order: fact.event_id for order, fact in newest.items()}

    async with open_desk() as desk:
        heard = await listen(desk)
        for each in range(4):
            desk.venue.faults.arm(Fault(kind=fault, nth=each + 1))
        await desk.place("a1")
        await desk.place("a2", **RESTS)
        await desk.cancel("a2")
        await trio.sleep(1)
        swept = await desk.sweep()
        assert last([*heard.facts(), *swept.facts]) == last(swept.facts)
        assert len(last(swept.facts)) == 2
        assert len({fact.event_id for fact in heard.facts()}) == (0 if fault == "drop_push" else 4)
