"""Child processes: paused, resumed, killed and ended."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio

from services.local.processes import END_WITHIN_S, Process, ProcessFailed

COUNTS = "import itertools, time\nfor n in itertools.count():\n  print(n, flush=True)\n  time.sleep(0.01)"


def child(logs: Path, code: str = COUNTS) -> Process:
    return Process("child", [sys.executable, "-c", code], os.environ, logs)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 another process makes it true
        await trio.sleep(0.01)


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.processes
async def test_a_paused_process_does_nothing_until_it_is_resumed(tmp_path):
    """Law: it stands still where it is, is not taken for ended, and goes on as if nothing had been."""
    process = child(tmp_path)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(process.serve, ready="0"))
            process.pause()
            await until(lambda: is_stopped(process.pid))
            written = process.log.read_bytes()
            process.resume()
            await until(lambda: len(process.log.read_bytes()) > len(written) + 100)
            assert process.log.read_bytes().startswith(written)
            nursery.cancel_scope.cancel()


@pytest.mark.processes
async def test_a_paused_process_ends_when_asked(tmp_path):
    """Law: who is paused is told to end in good order too, and does not keep us waiting."""
    process = child(tmp_path)
    with trio.fail_after(END_WITHIN_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(process.serve, ready="0"))
            process.pause()
            nursery.cancel_scope.cancel()


@pytest.mark.processes
async def test_a_killed_process_can_be_started_again(tmp_path):
    """Law: `kill` returns when it is gone, also of one that is paused; its end is no failure."""
    process = child(tmp_path)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                await nursery.start(partial(process.serve, ready="0"))
                process.pause()
                await process.kill()
            await nursery.start(partial(process.serve, ready="0"))
            nursery.cancel_scope.cancel()


@pytest.mark.processes
async def test_a_process_that_ends_before_it_is_ready_is_named(tmp_path):
    """Law: who starts it gets the failure, with the exit code and the log."""
    process = child(tmp_path, "raise SystemExit(3)")
    async with trio.open_nursery() as nursery:
        with pytest.raises(ProcessFailed, match=r"child .* 3; .*child\.log"):
            await nursery.start(partial(process.serve, ready="0"))
