"""The simulator's Bitget REST dialect, over in-memory streams."""

import json
import random
from decimal import Decimal
from functools import partial

import pytest
import trio

from services.simulator.actions import Arm, SetPrice, apply
from services.simulator.faults import Fault
from services.simulator.ledger import Canceled, Executed, Placed
from services.simulator.simulator import SimulatorConfig, serve_simulator
from tests.component.bitget_trader import PRODUCT, SWAP, BitgetTrader

S = 10**9
DETAIL, PENDING = "mix/order/detail", "mix/order/orders-pending"


@pytest.fixture
def alice(open_bitget):
    return open_bitget()


def kinds(simulator):
    return [type(entry) for entry in simulator.bitget.exchange.ledger.entries]


# Signatures and age


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ACCESS-KEY": ""}, "40001"),
        ({"ACCESS-SIGN": ""}, "40003"),
        ({"ACCESS-PASSPHRASE": ""}, "40011"),
        ({"ACCESS-TIMESTAMP": ""}, "40005"),
        ({"ACCESS-TIMESTAMP": "yesterday"}, "40005"),
        ({"ACCESS-TIMESTAMP": "1699999969999"}, "40008"),
        ({"ACCESS-TIMESTAMP": "1700000030001"}, "40008"),
        ({"ACCESS-KEY": "nobody"}, "40006"),
        ({"ACCESS-PASSPHRASE": "wrong"}, "40012"),
        ({"ACCESS-SIGN": "bm8="}, "40009"),
    ],
)
async def test_each_flaw_of_a_signature_has_its_code(autojump_clock, alice, change, code):
    """A missing or wrong header is refused with Bitget's code, HTTP 400 and no data."""
    target = "/api/v2/mix/account/accounts?productType=USDT-FUTURES"
    status, body = await alice.raw("GET", target, headers=alice.signed("GET", target) | change)
    answer = json.loads(body)
    assert (status, answer["code"], answer["data"]) == (400, code, None)


async def test_the_signature_covers_query_and_body(autojump_clock, alice):
    """A changed query or body is refused; an encoded query is signed decoded."""
    signed = alice.signed("GET", "/api/v2/mix/order/detail?clientOid=1")
    _, body = await alice.raw("GET", "/api/v2/mix/order/detail?clientOid=2", headers=signed)
    assert json.loads(body)["code"] == "40009"
    signed = alice.signed("POST", "/api/v2/mix/order/place-order", '{"size":"1"}')
    _, body = await alice.raw("POST", "/api/v2/mix/order/place-order", b'{"size":"2"}', signed)
    assert json.loads(body)["code"] == "40009"
    signed = alice.signed("GET", "/api/v2/mix/account/accounts?productType=USDT-FUTURES&note=a b")
    target = "/api/v2/mix/account/accounts?productType=USDT-FUTURES&note=a%20b"
    _, body = await alice.raw("GET", target, headers=signed)
    assert json.loads(body)["code"] == "00000"


@pytest.mark.parametrize(("age_ms", "code"), [(30_000, "00000"), (30_001, "40008"), (-30_001, "40008")])
async def test_a_request_is_refused_past_its_age(autojump_clock, alice, simulator, age_ms, code):
    """A timestamp set back makes a request expire the sooner: at 30 s it is the last moment."""
    assert (await alice.order(age_ms=age_ms))["code"] == code
    assert kinds(simulator) == ([Placed, Executed] if code == "00000" else [])


async def test_a_held_request_ages(autojump_clock, alice, simulator):
    """A request that waits inside the venue is looked at with the age that it then has."""
    apply(simulator.bitget, Arm(fault=Fault(kind="hold_request", delay=2 * S)))
    assert (await alice.order(age_ms=28_001))["code"] == "40008"
    apply(simulator.bitget, Arm(fault=Fault(kind="hold_request", delay=2 * S)))
    assert (await alice.order(age_ms=28_000))["code"] == "00000"
    assert kinds(simulator) == [Placed, Executed]


