"""What tasks may do is what their code asks of AWS, and of nothing but what the table names."""

from importlib.util import find_spec
from typing import Any

import msgspec
import pytest

from stacks.environments import ENVIRONMENTS
from stacks.permissions import MAY, SERVICES, Resources, Service, Thing, of_execution, of_task
from stacks.policies import document
from stacks.rules import problems
from tests.infrastructure.calls import operations

# the actions that allow an operation, where these are not the one of its name: see `stacks.permissions`
ALLOWED_BY = {
    "dynamodb:TransactWriteItems": (),  # by what stands in it
    "Put": ("dynamodb:PutItem",),
    "Delete": ("dynamodb:DeleteItem",),
    "sqs:ChangeMessageVisibilityBatch": ("sqs:ChangeMessageVisibility",),
    "sqs:DeleteMessageBatch": ("sqs:DeleteMessage",),
    "sqs:SendMessageBatch": ("sqs:SendMessage",),
    # what a user asks for himself is not signed: AWS, "Amazon Cognito user pools API operations"
    "cognito-idp:AssociateSoftwareToken": (),
    "cognito-idp:ConfirmForgotPassword": (),
    "cognito-idp:ForgotPassword": (),
    "cognito-idp:RevokeToken": (),
    "cognito-idp:VerifySoftwareToken": (),
}
# counted as reached because something else that is reached has the name of the method that calls them
SAME_NAME: dict[str, set[str]] = {
    "oms": {"secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"},  # put
    "ingest": {
        "dynamodb:BatchGetItem",  # Documents.get
        "secretsmanager:CreateSecret",  # put
        "secretsmanager:PutSecretValue",
        "sqs:ChangeMessageVisibility",  # extend
        "sqs:DeleteMessage",  # delete
        "sqs:ReceiveMessage",  # receive
    },
    "dashboard": set(),
}
RESOURCES = Resources(
    tables={name: f"arn:aws:dynamodb:us-east-1:1:table/{name}" for name in (Thing.TRADING, Thing.CONFIG)},
    queues={name: f"arn:aws:sqs:us-east-1:1:{name}" for name in (Thing.COPY, Thing.COPY_DLQ)},
    stores_key="arn:aws:kms:us-east-1:1:key/k",
    redis_credential="arn:aws:secretsmanager:us-east-1:1:secret:dev-redis-abcdef",
    user_pool="arn:aws:cognito-idp:us-east-1:1:userpool/p",
    logs="arn:aws:logs:us-east-1:1:log-group:/dev/oms",
    shells="arn:aws:logs:us-east-1:1:log-group:/dev/shells",
    logs_key="arn:aws:kms:us-east-1:1:key/l",
    images="arn:aws:ecr:us-east-1:1:repository/dev-oms",
)


def statements(service: Service, name: str) -> list[dict[str, Any]]:
    return of_task(service, environment=ENVIRONMENTS[name], account="1", resources=RESOURCES)


@pytest.mark.parametrize("service", [each for each in SERVICES if find_spec(f"services.{each}")])
def test_a_service_may_do_what_its_code_calls_and_nothing_else(service: Service) -> None:
    """Each operation that is reached from the service is allowed; each action that is allowed is reached."""
    reached = operations(f"services.{service}.__main__")
    needed = {action for each in reached for action in ALLOWED_BY.get(each, (each,))}
    assert SAME_NAME[service] <= needed
    allowed = {action for actions in MAY[service].values() for action in actions}
    assert allowed == needed - SAME_NAME[service]


@pytest.mark.parametrize("service", SERVICES)
def test_policies_name_what_they_are_about(service: Service) -> None:
    """No wildcard without its reason, in any environment, for the task and for who starts it."""
    for name in ENVIRONMENTS:
        for policy in (statements(service, name), of_execution(RESOURCES)):
            written = {"aws_iam_role_policy": {"it": {"policy": document(*policy)}}}
            assert problems(written, protected=True) == []


@pytest.mark.parametrize("service", SERVICES)
def test_only_the_copy_path_reads_keys_of_accounts(service: Service) -> None:
    """The dashboard writes keys below their path and can read none; the others read and cannot write."""
    on_keys = [each for each in statements(service, "dev") if "secret:dev-accounts/*" in each["Resource"][0]]
    (statement,) = on_keys
    reads = "secretsmanager:GetSecretValue" in statement["Action"]
    writes = "secretsmanager:PutSecretValue" in statement["Action"]
    assert (reads, writes) == ((False, True) if service == "dashboard" else (True, False))


@pytest.mark.parametrize("service", SERVICES)
def test_the_key_is_used_by_way_of_stores_only(service: Service) -> None:
    """No task can decrypt by itself what it holds: a store must ask on its behalf."""
    uses = [each for each in statements(service, "prod") if RESOURCES.stores_key in each["Resource"]]
    ways = {each["Condition"]["StringEquals"]["kms:ViaService"].partition(".")[0] for each in uses}
    assert ways == {"dynamodb", "sqs", "secretsmanager"}


def test_a_shell_is_open_where_the_table_says_so() -> None:
    """Where there are shells a task may open its channels and keep what is typed; elsewhere neither."""
    for name, row in ENVIRONMENTS.items():
        actions = {action for each in statements("oms", name) for action in each["Action"]}
        assert ("ssmmessages:OpenDataChannel" in actions) is row.shells
        assert any(action.startswith("logs:") for action in actions) is row.shells


def test_only_tasks_of_this_account_are_these_roles() -> None:
    """Both roles trust ECS tasks, for this account and region; their names are what the services expect."""
    if find_spec("cdktf") is None:
        pytest.skip("`make synth` installs the bindings")
    import cdktf

    from stacks.constructs.roles import TaskRoles

    stack = cdktf.TerraformStack(cdktf.Testing.app(), "it")
    TaskRoles(
        stack, "roles", environment=ENVIRONMENTS["dev"], account="1", service="oms", resources=RESOURCES
    )
    found = msgspec.json.decode(cdktf.Testing.synth(stack))["resource"]
    roles = found["aws_iam_role"].values()
    assert {each["name"] for each in roles} == {"dev-oms-task", "dev-oms-execution"}
    assert len(found["aws_iam_role_policy"]) == 2
    for each in roles:
        (trust,) = msgspec.json.decode(each["assume_role_policy"])["Statement"]
        assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert trust["Condition"] == {
            "StringEquals": {"aws:SourceAccount": "1"},
            "ArnLike": {"aws:SourceArn": "arn:aws:ecs:us-east-1:1:*"},
        }
