"""Laws of the tables' keys and shapes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common import schema
from spider_common.schema import COPY, COPY_DLQ, QUEUES, TABLES, TRADING, Key, Pending

NAMES = st.text(st.characters(exclude_characters="#", exclude_categories=["Cs"]), min_size=1, max_size=6)
SHARDS = st.integers(0, 9_999)
TIMES = st.integers(0, 2**63)

KEYS = st.one_of(
    st.builds(schema.journal_key, NAMES, NAMES, SHARDS),
    st.builds(schema.cursor_key, NAMES, SHARDS, NAMES),
    st.builds(schema.book_key, NAMES, SHARDS, NAMES),
    st.builds(schema.order_key, NAMES, NAMES, NAMES),
    st.builds(schema.execution_key, NAMES, NAMES, NAMES, NAMES, NAMES),
    st.builds(schema.account_fact_key, NAMES, NAMES, NAMES),
    st.builds(schema.account_fact_key, NAMES, NAMES, NAMES, NAMES),
    st.builds(schema.position_key, NAMES, NAMES, NAMES, NAMES, NAMES),
    st.builds(schema.equity_key, NAMES, NAMES),
    st.builds(schema.held_key, NAMES, NAMES),
)


@given(KEYS)
def test_a_key_can_be_taken_apart(key: Key) -> None:
    """Law: a key's parts can be read back from it, so no two facts share one."""
    kind, *names = key.pk.split("#")
    leaf, *rest = key.sk.split("#")
    rebuilt = {
        "journal": lambda: schema.journal_key(names[0], rest[0], int(rest[1])),
        "cursor": lambda: schema.cursor_key(names[0], int(names[1]), rest[0]),
        "book": lambda: schema.book_key(names[0], int(names[1]), rest[0]),
        "order": lambda: schema.order_key(names[0], names[1], rest[0]),
        "execution": lambda: schema.execution_key(names[0], names[1], rest[0], rest[1], rest[2]),
        "fact": lambda: schema.account_fact_key(names[0], names[1], *rest),
        "position": lambda: schema.position_key(names[0], *rest),
        "equity": lambda: schema.equity_key(names[0], leaf),
        "held": lambda: schema.held_key(names[0], leaf),
    }[kind if kind in {"equity", "held"} else leaf]()
    assert rebuilt == key
    assert kind in {"event", "shard", "account", "holdings", "equity", "held"}


@pytest.mark.parametrize("bad", ["", "a#b"])
def test_a_part_that_would_blur_a_key_is_refused(bad: str) -> None:
    """Law: an empty part or one with the separator raises ValueError that shows it."""
    with pytest.raises(ValueError, match=re.escape(repr(bad))):
        schema.cursor_key("product", 0, bad)
    with pytest.raises(ValueError, match="shard 10000"):
        schema.journal_key("event", "product", 10_000)
    with pytest.raises(ValueError, match="time -1"):
        schema.open_work_until(-1)


@given(NAMES, TIMES, TIMES)
def test_open_work_is_sorted_by_lease_end(event: str, lease_end: int, now: int) -> None:
    """Law: a row is within the bound for `now` exactly if its lease ended before; buckets are known ones."""
    key = schema.open_work_key(event, "product", 3, lease_end=lease_end)
    assert (key.sk <= schema.open_work_until(now)) == (lease_end < now)
    assert key.pk in {schema.open_work_partition(n) for n in range(schema.BUCKETS)}


@given(NAMES, NAMES, NAMES, TIMES, TIMES)
def test_orders_stand_in_the_indexes_by_time(
    product: str, client: str, account: str, first: int, second: int
) -> None:
    """Law: in each index one client's orders of one partition order as the times do."""
    places = [
        (
            schema.by_time_key(product, client, "same", ts_planned=ts),
            schema.by_leader_key("okx", "leader", "1", client, "same", ts_planned=ts),
            schema.by_state_key(Pending.OPEN, "okx", account, "same", ts_planned=ts),
        )
        for ts in (first, second)
    ]
    for one, other in zip(*places, strict=True):
        assert one.pk == other.pk
        assert (one.sk < other.sk) == (first < second)
    assert places[0][0].pk in {schema.by_time_partition(product, n) for n in range(schema.BUCKETS)}
    assert places[0][1].pk in {
        schema.by_leader_partition("okx", "leader", "1", n) for n in range(schema.BUCKETS)
    }
    assert places[0][2].pk == schema.by_state_partition(Pending.OPEN, schema.bucket_of(account))
    assert places[0][2].sk.startswith(schema.by_state_prefix("okx", account))


def test_shapes_become_what_boto3_takes() -> None:
    """Law: each key attribute is defined once; the queue names its dead letters; retention outlived."""
    for table in TABLES:
        arguments = schema.create_table_arguments(table, prefix="dev-")
        assert arguments["TableName"] == f"dev-{table.name}"
        defined = [attribute["AttributeName"] for attribute in arguments["AttributeDefinitions"]]
        assert len(set(defined)) == len(defined) == 2 + 2 * len(table.indexes)
    assert len(schema.create_table_arguments(TRADING)["GlobalSecondaryIndexes"]) == 3
    attributes = schema.queue_attributes(COPY, dead_letter_arn="arn:dlq")
    assert attributes["RedrivePolicy"] == '{"deadLetterTargetArn":"arn:dlq","maxReceiveCount":10}'
    assert "RedrivePolicy" not in schema.queue_attributes(COPY_DLQ)
    with pytest.raises(ValueError, match=r"copy-dlq\.fifo"):
        schema.queue_attributes(COPY)
    assert max(queue.retention_s for queue in QUEUES) < schema.JOURNAL_DAYS * schema.DAY_S