# Orders


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"symbol": "NOPE"}, "40034"),
        ({"productType": "COIN-FUTURES"}, "40034"),
        ({"size": "0.00001"}, "45110"),
        ({"size": "0.00015"}, "40017"),
        ({"size": "nan"}, "40017"),
        ({"side": "hold"}, "40017"),
        ({"orderType": "limit", "price": "50000.01"}, "40017"),
        ({"orderType": "limit", "price": "100", "force": "maybe"}, "40017"),
        ({"orderType": "limit", "price": "100", "size": "0.0499"}, "45110"),
        ({"size": "1000"}, "40762"),
        ({"reduceOnly": "YES"}, "22002"),
        ({"clientOid": "x" * 65}, "40017"),
    ],
)
async def test_each_flaw_of_an_order_has_its_code(autojump_clock, alice, fields, code):
    """What cannot be taken is refused by name, and an order worth less than 5 USDT is too small."""
    assert (await alice.order(**fields))["code"] == code


async def test_a_client_order_id_is_unique_among_pending_orders_only(autojump_clock, alice, simulator):
    """A pending order's id is refused; that of a filled one is taken again, and fills again."""
    resting = {"orderType": "limit", "price": "50000", "clientOid": "once"}
    assert (await alice.order(**resting))["code"] == "00000"
    assert (await alice.order(**resting))["code"] == "40786"
    await alice.call("POST", "mix/order/cancel-order", {**PRODUCT, "symbol": SWAP, "clientOid": "once"})
    for _ in range(2):
        assert (await alice.order(clientOid="once"))["code"] == "00000"
    assert kinds(simulator).count(Executed) == 2


@pytest.mark.parametrize(
    ("closing", "closes_long"), [("position", "buy"), ("direction", "sell")], ids=["position", "direction"]
)
async def test_hedge_mode_by_trade_side(autojump_clock, nursery, network, venue_clock, closing, closes_long):
    """Open and close name the position by the side that the venue is set to; rows echo it."""
    config = SimulatorConfig(bitget_closing=closing)
    serve = partial(serve_simulator, config, network=network, clock=venue_clock, rng=random.Random(7))
    hedger = BitgetTrader(await nursery.start(serve), network, venue_clock, "hedger", mode="long_short")
    assert (await hedger.order())["code"] == "40774"
    assert (await hedger.order(tradeSide="open"))["code"] == "00000"
    made = await hedger.order(tradeSide="close", side=closes_long, size="0.004")
    assert made["code"] == "00000"
    (position,) = (await hedger.call("GET", "mix/position/all-position", PRODUCT))["data"]
    assert (position["holdSide"], position["total"], position["posMode"]) == ("long", "0.006", "hedge_mode")
    named = {**PRODUCT, "symbol": SWAP, "orderId": made["data"]["orderId"]}
    row = (await hedger.call("GET", DETAIL, named))["data"]
    assert (row["posSide"], row["tradeSide"], row["side"]) == ("long", "close", closes_long)


async def test_one_way_mode_ignores_the_trade_side(autojump_clock, alice):
    """A flip through zero is one order there."""
    await alice.order(tradeSide="open")
    await alice.order(side="sell", size="0.03")
    (position,) = (await alice.call("GET", "mix/position/all-position", PRODUCT))["data"]
    assert (position["holdSide"], position["total"], position["posMode"]) == ("short", "0.02", "one_way_mode")


