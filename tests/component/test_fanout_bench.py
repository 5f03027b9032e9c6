"""The bench of a fan-out runs, with a handful of followers. What it measures is not judged here."""

from pathlib import Path

import pytest

from benchmarks.fanout import AIMS, measure, readings


@pytest.mark.processes
@pytest.mark.parametrize("name", ["ours", "asyncio copier"])
async def test_every_follower_of_either_copier_gets_each_event_once(name: str, tmp_path: Path) -> None:
    """The harness finds one order of each follower for each event, and a figure for everything it tells."""
    result = await measure(name, followers=4, events=2, shards=2, logs=tmp_path, known_after_s=2)
    assert [len(each.placed) for each in result.rounds] == [4, 4]
    assert all(each.placed[0] > each.sent and each.cpu > 0 and each.tables > 0 for each in result.rounds)
    assert (result.executions is not None) == (name == "ours")
    told = readings(name, result, AIMS)
    assert {reading.what.removeprefix(f"{name}: ") for reading in told} >= set(AIMS)
    assert all(reading.value > 0 for reading in told if reading.unit != "KiB")  # there was room for a handful
