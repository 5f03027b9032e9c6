"""The Config table: who copies whom, and what may be traded.

Products, clients and subscriptions are rows of their own, changed under the version that was read; each
transaction also moves the *generation*, so that what was checked together is true together, and a reader
knows by one number whether anything has changed. Trading states are apart from it: a halt waits for no edit.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from spider_common import schema
from spider_common.domain import configuration
from spider_common.domain.configuration import (
    BadConfig,
    Desk,
    Item,
    Name,
    SubscriptionSettings,
    desk_of,
    name_of,
)
from spider_common.domain.identifiers import ProductId
from spider_common.domain.products import Client, Product, ProductSettings
from spider_common.schema import Key
from spider_common.stores.audit import AuditEntry, audit_put
from spider_common.stores.cache import Cache, CacheUnavailable
from spider_common.stores.table import MAX_WRITE_CHANGES, Change, Conflict, Delete, Put, Row, Table

CHANNEL: Final = "config"
"""Where it is told that something has changed; what, its readers ask the table."""

EDITS: Final = 32
"""Items of one transaction: each is three rows, beside the generation, and 100 are DynamoDB's most."""

_KINDS: Final[Mapping[str, type[Item]]] = {
    "subscription": SubscriptionSettings,
    "product": ProductSettings,
    "client": Client,
}
"""In the order in which they are read: what a row names was there before it, so it is found after it."""


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Who changes something, when (Unix ns), and from which host or address."""

    who: str
    ts: int
    from_where: str


class Edit(msgspec.Struct, frozen=True):
    """An item as it shall be, and the version that was read before; 0: it must not be there yet."""

    item: Item
    version: int


class ItemChanged(Exception):
    """Somebody else changed an item since it was read. The text says who, when and what."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An item as it is stored.

    Attributes:
        since: of a subscription, when it was joined or left, Unix ns.
    """

    item: Item
    version: int
    since: int = 0


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Every item, as of a generation or a little later."""

    generation: int
    items: Mapping[Name, Kept]

    @property
    def desk(self) -> Desk:
        return desk_of(kept.item for kept in self.items.values())

    @property
    def products(self) -> tuple[Product, ...]:
        """The products with their subscriptions.

        Raises:
            BadConfig: the items do not fit together.
        """
        return configuration.compose(self.desk, {name: kept.since for name, kept in self.items.items()})


class ConfigStore:
    """See the module. Failures are those of `spider_common.stores.table`."""

    def __init__(self, table: Table, cache: Cache) -> None:
        self._table = table
        self._cache = cache
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
            snapshot = await self.snapshot()
            self._known = (snapshot.generation, snapshot.products)
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
        for kind, form in _KINDS.items():
            for row in await self._rows(schema.config_partition(kind)):
                kept = _read(row, form)
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
        snapshot = await self.snapshot()
        left = sorted(edits, key=lambda edit: _order(edit.item))
        while left:
            _check(snapshot, left)
            await self._check_versions(snapshot, left)
            part, rest = left[:EDITS], left[EDITS:]
            after = _with_edits(snapshot, part, by.ts)
            changes = [_generation_put(snapshot), *_edit_changes(snapshot, after, part, by)]
            try:
                await self._table.write(*changes)
            except Conflict:  # somebody changed something meanwhile: what was checked may be wrong now
                snapshot = await self.snapshot()
                continue
            snapshot, left = after, rest
        await self._tell()

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
            wanted = _wanted(snapshot, desk, since)
            gone = [name for name in _subscriptions_of(snapshot, product.product) if name not in since]
            items = {name: kept for name, kept in {**snapshot.items, **wanted}.items() if name not in gone}
            configuration.check(desk_of(kept.item for kept in items.values()))
            changes: list[Change] = [_item_put(kept) for kept in wanted.values()]
            changes += [Delete(_key(name), snapshot.items[name].version) for name in gone]
            changes += [_generation_put(snapshot)]
            try:
                for start in range(0, len(changes), MAX_WRITE_CHANGES):
                    await self._table.write(*changes[start : start + MAX_WRITE_CHANGES])
            except Conflict:
                continue
            await self._tell()
            return

    async def history(self, name: Name, *, limit: int = 100) -> list[AuditEntry]:
        """The changes of an item, latest first."""
        page = await self._table.query(
            schema.history_partition(name.kind, *name.ids), limit=limit, descending=True
        )
        return [msgspec.json.decode(row.doc, type=AuditEntry) for row in page.rows]

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
            await self._cache.publish(CHANNEL, b"")

    async def _rows(self, partition: str) -> list[Row]:
        found: list[Row] = []
        after: str | None = None
        while True:
            page = await self._table.query(partition, after=after, limit=1000)
            found.extend(page.rows)
            if (after := page.next) is None:
                return found


