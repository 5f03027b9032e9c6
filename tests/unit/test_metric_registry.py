"""Laws of the registry: each metric is emitted by the services that it names, and by no other."""

import ast
from pathlib import Path

import pytest

from spider_common.telemetry import registry
from spider_common.telemetry.registry import INGEST, METRICS, OMS, Gauge, Metric, dimension_sets

ROOT = Path(__file__).parents[2]
CONSTANTS = {name: each for name, each in vars(registry).items() if isinstance(each, Metric)}


def emitted_in(folder: Path) -> set[str]:
    """The names of the metrics' constants that are given to a meter in the files of a folder."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="count" | "gauge" | "observe"), args=[first, *_]):
                    named = {each.id for each in ast.walk(first) if isinstance(each, ast.Name)}
                    found |= named & CONSTANTS.keys()
    return found


EMITTED = {
    OMS: emitted_in(ROOT / "services/oms"),
    INGEST: emitted_in(ROOT / "services/ingest"),
    "both": emitted_in(ROOT / "libs/spider_common"),
}


@pytest.mark.parametrize("constant", sorted(CONSTANTS))
def test_a_metric_is_emitted_where_it_says(constant: str) -> None:
    """By the services that it names: their own code, or, of all of them, what they share."""
    emitters = {service for service in (OMS, INGEST) if constant in EMITTED[service]}
    if constant in EMITTED["both"]:
        emitters |= {OMS, INGEST}
    assert set(CONSTANTS[constant].services) == emitters


def test_a_name_is_used_once() -> None:
    """And is of the form that CloudWatch's own names have."""
    names = [each.name for each in METRICS]
    assert len(set(names)) == len(names) == len(CONSTANTS)
    assert [name for name in names if not (name.isalnum() and name[0].isupper())] == []


def test_every_metric_says_what_it_tells() -> None:
    """In a sentence."""
    assert [each.name for each in METRICS if not each.says.endswith(".")] == []


def test_time_series_are_counted() -> None:
    """One without a venue; with venues one for each, and one for all together where that means something."""
    whole, ours = len([each for each in METRICS if OMS in each.services]), registry.series(OMS, venues=0)
    gauges = [each for each in METRICS if OMS in each.services and each.by_venue and isinstance(each, Gauge)]
    assert ours == whole - len(gauges)
    by_venue = [each for each in METRICS if OMS in each.services and each.by_venue]
    assert registry.series(OMS, venues=3) == ours + 3 * len(by_venue)


def test_only_what_sums_up_is_found_for_all_venues_together() -> None:
    """A gauge of one venue beside that of another is neither's."""
    for metric in METRICS:
        whole = (registry.ENVIRONMENT, registry.SERVICE)
        together = whole in dimension_sets(metric)
        assert together is not (metric.by_venue and isinstance(metric, Gauge))
