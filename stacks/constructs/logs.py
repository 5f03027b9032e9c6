"""Log groups, and what AWS itself writes into them."""

from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.flow_log import FlowLog
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from constructs import Construct

from stacks.environments import Environment
from stacks.policies import allow, assumed_by, document


class WrittenByAws(Construct):
    """A log group with a role by which one service of AWS writes to it.

    Attributes:
        arn: the group.
        role: the ARN of the role.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        account: str,
        key: str,
        service: str,
    ) -> None:
        super().__init__(scope, name)
        group = CloudwatchLogGroup(
            self,
            "logs",
            name=f"/{environment.name}/{name}",
            retention_in_days=environment.log_days,
            kms_key_id=key,
        )
        role = IamRole(
            self,
            "writer",
            name=environment.named(f"{name}-writer"),
            description=f"{service} writes /{environment.name}/{name}",
            assume_role_policy=assumed_by(service, account=account),
        )
        write = allow("logs:CreateLogStream", "logs:PutLogEvents", on=[f"{group.arn}:*"])
        groups = f"arn:aws:logs:{environment.region}:{account}:log-group:*"
        look = allow("logs:DescribeLogGroups", "logs:DescribeLogStreams", on=[groups])
        IamRolePolicy(self, "writes", role=role.id, policy=document(write, look))
        self.arn: str = group.arn
        self.role: str = role.arn


def log_flows(*, vpc_id: str, into: WrittenByAws) -> None:
    """Keep who spoke to whom in a network, refused or not."""
    FlowLog(
        into,
        "flows",
        vpc_id=vpc_id,
        traffic_type="ALL",
        log_destination=into.arn,
        log_destination_type="cloud-watch-logs",
        iam_role_arn=into.role,
        max_aggregation_interval=60,
    )
