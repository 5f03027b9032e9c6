"""Laws of the foundation, read from the configuration that Terraform gets."""

import itertools
import re
from collections.abc import Mapping
from ipaddress import IPv4Network

import msgspec

from spider_common import schema
from stacks.environments import ENVIRONMENTS
from stacks.handover import SERVICES
from stacks.rules import STATEFUL, problems
from tests.infrastructure.reading import Body, Configuration, differences, named, of, one


def test_no_stack_breaks_a_rule(configuration: Configuration, name: str) -> None:
    """What was written keeps every rule that its synthesis was held to, and there was something to hold."""
    assert sum(map(len, configuration["resource"].values())) > 100
    assert problems(configuration["resource"], protected=ENVIRONMENTS[name].protected) == []


def test_every_queue_redrives(configuration: Configuration, name: str) -> None:
    """A queue of the schema sends what fails where the schema says, and only it may send there."""
    queues = {body["name"]: body for body in of(configuration, "aws_sqs_queue").values()}
    prefix = ENVIRONMENTS[name].names_prefix
    assert set(queues) == {prefix + shape.name for shape in schema.QUEUES}
    for shape in schema.QUEUES:
        if shape.dead_letters is not None:
            policy = msgspec.json.decode(queues[prefix + shape.name]["redrive_policy"])
            assert policy["maxReceiveCount"] == shape.max_receives
            target = named(configuration, policy["deadLetterTargetArn"])
            assert target["name"] == prefix + shape.dead_letters
    allowed = one(configuration, "aws_sqs_queue_redrive_allow_policy")
    permission = msgspec.json.decode(allowed["redrive_allow_policy"])
    assert permission["redrivePermission"] == "byQueue"
    sources = [named(configuration, arn)["name"] for arn in permission["sourceQueueArns"]]
    assert sources == [prefix + shape.name for shape in schema.QUEUES if shape.dead_letters]


def test_a_queue_is_what_the_services_expect(configuration: Configuration, name: str) -> None:
    """Read back into SQS's words, each queue is the schema's to the last attribute."""
    queues = {body["name"]: body for body in of(configuration, "aws_sqs_queue").values()}
    for shape in schema.QUEUES:
        body = queues[ENVIRONMENTS[name].named(shape.name)]
        read = {
            "FifoQueue": str(body["fifo_queue"]).lower(),
            "DeduplicationScope": body["deduplication_scope"],
            "FifoThroughputLimit": body["fifo_throughput_limit"],
            "VisibilityTimeout": str(body["visibility_timeout_seconds"]),
            "MessageRetentionPeriod": str(body["message_retention_seconds"]),
            "ReceiveMessageWaitTimeSeconds": str(body["receive_wait_time_seconds"]),
        }
        asked = dict(schema.queue_attributes(shape, dead_letter_arn="arn"))
        asked.pop("RedrivePolicy", None)
        assert read == asked


def test_a_table_is_what_the_services_expect(configuration: Configuration, name: str) -> None:
    """Read back into DynamoDB's words, each table is the schema's, with its indexes and time to live."""
    tables = {body["name"]: body for body in of(configuration, "aws_dynamodb_table").values()}
    prefix = ENVIRONMENTS[name].names_prefix
    assert set(tables) == {prefix + shape.name for shape in schema.TABLES}
    for shape in schema.TABLES:
        body = tables[prefix + shape.name]
        read: Body = {
            "TableName": body["name"],
            "AttributeDefinitions": [
                {"AttributeName": each["name"], "AttributeType": each["type"]} for each in body["attribute"]
            ],
            "KeySchema": schema._key_schema(body["hash_key"], body["range_key"]),
            "BillingMode": body["billing_mode"],
        }
        if body.get("global_secondary_index"):
            read["GlobalSecondaryIndexes"] = [
                {
                    "IndexName": index["name"],
                    "KeySchema": schema._key_schema(index["hash_key"], index["range_key"]),
                    "Projection": {"ProjectionType": index["projection_type"]},
                }
                for index in body["global_secondary_index"]
            ]
        assert read == schema.create_table_arguments(shape, prefix=prefix)
        assert body["ttl"] == {"attribute_name": "expires", "enabled": True}