async def test_modify_takes_back_and_places_anew(autojump_clock, alice, simulator):
    """An untouched limit order is cancelled and another one made, whose id only a query tells."""
    await alice.order(orderType="limit", price="50000", clientOid="old")
    change = {**PRODUCT, "symbol": SWAP, "clientOid": "old", "newSize": "0.02", "newPrice": "51000"}
    path = "mix/order/modify-order"
    assert (await alice.call("POST", path, change))["code"] == "22003"
    del change["newPrice"]
    assert (await alice.call("POST", path, change | {"newClientOid": "new"}))["code"] == "40019"
    answer = await alice.call("POST", path, change | {"newClientOid": "new", "newPrice": "51000"})
    assert answer["data"] == {"clientOid": "new", "orderId": None}
    (row,) = (await alice.call("GET", PENDING, PRODUCT))["data"]["entrustedList"]
    assert (row["clientOid"], row["size"], row["price"]) == ("new", "0.02", "51000")
    assert kinds(simulator) == [Placed, Canceled, Placed]


async def test_a_touched_order_cannot_be_modified(autojump_clock, alice, simulator):
    """Nor one that is gone; and a cancel of what has ended says that there is nothing to cancel."""
    await alice.order(orderType="limit", price="50000", clientOid="old")
    apply(simulator.bitget, SetPrice(symbol=SWAP, price=Decimal(50000), depth=Decimal("0.004")))
    change = {"newSize": "0.02", "newPrice": "51000", "newClientOid": "new"}
    named = {**PRODUCT, "symbol": SWAP, "clientOid": "old"}
    assert (await alice.call("POST", "mix/order/modify-order", named | change))["code"] == "40768"
    cancel = "mix/order/cancel-order"
    assert (await alice.call("POST", cancel, named))["code"] == "00000"
    assert (await alice.call("POST", cancel, named))["code"] == "22001"
    assert (await alice.call("POST", cancel, named | {"clientOid": "never"}))["code"] == "40768"


