"""Every metric there is, as constants. PURE.

Services emit these and no others; alarms and dashboards in stacks/ read these and no others; docs/metrics.md
is printed from them. A metric that no service emits, or that one emits which is not named for it, fails
`tests/unit/test_metric_registry.py`.
"""

from typing import Final, Literal

import msgspec

NAMESPACE: Final = "OmsSpider"
ENVIRONMENT: Final = "Environment"
SERVICE: Final = "Service"
VENUE: Final = "Venue"
"""The dimensions. Accounts and clients are none: each value is a time series that is paid for."""

LOCAL: Final = "local"

Service = Literal["oms", "ingest"]
Unit = Literal["Count", "Milliseconds", "Percent", "Seconds"]

OMS: Final[Service] = "oms"
INGEST: Final[Service] = "ingest"


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is measured.

    Attributes:
        says: what a value tells, for docs and dashboards.
        services: who emits it.
        by_venue: it has the dimension `VENUE` too.
    """

    name: str
    unit: Unit
    says: str
    services: tuple[Service, ...]
    by_venue: bool = False

    @property
    def kind(self) -> str:
        return type(self).__name__.lower()


class Counter(Metric, frozen=True, kw_only=True):
    """What is counted. Sums mean something over any time, any number of tasks and all venues."""


class Gauge(Metric, frozen=True, kw_only=True):
    """How things stand in one task, at one venue. Sums mean nothing: read the least or the most."""


class Distribution(Metric, frozen=True, kw_only=True):
    """Many values, of which percentiles mean something, over all tasks and venues too."""


def environment_of(names_prefix: str) -> str:
    """The value of the dimension `ENVIRONMENT`: what each table's name begins with, without the dash."""
    return names_prefix.removesuffix("-") or LOCAL


def dimension_sets(metric: Metric) -> tuple[tuple[str, ...], ...]:
    """Under which dimensions a metric is found. What sums up is there for all venues together as well."""
    whole = (ENVIRONMENT, SERVICE)
    if not metric.by_venue:
        return (whole,)
    return ((*whole, VENUE),) if isinstance(metric, Gauge) else (whole, (*whole, VENUE))


def series(service: Service, *, venues: int) -> int:
    """How many time series, each of which is paid for, a service makes of its metrics in an environment."""
    sets = [each for metric in METRICS if service in metric.services for each in dimension_sets(metric)]
    return sum(venues if VENUE in each else 1 for each in sets)


# What leaders do, and what becomes of it.

LEADER_ORDERS: Final = Counter(
    name="LeaderOrders",
    unit="Count",
    says="Facts about leaders' orders put on the queue, once for each shard; what was there before is not.",
    services=(INGEST,),
    by_venue=True,
)
EVENTS_COPIED: Final = Counter(
    name="EventsCopied",
    unit="Count",
    says="Leaders' events, and the desk's, whose orders were all sent or stand durably in doubt.",
    services=(OMS,),
)
ORDERS: Final = Counter(
    name="Orders",
    unit="Count",
    says="Followers' orders, amendments and cancels that a venue was asked for, each once: accepted, "
    "rejected or in doubt.",
    services=(OMS,),
    by_venue=True,
)
ORDER_ERRORS: Final = Counter(
    name="OrderErrors",
    unit="Count",
    says="Those of `Orders` that the venue rejected, or whose first answer left them in doubt.",
    services=(OMS,),
    by_venue=True,
)
ORDERS_DENIED: Final = Counter(
    name="OrdersDenied",
    unit="Count",
    says="Orders that we refused when their turn came; `spider reasons` has the reasons.",
    services=(OMS,),
)

# How long a copy takes, of orders answered at the first try: the stages add up to the whole.

