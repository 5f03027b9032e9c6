"""The rows of the Config table, and what edits make of them. No I/O here; `config` has it."""

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
from spider_common.domain.control import Controls, TradingState
from spider_common.domain.identifiers import ClientId, ProductId, digest
from spider_common.domain.products import Client, Product, ProductSettings
from spider_common.schema import Key
from spider_common.stores.audit import AuditEntry, Author, audit_put
from spider_common.stores.table import Change, Put, Row

EDITS: Final = 32
"""Items of one transaction: each is three rows, beside the generation, and 100 are DynamoDB's most."""

KINDS: Final[Mapping[str, type[Item]]] = {
    "subscription": SubscriptionSettings,
    "product": ProductSettings,
    "client": Client,
}
"""In the order in which they are read: what a row names was there before it, so it is found after it."""


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


class Standing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trading state as it is stored: who set it, when (Unix ns) and why."""

    state: TradingState
    who: str
    ts: int
    reason: str = ""


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a trading state is of: a product, a client or, with neither, everything."""

    product: ProductId | None = None
    client: ClientId | None = None

    def __post_init__(self) -> None:
        if self.product is not None and self.client is not None:
            raise ValueError("product and client: a state is of one of them; name one")

    @property
    def parts(self) -> tuple[str, ...]:
        if self.product is not None:
            return ("product", self.product)
        return ("client", self.client) if self.client is not None else ("all",)

    def __str__(self) -> str:
        return "/".join(self.parts) if self.parts != ("all",) else "everything"


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What every service reads twice a second."""

    generation: int
    standings: Mapping[Scope, Standing]

    @property
    def controls(self) -> Controls:
        states = {scope: standing.state for scope, standing in self.standings.items()}
        return Controls(
            all=states.get(Scope(), TradingState.ACTIVE),
            products={each.product: state for each, state in states.items() if each.product is not None},
            clients={each.client: state for each, state in states.items() if each.client is not None},
        )


class _Fields(msgspec.Struct, frozen=True):
    """What stands beside the item in a row."""

    item: msgspec.Raw
    since: int = 0


encoder: Final = msgspec.json.Encoder(decimal_format="string")


def words(entry: AuditEntry) -> str:
    """Who changed which fields of an item, and when (Unix ns)."""
    before, after = (msgspec.json.decode(text) if text else {} for text in (entry.before, entry.after))
    fields = [field for field in after if before.get(field) != after[field]]
    fields += [field for field in before if field not in after]
    return f"{entry.who} changed {', '.join(fields) or 'nothing'} at {entry.ts}"


def order_of(item: Item) -> tuple[int, Name]:
    """What is named comes before what names it."""
    name = name_of(item)
    return (("client", "product", "subscription").index(name.kind), name)


def check_edits(snapshot: Snapshot, edits: Sequence[Edit]) -> None:
    """Refuses edits that leave, in a part of them or whole, what does not fit together.

    Raises:
        BadConfig: they do.
    """
    items = {name: kept.item for name, kept in snapshot.items.items()}
    desk_of(edit.item for edit in edits)  # each once
    for edit in edits:
        configuration.check_change(items.get(name_of(edit.item)), edit.item)
    for start in range(0, len(edits), EDITS):
        items.update((name_of(edit.item), edit.item) for edit in edits[start : start + EDITS])
        configuration.check(desk_of(items.values()))


def with_edits(snapshot: Snapshot, edits: Sequence[Edit], ts: int) -> Snapshot:
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


def edit_changes(snapshot: Snapshot, after: Snapshot, edits: Sequence[Edit], by: Author) -> list[Change]:
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
            before=encoder.encode(before.item).decode() if before else "",
            after=encoder.encode(edit.item).decode(),
        )
        doc = encoder.encode(entry).decode()
        told = schema.history_key(name.kind, *name.ids, entry=digest(doc), ts=by.ts)
        changes += [
            item_put(msgspec.structs.replace(now, version=edit.version)),
            audit_put(entry),
            Put(Row(pk=told.pk, sk=told.sk, doc=doc)),
        ]
    return changes


def wanted_items(snapshot: Snapshot, desk: Desk, since: Mapping[Name, int]) -> dict[Name, Kept]:
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


def subscriptions_of(snapshot: Snapshot, product: ProductId) -> list[Name]:
    return [name for name in snapshot.items if name.kind == "subscription" and name.ids[0] == product]


def item_key(name: Name) -> Key:
    return schema.config_key(name.kind, *name.ids)


def item_put(kept: Kept) -> Put:
    key = item_key(name_of(kept.item))
    doc = encoder.encode({"item": kept.item, "since": kept.since}).decode()
    return Put(Row(pk=key.pk, sk=key.sk, doc=doc, version=kept.version))


def generation_put(snapshot: Snapshot) -> Put:
    key = schema.generation_key()
    return Put(Row(pk=key.pk, sk=key.sk, doc="{}", version=snapshot.generation))


def read_item(row: Row, form: type[Item]) -> Kept:
    try:
        fields = msgspec.json.decode(row.doc, type=_Fields)
        item = msgspec.json.decode(fields.item, type=form)
    except msgspec.DecodeError as error:
        raise BadConfig(f"row {row.pk} / {row.sk} of the Config table: {error}; mend it there") from error
    return Kept(item=item, version=row.version, since=fields.since)


def read_watch(rows: Iterable[Row]) -> Watch:
    """The watch partition's rows.

    Raises:
        BadConfig: one of them cannot be read.
    """
    generation, standings = 0, {}
    for row in rows:
        if row.key == schema.generation_key():
            generation = row.version
            continue
        kind, *name = row.sk.removeprefix("state#").split("#")
        try:
            standing = msgspec.json.decode(row.doc, type=Standing)
        except msgspec.DecodeError as error:
            raise BadConfig(f"row {row.pk} / {row.sk} of the Config table: {error}; mend it there") from error
        match kind:
            case "all":
                standings[Scope()] = standing
            case "product":
                standings[Scope(product=ProductId(name[0]))] = standing
            case _:
                standings[Scope(client=ClientId(name[0]))] = standing
    return Watch(generation=generation, standings=standings)
