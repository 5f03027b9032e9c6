"""The environments as one typed table. Pure: what differs between dev, staging and prod stands here only.

Each row is checked when it is made, the rows against each other when this module is imported, so that a
wrong row is an error before anything is synthesized.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network
from itertools import combinations
from typing import Final, Literal

import msgspec

LOG_RETENTION_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731)
"""What CloudWatch Logs takes, up to two years."""

BACKUP_STARTS_WITHIN_MINUTES: Final = 60
"""How long after its time a backup may begin: the shortest that AWS Backup takes."""

_PREFIX: Final = 16  # of an environment's network: room for 16 subnets of 4,096 addresses
_SUBNET_PREFIX: Final = 20
_BACKUP_MINUTES: Final = (60, 120, 180, 240, 360, 480, 720, 1_440)  # divide a day, as schedules must


class BadEnvironment(ValueError):
    """A row of the table cannot be deployed, or is not there. The text names the field and the fix."""


class Redis(msgspec.Struct, frozen=True, kw_only=True):
    """The shared cache.

    Attributes:
        node_type: the instance type of each node.
        shards: 1 without cluster mode; more is cluster mode.
        replicas: of each shard; at least 1 lets a shard survive a zone.
        snapshot_days: for how many days daily snapshots are kept.
    """

    node_type: str
    shards: int
    replicas: int
    snapshot_days: int


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """The machines of one ECS cluster.

    Attributes:
        instance_type: of each machine.
        least, most: how many machines there may be.
    """

    instance_type: str
    least: int
    most: int


class Tasks(msgspec.Struct, frozen=True, kw_only=True):
    """The tasks of one service.

    Attributes:
        cpu: of each task; 1,024 are one processor.
        memory: of each task, MiB.
        least, most: how many there may be outside a release, in all zones together.
    """

    cpu: int
    memory: int
    least: int
    most: int


class WayOut(msgspec.Struct, frozen=True, kw_only=True):
    """What leaves the network by one NAT gateway.

    Attributes:
        name: of the zone that the gateway and its address are in: `a`.
        zones: whose private subnets leave by it, the gateway's own first.
    """

    name: str
    zones: tuple[str, ...]


MACHINES: Final[Mapping[str, tuple[int, int]]] = {
    "t3.small": (2_048, 1_848),
    "t3.medium": (2_048, 3_800),
    "t3.large": (2_048, 7_700),
}
"""Instance type -> the CPU units and MiB that ECS has for tasks there: what AWS states, less the system's."""
TASKS_EACH: Final = 2
"""How many tasks a machine takes: each has a network interface, and these machines have three."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment of the whole system.

    Attributes:
        name: names it in every resource: `dev-trading`.
        region, zones: where it is; two zones, each with one subnet of every kind.
        cidr: the network, a /16.
        nat_gateways: 1 carries both addresses, 2 carry one each.
        endpoint_zones: in how many zones AWS is reached without NAT. In dev the ten endpoints would cost as
            much as all the rest: there it is reached through NAT.
        oms, frontend: the two clusters; their numbers are of both zones together.
        oms_tasks, ingest_tasks, dashboard_tasks: what runs there.
        shells: whether a person may open a shell in a running task.
        redis: the shared cache.
        log_days: for how long logs are kept.
        point_in_time: whether tables can be restored to any second of the last 35 days.
        backup_minutes: the time between two scheduled backups.
        backup_days: for how long these are kept.
        rpo_minutes: how much of what was written a disaster may cost.
        rto_minutes: how long until it trades again.
        protected: whether what keeps state refuses to be deleted.
        audit_days: for how long no-one, administrators included, can delete the audit trail.
        image_tag: what is deployed; a release, `v1.2.3` or a commit. Not `latest` in prod.
        alarm_emails: who is told of alarms; may be empty, then alarms only stand in the console.
    """

    name: str
    region: str
    zones: tuple[str, ...]
    cidr: str
    nat_gateways: Literal[1, 2]
    endpoint_zones: Literal[0, 1, 2]
    oms: Cluster
    frontend: Cluster
    oms_tasks: Tasks
    ingest_tasks: Tasks
    dashboard_tasks: Tasks
    shells: bool
    redis: Redis
    log_days: int
    point_in_time: bool
    backup_minutes: int
    backup_days: int
    rpo_minutes: int
    rto_minutes: int
    protected: bool
    audit_days: int
    image_tag: str
    alarm_emails: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise BadEnvironment(f"environment {self.name!r}: {problem}")

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(self.cidr)

    def subnet(self, number: int) -> str:
        """The CIDR of one of the sixteen equal parts of the network."""
        return str(list(self.network.subnets(new_prefix=_SUBNET_PREFIX))[number])

    def named(self, name: str) -> str:
        """What a resource is called: the services put the same prefix before tables, queues and secrets."""
        return f"{self.names_prefix}{name}"

    @property
    def ways_out(self) -> tuple[WayOut, ...]:
        """A way for each NAT gateway. A zone without its own leaves by the other's."""
        return tuple(
            WayOut(name=zone[-1], zones=self.zones[number :: self.nat_gateways])
            for number, zone in enumerate(self.zones[: self.nat_gateways])
        )

    @property
    def copying_tasks(self) -> int:
        """How many tasks may use venues' rate limits at once: in a release old and new ones run together."""
        return 2 * (self.oms_tasks.most + self.ingest_tasks.most)

    @property
    def key_window_days(self) -> int:
        """How long a key that somebody deletes can still be kept."""
        return 30 if self.protected else 7

    @property
    def names_prefix(self) -> str:
        return f"{self.name}-"


