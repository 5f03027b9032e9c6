"""What tasks run on: clusters, and the machines in them that come and go with the tasks."""

import base64

from cdktf import Fn, ITerraformDependable, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.autoscaling_group import (
    AutoscalingGroup,
    AutoscalingGroupInstanceRefresh,
    AutoscalingGroupInstanceRefreshPreferences,
    AutoscalingGroupLaunchTemplate,
    AutoscalingGroupTag,
)
from cdktf_cdktf_provider_aws.ecs_capacity_provider import (
    EcsCapacityProvider,
    EcsCapacityProviderAutoScalingGroupProvider,
    EcsCapacityProviderAutoScalingGroupProviderManagedScaling,
)
from cdktf_cdktf_provider_aws.ecs_cluster import (
    EcsCluster,
    EcsClusterConfiguration,
    EcsClusterConfigurationExecuteCommandConfiguration,
    EcsClusterConfigurationExecuteCommandConfigurationLogConfiguration,
    EcsClusterSetting,
)
from cdktf_cdktf_provider_aws.ecs_cluster_capacity_providers import EcsClusterCapacityProviders
from cdktf_cdktf_provider_aws.iam_instance_profile import IamInstanceProfile
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from cdktf_cdktf_provider_aws.launch_template import (
    LaunchTemplate,
    LaunchTemplateBlockDeviceMappings,
    LaunchTemplateBlockDeviceMappingsEbs,
    LaunchTemplateIamInstanceProfile,
    LaunchTemplateMetadataOptions,
    LaunchTemplateMonitoring,
    LaunchTemplateNetworkInterfaces,
    LaunchTemplateTagSpecifications,
)
from constructs import Construct

from stacks import environments
from stacks.environments import Environment
from stacks.policies import allow, document

_MANAGED = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
_RENEWED_DAYS = 14
"""A machine lives no longer, so that it gets the mended system that its successor starts with."""


