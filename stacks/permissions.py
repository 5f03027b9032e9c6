"""What each service may do in AWS: one table, and the policies that come of it. Pure.

The table names IAM's actions. `tests/infrastructure/test_permissions.py` holds it to the calls in the code.
Where an operation is not the action of its name (AWS, "Using IAM with DynamoDB transactions", "Amazon SQS
API permissions", the reference of BatchGetSecretValue):

- TransactWriteItems is allowed by PutItem and DeleteItem, by what stands in it;
- the batches of SQS are allowed by the action on one message;
- BatchGetSecretValue needs GetSecretValue on each secret beside itself.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, Literal, get_args

import msgspec

from spider_common import schema
from stacks.environments import Environment
from stacks.policies import allow

Service = Literal["oms", "ingest", "dashboard"]
SERVICES: Final[tuple[Service, ...]] = get_args(Service)


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What the table speaks of, as ARNs in one environment.

    Attributes:
        tables, queues: by their names in `spider_common.schema`, queues without the ending `.fifo`.
        stores_key: what tables, queues and secrets are encrypted with.
        redis_credential: the secret with the cache's password.
        user_pool: of those who use the dashboard.
        logs: the log group that the task writes.
        shells: the log group of what people type into a shell in a task.
        logs_key: what log groups, and those shells on their way, are encrypted with.
        images: the repository that its image is pulled from.
    """

    tables: Mapping[str, str]
    queues: Mapping[str, str]
    stores_key: str
    redis_credential: str
    user_pool: str
    logs: str
    shells: str
    logs_key: str
    images: str


class Thing(StrEnum):
    """What may be done something to."""

    TRADING = schema.TRADING.name
    CONFIG = schema.CONFIG.name
    COPY = schema.COPY.name.removesuffix(".fifo")
    COPY_DLQ = schema.COPY_DLQ.name.removesuffix(".fifo")
    ACCOUNT_KEYS = "account keys"
    ANY_SECRET = "any secret"  # noqa: S105 - what it is called, none of them
    REDIS_CREDENTIAL = "redis credential"
    USERS = "users"


_TABLES: Final = {Thing.TRADING: schema.TRADING, Thing.CONFIG: schema.CONFIG}
_QUEUES: Final = (Thing.COPY, Thing.COPY_DLQ)

_USE_REDIS: Final = {Thing.REDIS_CREDENTIAL: ("secretsmanager:GetSecretValue",)}

