"""Ids: the same fact has one id, on every machine and in every release."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.identifiers import (
    ClientId,
    EventId,
    ProductId,
    Venue,
    client_order_id,
    digest,
    shard_of,
)
from spider_common.domain.orders import OrderFact, OrderStatus, Trigger, TriggerKind
from tests import strategies

LIBS = str(Path(__file__).parents[2] / "libs")
GOLDEN = """
from decimal import Decimal
from spider_common.domain.identifiers import *
event = event_id(venue=Venue.OKX, account="leader", venue_order_id="452197707845865472", status="filled",
                 cum_filled=Decimal("0.0010"), price=None, quantity=Decimal("1E-3"),
                 ts_venue=1654084353264000000)
print(event, client_order_id(event, "momentum", "alice", "open"), shard_of("alice", 16))
"""


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_ids_never_change(seed: str) -> None:
    """Golden values: an id that changed with a release or a hash seed would copy a fact again."""
    shown = subprocess.run(
        [sys.executable, "-c", GOLDEN],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": LIBS},
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stdout.split() == [
        "4793e9bb6f8650ac911700c9f07d87bd",
        "a5f57e92bd07ca6fef0470ebaa96aa75",
        "13",
    ]


@given(strategies.facts(), strategies.times, st.none() | strategies.amounts, st.integers(0, 6))
def test_a_fact_has_one_id(fact: OrderFact, ts_seen: int, average: Decimal | None, zeros: int) -> None:
    """Who saw it when, what else was told and how a number is spelled do not change the id."""

    def spelled(number: Decimal) -> Decimal:
        return Decimal(f"{number:f}{'' if '.' in f'{number:f}' else '.'}{'0' * zeros}")

    again = strategies.altered(
        fact,
        ts_seen=ts_seen,
        average_price=average,
        quantity=spelled(fact.quantity),
        cum_filled=fact.cum_filled.normalize(),
        price=None if fact.price is None else spelled(fact.price),
    )

    assert again.event_id == fact.event_id


@pytest.mark.parametrize("text", ["1", "1.0", "1.00", "1E0", "0.1E1", "10E-1"])
def test_spellings_of_one(text: str) -> None:
    """1.0, 1.00 and 1E0 are one fill."""
    assert strategies.fact(cum_filled=Decimal(text)).event_id == strategies.fact().event_id


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("venue", Venue.BITGET),
        ("account", "another"),
        ("venue_order_id", "2"),
        ("status", OrderStatus.CANCELED),
        ("cum_filled", Decimal("0.999")),
        ("price", Decimal(0)),
        ("quantity", Decimal(2)),
        ("ts_venue", strategies.TS + 1),
        ("trigger", Trigger(kind=TriggerKind.ENTRY, price=Decimal(0))),
    ],
)
def test_each_field_of_a_fact_counts(field: str, other: object) -> None:
    """Facts that differ in one field are two facts; a price of zero is not a missing one."""
    assert strategies.fact(**{field: other}).event_id != strategies.fact().event_id


@given(strategies.facts(), strategies.facts())
def test_equal_ids_mean_equal_facts(one: OrderFact, two: OrderFact) -> None:
    """Two facts share an id exactly when all that makes a fact is equal."""

    def essence(fact: OrderFact) -> tuple[object, ...]:
        place = fact.venue, fact.account, fact.venue_order_id, fact.status
        waits_for = None if fact.trigger is None else fact.trigger.price
        return *place, fact.cum_filled, fact.price, fact.quantity, fact.ts_venue, waits_for

    assert (one.event_id == two.event_id) == (essence(one) == essence(two))


Names = tuple[str, str, str, str]
four = st.tuples(strategies.names, strategies.names, strategies.names, st.sampled_from(["open", "close"]))


@given(four, four)
def test_client_order_ids(one: Names, two: Names) -> None:
    """32 of [a-z0-9], which all venues take, and another one for each event, product, client and leg."""

    def id_of(parts: Names) -> str:
        event, product, client, leg = parts
        return client_order_id(EventId(event), ProductId(product), ClientId(client), leg)

    assert len(id_of(one)) == 32
    assert set(id_of(one)) <= set("abcdefghijklmnopqrstuvwxyz0123456789")
    assert (id_of(one) == id_of(two)) == (one == two)
    event, product, client, leg = one
    assert len({id_of(one), id_of((product, event, client, leg + "x"))}) == 2


@given(st.lists(strategies.names, min_size=2, max_size=5), st.integers(0, 3))
def test_digest_keeps_parts_apart(parts: list[str], place: int) -> None:
    """The same characters cut elsewhere are other parts."""
    place %= len(parts) - 1
    joined = [*parts[:place], parts[place] + parts[place + 1], *parts[place + 2 :]]

    assert digest(*parts) != digest(*joined)
    assert digest(*parts) != digest(*parts, "")


@given(strategies.names.map(ClientId), st.integers(1, 64))
def test_shard_is_in_range(client: ClientId, shards: int) -> None:
    """A client has one shard, and it exists."""
    assert 0 <= shard_of(client, shards) < shards
    assert shard_of(client, 1) == 0


def test_shards_share_the_clients() -> None:
    """A thousand clients on eight shards: none gets less than half or more than double its share."""
    counts = [0] * 8
    for number in range(1000):
        counts[shard_of(ClientId(f"client-{number}"), 8)] += 1

    assert min(counts) > 62
    assert max(counts) < 250
