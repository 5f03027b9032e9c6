"""Where state is kept, from the variables alone."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("cdktf", reason="`make synth` installs the bindings")

from services.local.terraform import command
from stacks import synthesis
from stacks.backends import BUCKET, BUCKET_REGION, ORGANISATION, BadBackend
from stacks.environments import BadEnvironment

ROOT = Path(__file__).parents[2]


def kept(tmp_path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """The `terraform` block of each stack that says where its state is."""
    files = synthesis.synthesize(tmp_path, variables)
    blocks = {name: msgspec.json.decode(file.read_bytes())["terraform"] for name, file in files.items()}
    return {
        name: {key: value for key, value in block.items() if key != "required_providers"}
        for name, block in blocks.items()
    }


@pytest.fixture(scope="module")
def organised(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Stack -> its configuration, where an organisation keeps the state.

    Written by a process of its own: cdktf asks a program for Terraform's version, which it gets from its
    environment, and where there is only the library that program is made here.
    """
    place = tmp_path_factory.mktemp("organised")
    variables = {**os.environ, ORGANISATION: "acme", "CDKTF_OUTDIR": str(place / "out")}
    if shutil.which("terraform") is None:
        program = place / "terraform"
        program.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n')
        program.chmod(0o755)
        variables["TERRAFORM_BINARY_NAME"] = str(program)
    subprocess.run([sys.executable, "main.py"], cwd=ROOT, env=variables, check=True, capture_output=True)
    return {
        file.parent.name: msgspec.json.decode(file.read_bytes()) for file in place.glob("out/stacks/*/*.json")
    }


def test_an_organisation_keeps_each_stack_in_a_workspace_of_its_own(organised: Mapping[str, Any]) -> None:
    """HCP Terraform's workspaces are named `spider-<stack>-<env>`."""
    clouds = {stack: each["terraform"]["cloud"] for stack, each in organised.items()}
    assert clouds["foundation-dev"] == {
        "organization": "acme",
        "workspaces": {"name": "spider-foundation-dev"},
    }
    names = [cloud["workspaces"]["name"] for cloud in clouds.values()]
    assert len(set(names)) == len(names) == 6


def test_a_bucket_keeps_state_encrypted_and_locked(tmp_path: Path) -> None:
    """Two people never apply at once, and the state's secrets do not lie in clear."""
    found = kept(tmp_path, {BUCKET: "states", BUCKET_REGION: "eu-west-1"})
    assert found["foundation-prod"] == {
        "backend": {
            "s3": {
                "bucket": "states",
                "key": "spider/foundation-prod.tfstate",
                "region": "eu-west-1",
                "encrypt": True,
                "use_lockfile": True,
            }
        }
    }


def test_state_is_a_file_where_nothing_is_said(tmp_path: Path) -> None:
    """A first look needs no account of anything, and a new synthesis leaves the file alone."""
    found = kept(tmp_path, {})
    assert found["foundation-dev"] == {"backend": {"local": {"path": "../../../foundation-dev.tfstate"}}}


def test_state_with_two_homes_or_half_a_home_is_refused(tmp_path: Path) -> None:
    """The error names both variables."""
    with pytest.raises(BadBackend, match=f"{ORGANISATION} and {BUCKET} are both set"):
        synthesis.synthesize(tmp_path, {ORGANISATION: "acme", BUCKET: "states"})
    with pytest.raises(BadBackend, match=f"{BUCKET_REGION} is not: name the bucket's region"):
        synthesis.synthesize(tmp_path, {BUCKET: "states"})


def of_foundation(tmp_path: Path, variables: Mapping[str, str]) -> Any:
    """From where the services of prod read what their foundation hands over."""
    file = synthesis.synthesize(tmp_path, variables)["services-prod"]
    return msgspec.json.decode(file.read_bytes())["data"]["terraform_remote_state"]["state"]


def test_services_read_the_foundation_where_it_is_kept(tmp_path: Path) -> None:
    """In each home of state the services look for the very file or workspace that the foundation writes."""
    written = kept(tmp_path, {})["foundation-prod"]["backend"]
    assert of_foundation(tmp_path, {}) == {"backend": "local", "config": written["local"]}
    bucket = {BUCKET: "states", BUCKET_REGION: "eu-west-1"}
    asked = {**kept(tmp_path, bucket)["foundation-prod"]["backend"]["s3"]}
    asked.pop("use_lockfile")  # reading locks nothing
    assert of_foundation(tmp_path, bucket) == {"backend": "s3", "config": asked}


def test_services_read_the_foundation_from_its_workspace(organised: Mapping[str, Any]) -> None:
    """An organisation's workspaces are read by the name under which they are written."""
    read = organised["services-prod"]["data"]["terraform_remote_state"]["state"]
    assert read["config"] == {"organization": "acme", "workspaces": {"name": "spider-foundation-prod"}}


@pytest.mark.parametrize("chosen", ["prod", "dev, prod"])
def test_a_tag_that_prod_refuses_stops_the_synthesis(tmp_path: Path, chosen: str) -> None:
    """`latest` is never written for prod."""
    with pytest.raises(BadEnvironment, match="environment 'prod': image_tag: 'latest' names no release"):
        synthesis.synthesize(tmp_path, {synthesis.IMAGE_TAG: "latest", synthesis.CHOSEN: chosen})


def test_a_tag_goes_to_the_environments_that_are_named_and_to_no_other(tmp_path: Path) -> None:
    """What is written for dev alone is not held to what prod asks, and names of nothing are refused."""
    files = synthesis.synthesize(tmp_path, {synthesis.IMAGE_TAG: "latest", synthesis.CHOSEN: "dev"})
    assert list(files) == ["foundation-dev", "services-dev"]
    with pytest.raises(BadEnvironment, match="'live' is unknown; choose of dev, staging, prod"):
        synthesis.synthesize(tmp_path, {synthesis.CHOSEN: "live"})
    with pytest.raises(BadEnvironment, match="SPIDER_IMAGE_TAG is set: name in SPIDER_ENVIRONMENTS"):
        synthesis.synthesize(tmp_path, {synthesis.IMAGE_TAG: "v1.0.0"})
