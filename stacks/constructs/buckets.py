"""Buckets that nobody but their writer writes to, and nobody from outside reads."""

from collections.abc import Mapping, Sequence
from typing import Any

from cdktf import ITerraformDependable, TerraformResourceLifecycle
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

from stacks.environments import Environment
from stacks.policies import allow, deny, document


class PrivateBucket(Construct):
    """An encrypted, versioned bucket that keeps each object for some days.

    Args:
        key: the KMS key; None for S3's own, which is all that some writers can use.
        writer: the service of AWS that writes.
        conditions: under which it may, by what it says of itself.

    Attributes:
        bucket: its name.
        ready: after which the writer may be told of it.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        account: str,
        called: str,
        key: str | None,
        days: int,
        writer: str,
        conditions: Mapping[str, Mapping[str, Any]],
        locked: bool = False,
    ) -> None:
        super().__init__(scope, name)
        bucket = S3Bucket(
            self,
            "bucket",
            bucket=f"{environment.named(called)}-{account}",  # names are unique across all of AWS
            object_lock_enabled=locked or None,
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
                            sse_algorithm="aws:kms" if key else "AES256", kms_master_key_id=key
                        )
                    ),
                    bucket_key_enabled=True if key else None,
                )
            ],
        )
        versions = S3BucketVersioningA(
            self,
            "versions",
            bucket=bucket.id,
            versioning_configuration=S3BucketVersioningVersioningConfiguration(status="Enabled"),
        )
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
        service = {"Service": writer}
        written = f"{bucket.arn}/AWSLogs/{account}/*"
        in_clear = {"Bool": {"aws:SecureTransport": "false"}}
        policy = S3BucketPolicy(
            self,
            "policy",
            bucket=bucket.id,
            policy=document(
                allow("s3:GetBucketAcl", on=[bucket.arn], to=service, when=conditions),
                allow("s3:PutObject", on=[written], to=service, when=conditions),
                deny("s3:*", on=[bucket.arn, f"{bucket.arn}/*"], to={"AWS": "*"}, when=in_clear),
            ),
        )
        self.bucket: str = bucket.id
        self.ready: Sequence[ITerraformDependable] = [policy]
        self._versions = versions


class LockedBucket(PrivateBucket):
    """A bucket whose objects nobody, administrators included, deletes or overwrites before their time."""

    def __init__(
        self, scope: Construct, name: str, *, environment: Environment, account: str, key: str, trail: str
    ) -> None:
        super().__init__(
            scope,
            name,
            environment=environment,
            account=account,
            called="spider-audit",
            key=key,
            days=environment.audit_days + 1,  # a lock still held makes an expiry wait
            writer="cloudtrail.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceArn": trail}},
            locked=True,
        )
        S3BucketObjectLockConfigurationA(
            self,
            "locked",
            bucket=self.bucket,
            rule=S3BucketObjectLockConfigurationRuleA(
                default_retention=S3BucketObjectLockConfigurationRuleDefaultRetentionA(
                    mode="COMPLIANCE", days=environment.audit_days
                )
            ),
            depends_on=[self._versions],
        )


class AccessLogs(PrivateBucket):
    """Where load balancers of this account write who asked for what. They can use S3's own keys only."""

    def __init__(self, scope: Construct, name: str, *, environment: Environment, account: str) -> None:
        balancers = f"arn:aws:elasticloadbalancing:{environment.region}:{account}:loadbalancer/*"
        super().__init__(
            scope,
            name,
            environment=environment,
            account=account,
            called="spider-access",
            key=None,
            days=environment.log_days,
            writer="logdelivery.elasticloadbalancing.amazonaws.com",
            conditions={
                "ArnLike": {"aws:SourceArn": balancers},
                "StringEquals": {"aws:SourceAccount": account},
            },
        )
