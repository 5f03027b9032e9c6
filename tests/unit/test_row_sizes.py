"""Laws of what fits into a row: every product that may be configured, at its worst."""

import random
import string
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spider_common import schema
from spider_common.clock import TrioClock
from spider_common.domain import journal
from spider_common.domain.configuration import BadConfig, check, decompose
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue, VenueOrderId, shard_of
from spider_common.domain.journal import JournalRow
from spider_common.domain.positions import LegKind
from spider_common.domain.products import CLIENTS_A_SHARD, Account, FixedRatio, Product, Subscription
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.table import MAX_ROW_BYTES, packed
from spider_common.stores.trading import Stored, TradingStore
from tests.strategies import TS, intent, journal_row


def words(rng: random.Random, length: int) -> str:
    return "".join(rng.choices(string.ascii_letters + string.digits + " .", k=length))


def worst_row(clients: int) -> JournalRow:
    """A flip: two orders for each client, all in doubt, with nothing alike that could differ."""
    rng, intents = random.Random(1), []
    for _ in range(clients):
        client = ClientId(words(rng, 36))
        account = Account(account=AccountId(words(rng, 36)), venue=Venue.OKX)
        for leg in LegKind:
            quantity = Decimal(rng.getrandbits(40)).scaleb(-6)
            one = intent(
                client_order_id=f"{rng.getrandbits(128):032x}",
                client=client,
                account=account,
                leg=leg,
                quantity=quantity,
                size=quantity * 100,
                venue_order_id=VenueOrderId(str(rng.getrandbits(62))),
                requests=1,
                ts_sent=TS + rng.getrandbits(33),
                ts_answered=TS + rng.getrandbits(33),
            )
            expires, now = TS + rng.getrandbits(33), TS + rng.getrandbits(33)
            intents.append(journal.doubt(one, why=words(rng, 10_000), expires=expires, now=now))
    return journal_row(*intents)


async def test_the_worst_row_of_a_full_shard_fits() -> None:
    """Law: whatever becomes of the orders of `CLIENTS_A_SHARD` clients can be written, with room to spare."""
    row, table = worst_row(CLIENTS_A_SHARD), MemoryTable(schema.TRADING, TrioClock(TS))
    trading = TradingStore(table)
    await trading.save(Stored(row, 0))
    (kept,) = (await table.query(schema.event_partition(row.event.event_id))).rows
    assert len(kept.doc) > MAX_ROW_BYTES
    assert len(packed(kept.doc)) < 0.8 * MAX_ROW_BYTES
    assert await trading.event_journal(row.event.event_id) == [row]


def product(clients: int, shards: int) -> Product:
    venue = Venue.OKX
    return Product(
        product=ProductId("alpha"),
        leader=Account(account=AccountId("lead"), venue=venue),
        shards=shards,
        subscriptions=tuple(
            Subscription(
                client=ClientId(f"c{number}"),
                account=Account(account=AccountId(f"a{number}"), venue=venue),
                sizing=FixedRatio(Decimal(1)),
            )
            for number in range(clients)
        ),
    )


@settings(max_examples=20)
@given(clients=st.integers(CLIENTS_A_SHARD - 2, 3 * CLIENTS_A_SHARD), shards=st.integers(1, 5))
def test_a_product_has_shards_enough_for_its_clients(clients: int, shards: int) -> None:
    """Law: a desk is refused exactly if a shard is over-full, by an error that names enough shards."""
    made = product(clients, shards)
    desk, _ = decompose(made)
    fullest = max(Counter(shard_of(each.client, shards) for each in made.subscriptions).values())
    if fullest <= CLIENTS_A_SHARD:
        check(desk)
        return
    with pytest.raises(BadConfig, match=r"product/alpha: shards: \d+ clients fall .* write \d+ ") as refused:
        check(desk)
    enough = int(str(refused.value).split("write ")[1].split(" ")[0])
    assert enough > shards
    check(decompose(product(clients, enough))[0])
