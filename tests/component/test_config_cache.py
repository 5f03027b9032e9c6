"""Laws of composed products in the cache: what it gives is what the table would, and it may fail at will."""

import re

import pytest
import trio
from hypothesis import given
from msgspec.structs import replace
from trio.testing import MockClock

from spider_common import schema
from spider_common.clock import TrioClock
from spider_common.domain.identifiers import ProductId, shard_of
from spider_common.domain.products import Product
from spider_common.stores import config_cache
from spider_common.stores.cache import CacheUnavailable
from spider_common.stores.config import ConfigStore
from spider_common.stores.config_cache import ProductCache, shards_of
from spider_common.stores.config_rows import Edit
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.memory_table import MemoryTable
from tests.component.test_config_store import (
    ALPHA,
    ANA_DESK,
    BRUNO,
    JOINED,
    NOON,
    Counted,
    client,
    joined,
    new,
)
from tests.unit.test_configuration import whole_products

NAMES = [f"c{n}" for n in range(20)]
DESK = new(*map(client, NAMES), replace(ALPHA, shards=3), *map(joined, NAMES))


@given(whole_products())
def test_shards_share_the_subscriptions(product: Product) -> None:
    """Law: each client stands in its shard and in no other, and each shard has the product's settings."""
    parts = list(shards_of(product))
    assert len(parts) == product.shards
    for shard, part in enumerate(parts):
        assert replace(part, subscriptions=product.subscriptions) == product
        assert all(shard_of(each.client, product.shards) == shard for each in part.subscriptions)
    together = [each for part in parts for each in part.subscriptions]
    assert sorted(together, key=lambda each: each.client) == list(product.subscriptions)


async def two_stores() -> tuple[Counted, MemoryCache, ConfigStore, ConfigStore]:
    """Two processes, that share a table and a cache only."""
    table, cache = Counted(), MemoryCache()
    first, second = ConfigStore(table, cache), ConfigStore(table, cache)
    await first.change(DESK, ANA_DESK)
    return table, cache, first, second


async def test_the_second_process_does_not_read_the_table() -> None:
    """Law: of a generation the first to ask reads the table and the others the cache; they know the same."""
    table, _, first, second = await two_stores()
    wanted = await first.products()
    reads = table.reads
    assert await second.products() == wanted
    assert table.reads == reads
    assert [each.client for each in wanted[0].subscriptions] == sorted(NAMES)


async def test_another_generation_is_not_used() -> None:
    """Law: after a change what is cached says nothing any more, and an older writer does not win."""
    table, cache, first, second = await two_stores()
    old = await first.products()
    generation = await first.generation()
    await second.change([Edit(replace(joined("c0"), reverse=True), 1)], ANA_DESK)
    new_ones = await second.products()
    assert new_ones != old
    await ProductCache(cache).put(generation, old)  # somebody who was slow
    third = ConfigStore(table, cache)
    assert await third.products() == new_ones


@pytest.mark.parametrize("broken", ["index", "product", "form"])
async def test_what_cannot_be_read_is_read_from_the_table(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: values that are damaged, incomplete or of another release are as none."""
    _, cache, first, second = await two_stores()
    wanted = await first.products()
    for key in [key for key in cache._values if re.search(f"/{broken}", key)]:
        await cache.set(key, b'{"generation": 1}', ttl_ms=1000)
    if broken == "form":
        monkeypatch.setattr(config_cache, "_FORM", "other")
    assert await second.products() == wanted


class FlakyCache(MemoryCache):
    """Fails from one call on, or at that one only, and may hang instead."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.hangs, self.stays = 0, False, False

    async def _enter(self) -> None:
        self.left -= 1
        if self.left == 0 or (self.stays and self.left < 0):
            if self.hangs:
                await trio.sleep_forever()
            raise CacheUnavailable("away")
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("at", range(1, 12))
async def test_the_cache_may_fail_at_each_call(
    at: int, stays: bool, hangs: bool, autojump_clock: MockClock
) -> None:
    """Law: whichever call fails or hangs, once or from then on, products are right and soon there."""
    table = MemoryTable(schema.CONFIG, TrioClock(NOON))
    cache = FlakyCache()
    first, second = ConfigStore(table, cache), ConfigStore(table, cache)
    await first.change(DESK, ANA_DESK)
    cache.left, cache.hangs, cache.stays = at, hangs, stays
    with trio.fail_after(2.5):
        one, other = await first.products(), await second.products()
    assert one == other
    assert one == (await first.snapshot()).products


async def test_products_of_several_are_kept_apart() -> None:
    """Law: each product has values of its own."""
    table, cache = Counted(), MemoryCache()
    first, second = ConfigStore(table, cache), ConfigStore(table, cache)
    beta = replace(ALPHA, product=ProductId("beta"))
    await first.change(new(ALPHA, beta, BRUNO, JOINED, replace(JOINED, product=beta.product)), ANA_DESK)
    wanted, reads = await first.products(), table.reads
    assert await second.products() == wanted
    assert table.reads == reads
    assert [each.product for each in wanted] == ["alpha", "beta"]
