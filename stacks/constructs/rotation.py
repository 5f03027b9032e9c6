"""The rotation of the cache's password: a function that Secrets Manager calls every thirty days."""

from typing import Final

from cdktf import AssetType, TerraformAsset, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from cdktf_cdktf_provider_aws.lambda_function import (
    LambdaFunction,
    LambdaFunctionDeadLetterConfig,
    LambdaFunctionEnvironment,
    LambdaFunctionLoggingConfig,
    LambdaFunctionTracingConfig,
    LambdaFunctionVpcConfig,
)
from cdktf_cdktf_provider_aws.lambda_permission import LambdaPermission
from cdktf_cdktf_provider_aws.secretsmanager_secret_rotation import (
    SecretsmanagerSecretRotation,
    SecretsmanagerSecretRotationRotationRules,
)
from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue
from constructs import Construct

from spider_common import schema
from stacks.environments import Environment
from stacks.packing import PACKAGES
from stacks.policies import allow, document

PACKAGE: Final = "services/rotation"
DAYS: Final = 30
SECRET_ACTIONS: Final = (
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
)
USER_ACTIONS: Final = ("elasticache:DescribeUsers", "elasticache:ModifyUser")
_LONGEST_S: Final = 900  # what Lambda allows; a step waits ten minutes for ElastiCache at most


class Rotation(Construct):
    """The function, what it may do, its log group, its dead letters, and the secret's schedule, which begins
    at once.

    It is not signed: whoever may deploy it could sign as well, and its bytes are checked against their hash.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        account: str,
        secret: str,
        redis_address: str,
        subnets: list[str],
        group: str,
        key: str,
        logs_key: str,
    ) -> None:
        super().__init__(scope, name)
        packed = PACKAGES.get(PACKAGE)
        code = TerraformAsset(self, "code", path=str(packed.file), type=AssetType.FILE)
        logs = CloudwatchLogGroup(
            self,
            "logs",
            name=f"/{environment.name}/{name}",
            retention_in_days=environment.log_days,
            kms_key_id=logs_key,
        )
        letters = SqsQueue(
            self,
            "dead-letters",
            name=environment.named(f"{name}-dead-letters"),
            kms_master_key_id=key,
            message_retention_seconds=14 * schema.DAY_S,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=environment.protected),
        )
        role = IamRole(
            self,
            "role",
            name=environment.named(name),
            description="turns what the cache's user logs in with",
            assume_role_policy=document(
                allow("sts:AssumeRole", on=(), to={"Service": "lambda.amazonaws.com"})
            ),
        )
        user = environment.named(schema.CACHE_USER)
        may = IamRolePolicy(
            self,
            "may",
            role=role.id,
            policy=document(
                allow(*SECRET_ACTIONS, on=[secret]),
                allow(*USER_ACTIONS, on=[f"arn:aws:elasticache:{environment.region}:{account}:user:{user}"]),
                allow("kms:Decrypt", "kms:GenerateDataKey", on=[key]),
                allow("sqs:SendMessage", on=[letters.arn]),
                allow("logs:CreateLogStream", "logs:PutLogEvents", on=[f"{logs.arn}:*"]),
                allow(
                    "xray:PutTraceSegments",
                    "xray:PutTelemetryRecords",
                    on=["*"],
                    sid="BecauseTracesAreNoResource",
                ),
                allow(
                    "ec2:CreateNetworkInterface",
                    "ec2:DeleteNetworkInterface",
                    "ec2:DescribeNetworkInterfaces",
                    "ec2:DescribeSubnets",
                    on=["*"],
                    sid="BecauseInterfacesHaveNoNameBeforeLambdaMakesThem",
                ),
            ),
        )
        function = LambdaFunction(
            self,
            "function",
            function_name=environment.named(name),
            description="turns what the cache's user logs in with",
            role=role.arn,
            runtime="python3.12",
            architectures=["arm64"],
            handler=f"{PACKAGE.replace('/', '.')}.handler.handle",
            filename=code.path,
            source_code_hash=packed.sha256,
            timeout=_LONGEST_S,
            memory_size=256,
            reserved_concurrent_executions=1,  # two at once could set each other's passwords aside
            kms_key_arn=key,
            environment=LambdaFunctionEnvironment(
                variables={
                    "SPIDER_REDIS_HOST": redis_address,
                    "SPIDER_USER_ID": user,
                    "SPIDER_USER": schema.CACHE_USER,
                    "SPIDER_ACCESS": schema.CACHE_ACCESS,
                }
            ),
            vpc_config=LambdaFunctionVpcConfig(subnet_ids=subnets, security_group_ids=[group]),
            dead_letter_config=LambdaFunctionDeadLetterConfig(target_arn=letters.arn),
            logging_config=LambdaFunctionLoggingConfig(log_format="JSON", log_group=logs.name),
            tracing_config=LambdaFunctionTracingConfig(mode="Active"),
            depends_on=[may],  # Lambda looks whether it may have interfaces
        )
        called = LambdaPermission(
            self,
            "called",
            function_name=function.function_name,
            action="lambda:InvokeFunction",
            principal="secretsmanager.amazonaws.com",
            source_account=account,
            source_arn=secret,
        )
        SecretsmanagerSecretRotation(
            self,
            "schedule",
            secret_id=secret,
            rotation_lambda_arn=function.arn,
            rotation_rules=SecretsmanagerSecretRotationRotationRules(automatically_after_days=DAYS),
            depends_on=[called],  # the first rotation begins at once
        )
