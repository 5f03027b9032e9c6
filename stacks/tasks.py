"""The settings that each service gets from the environment it is deployed in. Pure."""

from typing import Any

from spider_common.settings import CommonSettings, IngestSettings, OmsSettings
from stacks.containers import HEARTBEAT
from stacks.environments import Environment, WayOut
from stacks.handover import Handover

REDIS_USER = "services"
REDIS_PORT = 6379


def _common(environment: Environment, handed: Handover, way: WayOut) -> dict[str, Any]:
    return {
        "aws_region": environment.region,
        "names_prefix": environment.names_prefix,
        "redis_url": f"rediss://{REDIS_USER}@{handed.redis_address}:{REDIS_PORT}",
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