def test_every_store_is_encrypted_with_a_key_that_turns(configuration: Configuration) -> None:
    """Each reference to a key leads to one of ours, whose material is renewed yearly."""
    keys = {
        "aws_backup_vault": "kms_key_arn",
        "aws_cloudtrail": "kms_key_id",
        "aws_cloudwatch_log_group": "kms_key_id",
        "aws_elasticache_replication_group": "kms_key_id",
        "aws_secretsmanager_secret": "kms_key_id",
        "aws_sqs_queue": "kms_master_key_id",
    }
    references = [body[field] for kind, field in keys.items() for body in of(configuration, kind).values()]
    references += [
        body["server_side_encryption"]["kms_key_arn"]
        for body in of(configuration, "aws_dynamodb_table").values()
    ]
    assert len(references) >= 10
    for reference in references:
        assert named(configuration, reference)["enable_key_rotation"] is True


def test_all_private_route_tables_leave_by_the_two_addresses(configuration: Configuration, name: str) -> None:
    """Whatever leaves a private subnet leaves by NAT, and all NAT has two addresses, which are told."""
    used: set[str] = set()
    for gateway in of(configuration, "aws_nat_gateway").values():
        for allocation in (gateway["allocation_id"], *gateway.get("secondary_allocation_ids", ())):
            assert named(configuration, allocation)["lifecycle"] == {"prevent_destroy": True}
            used.add(allocation)
    assert len(used) == len(of(configuration, "aws_eip")) == 2
    assert len(of(configuration, "aws_nat_gateway")) == ENVIRONMENTS[name].nat_gateways

    ways = {each["route_table_id"]: each for each in of(configuration, "aws_route").values()}
    for association in of(configuration, "aws_route_table_association").values():
        way = ways[association["route_table_id"]]
        public = "public" in association["subnet_id"]
        assert ("gateway_id" in way) == public
        assert ("nat_gateway_id" in way) == (not public)
    told = configuration["output"]["egress_addresses"]["value"]
    assert list(told) == list(ENVIRONMENTS[name].zones)
    assert {reference.rpartition(".")[0] for reference in told.values()} == {
        reference.rpartition(".")[0] for reference in used
    }


def test_a_zone_leaves_by_its_own_gateway_where_it_has_one(configuration: Configuration) -> None:
    """With two gateways the loss of one zone leaves the other's way out alone."""
    gateways = of(configuration, "aws_nat_gateway")
    ways = [each for each in of(configuration, "aws_route").values() if "nat_gateway_id" in each]
    used = {way["nat_gateway_id"] for way in ways}
    assert len(ways) == 2
    assert len(used) == len(gateways)


def test_subnets_are_apart_and_give_nobody_a_public_address(configuration: Configuration) -> None:
    """Six subnets in two zones, inside the network, sharing no address."""
    subnets = list(of(configuration, "aws_subnet").values())
    networks = [IPv4Network(subnet["cidr_block"]) for subnet in subnets]
    whole = IPv4Network(one(configuration, "aws_vpc")["cidr_block"])
    assert all(network.subnet_of(whole) for network in networks)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(networks, 2))
    assert sorted(subnet["availability_zone"][-1] for subnet in subnets) == list("aaabbb")
    assert [subnet for subnet in subnets if subnet["map_public_ip_on_launch"]] == []


def test_nothing_but_the_load_balancer_is_reachable_from_outside(configuration: Configuration) -> None:
    """The world may come in at its 80 and 443; every other door names the group that may come."""
    open_ports = []
    for rule in of(configuration, "aws_vpc_security_group_ingress_rule").values():
        if "referenced_security_group_id" not in rule:
            assert named(configuration, rule["security_group_id"])["name"].endswith("-alb")
            open_ports.append(rule["from_port"])
    assert sorted(open_ports) == [80, 443]
    default = one(configuration, "aws_default_security_group")
    assert "ingress" not in default
    assert "egress" not in default


def test_only_tasks_reach_the_cache(configuration: Configuration) -> None:
    """Redis opens 6379 to the groups of tasks, to the rotation of its password, and to nobody else."""
    doors = [
        rule
        for rule in of(configuration, "aws_vpc_security_group_ingress_rule").values()
        if named(configuration, rule["security_group_id"])["name"].endswith("-redis")
    ]
    assert {(rule["from_port"], rule["to_port"]) for rule in doors} == {(6379, 6379)}
    who = {named(configuration, rule["referenced_security_group_id"])["name"] for rule in doors}
    assert {each.partition("-")[2] for each in who} == {"oms", "frontend", "rotation"}


