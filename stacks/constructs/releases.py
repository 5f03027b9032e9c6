"""Blue and green: how CodeDeploy replaces what the load balancer asks."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from cdktf_cdktf_provider_aws.codedeploy_app import CodedeployApp
from cdktf_cdktf_provider_aws.codedeploy_deployment_group import (
    CodedeployDeploymentGroup,
    CodedeployDeploymentGroupAlarmConfiguration,
    CodedeployDeploymentGroupAutoRollbackConfiguration,
    CodedeployDeploymentGroupBlueGreenDeploymentConfig,
    CodedeployDeploymentGroupBlueGreenDeploymentConfigDeploymentReadyOption,
    CodedeployDeploymentGroupBlueGreenDeploymentConfigTerminateBlueInstancesOnDeploymentSuccess,
    CodedeployDeploymentGroupDeploymentStyle,
    CodedeployDeploymentGroupEcsService,
    CodedeployDeploymentGroupLoadBalancerInfo,
    CodedeployDeploymentGroupLoadBalancerInfoTargetGroupPairInfo,
    CodedeployDeploymentGroupLoadBalancerInfoTargetGroupPairInfoProdTrafficRoute,
    CodedeployDeploymentGroupLoadBalancerInfoTargetGroupPairInfoTargetGroup,
)
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from constructs import Construct

from stacks.environments import Environment
from stacks.policies import assumed_by

_STEPS: Final = "CodeDeployDefault.ECSCanary10Percent5Minutes"
_BACK_MINUTES: Final = 15
"""For how long the old side is kept running, so that the way back takes seconds."""
_MANAGED: Final = "arn:aws:iam::aws:policy/AWSCodeDeployRoleForECS"


class BlueGreen(Construct):
    """A tenth of the requests goes to the new side for five minutes, then all. An alarm takes it back."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        account: str,
        cluster: str,
        service: str,
        listener: str,
        target_groups: Mapping[str, tuple[str, str]],
        alarms: Sequence[str],
    ) -> None:
        """`cluster` and `service` by their names; `alarms`: the names of those that take a release back."""
        super().__init__(scope, f"{name}-releases")
        called = environment.named(name)
        app = CodedeployApp(self, "app", name=called, compute_platform="ECS")
        role = IamRole(
            self,
            "role",
            name=f"{called}-releases",
            description=f"CodeDeploy replaces the tasks of {called}",
            assume_role_policy=assumed_by("codedeploy.amazonaws.com", account=account),
        )
        IamRolePolicyAttachment(self, "replaces", role=role.name, policy_arn=_MANAGED)
        route = CodedeployDeploymentGroupLoadBalancerInfoTargetGroupPairInfoProdTrafficRoute(
            listener_arns=[listener]
        )
        sides = [
            CodedeployDeploymentGroupLoadBalancerInfoTargetGroupPairInfoTargetGroup(name=group)
            for group, _ in target_groups.values()
        ]
        events = ["DEPLOYMENT_FAILURE", *(["DEPLOYMENT_STOP_ON_ALARM"] if alarms else [])]
        CodedeployDeploymentGroup(
            self,
            "group",
            app_name=app.name,
            deployment_group_name=called,
            deployment_config_name=_STEPS,
            service_role_arn=role.arn,
            deployment_style=CodedeployDeploymentGroupDeploymentStyle(
                deployment_type="BLUE_GREEN", deployment_option="WITH_TRAFFIC_CONTROL"
            ),
            blue_green_deployment_config=CodedeployDeploymentGroupBlueGreenDeploymentConfig(
                deployment_ready_option=CodedeployDeploymentGroupBlueGreenDeploymentConfigDeploymentReadyOption(
                    action_on_timeout="CONTINUE_DEPLOYMENT"
                ),
                terminate_blue_instances_on_deployment_success=CodedeployDeploymentGroupBlueGreenDeploymentConfigTerminateBlueInstancesOnDeploymentSuccess(
                    action="TERMINATE", termination_wait_time_in_minutes=_BACK_MINUTES
                ),
            ),
            ecs_service=CodedeployDeploymentGroupEcsService(cluster_name=cluster, service_name=service),
            load_balancer_info=CodedeployDeploymentGroupLoadBalancerInfo(
                target_group_pair_info=CodedeployDeploymentGroupLoadBalancerInfoTargetGroupPairInfo(
                    prod_traffic_route=route, target_group=sides
                )
            ),
            auto_rollback_configuration=CodedeployDeploymentGroupAutoRollbackConfiguration(
                enabled=True, events=events
            ),
            alarm_configuration=CodedeployDeploymentGroupAlarmConfiguration(
                alarms=list(alarms), enabled=bool(alarms)
            ),
        )


def release(*, definition: str, container: str, port: int, provider: str) -> str:
    """The AppSpec by which a release of the service begins.

    It names the capacity provider, for CodeDeploy takes away the one of a service whose AppSpec names none.
    """
    properties = {
        "TaskDefinition": definition,
        "LoadBalancerInfo": {"ContainerName": container, "ContainerPort": port},
        "CapacityProviderStrategy": [{"CapacityProvider": provider, "Base": 0, "Weight": 1}],
    }
    target = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}
    return msgspec.json.encode({"version": 0.0, "Resources": [target]}).decode()
