"""Laws of metrics: what is counted is told once and in CloudWatch's format, and nothing is lost."""

import json
from collections import Counter as Counted
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from spider_common.clock import NS_PER_MS, NS_PER_S, TrioClock
from spider_common.settings import STDOUT
from spider_common.telemetry.metrics import MOST_VALUES, Meter, open_lines, open_meter
from spider_common.telemetry.registry import (
    CACHE_HITS,
    COPY_LATENCY,
    DOUBT_AGE,
    DOUBTS_OPEN,
    EVENTS_COPIED,
    LOOP_LAG,
    ORDERS,
    PLAN_LATENCY,
    RATE_USE,
    TASKS_LIVING,
    environment_of,
)

ORIGIN = 1_700_000_000 * NS_PER_S
MOST_OFF = 2 ** (1 / 16) - 1  # half of one of eight places in a doubling


class Fixed:
    def now(self) -> int:
        return ORIGIN


def meter() -> tuple[Meter, list[str]]:
    lines: list[str] = []
    return Meter("oms", Fixed(), environment="dev", write=lines.append), lines


def told(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def of(lines: list[str], name: str) -> list[Any]:
    """What all lines tell of one metric."""
    return [line[name] for line in told(lines) if name in line]


def test_a_line_is_of_the_embedded_metric_format() -> None:
    """One JSON object that names its metrics, their units, and the dimensions they are found under."""
    ours, lines = meter()
    ours.count(EVENTS_COPIED, 3)
    ours.gauge(DOUBT_AGE, 1.5)
    ours.tell()
    assert told(lines) == [
        {
            "event": "metrics",
            "_aws": {
                "Timestamp": ORIGIN // NS_PER_MS,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "OmsSpider",
                        "Dimensions": [["Environment", "Service"]],
                        "Metrics": [
                            {"Name": "EventsCopied", "Unit": "Count"},
                            {"Name": "DoubtAge", "Unit": "Seconds"},
                        ],
                    }
                ],
            },
            "Environment": "dev",
            "Service": "oms",
            "EventsCopied": 3,
            "DoubtAge": 1.5,
        }
    ]


def test_what_sums_up_is_told_by_venue_and_for_all_venues() -> None:
    """A line of a venue is found under both; how one venue stands is not how all do."""
    ours, lines = meter()
    ours.count(ORDERS, venue="okx")
    ours.gauge(RATE_USE, 7.0, venue="okx")
    ours.tell()
    (line,) = told(lines)
    assert line["Venue"] == "okx"
    whole, venue = ["Environment", "Service"], ["Environment", "Service", "Venue"]
    found = {each["Metrics"][0]["Name"]: each["Dimensions"] for each in line["_aws"]["CloudWatchMetrics"]}
    assert found == {"Orders": [whole, venue], "RateUse": [venue]}


def test_a_gauge_that_is_not_set_anew_is_not_told_again() -> None:
    """A task that no longer looks, as one whose turn it is not to reconcile, does not repeat what it saw."""
    ours, lines = meter()
    ours.gauge(DOUBTS_OPEN, 2)
    ours.gauge(DOUBTS_OPEN, 1)
    ours.tell()
    ours.tell()
    assert of(lines, "DoubtsOpen") == [1]
    ours.read_with(lambda: ours.gauge(DOUBTS_OPEN, 5))
    ours.tell()
    ours.tell()
    assert of(lines, "DoubtsOpen") == [1, 5, 5]


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=300), st.lists(st.integers(0, 299), max_size=5))
def test_a_distribution_keeps_its_numbers(values: list[float], pauses: list[int]) -> None:
    """Law: however often it is told, each value is counted once, at most 4.5 % off; least, most and sum are
    exact."""
    ours, lines = meter()
    for place, value in enumerate(values):
        ours.observe(PLAN_LATENCY, value)
        if place in pauses:
            ours.tell()
    ours.tell()
    parts = of(lines, "PlanLatency")
    assert sum(part["Count"] for part in parts) == len(values)
    assert sum(part["Sum"] for part in parts) == pytest.approx(sum(values))
    assert min(part["Min"] for part in parts) == min(values)
    assert max(part["Max"] for part in parts) == max(values)
    kept = [
        value
        for part in parts
        for value, count in zip(part["Values"], part["Counts"], strict=True)
        for _ in range(count)
    ]
    for real, rounded in zip(sorted(values), sorted(kept), strict=True):
        assert abs(rounded - real) <= MOST_OFF * real + 1e-6