def test_the_cache_is_what_the_table_says(configuration: Configuration, name: str) -> None:
    """Node, shards and replicas are the row's; where there are replicas, one in another zone takes over."""
    body, asked = one(configuration, "aws_elasticache_replication_group"), ENVIRONMENTS[name].redis
    shards = body.get("num_node_groups", 1)
    replicas = body.get("replicas_per_node_group", body.get("num_cache_clusters", 0) - 1)
    found = (body["node_type"], shards, replicas, body["snapshot_retention_limit"])
    assert found == (asked.node_type, asked.shards, asked.replicas, asked.snapshot_days)
    assert body["multi_az_enabled"] is body["automatic_failover_enabled"] is (asked.replicas > 0)


def test_no_password_of_the_cache_is_known_to_terraform(configuration: Configuration) -> None:
    """Every user begins turned off; what its first rotation gives it is nobody else's to change."""
    users = {user["user_name"]: user for user in of(configuration, "aws_elasticache_user").values()}
    assert set(users) == {"default", schema.CACHE_USER}
    for user in users.values():
        assert user["access_string"] == "off -@all"
        assert user["authentication_mode"] == {"type": "no-password-required"}
    turned = users[schema.CACHE_USER]["lifecycle"]["ignore_changes"]
    assert set(turned) == {"access_string", "authentication_mode"}
    assert not [name for name in configuration["variable"] if "password" in name]


def test_aws_is_reached_without_nat_where_the_table_says_so(configuration: Configuration, name: str) -> None:
    """Tables and buckets everywhere; the rest by endpoints in as many zones as the row gives."""
    endpoints = of(configuration, "aws_vpc_endpoint").values()
    gateways = [each for each in endpoints if each["vpc_endpoint_type"] == "Gateway"]
    assert {each["service_name"].rpartition(".")[2] for each in gateways} == {"dynamodb", "s3"}
    assert all(len(each["route_table_ids"]) == 2 for each in gateways)
    zones = ENVIRONMENTS[name].endpoint_zones
    interfaces = [each for each in endpoints if each["vpc_endpoint_type"] == "Interface"]
    assert len(interfaces) == (10 if zones else 0)
    assert all(len(each["subnet_ids"]) == zones and each["private_dns_enabled"] for each in interfaces)


def test_acls_let_in_no_remote_desktop(configuration: Configuration) -> None:
    """No range that an ACL opens to the world holds 22 or 3389."""
    opened = [
        (rule["from_port"], rule["to_port"])
        for rule in of(configuration, "aws_network_acl_rule").values()
        if rule["cidr_block"] == "0.0.0.0/0" and not rule["egress"]
    ]
    assert opened
    assert [each for each in opened for port in (22, 3389) if each[0] <= port <= each[1]] == []


def test_prod_protects_every_stateful_resource(configurations: Mapping[str, Configuration]) -> None:
    """What keeps state in prod refuses to be deleted; elsewhere only the two addresses do."""
    for name, configuration in configurations.items():
        kept = {
            kind
            for kind, bodies in configuration["resource"].items()
            for body in bodies.values()
            if body.get("lifecycle", {}).get("prevent_destroy")
        }
        present = {kind for kind in STATEFUL if kind in configuration["resource"]}
        assert kept == (present if ENVIRONMENTS[name].protected else {"aws_eip"})
    tables = of(configurations["prod"], "aws_dynamodb_table").values()
    assert all(
        body["deletion_protection_enabled"] and body["point_in_time_recovery"]["enabled"] for body in tables
    )
    assert one(configurations["prod"], "aws_cognito_user_pool")["deletion_protection"] == "ACTIVE"


def test_users_have_a_second_factor_and_make_no_accounts(configuration: Configuration) -> None:
    """MFA is on, only an administrator makes users, and no client secret lies in a browser."""
    pool = one(configuration, "aws_cognito_user_pool")
    assert pool["mfa_configuration"] == "ON"
    assert pool["software_token_mfa_configuration"] == {"enabled": True}
    assert pool["admin_create_user_config"] == {"allow_admin_create_user_only": True}
    assert one(configuration, "aws_cognito_user_pool_client")["generate_secret"] is False
    groups = sorted(group["name"] for group in of(configuration, "aws_cognito_user_group").values())
    assert groups == ["Admin", "Operator", "Viewer"]


