"""What wakes somebody, as one table. Pure: `stacks.constructs.alarms` deploys it.

Each alarm reads metrics by their constants in `spider_common.telemetry.registry` and of a service that emits
them, says how it is evaluated and why so, and has a section in docs/runbook.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from spider_common import schema
from spider_common.telemetry import registry
from spider_common.telemetry.registry import INGEST, OMS, AwsMetric, Metric, Service
from stacks.environments import Environment

Statistic = Literal["Average", "Maximum", "Minimum", "Sum", "p95", "p99"]
Comparison = Literal["GreaterThanThreshold", "LessThanThreshold", "GreaterThanUpperThreshold"]
Missing = Literal["breaching", "notBreaching", "ignore", "missing"]
"""What CloudWatch takes a period without a value for."""

RUNBOOK: Final = "docs/runbook.md"
DASHBOARD: Final = "dashboard"
_MINUTE: Final = 60

BAND: Final = "band"
"""The id of the expression that an alarm against an expected band is held to."""


class BadAlarm(ValueError):
    """An alarm that could never go off. The text names it and the fix."""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """One series of a metric: under these dimensions, summed up so in each period.

    Raises:
        BadAlarm: nobody emits the metric under these dimensions.
    """

    metric: Metric | AwsMetric
    where: Mapping[str, str]
    statistic: Statistic

    def __post_init__(self) -> None:
        name, under = self.metric.name, tuple(self.where)
        if isinstance(self.metric, AwsMetric):
            if under != self.metric.by:
                raise BadAlarm(f"{name}: AWS keeps it by {', '.join(self.metric.by)}, not {', '.join(under)}")
            return
        if self.metric is not registry.BY_NAME.get(name):
            raise BadAlarm(f"{name}: nobody emits it; name a metric of spider_common.telemetry.registry")
        if under not in registry.dimension_sets(self.metric):
            raise BadAlarm(f"{name}: it is not emitted by {', '.join(under)}")
        if self.where[registry.SERVICE] not in self.metric.services:
            raise BadAlarm(f"{name}: {self.where[registry.SERVICE]} does not emit it")

    @property
    def namespace(self) -> str:
        return self.metric.namespace if isinstance(self.metric, AwsMetric) else registry.NAMESPACE


class Running(NamedTuple):
    """A service as ECS knows it: one of ours has one for each way out of the network."""

    cluster: str
    service: str


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be woken for.

    Attributes:
        name: without the environment's prefix.
        section: of the runbook, what it means and what to do.
        says: what is wrong, for whoever reads it in the dark.
        reads: id -> series.
        math: what is compared, of these ids; empty: the only series itself.
        periods, breaching: it goes off when so many of the last `periods` are beyond the threshold.
        missing: see `Missing`.
        why: of period, threshold and missing values.
    """

    name: str
    section: str
    says: str
    reads: Mapping[str, Read]
    math: str = ""
    comparison: Comparison = "GreaterThanThreshold"
    threshold: float = 0.0
    period_s: int = _MINUTE
    periods: int = 1
    breaching: int = 1
    missing: Missing
    why: str

    @property
    def description(self) -> str:
        return f"{self.says} What to do: {RUNBOOK}#{self.section}"


def ours(environment: Environment, service: Service, metric: Metric, statistic: Statistic) -> Read:
    """A metric that a service of ours emits, all venues together."""
    where = {registry.ENVIRONMENT: environment.name, registry.SERVICE: service}
    return Read(metric=metric, where=where, statistic=statistic)


def of_aws(metric: AwsMetric, statistic: Statistic, *values: str) -> Read:
    """A metric of AWS, with the values of its dimensions in their order."""
    return Read(metric=metric, where=dict(zip(metric.by, values, strict=True)), statistic=statistic)


def redis_nodes(environment: Environment) -> tuple[str, ...]:
    """The names that ElastiCache gives to the nodes of the cache."""
    redis, group = environment.redis, environment.named("cache")
    nodes = range(1, redis.replicas + 2)
    if redis.shards == 1:
        return tuple(f"{group}-{node:03}" for node in nodes)
    return tuple(f"{group}-{shard:04}-{node:03}" for shard in range(1, redis.shards + 1) for node in nodes)


