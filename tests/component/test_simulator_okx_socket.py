"""The simulator's OKX private socket, over in-memory streams."""

from contextlib import AsyncExitStack
from decimal import Decimal

import msgspec
import pytest
import trio

from services.simulator.actions import AnnounceClose, Arm, DropSockets, SetPrice, apply
from services.simulator.faults import Fault
from services.simulator.okx import recorded
from services.simulator.rules import NewOrder
from tests.component.okx_trader import SWAP

ORDERS = {"channel": "orders", "instType": "ANY"}

# every field of the documented sample (OKX documentation, "Order channel")
DOCUMENTED = msgspec.json.decode(recorded.read("spot_filled"))["data"][0]


async def heard(socket, count):
    """The order of each of the next pushes."""
    return [(await socket.hear())["data"][0] for _ in range(count)]


async def test_login_and_subscription_are_acknowledged(autojump_clock, alice):
    """The documented answers: code "0" and a connId; the ack echoes id and arg; then the connection count."""
    async with alice.socket(login=False) as socket:
        await socket.say(alice.login())
        login = await socket.hear()
        conn_id = login["connId"]
        assert login == {"event": "login", "code": "0", "msg": "", "connId": conn_id}
        await socket.say({"id": "1512", "op": "subscribe", "args": [ORDERS]})
        assert await socket.hear() == {"id": "1512", "event": "subscribe", "arg": ORDERS, "connId": conn_id}
        assert await socket.hear() == {
            "event": "channel-conn-count",
            "channel": "orders",
            "connCount": "1",
            "connId": conn_id,
        }
        await socket.say({"op": "unsubscribe", "args": [ORDERS]})
        assert (await socket.hear())["event"] == "unsubscribe"
        await alice.order()
        await socket.say("ping")
        assert await socket.hear() == "pong"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"timestamp": "soon"}, "60004"),
        ({"apiKey": "nobody"}, "60005"),
        ({"timestamp": "1699999900"}, "60006"),
        ({"sign": "bm8="}, "60007"),
        ({"passphrase": "wrong"}, "60024"),
        ({"sign": ""}, "60009"),
    ],
)
async def test_each_flaw_of_a_login_has_its_code(autojump_clock, alice, change, code):
    """A refused login is told why and the socket closes with 4001."""
    async with alice.socket(login=False) as socket:
        await socket.say(alice.login(**change))
        assert (await socket.hear())["code"] == code
        assert await socket.closed() == 4001


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "60012"),
        ('{"op":"dance","args":[]}', "60012"),
        ({"op": "subscribe", "args": [{"channel": "nothing"}]}, "60018"),
        ({"op": "subscribe", "args": [{"channel": "orders"}]}, "60018"),
        ({"op": "subscribe", "args": [{"channel": "fills"}]}, "60029"),
        ("login", "60031"),
    ],
)
async def test_each_flaw_of_a_request_has_its_code(autojump_clock, alice, message, code):
    """A bad frame is answered with its code; the session goes on."""
    async with alice.socket() as socket:
        await socket.say(alice.login() if message == "login" else message)
        answer = await socket.hear()
        assert (answer["event"], answer["code"]) == ("error", code)
        await alice.order()
        assert (await socket.hear())["data"][0]["state"] == "live"


async def test_channels_need_a_login(autojump_clock, alice):
    """Subscribing first is refused with 60011."""
    async with alice.socket(login=False) as socket:
        await socket.say({"id": "7", "op": "subscribe", "args": [ORDERS]})
        answer = await socket.hear()
        assert (answer["id"], answer["code"]) == ("7", "60011")


async def test_order_pushes_have_the_documented_shape(autojump_clock, alice):
    """Every field of OKX's sample is there; all are strings but the two lists and objects of algo orders."""
    async with alice.socket() as socket:
        await alice.order(clOrdId="abc", tag="t")
        await alice.order(instId="BTC-USDT", tdMode="cash", sz="0.1", tgtCcy="base_ccy")
        for push in await heard(socket, 4):
            assert set(push) == set(DOCUMENTED)
            for name, value in push.items():
                expected = {"attachAlgoOrds": [], "linkedAlgoOrd": {"algoId": ""}}.get(name)
                assert value == expected if expected is not None else isinstance(value, str), name


async def test_an_order_is_pushed_at_each_change(autojump_clock, alice):
    """live, amended, partially filled, filled: with the cumulative fill, and each fill's own numbers."""
    async with alice.socket() as socket:
        row = await alice.order(ordType="limit", px="59000", sz="2", clOrdId="abc")
        ids = {"instId": SWAP, "ordId": row["ordId"]}
        await alice.call("POST", "trade/amend-order", ids | {"newSz": "3", "reqId": "r1"})
        apply(alice.simulator.okx, SetPrice(symbol=SWAP, price=Decimal(59000), depth=Decimal(1)))
        apply(alice.simulator.okx, SetPrice(symbol=SWAP, price=Decimal(58999), depth=None))
        pushes = await heard(socket, 4)
        names = ("state", "sz", "accFillSz", "fillSz", "amendResult", "reqId")
        assert [tuple(push[name] for name in names) for push in pushes] == [
            ("live", "2", "0", "0", "", ""),
            ("live", "3", "0", "0", "0", "r1"),
            ("partially_filled", "3", "1", "1", "", ""),
            ("filled", "3", "3", "2", "", ""),
        ]
        assert [push["tradeId"] == "" for push in pushes] == [True, True, False, False]
        assert pushes[2]["tradeId"] != pushes[3]["tradeId"]
        assert pushes[-1]["avgPx"] == "59000"
        assert pushes[-1]["fillFee"] == "-0.236"
        assert {push["clOrdId"] for push in pushes} == {"abc"}


