"""Composed products in the cache, so that of all services only the first reads a changed desk from the table.

One value for each product and shard, each with the generation that it was read at, beside an index of
them: together they stand for one generation or for nothing. Nothing here lasts: what is missing, of
another generation or of another form is read from the table.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
import trio

from spider_common.domain.identifiers import ProductId, digest, shard_of
from spider_common.domain.products import Product, Subscription
from spider_common.stores.cache import Cache, CacheUnavailable

KEEP_MS: Final = 86_400_000
ANSWER_S: Final = 0.5
"""A cache that is slower than this is slower than the table."""

_FORM: Final = digest(msgspec.json.encode(msgspec.json.schema(Product), order="sorted").decode())[:8]
"""Changes with the settings: a value of an older release says nothing of a newer one's."""


class _Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    generation: int
    shards: dict[ProductId, int]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    generation: int
    product: Product


class ProductCache:
    """See the module. It raises nothing: without the cache there is nothing in it."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def get(self, generation: int) -> tuple[Product, ...] | None:
        """The products of a generation, by id, subscriptions by client. None: read the table."""
        with trio.move_on_after(ANSWER_S):
            try:
                return await self._get(generation)
            except (CacheUnavailable, msgspec.DecodeError):
                return None
        return None

    async def put(self, generation: int, products: tuple[Product, ...]) -> None:
        """Keeps what was read from the table; the index last, so that it names only what is there."""
        with trio.move_on_after(ANSWER_S):
            try:
                for product in products:
                    for shard, part in enumerate(shards_of(product)):
                        await self._set(_part_key(product.product, shard), _Part(generation, part))
                index = {product.product: product.shards for product in products}
                await self._set(_key("index"), _Index(generation, index))
            except CacheUnavailable:
                return

    async def _get(self, generation: int) -> tuple[Product, ...] | None:
        found = await self._cache.get(_key("index"))
        if found is None:
            return None
        index = msgspec.json.decode(found, type=_Index)
        if index.generation != generation:
            return None
        products = []
        for product, shards in index.shards.items():
            parts = []
            for shard in range(shards):
                stored = await self._cache.get(_part_key(product, shard))
                part = msgspec.json.decode(stored, type=_Part) if stored else None
                if part is None or part.generation != generation:
                    return None
                parts.append(part.product)
            products.append(_whole(parts))
        return tuple(products)

    async def _set(self, key: str, value: msgspec.Struct) -> None:
        await self._cache.set(key, msgspec.json.encode(value), ttl_ms=KEEP_MS)


def shards_of(product: Product) -> Iterator[Product]:
    """The product once for each of its shards, with the subscriptions that are planned there."""
    shards: list[list[Subscription]] = [[] for _ in range(product.shards)]
    for each in product.subscriptions:
        shards[shard_of(each.client, product.shards)].append(each)
    for mine in shards:
        yield msgspec.structs.replace(product, subscriptions=tuple(mine))


def _whole(parts: list[Product]) -> Product:
    subscriptions = [each for part in parts for each in part.subscriptions]
    subscriptions.sort(key=lambda each: each.client)
    return msgspec.structs.replace(parts[0], subscriptions=tuple(subscriptions))


def _key(*parts: str) -> str:
    return "/".join(("config", _FORM, *parts))


def _part_key(product: ProductId, shard: int) -> str:
    return _key("product", product, str(shard))
