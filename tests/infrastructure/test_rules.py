"""Each rule refuses what it is for, names the fix, and lets the repaired resource pass. Pure: no bindings."""

import copy
from typing import Any

import msgspec
import pytest

from stacks import rules
from stacks.policies import allow, assumed_by, deny, document


def encode(container: dict[str, Any]) -> str:
    """The containers of a task, of which there is one."""
    return msgspec.json.encode([container]).decode()


KEY = "${aws_kms_key.stores.arn}"
GOOD: dict[str, dict[str, Any]] = {
    "aws_cloudwatch_log_group": {"log": {"kms_key_id": KEY, "retention_in_days": 7}},
    "aws_cloudwatch_metric_alarm": {
        "age": {
            "alarm_description": "An order is in doubt. What to do: docs/runbook.md#doubt-age",
            "treat_missing_data": "notBreaching",
            "metric_query": [
                {
                    "id": "age",
                    "metric": {
                        "namespace": "OmsSpider",
                        "metric_name": "DoubtAge",
                        "dimensions": {"Environment": "dev", "Service": "oms"},
                    },
                },
                {"id": "value", "expression": "age"},
            ],
        },
        "depth": {
            "alarm_description": "docs/runbook.md#queue-depth",
            "treat_missing_data": "notBreaching",
            "namespace": "AWS/SQS",
            "metric_name": "ApproximateNumberOfMessagesVisible",
        },
    },
    "aws_dynamodb_table": {
        "trading": {
            "server_side_encryption": {"enabled": True, "kms_key_arn": KEY},
            "deletion_protection_enabled": True,
            "lifecycle": {"prevent_destroy": True},
        }
    },
    "aws_ecr_repository": {
        "oms": {"encryption_configuration": [{"kms_key": KEY}], "lifecycle": {"prevent_destroy": True}}
    },
    "aws_ecs_service": {"oms": {"network_configuration": {"assign_public_ip": False}}},
    "aws_ecs_task_definition": {
        "oms": {
            "container_definitions": encode(
                {
                    "name": "oms",
                    "user": "10001:10001",
                    "readonlyRootFilesystem": True,
                    "linuxParameters": {"initProcessEnabled": True},
                }
            )
        }
    },
    "aws_elasticache_replication_group": {
        "cache": {
            "kms_key_id": KEY,
            "at_rest_encryption_enabled": "true",
            "transit_encryption_enabled": True,
            "lifecycle": {"prevent_destroy": True},
        }
    },
    "aws_iam_role_policy": {"task": {"policy": document(allow("sqs:SendMessage", on=["arn:aws:sqs:x"]))}},
    "aws_launch_template": {
        "oms": {
            "block_device_mappings": [{"ebs": {"encrypted": True}}],
            "network_interfaces": [{"associate_public_ip_address": False}],
        }
    },
    "aws_lambda_function": {
        "rotation": {
            "kms_key_arn": KEY,
            "dead_letter_config": {"target_arn": "${aws_sqs_queue.letters.arn}"},
        }
    },
    "aws_lb": {"door": {"enable_deletion_protection": True}},
    "aws_lb_listener": {
        "https": {"protocol": "HTTPS", "default_action": [{"type": "forward"}]},
        "http": {"protocol": "HTTP", "default_action": [{"type": "redirect"}]},
    },
    "aws_s3_bucket": {"audit": {"lifecycle": {"prevent_destroy": True}}},
    "aws_s3_bucket_server_side_encryption_configuration": {"audit": {"bucket": "${aws_s3_bucket.audit.id}"}},
    "aws_security_group": {"alb": {"name": "dev-alb"}, "oms": {"name": "dev-oms"}},
    "aws_sqs_queue": {
        "dlq": {"kms_master_key_id": KEY, "lifecycle": {"prevent_destroy": True}},
        "letters": {"kms_master_key_id": KEY, "lifecycle": {"prevent_destroy": True}},
        "copy": {
            "kms_master_key_id": KEY,
            "redrive_policy": '{"deadLetterTargetArn":"${aws_sqs_queue.dlq.arn}","maxReceiveCount":10}',
            "lifecycle": {"prevent_destroy": True},
        },
    },
    "aws_subnet": {"public": {"map_public_ip_on_launch": False}},
    "aws_vpc_security_group_ingress_rule": {
        "web": {
            "security_group_id": "${aws_security_group.alb.id}",
            "cidr_ipv4": "0.0.0.0/0",
            "from_port": 443,
            "to_port": 443,
        },
        "inside": {"security_group_id": "${aws_security_group.oms.id}", "from_port": 1, "to_port": 9},
    },
}
WRONG: list[tuple[str, Any, str]] = [
    ("aws_cloudwatch_log_group.log.kms_key_id", None, "set kms_key_id to one of"),
    ("aws_cloudwatch_log_group.log.retention_in_days", None, "set retention_in_days"),
    ("aws_cloudwatch_metric_alarm.age.alarm_description", None, "name its section of docs/runbook.md"),
    ("aws_cloudwatch_metric_alarm.age.treat_missing_data", None, "set treat_missing_data"),
    ("aws_cloudwatch_metric_alarm.age.metric_query.0.metric.metric_name", "DoubtAges", "emitted by nobody"),
    (
        "aws_cloudwatch_metric_alarm.age.metric_query.0.metric.dimensions.Service",
        "ingest",
        "is not emitted by",
    ),
    ("aws_cloudwatch_metric_alarm.age.metric_query.0.metric.dimensions.Venue", "okx", "is not emitted by"),
    ("aws_cloudwatch_metric_alarm.depth.namespace", "OmsSpider", "emitted by nobody"),
    ("aws_dynamodb_table.trading.server_side_encryption", None, "set server_side_encryption.kms_key_arn"),
    ("aws_dynamodb_table.trading.deletion_protection_enabled", False, "deletion_protection_enabled to True"),
    ("aws_dynamodb_table.trading.lifecycle", None, "set lifecycle.prevent_destroy"),
    ("aws_ecr_repository.oms.encryption_configuration", [{}], "set encryption_configuration.kms_key"),
    ("aws_ecs_service.oms.network_configuration.assign_public_ip", True, "to false and leave by NAT"),
    ("aws_elasticache_replication_group.cache.at_rest_encryption_enabled", "false", "at_rest_encryption"),
    ("aws_elasticache_replication_group.cache.transit_encryption_enabled", False, "transit_encryption"),
    ("aws_iam_role_policy.task.policy", document(allow("sqs:*", on=["arn:aws:sqs:x"])), "sqs:*: name what"),
    ("aws_iam_role_policy.task.policy", document(allow("sqs:SendMessage", on=["*"])), "Resource *: name"),
    ("aws_lambda_function.rotation.dead_letter_config", None, "or of a function"),
    ("aws_lambda_function.rotation.kms_key_arn", None, "set kms_key_arn to one of"),
    ("aws_launch_template.oms.block_device_mappings", [{"ebs": {}}], "set ebs.encrypted"),
    ("aws_launch_template.oms.block_device_mappings", [{"ebs": {"encrypted": "false"}}], "set ebs.encrypted"),
    ("aws_launch_template.oms.network_interfaces", [{"associate_public_ip_address": True}], "to false"),
    ("aws_launch_template.oms.network_interfaces", [{"associate_public_ip_address": "true"}], "to false"),
    ("aws_ecs_task_definition.oms.container_definitions", encode({"name": "x"}), "set user to one without"),
    (
        "aws_ecs_task_definition.oms.container_definitions",
        encode({"name": "x", "user": "1", "readonlyRootFilesystem": True, "privileged": True}),
        "privileged to false",
    ),
    (
        "aws_ecs_task_definition.oms.container_definitions",
        encode({"name": "x", "user": "1", "readonlyRootFilesystem": True}),
        "set linuxParameters.initProcessEnabled",
    ),
    ("aws_lb.door.enable_deletion_protection", False, "set enable_deletion_protection to True"),
    ("aws_lb_listener.https.protocol", "HTTP", "set protocol to HTTPS"),
    ("aws_s3_bucket.audit.force_destroy", True, "leave force_destroy unset"),
    ("aws_s3_bucket_server_side_encryption_configuration", {}, "server_side_encryption_configuration"),
    ("aws_security_group.oms.ingress", [{"from_port": 22}], "write each rule as"),
    ("aws_sqs_queue.copy.redrive_policy", None, "set redrive_policy"),
    ("aws_sqs_queue.copy.kms_master_key_id", None, "set kms_master_key_id"),
    ("aws_subnet.public.map_public_ip_on_launch", True, "to false and leave by NAT"),
    ("aws_vpc_security_group_ingress_rule.web.from_port", 22, "name a security group instead of the world"),
    ("aws_vpc_security_group_ingress_rule.web.to_port", 8443, "name a security group instead of the world"),
    ("aws_vpc_security_group_ingress_rule.inside.cidr_ipv6", "::/0", "name a security group"),
]