@given(st.lists(st.sampled_from(["", "okx", "bingx", None]), max_size=50))
def test_nothing_counted_is_lost(steps: list[str | None]) -> None:
    """Law: the sum of what was told is what was counted, of each venue. None is a telling between."""
    ours, lines = meter()
    for step in steps:
        if step is None:
            ours.tell()
        else:
            ours.count(ORDERS, venue=step)
    ours.tell()
    sums: Counted[str] = Counted()
    for line in told(lines):
        sums[line.get("Venue", "")] += line["Orders"]
    assert sums == Counted(step for step in steps if step is not None)


def test_no_line_has_more_values_than_cloudwatch_takes() -> None:
    """A distribution over seventeen doublings needs two lines; together they are the whole."""
    ours, lines = meter()
    for place in range(140):
        ours.observe(COPY_LATENCY, 2 ** (place / 8), venue="okx")
    ours.tell()
    parts = of(lines, "CopyLatency")
    assert [len(part["Values"]) for part in parts] == [MOST_VALUES, 40]
    assert sum(part["Count"] for part in parts) == 140
    assert [part["Sum"] > 0 for part in parts] == [True, False]  # told once


async def test_what_is_left_is_told_at_the_end(autojump_clock: MockClock) -> None:
    """Every interval, and once more when the service ends: a drain loses nothing."""
    lines: list[str] = []
    async with open_meter(
        "oms", TrioClock(ORIGIN), environment="dev", every_s=10, write=lines.append
    ) as ours:
        ours.count(CACHE_HITS)
        await trio.sleep(15)
        ours.count(CACHE_HITS, 2)
    assert of(lines, "CacheHits") == [1, 2]
    assert of(lines, "TasksLiving") != []


async def test_a_failing_service_tells_what_it_had_measured(autojump_clock: MockClock) -> None:
    """A crash is when numbers are wanted most."""
    lines: list[str] = []

    async def fail() -> None:
        opened = open_meter("oms", TrioClock(ORIGIN), environment="dev", every_s=10, write=lines.append)
        async with opened as ours:
            ours.count(CACHE_HITS)
            raise ValueError("a bug")

    with pytest.raises(ExceptionGroup):
        await fail()
    assert of(lines, "CacheHits") == [1]


async def test_a_blocked_loop_is_seen(mock_clock: MockClock) -> None:
    """A step of three seconds makes who wanted to run meanwhile late by as much."""
    lines: list[str] = []
    mock_clock.autojump_threshold = 0
    async with open_meter("oms", TrioClock(ORIGIN), environment="dev", every_s=10, write=lines.append):
        await trio.sleep(1)
        mock_clock.jump(3)  # time goes by and nobody else runs
        await trio.sleep(10)
    most = max(each["Max"] for each in of(lines, LOOP_LAG.name))
    assert 2_700 <= most <= 3_000
    assert TASKS_LIVING.name in told(lines)[0]


def test_lines_go_where_the_setting_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To stdout, to a file behind what is there, or nowhere."""
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with open_lines("told.jsonl") as write:
            assert write is not None
            write("a line")
            assert (tmp_path / "told.jsonl").read_text().endswith("a line\n")  # not when the service ends
    assert (tmp_path / "told.jsonl").read_text() == "a line\n" * 2
    with open_lines(STDOUT) as write:
        assert write is not None
        write("a line")
    assert capsys.readouterr().out == "a line\n"
    with open_lines("") as write:
        assert write is None


@pytest.mark.parametrize(("prefix", "environment"), [("dev-", "dev"), ("local-", "local"), ("", "local")])
def test_the_environment_is_what_names_begin_with(prefix: str, environment: str) -> None:
    """One setting says both, so that they cannot contradict each other."""
    assert environment_of(prefix) == environment
