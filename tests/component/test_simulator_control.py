"""The simulator's control surface, its determinism, and a whole session judged from its ledger."""

import json
import random
from decimal import Decimal
from functools import partial

import msgspec
import pytest
import trio
import trio.testing
import trio_websocket

from services.simulator.accounts import Credentials, net_size
from services.simulator.actions import OpenAccount, apply
from services.simulator.checker import CopyRule, judge, totals
from services.simulator.faults import Fault
from services.simulator.instruments import OKX_INSTRUMENTS
from services.simulator.ledger import Executed, Placed, from_json, to_json
from services.simulator.rules import NewOrder
from services.simulator.scenario import leader_session, play
from services.simulator.simulator import SimulatorConfig, serve_simulator
from services.simulator.venue import Venue
from spider_common.clock import TrioClock
from spider_common.memory_network import MemoryNetwork
from tests.component.okx_trader import SWAP, Trader

SWAPS = tuple(item for item in OKX_INSTRUMENTS if item.kind == "swap")


async def control(trader, method, path, body=None):
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    status, answer = await trader.raw(method, path, raw, port=trader.simulator.addresses.control_port)
    return status, json.loads(answer)


async def test_a_venue_is_driven_by_actions_over_http(autojump_clock, alice):
    """Open an account, move a price, place, amend and cancel: each answers with its order id."""
    order = {
        "symbol": SWAP,
        "side": "buy",
        "kind": "limit",
        "size": "2",
        "price": "59000",
        "client_order_id": "a",
    }
    named = {"account": "bob", "symbol": SWAP, "client_order_id": "a"}
    status, done = await control(
        alice,
        "POST",
        "/okx/actions",
        [
            {
                "do": "open_account",
                "name": "bob",
                "credentials": {"key": "k", "secret": "s", "passphrase": "p"},
                "balances": {"USDT": "1000"},
            },
            {"do": "place", "account": "bob", "order": order},
            {"do": "amend", **named, "size": "3"},
            {"do": "set_price", "symbol": SWAP, "price": "58990", "depth": "1"},
            {"do": "cancel", **named},
            {"do": "arm", "fault": {"kind": "lose_reply", "account": "bob"}},
        ],
    )
    assert status == 200
    ids = [row["order_id"] for row in done]
    assert ids[0] == ids[3] == ids[5] == ""
    assert ids[1] == ids[2] == ids[4] != ""
    _, accounts = await control(alice, "GET", "/okx/accounts")
    bob = next(account for account in accounts if account["name"] == "bob")
    assert bob["positions"][0]["size"] == "1"
    assert "secret" not in json.dumps(accounts)
    _, entries = await control(alice, "GET", "/okx/ledger")
    assert from_json(json.dumps(entries).encode()) == alice.simulator.okx.exchange.ledger.entries
    _, listed = await control(alice, "GET", "/okx/instruments")
    assert [item["symbol"] for item in listed] == [item.symbol for item in OKX_INSTRUMENTS]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"{", 400, "truncated"),
        ({"do": "dance"}, 400, "dance"),
        ({"do": "set_price", "symbol": SWAP}, 400, "price"),
        ({"do": "set_price", "symbol": SWAP, "price": "1", "speed": 1}, 400, "speed"),
        ({"do": "set_price", "symbol": "NOPE", "price": "1"}, 409, "instrument"),
        ({"do": "cancel", "account": "nobody", "symbol": SWAP, "client_order_id": "a"}, 409, "nobody"),
        ({"do": "arm", "fault": {"kind": "lose_reply", "nth": 0}}, 409, "nth"),
    ],
)
async def test_a_bad_action_is_named(autojump_clock, alice, body, status, named):
    """The answer names the field or the name at fault."""
    answered, answer = await control(alice, "POST", "/okx/actions", body)
    assert answered == status
    assert named in answer["error"]


async def test_faults_are_counted_when_they_strike(autojump_clock, alice):
    """An armed fault counts by its kind once it has struck, and not before."""
    for kind in ("hide_order", "duplicate_push"):
        alice.simulator.okx.faults.arm(Fault(kind=kind))
    assert await control(alice, "GET", "/okx/faults") == (200, {})
    await alice.order()
    assert await control(alice, "GET", "/okx/faults") == (200, {"hide_order": 1, "duplicate_push": 1})


async def test_unknown_controls_are_named(autojump_clock, alice):
    """A venue or control that does not exist is a 404 that names it."""
    for method, path in (("GET", "/nyse/ledger"), ("GET", "/okx/nothing"), ("GET", "/")):
        status, answer = await control(alice, method, path)
        assert status == 404
        assert "error" in answer


