"""`spider flatten` as a user runs it, over real processes at three venues."""

import json
import random
import subprocess
import sys

import pytest
import trio

from services.local.seed import THREE_VENUES, seed_teams
from services.local.stack import open_stack
from services.simulator.actions import Place
from services.simulator.ledger import Executed
from services.simulator.rules import NewOrder
from spider_common.domain.identifiers import Venue


@pytest.mark.processes
@pytest.mark.timeout(240)
async def test_everything_is_closed_by_one_command(tmp_path):
    """Law: the command names what is held, ends well when the venues say that it is closed, and their
    ledgers agree."""
    teams = [team for team in THREE_VENUES if team.venue is Venue.OKX]
    async with open_stack(seed_teams(random.Random(7), teams), tmp_path / "logs") as stack:

        async def spider(*arguments: str) -> subprocess.CompletedProcess[bytes]:
            return await trio.run_process(
                [sys.executable, "-m", "services.cli", *arguments],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                env=stack.environment,
            )

        (team,) = teams
        order = NewOrder(symbol="BTC-USDT-SWAP", side="buy", kind="market", size=10)
        await stack.act(Place(account=team.leader, order=order))
        with trio.fail_after(30):
            held = 0
            while held < len(team.followers):
                found = await spider("flatten", "--all", "--json")
                assert found.returncode == 2, found.stderr  # nobody is there to be asked
                held = sum("stake" in json.loads(line) for line in found.stdout.splitlines())
        done = await spider("flatten", "--all", "--yes", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == {"flat": True}
        again = await spider("flatten", "--all", "--yes")
        assert b"nothing is held" in again.stderr
        for venue, entries in (await stack.ledgers()).items():
            sizes = {}
            for each in entries:
                if isinstance(each, Executed) and each.order.account != team.leader:
                    key = (venue, each.order.account)
                    sizes[key] = sizes.get(key, 0) + each.execution.size * each.order.sign
            assert not any(sizes.values()), sizes
