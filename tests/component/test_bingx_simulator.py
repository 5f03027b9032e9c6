"""The simulator's BingX dialect, REST and socket, over in-memory streams."""

import json
from decimal import Decimal
from functools import partial

import pytest
import trio

from services.simulator.actions import SetPrice, apply
from services.simulator.faults import Fault
from services.simulator.ledger import Executed, Placed
from tests.component.bingx_trader import SWAP

NS = 10**9


def entries(trader, kind):
    return [entry for entry in trader.simulator.bingx.exchange.ledger.entries if isinstance(entry, kind)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 0),
        ({"timestamp": ""}, 100421),
        ({"timestamp": "yesterday"}, 100421),
        ({"timestamp": "1699999994999"}, 100421),
        ({"timestamp": "1700000001001"}, 100421),
        ({"timestamp": "1699999998999", "recvWindow": "1000"}, 100421),
        ({"timestamp": "1699999999000", "recvWindow": "1000"}, 0),
        ({"recvWindow": "5001"}, 109400),
        ({"recvWindow": "0"}, 109400),
    ],
)
async def test_a_request_lives_for_its_window(autojump_clock, bob, change, code):
    """Older than recvWindow, 5 s at the most, or from the future: refused."""
    assert (await bob.call("GET", "swap/v3/user/balance", **change))["code"] == code


async def test_a_signature_covers_every_parameter(autojump_clock, bob):
    """A missing or wrong signature, an unknown key, and a parameter added afterwards are refused."""
    query, path = bob.query({"symbol": SWAP}), "swap/v2/user/positions"

    async def code(query, key="bob"):
        _, body = await bob.raw("GET", path, query, {"X-BX-APIKEY": key})
        return json.loads(body)["code"]

    assert await code(query) == 0
    assert await code(query, key="nobody") == 100413
    assert await code(query.partition("&signature")[0]) == 100412
    assert await code(query + "0") == 100001
    assert await code("currency=USDT&" + query) == 100001


async def test_a_signature_is_over_the_unencoded_text(autojump_clock, bob):
    """What is sent encoded is signed as it reads."""
    answer = await bob.order(clientOrderId="a b&c=[1]")
    assert answer["data"]["order"]["clientOrderId"] == "a b&c=[1]"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"symbol": "NOPE-USDT"}, 109425),
        ({"quantity": "0.00005"}, 101400),
        ({"quantity": "0.00015"}, 101400),
        ({"quantity": "much"}, 109400),
        ({"quantity": "NaN"}, 109400),
        ({"quantity": ""}, 109400),
        ({"symbol": "DOGE-USDT", "quantity": "14", "type": "LIMIT", "price": "0.14"}, 110425),
        ({"side": "buy"}, 109400),
        ({"type": "LIMIT"}, 109400),
        ({"type": "ICEBERG"}, 101400),
        ({"positionSide": "LONG"}, 109400),
        ({"positionSide": "UP"}, 109400),
        ({"timeInForce": "DAY"}, 109400),
        ({"clientOrderId": "a" * 41}, 109400),
        ({"quantity": "5000"}, 101204),
        ({"side": "SELL", "reduceOnly": "true"}, 101205),
    ],
)
async def test_each_flaw_of_an_order_has_its_code(autojump_clock, bob, fields, code):
    """A refused order comes with HTTP 200 and a code, and leaves nothing pending."""
    assert (await bob.order(**fields))["code"] == code
    assert (await bob.call("GET", "swap/v2/trade/openOrders"))["data"]["orders"] == []


async def test_a_client_order_id_is_used_once_in_any_case(autojump_clock, bob):
    """Held in lower case; refused again within a second and for ever after, whatever became of the order."""
    placed = await bob.order(clientOrderId="ABC")
    assert placed["data"]["order"]["clientOrderId"] == "abc"
    assert (await bob.order(clientOrderId="aBc"))["code"] == 109201
    await trio.sleep(2)
    assert (await bob.order(clientOrderId="abc"))["code"] == 101481
    assert len(entries(bob, Placed)) == 1
    (found,) = [(await bob.call("GET", "swap/v2/trade/order", {"symbol": SWAP, "clientOrderId": "ABC"}))]
    assert (found["data"]["order"]["status"], found["data"]["order"]["executedQty"]) == ("FILLED", "0.001")


async def test_a_refused_order_leaves_its_id_free(autojump_clock, bob):
    """Only an order uses an id up."""
    assert (await bob.order(clientOrderId="abc", quantity="5000"))["code"] == 101204
    assert (await bob.order(clientOrderId="abc"))["code"] == 0


