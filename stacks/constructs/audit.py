"""What was done in the account, by whom, kept where nobody can change it."""

from cdktf_cdktf_provider_aws.cloudtrail import Cloudtrail
from constructs import Construct

from stacks.constructs.buckets import LockedBucket
from stacks.constructs.logs import WrittenByAws
from stacks.environments import Environment


def trail_arn(environment: Environment, *, account: str) -> str:
    """The trail's ARN, which its bucket and key name before there is a trail."""
    return f"arn:aws:cloudtrail:{environment.region}:{account}:trail/{environment.named('audit')}"


class Trail(Construct):
    """CloudTrail of every region, its files signed so that a missing or changed one is seen."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        account: str,
        key: str,
        logs: WrittenByAws,
    ) -> None:
        super().__init__(scope, name)
        arn = trail_arn(environment, account=account)
        kept = LockedBucket(self, "kept", environment=environment, account=account, key=key, trail=arn)
        Cloudtrail(
            self,
            "trail",
            name=environment.named("audit"),
            s3_bucket_name=kept.bucket,
            kms_key_id=key,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            cloud_watch_logs_group_arn=f"{logs.arn}:*",
            cloud_watch_logs_role_arn=logs.role,
            depends_on=list(kept.ready),
        )
