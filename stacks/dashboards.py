"""What a service's dashboard shows, read from the registry of metrics. Pure: the body for CloudWatch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from spider_common import schema
from spider_common.domain.identifiers import Venue
from spider_common.telemetry import registry
from spider_common.telemetry.registry import INGEST, METRICS, OMS, AwsMetric, Counter, Distribution, Metric
from stacks.alarms import DASHBOARD, Running, redis_nodes
from stacks.environments import Environment

_PERIOD_S: Final = 60
_WIDE: Final = 24  # CloudWatch's grid
_WIDTH: Final = 8
_HEIGHT: Final = 6
_LINES: Final = {"counter": ("Sum",), "gauge": ("Maximum",), "distribution": ("p50", "p95", "p99")}
"""What of a kind of metric means something over several tasks."""

Series = list[Any]
"""Namespace, metric, dimensions and their values in turn, options: as CloudWatch writes it."""


def body(
    environment: Environment,
    service: str,
    *,
    alarm_arns: Sequence[str],
    services: Mapping[str, Sequence[Running]],
    nat_gateways: Mapping[str, str],
    balancer: str,
) -> str:
    """The dashboard of a service as JSON; the arguments are those of `stacks.alarms.alarms`.

    `alarm_arns`: of the alarms that it begins with.
    """
    graphs = [
        *(_of_ours(environment, service, each) for each in METRICS if service in each.services),
        *_of_aws(environment, service, services, nat_gateways, balancer),
    ]
    widgets = [_alarms(alarm_arns)]
    for place, (title, says, series) in enumerate(graphs):
        properties = {
            "title": title,
            "metrics": series,
            "period": _PERIOD_S,
            "region": environment.region,
            "view": "timeSeries",
            "yAxis": {"left": {"min": 0, "label": says, "showUnits": False}},
        }
        widgets.append(
            {
                "type": "metric",
                "x": place * _WIDTH % _WIDE,
                "y": _HEIGHT * (1 + place * _WIDTH // _WIDE),
                "width": _WIDTH,
                "height": _HEIGHT,
                "properties": properties,
            }
        )
    return msgspec.json.encode({"widgets": widgets}).decode()


def _alarms(arns: Sequence[str]) -> dict[str, Any]:
    properties = {"title": "Alarms", "alarms": list(arns)}
    return {"type": "alarm", "x": 0, "y": 0, "width": _WIDE, "height": _HEIGHT, "properties": properties}


_Graph = tuple[str, str, list[Series]]


def _of_ours(environment: Environment, service: str, metric: Metric) -> _Graph:
    """Counters and gauges a line for each venue, percentiles of all together and the worst of each venue."""
    where = [registry.ENVIRONMENT, environment.name, registry.SERVICE, service]
    venues = [[registry.VENUE, str(each)] for each in Venue] if metric.by_venue else []
    lines = _LINES[metric.kind]
    series: list[Series] = []
    if not venues or isinstance(metric, Distribution):
        series += [_line(registry.NAMESPACE, metric.name, where, stat) for stat in lines]
    for venue in venues:
        label = f"{venue[1]} {lines[-1]}" if isinstance(metric, Distribution) else venue[1]
        series.append(_line(registry.NAMESPACE, metric.name, [*where, *venue], lines[-1], label))
    per = " a minute" if isinstance(metric, Counter) else ""
    return metric.name, metric.unit.lower() + per, series


def _of_aws(
    environment: Environment,
    service: str,
    services: Mapping[str, Sequence[Running]],
    nat_gateways: Mapping[str, str],
    balancer: str,
) -> Iterable[_Graph]:
    for title, says, measured in (
        ("Tasks", "count", (registry.TASKS_RUNNING, registry.TASKS_WANTED)),
        ("CPU", "units", (registry.TASK_CPU,)),
        ("Memory", "MB", (registry.TASK_MEMORY,)),
    ):
        running = services[service]
        yield title, says, [_line_of(each, "Average", *where) for where in running for each in measured]
    if service == DASHBOARD:
        counts = (registry.BALANCER_REQUESTS, registry.BALANCER_ERRORS)
        yield "Requests", "count a minute", [_line_of(each, "Sum", balancer) for each in counts]
        yield (
            "Answers",
            "seconds",
            [_line_of(registry.BALANCER_TIME, each, balancer) for each in ("p50", "p99")],
        )
    if service == INGEST:
        yield (
            "NAT",
            "bytes a minute",
            [_line_of(registry.NAT_BYTES, "Sum", each) for each in nat_gateways.values()],
        )
    if service == OMS:
        queues = [environment.named(each.name) for each in schema.QUEUES]
        yield "Messages", "count", [_line_of(registry.QUEUE_DEPTH, "Maximum", each) for each in queues]
        yield "Oldest message", "seconds", [_line_of(registry.QUEUE_AGE, "Maximum", each) for each in queues]
        nodes = redis_nodes(environment)
        yield (
            "Redis memory",
            "percent",
            [_line_of(registry.REDIS_MEMORY, "Maximum", each, "0001") for each in nodes],
        )
        for title, measured in (
            ("Table units", (registry.TABLE_READS, registry.TABLE_WRITES)),
            ("Table throttles", (registry.TABLE_READS_THROTTLED, registry.TABLE_WRITES_THROTTLED)),
        ):
            tables = [environment.named(each.name) for each in schema.TABLES]
            yield (
                title,
                "count a minute",
                [_line_of(each, "Sum", table) for table in tables for each in measured],
            )


def _line_of(metric: AwsMetric, stat: str, *values: str) -> Series:
    where = [part for pair in zip(metric.by, values, strict=True) for part in pair]
    return _line(metric.namespace, metric.name, where, stat, f"{values[-1]} {metric.name}")


def _line(namespace: str, name: str, where: Sequence[str], stat: str, label: str = "") -> Series:
    return [namespace, name, *where, {"stat": stat, "label": label or stat}]
