"""DynamoDB PutItem: boto3 on our wire, boto3 in Trio's worker threads, and aiobotocore."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import aiobotocore.session
import boto3
import trio
from aiobotocore.config import AioConfig
from botocore.config import Config

from benchmarks.measure import IN_FLIGHT, Figure, compare, on_asyncio, on_trio, peer
from spider_common.network import SystemNetwork
from spider_common.sdk.aws import open_aws

_KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
_REGION = "eu-west-1"
_PUT: dict[str, Any] = {
    "TableName": "Trading",
    "Item": {
        "pk": {"S": "event#" + "a" * 32},
        "sk": {"S": "shard#0"},
        "fence": {"N": "7"},
        "intents": {"L": [{"M": {"client": {"S": "c-1"}, "quantity": {"S": "0.01"}}}] * 3},
    },
    "ConditionExpression": "attribute_not_exists(pk)",
}


async def _ours(url: str, calls: int) -> float:
    async with open_aws(network=SystemNetwork(), region=_REGION, endpoint_url=url, keys=_KEYS) as aws:
        return await on_trio(partial(aws.call, aws.client("dynamodb").put_item, **_PUT), calls)


async def _threads(url: str, calls: int) -> float:
    client = boto3.session.Session(*_KEYS, region_name=_REGION).client(
        "dynamodb", endpoint_url=url, config=Config(max_pool_connections=IN_FLIGHT, proxies={})
    )
    put = partial(client.put_item, **_PUT)
    return await on_trio(partial(trio.to_thread.run_sync, put), calls)


async def _aiobotocore(url: str, calls: int) -> float:
    async with aiobotocore.session.get_session().create_client(
        "dynamodb",
        region_name=_REGION,
        endpoint_url=url,
        aws_access_key_id=_KEYS[0],
        aws_secret_access_key=_KEYS[1],
        config=AioConfig(max_pool_connections=IN_FLIGHT, proxies={}),
    ) as client:
        return await on_asyncio(partial(client.put_item, **_PUT), calls)


def run() -> Sequence[Figure]:
    with peer("benchmarks.http_peer") as port:
        url = f"http://127.0.0.1:{port}"
        return compare(
            "DynamoDB PutItem",
            ("boto3 on sdk.aws", lambda calls: trio.run(_ours, url, calls)),
            {
                "boto3 in threads": (lambda calls: trio.run(_threads, url, calls), 0.7),
                "aiobotocore": (lambda calls: asyncio.run(_aiobotocore(url, calls)), None),
            },
            calls=1_600,
        )
