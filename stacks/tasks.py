"""What tasks are told, what they are called, and what says how many are needed. Pure."""

from typing import Any

from spider_common import schema
from spider_common.settings import CommonSettings, IngestSettings, OmsSettings
from spider_common.telemetry import registry
from stacks.alarms import Read, Running, of_aws
from stacks.containers import HEARTBEAT
from stacks.environments import Environment, WayOut
from stacks.handover import Handover


def _common(environment: Environment, handed: Handover, way: WayOut) -> dict[str, Any]:
    return {
        "aws_region": environment.region,
        "names_prefix": environment.names_prefix,
        "redis_url": f"rediss://{handed.redis_address}:6379",
        "redis_credential": handed.redis_credential_arn,
        # The address of the gateway's own zone stands for all that leaves by it. Where one gateway carries
        # both, nobody knows by which of them a connection leaves: there all share the limits of one.
        "egress_address": handed.egress_addresses[way.zones[0]],
        "tasks": environment.copying_tasks,
        "heartbeat": HEARTBEAT,
    }


def oms(environment: Environment, handed: Handover, way: WayOut) -> OmsSettings:
    """The order service's settings on one way out."""
    return OmsSettings(**_common(environment, handed, way))


def ingest(environment: Environment, handed: Handover, way: WayOut) -> IngestSettings:
    """The ingest service's settings on one way out."""
    return IngestSettings(**_common(environment, handed, way))


def drain_s(settings: CommonSettings) -> int:
    """How long a service finishes its work, rounded up to seconds."""
    return -(-settings.drain_ms // 1_000)


def running(environment: Environment) -> dict[str, list[Running]]:
    """Our name of a service -> what ECS knows of it, by cluster and service."""
    oms, frontend = environment.named("oms"), environment.named("frontend")
    ways = [way.name for way in environment.ways_out]
    return {
        "oms": [Running(oms, environment.named(f"oms-{way}")) for way in ways],
        "ingest": [Running(oms, environment.named(f"ingest-{way}")) for way in ways],
        "dashboard": [Running(frontend, environment.named("dashboard"))],
    }


def backlog(environment: Environment) -> dict[str, Read]:
    """What `backlog_each` counts with: what waits in the queue, and who works on it, by way out."""
    waiting = of_aws(registry.QUEUE_DEPTH, "Average", environment.named(schema.COPY.name))
    works = {
        f"running_{number}": of_aws(registry.TASKS_RUNNING, "Average", *where)
        for number, where in enumerate(running(environment)["oms"])
    }
    return {"waiting": waiting, **works}


def backlog_each(environment: Environment) -> str:
    """Messages that wait for each task of all ways out, which share one queue.

    A way whose tasks are not counted yet counts as none, and of no task as one.
    """
    works = " + ".join(f"FILL({each}, 0)" for each in backlog(environment) if each != "waiting")
    return f"FILL(waiting, 0) / IF(({works}) > 1, {works}, 1)"
