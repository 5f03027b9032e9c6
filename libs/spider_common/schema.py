"""Tables, keys, indexes and queues: one description that the stacks create and the stores use.

Pure. Keys are text, their parts joined by `#`, which no part may hold: so two different facts never
share a key. `docs/trading-table.md` names each question asked of the tables and what answers it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

DAY_S: Final = 86_400
AUDIT: Final = "audit"  # what the partitions of the audit begin with
JOURNAL_DAYS: Final = 30  # longer than any redelivery: the queues keep a message for 14
ORDER_DAYS: Final = 90  # from an order's end on; executions and positions are kept for good
BUCKETS: Final = 8
"""Into how many partitions an index spreads what belongs together: each takes 1,000 writes a second, and
one leader order of a large product makes thousands at once. Who reads all of it asks each and merges."""


class Index(msgspec.Struct, frozen=True):
    """A global secondary index. It is sparse: a row without an entry for it is not in it.

    Sort keys end in something unique to the row, so that paging by sort key skips nothing.
    """

    name: str

    @property
    def partition(self) -> str:
        """The attribute that holds the index's partition key."""
        return f"{self.name}_pk"

    @property
    def sort(self) -> str:
        """The attribute that holds the index's sort key."""
        return f"{self.name}_sk"


class TableShape(msgspec.Struct, frozen=True):
    """A table with text keys `pk` and `sk`, and `expires` (Unix seconds) as its time to live."""

    name: str
    indexes: tuple[Index, ...] = ()


class QueueShape(msgspec.Struct, frozen=True):
    """A high-throughput FIFO queue: order and deduplication are kept per message group.

    A message received `max_receives` times without being deleted moves to `dead_letters`.
    """

    name: str
    visibility_s: int = 30  # a worker extends it while it works; a dead worker's group waits this long
    retention_s: int = 14 * DAY_S  # the longest that SQS offers
    max_receives: int = 10
    dead_letters: str | None = None


BY_TIME: Final = Index("by_time")
BY_LEADER: Final = Index("by_leader")
BY_STATE: Final = Index("by_state")

TRADING: Final = TableShape("trading", (BY_TIME, BY_LEADER, BY_STATE))
CONFIG: Final = TableShape("config")
TABLES: Final = (TRADING, CONFIG)

COPY_DLQ: Final = QueueShape("copy-dlq.fifo")
COPY: Final = QueueShape("copy.fifo", dead_letters=COPY_DLQ.name)
QUEUES: Final = (COPY_DLQ, COPY)  # a queue comes after the one its dead letters go to


class Pending(StrEnum):
    """Why an order stands in `by_state`.

    IN_DOUBT: its submission has been waiting, in doubt or behind a doubt. OPEN: its venue has it.
    """

    IN_DOUBT = "in_doubt"
    OPEN = "open"


class Key(NamedTuple):
    """Where a row is: partition and sort key, of a table or of an index."""

    pk: str
    sk: str


def _join(*parts: str) -> str:
    for part in parts:
        if not part or "#" in part:
            raise ValueError(f"key part {part!r} of {parts!r} must be non-empty text without '#'")
    return "#".join(parts)


def _moment(ns: int) -> str:
    if ns < 0:
        raise ValueError(f"time {ns} must be nanoseconds since 1970")
    return f"{ns:020d}"


def _shard(shard: int) -> str:
    if not 0 <= shard < 10_000:
        raise ValueError(f"shard {shard} must be within 0..9999")
    return f"{shard:04d}"


def event_partition(event: str) -> str:
    """The partition that holds an event's journal, one row for each product and shard."""
    return _join("event", event)


def journal_key(event: str, product: str, shard: int) -> Key:
    """The journal row of an event. Two products may copy one leader, hence the product."""
    return Key(event_partition(event), _join("journal", product, _shard(shard)))


def bucket_of(name: str) -> int:
    """The bucket, 0 <= bucket < BUCKETS, of what is filed under this name."""
    return sum(name.encode()) % BUCKETS  # names differ enough in their letters to spread evenly


def _bucket(bucket: int) -> str:
    if not 0 <= bucket < BUCKETS:
        raise ValueError(f"bucket {bucket} must be within 0..{BUCKETS - 1}")
    return str(bucket)


def open_work_partition(bucket: int) -> str:
    """The partitions of `by_state` that hold unfinished journal rows."""
    return _join("work", _bucket(bucket))