def _problems(row: Environment) -> Iterable[str]:
    if not (row.name.isascii() and row.name.isalnum() and row.name.islower()):
        yield "name: use small letters and digits only, as in 'dev'"
    if len(row.zones) != 2:
        yield f"zones: {len(row.zones)} given; name two, one for each Elastic IP that venues are told"
    elif len(set(row.zones)) != 2 or not all(zone[:-1] == row.region for zone in row.zones):
        yield f"zones: {', '.join(row.zones)}; name two different ones of {row.region}, as in {row.region}a"
    try:
        network = IPv4Network(row.cidr)
    except ValueError as error:
        yield f"cidr: {error}; write the network's first address, as in 10.10.0.0/16"
    else:
        if network.prefixlen != _PREFIX or not network.is_private:
            yield f"cidr: {row.cidr} must be a private /{_PREFIX}, as in 10.10.0.0/16"
    if row.nat_gateways not in (1, 2):
        yield f"nat_gateways: {row.nat_gateways}; 1 carries both addresses, 2 carry one each"
    if row.endpoint_zones not in (0, 1, 2):
        yield f"endpoint_zones: {row.endpoint_zones}; there are two zones"
    for field, cluster in (("oms", row.oms), ("frontend", row.frontend)):
        if not 1 <= cluster.least <= cluster.most:
            yield f"{field}: least {cluster.least}, most {cluster.most}; at least 1, and not above most"
    for field, parted in (
        ("oms", row.oms),
        ("oms_tasks", row.oms_tasks),
        ("ingest_tasks", row.ingest_tasks),
    ):
        if parted.least % row.nat_gateways or parted.most % row.nat_gateways:
            yield f"{field}: least {parted.least}, most {parted.most}; {row.nat_gateways} gateways share them"
    yield from _crowded("oms", row.oms, row.oms_tasks, row.ingest_tasks)
    yield from _crowded("frontend", row.frontend, row.dashboard_tasks)
    if row.redis.shards < 1 or row.redis.replicas < 0 or row.redis.snapshot_days < 1:
        yield "redis: give at least one shard, no negative replicas and one day of snapshots"
    if row.log_days not in LOG_RETENTION_DAYS:
        yield f"log_days: {row.log_days}; CloudWatch takes {', '.join(map(str, LOG_RETENTION_DAYS))}"
    if row.backup_minutes not in _BACKUP_MINUTES:
        yield f"backup_minutes: {row.backup_minutes}; choose of {', '.join(map(str, _BACKUP_MINUTES))}"
    if not row.point_in_time and row.backup_minutes + BACKUP_STARTS_WITHIN_MINUTES > row.rpo_minutes:
        yield (
            f"backup_minutes: {row.backup_minutes} misses rpo_minutes {row.rpo_minutes}, for a backup begins "
            f"up to {BACKUP_STARTS_WITHIN_MINUTES} late; back up oftener"
        )
    if min(row.backup_days, row.rpo_minutes, row.rto_minutes, row.audit_days) < 1:
        yield "backup_days, rpo_minutes, rto_minutes and audit_days must be at least 1"
    if not row.image_tag or (row.protected and row.image_tag == "latest"):
        yield "image_tag: 'latest' names no release; give the commit or version that was tested"
    if row.protected and row.redis.replicas < 1:
        yield "redis: replicas 0 loses the cache with its zone; give at least 1 where protected"


