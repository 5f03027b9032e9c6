"""The AWS provider of a stack, and the tags of everything it makes."""

from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderDefaultTags
from constructs import Construct

from stacks.environments import Environment


def use_aws(scope: Construct, *, environment: Environment, account: str, stack: str) -> None:
    """Make a stack's resources in this account and no other, each tagged with what it belongs to."""
    tags = {
        "Project": "oms-spider",
        "Environment": environment.name,
        "Stack": stack,
        "ManagedBy": "terraform",
    }
    AwsProvider(
        scope,
        "aws",
        region=environment.region,
        allowed_account_ids=[account],
        default_tags=[AwsProviderDefaultTags(tags=tags)],
    )
