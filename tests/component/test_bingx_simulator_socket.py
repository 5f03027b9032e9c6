"""The simulator's private BingX socket, over in-memory streams."""

from decimal import Decimal

import pytest
import trio
import trio_websocket

from services.simulator.actions import AnnounceClose, DropSockets, Silence, apply
from services.simulator.rules import NewOrder
from tests.component.bingx_trader import SWAP

NS = 10**9


async def test_pushes_have_the_documented_shape(autojump_clock, bob):
    """A resting, amended, filled order; sums in the order's push, the position in the account's."""
    async with bob.socket() as socket:
        await bob.order(clientOrderId="abc", type="LIMIT", price="59000")
        await bob.order()
        (new, market, filled) = await socket.orders(3)
        assert (new["x"], new["X"], new["c"], new["p"]) == ("NEW", "NEW", "abc", "59000.00000000")
        assert (market["x"], market["X"], market["o"]) == ("NEW", "NEW", "MARKET")
        assert (filled["x"], filled["X"], filled["z"]) == ("TRADE", "FILLED", "0.00100000")
        assert "l" not in filled
        account = await socket.hear()
        assert account["e"] == "ACCOUNT_UPDATE"
        assert account["a"]["P"][0]["pa"] == "0.00100000"
        await bob.call("DELETE", "swap/v2/trade/order", {"symbol": SWAP, "clientOrderId": "abc"})
        (gone,) = await socket.orders(1)
        assert (gone["x"], gone["X"]) == ("CANCELED", "CANCELED")


async def test_what_the_venue_ends_has_expired(autojump_clock, bob):
    """An IOC order that finds nothing is EXPIRED in a push, CANCELLED in a query."""
    async with bob.socket() as socket:
        await bob.order(clientOrderId="ioc", type="LIMIT", price="50000", timeInForce="IOC")
        _, gone = await socket.orders(2)
        assert (gone["x"], gone["X"]) == ("EXPIRED", "EXPIRED")
    row = await bob.call("GET", "swap/v2/trade/order", {"symbol": SWAP, "clientOrderId": "ioc"})
    assert row["data"]["order"]["status"] == "CANCELLED"


async def test_a_forced_order_is_a_liquidation(autojump_clock, bob):
    """Its execution is CALCULATED."""
    async with bob.socket() as socket:
        forced = NewOrder(
            symbol=SWAP, side="sell", kind="market", size=Decimal("0.01"), category="full_liquidation"
        )
        bob.simulator.bingx.exchange.place(bob.account, forced, bob.clock.now())
        bob.simulator.bingx.publish()
        pushes = await socket.orders(2)
        assert [(push["o"], push["x"]) for push in pushes] == [
            ("LIQUIDATION", "NEW"),
            ("LIQUIDATION", "CALCULATED"),
        ]


async def test_two_sockets_on_one_key_share_the_events(autojump_clock, bob):
    """Each hears a part: a key has one owner."""
    key = await bob.listen_key()
    async with bob.socket(key) as one, bob.socket(key) as other:
        await bob.order(type="LIMIT", price="50000")
        await bob.order(type="LIMIT", price="51000")
        heard = (await one.orders(1))[0]["p"], (await other.orders(1))[0]["p"]
        assert sorted(heard) == ["50000.00000000", "51000.00000000"]


async def test_an_unknown_key_is_refused(autojump_clock, bob):
    """With a frame that says so, and a close."""
    async with bob.socket("nobody") as socket:
        assert (await socket.hear())["code"] == 100400
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.hear()


async def test_a_key_expires_unless_it_is_extended(autojump_clock, bob):
    """Sixty minutes from its last extension; then the socket stays open and says nothing."""
    key = await bob.listen_key()
    async with bob.socket(key) as socket:

        async def live(seconds):
            heard = []
            with trio.move_on_after(seconds):
                while True:
                    heard.append(await socket.hear())
            return [frame["e"] for frame in heard]

        assert await live(1800) == []
        assert await bob.call("PUT", "user/auth/userDataStream", {"listenKey": key}) == {}
        assert await live(3590) == []
        assert await live(20) == ["listenKeyExpired"]
        assert (await bob.call("PUT", "user/auth/userDataStream", {"listenKey": key}))["code"] == 109400
        await bob.order()
        with trio.move_on_after(60) as quiet:
            await socket.frame()
        assert quiet.cancelled_caught


async def test_a_client_that_does_not_answer_pings_is_closed(autojump_clock, bob):
    """Six pings without a pong."""
    async with bob.socket() as socket:
        settings = sum(each.kind == "swap" for each in bob.simulator.bingx.instruments)
        frames = [await socket.frame() for _ in range(settings + 6)]
        assert frames[settings:] == ["Ping"] * 6
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.frame()


async def test_sockets_break_expire_and_fall_silent_on_demand(autojump_clock, bob):
    """The actions of tests: a drop, an expired key, a silent stream."""
    venue = bob.simulator.bingx
    async with bob.socket() as socket:
        apply(venue, AnnounceClose(account="bob"))
        assert (await socket.hear())["e"] == "listenKeyExpired"
    async with bob.socket() as socket:
        apply(venue, Silence(account="bob", duration=60 * NS))
        await bob.order()
        with trio.move_on_after(59) as quiet:
            await socket.hear()
        assert quiet.cancelled_caught
        apply(venue, DropSockets(account="bob"))
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.hear()
