"""The model of CloudWatch is held to what AWS documents; AWS's own series trip the alarms that read them."""

import json

import msgspec
import pytest

from spider_common.telemetry import registry
from spider_common.telemetry.registry import OMS
from stacks.alarms import Alarm, Running, alarms, ours
from stacks.environments import ENVIRONMENTS, PROD
from tests.cloudwatch import Metrics, Sample, State, calculated, changes, state, states, summed_up

READS = {"age": ours(ENVIRONMENTS["dev"], OMS, registry.DOUBT_AGE, "Maximum")}
ANY = Alarm(name="any", section="any", says="", reads=READS, missing="missing", why="")
KINDS = ("missing", "ignore", "breaching", "notBreaching")
KEEP = "keep"

# The tables of "Configuring how CloudWatch alarms treat missing data" in its user guide: 0 is within the
# threshold, X beyond it, - missing, the newest last; an alarm on three periods looks at five.
THREE_OF_THREE = [
    ("0-X-X", ("OK", "OK", "OK", "OK")),
    ("----0", ("OK", "OK", "OK", "OK")),
    ("-----", ("INSUFFICIENT_DATA", KEEP, "ALARM", "OK")),
    ("0XX-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("--X--", ("ALARM", KEEP, "ALARM", "OK")),
]
TWO_OF_THREE = [
    ("0-X-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("00X0X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("0-X--", ("OK", "OK", "ALARM", "OK")),
    ("----0", ("OK", "OK", "ALARM", "OK")),
    ("---X-", ("ALARM", KEEP, "ALARM", "OK")),
]
ROWS = [
    *(
        (3, told, kind, is_then)
        for told, row in THREE_OF_THREE
        for kind, is_then in zip(KINDS, row, strict=True)
    ),
    *(
        (2, told, kind, is_then)
        for told, row in TWO_OF_THREE
        for kind, is_then in zip(KINDS, row, strict=True)
    ),
]


@pytest.mark.parametrize(("breaching", "told", "kind", "is_then"), ROWS)
def test_missing_values_are_taken_as_aws_says(breaching: int, told: str, kind: str, is_then: str) -> None:
    """Each row of both tables, for each way of taking what is missing."""
    alarm = msgspec.structs.replace(ANY, periods=3, breaching=breaching, missing=kind)
    values = [{"0": False, "X": True, "-": None}[each] for each in told]
    for before in ("OK", "ALARM"):
        assert state(alarm, values, before) == (before if is_then == KEEP else is_then)


def test_statistics_are_over_all_values_of_a_period() -> None:
    """Whatever lines told them: distributions of two tasks make one."""
    told = [Sample(0, ((1, 50), (2, 40)), 0.9, 2.1, 131.0), Sample(9, ((4, 10),), 4, 4, 40.0)]
    found = {each: summed_up(told, each) for each in ("Sum", "Average", "Minimum", "Maximum", "p50", "p95")}
    assert found == {"Sum": 171, "Average": 1.71, "Minimum": 0.9, "Maximum": 4, "p50": 1, "p95": 4}


@pytest.mark.parametrize(
    ("expression", "errors", "orders", "is_then"),
    [
        ("IF(errors >= 3, 100 * errors / orders, 0)", 3, 20, 15),
        ("IF(errors >= 3, 100 * errors / orders, 0)", 2, 2, 0),
        ("IF(errors >= 3, 100 * errors / orders, 0)", None, 2, None),
        ("100 * errors / orders", 1, 0, None),
        ("100 * errors / orders", 1, None, None),
    ],
)
def test_math_is_of_one_period(
    expression: str, errors: float | None, orders: float | None, is_then: float | None
) -> None:
    """What lacks a value has none, and nothing divides by zero."""
    assert calculated(expression, {"errors": errors, "orders": orders}) == is_then


def line(dimensions: list[str], value: object) -> str:
    directive = {"Namespace": "n", "Dimensions": [dimensions], "Metrics": [{"Name": "a"}]}
    return json.dumps({"_aws": {"Timestamp": 0, "CloudWatchMetrics": [directive]}, "a": value})


@pytest.mark.parametrize("line", [line(["D"], 1), line([], {"Values": [1], "Counts": [1, 2]})])
def test_a_line_that_aws_would_drop_is_refused(line: str) -> None:
    """A dimension that is not there, values without their counts."""
    with pytest.raises(ValueError, match=r"dimension|values"):
        Metrics.of_lines([line])


# What AWS measures itself: series made by hand, a value a minute.

TABLE = {
    each.name: each
    for each in alarms(
        PROD,
        services={"oms": [Running("prod-oms", "prod-oms-a")]},
        nat_gateways={"a": "nat-0"},
        balancer="app/any/1",
    )
}


def run(name: str, minutes: list[dict[str, float]]) -> dict[float, State]:
    """The states of an alarm after each minute, of what AWS told in it by series."""
    alarm, metrics = TABLE[name], Metrics()
    for minute, told in enumerate(minutes):
        for series, value in told.items():
            metrics.tell(alarm.reads[series], 60 * minute + 30, value)
    return states(alarm, metrics, 0, 60 * len(minutes))


CASES: list[tuple[str, dict[str, float], dict[str, float]]] = [
    ("queue-depth", {"depth": 1_000}, {"depth": 1_001}),
    ("message-age", {"age": 60}, {"age": 61}),
    ("dead-letters", {"letters": 0}, {"letters": 1}),
    ("oms-a-tasks", {"running": 1, "wanted": 2}, {"running": 0, "wanted": 2}),
    ("redis-memory-0001-001", {"full": 80}, {"full": 80.5}),
    ("rotation", {"errors": 0}, {"errors": 1}),
    ("dashboard-errors", {"errors": 2, "requests": 2}, {"errors": 3, "requests": 50}),
    ("dashboard-errors", {"requests": 100}, {"errors": 6, "requests": 100}),
]


@pytest.mark.parametrize(("name", "fine", "wrong"), CASES)
def test_it_goes_off_past_its_threshold_and_comes_back(
    name: str, fine: dict[str, float], wrong: dict[str, float]
) -> None:
    """What is at the threshold is fine; beyond it for as long as asked is not; recovery ends it."""
    found = run(name, [fine] * 8 + [wrong] * 8 + [fine] * 10)
    assert changes(found) == ["OK", "ALARM", "OK"]


def test_each_alarm_on_what_aws_measures_is_tripped_here() -> None:
    """One of each kind; the odd traffic below."""
    theirs = {
        each.section
        for each in TABLE.values()
        if any(isinstance(read.metric, registry.AwsMetric) for read in each.reads.values())
    }
    assert {TABLE[name].section for name, *_ in CASES} | {"nat-bytes"} == theirs


@pytest.mark.parametrize("name", ["queue-depth", "message-age", "oms-a-tasks", "redis-memory-0001-001"])
def test_one_bad_minute_wakes_nobody(name: str) -> None:
    """A restart, a burst: it is over before anybody could look."""
    fine = dict.fromkeys(TABLE[name].reads, 50.0)
    wrong = {**fine, **({"running": 0.0} if "running" in fine else dict.fromkeys(fine, 10_000.0))}
    assert changes(run(name, [fine] * 8 + [wrong] + [fine] * 8)) == ["OK"]


def test_an_idle_queue_keeps_its_letters() -> None:
    """SQS tells nothing of a queue that nobody uses: what is in it stays wrong until it is empty."""
    found = run("dead-letters", [{"letters": 2}] * 3 + [{}] * 10 + [{"letters": 0}] * 3)
    assert changes(found) == ["ALARM", "OK"]


def test_no_news_of_a_service_is_bad_news() -> None:
    """ECS tells of each service that is there."""
    assert changes(run("oms-a-tasks", [{"running": 2, "wanted": 2}] * 5 + [{}] * 8)) == ["OK", "ALARM"]


def test_no_news_of_a_queue_is_good_news() -> None:
    """An idle queue is not told of, and nothing waits in it."""
    assert changes(run("queue-depth", [{"depth": 2_000}] * 5 + [{}] * 8)) == ["ALARM", "OK"]


def test_traffic_is_odd_by_what_was_before() -> None:
    """A quarter of an hour far above what was usual, not the usual ups and downs, and not a short burst."""
    usual = [{"bytes": 1e6 + 1e5 * (minute % 7)} for minute in range(240)]
    burst = [{"bytes": 5e7}] * 5
    found = run("nat-bytes-a", usual + burst + usual[:30] + burst * 6 + usual)
    odd = [at / 60 for at, now in found.items() if now == "ALARM"]
    assert 240 + 35 < min(odd) < max(odd) < 240 + 35 + 30 + 15
