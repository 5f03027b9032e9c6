"""A copier as one would write it: asyncio, ccxt, aiobotocore and redis.asyncio, each as its documents show.

One message is one fill of a leader. For each follower of its product (from Redis) a copy is recorded in
DynamoDB under a condition, so that a message that comes twice is not copied twice; then the order is placed
and what became of it is recorded; when all are done the message is deleted. An exchange object stands for
each account, made when it first trades; they share one list of markets.

`python -m benchmarks.peers.asyncio_copier AWS OKX REDIS`: the addresses.
"""

import asyncio
import hashlib
import json
import logging
import sys
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import redis.asyncio
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

QUEUE = "copier.fifo"
TABLE = "copies"
CONNECTIONS = 64
"""To AWS. The default of ten would make a fan-out wait for its own records."""

log = logging.getLogger("copier")


class Copier:
    """Copies a leader's fills to the followers of its product."""

    def __init__(self, *, sqs: Any, dynamodb: Any, cache: redis.asyncio.Redis, okx: str) -> None:
        self.sqs, self.dynamodb, self.cache, self.okx = sqs, dynamodb, cache, okx
        self.markets = self.exchange_of({})
        self.exchanges: dict[str, ccxt.okx] = {}

    async def run(self) -> None:
        """Takes messages until cancelled."""
        await self.markets.load_markets()
        url = (await self.sqs.get_queue_url(QueueName=QUEUE))["QueueUrl"]
        print("ready", flush=True)
        while True:
            answer = await self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
            for message in answer.get("Messages", []):
                await self.copy(json.loads(message["Body"]))
                await self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    async def copy(self, fill: dict[str, Any]) -> None:
        product = json.loads(await self.cache.get(f"product:{fill['product']}"))
        await asyncio.gather(*(self.follow(fill, follower) for follower in product["followers"]))

    async def follow(self, fill: dict[str, Any], follower: dict[str, Any]) -> None:
        """Places one follower's copy, unless that was begun before."""
        exchange = self.exchange(follower)
        market = exchange.market(fill["symbol"])
        contracts = (
            Decimal(fill["quantity"]) * Decimal(follower["ratio"]) / Decimal(str(market["contractSize"]))
        )
        amount = exchange.amount_to_precision(fill["symbol"], float(contracts))
        order_id = hashlib.sha256(f"{fill['event']}/{follower['client']}".encode()).hexdigest()[:32]
        key = {"pk": {"S": f"event#{fill['event']}"}, "sk": {"S": f"copy#{follower['client']}"}}
        copy = {
            **key,
            "client_order_id": {"S": order_id},
            "account": {"S": follower["account"]},
            "symbol": {"S": fill["symbol"]},
            "side": {"S": fill["side"]},
            "amount": {"N": amount},
            "state": {"S": "planned"},
        }
        try:
            await self.dynamodb.put_item(
                TableName=TABLE, Item=copy, ConditionExpression="attribute_not_exists(pk)"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return
        venue_order_id = ""
        try:
            order = await exchange.create_order(
                fill["symbol"],
                "market",
                fill["side"],
                float(amount),
                None,
                {"clientOrderId": order_id, "tdMode": "cross"},
            )
            state, venue_order_id = "accepted", order["id"]
        except ccxt.NetworkError as error:
            state = f"unknown: {error}"
        except ccxt.ExchangeError as error:
            state = f"rejected: {error}"
        await self.dynamodb.update_item(
            TableName=TABLE,
            Key=key,
            UpdateExpression="SET #s = :s, venue_order_id = :v",
            ExpressionAttributeNames={"#s": "state"},
            ExpressionAttributeValues={":s": {"S": state}, ":v": {"S": venue_order_id}},
        )
        log.info("copy %s of %s for %s: %s", order_id, fill["event"], follower["account"], state)

    def exchange(self, follower: dict[str, Any]) -> ccxt.okx:
        """The account's exchange object."""
        known = self.exchanges.get(follower["account"])
        if known is None:
            keys = {name: follower[name] for name in ("apiKey", "secret", "password")}
            known = self.exchanges[follower["account"]] = self.exchange_of(keys)
            known.set_markets_from_exchange(self.markets)
        return known

    def exchange_of(self, keys: dict[str, str]) -> ccxt.okx:
        return ccxt.okx({**keys, "urls": {"api": {"rest": self.okx}}})


async def main(aws: str, okx: str, cache: str) -> None:
    session = get_session()
    options: dict[str, Any] = {
        "region_name": "us-east-1",
        "endpoint_url": aws,
        "aws_access_key_id": "local",
        "aws_secret_access_key": "local",
        "config": AioConfig(max_pool_connections=CONNECTIONS),
    }
    async with (
        session.create_client("sqs", **options) as sqs,
        session.create_client("dynamodb", **options) as dynamodb,
        redis.asyncio.from_url(cache) as connection,
    ):
        await Copier(sqs=sqs, dynamodb=dynamodb, cache=connection, okx=okx).run()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    asyncio.run(main(*sys.argv[1:]))
