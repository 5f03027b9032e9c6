"""The simulator against OKX clients that are not ours: unmodified ccxt (asyncio) and ccxt.pro."""

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

CLIENT = Path(__file__).with_name("ccxt_okx_client.py")


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
    apply(running.okx, account)
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
    """Markets, orders, amendments, cancellations, history, positions, balance, trades and errors."""
    seen = await client(simulator, "rest")
    assert seen["markets"] == sorted(
        ["BTC/USDT", "BTC/USDT:USDT", "DOGE/USDT:USDT", "ETH/USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"]
    )
    assert seen["contract_size"] == 0.01
    assert seen["market"] == "closed"
    assert seen["open"] == [1, 3]
    assert seen["amended"] == [4, 50500, "open", "limit1"]
    assert seen["canceled"] is True
    assert seen["closed"] == [[True, 2]]
    assert seen["position"] == ["long", 2, 60000, 20]
    assert seen["usdt"] == pytest.approx(100_000 - 1200 * 0.0005)
    assert seen["trades"] == [[True, 2, 60000, "taker", pytest.approx(0.6)]]
    assert seen["errors"] == ["OrderNotFound", "OrderNotFound", "InsufficientFunds", "BadRequest"]
    assert seen["hedged"] == [["long", 1]]


async def test_an_unmodified_ccxt_client_trades_spot(simulator):
    """Bought at the market by base quantity, placed, found by its own id, cancelled; the fee is in coins."""
    seen = await client(simulator, "spot")
    assert seen["bought"] == 0.01
    assert seen["open"] == [[True, 0.02]]
    assert seen["found"] == [True, "open"]
    assert seen["canceled"] == "canceled"
    assert 0.0099 < seen["held"] < 0.01


async def test_an_unmodified_ccxt_pro_client_watches_orders(simulator):
    """watch_orders sees an order arrive, one cancelled, and one filled in parts."""
    apply(
        simulator.okx,
        SetPrice(symbol="BTC-USDT-SWAP", price=Decimal(60000), depth=Decimal(1)),
    )
    seen = await client(simulator, "watch")
    assert seen == {
        "same": True,
        "client_order_id": "watched",
        "filled": 3,
        "average": pytest.approx((60000 + 2 * 60000.1) / 3),
        "statuses": ["open", "canceled"],
    }