def _crowded(field: str, cluster: Cluster, *services: Tasks) -> Iterable[str]:
    """Why a cluster has no room for what may run in it; in a release everything runs twice."""
    if cluster.instance_type not in MACHINES:
        yield f"{field}: {cluster.instance_type} is not measured; choose of {', '.join(MACHINES)}"
        return
    for tasks in services:
        if not 1 <= tasks.least <= tasks.most:
            yield f"{field}: tasks least {tasks.least}, most {tasks.most}; at least 1, and not above most"
    cpu, memory = MACHINES[cluster.instance_type]
    largest_cpu, largest = max(each.cpu for each in services), max(each.memory for each in services)
    if largest_cpu * TASKS_EACH > cpu or largest * TASKS_EACH > memory:
        yield f"{field}: {TASKS_EACH} tasks of {largest_cpu} units and {largest} MiB do not fit a machine"
    needed = -(-2 * sum(each.most for each in services) // TASKS_EACH)
    if needed > cluster.most:
        yield f"{field}: a release at full scale needs {needed} machines; most is {cluster.most}"


def _table(*rows: Environment) -> Mapping[str, Environment]:
    """The rows by name.

    Raises:
        BadEnvironment: two rows share a name or an address.
    """
    for one, other in combinations(rows, 2):
        if one.name == other.name:
            raise BadEnvironment(f"environment {one.name!r} stands twice in the table; rename one")
        if one.network.overlaps(other.network):
            raise BadEnvironment(
                f"environments {one.name!r} and {other.name!r}: cidr {one.cidr} overlaps {other.cidr}; "
                "give each a network of its own, or they can never be peered"
            )
    return {row.name: row for row in rows}


def environment(name: str, *, image_tag: str | None = None) -> Environment:
    """A row of the table, with the release to deploy in it where one is given.

    Raises:
        BadEnvironment: no row is named so, or the tag may not be deployed there.
    """
    if name not in ENVIRONMENTS:
        raise BadEnvironment(f"environment {name!r} is unknown; choose of {', '.join(ENVIRONMENTS)}")
    row = ENVIRONMENTS[name]
    return row if image_tag is None else msgspec.structs.replace(row, image_tag=image_tag)


DEV: Final = Environment(
    name="dev",
    region="us-east-1",
    zones=("us-east-1a", "us-east-1b"),
    cidr="10.10.0.0/16",
    nat_gateways=1,
    endpoint_zones=0,
    oms=Cluster(instance_type="t3.small", least=1, most=3),
    frontend=Cluster(instance_type="t3.small", least=1, most=2),
    oms_tasks=Tasks(cpu=768, memory=896, least=1, most=2),
    ingest_tasks=Tasks(cpu=768, memory=896, least=1, most=1),
    dashboard_tasks=Tasks(cpu=768, memory=896, least=1, most=2),
    shells=True,
    redis=Redis(node_type="cache.t3.micro", shards=1, replicas=0, snapshot_days=1),
    log_days=7,
    point_in_time=False,
    backup_minutes=720,
    backup_days=7,
    rpo_minutes=1_440,
    rto_minutes=480,
    protected=False,
    audit_days=1,
    image_tag="v0.1.0",
)
STAGING: Final = Environment(
    name="staging",
    region="us-east-1",
    zones=("us-east-1a", "us-east-1b"),
    cidr="10.20.0.0/16",
    nat_gateways=2,
    endpoint_zones=2,
    oms=Cluster(instance_type="t3.medium", least=2, most=6),
    frontend=Cluster(instance_type="t3.medium", least=2, most=4),
    oms_tasks=Tasks(cpu=1_024, memory=1_536, least=2, most=4),
    ingest_tasks=Tasks(cpu=1_024, memory=1_536, least=2, most=2),
    dashboard_tasks=Tasks(cpu=1_024, memory=1_536, least=2, most=4),
    shells=True,
    redis=Redis(node_type="cache.t3.small", shards=1, replicas=1, snapshot_days=7),
    log_days=14,
    point_in_time=False,
    backup_minutes=480,
    backup_days=14,
    rpo_minutes=720,
    rto_minutes=240,
    protected=False,
    audit_days=30,
    image_tag="v0.1.0",
)
PROD: Final = Environment(
    name="prod",
    region="us-east-1",
    zones=("us-east-1a", "us-east-1b"),
    cidr="10.30.0.0/16",
    nat_gateways=2,
    endpoint_zones=2,
    oms=Cluster(instance_type="t3.large", least=2, most=10),
    frontend=Cluster(instance_type="t3.large", least=2, most=10),
    oms_tasks=Tasks(cpu=1_024, memory=3_072, least=2, most=8),
    ingest_tasks=Tasks(cpu=1_024, memory=3_072, least=2, most=2),
    dashboard_tasks=Tasks(cpu=1_024, memory=2_048, least=2, most=8),
    shells=False,
    redis=Redis(node_type="cache.r6g.large", shards=2, replicas=1, snapshot_days=30),
    log_days=30,
    point_in_time=True,
    backup_minutes=60,
    backup_days=35,
    rpo_minutes=5,
    rto_minutes=60,
    protected=True,
    audit_days=365,
    image_tag="v0.1.0",
)

ENVIRONMENTS: Final = _table(DEV, STAGING, PROD)
