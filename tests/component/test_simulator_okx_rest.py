"""The simulator's OKX REST dialect, over in-memory streams."""

import json

import h11
import pytest
import trio

from services.simulator.faults import Fault
from services.simulator.ledger import Executed, Placed
from tests.component.okx_trader import SWAP, exchange

NS = 10**9


async def test_a_signed_call_is_answered(autojump_clock, alice):
    """The right headers prove the account."""
    answer = await alice.call("GET", "account/balance")
    assert answer["code"] == "0"
    assert answer["data"][0]["totalEq"] == "1000000"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"OK-ACCESS-KEY": ""}, "50103"),
        ({"OK-ACCESS-PASSPHRASE": ""}, "50104"),
        ({"OK-ACCESS-PASSPHRASE": "wrong"}, "50105"),
        ({"OK-ACCESS-SIGN": ""}, "50106"),
        ({"OK-ACCESS-TIMESTAMP": ""}, "50107"),
        ({"OK-ACCESS-KEY": "nobody"}, "50111"),
        ({"OK-ACCESS-TIMESTAMP": "yesterday"}, "50112"),
        ({"OK-ACCESS-TIMESTAMP": "2023-11-14T22:13:20.000"}, "50112"),
        ({"OK-ACCESS-TIMESTAMP": "2023-11-14T22:12:49.000Z"}, "50102"),
        ({"OK-ACCESS-SIGN": "bm8="}, "50113"),
        ({"OK-ACCESS-SIGN": "\u00e9"}, "50113"),
    ],
)
async def test_each_flaw_of_a_signature_has_its_code(autojump_clock, alice, change, code):
    """A missing or wrong header is refused with OKX's code and HTTP 401."""
    target = "/api/v5/account/balance"
    headers = {k: v.encode("latin-1") for k, v in (alice.signed("GET", target) | change).items()}
    status, body = await alice.raw("GET", target, headers=headers)
    assert (status, json.loads(body)["code"]) == (401, code)


async def test_the_signature_covers_query_and_body(autojump_clock, alice):
    """A changed query or body is refused."""
    signed = alice.signed("GET", "/api/v5/account/positions?instType=SWAP")
    _, body = await alice.raw("GET", "/api/v5/account/positions?instType=SPOT", headers=signed)
    assert json.loads(body)["code"] == "50113"
    signed = alice.signed("POST", "/api/v5/trade/order", '{"sz":"1"}')
    _, body = await alice.raw("POST", "/api/v5/trade/order", b'{"sz":"2"}', signed)
    assert json.loads(body)["code"] == "50113"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"instId": "NOPE"}, "51001"),
        ({"sz": "0.001"}, "51020"),
        ({"sz": "0.015"}, "51121"),
        ({"sz": "1000001"}, "51105"),
        ({"sz": "much"}, "51000"),
        ({"sz": "NaN"}, "51000"),
        ({"sz": 0.015}, "51121"),
        ({"side": "up"}, "51000"),
        ({"ordType": "limit"}, "51000"),
        ({"posSide": "long"}, "51000"),
        ({"clOrdId": "with-hyphen"}, "51000"),
        ({"clOrdId": "a" * 33}, "51000"),
        ({"sz": "900000"}, "51008"),
        ({"side": "sell", "reduceOnly": True}, "51169"),
    ],
)
async def test_each_flaw_of_an_order_has_its_code(autojump_clock, alice, fields, code):
    """A refused order answers code 1 with its own sCode and leaves nothing pending."""
    row = await alice.order(**fields)
    assert (row["sCode"], row["ordId"]) == (code, "")
    assert (await alice.call("GET", "trade/orders-pending"))["data"] == []


