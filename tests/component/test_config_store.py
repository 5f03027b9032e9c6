"""Laws of the Config table's items: versions, history, and the products composed of them."""

from decimal import Decimal

import msgspec
import pytest
import trio
from msgspec.structs import replace

from spider_common import schema
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.configuration import (
    BadConfig,
    Desk,
    Item,
    Name,
    SubscriptionSettings,
    name_of,
)
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.products import Account, Client, FixedRatio, Product, ProductSettings
from spider_common.schema import Key
from spider_common.stores.audit import Audit, Author
from spider_common.stores.config import CHANNEL, ConfigStore
from spider_common.stores.config_rows import EDITS, Edit, ItemChanged
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.table import Row

NOON = 1_764_072_000 * NS_PER_S  # 2025-11-25T12:00:00Z
ANA_DESK = Author(who="ana", ts=NOON, from_where="desk-1")
LEADER = Account(account=AccountId("lead"), venue=Venue.OKX)
ALPHA = ProductSettings(product=ProductId("alpha"), leader=LEADER)


def client(name: str) -> Client:
    account = Account(account=AccountId(f"okx-{name}"), venue=Venue.OKX)
    return Client(client=ClientId(name), accounts=(account,), trading=True)


def joined(name: str) -> SubscriptionSettings:
    return SubscriptionSettings(
        product=ALPHA.product,
        client=ClientId(name),
        account=AccountId(f"okx-{name}"),
        sizing=FixedRatio(Decimal(1)),
    )


def new(*items: Item) -> list[Edit]:
    return [Edit(item, 0) for item in items]


BRUNO, JOINED = client("bruno"), joined("bruno")
NAME = name_of(JOINED)


class Counted(MemoryTable):
    """Counts how often a partition of items is read."""

    def __init__(self) -> None:
        super().__init__(schema.CONFIG, TrioClock(NOON))
        self.reads = 0

    async def query(self, pk: str, **options: object) -> object:  # type: ignore[override] # counts only
        self.reads += pk == schema.config_partition("subscription")
        return await super().query(pk, **options)  # type: ignore[arg-type] # as given


@pytest.fixture
def table() -> Counted:
    return Counted()


@pytest.fixture
def cache() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def store(table: Counted, cache: MemoryCache) -> ConfigStore:
    return ConfigStore(table, cache)


async def test_items_become_products(store: ConfigStore) -> None:
    """Law: what was stored item by item, in whatever order it was given, is read as whole products."""
    await store.change(new(JOINED, ALPHA, BRUNO), ANA_DESK)
    (product,) = await store.products()
    (subscription,) = product.subscriptions
    assert (product.leader, subscription.client) == (LEADER, "bruno")
    assert (subscription.account, subscription.since) == (BRUNO.accounts[0], NOON)


async def test_leaving_marks_and_deletes_nothing(store: ConfigStore) -> None:
    """Law: `since` is when the client joined, left or joined again, and other edits leave it."""
    await store.change(new(ALPHA, BRUNO, JOINED), ANA_DESK)
    since = []
    steps = [replace(JOINED, reverse=True), replace(JOINED, left=True), JOINED]
    for n, item in enumerate(steps, start=1):
        await store.change([Edit(item, n)], replace(ANA_DESK, ts=NOON + n))
        ((subscription,),) = [each.subscriptions for each in await store.products()]
        since.append((subscription.left, subscription.since - NOON))
    assert since == [(False, 0), (True, 2), (False, 3)]


async def test_of_two_who_read_one_version_one_is_told_what_the_other_did(store: ConfigStore) -> None:
    """Law: an edit of a version that is gone writes nothing, and names who changed which field."""
    await store.change(new(ALPHA, BRUNO, JOINED), ANA_DESK)
    await store.change([Edit(replace(JOINED, reverse=True), 1)], ANA_DESK)
    late = [Edit(replace(BRUNO, name="B"), 1), Edit(replace(JOINED, leverage=3), 1)]
    with pytest.raises(ItemChanged, match=r"subscription/alpha/bruno: version 1 .* ana changed reverse at"):
        await store.change(late, ANA_DESK)
    assert (await store.snapshot()).items[name_of(BRUNO)].item == BRUNO
    with pytest.raises(ItemChanged, match="version 0 was read, 2 is there"):
        await store.change(new(JOINED), ANA_DESK)