class _Fields(msgspec.Struct, frozen=True):
    """What stands beside the item in a row."""

    item: msgspec.Raw
    since: int = 0


_encoder: Final = msgspec.json.Encoder(decimal_format="string")


def find(products: tuple[Product, ...], product: ProductId) -> Product | None:
    return next((each for each in products if each.product == product), None)


def words(entry: AuditEntry) -> str:
    """Who changed which fields of an item, and when (Unix ns)."""
    before, after = (msgspec.json.decode(text) if text else {} for text in (entry.before, entry.after))
    fields = [field for field in after if before.get(field) != after[field]]
    fields += [field for field in before if field not in after]
    return f"{entry.who} changed {', '.join(fields) or 'nothing'} at {entry.ts}"


def _order(item: Item) -> tuple[int, Name]:
    """What is named comes before what names it."""
    name = name_of(item)
    return (("client", "product", "subscription").index(name.kind), name)


def _check(snapshot: Snapshot, edits: Sequence[Edit]) -> None:
    """Refuses edits that leave, in a part of them or whole, what does not fit together.

    Raises:
        BadConfig: they do.
    """
    items = {name: kept.item for name, kept in snapshot.items.items()}
    for edit in edits:
        configuration.check_change(items.get(name_of(edit.item)), edit.item)
    for start in range(0, len(edits), EDITS):
        items.update((name_of(edit.item), edit.item) for edit in edits[start : start + EDITS])
        configuration.check(desk_of(items.values()))


def _with_edits(snapshot: Snapshot, edits: Sequence[Edit], ts: int) -> Snapshot:
    items = dict(snapshot.items)
    for edit in edits:
        name, item = name_of(edit.item), edit.item
        before = items.get(name)
        since = before.since if before else 0
        if isinstance(item, SubscriptionSettings):
            was = before.item.left if before and isinstance(before.item, SubscriptionSettings) else None
            since = since if was is item.left else ts
        items[name] = Kept(item=item, version=edit.version + 1, since=since)
    return Snapshot(generation=snapshot.generation + 1, items=items)


def _edit_changes(snapshot: Snapshot, after: Snapshot, edits: Sequence[Edit], by: Author) -> list[Change]:
    changes: list[Change] = []
    for edit in edits:
        name = name_of(edit.item)
        before, now = snapshot.items.get(name), after.items[name]
        entry = AuditEntry(
            who=by.who,
            ts=by.ts,
            from_where=by.from_where,
            action="config.change" if before else "config.add",
            target=str(name),
            before=_encoder.encode(before.item).decode() if before else "",
            after=_encoder.encode(edit.item).decode(),
        )
        told = schema.history_key(name.kind, *name.ids, version=now.version)
        changes += [
            _item_put(msgspec.structs.replace(now, version=edit.version)),
            audit_put(entry),
            Put(Row(pk=told.pk, sk=told.sk, doc=_encoder.encode(entry).decode())),
        ]
    return changes


def _wanted(snapshot: Snapshot, desk: Desk, since: Mapping[Name, int]) -> dict[Name, Kept]:
    """What differs from the stored, at the version that it replaces. A known client keeps its accounts."""
    wanted: dict[Name, Kept] = {}
    for item in desk.items:
        name = name_of(item)
        before = snapshot.items.get(name)
        if before and isinstance(item, Client) and isinstance(before.item, Client):
            named = {each.account: each for each in (*before.item.accounts, *item.accounts)}
            item = msgspec.structs.replace(
                before.item, accounts=tuple(named.values()), trading=True, limits=item.limits
            )
        kept = Kept(item=item, version=before.version if before else 0, since=since.get(name, 0))
        if kept != before:
            wanted[name] = kept
    return wanted


def _subscriptions_of(snapshot: Snapshot, product: ProductId) -> list[Name]:
    return [name for name in snapshot.items if name.kind == "subscription" and name.ids[0] == product]


def _key(name: Name) -> Key:
    return schema.config_key(name.kind, *name.ids)


def _item_put(kept: Kept) -> Put:
    key = _key(name_of(kept.item))
    doc = _encoder.encode({"item": kept.item, "since": kept.since}).decode()
    return Put(Row(pk=key.pk, sk=key.sk, doc=doc, version=kept.version))


def _generation_put(snapshot: Snapshot) -> Put:
    key = schema.generation_key()
    return Put(Row(pk=key.pk, sk=key.sk, doc="{}", version=snapshot.generation))


def _read(row: Row, form: type[Item]) -> Kept:
    try:
        fields = msgspec.json.decode(row.doc, type=_Fields)
        item = msgspec.json.decode(fields.item, type=form)
    except msgspec.DecodeError as error:
        raise BadConfig(f"row {row.pk} / {row.sk} of the Config table: {error}; mend it there") from error
    return Kept(item=item, version=row.version, since=fields.since)
