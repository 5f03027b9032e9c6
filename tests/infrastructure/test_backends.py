"""Where state is kept, from the variables alone."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("cdktf", reason="`make synth` installs the bindings")

from stacks import synthesis
from stacks.backends import BUCKET, BUCKET_REGION, ORGANISATION, BadBackend
from stacks.environments import BadEnvironment


def kept(tmp_path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """The `terraform` block of each stack that says where its state is."""
    files = synthesis.synthesize(tmp_path, variables)
    blocks = {name: msgspec.json.decode(file.read_bytes())["terraform"] for name, file in files.items()}
    return {
        name: {key: value for key, value in block.items() if key != "required_providers"}
        for name, block in blocks.items()
    }


@pytest.mark.skipif(shutil.which("terraform") is None, reason="cdktf asks terraform's version for it")
def test_an_organisation_keeps_each_stack_in_a_workspace_of_its_own(tmp_path: Path) -> None:
    """HCP Terraform's workspaces are named `spider-<stack>-<env>`."""
    found = kept(tmp_path, {ORGANISATION: "acme"})
    assert found["foundation-dev"] == {
        "cloud": {"organization": "acme", "workspaces": {"name": "spider-foundation-dev"}}
    }
    names = [block["cloud"]["workspaces"]["name"] for block in found.values()]
    assert len(set(names)) == len(names) == 3


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


def test_a_tag_that_prod_refuses_stops_the_synthesis(tmp_path: Path) -> None:
    """`latest` reaches no environment, for one run writes all of them."""
    with pytest.raises(BadEnvironment, match="environment 'prod': image_tag: 'latest' names no release"):
        synthesis.synthesize(tmp_path, {synthesis.IMAGE_TAG: "latest"})
