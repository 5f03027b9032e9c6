"""`python -m services.local up|demo|chaos`: the whole system on this machine."""

import argparse
import random
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Final

import trio
from rich.console import Console
from rich.table import Table

from services.local.chaos import EVENTS, chaos
from services.local.demo import demo
from services.local.foundation import NotDeployed
from services.local.processes import ProcessFailed
from services.local.seed import THREE_VENUES, seed_teams
from services.local.stack import Provide, deployed, open_stack, provided
from services.local.terraform import NoTerraform, TerraformFailed

LOGS: Final = Path(".spider/logs")
REPORT: Final = Path("demo.json")
CHAOS_REPORT: Final = Path("chaos.json")


async def up(console: Console, chosen: int, provide: Provide) -> int:
    """Starts everything, says where it is, and stops on Ctrl-C or SIGTERM."""
    seed = seed_teams(random.Random(chosen), THREE_VENUES)  # noqa: S311 keys of a simulator
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_stack(seed, LOGS, provide=provide) as stack:
            table = Table("what", "where", title="Running; Ctrl-C stops it")
            for what, where in stack.addresses.items():
                table.add_row(what, where)
            console.print(table)
            async for _ in signals:
                console.print("Stopping ...")
                return 0
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m services.local", description=__doc__)
    parser.add_argument("command", choices=["up", "demo", "chaos"])
    parser.add_argument("--seed", type=int, default=1, help="which session and which keys")
    parser.add_argument("--events", type=int, default=EVENTS, help="chaos: how many leader events at least")
    parser.add_argument(
        "--deploy", action="store_true", help="up, demo: on the foundation stack as `make synth` wrote it"
    )
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)  # a log is as wide as it needs
    for log in LOGS.glob("*.log"):
        log.unlink()
    seed, provide = arguments.seed, deployed if arguments.deploy else provided
    work = {
        "up": partial(up, console, seed, provide),
        "demo": partial(demo, chosen=seed, logs=LOGS, report=REPORT, console=console, provide=provide),
        "chaos": partial(
            chaos, chosen=seed, events=arguments.events, logs=LOGS, report=CHAOS_REPORT, console=console
        ),
    }[arguments.command]
    try:
        return trio.run(work)
    except* (ProcessFailed, NoTerraform, NotDeployed, TerraformFailed) as failed:
        console.print(f"[red]{failed.exceptions[0]}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
