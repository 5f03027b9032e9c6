"""The simulator's Bitget private socket, over in-memory streams."""

from decimal import Decimal

import pytest
import trio
import trio_websocket

from services.simulator.actions import Arm, DropSockets, SetPrice, apply
from services.simulator.faults import Fault
from tests.component.bitget_trader import ORDERS, PRODUCT, SWAP


@pytest.fixture
def alice(open_bitget):
    return open_bitget()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sign": ""}, 30005),
        ({"timestamp": "soon"}, 30013),
        ({"timestamp": "1699999969"}, 30014),
        ({"apiKey": "nobody"}, 30011),
        ({"passphrase": "wrong"}, 30012),
        ({"sign": "bm8="}, 30015),
    ],
)
async def test_a_refused_login_has_its_code_and_ends(autojump_clock, alice, change, code):
    """Each flaw is named by its code, an integer, and the socket closes."""
    async with alice.socket(login=False) as socket:
        await socket.say(alice.login(**change))
        assert (await socket.hear())["code"] == code
        assert await socket.closed() == 1008


async def test_an_orders_life_is_pushed(autojump_clock, alice, simulator):
    """Live, filled in parts, cancelled. Only fills have the fields of one, the last beside all of them."""
    apply(simulator.bitget, SetPrice(symbol=SWAP, price=Decimal(60000), depth=Decimal("0.004")))
    async with alice.socket() as socket:
        await alice.order(orderType="limit", price="60000", size="0.01", clientOid="life")
        live, partly = await socket.hear(), await socket.hear()
        assert (live["arg"], live["action"]) == (ORDERS, "snapshot")
        (row,) = live["data"]
        assert (row["status"], row["accBaseVolume"]) == ("live", "0")
        assert not {"tradeId", "baseVolume", "fillPrice", "priceAvg"} & set(row)
        (row,) = partly["data"]
        assert (row["status"], row["accBaseVolume"], row["baseVolume"]) == (
            "partially_filled",
            "0.004",
            "0.004",
        )
        apply(simulator.bitget, SetPrice(symbol=SWAP, price=Decimal(59999), depth=Decimal("0.001")))
        (row,) = (await socket.hear())["data"]
        assert (row["accBaseVolume"], row["baseVolume"], row["clientOid"]) == ("0.005", "0.001", "life")
        await alice.call("POST", "mix/order/cancel-order", {**PRODUCT, "symbol": SWAP, "clientOid": "life"})
        (row,) = (await socket.hear())["data"]
        assert (row["status"], row["accBaseVolume"], "tradeId" in row) == ("canceled", "0.005", False)


async def test_positions_and_account_begin_with_what_there_is(autojump_clock, alice):
    """And follow what orders do to them; fills have a channel too."""
    await alice.order()
    positions = {"instType": "USDT-FUTURES", "channel": "positions", "instId": "default"}
    account = {"instType": "USDT-FUTURES", "channel": "account", "coin": "default"}
    async with alice.socket(positions) as socket:
        (row,) = (await socket.hear())["data"]
        assert (row["instId"], row["holdSide"], row["total"]) == ("BTCUSDT", "long", "0.01")
        await alice.order(side="sell", reduceOnly="YES")
        assert (await socket.hear())["data"] == []  # what is not held any more is not listed
    async with alice.socket(account) as socket:
        (row,) = (await socket.hear())["data"]
        assert (row["marginCoin"], row["frozen"]) == ("USDT", "0")
    fills = {"instType": "USDT-FUTURES", "channel": "fill", "instId": "default"}
    async with alice.socket(fills) as socket:
        await alice.order()
        (row,) = (await socket.hear())["data"]
        assert (row["symbol"], row["baseVolume"], row["tradeScope"]) == ("BTCUSDT", "0.01", "taker")


async def test_what_a_socket_may_not_say(autojump_clock, alice):
    """Each misuse has its code; too many messages in a second end the socket."""
    async with alice.socket(login=False) as socket:
        for said, code in (("{", 30002), ({"op": "dance", "args": []}, 30003)):
            await socket.say(said)
            assert (await socket.hear())["code"] == code
        await socket.say({"op": "subscribe", "args": [ORDERS]})
        assert (await socket.hear())["code"] == 30004
    async with alice.socket() as socket:
        await socket.say({"op": "subscribe", "args": [{"instType": "USDT-FUTURES", "channel": "candles"}]})
        assert (await socket.hear())["code"] == 30001
        await trio.sleep(1)
        for _ in range(11):
            await socket.say("ping")
        assert [await socket.hear() for _ in range(10)] == ["pong"] * 10
        assert (await socket.hear())["code"] == 30007
        assert await socket.closed() == 1008


async def test_a_socket_without_pings_is_dropped(autojump_clock, alice):
    """After two minutes, without a word; a ping in time keeps it."""
    async with alice.socket() as socket:
        await trio.sleep(119)
        await socket.say("ping")
        assert await socket.hear() == "pong"
        begun = trio.current_time()
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.hear()
        assert trio.current_time() - begun == pytest.approx(120)


async def test_a_socket_ends_after_24_hours(autojump_clock, alice):
    """However well it is kept alive."""
    begun = trio.current_time()
    async with alice.socket() as socket:
        for _ in range(864):
            await socket.say("ping")
            assert await socket.hear() == "pong"
            await trio.sleep(100)
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.hear()
    assert trio.current_time() - begun == pytest.approx(24 * 3600)


async def test_a_push_may_be_overtaken(autojump_clock, alice, simulator):
    """The older push comes after the newer one, and as it was."""
    async with alice.socket() as socket:
        apply(simulator.bitget, Arm(fault=Fault(kind="overtake_push")))
        await alice.order()
        told = [(await socket.hear())["data"][0]["status"] for _ in range(2)]
        assert told == ["filled", "live"]


async def test_pushes_may_be_dropped_doubled_and_cut_off(autojump_clock, alice, simulator):
    """The faults of any venue strike this one's socket as well."""
    async with alice.socket() as socket:
        apply(simulator.bitget, Arm(fault=Fault(kind="drop_push")))
        apply(simulator.bitget, Arm(fault=Fault(kind="duplicate_push", nth=2)))
        await alice.order()
        first, second = await socket.hear(), await socket.hear()
        assert first["data"] == second["data"]
        assert first["data"][0]["status"] == "filled"
        apply(simulator.bitget, DropSockets(account="alice"))
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.hear()
