"""Runs all suites: a table on stdout, everything in bench.json; exits 1 when a goal is missed."""

import importlib
import json
import os
import pkgutil
import platform
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import msgspec

import benchmarks
from benchmarks import fanout, metering, sockets
from benchmarks.measure import IN_FLIGHT, Figure, Reading

_OUTPUT = Path("bench.json")


def main() -> int:
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    figures: list[Figure] = []
    for name in names:
        if name.endswith("_calls"):
            figures += importlib.import_module(f"benchmarks.{name}").run()
    missed = 0
    rows = [("operation", "client", "CPU us per call", "ours costs", "goal")]
    entries = []
    for operation, group in groupby(figures, lambda figure: figure.operation):
        members = list(group)
        (ours,) = (figure for figure in members if figure.ours)
        for figure in members:
            ratio = None if figure.ours else ours.cpu_us / figure.cpu_us
            goal = ""
            if ratio is not None and figure.goal is not None:
                met = ratio <= figure.goal
                missed += not met
                goal = f"<= {figure.goal:g} {'met' if met else 'MISSED'}"
            rows.append(
                (
                    operation,
                    figure.subject,
                    f"{figure.cpu_us:.0f}",
                    "" if ratio is None else f"{ratio:.2f}x",
                    goal,
                )
            )
            entries.append(
                {
                    "operation": operation,
                    "client": figure.subject,
                    "ours": figure.ours,
                    "cpu_us_per_call": round(figure.cpu_us, 1),
                    "rounds": [round(value, 1) for value in figure.rounds],
                    "ours_costs": None if ratio is None else round(ratio, 3),
                    "goal": figure.goal,
                }
            )
    readings = [*metering.run(), *sockets.run(), *fanout.run()]
    missed += sum(reading.is_missed for reading in readings)
    _print(rows)
    print()
    _print(
        [
            ("measurement", "unit", "value", "", "goal"),
            *(
                (reading.what, reading.unit, f"{reading.value:.3g}", "", _goal(reading))
                for reading in readings
            ),
        ]
    )
    machine = {"python": platform.python_version(), "cpus": os.cpu_count(), "in_flight": IN_FLIGHT}
    told = {"machine": machine, "figures": entries, "readings": msgspec.to_builtins(readings)}
    _OUTPUT.write_text(json.dumps(told, indent=2) + "\n")
    return 1 if missed else 0


def _goal(reading: Reading) -> str:
    if reading.goal is None:
        return ""
    return f"<= {reading.goal:.3g} {'MISSED' if reading.is_missed else 'met'}"


def _print(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            f"{cell:>{width}}" if column in (2, 3) else f"{cell:<{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    sys.exit(main())
