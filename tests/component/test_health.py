"""Laws of health: starting, ready and draining differ, and who asks from outside learns which it is."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from spider_common.clock import SystemClock
from spider_common.service import supervise
from spider_common.telemetry.health import (
    BEAT_S,
    STARTS_WITHIN_S,
    STUCK_S,
    Health,
    Stage,
    is_ready,
    is_serving,
)
from spider_common.telemetry.logs import logger


def says(command: Sequence[str]) -> bool:
    """What the command answers, run as ECS runs it."""
    kind, python, *arguments = command
    assert (kind, python) == ("CMD", "python")
    run = subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
    return run.returncode == 0


@pytest.mark.parametrize(
    ("stage", "serving", "ready"),
    [
        (Stage.STARTING, False, False),
        (Stage.LATE, True, False),
        (Stage.READY, True, True),
        (Stage.DRAINING, True, False),
    ],
)
def test_each_stage_is_told_apart(tmp_path: Path, stage: Stage, serving: bool, ready: bool) -> None:
    """Who starts does not serve yet, who drains is left to it and is not ready."""
    path = tmp_path / "health"
    health = Health(path)
    health.become(stage)
    assert (says(is_serving(str(path))), says(is_ready(str(path)))) == (serving, ready)


def test_a_loop_that_does_not_turn_is_not_healthy(tmp_path: Path) -> None:
    """Whatever it said last; nor is one that has never said anything."""
    path = tmp_path / "health"
    assert not says(is_serving(str(path)))
    Health(path).become(Stage.READY)
    late = time.time() - STUCK_S - 1
    os.utime(path, (late, late))
    assert not says(is_serving(str(path)))


def test_who_drains_is_never_ready_again(tmp_path: Path) -> None:
    """A service that is told to stop while it starts does not call itself ready afterwards."""
    health = Health(tmp_path / "health")
    health.become(Stage.DRAINING)
    health.become(Stage.READY)
    assert (tmp_path / "health").read_text() == "draining"


async def test_the_file_is_touched_while_the_loop_turns(tmp_path: Path, autojump_clock: MockClock) -> None:
    """More often than anybody calls it late."""
    path = tmp_path / "health"
    assert 3 * BEAT_S < STUCK_S
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Health(path).serve)
        await trio.sleep(1)
        for _ in range(3):
            path.unlink()
            await trio.sleep(BEAT_S)
            assert path.read_text() == "starting"
        nursery.cancel_scope.cancel()


async def test_who_cannot_become_ready_is_late_and_left_to_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """What it waits for comes no sooner when it is ended. Ready it may still become."""
    path = tmp_path / "health"
    health = Health(path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(health.serve)
        await trio.sleep(STARTS_WITHIN_S - 1)
        assert path.read_text() == "starting"
        await trio.sleep(BEAT_S + 1)
        assert path.read_text() == "late"
        health.become(Stage.READY)
        await trio.sleep(BEAT_S)
        assert path.read_text() == "ready"
        nursery.cancel_scope.cancel()


async def test_a_supervised_service_goes_through_all_stages(tmp_path: Path) -> None:
    """Starting until it says that it is ready, draining from the signal on, and live all the time."""
    health, seen = Health(tmp_path / "health"), list[str]()

    def look() -> None:
        seen.append((tmp_path / "health").read_text())
        assert says(is_serving(str(tmp_path / "health"))) is (seen[-1] != Stage.STARTING)

    async def serve(stop: trio.Event) -> None:
        await trio.testing.wait_all_tasks_blocked()
        look()
        health.become(Stage.READY)
        look()
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        look()

    log = logger("test", SystemClock(), write=[].append)
    with trio.fail_after(30):
        await supervise(serve, drain_s=10, log=log, health=health)
    assert seen == ["starting", "ready", "draining"]


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on somebody's own machine."""
    monkeypatch.chdir(tmp_path)
    Health(None).become(Stage.READY)
    assert list(tmp_path.iterdir()) == []
