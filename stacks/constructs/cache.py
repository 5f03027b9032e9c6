"""The shared cache."""

from typing import Final

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.elasticache_replication_group import ElasticacheReplicationGroup
from cdktf_cdktf_provider_aws.elasticache_subnet_group import ElasticacheSubnetGroup
from cdktf_cdktf_provider_aws.elasticache_user import ElasticacheUser, ElasticacheUserAuthenticationMode
from cdktf_cdktf_provider_aws.elasticache_user_group import ElasticacheUserGroup
from constructs import Construct

from spider_common import schema
from stacks.environments import Environment

_SHUT_OUT: Final = "off -@all"


class Cache(Construct):
    """ElastiCache for Redis: TLS, and one user, whom the rotation of its password lets in.

    Until the first rotation nobody gets in, so no state of Terraform ever holds a password.

    Attributes:
        address: of the primary, or of a cluster's nodes.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        subnets: list[str],
        group: str,
        key: str,
    ) -> None:
        super().__init__(scope, name)
        redis = environment.redis
        clustered, replicated = redis.shards > 1, redis.replicas > 0
        where = ElasticacheSubnetGroup(self, "subnets", name=environment.named(name), subnet_ids=subnets)
        without_password = ElasticacheUserAuthenticationMode(type="no-password-required")
        nobody = ElasticacheUser(
            self,
            "nobody",
            user_id=environment.named("nobody"),
            user_name="default",
            engine="redis",
            access_string=_SHUT_OUT,
            authentication_mode=without_password,
        )
        services = ElasticacheUser(
            self,
            "services",
            user_id=environment.named(schema.CACHE_USER),
            user_name=schema.CACHE_USER,
            engine="redis",
            access_string=_SHUT_OUT,
            authentication_mode=without_password,
            lifecycle=TerraformResourceLifecycle(ignore_changes=["access_string", "authentication_mode"]),
        )
        users = ElasticacheUserGroup(
            self,
            "users",
            user_group_id=environment.named(name),
            engine="redis",
            user_ids=[nobody.user_id, services.user_id],
        )
        cluster = ElasticacheReplicationGroup(
            self,
            "cluster",
            replication_group_id=environment.named(name),
            description=f"{environment.name}: shared cache",
            engine="redis",
            engine_version="7.1",
            node_type=redis.node_type,
            port=6379,
            parameter_group_name="default.redis7.cluster.on" if clustered else "default.redis7",
            num_cache_clusters=None if clustered else 1 + redis.replicas,
            num_node_groups=redis.shards if clustered else None,
            replicas_per_node_group=redis.replicas if clustered else None,
            automatic_failover_enabled=replicated,
            multi_az_enabled=replicated,
            at_rest_encryption_enabled="true",
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            kms_key_id=key,
            user_group_ids=[users.id],
            subnet_group_name=where.name,
            security_group_ids=[group],
            snapshot_retention_limit=redis.snapshot_days,
            snapshot_window="03:00-04:00",
            maintenance_window="sun:04:30-sun:05:30",
            auto_minor_version_upgrade="true",
            lifecycle=TerraformResourceLifecycle(prevent_destroy=environment.protected),
        )
        self.address: str = (
            cluster.configuration_endpoint_address if clustered else cluster.primary_endpoint_address
        )
