"""What `provision` makes of the schema at AWS (moto's server)."""

from spider_common.schema import COPY, COPY_DLQ, TRADING
from spider_common.sdk.aws import Aws
from spider_common.stores.provision import provision


async def test_tables_and_queues_stand_as_the_schema_says(aws: Aws) -> None:
    """Law: provisioning twice gives the same; keys, indexes, time to live, redrive and FIFO modes are set."""
    urls = await provision(aws, prefix="spider-test-")
    assert await provision(aws, prefix="spider-test-") == urls
    assert list(urls) == [COPY_DLQ.name, COPY.name]
    dynamodb, sqs = aws.client("dynamodb"), aws.client("sqs")
    table = (await aws.call(dynamodb.describe_table, TableName="spider-test-trading"))["Table"]
    indexes = {index["IndexName"]: index["KeySchema"] for index in table["GlobalSecondaryIndexes"]}
    assert indexes == {
        index.name: [
            {"AttributeName": index.partition, "KeyType": "HASH"},
            {"AttributeName": index.sort, "KeyType": "RANGE"},
        ]
        for index in TRADING.indexes
    }
    life = await aws.call(dynamodb.describe_time_to_live, TableName="spider-test-config")
    assert life["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    answer = await aws.call(sqs.get_queue_attributes, QueueUrl=urls[COPY.name], AttributeNames=["All"])
    attributes = answer["Attributes"]
    assert attributes["FifoThroughputLimit"] == "perMessageGroupId"
    assert attributes["DeduplicationScope"] == "messageGroup"
    assert attributes["MessageRetentionPeriod"] == "1209600"
    assert "spider-test-copy-dlq.fifo" in attributes["RedrivePolicy"]