def alarms(
    environment: Environment,
    *,
    services: Mapping[str, Sequence[Running]],
    nat_gateways: Mapping[str, str],
    balancer: str,
) -> tuple[Alarm, ...]:
    """Every alarm of an environment.

    Args:
        services: our name -> what runs of it.
        nat_gateways: way out of the network -> the id of its gateway.
        balancer: the load balancer, as CloudWatch calls it: the end of its ARN.
    """
    return (
        *_of_copying(environment),
        *_of_queues(environment),
        *_of_hearing(environment),
        *(_few_tasks(environment, each) for several in services.values() for each in several),
        *(_slow_loop(environment, service) for service in (OMS, INGEST)),
        *(_full_cache(environment, node) for node in redis_nodes(environment)),
        *(_odd_traffic(way, gateway) for way, gateway in nat_gateways.items()),
        _not_rotated(environment),
        _dashboard_fails(balancer),
    )


def _of_copying(environment: Environment) -> Iterable[Alarm]:
    yield Alarm(
        name="error-rate",
        section="error-rate",
        says="More than 5 % of the orders of five minutes were rejected or left in doubt.",
        reads={
            "errors": ours(environment, OMS, registry.ORDER_ERRORS, "Sum"),
            "orders": ours(environment, OMS, registry.ORDERS, "Sum"),
        },
        math="IF(errors >= 3, 100 * errors / orders, 0)",
        threshold=5,
        period_s=5 * _MINUTE,
        missing="notBreaching",
        why="Fewer than three errors are one client's, whom the drift alarm finds; no orders are no errors.",
    )
    yield Alarm(
        name="doubt-age",
        section="doubt-age",
        says="An order has been in doubt for more than a minute: nobody knows whether a venue has it.",
        reads={"age": ours(environment, OMS, registry.DOUBT_AGE, "Maximum")},
        threshold=60,
        missing="notBreaching",
        why="A doubt is proved or disproved within ten seconds while its venue answers; what is not told is "
        "the matter of the tasks alarm.",
    )
    yield Alarm(
        name="drift",
        section="drift",
        says="Positions are not where they should be, and nothing that is planned will change it.",
        reads={"drifts": ours(environment, OMS, registry.DRIFTS_ALARMING, "Maximum")},
        threshold=0,
        periods=2,
        breaching=2,
        missing="ignore",
        why="Believed after two rounds, half a minute apart. While no task looks, what was seen last holds.",
    )


def _of_queues(environment: Environment) -> Iterable[Alarm]:
    copy, letters = environment.named(schema.COPY.name), environment.named(schema.COPY_DLQ.name)
    yield Alarm(
        name="queue-depth",
        section="queue-depth",
        says="More than 1,000 messages wait to be copied.",
        reads={"depth": of_aws(registry.QUEUE_DEPTH, "Maximum", copy)},
        threshold=1_000,
        periods=3,
        breaching=2,
        missing="notBreaching",
        why="Two minutes of three: when ingest restarts all accounts tell at once, and that is gone in one. "
        "An idle queue is not told of.",
    )
    yield Alarm(
        name="message-age",
        section="message-age",
        says="A message has waited for more than a minute: copies are late.",
        reads={"age": of_aws(registry.QUEUE_AGE, "Maximum", copy)},
        threshold=60,
        periods=3,
        breaching=2,
        missing="notBreaching",
        why="Copies take under a second, and who waits for a dead task's lease does so for some ten.",
    )
    yield Alarm(
        name="dead-letters",
        section="dead-letters",
        says="Messages were set aside that no task could handle.",
        reads={"letters": of_aws(registry.QUEUE_DEPTH, "Maximum", letters)},
        threshold=0,
        missing="ignore",
        why="Each one is something that was not copied. An idle queue is not told of, and keeps its letters.",
    )