def open_work_key(event: str, product: str, shard: int, *, lease_end: int) -> Key:
    """Where an unfinished journal row stands in `by_state`: sorted by the end of its lease (Unix ns)."""
    partition = open_work_partition(bucket_of(event))
    return Key(partition, _join(_moment(lease_end), event, product, _shard(shard)))


def open_work_until(now: int) -> str:
    """The `up_to` bound that gives the journal rows whose lease ended before `now` (Unix ns)."""
    return _moment(now)


def shard_partition(product: str, shard: int) -> str:
    """The partition that holds a shard's cursors and books."""
    return _join("shard", product, _shard(shard))


def cursor_key(product: str, shard: int, venue_order_id: str) -> Key:
    """What a shard has copied of one leader order."""
    return Key(shard_partition(product, shard), _join("cursor", venue_order_id))


def book_key(product: str, shard: int, symbol: str) -> Key:
    """What a shard knows of the leader's position in one instrument."""
    return Key(shard_partition(product, shard), _join("book", symbol))


def account_partition(venue: str, account: str) -> str:
    """The partition that holds an account's orders, executions and facts."""
    return _join("account", venue, account)


def order_key(venue: str, account: str, client_order_id: str) -> Key:
    """A follower order: what it copies, what was asked for and what it has come to."""
    return Key(account_partition(venue, account), _join("order", client_order_id))


def by_time_partition(product: str, bucket: int) -> str:
    """The partitions of `by_time` that hold a product's orders; a client's stand in one of them."""
    return _join("product", product, _bucket(bucket))


def by_time_key(product: str, client: str, client_order_id: str, *, ts_planned: int) -> Key:
    """Where an order stands in `by_time`: sorted by the time it was planned (Unix ns)."""
    partition = by_time_partition(product, bucket_of(client))
    return Key(partition, _join(_moment(ts_planned), client_order_id))


def by_leader_partition(venue: str, account: str, venue_order_id: str, bucket: int) -> str:
    """The partitions of `by_leader` that hold the copies of one leader order, in every product."""
    return _join("leader", venue, account, venue_order_id, _bucket(bucket))


def by_leader_key(
    venue: str, account: str, venue_order_id: str, client: str, client_order_id: str, *, ts_planned: int
) -> Key:
    """Where an order stands in `by_leader`: venue, leader account and order, then by time (Unix ns)."""
    partition = by_leader_partition(venue, account, venue_order_id, bucket_of(client))
    return Key(partition, _join(_moment(ts_planned), client_order_id))


def by_state_partition(why: Pending, bucket: int) -> str:
    """The partitions of `by_state` that hold the orders which are not over; an account's stand in one."""
    return _join("orders", why, _bucket(bucket))


def by_state_prefix(venue: str, account: str) -> str:
    """What the sort keys of an account's orders in `by_state` begin with."""
    return _join(venue, account) + "#"


def by_state_key(why: Pending, venue: str, account: str, client_order_id: str, *, ts_planned: int) -> Key:
    """Where an order stands in `by_state` while it is not over: by account, then time (Unix ns)."""
    partition = by_state_partition(why, bucket_of(account))
    return Key(partition, by_state_prefix(venue, account) + _join(_moment(ts_planned), client_order_id))


def execution_key(venue: str, account: str, symbol: str, trade_id: str, leg: str) -> Key:
    """One fill, kept once whether a socket or REST told of it. Venues count trades by instrument."""
    return Key(account_partition(venue, account), _join("execution", symbol, trade_id, leg))


def execution_prefix(symbol: str) -> str:
    """What the sort keys of an instrument's executions begin with."""
    return _join("execution", symbol) + "#"


def account_fact_key(venue: str, account: str, *fact: str) -> Key:
    """What is known of an account as a whole: `"swept"`, or `"position", symbol`."""
    return Key(account_partition(venue, account), _join("fact", *fact))


def equity_partition(venue: str) -> str:
    """The partition that holds the last known equity of each account of a venue."""
    return _join("equity", venue)


def equity_key(venue: str, account: str) -> Key:
    """What an account is worth."""
    return Key(equity_partition(venue), account)


def held_partition(venue: str) -> str:
    """The partition that holds what each account of a venue holds."""
    return _join("held", venue)


def held_key(venue: str, account: str) -> Key:
    """What an account holds, as its venue tells, whoever traded it."""
    return Key(held_partition(venue), account)


def holdings_partition(client: str) -> str:
    """The partition that holds a client's attributed positions."""
    return _join("holdings", client)


def position_key(client: str, product: str, account: str, symbol: str, side: str) -> Key:
    """What a client holds on behalf of one product, in one position of an account's instrument."""
    return Key(holdings_partition(client), _join("position", product, account, symbol, side))


