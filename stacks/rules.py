"""What no stack may contain, as pure questions asked of the synthesized configuration.

Each answer is an error of the synthesis that names the resource and the fix. `stacks.guard` asks them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from spider_common.telemetry.registry import BY_NAME, NAMESPACE, SERVICE, dimension_sets
from stacks.alarms import RUNBOOK
from stacks.policies import REASON

Body = Mapping[str, Any]
Resources = Mapping[str, Mapping[str, Body]]
"""Type -> name -> body, as Terraform's JSON has them under `resource`."""

_EVERYWHERE: Final = ("0.0.0.0/0", "::/0")
_WEB: Final = (80, 443)
_TRUE: Final = (True, "true")
"""The provider takes some switches as text."""

# where each kind of store names the key it is encrypted with
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "aws_backup_vault": ("kms_key_arn",),
    "aws_cloudtrail": ("kms_key_id",),
    "aws_cloudwatch_log_group": ("kms_key_id",),
    "aws_dynamodb_table": ("server_side_encryption", "kms_key_arn"),
    "aws_ecr_repository": ("encryption_configuration", "kms_key"),
    "aws_elasticache_replication_group": ("kms_key_id",),
    "aws_lambda_function": ("kms_key_arn",),
    "aws_secretsmanager_secret": ("kms_key_id",),
    "aws_sns_topic": ("kms_master_key_id",),
    "aws_sqs_queue": ("kms_master_key_id",),
}
STATEFUL: Final = (
    "aws_backup_vault",
    "aws_cognito_user_pool",
    "aws_dynamodb_table",
    "aws_ecr_repository",
    "aws_eip",
    "aws_elasticache_replication_group",
    "aws_kms_key",
    "aws_s3_bucket",
    "aws_secretsmanager_secret",
    "aws_sqs_queue",
)
"""What cannot be made again as it was once it is deleted."""

# the service's own refusal to delete, beside Terraform's
_DELETION: Final[Mapping[str, tuple[str, object]]] = {
    "aws_cognito_user_pool": ("deletion_protection", "ACTIVE"),
    "aws_dynamodb_table": ("deletion_protection_enabled", True),
    "aws_lb": ("enable_deletion_protection", True),
}


class Problem(NamedTuple):
    """A resource that may not be deployed, and what to write instead."""

    resource: str
    fix: str

    def __str__(self) -> str:
        return f"{self.resource}: {self.fix}"


def problems(resources: Resources, *, protected: bool) -> list[Problem]:
    """Everything in a stack that may not be deployed. `protected`: in an environment that keeps its state."""
    found = [problem for rule in _RULES for problem in rule(resources)]
    return found + (list(unprotected(resources)) if protected else [])


def unencrypted(resources: Resources) -> Iterator[Problem]:
    """A store, a log or a queue that is not encrypted with one of our keys."""
    for kind, path in _KEYS.items():
        for name, body in resources.get(kind, {}).items():
            if not _within(body, path):
                yield Problem(f"{kind}.{name}", f"set {'.'.join(path)} to one of the environment's keys")
    for name, body in resources.get("aws_elasticache_replication_group", {}).items():
        # the provider takes the first as text
        if (
            body.get("at_rest_encryption_enabled") != "true"
            or body.get("transit_encryption_enabled") is not True
        ):
            fix = "set at_rest_encryption_enabled and transit_encryption_enabled"
            yield Problem(f"aws_elasticache_replication_group.{name}", fix)
    settings = resources.get("aws_s3_bucket_server_side_encryption_configuration", {}).values()
    for name in resources.get("aws_s3_bucket", {}):
        if not any(_names(each.get("bucket"), "aws_s3_bucket", name) for each in settings):
            yield Problem(f"aws_s3_bucket.{name}", "give it a server_side_encryption_configuration")
    for name, body in resources.get("aws_launch_template", {}).items():
        devices = body.get("block_device_mappings", [])
        if not devices or not all(_within(each, ("ebs", "encrypted")) in _TRUE for each in devices):
            yield Problem(f"aws_launch_template.{name}", "set ebs.encrypted on each block device mapping")