async def test_an_order_is_found_by_either_id_until_it_is_not_there(autojump_clock, alice):
    """Query by ordId or clOrdId; 51603 for what is not there, 51003 without an id."""
    row = await alice.order(clOrdId="abc", ordType="limit", px="59000")
    for ids in ({"ordId": row["ordId"]}, {"clOrdId": "abc"}):
        (found,) = (await alice.call("GET", "trade/order", {"instId": SWAP} | ids))["data"]
        assert (found["state"], found["sz"], found["px"]) == ("live", "1", "59000")
    missing = await alice.call("GET", "trade/order", {"instId": SWAP, "clOrdId": "zzz"})
    assert (missing["code"], missing["data"]) == ("51603", [])
    assert (await alice.call("GET", "trade/order", {"instId": SWAP}))["code"] == "51003"


async def test_a_used_client_order_id_fills_again(autojump_clock, alice):
    """Unique among pending orders only: 51016 while it waits, a second fill once it is done."""
    waiting = {"clOrdId": "abc", "ordType": "limit", "px": "50000"}
    await alice.order(**waiting)
    assert (await alice.order(**waiting))["sCode"] == "51016"
    await alice.call("POST", "trade/cancel-order", {"instId": SWAP, "clOrdId": "abc"})
    for _ in range(2):
        assert (await alice.order(clOrdId="abc"))["sCode"] == "0"
    (position,) = (await alice.call("GET", "account/positions"))["data"]
    assert position["pos"] == "2"


async def test_cancel_and_amend_say_when_an_order_is_gone(autojump_clock, alice):
    """51400 for a cancel and 51503 for an amendment of a finished order."""
    row = await alice.order(ordType="limit", px="59000")
    ids = {"instId": SWAP, "ordId": row["ordId"]}
    amended = await alice.call("POST", "trade/amend-order", ids | {"newSz": "2", "reqId": "r"})
    assert amended["data"][0]["sCode"] == "0"
    assert (await alice.call("POST", "trade/amend-order", ids))["data"][0]["sCode"] == "51500"
    assert (await alice.call("POST", "trade/cancel-order", ids))["code"] == "0"
    gone = await alice.call("POST", "trade/cancel-order", ids)
    assert (gone["code"], gone["data"][0]["sCode"]) == ("1", "51400")
    late = await alice.call("POST", "trade/amend-order", ids | {"newPx": "1"})
    assert late["data"][0]["sCode"] == "51503"


