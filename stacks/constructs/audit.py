"""What was done in the account, by whom, kept where nobody can change it."""

from cdktf import ITerraformDependable, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.cloudtrail import Cloudtrail
from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload,
    S3BucketLifecycleConfigurationRuleExpiration,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
)
from cdktf_cdktf_provider_aws.s3_bucket_object_lock_configuration import (
    S3BucketObjectLockConfigurationA,
    S3BucketObjectLockConfigurationRuleA,
    S3BucketObjectLockConfigurationRuleDefaultRetentionA,
)
from cdktf_cdktf_provider_aws.s3_bucket_policy import S3BucketPolicy
from cdktf_cdktf_provider_aws.s3_bucket_public_access_block import S3BucketPublicAccessBlock
from cdktf_cdktf_provider_aws.s3_bucket_server_side_encryption_configuration import (
    S3BucketServerSideEncryptionConfigurationA,
    S3BucketServerSideEncryptionConfigurationRuleA,
    S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA,
)
from cdktf_cdktf_provider_aws.s3_bucket_versioning import (
    S3BucketVersioningA,
    S3BucketVersioningVersioningConfiguration,
)
from constructs import Construct

from stacks.constructs.logs import WrittenByAws
from stacks.environments import Environment
from stacks.policies import allow, deny, document


def trail_arn(environment: Environment, *, account: str) -> str:
    """The trail's ARN, which its bucket and key name before there is a trail."""
    return f"arn:aws:cloudtrail:{environment.region}:{account}:trail/{environment.named('audit')}"


class LockedBucket(Construct):
    """A bucket whose objects nobody, administrators included, deletes or overwrites before their time."""

    def __init__(
        self, scope: Construct, name: str, *, environment: Environment, account: str, key: str, trail: str
    ) -> None:
        super().__init__(scope, name)
        bucket = S3Bucket(
            self,
            "bucket",
            bucket=f"{environment.named('spider-audit')}-{account}",  # names are unique across all of AWS
            object_lock_enabled=True,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=environment.protected),
        )
        S3BucketPublicAccessBlock(
            self,
            "private",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
        )
        S3BucketServerSideEncryptionConfigurationA(
            self,
            "encrypted",
            bucket=bucket.id,
            rule=[
                S3BucketServerSideEncryptionConfigurationRuleA(
                    apply_server_side_encryption_by_default=(
                        S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA(
                            sse_algorithm="aws:kms", kms_master_key_id=key
                        )
                    ),
                    bucket_key_enabled=True,
                )
            ],
        )
        versions = S3BucketVersioningA(
            self,
            "versions",
            bucket=bucket.id,
            versioning_configuration=S3BucketVersioningVersioningConfiguration(status="Enabled"),
        )
        S3BucketObjectLockConfigurationA(
            self,
            "locked",
            bucket=bucket.id,
            rule=S3BucketObjectLockConfigurationRuleA(
                default_retention=S3BucketObjectLockConfigurationRuleDefaultRetentionA(
                    mode="COMPLIANCE", days=environment.audit_days
                )
            ),
            depends_on=[versions],
        )
        days = environment.audit_days + 1  # a lock still held makes an expiry wait
        S3BucketLifecycleConfiguration(
            self,
            "kept",
            bucket=bucket.id,
            rule=[
                S3BucketLifecycleConfigurationRule(
                    id="forget",
                    status="Enabled",
                    filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="")],
                    expiration=[S3BucketLifecycleConfigurationRuleExpiration(days=days)],
                    noncurrent_version_expiration=[
                        S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(noncurrent_days=days)
                    ],
                    abort_incomplete_multipart_upload=[
                        S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload(
                            days_after_initiation=1
                        )
                    ],
                )
            ],
            depends_on=[versions],
        )
        writer = {"Service": "cloudtrail.amazonaws.com"}
        ours = {"StringEquals": {"aws:SourceArn": trail}}
        written = f"{bucket.arn}/AWSLogs/{account}/*"
        in_clear = {"Bool": {"aws:SecureTransport": "false"}}
        policy = S3BucketPolicy(
            self,
            "policy",
            bucket=bucket.id,
            policy=document(
                allow("s3:GetBucketAcl", on=[bucket.arn], to=writer, when=ours),
                allow("s3:PutObject", on=[written], to=writer, when=ours),
                deny("s3:*", on=[bucket.arn, f"{bucket.arn}/*"], to={"AWS": "*"}, when=in_clear),
            ),
        )
        self.bucket: str = bucket.id
        self.ready: list[ITerraformDependable] = [policy]


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
            depends_on=kept.ready,
        )
