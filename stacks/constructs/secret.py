"""Secrets whose values Terraform never sees."""

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.secretsmanager_secret import SecretsmanagerSecret
from constructs import Construct

from stacks.environments import Environment


class Secret(Construct):
    """A place for a secret. Its value is put there by its rotation, so that no state holds it."""

    def __init__(
        self, scope: Construct, name: str, *, environment: Environment, holds: str, key: str
    ) -> None:
        super().__init__(scope, name)
        secret = SecretsmanagerSecret(
            self,
            "secret",
            name=environment.named(name),
            description=holds,
            kms_key_id=key,
            recovery_window_in_days=30 if environment.protected else 7,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=environment.protected),
        )
        self.arn: str = secret.arn