def test_the_audit_trail_cannot_be_taken_back(configuration: Configuration, name: str) -> None:
    """Files are signed, versioned and locked against everybody for as long as the table says."""
    assert one(configuration, "aws_cloudtrail")["enable_log_file_validation"] is True
    lock = one(configuration, "aws_s3_bucket_object_lock_configuration")["rule"]["default_retention"]
    assert lock == {"mode": "COMPLIANCE", "days": ENVIRONMENTS[name].audit_days}
    trail = one(configuration, "aws_cloudtrail")["s3_bucket_name"]
    assert named(configuration, trail)["object_lock_enabled"] is True


def test_no_bucket_is_open_to_anybody(configuration: Configuration) -> None:
    """Each bucket is closed to the public, keeps versions, and refuses who does not come by TLS."""
    buckets = of(configuration, "aws_s3_bucket")
    assert len(buckets) == 2
    for kind in ("public_access_block", "versioning", "policy", "lifecycle_configuration"):
        assert len(of(configuration, f"aws_s3_bucket_{kind}")) == len(buckets)
    for blocked in of(configuration, "aws_s3_bucket_public_access_block").values():
        assert all(value for key, value in blocked.items() if key.startswith(("block", "ignore", "restrict")))
    for policy in of(configuration, "aws_s3_bucket_policy").values():
        (refused,) = (
            each for each in msgspec.json.decode(policy["policy"])["Statement"] if each["Effect"] == "Deny"
        )
        assert refused["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_an_image_tag_always_means_the_same_image(configuration: Configuration, name: str) -> None:
    """Each service has a repository whose tags never move and whose images are scanned."""
    repositories = {body["name"]: body for body in of(configuration, "aws_ecr_repository").values()}
    assert set(repositories) == {ENVIRONMENTS[name].named(service) for service in SERVICES}
    for body in repositories.values():
        assert body["image_tag_mutability"] == "IMMUTABLE"
        assert body["image_scanning_configuration"]["scan_on_push"] is True
        assert named(configuration, body["encryption_configuration"][0]["kms_key"])


def test_each_table_is_backed_up_within_the_rpo(configuration: Configuration, name: str) -> None:
    """The plan takes every table, often enough where there is no restore to the second."""
    selected = [
        named(configuration, arn)["name"] for arn in one(configuration, "aws_backup_selection")["resources"]
    ]
    assert sorted(selected) == sorted(ENVIRONMENTS[name].named(shape.name) for shape in schema.TABLES)
    row = ENVIRONMENTS[name]
    (rule,) = one(configuration, "aws_backup_plan")["rule"]
    longest_without = row.backup_minutes + rule["start_window"]
    assert row.point_in_time or longest_without <= row.rpo_minutes
    hour = re.fullmatch(r"cron\(0 (\d+)(?:/(\d+))? \* \* \? \*\)", rule["schedule"])
    assert hour is not None
    assert int(hour[2] or 24) * 60 == row.backup_minutes
    assert rule["lifecycle"]["delete_after"] == row.backup_days


DIFFERENT = {
    # what the table's fields change, by the end of the path
    "nat_gateways": ("aws_nat_gateway", "aws_route.network_private-b-out"),
    "endpoint_zones": ("aws_vpc_endpoint.",),
    "redis": ("aws_elasticache_replication_group.",),
    "log_days": (".retention_in_days", "access-logs_kept"),
    "point_in_time": (".point_in_time_recovery.enabled",),
    "backup": (".schedule", ".delete_after"),
    "protected": (
        ".prevent_destroy",
        ".deletion_protection",
        ".deletion_protection_enabled",
        ".deletion_window_in_days",
        ".recovery_window_in_days",
        "aws_backup_vault_lock_configuration.",
    ),
    "audit_days": (".default_retention.days", ".expiration[0].days", ".noncurrent_days"),
}


def test_environments_differ_only_where_the_table_says_so(
    configurations: Mapping[str, Configuration],
) -> None:
    """With names and networks made equal, what still differs is named by a field of the table."""
    allowed = tuple(itertools.chain.from_iterable(DIFFERENT.values()))
    different = differences(configurations)
    assert [path for path in sorted(different) if not any(each in path for each in allowed)] == []
    unused = [each for each in allowed if not any(each in path for path in different)]
    assert unused == []
