"""Values as a table's documents: one codec, and what is read and written of them together."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from spider_common.schema import Key
from spider_common.stores.table import Put, Row, Table

T = TypeVar("T")

_encoder = msgspec.json.Encoder(decimal_format="string")


class Stored(msgspec.Struct, Generic[T], frozen=True):
    """A value and the version it was read at; version 0 means that nothing is stored yet."""

    value: T
    version: int


class Entry(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A value with its place in the table and in the indexes.

    Attributes:
        expires: Unix seconds after which it may be dropped; None: never.
    """

    key: Key
    value: T
    index: Mapping[str, Key] = {}
    expires: int | None = None

    def row(self, version: int) -> Row:
        """What replaces the row that was read at this version; 0: there was none."""
        return Row(
            pk=self.key.pk,
            sk=self.key.sk,
            doc=_encoder.encode(self.value).decode(),
            version=version,
            index=self.index,
            expires=self.expires,
        )


def read(row: Row, kind: type[T]) -> Stored[T]:
    """The value in a row."""
    return Stored(msgspec.json.decode(row.doc, type=kind), row.version)


class Documents:
    """Values that are read together, changed, and written in one transaction, or not at all.

    What was read or put is given back as it is now; each is written at the version it was read at.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows: dict[Key, Row | None] = {}
        self._changed: dict[Key, Entry[Any]] = {}

    async def read(self, keys: Iterable[Key]) -> None:
        """Reads those that were not read before, in as few calls as there can be."""
        unread = [key for key in dict.fromkeys(keys) if key not in self._rows]
        if unread:
            found = await self._table.get_all(unread)
            self._rows |= {key: found.get(key) for key in unread}

    def get(self, key: Key, kind: type[T]) -> T | None:
        """One that has been read; None where there is none."""
        if key in self._changed:
            value: T = self._changed[key].value
            return value
        row = self._rows[key]
        return None if row is None else read(row, kind).value

    def put(self, entry: Entry[Any]) -> None:
        """Replaces one that has been read."""
        assert entry.key in self._rows, f"{entry.key} was not read"
        self._changed[entry.key] = entry

    @property
    def changed(self) -> Collection[Key]:
        return self._changed.keys()

    async def write(self) -> None:
        """Writes what was put. Of a failure see `Table.write`."""
        changes = [Put(entry.row(self._version(key))) for key, entry in self._changed.items()]
        if changes:
            await self._table.write(*changes)

    def _version(self, key: Key) -> int:
        row = self._rows[key]
        return 0 if row is None else row.version
