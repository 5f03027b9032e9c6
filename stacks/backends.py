"""Where Terraform's state is kept: one choice for all stacks, made from the environment's variables."""

from collections.abc import Mapping
from typing import Final

import cdktf

ORGANISATION: Final = "SPIDER_TERRAFORM_ORGANISATION"
BUCKET: Final = "SPIDER_TERRAFORM_BUCKET"
BUCKET_REGION: Final = "SPIDER_TERRAFORM_BUCKET_REGION"


class BadBackend(ValueError):
    """The variables contradict each other. The text names them."""


def keep_state(stack: cdktf.TerraformStack, name: str, variables: Mapping[str, str]) -> None:
    """Give a stack its backend.

    HCP Terraform's workspace `spider-<name>` where an organisation is named, S3 with locking where a bucket
    is, otherwise a file beside `main.py`.

    Raises:
        BadBackend: both are named, or a bucket without its region.
    """
    organisation, bucket = variables.get(ORGANISATION, ""), variables.get(BUCKET, "")
    if organisation and bucket:
        raise BadBackend(f"{ORGANISATION} and {BUCKET} are both set: state has one home; unset one")
    if organisation:
        workspace = cdktf.NamedCloudWorkspace(f"spider-{name}")
        cdktf.CloudBackend(stack, organization=organisation, workspaces=workspace)
    elif bucket:
        region = variables.get(BUCKET_REGION, "")
        if not region:
            raise BadBackend(f"{BUCKET} is set and {BUCKET_REGION} is not: name the bucket's region")
        cdktf.S3Backend(stack, bucket=bucket, key=f"spider/{name}.tfstate", region=region, encrypt=True)
        # locking by a file in the bucket is younger than the bindings
        stack.add_override("terraform.backend.s3.use_lockfile", value=True)
    else:
        # beside main.py, as seen from cdktf.out/stacks/NAME, which a synthesis writes anew
        cdktf.LocalBackend(stack, path=f"../../../{name}.tfstate")
