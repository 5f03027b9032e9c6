"""Creates the tables and queues of `schema` where no stack does: on one machine, and in tests."""

from collections.abc import Sequence

from botocore.exceptions import ClientError

from spider_common.schema import (
    QUEUES,
    TABLES,
    QueueShape,
    TableShape,
    create_table_arguments,
    queue_attributes,
    time_to_live_arguments,
)
from spider_common.stores.aws_call import AwsCall, error_code


async def provision(
    aws: AwsCall,
    *,
    tables: Sequence[TableShape] = TABLES,
    queues: Sequence[QueueShape] = QUEUES,
    prefix: str = "",
) -> dict[str, str]:
    """Create what is not there yet. A queue stands after the one its dead letters go to.

    Returns:
        The URL of each queue, by the name in its shape.
    """
    for table in tables:
        await _create_table(aws, table, prefix)
    urls: dict[str, str] = {}
    for queue in queues:
        urls[queue.name] = await _create_queue(aws, queue, prefix, urls)
    return urls


async def _create_table(aws: AwsCall, table: TableShape, prefix: str) -> None:
    client = aws.client("dynamodb")
    try:
        await aws.call(client.create_table, **create_table_arguments(table, prefix=prefix))
    except ClientError as error:
        if error_code(error) != "ResourceInUseException":
            raise
        return
    await aws.call(client.update_time_to_live, **time_to_live_arguments(table, prefix=prefix))


async def _create_queue(aws: AwsCall, queue: QueueShape, prefix: str, urls: dict[str, str]) -> str:
    client = aws.client("sqs")
    arn = None
    if queue.dead_letters is not None:
        answer = await aws.call(
            client.get_queue_attributes, QueueUrl=urls[queue.dead_letters], AttributeNames=["QueueArn"]
        )
        arn = answer["Attributes"]["QueueArn"]
    attributes = queue_attributes(queue, dead_letter_arn=arn)
    created = await aws.call(client.create_queue, QueueName=prefix + queue.name, Attributes=attributes)
    url: str = created["QueueUrl"]
    return url
