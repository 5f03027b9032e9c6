"""What runs: task definitions, and the services that keep them running."""

from collections.abc import Sequence
from typing import Any

import msgspec
from cdktf import ITerraformDependable, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.ecs_service import (
    EcsService,
    EcsServiceAlarms,
    EcsServiceCapacityProviderStrategy,
    EcsServiceDeploymentCircuitBreaker,
    EcsServiceDeploymentController,
    EcsServiceLoadBalancer,
    EcsServiceNetworkConfiguration,
    EcsServiceOrderedPlacementStrategy,
)
from cdktf_cdktf_provider_aws.ecs_task_definition import EcsTaskDefinition
from constructs import Construct

from stacks.constructs.roles import TaskRoles
from stacks.environments import Environment, Tasks


class Logs(Construct):
    """A retained log group, encrypted with our key.

    Attributes:
        group: its name, `/ENVIRONMENT/NAME`.
    """

    def __init__(self, scope: Construct, name: str, *, environment: Environment, key: str) -> None:
        super().__init__(scope, f"{name}-logs")
        group = CloudwatchLogGroup(
            self,
            "group",
            name=f"/{environment.name}/{name}",
            retention_in_days=environment.log_days,
            kms_key_id=key,
        )
        self.group: str = group.name


class TaskDefinition(Construct):
    """A task in a network interface of its own, on machines of ours."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        containers: str,
        tasks: Tasks,
        roles: TaskRoles,
    ) -> None:
        super().__init__(scope, f"{name}-task")
        definition = EcsTaskDefinition(
            self,
            "definition",
            family=environment.named(name),
            requires_compatibilities=["EC2"],
            network_mode="awsvpc",
            cpu=str(tasks.cpu),
            memory=str(tasks.memory),
            task_role_arn=roles.task,
            execution_role_arn=roles.execution,
            container_definitions=containers,
        )
        self.arn: str = definition.arn


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where tasks run.

    Attributes:
        cluster: its ARN.
        provider: the name of the capacity provider that brings their machines.
        subnets, group: of their network interfaces.
        ready: after which the cluster takes tasks there.
    """

    cluster: str
    provider: str
    subnets: Sequence[str]
    group: str
    ready: ITerraformDependable


def _service(
    environment: Environment, name: str, *, place: Place, definition: str, first: int
) -> dict[str, Any]:
    """What every service is told. `first`: how many tasks it begins with; then scaling decides."""
    return {
        "name": environment.named(name),
        "cluster": place.cluster,
        "task_definition": definition,
        "desired_count": first,
        "capacity_provider_strategy": [
            EcsServiceCapacityProviderStrategy(capacity_provider=place.provider, base=0, weight=1)
        ],
        # over the zones, then over the machines: what fails takes as little with it as can be
        "ordered_placement_strategy": [
            EcsServiceOrderedPlacementStrategy(type="spread", field=field)
            for field in ("attribute:ecs.availability-zone", "instanceId")
        ],
        "network_configuration": EcsServiceNetworkConfiguration(
            subnets=list(place.subnets), security_groups=[place.group], assign_public_ip=False
        ),
        "enable_execute_command": environment.shells,
        "enable_ecs_managed_tags": True,
        "propagate_tags": "SERVICE",
    }


class RollingService(Construct):
    """A service that is released task by task, the new one first. A release that fails is taken back.

    Two tasks of different releases work side by side for a while: leases keep them apart.

    Attributes:
        name: as ECS calls it.
        ready: after which it can be scaled.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        place: Place,
        definition: str,
        first: int,
        alarms: Sequence[str],
    ) -> None:
        """`first`: how many tasks it begins with; `alarms`: the names of those that take a release back."""
        super().__init__(scope, f"{name}-service")
        service = EcsService(
            self,
            "service",
            **_service(environment, name, place=place, definition=definition, first=first),
            deployment_controller=EcsServiceDeploymentController(type="ECS"),
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker=EcsServiceDeploymentCircuitBreaker(enable=True, rollback=True),
            alarms=EcsServiceAlarms(alarm_names=list(alarms), enable=True, rollback=True),
            lifecycle=TerraformResourceLifecycle(ignore_changes=["desired_count"]),
            depends_on=[place.ready],
        )
        self.name: str = environment.named(name)
        self.ready: ITerraformDependable = service


class SwitchedService(Construct):
    """A service whose releases CodeDeploy puts beside the running one and then switches the balancer over.

    Terraform makes the first; what runs afterwards is CodeDeploy's.

    Attributes:
        name: as ECS calls it.
        ready: after which it can be scaled.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        place: Place,
        definition: str,
        first: int,
        port: int,
        target_group: str,
        listener: ITerraformDependable,
    ) -> None:
        """`first`: how many tasks it begins with; `port`: where the target group asks them."""
        super().__init__(scope, f"{name}-service")
        service = EcsService(
            self,
            "service",
            **_service(environment, name, place=place, definition=definition, first=first),
            deployment_controller=EcsServiceDeploymentController(type="CODE_DEPLOY"),
            load_balancer=[
                EcsServiceLoadBalancer(
                    container_name=name, container_port=port, target_group_arn=target_group
                )
            ],
            health_check_grace_period_seconds=60,
            lifecycle=TerraformResourceLifecycle(
                ignore_changes=[
                    "capacity_provider_strategy",
                    "desired_count",
                    "load_balancer",
                    "task_definition",
                ]
            ),
            depends_on=[place.ready, listener],
        )
        self.name: str = environment.named(name)
        self.ready: ITerraformDependable = service
