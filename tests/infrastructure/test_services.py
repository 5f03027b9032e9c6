"""Laws of the services, read from the configuration that Terraform gets."""

import base64
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from spider_common.settings import CommonSettings, IngestSettings, OmsSettings, read
from spider_common.telemetry.health import STARTS_WITHIN_S
from stacks.containers import COLLECTOR, LONGEST_STOP_S, definitions
from stacks.containers import Logs as Stream
from stacks.environments import DEV, ENVIRONMENTS
from stacks.rules import problems
from stacks.tasks import running
from tests.infrastructure.reading import Body, Configuration, differences, named, of, one

pytest.importorskip("cdktf", reason="`make synth` installs the bindings")

from stacks.constructs.scaling import CPU_PERCENT, MEMORY_PERCENT

SETTINGS: dict[str, type[CommonSettings]] = {"oms": OmsSettings, "ingest": IngestSettings}


def containers(services: Configuration) -> Iterator[tuple[str, Body]]:
    """Every container with its service; the collector beside it too."""
    for body in of(services, "aws_ecs_task_definition").values():
        both = msgspec.json.decode(body["container_definitions"])
        for container in both:
            yield both[0]["name"], container


def own(services: Configuration) -> Iterator[tuple[str, Body]]:
    """The container of each service, for every way out."""
    return ((service, each) for service, each in containers(services) if each["name"] == service)


def told(container: Body) -> dict[str, str]:
    """A container's environment."""
    return {each["name"]: each["value"] for each in container["environment"]}


def test_no_stack_breaks_a_rule(services: Configuration, name: str) -> None:
    """What was written keeps every rule that its synthesis was held to, and there was something to hold."""
    assert sum(map(len, services["resource"].values())) > 40
    assert problems(services["resource"], protected=ENVIRONMENTS[name].protected) == []


def test_every_settings_field_is_set_by_its_task_and_nothing_else_is(services: Configuration) -> None:
    """A service reads from its task what it would not read from its defaults, to the last field.

    What is empty is said by saying nothing, for ECS drops a variable without a value.
    """
    seen = set()
    for service, container in own(services):
        if service not in SETTINGS:
            continue
        seen.add(service)
        variables, kind = told(container), SETTINGS[service]
        settings = read(kind, variables)  # refuses what is unknown or out of range
        fields = {f"SPIDER_{each.name.upper()}": each for each in msgspec.structs.fields(kind)}
        assert set(variables) <= set(fields)
        for variable, field in fields.items():
            assert variable in variables or getattr(settings, field.name) == field.default == ""
    assert seen == set(SETTINGS)


def test_an_order_task_knows_the_address_it_leaves_by(services: Configuration, name: str) -> None:
    """Its subnets leave by the gateway whose address it counts for; a gateway of two counts for its first."""
    row = ENVIRONMENTS[name]
    ways = {way.name: way for way in row.ways_out}
    assert len(ways) == row.nat_gateways
    for service in of(services, "aws_ecs_service").values():
        kind, _, way = service["name"].removeprefix(row.names_prefix).partition("-")
        if kind not in SETTINGS:
            continue
        definition = named(services, service["task_definition"])
        container = msgspec.json.decode(definition["container_definitions"])[0]
        zones = ways[way].zones
        assert f"egress_addresses.{zones[0]}}}" in told(container)["SPIDER_EGRESS_ADDRESS"]
        assert [
            re.findall(r"oms_subnets\.([\w-]+)", each) for each in service["network_configuration"]["subnets"]
        ] == [[zone] for zone in zones]


def test_tasks_that_share_a_limit_are_all_counted(services: Configuration, name: str) -> None:
    """Without the cache each keeps to its share, so no more run than were told; a release runs each twice."""
    row = ENVIRONMENTS[name]
    most = dict.fromkeys(SETTINGS, 0)
    for service in of(services, "aws_ecs_service").values():
        kind = service["name"].removeprefix(row.names_prefix).partition("-")[0]
        if kind not in SETTINGS:
            continue
        assert service["deployment_maximum_percent"] == 200
        bounds = [
            target["max_capacity"]
            for target in of(services, "aws_appautoscaling_target").values()
            if target["resource_id"].endswith(f"/{service['name']}")
        ]
        most[kind] += bounds[0] if bounds else service["desired_count"]
    counted = {told(each)["SPIDER_TASKS"] for service, each in own(services) if service in SETTINGS}
    assert counted == {str(2 * sum(most.values()))}


def test_nobody_in_a_task_is_root_or_writes_to_its_disk(services: Configuration) -> None:
    """Each container runs as nobody, without capabilities, on a root it cannot write, under an init."""
    found = list(containers(services))
    assert len(found) == 2 * len(of(services, "aws_ecs_task_definition"))
    for _, container in found:
        assert container["user"].split(":")[0] not in ("", "0", "root")
        assert container["readonlyRootFilesystem"] is True
        assert container["privileged"] is False
        assert container["linuxParameters"]["initProcessEnabled"] is True
        assert container["linuxParameters"]["capabilities"]["drop"] == ["ALL"]


