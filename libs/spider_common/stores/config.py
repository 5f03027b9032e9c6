"""The Config table: who copies whom, and what may be traded.

Products, clients and subscriptions are rows of their own, changed under the version that was read; each
transaction also moves the *generation*, so that what was checked together is true together, and a reader
knows by one number whether anything has changed. Trading states are apart from it: a halt waits for no edit.
"""

import contextlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import msgspec

from spider_common import schema
from spider_common.domain import configuration
from spider_common.domain.configuration import BadConfig, Name, desk_of, name_of
from spider_common.domain.control import TradingState
from spider_common.domain.identifiers import ProductId
from spider_common.domain.products import Product
from spider_common.stores.audit import AuditEntry, Author, audit_put
from spider_common.stores.cache import Cache, CacheUnavailable, Feed
from spider_common.stores.config_cache import ProductCache
from spider_common.stores.config_rows import (
    EDITS,
    KINDS,
    Edit,
    ItemChanged,
    Kept,
    Scope,
    Snapshot,
    Standing,
    Watch,
    check_edits,
    edit_changes,
    encoder,
    generation_put,
    item_key,
    item_put,
    order_of,
    read_item,
    read_watch,
    subscriptions_of,
    wanted_items,
    with_edits,
    words,
)
from spider_common.stores.table import MAX_WRITE_CHANGES, Change, Conflict, Delete, Put, Row, Table

CHANNEL: Final = "config"
"""Where it is told that something has changed; what, its readers ask the table."""


