"""A simulator on in-memory streams.

Its tests take `autojump_clock` themselves, first: pytest-trio looks for a clock among a test's own arguments.
"""

import random
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial

import pytest

from services.simulator.accounts import Credentials
from services.simulator.actions import OpenAccount, apply
from services.simulator.simulator import SimulatorConfig, serve_simulator
from spider_common.budgets.fair import Budgets
from spider_common.clock import TrioClock
from spider_common.memory_network import MemoryNetwork
from spider_common.sdk.ccxt import Codec
from spider_common.sdk.http import TrioTransport
from spider_common.venues.bingx.client import BingxClient
from tests.component.bingx_desk import FAST, KEYS, Desk, Heard, Shifted
from tests.component.bingx_trader import BingxTrader
from tests.component.bitget_bench import Bench
from tests.component.bitget_trader import BitgetTrader
from tests.component.okx_trader import Trader

ORIGIN = 1_700_000_000_000_000_000


@pytest.fixture
def network():
    return MemoryNetwork()


@pytest.fixture
def venue_clock():
    return TrioClock(ORIGIN)


@pytest.fixture
async def simulator(nursery, network, venue_clock):
    rng = random.Random(7)
    serve = partial(serve_simulator, SimulatorConfig(), network=network, clock=venue_clock, rng=rng)
    return await nursery.start(serve)


@pytest.fixture
def open_trader(simulator, network, venue_clock):
    return partial(Trader, simulator, network, venue_clock)


@pytest.fixture
async def alice(open_trader):
    return open_trader()


@pytest.fixture
def open_bingx(simulator, network, venue_clock):
    return partial(BingxTrader, simulator, network, venue_clock)


@pytest.fixture
async def bob(open_bingx):
    return open_bingx("bob")


@pytest.fixture
async def open_desk(simulator, network, venue_clock):
    """Opens desks: `offset` shifts their clock, `limits` replaces their limits."""

    @asynccontextmanager
    async def desk(*, offset=0, mode="net", limits=None, fallback="", port=None):
        if "carol" not in simulator.bingx.exchange.accounts:
            account = OpenAccount(
                name="carol",
                credentials=Credentials(KEYS.key.reveal(), KEYS.secret.reveal(), ""),
                balances={"USDT": Decimal(1_000_000)},
                position_mode=mode,
            )
            apply(simulator.bingx, account)
        clock = Shifted(venue_clock, offset)
        addresses = simulator.addresses
        async with TrioTransport(network=network) as wire:
            made = BingxClient(
                http=wire,
                codec=Codec(
                    "bingx", clock, base_url=f"http://{addresses.host}:{port or addresses.rest_port}"
                ),
                budgets=Budgets(clock),
                clock=clock,
                socket_url=f"ws://{addresses.host}:{addresses.socket_port}/swap-market",
                limits=limits or FAST,
                fallback=fallback,
            )
            await made.instruments()
            yield Desk(made, simulator, network, clock)

    return desk


@pytest.fixture
def listen(nursery):
    async def start(desk):
        heard = Heard()
        await nursery.start(partial(heard.listen, desk, await desk.client.socket_url(KEYS)))
        await heard.ready.wait()
        return heard

    return start


@pytest.fixture
def open_bitget(simulator, network, venue_clock):
    return partial(BitgetTrader, simulator, network, venue_clock)


@pytest.fixture
async def make_bench(nursery, network, venue_clock):
    """Makes a Bitget client beside a simulator of its own, by settings of both."""

    async def make(*, clock=venue_clock, config=None, **settings):
        rng = random.Random(7)
        config = config or SimulatorConfig()
        serve = partial(serve_simulator, config, network=network, clock=venue_clock, rng=rng)
        bench = Bench(await nursery.start(serve), network, venue_clock, clock, **settings)
        await bench.client.instruments()
        return bench

    return make


@pytest.fixture
async def bench(make_bench):
    return await make_bench()