def without_dead_letters(resources: Resources) -> Iterator[Problem]:
    """A queue from which a message that nobody can handle never leaves."""
    queues = resources.get("aws_sqs_queue", {})
    targets = [str(body["redrive_policy"]) for body in queues.values() if body.get("redrive_policy")]
    functions = resources.get("aws_lambda_function", {}).values()
    targets += [str(_within(body, ("dead_letter_config", "target_arn"))) for body in functions]
    for name, body in queues.items():
        takes_them = any(_names(target, "aws_sqs_queue", name) for target in targets)
        if not body.get("redrive_policy") and not takes_them:
            fix = "set redrive_policy, or name it as the dead-letter queue of another or of a function"
            yield Problem(f"aws_sqs_queue.{name}", fix)


def public_addresses(resources: Resources) -> Iterator[Problem]:
    """A task, a machine or a subnet that gives itself a public address: venues know only two."""
    for kind, path in (
        ("aws_ecs_service", ("network_configuration", "assign_public_ip")),
        ("aws_instance", ("associate_public_ip_address",)),
        ("aws_subnet", ("map_public_ip_on_launch",)),
    ):
        for name, body in resources.get(kind, {}).items():
            if _within(body, path):
                yield Problem(f"{kind}.{name}", f"set {'.'.join(path)} to false and leave by NAT")
    for name, body in resources.get("aws_launch_template", {}).items():
        interfaces = body.get("network_interfaces", [])
        if any(each.get("associate_public_ip_address") in _TRUE for each in interfaces):
            yield Problem(f"aws_launch_template.{name}", "set associate_public_ip_address to false")


def open_ingress(resources: Resources) -> Iterator[Problem]:
    """A door to the world that is not the load balancer's 80 or 443."""
    groups = resources.get("aws_security_group", {})
    balancer = [name for name, body in groups.items() if str(body.get("name", "")).endswith("-alb")]
    for name, body in groups.items():
        if body.get("ingress") or body.get("egress"):
            fix = "write each rule as aws_vpc_security_group_ingress_rule or ..._egress_rule"
            yield Problem(f"aws_security_group.{name}", fix)
    for name, body in resources.get("aws_vpc_security_group_ingress_rule", {}).items():
        if body.get("cidr_ipv4") not in _EVERYWHERE and body.get("cidr_ipv6") not in _EVERYWHERE:
            continue
        its = any(_names(body.get("security_group_id"), "aws_security_group", group) for group in balancer)
        port = body.get("from_port")
        if not its or port not in _WEB or body.get("to_port") != port:
            fix = "name a security group instead of the world: only the load balancer's 80 and 443 are open"
            yield Problem(f"aws_vpc_security_group_ingress_rule.{name}", fix)


def wildcards(resources: Resources) -> Iterator[Problem]:
    """A permission for every action or on every resource that does not say why."""
    for kind, field in (
        ("aws_iam_policy", "policy"),
        ("aws_iam_role", "assume_role_policy"),
        ("aws_iam_role_policy", "policy"),
        ("aws_kms_key", "policy"),
        ("aws_s3_bucket_policy", "policy"),
        ("aws_sqs_queue_policy", "policy"),
    ):
        for name, body in resources.get(kind, {}).items():
            for statement in msgspec.json.decode(body[field])["Statement"] if body.get(field) else ():
                wide = [action for action in statement["Action"] if "*" in action]
                # in a key's own policy "*" is that key
                if kind != "aws_kms_key" and "*" in statement.get("Resource", ()):
                    wide.append("Resource *")
                explained = str(statement.get("Sid", "")).startswith(REASON)
                if wide and statement["Effect"] == "Allow" and not explained:
                    fix = f"{', '.join(wide)}: name what is needed, or say why in a Sid {REASON}..."
                    yield Problem(f"{kind}.{name}", fix)


def kept_for_ever(resources: Resources) -> Iterator[Problem]:
    """A log group that never forgets, and so is paid for without end."""
    for name, body in resources.get("aws_cloudwatch_log_group", {}).items():
        if not body.get("retention_in_days"):
            yield Problem(f"aws_cloudwatch_log_group.{name}", "set retention_in_days from the environment")