class ConfigStore:
    """See the module. Failures are those of `spider_common.stores.table`.

    `cache`: where changes are told, and what was read is kept for other services.
    """

    def __init__(self, table: Table, cache: Cache) -> None:
        self._table = table
        self.cache = cache
        self._products = ProductCache(cache)
        self._known: tuple[int, tuple[Product, ...]] = (-1, ())

    async def products(self, generation: int | None = None) -> tuple[Product, ...]:
        """Every product, by id, with its subscriptions; the same object as long as nothing has changed.

        Args:
            generation: the one wanted, where the caller knows it.

        Raises:
            BadConfig: what is stored does not fit together.
        """
        if generation is None:
            generation = await self.generation()
        if self._known[0] < generation:
            self._known = await self._read_products(generation)
        return self._known[1]

    async def generation(self) -> int:
        """How often items have been changed."""
        row = await self._table.get(schema.generation_key())
        return row.version if row else 0

    async def snapshot(self) -> Snapshot:
        """Every item, read from the table.

        Raises:
            BadConfig: a row cannot be read.
        """
        generation = await self.generation()  # first: what changes while the rest is read, is read again
        items: dict[Name, Kept] = {}
        for kind, form in KINDS.items():
            for row in await self._rows(schema.config_partition(kind)):
                kept = read_item(row, form)
                items[name_of(kept.item)] = kept
        return Snapshot(generation=generation, items=items)

    async def change(self, edits: Iterable[Edit], by: Author) -> None:
        """Stores items in place of those that were read, with a history of who did it.

        All or none, up to `EDITS` of them; more are parts of so many, each of which leaves what fits
        together. Nothing is written unless all of it is right.

        Raises:
            BadConfig: with these items, what is stored would not fit together.
            ItemChanged: an item is not at the version that was read.
        """
        left = sorted(edits, key=lambda edit: order_of(edit.item))
        while left:
            snapshot = await self.snapshot()
            check_edits(snapshot, left)
            await self._check_versions(snapshot, left)
            left, by = await self._write(snapshot, left, by)
        await self._tell()

    async def _write(self, snapshot: Snapshot, edits: list[Edit], by: Author) -> tuple[list[Edit], Author]:
        """Stores edits part by part, and gives those before which somebody else changed something."""
        while edits:
            part, rest = edits[:EDITS], edits[EDITS:]
            after = with_edits(snapshot, part, by.ts)
            changes = [generation_put(snapshot), *edit_changes(snapshot, after, part, by)]
            try:
                await self._table.write(*changes)
            except Conflict as error:  # what was checked may be wrong now
                return edits, _apart(by, error)
            snapshot, edits = after, rest
        return [], by

    async def put_product(self, product: Product) -> None:
        """Stores a whole product in place of what is there, its clients switched on: a seed's way.

        It checks nothing but what `products` needs, keeps no history, and drops subscriptions that the
        product no longer has.

        Raises:
            BadConfig: the product does not fit what is there.
        """
        desk, since = configuration.decompose(product)
        while True:
            snapshot = await self.snapshot()
            wanted = wanted_items(snapshot, desk, since)
            gone = [name for name in subscriptions_of(snapshot, product.product) if name not in since]
            items = {name: kept for name, kept in {**snapshot.items, **wanted}.items() if name not in gone}
            configuration.check(desk_of(kept.item for kept in items.values()))
            changes: list[Change] = [item_put(kept) for kept in wanted.values()]
            changes += [Delete(item_key(name), snapshot.items[name].version) for name in gone]
            changes += [generation_put(snapshot)]
            try:
                for start in range(0, len(changes), MAX_WRITE_CHANGES):
                    await self._table.write(*changes[start : start + MAX_WRITE_CHANGES])
            except Conflict:
                continue
            await self._tell()
            return

    async def watch(self) -> Watch:
        """The generation and all trading states: one cheap question.

        Raises:
            BadConfig: a row cannot be read.
        """
        return read_watch(await self._rows(schema.watch_partition()))

    async def set_state(
        self, state: TradingState, scope: Scope, by: Author, *, reason: str = ""
    ) -> TradingState:
        """Sets what may be traded of a scope, whatever it was, and gives what it was. ACTIVE leaves no row.

        Raises:
            BadConfig: there is no such product or client.
        """
        if scope != Scope() and await self._table.get(schema.config_key(*scope.parts)) is None:
            kind, name = scope.parts
            raise BadConfig(f"{kind}: there is no {name!r}; `spider config export` names them")
        key = schema.state_key(*scope.parts)
        while True:
            row = await self._table.get(key)
            before = msgspec.json.decode(row.doc, type=Standing) if row else None
            was = before.state if before else TradingState.ACTIVE
            if was is state:
                break
            standing = Standing(state=state, who=by.who, ts=by.ts, reason=reason)
            version = row.version if row else 0
            doc = encoder.encode(standing).decode()
            change: Change = (
                Delete(key, version)
                if state is TradingState.ACTIVE
                else Put(Row(pk=key.pk, sk=key.sk, doc=doc, version=version))
            )
            entry = AuditEntry(
                who=by.who,
                ts=by.ts,
                from_where=by.from_where,
                action=f"trading.{state}",
                target="/".join(("trading", *scope.parts)),
                before=encoder.encode(before).decode() if before else "",
                after=doc,
            )
            try:
                await self._table.write(change, audit_put(entry))
            except Conflict as error:  # somebody else set it in the same moment: the later one counts
                by = _apart(by, error)
                continue
            break
        await self._tell()
        return was

    def changes(self) -> AbstractAsyncContextManager[Feed]:
        """Something comes on it for each change, as long as the cache serves."""
        return self.cache.subscribe(CHANNEL)

    async def history(self, name: Name, *, limit: int = 100) -> list[AuditEntry]:
        """The changes of an item, latest first."""
        page = await self._table.query(
            schema.history_partition(name.kind, *name.ids), limit=limit, descending=True
        )
        return [msgspec.json.decode(row.doc, type=AuditEntry) for row in page.rows]

    async def _read_products(self, generation: int) -> tuple[int, tuple[Product, ...]]:
        cached = await self._products.get(generation)
        if cached is not None:
            return generation, cached
        snapshot = await self.snapshot()
        products = snapshot.products
        await self._products.put(snapshot.generation, products)
        return snapshot.generation, products

    async def _check_versions(self, snapshot: Snapshot, edits: Sequence[Edit]) -> None:
        for edit in edits:
            name = name_of(edit.item)
            kept = snapshot.items.get(name)
            if edit.version == (kept.version if kept else 0):
                continue
            told = "; ".join(words(entry) for entry in reversed(await self.history(name, limit=3)))
            raise ItemChanged(
                f"{name}: version {edit.version} was read, {kept.version if kept else 0} is there now"
                f"{f' ({told})' if told else ''}; read it again and decide anew"
            )

    async def _tell(self) -> None:
        with contextlib.suppress(CacheUnavailable):  # they look for themselves twice a second
            await self.cache.publish(CHANNEL, b"")

    async def _rows(self, partition: str) -> list[Row]:
        found: list[Row] = []
        after: str | None = None
        while True:
            page = await self._table.query(partition, after=after, limit=1000)
            found.extend(page.rows)
            if (after := page.next) is None:
                return found


def _apart(by: Author, error: Conflict) -> Author:
    """The author a nanosecond later, where the audit has the same change of the same moment already."""
    told_before = any(key.pk.startswith(schema.AUDIT) for key in error.keys)
    return msgspec.structs.replace(by, ts=by.ts + 1) if told_before else by


def find(products: tuple[Product, ...], product: ProductId) -> Product | None:
    return next((each for each in products if each.product == product), None)