async def test_pushes_pass_a_subscriptions_filters_only(autojump_clock, alice):
    """instType and instId narrow a subscription; another account's orders never come."""
    bob = type(alice)(alice.simulator, alice.network, alice.clock, "bob")
    only = {"channel": "orders", "instType": "SWAP", "instId": "ETH-USDT-SWAP"}
    async with alice.socket(only) as socket:
        await alice.order()
        await bob.order(instId="ETH-USDT-SWAP")
        await alice.order(instId="ETH-USDT-SWAP", clOrdId="mine")
        push = await socket.hear()
        assert push["arg"] == only | {"uid": alice.account.uid}
        assert push["data"][0]["clOrdId"] == "mine"


async def test_account_channels_begin_with_a_snapshot_and_follow_fills(autojump_clock, alice):
    """positions, account and balance_and_position send what is, then what each fill moved."""
    await alice.order(sz="2")
    for channel, look, change in (
        ({"channel": "positions", "instType": "ANY"}, lambda row: row["pos"], 1),
        ({"channel": "account"}, lambda row: row["details"][0]["cashBal"], -0.3),
        ({"channel": "balance_and_position"}, lambda row: row["posData"][0]["pos"], 1),
    ):
        async with alice.socket(channel) as socket:
            snapshot = look((await socket.hear())["data"][0])
            await alice.order()
            update = look((await socket.hear())["data"][0])
            assert float(update) - float(snapshot) == pytest.approx(change)


async def test_a_silent_socket_is_closed_after_thirty_seconds(autojump_clock, alice):
    """Close code 4004 after 30 s without traffic; a ping every 25 s keeps the socket."""
    async with alice.socket() as socket:
        for _ in range(10):
            await trio.sleep(25)
            await socket.say("ping")
            assert await socket.hear() == "pong"
        start = trio.current_time()
        assert await socket.closed() == 4004
        assert trio.current_time() - start == pytest.approx(30)


async def test_a_channel_takes_thirty_connections_of_an_account(autojump_clock, alice):
    """The 31st is acknowledged, then told that its channel is dead: nothing is pushed to it."""
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(alice.socket()) for _ in range(30)]
        late = await stack.enter_async_context(alice.socket(login=False))
        await late.say(alice.login())
        await late.hear()
        await late.say({"op": "subscribe", "args": [ORDERS]})
        assert (await late.hear())["event"] == "subscribe"
        error = await late.hear()
        assert (error["event"], error["connCount"]) == ("channel-conn-count-error", "31")
        await alice.order()
        await late.say("ping")
        assert await late.hear() == "pong"
        assert (await sockets[-1].hear())["data"]


async def test_pushes_are_doubled_dropped_and_cut_off_on_demand(autojump_clock, alice):
    """One event is sent twice, one is swallowed, and then the socket breaks without a close frame."""
    venue = alice.simulator.okx
    async with alice.socket() as socket:
        apply(venue, Arm(fault=Fault(kind="duplicate_push", nth=2)))
        apply(venue, Arm(fault=Fault(kind="drop_push", nth=3)))
        apply(venue, Arm(fault=Fault(kind="drop_sockets", nth=6)))
        for name in ("one", "two", "three"):
            await alice.order(clOrdId=name)
        states = [(p["clOrdId"], p["state"]) for p in await heard(socket, 4)]
        assert states == [
            ("one", "live"),
            ("one", "filled"),
            ("one", "filled"),
            ("two", "filled"),
        ]
        assert await socket.closed() == 1006


async def test_sockets_of_one_account_are_dropped_now(autojump_clock, alice):
    """Only that account's sockets break; its next one works."""
    bob = type(alice)(alice.simulator, alice.network, alice.clock, "bob")
    async with alice.socket() as hers, bob.socket() as his:
        apply(alice.simulator.okx, DropSockets(account="alice"))
        assert await hers.closed() == 1006
        await bob.order()
        assert (await his.hear())["data"]
    async with alice.socket() as again:
        await alice.order()
        assert (await again.hear())["data"]


async def test_a_coming_close_is_announced(autojump_clock, alice):
    """Notice 64008 in the documented shape."""
    async with alice.socket() as socket:
        apply(alice.simulator.okx, AnnounceClose(account="alice"))
        notice = await socket.hear()
        assert (notice["event"], notice["code"]) == ("notice", "64008")


async def test_a_reader_that_falls_far_behind_is_cut_off(autojump_clock, alice):
    """More than the outbox holds closes the socket with 4005 instead of dropping pushes."""
    async with alice.socket() as socket:
        lot = NewOrder(symbol=SWAP, side="buy", kind="market", size=Decimal("0.01"))
        for _ in range(600):  # two pushes each
            alice.simulator.okx.exchange.place(alice.account, lot, 0)
        alice.simulator.okx.publish()
        assert await socket.closed() == 4005


async def test_only_known_paths_are_sockets(autojump_clock, alice):
    """An upgrade on another path is refused with 404."""
    headers = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "sec-websocket-version": "13",
    }
    port = alice.simulator.addresses.socket_port
    answer = await alice.raw("GET", "/nowhere", headers=headers, port=port)
    assert answer is not None
    assert answer[0] == 404


async def test_a_forced_order_says_so(autojump_clock, alice):
    """A liquidation is pushed with its category."""
    async with alice.socket() as socket:
        await alice.order()
        forced = NewOrder(
            symbol=SWAP, side="sell", kind="market", size=Decimal("0.01"), category="full_liquidation"
        )
        alice.simulator.okx.exchange.place(alice.account, forced, alice.clock.now())
        alice.simulator.okx.publish()
        pushes = await heard(socket, 4)
        assert [push["category"] for push in pushes] == ["normal"] * 2 + ["full_liquidation"] * 2