def deaf_alarms(resources: Resources) -> Iterator[Problem]:
    """An alarm on a metric that nobody emits, which never goes off, or one that says not what to do."""
    for name, body in resources.get("aws_cloudwatch_metric_alarm", {}).items():
        alarm = f"aws_cloudwatch_metric_alarm.{name}"
        if RUNBOOK not in str(body.get("alarm_description")):
            yield Problem(alarm, f"name its section of {RUNBOOK} in alarm_description")
        if not body.get("treat_missing_data"):
            yield Problem(alarm, "set treat_missing_data: what does it mean when nothing is told?")
        queries = [each["metric"] for each in body.get("metric_query", []) if each.get("metric")]
        for read in queries or [body]:
            if read.get("namespace") == NAMESPACE and (fix := _unheard(read)):
                yield Problem(alarm, fix)


def _unheard(read: Mapping[str, Any]) -> str:
    """Why a metric of ours that an alarm reads is never emitted; empty if it is."""
    name, where = read.get("metric_name", ""), read.get("dimensions", {})
    metric = BY_NAME.get(name)
    if metric is None:
        return f"{name} is emitted by nobody; name a metric of spider_common.telemetry.registry"
    if set(where) not in map(set, dimension_sets(metric)) or where[SERVICE] not in metric.services:
        return f"{name} is not emitted by {dict(where)}; see docs/metrics.md"
    return ""


def loose_containers(resources: Resources) -> Iterator[Problem]:
    """A container that runs as root, writes to its own disk, or has no init to hand on signals."""
    for name, body in resources.get("aws_ecs_task_definition", {}).items():
        for container in msgspec.json.decode(body["container_definitions"]):
            called = f"aws_ecs_task_definition.{name} {container['name']}"
            if str(container.get("user", "root")).partition(":")[0] in ("root", "0"):
                yield Problem(called, "set user to one without rights, as in 10001:10001")
            if container.get("privileged") or not container.get("readonlyRootFilesystem"):
                yield Problem(called, "set readonlyRootFilesystem, and privileged to false")
            if not _within(container, ("linuxParameters", "initProcessEnabled")):
                yield Problem(called, "set linuxParameters.initProcessEnabled")


def plain_doors(resources: Resources) -> Iterator[Problem]:
    """A listener that answers in clear with more than a redirect."""
    for name, body in resources.get("aws_lb_listener", {}).items():
        redirects = all(each.get("type") == "redirect" for each in body.get("default_action", []))
        if body.get("protocol") != "HTTPS" and not redirects:
            yield Problem(f"aws_lb_listener.{name}", "set protocol to HTTPS, or redirect to it")


def unprotected(resources: Resources) -> Iterator[Problem]:
    """What one command would delete, though it keeps state or is the only door."""
    for kind in STATEFUL:
        for name, body in resources.get(kind, {}).items():
            if not _within(body, ("lifecycle", "prevent_destroy")):
                yield Problem(f"{kind}.{name}", "set lifecycle.prevent_destroy")
            if kind == "aws_s3_bucket" and body.get("force_destroy"):
                yield Problem(f"{kind}.{name}", "leave force_destroy unset")
    for kind, (field, value) in _DELETION.items():
        for name, body in resources.get(kind, {}).items():
            if body.get(field) != value:
                yield Problem(f"{kind}.{name}", f"set {field} to {value}")


_RULES: Final[tuple[Callable[[Resources], Iterator[Problem]], ...]] = (
    unencrypted,
    without_dead_letters,
    public_addresses,
    open_ingress,
    wildcards,
    kept_for_ever,
    deaf_alarms,
    loose_containers,
    plain_doors,
)


def _within(body: Any, path: tuple[str, ...]) -> Any:
    for number, key in enumerate(path):
        if isinstance(body, list):  # as a block that may be repeated is written
            return bool(body) and all(_within(each, path[number:]) for each in body)
        body = body.get(key) if isinstance(body, Mapping) else None
    return body


def _names(reference: object, kind: str, name: str) -> bool:
    return f"{kind}.{name}." in str(reference)
