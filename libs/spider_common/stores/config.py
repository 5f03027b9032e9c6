"""The Config table: who copies whom. Read through the cache, which is never the truth."""

import contextlib
from typing import Final

import msgspec

from spider_common import schema
from spider_common.domain.identifiers import ProductId
from spider_common.domain.products import Product
from spider_common.stores.cache import Cache, CacheUnavailable
from spider_common.stores.table import Put, Row, Table

_CACHE_MS: Final = 5_000
_CACHE_KEY: Final = "config/products"


class BadProduct(ValueError):
    """A product that is not written as it must be. The text names the field and the fix."""


class ConfigStore:
    """Products with their subscriptions."""

    def __init__(self, table: Table, cache: Cache) -> None:
        self._table = table
        self._cache = cache

    async def products(self) -> tuple[Product, ...]:
        """Every product, by id.

        Raises:
            TableError: neither the cache nor the table answered.
        """
        with contextlib.suppress(CacheUnavailable):  # the table is the truth; the cache only spares it
            if cached := await self._cache.get(_CACHE_KEY):
                return msgspec.json.decode(cached, type=tuple[Product, ...])
        products = await self._stored_products()
        with contextlib.suppress(CacheUnavailable):
            await self._cache.set(_CACHE_KEY, msgspec.json.encode(products), ttl_ms=_CACHE_MS)
        return products

    async def put_product(self, product: Product) -> None:
        """Stores a product over what is there.

        Raises:
            Conflict: somebody else changed it in the same moment.
        """
        key = schema.config_key("product", product.product)
        stored = await self._table.get(key)
        doc = msgspec.json.encode(product).decode()
        version = stored.version if stored else 0
        await self._table.write(Put(Row(pk=key.pk, sk=key.sk, doc=doc, version=version)))

    async def _stored_products(self) -> tuple[Product, ...]:
        found: list[Product] = []
        after: str | None = None
        while True:
            page = await self._table.query(schema.config_partition("product"), after=after)
            found.extend(read_product(row.doc) for row in page.rows)
            if (after := page.next) is None:
                return tuple(found)


def read_product(text: str | bytes) -> Product:
    """A product from JSON.

    Raises:
        BadProduct: a field is unknown, missing or out of range.
    """
    try:
        return msgspec.json.decode(text, type=Product)
    except msgspec.DecodeError as error:
        raise BadProduct(f"product: {error}; see docs/cli.md for the fields") from error


def find(products: tuple[Product, ...], product: ProductId) -> Product | None:
    return next((each for each in products if each.product == product), None)