def test_what_keeps_every_rule_passes() -> None:
    """A stack with one good resource of each kind has no problem, in prod too."""
    assert rules.problems(GOOD, protected=True) == []


@pytest.mark.parametrize(("where", "value", "said"), WRONG)
def test_one_wrong_field_is_refused_with_the_resource_and_the_fix(where: str, value: Any, said: str) -> None:
    """A single change of the good stack gives an error that names the resource and what to write."""
    stack = copy.deepcopy(GOOD)
    *path, last = where.split(".")
    body: Any = stack
    for key in path:
        body = body[int(key)] if isinstance(body, list) else body[key]
    body[last] = value
    found = rules.problems(stack, protected=True)
    assert any(said in each.fix for each in found)
    assert all(each.resource.partition(".")[0] in GOOD for each in found)


def test_a_wildcard_that_says_why_passes() -> None:
    """`Because...` in the Sid is the reason; a denial needs none."""
    why = allow("xray:PutTraceSegments", on=["*"], sid="BecauseTracesAreNoResource")
    never = deny("sqs:*", on=["*"])
    stack = {"aws_iam_role_policy": {"task": {"policy": document(why, never)}}}
    assert rules.problems(stack, protected=True) == []


def test_a_role_is_taken_on_for_this_account_only() -> None:
    """The trust names the service and the account: no other account's resource may use it."""
    trust = assumed_by("backup.amazonaws.com", account="123456789012")
    assert '"aws:SourceAccount":"123456789012"' in trust
    assert rules.problems({"aws_iam_role": {"x": {"assume_role_policy": trust}}}, protected=False) == []


def test_what_keeps_state_may_be_deleted_outside_prod() -> None:
    """Protection is asked for where the environment is protected, and there only."""
    encrypted = "aws_s3_bucket_server_side_encryption_configuration"
    stack = {"aws_s3_bucket": {"audit": {}}, encrypted: GOOD[encrypted]}
    assert rules.problems(stack, protected=False) == []
    assert [each.fix for each in rules.problems(stack, protected=True)] == ["set lifecycle.prevent_destroy"]
