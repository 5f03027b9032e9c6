"""Terraform itself, with the real provider and no account, agrees with what was written."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
import trio

from services.local.terraform import Answer, NoTerraform, Terraform, prepare
from stacks.environments import ENVIRONMENTS
from stacks.handover import stand_in

OFFLINE = {
    "terraform": {"backend": {"local": {"path": "test.tfstate"}}},
    "provider": {
        "aws": [
            {
                # there is no account to compare with
                "allowed_account_ids": None,
                "access_key": "fake",
                "secret_key": "fake",
                "skip_credentials_validation": True,
                "skip_requesting_account_id": True,
                "skip_metadata_api_check": "true",
                "skip_region_validation": True,
            }
        ]
    },
}
VARIABLES = {
    "TF_VAR_account_id": "123456789012",
    "TF_VAR_domain": "spider.example.com",
}
# Read from the plans. Who adds a resource says so here.
PLANNED = {
    "foundation-dev": 127,
    "foundation-staging": 138,
    "foundation-prod": 139,
    "services-dev": 95,
    "services-staging": 110,
    "services-prod": 112,
}

pytestmark = pytest.mark.scan


class Plans:
    """Terraform, and for each stack a directory in which it is ready to plan it without an account."""

    def __init__(self, terraform: Terraform, places: Mapping[str, Path]) -> None:
        self._terraform, self._places = terraform, places

    def ask(self, stack: str, *arguments: str, variables: Mapping[str, str] = VARIABLES) -> Answer:
        """Run terraform in a stack's directory."""

        async def asked() -> Answer:
            return await self._terraform.ask(self._places[stack], *arguments, variables=variables)

        return trio.run(asked)


@pytest.fixture(scope="module")
def plans(files: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Plans:
    """In the place of a foundation's state there is a stand-in for its services to read."""
    whole = tmp_path_factory.mktemp("terraform")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_VAR_")}
    ready: dict[str, Path] = {}
    for row in ENVIRONMENTS.values():
        (whole / f"foundation-{row.name}.tfstate").write_bytes(stand_in(row))
    for stack, file in files.items():
        ready[stack] = place = whole / "cdktf.out/stacks" / stack
        place.mkdir(parents=True)
        shutil.copy(file, place)
        (place / "zz_override.tf.json").write_text(json.dumps(OFFLINE))
    first, *others = ready.values()

    async def found() -> Terraform:
        return await prepare(first, scratch=whole, environment=environment)

    try:
        terraform = trio.run(found)
    except NoTerraform as missing:
        pytest.skip(f"NO STACK WAS PLANNED: {missing}")
    for place in others:
        (place / ".terraform").symlink_to(first / ".terraform")
        shutil.copy(first / ".terraform.lock.hcl", place)
    return Plans(terraform, ready)


@pytest.fixture(params=["foundation", "services"])
def stack(request: pytest.FixtureRequest, name: str) -> str:
    """Each stack of each environment in turn."""
    return f"{request.param}-{name}"


def test_a_configuration_is_valid(plans: Plans, stack: str) -> None:
    """Every type, field and reference is one that the provider knows."""
    answer = plans.ask(stack, "validate", "-no-color")
    assert answer.code == 0, answer.said
    assert "Warning" not in answer.output


def test_a_plan_needs_no_account_and_makes_what_was_written(
    plans: Plans, files: Mapping[str, Path], stack: str
) -> None:
    """An empty account gets each resource once, tagged where it can be; nothing is changed or destroyed."""
    planned = plans.ask(stack, "plan", "-input=false", "-no-color", "-out=made.tfplan")
    assert planned.code == 0, planned.said
    shown = plans.ask(stack, "show", "-json", "made.tfplan")
    assert shown.code == 0, shown.said
    changes = msgspec.json.decode(shown.output)["resource_changes"]
    written = msgspec.json.decode(files[stack].read_bytes())["resource"]
    assert {tuple(each["change"]["actions"]) for each in changes} == {("create",)}
    kind, _, name = stack.partition("-")
    tags = {"Project": "oms-spider", "Environment": name, "Stack": kind, "ManagedBy": "terraform"}
    after = [each["change"]["after"] for each in changes]
    assert [
        each for each in after if "tags_all" in each and not tags.items() <= each["tags_all"].items()
    ] == []
    assert len(changes) == sum(map(len, written.values())) == PLANNED[stack]


@pytest.mark.parametrize(
    ("planned", "variable", "value", "said"),
    [
        ("foundation-dev", "TF_VAR_account_id", "12", "Set account_id: the AWS account, twelve digits."),
        ("foundation-dev", "TF_VAR_account_id", None, 'variable "account_id" is not set'),
        (
            "services-dev",
            "TF_VAR_domain",
            "https://x",
            "Set domain: the name under which the dashboard is found",
        ),
    ],
    ids=["wrong-account", "no-account", "wrong-domain"],
)
def test_a_missing_or_wrong_variable_is_named(
    plans: Plans, planned: str, variable: str, value: str | None, said: str
) -> None:
    """The error says which and what it should be, before anything is planned."""
    given = {key: each for key, each in VARIABLES.items() if key != variable}
    if value is not None:
        given[variable] = value
    answer = plans.ask(planned, "plan", "-input=false", "-no-color", variables=given)
    assert answer.code == 1
    assert said in " ".join(answer.said.replace("│", " ").split())
