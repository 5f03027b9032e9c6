"""Many seeds, each in two processes that hash differently, compared byte for byte."""

import os
import sys
from collections.abc import Sequence
from typing import Final

import msgspec
import trio

from services.local.simulate import Trace

HASH_SEEDS: Final = ("0", "1")  # two fresh processes run a seed side by side, each on a core
_WITHIN_S: Final = 300.0  # a simulated hour takes some seconds; one that stands still must not stand for ever


class Verdict(msgspec.Struct, frozen=True):
    """What two runs came to. `difference`: where their traces part; `failure`: of a run that broke."""

    seed: int
    trace: Trace | None = None
    difference: str = ""
    failure: str = ""

    @property
    def is_right(self) -> bool:
        return self.trace is not None and self.trace.is_right and not self.difference

    def __str__(self) -> str:
        trace = self.trace
        if trace is None:
            return f"seed {self.seed}  failed: {self.failure}"
        line = (
            f"seed {trace.seed}  events {trace.events}  copies {trace.copies}  faults {trace.faults}"
            f"  lost {trace.lost}  duplicated {trace.duplicated}  unsettled {len(trace.unsettled)}"
            f"  equal {'no' if self.difference else 'yes'}"
        )
        details = [*trace.unsettled[:3], *([self.difference] if self.difference else [])]
        return "\n    ".join([line, *details])


def simulate_seeds(first: int, count: int) -> int:
    """Runs `count` seeds from `first` on and prints a line for each; the exit code of the whole, 0 or 1."""
    return trio.run(_simulate_seeds, range(first, first + count))


async def _simulate_seeds(seeds: Sequence[int]) -> int:
    wrong = 0
    for seed in seeds:
        verdict = await run_twice(seed)
        wrong += not verdict.is_right
        sys.stdout.write(f"{verdict}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(seeds)} seeds, {wrong} of them wrong\n")
    return 1 if wrong else 0


async def run_twice(seed: int) -> Verdict:
    """Runs a seed in two fresh processes and compares."""
    outputs: dict[str, bytes] = {}
    failures: list[str] = []

    async def run(hash_seed: str) -> None:
        command = [sys.executable, "-m", "services.local.simulate", str(seed)]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        with trio.move_on_after(_WITHIN_S) as limit:
            done = await trio.run_process(
                command, capture_stdout=True, capture_stderr=True, check=False, env=environment
            )
        if limit.cancelled_caught:
            failures.append(f"no end within {_WITHIN_S:g} s")
        elif done.returncode:
            failures.append(done.stderr.decode(errors="replace").strip()[-4000:])
        else:
            outputs[hash_seed] = done.stdout

    async with trio.open_nursery() as nursery:
        for hash_seed in HASH_SEEDS:
            nursery.start_soon(run, hash_seed, name=f"simulation.process[{seed}/{hash_seed}]")
    if failures:
        return Verdict(seed, failure=failures[0])
    one, other = (msgspec.json.decode(outputs[each], type=Trace) for each in HASH_SEEDS)
    return Verdict(seed, trace=one, difference=first_difference(one.text, other.text))


def first_difference(one: str, other: str) -> str:
    """The first line in which two traces differ, from both; empty if they are equal."""
    if one == other:
        return ""
    lines = zip(one.splitlines(), other.splitlines(), strict=False)
    for number, (left, right) in enumerate(lines, start=1):
        if left != right:
            return f"line {number}: {left[:500]} | {right[:500]}"
    return "one trace is the beginning of the other"
