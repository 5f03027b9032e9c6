"""Orders that wait for a price at the simulated BingX."""

from decimal import Decimal
from functools import partial

import pytest

from services.simulator.actions import SetPrice, apply
from tests.component.bingx_trader import SWAP


async def wait_for(trader, kind, stop, **fields):
    answer = await trader.order(type=kind, stopPrice=stop, clientOrderId="mine", **fields)
    return answer["data"]["order"]


def move(trader, price):
    apply(trader.simulator.bingx, SetPrice(symbol=SWAP, price=Decimal(price)))


async def look(trader, order):
    body = await trader.call("GET", "swap/v2/trade/order", {"symbol": SWAP, "orderId": order["orderId"]})
    return body["data"]["order"]


@pytest.mark.parametrize(
    ("stop", "short_of", "reached"), [("61000", "60999", "61000"), ("59000", "59001", "58900")]
)
async def test_an_entry_fires_when_its_price_is_reached(autojump_clock, bob, stop, short_of, reached):
    """From either side; it is FILLED with nothing executed, and the order it made names it."""
    placed = await wait_for(bob, "TRIGGER_MARKET", stop)
    assert placed["clientOrderId"] == ""
    async with bob.socket() as socket:
        move(bob, short_of)
        assert (await look(bob, placed))["status"] == "NEW"
        move(bob, reached)
        gone, new, filled = await socket.orders(3)
        assert (gone["i"], gone["X"], gone["z"]) == (placed["orderId"], "FILLED", "0.00000000")
        assert (new["x"], filled["X"], filled["i"] != placed["orderId"]) == ("NEW", "FILLED", True)
    done = await look(bob, placed)
    assert (done["status"], done["executedQty"]) == ("FILLED", "0")
    assert (await look(bob, {"orderId": filled["i"]}))["triggerOrderId"] == placed["orderId"]
    history = (await bob.call("GET", "swap/v2/trade/allOrders", {"limit": "10"}))["data"]["orders"]
    assert {row["orderId"] for row in history} == {placed["orderId"], filled["i"]}


async def test_what_cannot_be_entered_any_more_has_failed(autojump_clock, bob):
    """The position that a stop loss was for is gone when it fires."""
    await bob.order()
    placed = await wait_for(bob, "STOP_MARKET", "59000", side="SELL", reduceOnly="true")
    await bob.order(side="SELL")
    move(bob, "59000")
    assert (await look(bob, placed))["status"] == "FAILED"


async def test_both_sides_of_a_position_are_bounded_apart(autojump_clock, bob):
    """Stop losses together, and take profits together, are for no more than is held."""
    await bob.order(quantity="0.002")
    closing = partial(bob.order, side="SELL", reduceOnly="true", quantity="0.001")
    assert (await closing(type="STOP_MARKET", stopPrice="59000"))["code"] == 0
    assert (await closing(type="STOP", stopPrice="58000", price="57900"))["code"] == 0
    assert (await closing(type="STOP_MARKET", stopPrice="57000"))["code"] == 101205
    assert (await closing(type="TAKE_PROFIT_MARKET", stopPrice="61000"))["code"] == 0


@pytest.mark.parametrize("stop", ["", "0", "59000.05"])
async def test_a_trigger_price_is_checked(autojump_clock, bob, stop):
    """It is there, above zero, and a multiple of the tick."""
    assert (await bob.order(type="TRIGGER_MARKET", stopPrice=stop))["code"] == 109400


async def test_a_reset_venue_knows_no_waiting_order(autojump_clock, bob, open_bingx):
    """Nothing of before fires, even for an account of the same name."""
    placed = await wait_for(bob, "TRIGGER_MARKET", "61000")
    bob.simulator.bingx.reset()
    again = open_bingx("bob")
    move(again, "61000")
    body = await again.call("GET", "swap/v2/trade/order", {"symbol": SWAP, "orderId": placed["orderId"]})
    assert body["code"] == 80016
    assert (await again.call("GET", "swap/v2/user/positions"))["data"] == []
