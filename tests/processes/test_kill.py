"""The order service dies the hard way, again and again, while a leader trades: real processes."""

import random

import pytest
import trio

from services.local.demo import settled, swaps
from services.local.seed import LEADER, seed
from services.local.stack import open_stack
from services.simulator.actions import Action
from services.simulator.checker import totals
from services.simulator.scenario import leader_session, play
from spider_common.domain.identifiers import Venue

KILLS = 10
SPEED = 1.0  # about 45 s of trading: room for ten deaths and as many starts


@pytest.mark.processes
@pytest.mark.timeout(240)
async def test_nothing_is_lost_or_doubled_when_the_order_service_is_killed_at_random_moments(tmp_path):
    """Law: after `kill -9` at ten random moments and as many restarts, the venue's ledger is complete."""
    rng = random.Random(20_261_124)
    steps = leader_session(rng, swaps(Venue.OKX), leader=LEADER)
    killed = 0
    async with open_stack(seed(rng), tmp_path / "logs") as stack:

        async def act(step: Action) -> None:
            await stack.act(step)

        async def trade() -> None:
            await play(steps, act, speed=SPEED)
            traded.set()

        traded = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trade)
            while killed < KILLS:
                await trio.sleep(rng.uniform(0.5, 5.0))  # the moment is the point: nothing to wait for
                await stack.services["oms"].kill()
                killed += 1
                await stack.start("oms")
            await traded.wait()
        judged = await settled(stack, within_s=90)
    counts = totals(judged)
    assert killed == KILLS
    assert counts["placed"] > 100
    assert (counts["lost"], counts["duplicated"]) == (0, 0)