def drift_partition(product: str) -> str:
    """The partition that holds what is not where it should be, of a product's leader and followers."""
    return _join("drift", product)


def drift_prefix(client: str) -> str:
    """The `begins_with` bound that gives one client's rows of a drift partition; "": the leader's."""
    return f"client#{client}#" if client else "leader#"


def drift_key(product: str, client: str, symbol: str, leader_side: str, position_side: str) -> Key:
    """One position that is not where it should be; the leader's where `client` is empty."""
    whose = ("client", client) if client else ("leader",)
    return Key(drift_partition(product), _join(*whose, symbol, leader_side, position_side))


def reconciling_key() -> Key:
    """Whose turn it is to reconcile."""
    return Key("reconciling", "turn")


def adjusted_key(product: str, client: str) -> Key:
    """Up to which joining or leaving a subscription's part has been brought in line or closed."""
    return Key(_join("adjusted", product), client)


def config_partition(kind: str) -> str:
    """The partition of the Config table that holds everything of one kind: `"product"`, `"client"`."""
    return _join("config", kind)


def config_key(kind: str, *name: str) -> Key:
    """One product, client or subscription (`"subscription", product, client`)."""
    return Key(config_partition(kind), _join(*name))


def watch_partition() -> str:
    """The small partition of the Config table that every service reads twice a second."""
    return _join("config", "watch")


def generation_key() -> Key:
    """Its version rises with each change of a product, client or subscription."""
    return Key(watch_partition(), "generation")


def state_key(*scope: str) -> Key:
    """What may be traded: of `"all"`, of `"product", product` or of `"client", client`. Not there: all."""
    return Key(watch_partition(), _join("state", *scope))


def history_partition(kind: str, *name: str) -> str:
    """The partition that holds each change of one item."""
    return _join("history", kind, *name)


def history_key(kind: str, *name: str, entry: str, ts: int) -> Key:
    """One such change, sorted by its time (Unix ns); `entry` tells those of one moment apart."""
    return Key(history_partition(kind, *name), _join(_moment(ts), entry))


def audit_partition(day: str) -> str:
    """The partition of the Config table that holds what people changed on a UTC day, `2026-11-25`."""
    return _join(AUDIT, day)


def audit_key(day: str, entry: str, *, ts: int) -> Key:
    """One such change, sorted by its time (Unix ns); `entry` tells those of one moment apart."""
    return Key(audit_partition(day), _join(_moment(ts), entry))


def create_table_arguments(table: TableShape, *, prefix: str = "") -> dict[str, Any]:
    """Keyword arguments of DynamoDB's CreateTable."""
    attributes = ["pk", "sk"]
    for index in table.indexes:
        attributes += [index.partition, index.sort]
    arguments: dict[str, Any] = {
        "TableName": prefix + table.name,
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in attributes],
        "KeySchema": _key_schema("pk", "sk"),
        "BillingMode": "PAY_PER_REQUEST",
    }
    if table.indexes:
        arguments["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.name,
                "KeySchema": _key_schema(index.partition, index.sort),
                "Projection": {"ProjectionType": "ALL"},
            }
            for index in table.indexes
        ]
    return arguments


def time_to_live_arguments(table: TableShape, *, prefix: str = "") -> dict[str, Any]:
    """Keyword arguments of DynamoDB's UpdateTimeToLive."""
    return {
        "TableName": prefix + table.name,
        "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "expires"},
    }


def queue_attributes(queue: QueueShape, *, dead_letter_arn: str | None = None) -> Mapping[str, str]:
    """The `Attributes` of SQS CreateQueue. `dead_letter_arn` is that of the queue `dead_letters` names."""
    attributes = {
        "FifoQueue": "true",
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
        "VisibilityTimeout": str(queue.visibility_s),
        "MessageRetentionPeriod": str(queue.retention_s),
        "ReceiveMessageWaitTimeSeconds": "20",
    }
    if queue.dead_letters is not None:
        if dead_letter_arn is None:
            raise ValueError(f"queue {queue.name} needs the ARN of {queue.dead_letters}")
        redrive = {"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": queue.max_receives}
        attributes["RedrivePolicy"] = msgspec.json.encode(redrive).decode()
    return attributes


def _key_schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


CACHE_USER: Final = "services"
"""Redis' user for all services, whose password the secret ``<prefix>redis`` holds."""
CACHE_ACCESS: Final = "on ~* &* +@all -@admin -@dangerous"
"""What that user may do: everything but steer the server, or look through all it has."""