async def test_listings_are_paged_newest_first(autojump_clock, alice):
    """Below the last one's id, by time, by symbol; an empty page is null."""
    placed = []
    for _ in range(3):
        placed.append((await alice.order())["data"]["orderId"])
        await trio.sleep(1)
    history = "mix/order/orders-history"
    page = (await alice.call("GET", history, PRODUCT | {"limit": "2"}))["data"]
    assert [row["orderId"] for row in page["entrustedList"]] == placed[:0:-1]
    assert page["endId"] == placed[1]
    page = (await alice.call("GET", history, PRODUCT | {"idLessThan": page["endId"]}))["data"]
    assert [row["orderId"] for row in page["entrustedList"]] == placed[:1]
    since = str(alice.clock.now() // 10**6 - 1500)
    page = (await alice.call("GET", history, PRODUCT | {"startTime": since}))["data"]
    assert [row["orderId"] for row in page["entrustedList"]] == placed[2:]
    page = (await alice.call("GET", history, PRODUCT | {"symbol": "ETHUSDT"}))["data"]
    assert page == {"entrustedList": None, "endId": None}


async def test_an_accepted_order_may_be_hidden_for_a_while(autojump_clock, alice, simulator):
    """Then it is "not found" in every question, and later it is there."""
    apply(simulator.bitget, Arm(fault=Fault(kind="hide_order", delay=5 * S)))
    await alice.order(clientOid="shy")
    named = {**PRODUCT, "symbol": SWAP, "clientOid": "shy"}
    assert (await alice.call("GET", DETAIL, named))["code"] == "40109"
    assert (await alice.call("GET", "mix/order/fills", PRODUCT))["data"]["fillList"] is None
    await trio.sleep(5)
    assert (await alice.call("GET", DETAIL, named))["data"]["state"] == "filled"


@pytest.mark.parametrize(
    ("kind", "effect"),
    [("lose_reply", True), ("error_with_effect", True), ("error_without_effect", False)],
)
async def test_a_reply_may_be_lost_with_and_without_effect(autojump_clock, alice, simulator, kind, effect):
    """What the caller sees does not tell whether the order is there."""
    apply(simulator.bitget, Arm(fault=Fault(kind=kind)))
    target = "/api/v2/mix/order/place-order"
    order = {"marginMode": "crossed", "marginCoin": "USDT", "side": "buy", "orderType": "market"}
    body = json.dumps({**PRODUCT, **order, "symbol": SWAP, "size": "0.01"})
    answer = await alice.raw("POST", target, body.encode(), alice.signed("POST", target, body))
    assert (answer and answer[0]) == (None if kind == "lose_reply" else 502)
    assert kinds(simulator) == ([Placed, Executed] if effect else [])


async def test_an_account_is_limited_by_the_second(autojump_clock, alice, open_bitget):
    """The eleventh order of a second is refused with 429; not another account's, nor one a second later."""
    codes = [(await alice.order())["code"] for _ in range(11)]
    assert codes == ["00000"] * 10 + ["429"]
    assert (await open_bitget("bob").order())["code"] == "00000"
    await trio.sleep(1)
    assert (await alice.order())["code"] == "00000"


async def test_settings_and_account(autojump_clock, alice):
    """Leverage, margin mode, position mode, balance, permissions and time."""
    swap = {**PRODUCT, "symbol": SWAP, "marginCoin": "USDT"}
    answer = await alice.call("POST", "mix/account/set-leverage", swap | {"leverage": "20"})
    assert answer["data"]["crossMarginLeverage"] == "20"
    answer = await alice.call("POST", "mix/account/set-leverage", swap | {"leverage": "500"})
    assert answer["code"] == "40017"
    await alice.order(orderType="limit", price="50000")
    mode = PRODUCT | {"posMode": "hedge_mode"}
    assert (await alice.call("POST", "mix/account/set-position-mode", mode))["code"] == "40920"
    (row,) = (await alice.call("GET", "mix/account/accounts", PRODUCT))["data"]
    assert (row["accountEquity"], row["locked"], row["marginCoin"]) == ("1000000", "25", "USDT")
    info = (await alice.call("GET", "spot/account/info"))["data"]
    assert "coow" in info["authorities"]
    status, body = await alice.raw("GET", "/api/v2/public/time")
    assert (status, json.loads(body)["data"]) == (200, {"serverTime": str(alice.clock.now() // 10**6)})
    assert (await alice.call("GET", "mix/nonsense"))["code"] == "40404"


async def test_a_reset_forgets_conditional_orders_too(autojump_clock, alice, open_bitget, simulator):
    """An account that is opened anew has none of its predecessor's."""
    plan = {
        **PRODUCT,
        "symbol": SWAP,
        "marginCoin": "USDT",
        "planType": "loss_plan",
        "triggerPrice": "50000",
        "triggerType": "fill_price",
        "holdSide": "buy",
        "size": "0.01",
        "clientOid": "stop",
    }
    asked = {**PRODUCT, "planType": "profit_loss"}
    path = "mix/order/place-tpsl-order"
    assert [(await alice.call("POST", path, plan))["code"] for _ in range(2)] == ["00000", "40786"]
    (row,) = (await alice.call("GET", "mix/order/orders-plan-pending", asked))["data"]["entrustedList"]
    assert (row["clientOid"], row["planStatus"], row["side"]) == ("stop", "live", "sell")
    simulator.bitget.reset()
    again = open_bitget()
    listed = (await again.call("GET", "mix/order/orders-plan-pending", asked))["data"]
    assert listed["entrustedList"] is None


async def test_contracts_list_the_four_coins(autojump_clock, alice):
    """Of the product asked for; the tick is priceEndStep in the last of pricePlace decimals."""
    _, body = await alice.raw("GET", "/api/v2/mix/market/contracts?productType=usdt-futures")
    rows = json.loads(body)["data"]
    assert [row["symbol"] for row in rows] == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "DOGEUSDT"]
    ticks = [Decimal(row["priceEndStep"]).scaleb(-int(row["pricePlace"])) for row in rows]
    assert ticks == [Decimal("0.1"), Decimal("0.01"), Decimal("0.005"), Decimal("0.00001")]
    _, body = await alice.raw("GET", "/api/v2/mix/market/contracts?productType=COIN-FUTURES")
    assert json.loads(body)["data"] == []
