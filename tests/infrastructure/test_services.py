"""Laws of tasks, read from the configuration that Terraform gets."""

import re

import msgspec
import pytest

from spider_common.settings import CommonSettings, IngestSettings, OmsSettings, read
from spider_common.telemetry.health import STARTS_WITHIN_S
from stacks.containers import COLLECTOR, LONGEST_STOP_S, definitions
from stacks.containers import Logs as Stream
from stacks.environments import DEV, ENVIRONMENTS
from stacks.rules import problems
from tests.infrastructure.reading import (
    Configuration,
    containers,
    leaves,
    named,
    of,
    own,
    told,
)

pytest.importorskip("cdktf", reason="`make synth` installs the bindings")


SETTINGS: dict[str, type[CommonSettings]] = {"oms": OmsSettings, "ingest": IngestSettings}


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


def test_the_caches_password_is_read_from_its_secret(services: Configuration) -> None:
    """Tasks are told which secret holds it, not what it is, and what turns it turns that one."""
    (turned,) = of(services, "aws_secretsmanager_secret_rotation").values()
    for service, container in own(services):
        if service in SETTINGS:
            assert told(container)["SPIDER_REDIS_CREDENTIAL"] == turned["secret_id"]
            assert "@" not in told(container)["SPIDER_REDIS_URL"]


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
    secret = re.compile("password|passwd|secret_string|api_?key|private_key|passphrase", re.IGNORECASE)
    assert [path for path, _ in leaves(services["resource"]) if secret.search(path.rpartition(".")[2])] == []
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


def test_a_shell_is_opened_outside_prod_only(services: Configuration, name: str) -> None:
    """ECS Exec is what the table says, and what is typed is logged and encrypted."""
    for service in of(services, "aws_ecs_service").values():
        assert service["enable_execute_command"] is ENVIRONMENTS[name].shells is (name != "prod")
    for cluster in of(services, "aws_ecs_cluster").values():
        shells = cluster["configuration"]["execute_command_configuration"]
        assert shells["log_configuration"]["cloud_watch_encryption_enabled"] is True
        assert shells["kms_key_id"].endswith(".outputs.logs_key_arn}")
