"""The containers of a task, as ECS's JSON. Pure.

Each runs as nobody, with no capability, on a root that it cannot write, under an init that hands on signals.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from stacks.environments import Environment, Tasks

USER: Final = "10001:10001"
HEARTBEAT: Final = "/run/spider/heartbeat"
HEALTH_PATH: Final = "/health"
"""Where the dashboard says that it serves."""
_AGENTS: Final = ("/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm")
"""Where the agent behind ECS Exec writes. AWS promises nothing on a root like this; with these it works."""
STOP_MARGIN_S: Final = 10
"""From the end of a drain to the kill: for the last logs, and for the machine to be slow in."""
LONGEST_STOP_S: Final = 120
"""What ECS grants at most on machines of one's own."""

START_S: Final = 300
"""How long a start may take: what ECS grants at most. A service says itself that it is late, before that."""

COLLECTOR: Final = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
COLLECTOR_CPU: Final = 128
COLLECTOR_MIB: Final = 192
SLOW_MS: Final = 1_000
"""A trace that took longer is kept, as is one with an error; of the others a few are."""
_KEPT_PERCENT: Final = 5


def answers(port: int) -> tuple[str, ...]:
    """Healthy while it answers over HTTP."""
    url = f"http://127.0.0.1:{port}{HEALTH_PATH}"
    return ("CMD", "python", "-c", f"import urllib.request as ask; ask.urlopen('{url}', timeout=3)")


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """Where a task's containers write: a group, and what its streams' names begin with."""

    group: str
    stream: str


def definitions(
    *,
    environment: Environment,
    service: str,
    tasks: Tasks,
    image: str,
    variables: Mapping[str, str],
    healthy: Sequence[str],
    drain_s: int,
    logs: Logs,
    port: int | None = None,
) -> str:
    """The containers of a service's task: the service, and the collector of its traces beside it.

    Args:
        variables: the service's environment.
        healthy: the command that fails when the service does not work.
        drain_s: how long it finishes its work after SIGTERM.
        port: where it is asked, if it is.

    Raises:
        ValueError: the drain does not fit into what ECS grants.
    """
    stop_s = drain_s + STOP_MARGIN_S
    if stop_s > LONGEST_STOP_S:
        raise ValueError(f"{service}: drain_ms {drain_s * 1_000} leaves ECS no time; at most "
                         f"{(LONGEST_STOP_S - STOP_MARGIN_S) * 1_000}")  # fmt: skip
    own: dict[str, Any] = {
        **_contained(service, image, environment=environment, logs=logs, shells=environment.shells),
        "essential": True,
        "cpu": tasks.cpu - COLLECTOR_CPU,
        "memory": tasks.memory - COLLECTOR_MIB,
        "stopTimeout": stop_s,
        "environment": _pairs(variables),
        "healthCheck": {
            "command": list(healthy),
            "interval": 10,
            "timeout": 5,
            "retries": 3,
            "startPeriod": START_S,
        },
        "portMappings": [{"containerPort": port, "hostPort": port, "protocol": "tcp"}] if port else [],
        "ulimits": [
            {"name": "nofile", "softLimit": 65_536, "hardLimit": 65_536}
        ],  # a socket for each account
    }
    return msgspec.json.encode([own, _collector(environment, logs)]).decode()


def _collector(environment: Environment, logs: Logs) -> dict[str, Any]:
    """Takes traces over OTLP on loopback and keeps those worth it. Copying goes on without it."""
    collector = _contained("collector", COLLECTOR, environment=environment, logs=logs, shells=False)
    told = {"AOT_CONFIG_CONTENT": msgspec.json.encode(collection(environment.region)).decode()}
    return {
        **collector,
        "essential": False,
        "cpu": COLLECTOR_CPU,
        "memory": COLLECTOR_MIB,
        "stopTimeout": 30,
        "environment": _pairs(told),
        "healthCheck": {
            "command": ["CMD", "/healthcheck"],
            "interval": 30,
            "timeout": 5,
            "retries": 3,
            "startPeriod": 15,
        },
        "portMappings": [],
    }


def collection(region: str) -> dict[str, Any]:
    """What the collector does, in its own words; JSON is YAML."""
    keep = [
        {"name": "failed", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
        {"name": "slow", "type": "latency", "latency": {"threshold_ms": SLOW_MS}},
        {"name": "some", "type": "probabilistic", "probabilistic": {"sampling_percentage": _KEPT_PERCENT}},
    ]
    loopback = {"grpc": {"endpoint": "127.0.0.1:4317"}, "http": {"endpoint": "127.0.0.1:4318"}}
    return {
        "extensions": {"health_check": {"endpoint": "127.0.0.1:13133"}},
        "receivers": {"otlp": {"protocols": loopback}},
        "processors": {
            "memory_limiter": {"check_interval": "1s", "limit_mib": COLLECTOR_MIB * 3 // 4},
            "tail_sampling": {"decision_wait": "10s", "num_traces": 5_000, "policies": keep},
            "batch": {},
        },
        "exporters": {"awsxray": {"region": region}},
        "service": {
            "extensions": ["health_check"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["memory_limiter", "tail_sampling", "batch"],
                    "exporters": ["awsxray"],
                }
            },
        },
    }


def _contained(
    name: str, image: str, *, environment: Environment, logs: Logs, shells: bool
) -> dict[str, Any]:
    writable = [_in_memory(HEARTBEAT.rpartition("/")[0], "noexec")]
    if shells:
        writable += map(_in_memory, _AGENTS)
    return {
        "name": name,
        "image": image,
        "user": USER,
        "privileged": False,
        "readonlyRootFilesystem": True,
        "linuxParameters": {
            "initProcessEnabled": True,
            "capabilities": {"add": [], "drop": ["ALL"]},
            "tmpfs": writable,
        },
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": logs.group,
                "awslogs-region": environment.region,
                "awslogs-stream-prefix": logs.stream,
                # a log that cannot be written holds up no order
                "mode": "non-blocking",
                "max-buffer-size": "8m",
            },
        },
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
    }


def _in_memory(path: str, *options: str) -> dict[str, Any]:
    return {"containerPath": path, "size": 8, "mountOptions": ["rw", "nosuid", "nodev", *options]}


def _pairs(variables: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(variables.items())]
