"""Encryption keys, each for one kind of reader."""

from collections.abc import Mapping, Sequence
from typing import Any

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.kms_alias import KmsAlias
from cdktf_cdktf_provider_aws.kms_key import KmsKey
from constructs import Construct

from stacks.environments import Environment
from stacks.policies import allow, document


class Key(Construct):
    """A KMS key that turns yearly, whose use the account's IAM policies grant.

    `services` are statements that let services of AWS use it on their own, such as CloudWatch Logs.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        account: str,
        purpose: str,
        services: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(scope, name)
        by_account = allow(
            "kms:*",
            on=["*"],
            sid="BecauseOnlyIamOfThisAccountGrantsItsUse",
            to={"AWS": f"arn:aws:iam::{account}:root"},
        )
        key = KmsKey(
            self,
            "key",
            description=f"{environment.name}: {purpose}",
            enable_key_rotation=True,
            deletion_window_in_days=environment.key_window_days,
            policy=document(by_account, *services),
            lifecycle=TerraformResourceLifecycle(prevent_destroy=environment.protected),
        )
        KmsAlias(self, "alias", name=f"alias/{environment.named(name)}", target_key_id=key.key_id)
        self.arn: str = key.arn
