"""The simulator's spot section of BingX: its socket, and what it refuses."""

import json
from decimal import Decimal
from functools import partial

import pytest
import trio_websocket

from services.simulator.actions import Place, apply
from services.simulator.rules import NewOrder

SUBSCRIBE = {"id": "one", "reqType": "sub", "dataType": "spot.executionReport"}


async def order(trader, **fields):
    """Places a limit buy of 0.001 BTC, but for what `fields` say."""
    asked = {"symbol": "BTC-USDT", "side": "BUY", "type": "LIMIT", "price": "60000", "quantity": "0.001"}
    return await trader.call("POST", "spot/v1/trade/order", asked | fields)


async def hear(socket):
    """The next frame that is no ping; pings are answered."""
    while True:
        body = json.loads(await socket.frame())
        if "ping" not in body:
            return body
        await socket.websocket.send_message(json.dumps({"pong": body["ping"], "time": body["time"]}))


async def subscribe(socket, **fields):
    await socket.websocket.send_message(json.dumps(SUBSCRIBE | fields))
    return await hear(socket)


async def test_reports_come_to_who_subscribed(autojump_clock, bob):
    """Each spot order as it arrives and fills, with its fill; nothing of swaps."""
    async with bob.socket(path="/market") as socket:
        await order(bob, newClientOrderId="before")
        assert await subscribe(socket) == {"id": "one", "code": 0, "msg": "", "dataType": "", "data": None}
        await bob.order()
        await order(bob, newClientOrderId="Mine")
        new, filled = [(await hear(socket))["data"] for _ in range(2)]
        assert (new["s"], new["x"], new["X"], new["C"]) == ("BTC-USDT", "NEW", "PENDING", "mine")
        assert (filled["x"], filled["X"], filled["l"], filled["L"]) == ("TRADE", "FILLED", 0.001, 60000)
        assert (filled["N"], filled["n"]) == ("BTC", pytest.approx(-0.001 * 0.0005))


async def test_the_socket_of_swaps_hears_nothing_of_spot(autojump_clock, bob):
    """They are told apart although their names are the same."""
    async with bob.socket() as socket:
        await order(bob)
        await bob.order(clientOrderId="swap")
        assert (await socket.orders(1))[0]["c"] == "swap"


async def test_an_unknown_topic_is_refused(autojump_clock, bob):
    """With a code, and the socket stays."""
    async with bob.socket(path="/market") as socket:
        assert (await subscribe(socket, dataType="spot.other"))["code"] != 0
        assert (await subscribe(socket))["code"] == 0


async def test_pings_want_their_own_id(autojump_clock, bob):
    """Six without an answer, and the venue closes."""
    async with bob.socket(path="/market") as socket:
        pings = [json.loads(await socket.frame())["ping"] for _ in range(6)]
        assert len(set(pings)) == 6
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.frame()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"symbol": "NOPE-USDT"}, 100421),
        ({"type": "MARKET"}, 100400),  # a buy at the market is by quote quantity
        ({"quantity": "0.00001"}, 100400),  # below the least value
        ({"quantity": "0.0010001"}, 100400),
        ({"price": "60000.001"}, 100400),
        ({"side": "HOLD"}, 100400),
        ({"timeInForce": "DAY"}, 100400),
        ({"quantity": "900"}, 100202),
        ({"side": "SELL"}, 100202),  # coins that are not there
    ],
)
async def test_orders_are_checked(autojump_clock, bob, fields, code):
    """Nothing is placed, and the code says why."""
    assert (await order(bob, **fields))["code"] == code
    assert list(bob.simulator.bingx.exchange.orders(bob.account)) == []


async def test_an_id_is_used_once_whatever_its_case(autojump_clock, bob):
    """Also when the first order is over; the same within a second says so in other words."""
    place = partial(order, bob, price="60000")
    assert (await place(newClientOrderId="same"))["code"] == 0
    assert (await place(newClientOrderId="SAME"))["code"] == 109201


async def test_a_listing_tells_its_kind_only(autojump_clock, bob):
    """Swaps and spot pairs have lists, open orders and trades of their own."""
    await order(bob, price="50000")
    await bob.order(type="LIMIT", price="50000")
    apply(
        bob.simulator.bingx,
        Place(
            account="bob",
            order=NewOrder(symbol="BTC-USDT@spot", side="buy", kind="market", size=Decimal("0.002")),
        ),
    )
    spot = (await bob.call("GET", "spot/v1/trade/openOrders"))["data"]["orders"]
    swaps = (await bob.call("GET", "swap/v2/trade/openOrders"))["data"]["orders"]
    assert [len(spot), len(swaps), spot[0]["orderId"] != swaps[0]["orderId"]] == [1, 1, True]
    pairs = (await bob.call("GET", "spot/v1/common/symbols"))["data"]["symbols"]
    assert [pair["symbol"] for pair in pairs] == ["BTC-USDT", "ETH-USDT"]
    trades = (await bob.call("GET", "spot/v1/trade/myTrades", {"symbol": "BTC-USDT"}))["data"]["fills"]
    assert [trade["qty"] for trade in trades] == ["0.002"]
    held = (await bob.call("GET", "spot/v1/account/balance"))["data"]["balances"]
    assert {each["asset"] for each in held} == {"USDT", "BTC"}
