"""Where Terraform's state is kept: one choice for all stacks, made from the environment's variables."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import cdktf

ORGANISATION: Final = "SPIDER_TERRAFORM_ORGANISATION"
BUCKET: Final = "SPIDER_TERRAFORM_BUCKET"
BUCKET_REGION: Final = "SPIDER_TERRAFORM_BUCKET_REGION"


class BadBackend(ValueError):
    """The variables contradict each other. The text names them."""


class _Home(NamedTuple):
    """Where all state is: in an organisation, in a bucket of a region, or in files."""

    organisation: str
    bucket: str
    region: str


def _home(variables: Mapping[str, str]) -> _Home:
    home = _Home(*(variables.get(each, "") for each in (ORGANISATION, BUCKET, BUCKET_REGION)))
    if home.organisation and home.bucket:
        raise BadBackend(f"{ORGANISATION} and {BUCKET} are both set: state has one home; unset one")
    if home.bucket and not home.region:
        raise BadBackend(f"{BUCKET} is set and {BUCKET_REGION} is not: name the bucket's region")
    return home


def _workspace(name: str) -> str:
    return f"spider-{name}"


def _key(name: str) -> str:
    return f"spider/{name}.tfstate"


def _file(name: str) -> str:
    # beside main.py, as seen from cdktf.out/stacks/NAME, which a synthesis writes anew
    return f"../../../{name}.tfstate"


def keep_state(stack: cdktf.TerraformStack, name: str, variables: Mapping[str, str]) -> None:
    """Give a stack its backend.

    HCP Terraform's workspace `spider-<name>` where an organisation is named, S3 with locking where a bucket
    is, otherwise a file beside `main.py`.

    Raises:
        BadBackend: both are named, or a bucket without its region.
    """
    home = _home(variables)
    if home.organisation:
        workspace = cdktf.NamedCloudWorkspace(_workspace(name))
        cdktf.CloudBackend(stack, organization=home.organisation, workspaces=workspace)
    elif home.bucket:
        cdktf.S3Backend(stack, bucket=home.bucket, key=_key(name), region=home.region, encrypt=True)
        # locking by a file in the bucket is younger than the bindings
        stack.add_override("terraform.backend.s3.use_lockfile", value=True)
    else:
        cdktf.LocalBackend(stack, path=_file(name))


def state_of(
    stack: cdktf.TerraformStack, name: str, variables: Mapping[str, str]
) -> cdktf.TerraformRemoteState:
    """The state of another stack, from where `keep_state` keeps it.

    Raises:
        BadBackend: as there.
    """
    home, called = _home(variables), "state"
    if home.organisation:
        workspace = cdktf.NamedRemoteWorkspace(_workspace(name))
        return cdktf.DataTerraformRemoteState(
            stack, called, organization=home.organisation, workspaces=workspace
        )
    if home.bucket:
        return cdktf.DataTerraformRemoteStateS3(
            stack, called, bucket=home.bucket, key=_key(name), region=home.region, encrypt=True
        )
    return cdktf.DataTerraformRemoteStateLocal(stack, called, path=_file(name))