COPY_LATENCY: Final = Distribution(
    name="CopyLatency",
    unit="Milliseconds",
    says="From reading the leader's push to the venue's answer to a follower's order.",
    services=(OMS,),
    by_venue=True,
)
INGEST_LATENCY: Final = Distribution(
    name="IngestLatency",
    unit="Milliseconds",
    says="First stage: from reading the push to putting it on the queue.",
    services=(OMS,),
)
QUEUE_LATENCY: Final = Distribution(
    name="QueueLatency",
    unit="Milliseconds",
    says="Second stage: on the queue, until a task has it.",
    services=(OMS,),
)
PLAN_LATENCY: Final = Distribution(
    name="PlanLatency",
    unit="Milliseconds",
    says="Third stage: reading what the plan depends on, and planning.",
    services=(OMS,),
)
SEND_LATENCY: Final = Distribution(
    name="SendLatency",
    unit="Milliseconds",
    says="Fourth stage: making it durable, and waiting for the rate budget.",
    services=(OMS,),
)
VENUE_LATENCY: Final = Distribution(
    name="VenueLatency",
    unit="Milliseconds",
    says="Last stage: from sending the order to the venue's answer.",
    services=(OMS,),
    by_venue=True,
)

# What is not as it should be.

DOUBTS_OPEN: Final = Gauge(
    name="DoubtsOpen",
    unit="Count",
    says="Orders that were sent and are not settled, which this task looks after.",
    services=(OMS,),
)
DOUBT_AGE: Final = Gauge(
    name="DoubtAge",
    unit="Seconds",
    says="For how long the oldest of them has not been settled; 0 of none.",
    services=(OMS,),
)
DRIFTS: Final = Gauge(
    name="Drifts",
    unit="Count",
    says="Positions that are not where they should be, for whatever reason, as the last round saw them.",
    services=(OMS,),
)
DRIFTS_ALARMING: Final = Gauge(
    name="DriftsAlarming",
    unit="Count",
    says="Those of `Drifts` that nothing we plan will change.",
    services=(OMS,),
)

# What ingest hears.

LEADER_SILENCE: Final = Gauge(
    name="LeaderSilence",
    unit="Seconds",
    says="For how long the quietest socket of any leader has told nothing, not even a heartbeat.",
    services=(INGEST,),
)
SOCKET_SESSIONS: Final = Gauge(
    name="SocketSessions",
    unit="Count",
    says="Private sockets that are logged in and subscribed.",
    services=(INGEST,),
    by_venue=True,
)
RECONNECTS: Final = Counter(
    name="Reconnects",
    unit="Count",
    says="Sessions that ended and were opened anew.",
    services=(INGEST,),
    by_venue=True,
)
SILENT_ROTATIONS: Final = Counter(
    name="SilentRotations",
    unit="Count",
    says="Sockets that were replaced because they were open and did not tell what REST told.",
    services=(INGEST,),
)
FRAMES_UNREADABLE: Final = Counter(
    name="FramesUnreadable",
    unit="Count",
    says="Frames that are not as their venue documents them; the log line `frame.unreadable` keeps each.",
    services=(INGEST,),
)
SWEEP_FINDINGS: Final = Counter(
    name="SweepFindings",
    unit="Count",
    says="Orders and fills that a sweep found and no socket had told this task, such as after its start.",
    services=(INGEST,),
    by_venue=True,
)

# What both services stand on.

RATE_WAIT: Final = Distribution(
    name="RateWait",
    unit="Milliseconds",
    says="How long requests waited for their venue's limits.",
    services=(OMS, INGEST),
    by_venue=True,
)
RATE_USE: Final = Gauge(
    name="RateUse",
    unit="Percent",
    says="How much of the scarcest limit this task has used, of what the limit gives in that time.",
    services=(OMS, INGEST),
    by_venue=True,
)
CACHE_HITS: Final = Counter(
    name="CacheHits",
    unit="Count",
    says="Values that Redis had.",
    services=(OMS, INGEST),
)
CACHE_MISSES: Final = Counter(
    name="CacheMisses",
    unit="Count",
    says="Values that Redis did not have.",
    services=(OMS, INGEST),
)
CACHE_FAILURES: Final = Counter(
    name="CacheFailures",
    unit="Count",
    says="Calls that Redis did not answer; the services go on without it.",
    services=(OMS, INGEST),
)
LOOP_LAG: Final = Distribution(
    name="LoopLag",
    unit="Milliseconds",
    says="How much later than it should a task ran that wanted to run four times a second.",
    services=(OMS, INGEST),
)
TASKS_LIVING: Final = Gauge(
    name="TasksLiving",
    unit="Count",
    says="Trio tasks in the process.",
    services=(OMS, INGEST),
)

