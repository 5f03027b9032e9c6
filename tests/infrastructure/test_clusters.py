"""Laws of what tasks run on and behind, of their releases and their number."""

import base64
import itertools
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from stacks.environments import ENVIRONMENTS
from stacks.tasks import running
from tests.infrastructure.reading import (
    Body,
    Configuration,
    differences,
    named,
    of,
    one,
    told,
)

pytest.importorskip("cdktf", reason="`make synth` installs the bindings")

from stacks.constructs.scaling import CPU_PERCENT, MEMORY_PERCENT


def test_machines_give_away_no_credentials(services: Configuration) -> None:
    """Their metadata needs a token that leaves no container, disks are encrypted, nobody reaches them."""
    for template in of(services, "aws_launch_template").values():
        options = template["metadata_options"]
        assert (options["http_tokens"], options["http_put_response_hop_limit"]) == ("required", 1)
        assert template["block_device_mappings"][0]["ebs"]["encrypted"] == "true"
        (interface,) = template["network_interfaces"]
        assert interface["associate_public_ip_address"] == "false"
        assert "security_groups.machines}" in interface["security_groups"][0]
        assert template["image_id"] == "resolve:ssm:${var.machine_image}"
        assert "key_name" not in template


def test_machines_come_and_go_with_the_tasks(services: Configuration, name: str) -> None:
    """Each group's size follows its provider, is drained before it shrinks, and adds up to the table's."""
    row, sizes = ENVIRONMENTS[name], dict[str, list[int]]()
    for provider in of(services, "aws_ecs_capacity_provider").values():
        scaling = provider["auto_scaling_group_provider"]
        assert scaling["managed_scaling"]["status"] == "ENABLED"
        assert scaling["managed_draining"] == scaling["managed_termination_protection"] == "ENABLED"
        group = named(services, scaling["auto_scaling_group_arn"])
        assert group["protect_from_scale_in"] is True
        size = sizes.setdefault(group["name"].split("-")[1], [0, 0])
        size[0] += group["min_size"]
        size[1] += group["max_size"]
    assert sizes == {
        "oms": [row.oms.least, row.oms.most],
        "frontend": [row.frontend.least, row.frontend.most],
    }


def test_machines_are_in_both_zones(services: Configuration, name: str) -> None:
    """Each cluster's machines are spread over the two zones of the environment."""
    for cluster, layer in (("oms", "oms_subnets"), ("frontend", "frontend_subnets")):
        zones = {
            zone
            for group in of(services, "aws_autoscaling_group").values()
            if group["name"].split("-")[1] == cluster
            for subnet in group["vpc_zone_identifier"]
            for zone in re.findall(rf"{layer}\.([\w-]+)", subnet)
        }
        assert zones == set(ENVIRONMENTS[name].zones)


def test_a_release_that_fails_is_taken_back(services: Configuration) -> None:
    """Order service and ingest start the new before they stop the old; CodeDeploy switches the dashboard."""
    kinds = []
    for service in of(services, "aws_ecs_service").values():
        kinds.append(service["deployment_controller"]["type"])
        if kinds[-1] == "ECS":
            assert service["deployment_circuit_breaker"] == {"enable": True, "rollback": True}
            assert service["deployment_minimum_healthy_percent"] == 100
    assert kinds.count("CODE_DEPLOY") == 1
    group = one(services, "aws_codedeploy_deployment_group")
    assert group["auto_rollback_configuration"]["enabled"] is True
    pair = group["load_balancer_info"]["target_group_pair_info"]
    assert len({each["name"] for each in pair["target_group"]}) == 2
    listener = named(services, pair["prod_traffic_route"]["listener_arns"][0])
    assert listener["port"] == 443


def test_a_release_is_watched_by_alarms_that_are_there(services: Configuration) -> None:
    """Each service names some of this stack, as references, so that it is made after them."""
    watched = [body["alarms"] for body in of(services, "aws_ecs_service").values() if "alarms" in body]
    assert len(watched) == len(of(services, "aws_ecs_service")) - 1
    assert all(each["enable"] and each["rollback"] for each in watched)
    switched = one(services, "aws_codedeploy_deployment_group")
    assert switched["alarm_configuration"]["enabled"] is True
    assert "DEPLOYMENT_STOP_ON_ALARM" in switched["auto_rollback_configuration"]["events"]
    for alarms in (*(each["alarm_names"] for each in watched), switched["alarm_configuration"]["alarms"]):
        assert alarms
        assert all(named(services, each)["alarm_name"] for each in alarms)


def test_what_is_watched_is_what_runs(services: Configuration, name: str) -> None:
    """Alarms and scaling know each service by the names under which it is deployed."""
    deployed = {
        (named(services, body["cluster"])["name"], body["name"])
        for body in of(services, "aws_ecs_service").values()
    }
    assert {each for several in running(ENVIRONMENTS[name]).values() for each in several} == deployed


def test_a_release_of_the_dashboard_keeps_its_machines_growing(services: Configuration) -> None:
    """CodeDeploy takes away the capacity provider of a service whose AppSpec names none."""
    spec = msgspec.json.decode(services["output"]["dashboard_release"]["value"])
    asked = spec["Resources"][0]["TargetService"]["Properties"]
    (dashboard,) = (
        service
        for service in of(services, "aws_ecs_service").values()
        if service["deployment_controller"]["type"] == "CODE_DEPLOY"
    )
    (first,) = dashboard["capacity_provider_strategy"]
    assert asked["CapacityProviderStrategy"] == [
        {"CapacityProvider": first["capacity_provider"], "Base": 0, "Weight": 1}
    ]
    assert asked["TaskDefinition"] == dashboard["task_definition"]


