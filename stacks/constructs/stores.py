"""Tables and queues, made from the very shapes that the services use."""

import msgspec
from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.dynamodb_table import (
    DynamodbTable,
    DynamodbTableAttribute,
    DynamodbTableGlobalSecondaryIndex,
    DynamodbTablePointInTimeRecovery,
    DynamodbTableServerSideEncryption,
    DynamodbTableTtl,
)
from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue
from cdktf_cdktf_provider_aws.sqs_queue_policy import SqsQueuePolicy
from cdktf_cdktf_provider_aws.sqs_queue_redrive_allow_policy import SqsQueueRedriveAllowPolicy
from constructs import Construct

from spider_common.schema import (
    DAY_S,
    QueueShape,
    TableShape,
    create_table_arguments,
    queue_attributes,
    time_to_live_arguments,
)
from stacks.environments import Environment
from stacks.policies import deny, document


class Table(Construct):
    """A DynamoDB table as `spider_common.schema` describes it, encrypted with our key."""

    def __init__(
        self, scope: Construct, name: str, *, environment: Environment, shape: TableShape, key: str
    ) -> None:
        super().__init__(scope, name)
        asked = create_table_arguments(shape, prefix=environment.names_prefix)
        keys = {each["KeyType"]: each["AttributeName"] for each in asked["KeySchema"]}
        expires = time_to_live_arguments(shape)["TimeToLiveSpecification"]
        table = DynamodbTable(
            self,
            "table",
            name=asked["TableName"],
            billing_mode=asked["BillingMode"],
            hash_key=keys["HASH"],
            range_key=keys["RANGE"],
            attribute=[
                DynamodbTableAttribute(name=each["AttributeName"], type=each["AttributeType"])
                for each in asked["AttributeDefinitions"]
            ],
            global_secondary_index=[
                DynamodbTableGlobalSecondaryIndex(
                    name=index["IndexName"],
                    hash_key=index["KeySchema"][0]["AttributeName"],
                    range_key=index["KeySchema"][1]["AttributeName"],
                    projection_type=index["Projection"]["ProjectionType"],
                )
                for index in asked.get("GlobalSecondaryIndexes", ())
            ],
            ttl=DynamodbTableTtl(enabled=expires["Enabled"], attribute_name=expires["AttributeName"]),
            server_side_encryption=DynamodbTableServerSideEncryption(enabled=True, kms_key_arn=key),
            point_in_time_recovery=DynamodbTablePointInTimeRecovery(enabled=environment.point_in_time),
            deletion_protection_enabled=environment.protected,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=environment.protected),
        )
        self.arn: str = table.arn


class Queue(Construct):
    """An SQS queue as `spider_common.schema` describes it, spoken to over TLS only."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        shape: QueueShape,
        key: str,
        dead_letters: str | None = None,
    ) -> None:
        super().__init__(scope, name)
        asked = queue_attributes(shape, dead_letter_arn=dead_letters)
        queue = SqsQueue(
            self,
            "queue",
            name=environment.named(shape.name),
            fifo_queue=asked["FifoQueue"] == "true",
            deduplication_scope=asked["DeduplicationScope"],
            fifo_throughput_limit=asked["FifoThroughputLimit"],
            visibility_timeout_seconds=int(asked["VisibilityTimeout"]),
            message_retention_seconds=int(asked["MessageRetentionPeriod"]),
            receive_wait_time_seconds=int(asked["ReceiveMessageWaitTimeSeconds"]),
            redrive_policy=asked.get("RedrivePolicy"),
            kms_master_key_id=key,
            kms_data_key_reuse_period_seconds=DAY_S,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=environment.protected),
        )
        self.arn: str = queue.arn
        self.url: str = queue.url
        in_clear = {"Bool": {"aws:SecureTransport": "false"}}
        refuse = deny("sqs:*", on=[queue.arn], sid="DenyInClear", to={"AWS": "*"}, when=in_clear)
        SqsQueuePolicy(self, "policy", queue_url=queue.url, policy=document(refuse))

    def take_dead_letters_of(self, sources: list[str]) -> None:
        """Let these queues, by ARN, and no other send their dead letters here."""
        permission = {"redrivePermission": "byQueue", "sourceQueueArns": sources}
        SqsQueueRedriveAllowPolicy(
            self,
            "sources",
            queue_url=self.url,
            redrive_allow_policy=msgspec.json.encode(permission).decode(),
        )
