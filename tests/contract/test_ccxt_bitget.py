"""The simulator against Bitget clients that are not ours: unmodified ccxt (asyncio) and ccxt.pro."""

import json
import random
import sys
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
import trio

from services.simulator.accounts import Credentials
from services.simulator.actions import OpenAccount, SetPrice, apply
from services.simulator.simulator import SimulatorConfig, serve_simulator
from spider_common.clock import SystemClock
from spider_common.network import SystemNetwork

pytestmark = pytest.mark.processes

CLIENT = Path(__file__).with_name("ccxt_bitget_client.py")


@pytest.fixture
async def simulator(nursery):
    rng = random.Random(7)
    serve = partial(serve_simulator, SimulatorConfig(), network=SystemNetwork(), clock=SystemClock(), rng=rng)
    running = await nursery.start(serve)
    account = OpenAccount(
        name="alice",
        credentials=Credentials("alice", "alice-secret", "alice-pass"),
        balances={"USDT": Decimal(100_000)},
    )
    apply(running.bitget, account)
    return running


async def client(simulator, what):
    """What the client process saw."""
    ports = simulator.addresses.rest_port, simulator.addresses.socket_port
    command = [sys.executable, str(CLIENT), *map(str, ports), what]
    with trio.fail_after(60):
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


async def test_an_unmodified_ccxt_client_trades(simulator):
    """Markets, orders, amendments, cancellations, history, positions, balance, trades, errors, hedge mode."""
    seen = await client(simulator, "rest")
    swaps = ["BTC/USDT:USDT", "DOGE/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"]
    assert seen["markets"] == sorted([*swaps, "BTC/USDT", "ETH/USDT"])
    assert seen["steps"] == [0.0001, 0.1, 1]
    assert seen["market"] == "closed"
    assert seen["open"] == [0.01, 0.03]
    assert seen["amended"] == [0.04, 50500, "open", "limit2"]
    assert seen["canceled"] is True
    assert seen["closed"] == [[True, 0.02]]
    assert seen["position"] == ["long", 0.02, 60000, 20]
    assert seen["usdt"] == pytest.approx(100_000 - 1200 * 0.0005)
    assert seen["trades"] == [[True, 0.02, 60000, "taker", pytest.approx(0.6)]]
    assert seen["conditional"] == [[True, 55000], [True, 61500]]
    assert seen["errors"] == ["OrderNotFound", "OrderNotFound", "InsufficientFunds", "InvalidOrder"]
    assert seen["hedged"] == [["long", 0.01]]


async def test_an_unmodified_ccxt_pro_client_watches_orders(simulator):
    """watch_orders sees an order arrive, one cancelled, and one filled in parts."""
    apply(simulator.bitget, SetPrice(symbol="BTCUSDT", price=Decimal(60000), depth=Decimal("0.01")))
    seen = await client(simulator, "watch")
    assert seen == {
        "same": True,
        "client_order_id": "watched",
        "remaining": 0,  # its "filled" is the last fill's size: ccxt reads the wrong field there
        "average": pytest.approx((60000 + 2 * 60000.1) / 3),
        "statuses": ["open", "canceled"],
    }


async def test_an_unmodified_ccxt_client_trades_spot(simulator):
    """Pairs, a market buy by its cost, an order placed, found and cancelled, history and trades."""
    seen = await client(simulator, "spot")
    assert seen == {
        "steps": [0.000001, 0.01],
        "found": [True, "open", 0.03, 50000],
        "open": [[True, 50000]],
        "canceled": [True],
        "closed": [[True, 0.02, 60000]],
        "trades": [[True, 0.02, 60000, "BTC"]],
        "conditional": [[True, 55000]],
        "left": [],
        "btc": pytest.approx(0.02 - 0.02 * 0.0005 - 0.01),
        "swaps": [],
        "error": "InsufficientFunds",
    }


async def test_an_unmodified_ccxt_pro_client_watches_spot_orders(simulator):
    """watch_orders sees a spot order arrive and be cancelled."""
    seen = await client(simulator, "watch_spot")
    assert seen == {"same": True, "amount": 0.03, "statuses": ["open", "canceled"]}