async def test_each_change_is_told_by_item_and_by_day(store: ConfigStore, table: Counted) -> None:
    """Law: who, when, before and after, once for each change, under the item and under the day."""
    await store.change(new(ALPHA, BRUNO, JOINED), ANA_DESK)
    changed = replace(JOINED, reverse=True)
    await store.change([Edit(changed, 1)], replace(ANA_DESK, who="carla", ts=NOON + 1))
    latest, first = await store.history(NAME)
    assert (first.who, first.before, first.action) == ("ana", "", "config.add")
    assert (latest.who, latest.ts, latest.action) == ("carla", NOON + 1, "config.change")
    assert msgspec.json.decode(latest.before, type=SubscriptionSettings) == JOINED
    assert msgspec.json.decode(latest.after, type=SubscriptionSettings) == changed
    day = await Audit(table).entries("2025-11-25")
    assert len(day) == 4
    assert {latest, first} <= set(day)


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        (new(joined("nobody")), "client: there is no 'nobody'"),
        ([Edit(replace(BRUNO, accounts=()), 1)], "account: 'okx-bruno' is no account of client 'bruno'"),
        ([Edit(replace(ALPHA, shards=2), 1)], "shards: 1 cannot become 2"),
    ],
)
async def test_what_does_not_fit_writes_nothing(store: ConfigStore, edits: list[Edit], words: str) -> None:
    """Law: an edit that does not fit what is stored is refused, and the right ones beside it with it."""
    await store.change(new(ALPHA, BRUNO, JOINED), ANA_DESK)
    before = await store.snapshot()
    with pytest.raises(BadConfig, match=words):
        await store.change([*edits, *new(client("zoe"))], ANA_DESK)
    assert await store.snapshot() == before


async def test_edits_that_fit_apart_are_not_stored_where_they_do_not_fit_together(store: ConfigStore) -> None:
    """Law: of one who takes an account away and one who subscribes with it, the second is refused."""
    await store.change(new(ALPHA, BRUNO), ANA_DESK)
    outcomes: list[bool] = []

    async def edit(change: Edit) -> None:
        try:
            await store.change([change], ANA_DESK)
        except BadConfig:
            outcomes.append(False)
        else:
            outcomes.append(True)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(edit, Edit(replace(BRUNO, accounts=()), 1))
        nursery.start_soon(edit, Edit(JOINED, 0))
    assert sorted(outcomes) == [False, True]
    await store.products()


async def test_more_than_one_transaction_holds(store: ConfigStore) -> None:
    """Law: any number of edits is stored, each with its history."""
    names = [f"c{n:03d}" for n in range(3 * EDITS)]
    await store.change(new(*(client(name) for name in names), ALPHA, *map(joined, names)), ANA_DESK)
    ((subscriptions),) = [each.subscriptions for each in await store.products()]
    assert [each.client for each in subscriptions] == names
    assert len(await store.history(Name("subscription", ("alpha", names[-1])))) == 1


async def test_products_are_read_again_only_when_something_has_changed(
    store: ConfigStore, table: Counted
) -> None:
    """Law: the same object is given until the generation moves, whatever the number of subscriptions."""
    await store.change(new(ALPHA, BRUNO, JOINED), ANA_DESK)
    first, reads = await store.products(), table.reads
    assert await store.products() is first
    assert table.reads == reads
    await store.change([Edit(replace(JOINED, reverse=True), 1)], ANA_DESK)
    assert await store.products() != first


async def test_a_change_is_told_and_does_not_need_to_be(store: ConfigStore, cache: MemoryCache) -> None:
    """Law: who listens hears of each change; with the cache gone it is stored all the same."""
    async with cache.subscribe(CHANNEL) as feed:
        await store.change(new(ALPHA), ANA_DESK)
        assert (await anext(feed)).channel == CHANNEL
    cache.is_down = True
    await store.change(new(BRUNO, JOINED), ANA_DESK)
    assert len((await store.products())[0].subscriptions) == 1


async def test_a_whole_product_is_stored_and_read_as_it_was(store: ConfigStore) -> None:
    """Law: a seed's product is what is read; stored again without a client, that one is gone."""
    desk = Desk(products=(ALPHA,), clients=(BRUNO, client("ana")), subscriptions=(JOINED, joined("ana")))
    await store.change(new(*desk.items), ANA_DESK)
    (both,) = await store.products()
    fewer = replace(both, subscriptions=both.subscriptions[:1], shards=3)
    await store.put_product(fewer)
    assert await store.products() == (fewer,)
    await store.put_product(both)
    assert await store.products() == (both,)
    await store.put_product(fewer)
    await store.change(new(joined("bruno")), ANA_DESK)  # gone and come again, with the same history
    await store.put_product(both)
    second = replace(fewer, product=ProductId("beta"))
    await store.put_product(second)
    assert await store.products() == (both, second)
    assert isinstance(second, Product)


async def test_a_row_that_cannot_be_read_is_named(store: ConfigStore, table: Counted) -> None:
    """Law: a row that somebody else wrote wrongly is told with its place."""
    key = Key(*schema.config_key("client", "x"))
    await table.put_all([Row(pk=key.pk, sk=key.sk, doc='{"item": {"clients": 1}}')])
    with pytest.raises(BadConfig, match=r"config#client / x .*clients"):
        await store.products()
