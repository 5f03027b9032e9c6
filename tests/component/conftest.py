"""A simulator on in-memory streams.

Its tests take `autojump_clock` themselves, first: pytest-trio looks for a clock among a test's own arguments.
"""

import random
from functools import partial

import pytest

from services.simulator.simulator import SimulatorConfig, serve_simulator
from spider_common.clock import TrioClock
from spider_common.memory_network import MemoryNetwork
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