MAY: Final[Mapping[Service, Mapping[Thing, tuple[str, ...]]]] = {
    "oms": {
        Thing.TRADING: (
            "dynamodb:BatchGetItem",
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
        ),
        Thing.CONFIG: ("dynamodb:GetItem", "dynamodb:Query"),
        Thing.COPY: (
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueUrl",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        ),
        Thing.COPY_DLQ: ("sqs:GetQueueUrl", "sqs:SendMessage"),
        Thing.ACCOUNT_KEYS: ("secretsmanager:GetSecretValue",),
        Thing.ANY_SECRET: ("secretsmanager:BatchGetSecretValue",),
        **_USE_REDIS,
    },
    "ingest": {
        Thing.TRADING: ("dynamodb:GetItem", "dynamodb:PutItem"),
        Thing.CONFIG: ("dynamodb:GetItem", "dynamodb:Query"),
        Thing.COPY: ("sqs:GetQueueUrl", "sqs:SendMessage"),
        Thing.COPY_DLQ: ("sqs:GetQueueUrl",),
        Thing.ACCOUNT_KEYS: ("secretsmanager:GetSecretValue",),
        **_USE_REDIS,
    },
    "dashboard": {
        Thing.TRADING: ("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"),
        Thing.CONFIG: ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"),
        Thing.COPY: ("sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"),
        Thing.COPY_DLQ: (
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "sqs:ReceiveMessage",
        ),
        # it writes the keys of clients, and can never read one
        Thing.ACCOUNT_KEYS: ("secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"),
        **_USE_REDIS,
        # what a user asks for himself (forgotten password, second factor) needs no permission of ours
        Thing.USERS: (
            "cognito-idp:AdminAddUserToGroup",
            "cognito-idp:AdminCreateUser",
            "cognito-idp:AdminDisableUser",
            "cognito-idp:AdminEnableUser",
            "cognito-idp:AdminGetUser",
            "cognito-idp:AdminInitiateAuth",
            "cognito-idp:AdminListGroupsForUser",
            "cognito-idp:AdminRemoveUserFromGroup",
            "cognito-idp:AdminRespondToAuthChallenge",
            "cognito-idp:AdminSetUserMFAPreference",
            "cognito-idp:AdminUserGlobalSignOut",
            "cognito-idp:ListUsers",
            "cognito-idp:ListUsersInGroup",
        ),
    },
}

_BECAUSE: Final = {Thing.ANY_SECRET: "BecauseABatchNamesNoSecretAndGetSecretValueHoldsForEach"}
# what a caller must be allowed with the key for a store to encrypt and decrypt on his behalf: AWS, "Amazon
# SQS key management"; "How DynamoDB uses AWS KMS" (without the grant, which is for who makes the table)
_READS: Final = {
    "dynamodb": ("kms:Decrypt", "kms:DescribeKey"),
    "sqs": ("kms:Decrypt",),
    "secretsmanager": ("kms:Decrypt",),
}
_WRITES: Final = {
    "dynamodb:PutItem": ("kms:Encrypt", "kms:GenerateDataKey"),
    "sqs:SendMessage": ("kms:GenerateDataKey",),
    "secretsmanager:PutSecretValue": ("kms:GenerateDataKey",),
}


def of_task(
    service: Service, *, environment: Environment, account: str, resources: Resources
) -> list[dict[str, Any]]:
    """What the code of a task may do, and the tracing beside it; a shell in it where the table has shells."""
    may = MAY[service]
    found = [
        allow(*actions, on=list(_arns(thing, environment, account, resources)), sid=_BECAUSE.get(thing, ""))
        for thing, actions in may.items()
    ]
    # a query may read an index, other actions never do
    indexes = [
        f"{resources.tables[thing.value]}/index/{index.name}"
        for thing, shape in _TABLES.items()
        for index in shape.indexes
        if "dynamodb:Query" in may.get(thing, ())
    ]
    if indexes:
        found.append(allow("dynamodb:Query", on=indexes))
    found += _keys(may, environment=environment, key=resources.stores_key)
    found.append(
        allow(
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:PutTelemetryRecords",
            "xray:PutTraceSegments",
            on=["*"],
            sid="BecauseTracesAreNoResource",
        )
    )
    if environment.shells:
        found += _shell(resources)
    return found


def _shell(resources: Resources) -> list[dict[str, Any]]:
    """What the agent of ECS Exec does as the task: AWS, "Monitor Amazon ECS containers with ECS Exec"."""
    return [
        allow(
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
            on=["*"],
            sid="BecauseTheChannelsOfAShellAreNoResource",
        ),
        allow("logs:DescribeLogGroups", on=["*"], sid="BecauseTheAgentLooksForItsGroupAmongAll"),
        allow(
            "logs:CreateLogStream",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
            on=[f"{resources.shells}:*"],
        ),
        allow("kms:Decrypt", on=[resources.logs_key]),
    ]


def of_execution(resources: Resources) -> list[dict[str, Any]]:
    """What ECS may do to start a task: pull its image and keep its log."""
    return [
        allow("ecr:GetAuthorizationToken", on=["*"], sid="BecauseTheTokenIsOfTheWholeRegistry"),
        allow(
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
            on=[resources.images],
        ),
        allow("logs:CreateLogStream", "logs:PutLogEvents", on=[f"{resources.logs}:*"]),
    ]


def _arns(thing: Thing, environment: Environment, account: str, resources: Resources) -> Iterator[str]:
    if thing in _TABLES:
        yield resources.tables[thing.value]
    elif thing in _QUEUES:
        yield resources.queues[thing.value]
    elif thing is Thing.ACCOUNT_KEYS:
        path = f"{environment.names_prefix}accounts/*"
        yield f"arn:aws:secretsmanager:{environment.region}:{account}:secret:{path}"
    elif thing is Thing.ANY_SECRET:
        yield "*"
    elif thing is Thing.REDIS_CREDENTIAL:
        yield resources.redis_credential
    else:
        yield resources.user_pool


def _keys(
    may: Mapping[Thing, tuple[str, ...]], *, environment: Environment, key: str
) -> Iterator[dict[str, Any]]:
    """The use of the key that the stores make on behalf of who uses them, each store by itself."""
    asked = {action for actions in may.values() for action in actions}
    for store, reads in _READS.items():
        if any(action.startswith(f"{store}:") for action in asked):
            writes = [each for each in asked & _WRITES.keys() if each.startswith(f"{store}:")]
            needs = {*reads, *(need for each in writes for need in _WRITES[each])}
            via = {"StringEquals": {"kms:ViaService": f"{store}.{environment.region}.amazonaws.com"}}
            yield allow(*sorted(needs), on=[key], when=via)
