"""Where the images of services are kept."""

from typing import Any, Final

import msgspec
from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.ecr_lifecycle_policy import EcrLifecyclePolicy
from cdktf_cdktf_provider_aws.ecr_repository import (
    EcrRepository,
    EcrRepositoryEncryptionConfiguration,
    EcrRepositoryImageScanningConfiguration,
)
from constructs import Construct

from stacks.environments import Environment

_KEPT: Final = 50
"""Images to roll back to: at five releases a day those of ten days."""
_UNTAGGED_DAYS: Final = 1


class Images(Construct):
    """The repository of one image. A tag always means the same image, and what is pushed is scanned."""

    def __init__(self, scope: Construct, name: str, *, environment: Environment, of: str, key: str) -> None:
        super().__init__(scope, name)
        repository = EcrRepository(
            self,
            "repository",
            name=environment.named(of),
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=EcrRepositoryImageScanningConfiguration(scan_on_push=True),
            encryption_configuration=[
                EcrRepositoryEncryptionConfiguration(encryption_type="KMS", kms_key=key)
            ],
            lifecycle=TerraformResourceLifecycle(prevent_destroy=environment.protected),
        )
        EcrLifecyclePolicy(
            self,
            "kept",
            repository=repository.name,
            policy=msgspec.json.encode(
                {
                    "rules": [
                        _expire(
                            1,
                            "what a failed push left behind",
                            tagStatus="untagged",
                            countType="sinceImagePushed",
                            countUnit="days",
                            countNumber=_UNTAGGED_DAYS,
                        ),
                        _expire(
                            2,
                            "what nobody rolls back to any more",
                            tagStatus="any",
                            countType="imageCountMoreThan",
                            countNumber=_KEPT,
                        ),
                    ]
                }
            ).decode(),
        )
        self.url: str = repository.repository_url


def _expire(priority: int, description: str, **selection: object) -> dict[str, Any]:
    return {
        "rulePriority": priority,
        "description": description,
        "selection": selection,
        "action": {"type": "expire"},
    }