def test_tasks_follow_load_and_backlog(services: Configuration, name: str) -> None:
    """CPU and memory of each scaled service, and of the order service what waits for each task."""
    row = ENVIRONMENTS[name]
    policies: dict[str, dict[str, Body]] = {}
    for policy in of(services, "aws_appautoscaling_policy").values():
        service, _, kind = policy["name"].rpartition("-")
        tracking = policy["target_tracking_scaling_policy_configuration"]
        policies.setdefault(service, {})[kind] = tracking
    for service, by_kind in policies.items():
        assert by_kind["cpu"]["target_value"] == CPU_PERCENT
        assert by_kind["memory"]["target_value"] == MEMORY_PERCENT
        assert ("backlog" in by_kind) == service.startswith(row.named("oms-"))
    orders = [each["backlog"] for service, each in policies.items() if "backlog" in each]
    assert len(orders) == row.nat_gateways
    for tracking in orders:
        metrics = tracking["customized_metric_specification"]["metrics"]
        read_ = {each["id"]: each["metric_stat"]["metric"] for each in metrics if "metric_stat" in each}
        (expression,) = (each["expression"] for each in metrics if "expression" in each)
        assert [each["id"] for each in metrics if each["return_data"]] == ["backlog"]
        assert read_["waiting"]["metric_name"] == "ApproximateNumberOfMessagesVisible"
        counting = [each for each in read_.values() if each["metric_name"] == "RunningTaskCount"]
        counted = {each["value"] for metric in counting for each in metric["dimensions"]}
        services_ = {body["name"] for body in of(services, "aws_ecs_service").values()}
        assert {each for each in services_ if each.startswith(row.named("oms-"))} <= counted
        assert all(each in expression for each in read_)


def test_nothing_but_the_load_balancer_is_reachable_from_outside(services: Configuration) -> None:
    """One balancer in public subnets and nothing else; its door is the foundation's, and none is added."""
    assert [kind for kind in services["resource"] if "security_group" in kind or kind == "aws_eip"] == []
    public = [
        f"{kind}.{resource}"
        for kind, bodies in services["resource"].items()
        for resource, body in bodies.items()
        if "public_subnets" in msgspec.json.encode(body).decode()
    ]
    assert [each.partition(".")[0] for each in public] == ["aws_lb"]


def test_the_door_speaks_https_only(services: Configuration, name: str) -> None:
    """TLS 1.3, plain HTTP sent away, odd requests dropped, everything logged, a firewall before it."""
    balancer = one(services, "aws_lb")
    assert balancer["drop_invalid_header_fields"] is True
    assert balancer["desync_mitigation_mode"] == "strictest"
    assert balancer["access_logs"]["enabled"] is True
    assert balancer["enable_deletion_protection"] is ENVIRONMENTS[name].protected
    listeners = {each["port"]: each for each in of(services, "aws_lb_listener").values()}
    assert set(listeners) == {80, 443}
    assert listeners[443]["ssl_policy"].startswith("ELBSecurityPolicy-TLS13-1-3")
    (sent,) = listeners[80]["default_action"]
    assert (sent["type"], sent["redirect"]["protocol"]) == ("redirect", "HTTPS")
    rules = {each["name"]: each for each in one(services, "aws_wafv2_web_acl")["rule"]}
    assert "rate_based_statement" in rules["limit"]["statement"]
    assert sum("managed_rule_group_statement" in each["statement"] for each in rules.values()) == 4
    guarded = one(services, "aws_wafv2_web_acl_association")
    assert named(services, guarded["resource_arn"]) == balancer
    assert len(of(services, "aws_wafv2_web_acl_logging_configuration")) == 1


DIFFERENT = {
    # what the table's fields change, by a part of the path
    "nat_gateways": (
        "oms-b",
        "ingest-b",
        "nat-bytes-b",
        ".dashboard_body",
        ".subnets[1]",
        ".vpc_zone_identifier[1]",
        ".capacity_providers[1]",
        ".metrics[2]",
        ".metrics[3]",
    ),
    "oms, frontend": (".instance_type", ".min_size", ".max_size"),
    "tasks": (".cpu", ".memory", "SPIDER_TASKS", ".desired_count", ".min_capacity", ".max_capacity"),
    "redis": ("_redis-memory-",),
    "log_days": (".retention_in_days",),
    "protected": (
        ".enable_deletion_protection",
        ".force_delete",
        ".deletion_window_in_days",
        ".prevent_destroy",
    ),
    "shells": ("_task-may_", ".enable_execute_command", ".tmpfs[1]", ".tmpfs[2]", ".tmpfs[3]"),
}


def test_environments_differ_only_where_the_table_says_so(
    services_configurations: Mapping[str, Configuration],
) -> None:
    """With names made equal, what still differs is named by a field of the table."""
    opened = {name: opened_up(each) for name, each in services_configurations.items()}
    allowed = tuple(itertools.chain.from_iterable(DIFFERENT.values()))
    different = differences(opened)
    assert [path for path in sorted(different) if not any(each in path for each in allowed)] == []
    assert [each for each in allowed if not any(each in path for path in different)] == []


def opened_up(services: Configuration) -> Configuration:
    """The configuration with the JSON inside its texts read, so that paths lead into it."""
    whole = msgspec.json.decode(msgspec.json.encode(services))
    for body in whole["resource"]["aws_ecs_task_definition"].values():
        both = msgspec.json.decode(body["container_definitions"])
        for container in both:
            container["environment"] = told(container)
        body["container_definitions"] = both
    for body in whole["resource"]["aws_launch_template"].values():
        body["user_data"] = base64.b64decode(body["user_data"]).decode()
    resources: dict[str, Any] = {"resource": whole["resource"]}
    return resources
