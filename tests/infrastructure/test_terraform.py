"""Terraform itself, with the real provider and no account, agrees with what was written."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from stacks.environments import ENVIRONMENTS
from stacks.handover import stand_in

TERRAFORM = shutil.which("terraform")
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
    "CHECKPOINT_DISABLE": "1",
}
# Read from the plans. Who adds a resource says so here.
PLANNED = {
    "foundation-dev": 127,
    "foundation-staging": 138,
    "foundation-prod": 139,
    "services-dev": 83,
    "services-staging": 98,
    "services-prod": 100,
}

pytestmark = pytest.mark.skipif(TERRAFORM is None, reason="terraform is not on PATH")


def terraform(place: Path, *arguments: str, variables: Mapping[str, str] = VARIABLES) -> tuple[int, str]:
    """Run terraform in a stack's directory: its exit code, and everything it said."""
    run = subprocess.run(
        [str(TERRAFORM), *arguments],
        cwd=place,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


@pytest.fixture(scope="module")
def places(files: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Stack -> a directory in which terraform is ready to plan it without an account.

    In the place of a foundation's state there is a stand-in for its services to read.
    """
    whole = tmp_path_factory.mktemp("terraform")
    ready: dict[str, Path] = {}
    first: Path | None = None
    for row in ENVIRONMENTS.values():
        (whole / f"foundation-{row.name}.tfstate").write_bytes(stand_in(row))
    for stack, file in files.items():
        ready[stack] = place = whole / "cdktf.out/stacks" / stack
        place.mkdir(parents=True)
        shutil.copy(file, place)
        (place / "zz_override.tf.json").write_text(json.dumps(OFFLINE))
        if first is None:
            first = place
            code, said = terraform(place, "init", "-input=false", "-no-color")
            if "Failed to query available provider packages" in said:
                pytest.skip("terraform cannot get the provider here")
            assert code == 0, said
        else:
            (place / ".terraform").symlink_to(first / ".terraform")
            shutil.copy(first / ".terraform.lock.hcl", place)
    return ready


@pytest.fixture(params=["foundation", "services"])
def stack(request: pytest.FixtureRequest, name: str) -> str:
    """Each stack of each environment in turn."""
    return f"{request.param}-{name}"


def test_a_configuration_is_valid(places: Mapping[str, Path], stack: str) -> None:
    """Every type, field and reference is one that the provider knows."""
    code, said = terraform(places[stack], "validate", "-no-color")
    assert code == 0, said
    assert "Warning" not in said


def test_a_plan_needs_no_account_and_makes_what_was_written(
    places: Mapping[str, Path], files: Mapping[str, Path], stack: str
) -> None:
    """An empty account gets each resource once, and nothing is changed or destroyed."""
    place = places[stack]
    code, said = terraform(place, "plan", "-input=false", "-no-color", "-out=made.tfplan")
    assert code == 0, said
    code, shown = terraform(place, "show", "-json", "made.tfplan")
    assert code == 0, shown
    changes = msgspec.json.decode(shown)["resource_changes"]
    written = msgspec.json.decode(files[stack].read_bytes())["resource"]
    assert {tuple(each["change"]["actions"]) for each in changes} == {("create",)}
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
    ids=["wrong-account", "no-account", "no-domain"],
)
def test_a_missing_or_wrong_variable_is_named(
    places: Mapping[str, Path], planned: str, variable: str, value: str | None, said: str
) -> None:
    """The error says which and what it should be, before anything is planned."""
    given = {key: each for key, each in VARIABLES.items() if key != variable}
    if value is not None:
        given[variable] = value
    code, answer = terraform(places[planned], "plan", "-input=false", "-no-color", variables=given)
    assert code == 1
    assert said in " ".join(answer.replace("│", " ").split())
