"""The simulator against BingX clients that are not ours: unmodified ccxt (asyncio) and ccxt.pro."""

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

CLIENT = Path(__file__).with_name("ccxt_bingx_client.py")


@pytest.fixture
async def simulator(nursery):
    rng = random.Random(7)
    serve = partial(serve_simulator, SimulatorConfig(), network=SystemNetwork(), clock=SystemClock(), rng=rng)
    running = await nursery.start(serve)
    account = OpenAccount(
        name="alice",
        credentials=Credentials("alice", "alice-secret", ""),
        balances={"USDT": Decimal(100_000)},
    )
    apply(running.bingx, account)
    return running


async def client(simulator, what):
    """What the client process saw."""
    ports = simulator.addresses.rest_port, simulator.addresses.socket_port
    command = [sys.executable, str(CLIENT), *map(str, ports), what]
    with trio.fail_after(120):
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


async def test_an_unmodified_ccxt_client_trades(simulator):
    """Markets, orders, replacements, cancellations, history, positions, balance, trades and errors."""
    seen = await client(simulator, "rest")
    swaps = ["BTC/USDT:USDT", "DOGE/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"]
    assert seen["markets"] == sorted(["BTC/USDT", "ETH/USDT", *swaps])
    assert seen["minimum"] == 0.0001
    assert seen["market"] == "closed"
    assert [amount for amount, _ in seen["open"]] == [0.001, 0.003]
    assert seen["open"][1] == [0.003, "limit1"]
    assert seen["amended"] == [0.004, 50500, "open", True]
    assert seen["canceled"] == ["canceled", "canceled"]
    assert seen["closed"] == [[True, 0.002]]
    assert seen["position"] == ["long", 0.002, 60000, 20]
    assert seen["usdt"] == pytest.approx(100_000 - 120 * 0.0005)
    assert seen["trades"] == [[True, 60000, pytest.approx(0.06)]]
    assert seen["errors"] == ["OrderNotFound", "OrderNotFound", "InsufficientFunds", "DuplicateOrderId"]
    assert (seen["mode"], seen["flat"]) == (True, [])


async def test_an_unmodified_ccxt_pro_client_watches_orders(simulator):
    """watch_orders sees an order arrive, one cancelled, one filled in parts, and one after a heartbeat."""
    apply(simulator.bingx, SetPrice(symbol="BTC-USDT", price=Decimal(60000), depth=Decimal("0.001")))
    seen = await client(simulator, "watch")
    assert seen == {
        "same": True,
        "client_order_id": "watched",
        "filled": 0.003,
        "average": pytest.approx((60000 + 2 * 60000.1) / 3),
        "statuses": ["open", "canceled"],
    }


async def test_an_unmodified_ccxt_client_trades_spot(simulator):
    """An order placed, found and cancelled; another watched until it is filled; its trade and its coin."""
    assert await client(simulator, "spot") == {
        "found": [True, "open", "spot1", 0.002],
        "open": [True],
        "canceled": "canceled",
        "closed": [[True, "canceled"]],
        "watched": [True, 0.001, 60000],
        "trades": [[0.001, "BTC"]],
        "btc": pytest.approx(0.001 * 0.9995),
    }