METRICS: Final = tuple(each for each in tuple(globals().values()) if isinstance(each, Metric))
BY_NAME: Final = {metric.name: metric for metric in METRICS}


class AwsMetric(msgspec.Struct, frozen=True, kw_only=True):
    """A metric that AWS keeps of what we run on. `says` as above, `by`: its dimensions."""

    namespace: str
    name: str
    by: tuple[str, ...]
    says: str


def _of_queue(name: str, says: str) -> AwsMetric:
    return AwsMetric(namespace="AWS/SQS", name=name, by=("QueueName",), says=says)


def _of_table(name: str, says: str) -> AwsMetric:
    return AwsMetric(namespace="AWS/DynamoDB", name=name, by=("TableName",), says=says)


def _of_service(name: str, says: str) -> AwsMetric:
    return AwsMetric(
        namespace="ECS/ContainerInsights", name=name, by=("ClusterName", "ServiceName"), says=says
    )


def _of_balancer(name: str, says: str) -> AwsMetric:
    return AwsMetric(namespace="AWS/ApplicationELB", name=name, by=("LoadBalancer",), says=says)


QUEUE_DEPTH: Final = _of_queue("ApproximateNumberOfMessagesVisible", "Messages that wait for a task.")
QUEUE_AGE: Final = _of_queue("ApproximateAgeOfOldestMessage", "How old the oldest of them is, in seconds.")
TABLE_READS: Final = _of_table("ConsumedReadCapacityUnits", "Read units that were used.")
TABLE_WRITES: Final = _of_table("ConsumedWriteCapacityUnits", "Write units that were used.")
TABLE_READS_THROTTLED: Final = _of_table("ReadThrottleEvents", "Reads that were turned away.")
TABLE_WRITES_THROTTLED: Final = _of_table("WriteThrottleEvents", "Writes that were turned away.")
TASKS_RUNNING: Final = _of_service("RunningTaskCount", "Tasks of a service that run.")
TASKS_WANTED: Final = _of_service("DesiredTaskCount", "Tasks of a service that should run.")
TASK_CPU: Final = _of_service("CpuUtilized", "CPU units that a service's tasks use.")
TASK_MEMORY: Final = _of_service("MemoryUtilized", "Megabytes that a service's tasks use.")
REDIS_MEMORY: Final = AwsMetric(
    namespace="AWS/ElastiCache",
    name="DatabaseMemoryUsagePercentage",
    by=("CacheClusterId", "CacheNodeId"),
    says="How full a node's memory is, in percent of what may be used.",
)
NAT_BYTES: Final = AwsMetric(
    namespace="AWS/NATGateway",
    name="BytesOutToDestination",
    by=("NatGatewayId",),
    says="Bytes that left for venues, and where endpoints are not paid for, for AWS.",
)
ROTATION_ERRORS: Final = AwsMetric(
    namespace="AWS/Lambda",
    name="Errors",
    by=("FunctionName",),
    says="Steps in which the rotation of Redis' password failed.",
)
BALANCER_REQUESTS: Final = _of_balancer("RequestCount", "Requests to the dashboard.")
BALANCER_ERRORS: Final = _of_balancer("HTTPCode_Target_5XX_Count", "Those that the dashboard failed at.")
BALANCER_TIME: Final = _of_balancer("TargetResponseTime", "How long it took to answer, in seconds.")

AWS_METRICS: Final = tuple(each for each in tuple(globals().values()) if isinstance(each, AwsMetric))