async def test_an_order_is_cancelled_once(autojump_clock, bob):
    """A cancel of what is filled, gone, or never was says so."""
    await bob.order(clientOrderId="rests", type="LIMIT", price="50000")
    await bob.order(clientOrderId="done")
    cancel = partial(bob.call, "DELETE", "swap/v2/trade/order")
    assert (await cancel({"symbol": SWAP, "clientOrderId": "RESTS"}))["data"]["order"][
        "status"
    ] == "CANCELLED"
    assert (await cancel({"symbol": SWAP, "clientOrderId": "rests"}))["code"] == 109421
    assert (await cancel({"symbol": SWAP, "clientOrderId": "done"}))["code"] == 80018
    assert (await cancel({"symbol": SWAP}))["code"] == 109400
    await trio.sleep(1)
    assert (await bob.call("GET", "swap/v2/trade/order", {"symbol": SWAP, "orderId": "1"}))["code"] == 80016


async def test_amend_changes_the_size_only(autojump_clock, bob):
    """The order stays the same one; a price is not looked at."""
    placed = (await bob.order(type="LIMIT", price="50000"))["data"]["order"]
    asked = {"symbol": SWAP, "orderId": placed["orderId"], "quantity": "0.002", "price": "51000"}
    assert (await bob.call("POST", "swap/v1/trade/amend", asked))["data"]["quantity"] == "0.002"
    (row,) = (await bob.call("GET", "swap/v2/trade/openOrders"))["data"]["orders"]
    assert (row["orderId"], row["origQty"], row["price"]) == (placed["orderId"], "0.002", "50000")


async def test_cancel_replace_says_what_became_of_each_half(autojump_clock, bob):
    """Code 0 in every case; a failed cancel stops it, a restriction must hold, a bad new order comes last."""
    placed = (await bob.order(type="LIMIT", price="50000"))["data"]["order"]
    asked = {
        "symbol": SWAP,
        "side": "BUY",
        "positionSide": "BOTH",
        "type": "LIMIT",
        "price": "51000",
        "quantity": "0.001",
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "cancelOrderId": placed["orderId"],
    }

    async def results(**fields):
        body = await bob.call("POST", "swap/v1/trade/cancelReplace", asked | fields)
        assert body["code"] == 0
        return body["data"]["cancelResult"], body["data"]["replaceResult"]

    assert await results(cancelOrderId="1") == ("false", "false")
    assert await results(cancelRestrictions="ONLY_PARTIALLY_FILLED") == ("false", "false")
    assert await results(cancelRestrictions="ONLY_NEW") == ("true", "true")
    await trio.sleep(1)
    (row,) = (await bob.call("GET", "swap/v2/trade/openOrders"))["data"]["orders"]
    assert await results(cancelOrderId=row["orderId"], quantity="5000") == ("true", "false")


async def test_hedge_mode_has_legs_and_no_reduce_only(autojump_clock, bob):
    """LONG and SHORT side by side; reduceOnly is refused there, and BOTH too."""
    mode = "swap/v1/positionSide/dual"
    assert (await bob.call("POST", mode, {"dualSidePosition": "true"}))["code"] == 0
    assert (await bob.call("GET", mode))["data"] == {"dualSidePosition": "true"}
    assert (await bob.order(positionSide="LONG"))["code"] == 0
    assert (await bob.order(positionSide="SHORT", side="SELL", quantity="0.002"))["code"] == 0
    assert (await bob.order(positionSide="LONG", side="SELL", reduceOnly="true"))["code"] == 109400
    assert (await bob.order(positionSide="BOTH"))["code"] == 109400
    held = (await bob.call("GET", "swap/v2/user/positions"))["data"]
    assert [(row["positionSide"], row["positionAmt"]) for row in held] == [
        ("LONG", "0.001"),
        ("SHORT", "0.002"),
    ]
    assert (await bob.call("POST", mode, {"dualSidePosition": "false"}))["code"] == 104103


async def test_leverage_is_set_by_side(autojump_clock, bob):
    """BOTH in one-way mode; more than the pair allows is refused."""
    path = "swap/v2/trade/leverage"
    assert (await bob.call("POST", path, {"symbol": SWAP, "side": "BOTH", "leverage": "20"}))["code"] == 0
    assert (await bob.call("GET", path, {"symbol": SWAP}))["data"]["longLeverage"] == 20
    assert (await bob.call("POST", path, {"symbol": SWAP, "side": "LONG", "leverage": "20"}))[
        "code"
    ] == 109400
    assert (await bob.call("POST", path, {"symbol": SWAP, "side": "BOTH", "leverage": "126"}))[
        "code"
    ] == 101414


