"""What suites share: figures, interleaved rounds, calls in flight, and the peer process."""

import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median

import msgspec
import trio

IN_FLIGHT = 32
"""Calls at a time; what a busy worker has."""

ROUNDS = 5

Call = Callable[[], Awaitable[object]]
Subject = Callable[[int], float]
"""Makes that many calls and returns the CPU seconds they took, set-up and warm-up left out."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """CPU microseconds per call of one subject at one operation, a figure for each round.

    `goal`: ours is to cost at most this many times as much as this subject.
    """

    operation: str
    subject: str
    ours: bool
    rounds: Sequence[float]
    goal: float | None = None

    @property
    def cpu_us(self) -> float:
        return median(self.rounds)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that stands by itself, read once. `goal`: it is to be at most this."""

    what: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def is_missed(self) -> bool:
        return self.goal is not None and self.value > self.goal


def compare(
    operation: str,
    ours: tuple[str, Subject],
    others: Mapping[str, tuple[Subject, float | None]],
    *,
    calls: int,
) -> Sequence[Figure]:
    """Measures the subjects in turns, so that a change of the machine's mood meets all of them."""
    subjects = [(*ours, None), *((name, subject, goal) for name, (subject, goal) in others.items())]
    rounds: dict[str, list[float]] = {name: [] for name, _, _ in subjects}
    for number in range(ROUNDS):
        for name, subject, _ in subjects:
            print(f"{operation}: round {number + 1}/{ROUNDS}, {name}", file=sys.stderr)
            gc.collect()
            rounds[name].append(subject(calls) / calls * 1e6)
    return [
        Figure(operation=operation, subject=name, ours=name == ours[0], rounds=rounds[name], goal=goal)
        for name, _, goal in subjects
    ]


async def on_trio(call: Call, calls: int) -> float:
    """CPU seconds of so many calls on Trio."""

    async def worker(count: int) -> None:
        for _ in range(count):
            await call()

    async def batch(count: int) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(IN_FLIGHT):
                nursery.start_soon(worker, count // IN_FLIGHT)

    await batch(calls // 4)
    start = time.process_time()
    await batch(calls)
    return time.process_time() - start


async def on_asyncio(call: Call, calls: int) -> float:
    """CPU seconds of so many calls on asyncio."""

    async def worker(count: int) -> None:
        for _ in range(count):
            await call()

    async def batch(count: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(worker(count // IN_FLIGHT))

    await batch(calls // 4)
    start = time.process_time()
    await batch(calls)
    return time.process_time() - start


@contextmanager
def peer(module: str) -> Iterator[int]:
    """Runs a module as a process of its own, which prints the port it listens on."""
    with subprocess.Popen([sys.executable, "-m", module], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()