async def test_a_batch_answers_for_each_order(autojump_clock, alice):
    """Code 2 when some failed; more than 20 are refused as a whole."""
    good = {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1", "clOrdId": "a"}
    answer = await alice.call("POST", "trade/batch-orders", [good, good | {"sz": "0.001", "clOrdId": "b"}])
    assert answer["code"] == "2"
    assert [(row["clOrdId"], row["sCode"]) for row in answer["data"]] == [("a", "0"), ("b", "51020")]
    assert (await alice.call("POST", "trade/batch-orders", [good] * 21))["code"] == "51111"


async def test_history_forgets_cancelled_unfilled_orders_after_two_hours(autojump_clock, alice):
    """Filled orders stay in history; cancelled ones without a fill leave it after 2 h."""
    await alice.order(clOrdId="done")
    await alice.order(clOrdId="gone", ordType="limit", px="59000")
    await alice.call("POST", "trade/cancel-order", {"instId": SWAP, "clOrdId": "gone"})

    async def history():
        rows = (await alice.call("GET", "trade/orders-history", {"instType": "SWAP"}))["data"]
        return [row["clOrdId"] for row in rows]

    assert await history() == ["gone", "done"]
    await trio.sleep(2 * 3600)
    assert await history() == ["done"]
    missing = await alice.call("GET", "trade/order", {"instId": SWAP, "clOrdId": "gone"})
    assert missing["code"] == "51603"


async def test_fills_and_history_are_paged(autojump_clock, alice):
    """`limit` and `after` walk back through what happened, newest first."""
    for _ in range(5):
        await alice.order()
    first = (await alice.call("GET", "trade/fills", {"limit": "2"}))["data"]
    second = (await alice.call("GET", "trade/fills", {"limit": "9", "after": first[-1]["billId"]}))["data"]
    trades = [int(row["tradeId"]) for row in first + second]
    assert trades == sorted(trades, reverse=True)
    assert len(trades) == 5


async def test_position_mode_and_leverage(autojump_clock, alice):
    """Long/short mode asks for posSide; it cannot change under a position; leverage has a ceiling."""
    set_mode = ("POST", "account/set-position-mode")
    assert (await alice.call(*set_mode, {"posMode": "long_short_mode"}))["code"] == "0"
    assert (await alice.call("GET", "account/config"))["data"][0]["posMode"] == "long_short_mode"
    assert (await alice.order())["sCode"] == "51000"
    assert (await alice.order(posSide="short", side="sell"))["sCode"] == "0"
    assert (await alice.call(*set_mode, {"posMode": "net_mode"}))["code"] == "59000"
    (position,) = (await alice.call("GET", "account/positions"))["data"]
    assert (position["posSide"], position["pos"]) == ("short", "1")
    leverage = {"instId": SWAP, "mgnMode": "cross"}
    assert (await alice.call("POST", "account/set-leverage", leverage | {"lever": "101"}))["code"] == "59102"
    assert (await alice.call("POST", "account/set-leverage", leverage | {"lever": "50"}))["code"] == "0"


async def test_exp_time_drops_what_comes_late(autojump_clock, alice, venue_clock):
    """A request after its expTime has no effect: 50036 on arrival, 50037 when it waited inside the venue."""
    now = venue_clock.now() // 10**6
    assert (await alice.order({"expTime": str(now + 1000)}))["sCode"] == "0"
    assert (await alice.order({"expTime": str(now - 1)}))["code"] == "50036"
    assert (await alice.order({"expTime": "soon"}))["code"] == "51000"
    alice.simulator.okx.faults.arm(Fault(kind="hold_request", delay=5 * NS))
    assert (await alice.order({"expTime": str(now + 2000)}))["code"] == "50037"
    placed = [e for e in alice.simulator.okx.exchange.ledger.entries if isinstance(e, Placed)]
    assert len(placed) == 1


async def test_rate_limits_recover(autojump_clock, alice):
    """60 orders an instrument in 2 s, then 50011 (HTTP 429) until the window has moved on."""
    for _ in range(60):
        assert (await alice.order(sz="0.01"))["sCode"] == "0"
    assert (await alice.order(sz="0.01"))["code"] == "50011"
    assert (await alice.order(sz="0.01", instId="ETH-USDT-SWAP"))["sCode"] == "0"
    await trio.sleep(2)
    assert (await alice.order(sz="0.01"))["sCode"] == "0"


async def test_all_orders_of_an_account_have_a_limit(autojump_clock, alice):
    """1000 new and amended orders in 2 s over all instruments, then 50061."""
    order = {"tdMode": "cross", "side": "buy", "ordType": "market", "sz": "0.01"}
    codes = []
    for symbol in ("BTC", "ETH", "SOL", "DOGE"):
        for _ in range(15):
            batch = [order | {"instId": f"{symbol}-USDT-SWAP"}] * 20
            answer = await alice.call("POST", "trade/batch-orders", batch)
            codes += [row["sCode"] for row in answer["data"]]
    assert codes == ["0"] * 1000 + ["50061"] * 200


@pytest.mark.parametrize(
    ("kind", "effect", "answered"),
    [
        ("lose_reply", 1, False),
        ("error_with_effect", 1, True),
        ("error_without_effect", 0, True),
    ],
)
async def test_lost_and_broken_answers(autojump_clock, alice, kind, effect, answered):
    """The n-th order's answer is lost or is a 502, with or without effect; the next is as ever."""
    alice.simulator.okx.faults.arm(Fault(kind=kind, account="alice", nth=2))
    assert (await alice.order(clOrdId="one"))["sCode"] == "0"
    target, body = (
        "/api/v5/trade/order",
        json.dumps(
            {
                "instId": SWAP,
                "tdMode": "cross",
                "side": "buy",
                "ordType": "market",
                "sz": "1",
                "clOrdId": "two",
            }
        ),
    )
    answer = await alice.raw("POST", target, body.encode(), alice.signed("POST", target, body))
    assert (answer is not None) is answered
    assert answer is None or answer[0] == 502
    assert (await alice.order(clOrdId="three"))["sCode"] == "0"
    entries = alice.simulator.okx.exchange.ledger.entries
    assert [e.order.client_order_id for e in entries if isinstance(e, Executed)].count("two") == effect


async def test_a_late_answer_comes_after_the_effect(autojump_clock, alice, venue_clock):
    """The order fills at once, its answer waits."""
    alice.simulator.okx.faults.arm(Fault(kind="late_reply", delay=7 * NS))
    start = venue_clock.now()
    assert (await alice.order())["sCode"] == "0"
    assert venue_clock.now() - start == 7 * NS
    assert alice.simulator.okx.exchange.ledger.entries[-1].ts == start


async def test_an_accepted_order_may_stay_unseen_for_a_while(autojump_clock, alice):
    """Every query says "not found" until the delay has passed."""
    alice.simulator.okx.faults.arm(Fault(kind="hide_order", delay=10 * NS))
    await alice.order(clOrdId="abc")

    async def seen():
        found = await alice.call("GET", "trade/order", {"instId": SWAP, "clOrdId": "abc"})
        fills = await alice.call("GET", "trade/fills")
        history = await alice.call("GET", "trade/orders-history", {"instType": "SWAP"})
        return found["code"], len(fills["data"]), len(history["data"])

    assert await seen() == ("51603", 0, 0)
    await trio.sleep(10)
    assert await seen() == ("0", 1, 1)


async def test_what_is_not_json_or_not_there_is_said(autojump_clock, alice):
    """50002 for a broken body, 50000 for an empty one, 50115 for a wrong method, 404 for a wrong path."""

    async def code(method, path, body=""):
        target = f"/api/v5/{path}"
        _, answer = await alice.raw(method, target, body.encode(), alice.signed(method, target, body))
        return json.loads(answer)["code"]

    assert await code("POST", "trade/order", "{") == "50002"
    assert await code("POST", "trade/order") == "50000"
    assert await code("POST", "trade/order", "[]") == "50000"
    assert await code("GET", "trade/cancel-order") == "50115"
    assert await code("GET", "nothing") == "404"


async def test_one_connection_carries_many_requests_and_bad_ones_end_it(autojump_clock, alice):
    """Keep-alive; a body over 1 MiB is refused with 413, a malformed head with 400."""
    addresses = alice.simulator.addresses
    stream = await alice.network.connect(addresses.host, addresses.rest_port)
    connection = h11.Connection(h11.CLIENT)
    for _ in range(3):
        status, _ = await exchange(stream, connection, "GET", "/api/v5/public/time")
        assert status == 200
        connection.start_next_cycle()
    status, _ = await exchange(stream, connection, "POST", "/api/v5/trade/order", b"x" * (1024 * 1024 + 1))
    assert status == 413
    stream = await alice.network.connect(addresses.host, addresses.rest_port)
    await stream.send_all(b"nonsense\r\n\r\n")
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 400")


async def test_public_data_needs_no_signature(autojump_clock, alice):
    """Instruments, time and tickers for anyone."""
    for path in ("public/time", "public/instruments?instType=SWAP", "market/tickers?instType=SWAP"):
        status, body = await alice.raw("GET", f"/api/v5/{path}")
        assert status == 200
        assert json.loads(body)["data"]
    _, body = await alice.raw("GET", "/api/v5/public/instruments?instType=SWAP&instId=ETH-USDT-SWAP")
    (item,) = json.loads(body)["data"]
    assert (item["ctVal"], item["ctMult"], item["lotSz"]) == ("0.1", "1", "0.01")