async def test_fills_and_history_are_listed_by_time(autojump_clock, bob):
    """Fills after startTs, orders made within the window, both gone after a week."""
    begun = bob.clock.now() // 10**6
    await trio.sleep(1)
    await bob.order(clientOrderId="first")
    await trio.sleep(3600)
    await bob.order(clientOrderId="second")
    now = bob.clock.now() // 10**6

    async def fills(start, end):
        asked = {"symbol": SWAP, "startTs": start, "endTs": end}
        body = await bob.call("GET", "swap/v2/trade/fillHistory", asked)
        return [row["filledTime"] for row in body["data"]["fill_history_orders"]]

    async def orders(start):
        asked = {"startTime": start, "endTime": now, "limit": "500"}
        body = await bob.call("GET", "swap/v2/trade/allOrders", asked)
        return [row["clientOrderId"] for row in body["data"]["orders"]]

    assert await fills(begun, now) == ["2023-11-15T07:13:21.000+0800", "2023-11-15T06:13:21.000+0800"]
    assert len(await fills(begun + 1000, now)) == 1  # startTs is exclusive
    assert await orders(begun) == ["second", "first"]
    assert await orders(begun + 2000) == ["second"]
    await trio.sleep(8 * 24 * 3600)
    assert await orders(begun) == []
    missing = await bob.call("GET", "swap/v2/trade/order", {"symbol": SWAP, "clientOrderId": "first"})
    assert missing["code"] == 80016


async def test_an_account_has_so_many_orders_a_second(autojump_clock, bob):
    """100410 past five, with the end of the window in a header; the next second is open again."""
    codes = [(await bob.order())["code"] for _ in range(6)]
    assert codes == [0] * 5 + [100410]
    await trio.sleep(1)
    assert (await bob.order())["code"] == 0


async def test_an_address_that_goes_on_is_banned(autojump_clock, bob):
    """429 past the limit of ten seconds, 418 for five minutes after twenty more."""
    path = "swap/v2/server/time"
    statuses = [(await bob.raw("GET", path))[0] for _ in range(2025)]
    assert statuses == [200] * 2000 + [429] * 21 + [418] * 4
    await trio.sleep(299)
    assert (await bob.raw("GET", path))[0] == 418
    await trio.sleep(2)
    assert (await bob.raw("GET", path))[0] == 200


@pytest.mark.parametrize(
    ("kind", "status", "placed"),
    [("lose_reply", None, 1), ("error_with_effect", 504, 1), ("error_without_effect", 504, 0)],
)
async def test_an_answer_may_be_lost(autojump_clock, bob, kind, status, placed):
    """With or without effect, and the client cannot tell."""
    bob.simulator.bingx.faults.arm(Fault(kind=kind))
    asked = {"symbol": SWAP, "side": "BUY", "positionSide": "BOTH", "type": "MARKET", "quantity": "0.001"}
    answer = await bob.raw("POST", "swap/v2/trade/order", bob.query(asked), {"X-BX-APIKEY": "bob"})
    assert (answer and answer[0]) == status
    assert len(entries(bob, Executed)) == placed


async def test_a_request_held_past_its_window_is_refused(autojump_clock, bob):
    """The venue looks at the time again when it takes the request up."""
    bob.simulator.bingx.faults.arm(Fault(kind="hold_request", delay=2 * NS))
    assert (await bob.order(recvWindow="1000"))["code"] == 100421
    bob.simulator.bingx.faults.arm(Fault(kind="hold_request", delay=2 * NS))
    assert (await bob.order(recvWindow="3000"))["code"] == 0
    assert len(entries(bob, Executed)) == 1


async def test_a_hidden_order_is_not_found_for_a_while(autojump_clock, bob):
    """Neither by its id nor in a list, and then it is."""
    bob.simulator.bingx.faults.arm(Fault(kind="hide_order", delay=3 * NS))
    await bob.order(clientOrderId="abc", type="LIMIT", price="50000")
    find = partial(bob.call, "GET", "swap/v2/trade/order", {"symbol": SWAP, "clientOrderId": "abc"})
    assert (await find())["code"] == 80016
    assert (await bob.call("GET", "swap/v2/trade/openOrders"))["data"]["orders"] == []
    await trio.sleep(3)
    assert (await find())["code"] == 0


async def test_a_price_path_fills_what_rests(autojump_clock, bob):
    """The neutral engine's price path moves this venue's orders too."""
    await bob.order(clientOrderId="abc", type="LIMIT", price="59000")
    apply(bob.simulator.bingx, SetPrice(symbol=SWAP, price=Decimal(59000)))
    row = await bob.call("GET", "swap/v2/trade/order", {"symbol": SWAP, "clientOrderId": "abc"})
    assert row["data"]["order"]["status"] == "FILLED"


async def test_an_unknown_path_is_refused(autojump_clock, bob):
    """As the venue does: HTTP 200 and a code."""
    assert (await bob.call("GET", "swap/v2/nothing"))["code"] == 100400
