"""Who a task is, and who starts it."""

from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from constructs import Construct

from stacks.environments import Environment
from stacks.permissions import Resources, Service, of_execution, of_task
from stacks.policies import allow, document


class TaskRoles(Construct):
    """The two roles of a service's tasks, which only tasks of this account and region can be.

    Attributes:
        task: the ARN of what its code is; it may do what `stacks.permissions` says.
        execution: the ARN of what ECS is while it starts it.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        account: str,
        service: Service,
        resources: Resources,
    ) -> None:
        super().__init__(scope, name)
        tasks = f"arn:aws:ecs:{environment.region}:{account}:*"
        trust = allow(
            "sts:AssumeRole",
            on=(),
            to={"Service": "ecs-tasks.amazonaws.com"},
            when={"StringEquals": {"aws:SourceAccount": account}, "ArnLike": {"aws:SourceArn": tasks}},
        )
        may = {
            "task": of_task(service, environment=environment, account=account, resources=resources),
            "execution": of_execution(resources),
        }
        arns: dict[str, str] = {}
        for kind, statements in may.items():
            role = IamRole(
                self,
                kind,
                name=environment.named(f"{service}-{kind}"),
                description=f"{kind} role of {service}",
                assume_role_policy=document(trust),
            )
            IamRolePolicy(self, f"{kind}-may", role=role.id, policy=document(*statements))
            arns[kind] = role.arn
        self.task: str = arns["task"]
        self.execution: str = arns["execution"]