async def test_reset_forgets_everything(autojump_clock, alice):
    """Accounts, orders and faults are gone, sockets break, and the ledger begins anew."""
    async with alice.socket() as socket:
        await alice.order()
        await control(alice, "POST", "/okx/reset")
        assert await socket.closed() == 1006
    assert (await alice.call("GET", "account/balance"))["code"] == "50111"
    assert (await control(alice, "GET", "/okx/ledger"))[1] == []
    again = Trader(alice.simulator, alice.network, alice.clock)
    assert (await again.order())["sCode"] == "0"


async def transcript(seed):
    """Every frame a leader's sockets hear in a session, with the ledger that it leaves."""
    network, clock = MemoryNetwork(), TrioClock(1_700_000_000_000_000_000)
    heard = []

    async def listen(leader, *, task_status):
        reported = False
        while True:
            async with leader.socket() as socket:
                if not reported:
                    task_status.started()
                    reported = True
                try:
                    while True:
                        heard.append(await socket.hear())
                except trio_websocket.ConnectionClosed as closed:
                    heard.append(closed.reason.code)

    async with trio.open_nursery() as nursery:
        rng = random.Random(seed)
        serve = partial(serve_simulator, SimulatorConfig(), network=network, clock=clock, rng=rng)
        simulator = await nursery.start(serve)
        leader = Trader(simulator, network, clock, "leader", cash="10000000")
        await nursery.start(listen, leader)

        async def act(action):
            apply(simulator.okx, action)

        await play(leader_session(rng, SWAPS, leader="leader"), act, speed=1.0)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    return heard, to_json(simulator.okx.exchange.ledger.entries)


def test_a_seed_decides_every_frame():
    """Two runs of one seed on a mock clock hear and leave the same bytes; the drop and the doubled push are
    among what is heard.
    """
    runs = [trio.run(transcript, 11, clock=trio.testing.MockClock(autojump_threshold=0)) for _ in range(2)]
    assert runs[0] == runs[1]
    heard, _ = runs[0]
    assert 1006 in heard
    frames = [msgspec.json.encode(frame) for frame in heard]
    assert len(frames) > len(set(frames))


class StillClock:
    def now(self):
        return 1


def copied(seed, ratio, *, lose=None, repeat=None):
    """A leader session with one follower that copies each execution at once, but for what is told."""
    venue = Venue("okx", OKX_INSTRUMENTS, StillClock())
    for name in ("leader", "follower"):
        cash = {"USDT": Decimal(100_000_000)}
        apply(venue, OpenAccount(name=name, credentials=Credentials(name, "s", "p"), balances=cash))
    exchange, sent, held = venue.exchange, 0, {}

    async def act(action):
        nonlocal sent
        before = exchange.ledger.next_seq
        apply(venue, action)
        symbols = dict.fromkeys(
            entry.order.symbol
            for entry in exchange.ledger.since(before)
            if isinstance(entry, Executed) and entry.order.account == "leader"
        )
        for symbol in symbols:
            lot = exchange.markets[symbol].instrument.lot
            target = net_size(exchange.accounts["leader"], symbol) * ratio // lot * lot
            delta = target - held.get(symbol, Decimal(0))
            held[symbol] = target
            if not delta:
                continue
            sent += 1
            for _ in range(0 if sent == lose else 2 if sent == repeat else 1):
                order = NewOrder(
                    symbol=symbol,
                    side="buy" if delta > 0 else "sell",
                    kind="market",
                    size=abs(delta),
                    client_order_id=f"c{sent}",
                )
                exchange.place(exchange.accounts["follower"], order, 1)

    async def main():
        rng = random.Random(seed)
        await play(leader_session(rng, SWAPS, leader="leader"), act, speed=1.0)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    findings = judge(
        exchange.ledger.entries,
        instruments=OKX_INSTRUMENTS,
        leader="leader",
        rules=[CopyRule.fixed("follower", ratio)],
    )
    placed = sum(isinstance(e, Placed) and e.order.account == "follower" for e in exchange.ledger.entries)
    assert totals(findings)["placed"] == placed
    return totals(findings)


@pytest.mark.parametrize("ratio", ["0.1", "1", "0.0371"])
def test_a_whole_session_is_judged_from_the_ledger(ratio):
    """A faithful follower is found faithful; one lost or one repeated order among all is found."""
    good = copied(5, Decimal(ratio))
    assert (good["lost"], good["duplicated"]) == (0, 0)
    assert good["placed"] >= 40
    assert copied(5, Decimal(ratio), lose=17)["lost"] >= 1
    assert copied(5, Decimal(ratio), repeat=23)["duplicated"] >= 1