def _of_hearing(environment: Environment) -> Iterable[Alarm]:
    yield Alarm(
        name="leader-silence",
        section="leader-silence",
        says="A leader's socket has told nothing for a minute and a half, not even a heartbeat.",
        reads={"silence": ours(environment, INGEST, registry.LEADER_SILENCE, "Maximum")},
        threshold=90,
        periods=2,
        breaching=2,
        missing="breaching",
        why="Every venue answers a ping within half a minute. When nothing is told, nobody listens.",
    )


def _few_tasks(environment: Environment, running: Running) -> Alarm:
    name = running.service.removeprefix(environment.names_prefix)
    return Alarm(
        name=f"{name}-tasks",
        section="tasks",
        says=f"Fewer than half of the tasks of {name} that should run do.",
        reads={
            "running": of_aws(registry.TASKS_RUNNING, "Average", *running),
            "wanted": of_aws(registry.TASKS_WANTED, "Average", *running),
        },
        math="100 * running / wanted",
        comparison="LessThanThreshold",
        threshold=50,
        periods=3,
        breaching=2,
        missing="breaching",
        why="Two minutes of three: a task is started in one. A service that ECS does not count is not there.",
    )


def _slow_loop(environment: Environment, service: Service) -> Alarm:
    return Alarm(
        name=f"{service}-loop-lag",
        section="loop-lag",
        says=f"Something in {service} kept all its other tasks waiting for more than half a second.",
        reads={"lag": ours(environment, service, registry.LOOP_LAG, "Maximum")},
        threshold=500,
        periods=5,
        breaching=3,
        missing="notBreaching",
        why="Once may be a neighbour on the machine, three minutes of five are our code or its machine.",
    )


def _full_cache(environment: Environment, node: str) -> Alarm:
    return Alarm(
        name=f"redis-memory-{node.removeprefix(environment.named('cache-'))}",
        section="redis-memory",
        says=f"The memory of the cache's node {node} is more than 80 % full.",
        reads={"full": of_aws(registry.REDIS_MEMORY, "Maximum", node, "0001")},
        threshold=80,
        periods=5,
        breaching=5,
        missing="missing",
        why="Five minutes of five: it fills over days. Without the cache the services go on.",
    )


def _not_rotated(environment: Environment) -> Alarm:
    return Alarm(
        name="rotation",
        section="rotation",
        says="What the cache's user logs in with could not be turned: it stays what it is.",
        reads={"errors": of_aws(registry.ROTATION_ERRORS, "Sum", environment.named("rotation"))},
        threshold=0,
        period_s=5 * _MINUTE,
        missing="ignore",
        why="It is tried again by itself; between two tries, which may be days, the last one counts.",
    )


def _odd_traffic(way: str, gateway: str) -> Alarm:
    return Alarm(
        name=f"nat-bytes-{way}",
        section="nat-bytes",
        says=f"Far more leaves through the NAT gateway {way} than at this time on other days.",
        reads={"bytes": of_aws(registry.NAT_BYTES, "Sum", gateway)},
        math="ANOMALY_DETECTION_BAND(bytes, 3)",
        comparison="GreaterThanUpperThreshold",
        period_s=5 * _MINUTE,
        periods=3,
        breaching=3,
        missing="notBreaching",
        why="Three standard deviations for a quarter of an hour: a busy leader is over sooner.",
    )


def _dashboard_fails(balancer: str) -> Alarm:
    return Alarm(
        name="dashboard-errors",
        section="dashboard-errors",
        says="More than 5 % of the requests to the dashboard fail.",
        reads={
            "errors": of_aws(registry.BALANCER_ERRORS, "Sum", balancer),
            "requests": of_aws(registry.BALANCER_REQUESTS, "Sum", balancer),
        },
        math="IF(errors >= 3, 100 * errors / requests, 0)",
        threshold=5,
        periods=3,
        breaching=2,
        missing="notBreaching",
        why="It stops a release that fails. A balancer without requests, or without errors, tells nothing.",
    )


ROLLBACK: Final[Mapping[str, tuple[str, ...]]] = {
    OMS: ("error-rate", "oms-loop-lag"),
    INGEST: ("leader-silence", "ingest-loop-lag"),
    DASHBOARD: ("dashboard-errors",),
}
"""Service -> the alarms that take a release of it back."""