def test_a_service_has_the_time_to_drain(services: Configuration) -> None:
    """The kill comes after the drain's end, and is not later than ECS grants."""
    for service, container in own(services):
        if service in SETTINGS:
            drain_ms = read(SETTINGS[service], told(container)).drain_ms
            assert drain_ms < 1_000 * container["stopTimeout"] <= 1_000 * LONGEST_STOP_S


def test_a_drain_that_ecs_does_not_grant_is_refused() -> None:
    """The error names the setting and what it may be at most."""
    with pytest.raises(ValueError, match="oms: drain_ms 111000 leaves ECS no time; at most 110000"):
        definitions(
            environment=DEV,
            service="oms",
            tasks=DEV.oms_tasks,
            image="x",
            variables={},
            healthy=(),
            drain_s=111,
            logs=Stream(group="x", stream="a"),
        )


def test_a_task_that_hangs_is_replaced(services: Configuration) -> None:
    """Each service is asked for its health: that its loop turns, told by a file in memory, or an answer."""
    for service, container in own(services):
        command = " ".join(container["healthCheck"]["command"])
        if service in SETTINGS:
            heartbeat = told(container)["SPIDER_HEARTBEAT"]
            assert heartbeat in command
            assert container["healthCheck"]["startPeriod"] > STARTS_WITHIN_S  # until it says so itself
            places = [each["containerPath"] for each in container["linuxParameters"]["tmpfs"]]
            assert any(heartbeat.startswith(f"{place}/") for place in places)
        else:
            assert f":{container['portMappings'][0]['containerPort']}/health" in command


def test_a_service_outlives_its_collector(services: Configuration) -> None:
    """Only the service itself ends a task. Its collector has its own limits; both fit into the task's."""
    for definition in of(services, "aws_ecs_task_definition").values():
        mine, collector = msgspec.json.decode(definition["container_definitions"])
        assert (mine["essential"], collector["essential"]) == (True, False)
        assert collector["image"] == COLLECTOR
        assert mine["memory"] + collector["memory"] == int(definition["memory"])
        assert mine["cpu"] + collector["cpu"] == int(definition["cpu"])


def test_images_are_releases_of_our_own_repositories(services: Configuration, name: str) -> None:
    """What runs is the tag that the table or the release gives."""
    for service, container in own(services):
        tag = ENVIRONMENTS[name].image_tag
        where = f"${{data.terraform_remote_state.state.outputs.repository_urls.{service}}}"
        assert container["image"] == f"{where}:{tag}"


def test_logs_are_kept_as_long_as_the_table_says(services: Configuration, name: str) -> None:
    """Every container writes to a group that is encrypted and forgets, and none waits for it."""
    groups = of(services, "aws_cloudwatch_log_group")
    assert {group["retention_in_days"] for group in groups.values()} == {ENVIRONMENTS[name].log_days}
    for _, container in containers(services):
        options = container["logConfiguration"]["options"]
        assert named(services, options["awslogs-group"])["name"].startswith(f"/{name}/")
        assert options["mode"] == "non-blocking"


def test_no_secret_is_written(services: Configuration) -> None:
    """No password, token or key has a value here: a secret is named by its ARN and read by who may."""
    whole = msgspec.json.encode(services).decode()
    assert not re.search(
        r"(?i)(password|passwd|secret_string|api_?key|private_key|passphrase)\W+[^\W_]", whole
    )
    for _, container in containers(services):
        for variable, value in told(container).items():
            assert not re.search("PASSWORD|SECRET|TOKEN|PASSPHRASE", variable)
            assert not re.search(r"://[^/@]*:[^/@]*@", value)


def test_tasks_stay_in_private_subnets(services: Configuration) -> None:
    """No task has a public address, order and ingest tasks and their machines are in their own subnets."""
    for service in of(services, "aws_ecs_service").values():
        network = service["network_configuration"]
        layer = "frontend" if "dashboard" in service["name"] else "oms"
        assert network["assign_public_ip"] is False
        assert all(f"outputs.{layer}_subnets." in each for each in network["subnets"])
        assert network["security_groups"] == [
            f"${{data.terraform_remote_state.state.outputs.security_groups.{layer}}}"
        ]
    for group in of(services, "aws_autoscaling_group").values():
        assert not any("public_subnets" in each for each in group["vpc_zone_identifier"])
    assert "public_subnets" not in msgspec.json.encode(of(services, "aws_ecs_service")).decode()


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


def test_a_shell_is_opened_outside_prod_only(services: Configuration, name: str) -> None:
    """ECS Exec is what the table says, and what is typed is logged and encrypted."""
    for service in of(services, "aws_ecs_service").values():
        assert service["enable_execute_command"] is ENVIRONMENTS[name].shells is (name != "prod")
    for cluster in of(services, "aws_ecs_cluster").values():
        shells = cluster["configuration"]["execute_command_configuration"]
        assert shells["log_configuration"]["cloud_watch_encryption_enabled"] is True
        assert shells["kms_key_id"].endswith(".outputs.logs_key_arn}")


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
    "shells": (".enable_execute_command", ".tmpfs[1]", ".tmpfs[2]", ".tmpfs[3]"),
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
