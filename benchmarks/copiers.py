"""The two copiers that a fan-out is measured with: how each is started, set up and spoken to."""

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Final, Protocol

import msgspec
import redis
import trio

from services.simulator.ledger import Order
from spider_common import schema
from spider_common.clock import SystemClock
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import (
    AccountId,
    ClientId,
    ClientOrderId,
    ProductId,
    TradeId,
    Venue,
    VenueOrderId,
)
from spider_common.domain.intents import LeaderEvent
from spider_common.domain.orders import OrderFact, OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.products import Account, FixedRatio, Product, Subscription
from spider_common.messages import FollowerUpdate, LeaderOrder, Message, dedup_key, encode, group
from spider_common.sdk.aws import Aws
from spider_common.secret import Credentials, Secret
from spider_common.stores.config import ConfigStore
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.queue import Outgoing
from spider_common.stores.secrets import SecretsManager
from spider_common.stores.sqs_queue import SqsQueue

KEYS: Final = ("local", "local")
_SYMBOL: Final = "BTC-USDT-SWAP"
_CONTRACT: Final = Decimal("0.01")  # base coin
_RATIO: Final = Decimal("0.01")
_LEADER: Final = Account(account=AccountId("leader"), venue=Venue.OKX)


class Team(msgspec.Struct, frozen=True):
    """A leader's followers, all at one venue; each copies a hundredth."""

    name: str
    size: int
    shards: int

    @property
    def accounts(self) -> Sequence[str]:
        return [f"{self.name}-{number:04d}" for number in range(self.size)]

    @property
    def product(self) -> Product:
        return Product(
            product=ProductId(self.name),
            leader=_LEADER,
            shards=self.shards,
            subscriptions=tuple(
                Subscription(
                    client=ClientId(account),
                    account=Account(account=AccountId(account), venue=Venue.OKX),
                    sizing=FixedRatio(_RATIO),
                )
                for account in self.accounts
            ),
        )


class Venues(msgspec.Struct, frozen=True):
    """What a copier stands on: addresses."""

    aws: str
    rest: str
    socket: str
    cache: str


class Subject(Protocol):
    """A copier to be measured."""

    ready: str

    def command(self, on: Venues) -> tuple[Sequence[str], Mapping[str, str]]:
        """How it is started, and the environment beside the usual one."""
        ...

    async def store(self, team: Team) -> None:
        """Makes a team known to it."""
        ...

    async def send(self, team: Team, number: int) -> None:
        """Sends the leader's next fill."""
        ...


class Ours:
    """The order service, as its image runs it."""

    ready = "service.ready"

    def __init__(self, aws: Aws, queue: SqsQueue) -> None:
        rng = Random(1)  # noqa: S311 names of writes
        self._queue = queue
        self._config = ConfigStore(DynamoTable(aws, schema.CONFIG, rng), MemoryCache())
        self._secrets = SecretsManager(aws, SystemClock(), prefix="")

    def command(self, on: Venues) -> tuple[Sequence[str], Mapping[str, str]]:
        return [sys.executable, "-m", "services.oms"], {
            "AWS_ACCESS_KEY_ID": KEYS[0],
            "AWS_SECRET_ACCESS_KEY": KEYS[1],
            "SPIDER_AWS_ENDPOINT": on.aws,
            "SPIDER_REDIS_URL": on.cache,
            "SPIDER_TASKS": "1",
            **{f"SPIDER_{each.upper()}_REST": on.rest for each in Venue},
        }

    async def store(self, team: Team) -> None:
        for account in team.accounts:
            secret = Credentials(*(Secret(f"{account}-{part}") for part in ("key", "secret", "pass")))
            await self._secrets.put(AccountId(account), secret)
        await self._config.put_product(team.product)

    async def send(self, team: Team, number: int) -> None:
        now = SystemClock().now()
        told = OrderFact(
            venue=Venue.OKX,
            account=_LEADER.account,
            symbol=_SYMBOL,
            venue_order_id=VenueOrderId(str(number)),
            client_order_id=None,
            side=Side.BUY,
            position_side=PositionSide.NET,
            reduce_only=False,
            order_type=OrderType.MARKET,
            status=OrderStatus.FILLED,
            quantity=Decimal(1),
            cum_filled=Decimal(1),
            price=None,
            average_price=Decimal(60_000),
            ts_venue=now,
            ts_seen=now,
        )
        product = ProductId(team.name)
        await self.publish(
            [
                LeaderOrder(
                    event=LeaderEvent(
                        product=product, shard=shard, shards=team.shards, fact=told, ts_published=now
                    )
                )
                for shard in range(team.shards)
            ]
        )

    async def publish(self, messages: Sequence[Message]) -> None:
        await self._queue.send([Outgoing(group(each), dedup_key(each), encode(each)) for each in messages])


class Peer:
    """`benchmarks.peers.asyncio_copier`."""

    ready = "ready"

    def __init__(self, queue: SqsQueue, cache: str) -> None:
        self._queue, self._cache = queue, redis.Redis.from_url(cache)

    def command(self, on: Venues) -> tuple[Sequence[str], Mapping[str, str]]:
        module = "benchmarks.peers.asyncio_copier"
        return [sys.executable, "-m", module, on.aws, on.rest, on.cache], {}

    async def store(self, team: Team) -> None:
        followers = [
            {
                "client": account,
                "account": account,
                "ratio": str(_RATIO),
                "apiKey": f"{account}-key",
                "secret": f"{account}-secret",
                "password": f"{account}-pass",
            }
            for account in team.accounts
        ]
        body = msgspec.json.encode({"followers": followers})
        await trio.to_thread.run_sync(self._cache.set, f"product:{team.name}", body)

    async def send(self, team: Team, number: int) -> None:
        fill = {
            "event": f"{team.name}-{number}",
            "product": team.name,
            "symbol": "BTC/USDT:USDT",
            "side": "buy",
            "quantity": "1",
        }
        await self._queue.send([Outgoing(team.name, str(number), msgspec.json.encode(fill).decode())])


def update(order: Order) -> FollowerUpdate:
    """What ingest tells of a filled order."""
    fill = order.last
    assert fill is not None
    account, ours = AccountId(order.account), ClientOrderId(order.client_order_id)
    venue_order_id, side = VenueOrderId(order.order_id), Side(order.side)
    return FollowerUpdate(
        venue=Venue.OKX,
        account=account,
        fact=OrderFact(
            venue=Venue.OKX,
            account=account,
            symbol=order.symbol,
            venue_order_id=venue_order_id,
            client_order_id=ours,
            side=side,
            position_side=PositionSide.NET,
            reduce_only=False,
            order_type=OrderType.MARKET,
            status=OrderStatus.FILLED,
            quantity=order.size * _CONTRACT,
            cum_filled=order.filled * _CONTRACT,
            price=None,
            average_price=fill.price,
            ts_venue=order.ts_updated,
            ts_seen=order.ts_updated,
        ),
        execution=Execution(
            venue=Venue.OKX,
            account=account,
            symbol=order.symbol,
            trade_id=TradeId(fill.trade_id),
            venue_order_id=venue_order_id,
            client_order_id=ours,
            side=side,
            quantity=fill.size * _CONTRACT,
            price=fill.price,
            fee=fill.fee,
            fee_currency=fill.fee_currency,
            ts_venue=fill.ts,
        ),
    )