class Machines(Construct):
    """An auto scaling group whose size follows the tasks, and the capacity provider that sees to it.

    A machine that goes is drained first, and one with tasks does not go while there is another without.

    Attributes:
        provider: the name of the capacity provider.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        cluster: str,
        size: environments.Cluster,
        subnets: list[str],
        group: str,
        image: str,
        profile: str,
    ) -> None:
        super().__init__(scope, name)
        called = environment.named(name)
        template = LaunchTemplate(
            self,
            "template",
            name=called,
            image_id=f"resolve:ssm:{image}",
            instance_type=size.instance_type,
            update_default_version=True,
            iam_instance_profile=LaunchTemplateIamInstanceProfile(arn=profile),
            user_data=base64.b64encode(_user_data(cluster).encode()).decode(),
            monitoring=LaunchTemplateMonitoring(enabled=True),
            metadata_options=LaunchTemplateMetadataOptions(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            block_device_mappings=[
                LaunchTemplateBlockDeviceMappings(
                    device_name="/dev/xvda",
                    ebs=LaunchTemplateBlockDeviceMappingsEbs(
                        encrypted="true", volume_type="gp3", volume_size=30, delete_on_termination="true"
                    ),
                )
            ],
            network_interfaces=[
                LaunchTemplateNetworkInterfaces(
                    associate_public_ip_address="false",
                    security_groups=[group],
                    delete_on_termination="true",
                )
            ],
            tag_specifications=[
                LaunchTemplateTagSpecifications(resource_type=kind, tags={"Name": called})
                for kind in ("instance", "volume")
            ],
        )
        scaling = AutoscalingGroup(
            self,
            "scaling",
            name=called,
            min_size=size.least,
            max_size=size.most,
            vpc_zone_identifier=subnets,
            launch_template=AutoscalingGroupLaunchTemplate(
                id=template.id, version=Fn.tostring(template.latest_version)
            ),
            health_check_type="EC2",
            protect_from_scale_in=True,
            max_instance_lifetime=_RENEWED_DAYS * 86_400,
            force_delete=not environment.protected,
            instance_refresh=AutoscalingGroupInstanceRefresh(
                strategy="Rolling",
                preferences=AutoscalingGroupInstanceRefreshPreferences(
                    min_healthy_percentage=100,
                    max_healthy_percentage=200,
                    scale_in_protected_instances="Refresh",
                ),
            ),
            tag=[
                AutoscalingGroupTag(key=key, value=value, propagate_at_launch=True)
                for key, value in (("AmazonECSManaged", "true"), ("Environment", environment.name))
            ],
            lifecycle=TerraformResourceLifecycle(ignore_changes=["desired_capacity"]),
        )
        provider = EcsCapacityProvider(
            self,
            "provider",
            name=called,
            auto_scaling_group_provider=EcsCapacityProviderAutoScalingGroupProvider(
                auto_scaling_group_arn=scaling.arn,
                managed_draining="ENABLED",
                managed_termination_protection="ENABLED",
                managed_scaling=EcsCapacityProviderAutoScalingGroupProviderManagedScaling(
                    status="ENABLED",
                    target_capacity=100,
                    minimum_scaling_step_size=1,
                    maximum_scaling_step_size=2,
                    instance_warmup_period=120,
                ),
            ),
        )
        self.provider: str = provider.name


def _user_data(cluster: str) -> str:
    # a task reaches AWS by its own role, never by the machine's
    return "\n".join(
        (
            "#!/bin/bash",
            "cat >>/etc/ecs/ecs.config <<'END'",
            f"ECS_CLUSTER={cluster}",
            "ECS_AWSVPC_BLOCK_IMDS=true",
            "ECS_ENABLE_TASK_IAM_ROLE=true",
            "ECS_IMAGE_PULL_BEHAVIOR=prefer-cached",
            "END",
            "",
        )
    )


class Cluster(Construct):
    """An ECS cluster with machines for each way out, or for all zones together.

    Attributes:
        name, arn: of the cluster.
        providers: the key in `parts` -> its capacity provider.
        ready: after which the cluster takes tasks for them.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        size: environments.Cluster,
        parts: dict[str, list[str]],
        group: str,
        image: str,
        logs_key: str,
        shells: str,
    ) -> None:
        """`parts`: name -> the subnets of its machines; `shells`: the log group of what people type there."""
        super().__init__(scope, name)
        self.name: str = environment.named(name)
        cluster = EcsCluster(
            self,
            "cluster",
            name=self.name,
            setting=[EcsClusterSetting(name="containerInsights", value="enabled")],
            configuration=EcsClusterConfiguration(
                execute_command_configuration=EcsClusterConfigurationExecuteCommandConfiguration(
                    kms_key_id=logs_key,
                    logging="OVERRIDE",
                    log_configuration=EcsClusterConfigurationExecuteCommandConfigurationLogConfiguration(
                        cloud_watch_encryption_enabled=True, cloud_watch_log_group_name=shells
                    ),
                )
            ),
        )
        self.arn: str = cluster.arn
        profile = self._profile()
        each = environments.Cluster(
            instance_type=size.instance_type, least=size.least // len(parts), most=size.most // len(parts)
        )
        self.providers = {
            part: Machines(
                self,
                f"{name}-{part}" if part else name,
                environment=environment,
                cluster=self.name,
                size=each,
                subnets=subnets,
                group=group,
                image=image,
                profile=profile,
            ).provider
            for part, subnets in parts.items()
        }
        self.ready: ITerraformDependable = EcsClusterCapacityProviders(
            self, "providers", cluster_name=cluster.name, capacity_providers=list(self.providers.values())
        )

    def _profile(self) -> str:
        trust = document(allow("sts:AssumeRole", on=(), to={"Service": "ec2.amazonaws.com"}))
        role = IamRole(
            self,
            "machine",
            name=f"{self.name}-machine",
            description=f"The agent on a machine of {self.name} speaks to ECS",
            assume_role_policy=trust,
        )
        IamRolePolicyAttachment(self, "agent", role=role.name, policy_arn=_MANAGED)
        profile = IamInstanceProfile(self, "profile", name=f"{self.name}-machine", role=role.name)
        arn: str = profile.arn
        return arn
