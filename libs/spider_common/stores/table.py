"""The `Table` port: rows by key, versions, all-or-nothing writes.

`dynamo_table.DynamoTable` and its twin `memory_table.MemoryTable` pass one contract suite,
`tests/contract/test_table.py`.

A row's document is text that the table does not read. Every write states the version it expects to
replace, so that of two writers who read the same row one gets a `Conflict`.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from spider_common.schema import Key

# Limits of DynamoDB (AWS documentation, "Quotas in Amazon DynamoDB" and API_TransactWriteItems).
MAX_ROW_BYTES: Final = 400 * 1024
MAX_WRITE_BYTES: Final = 4 * 1024 * 1024
MAX_WRITE_CHANGES: Final = 100

PACK_FROM: Final = 4 * 1024
"""Characters from which on a document is stored compressed: an event's orders are much alike, and what is
written is paid, and limited for each partition, by the kilobyte."""

_FIXED_BYTES: Final = 128  # attribute names, version, expiry and write id, counted generously


class TableError(Exception):
    """Something went wrong with a table."""


class Conflict(TableError):
    """Rows were not at the version the write expected. Nothing was written.

    Attributes:
        keys: the rows that were not.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        self.keys = tuple(keys)
        super().__init__("not at the expected version: " + ", ".join(f"{pk} / {sk}" for pk, sk in self.keys))


class Busy(TableError):
    """Other writers held the rows, or the table throttled, at each attempt. Nothing was written."""


class Ambiguous(TableError):
    """No answer came: the write happened as a whole or not at all. Read the rows to learn which."""


class Unavailable(TableError):
    """A read got no answer."""


class TooLarge(TableError, ValueError):
    """A row or a write is over DynamoDB's limits. Nothing was sent."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A stored row, or one to be stored.

    Attributes:
        doc: JSON text.
        version: what was read; 0 for a row that is not stored yet.
        index: name of an index -> where the row stands in it (see `schema`). Not named: not in it.
        expires: Unix seconds after which the table may drop the row, at its leisure: a row past its
            time may still be there.
    """

    pk: str
    sk: str
    doc: str
    version: int = 0
    index: Mapping[str, Key] = {}
    expires: int | None = None

    @property
    def key(self) -> Key:
        """Where the row is."""
        return Key(self.pk, self.sk)


class Put(msgspec.Struct, frozen=True):
    """Store `row` over the version that it was read at (`row.version`; 0: it must not exist yet).

    A changed row keeps the version of the one that was read: `msgspec.structs.replace(row, doc=...)`.
    """

    row: Row

    @property
    def key(self) -> Key:
        """The row that is written."""
        return self.row.key

    @property
    def expect(self) -> int:
        """The version that is replaced."""
        return self.row.version


class Delete(msgspec.Struct, frozen=True):
    """Remove a row that stands at version `expect`."""

    key: Key
    expect: int


Change = Put | Delete


class Page(msgspec.Struct, frozen=True):
    """Rows in order, and the `after` of the next page; None when there is none.

    A page may hold fewer rows than its limit, even none, and still have a next one.
    """

    rows: tuple[Row, ...]
    next: str | None


class Table(Protocol):
    """Rows by key."""

    async def get(self, key: Key) -> Row | None:
        """The row as last written.

        Raises:
            Unavailable: no answer came.
        """
        ...

    async def get_all(self, keys: Sequence[Key]) -> dict[Key, Row]:
        """Those of the rows that there are, each as last written; different ones at different moments.

        Raises:
            Unavailable: no answer came, or the table throttled at each attempt.
            ValueError: a key is named twice.
        """
        ...

    async def query(
        self,
        pk: str,
        *,
        index: str | None = None,
        begins_with: str = "",
        after: str | None = None,
        up_to: str | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page:
        """Rows of one partition by sort key, in the byte order of its UTF-8 text.

        Args:
            pk: the partition, of the table or of `index`.
            index: a global secondary index. It follows the table with a delay; each row in it is one
                that the table held, perhaps not the latest.
            begins_with: only sort keys with this prefix.
            after: only sort keys past this one, in the direction of reading.
            up_to: only sort keys not greater than this one.
            limit: rows a page.
            descending: read from the greatest sort key down.

        Raises:
            Unavailable: no answer came.
        """
        ...

    async def write(self, *changes: Change) -> tuple[Row, ...]:
        """Make all changes or none, and give the rows as stored, their versions one higher.

        Repeating within the call is harmless: a row carries the id of the write that made it, so a
        write that finds its own row where it expected the old one has been done before.

        Raises:
            Conflict: a row is not at the version expected. Nothing was written.
            Busy: others held the rows at each attempt. Nothing was written.
            Ambiguous: no answer came.
            TooLarge: over DynamoDB's limits. Nothing was sent.
        """
        ...

    async def put_all(self, rows: Sequence[Row]) -> None:
        """Store rows whatever is there, each for itself: after a failure some may be stored.

        For what can be written again, such as facts read from a venue. Versions rise by one over
        `row.version`, so do not mix this with `write` on the same rows.

        Raises:
            Busy: the table throttled at each attempt.
            Ambiguous: no answer came.
            TooLarge: a row is over DynamoDB's limit. Nothing was sent.
        """
        ...


def packed(doc: str) -> str | bytes:
    """A document as it is stored: a short one as it is, a long one compressed, a seventh of its size."""
    return doc if len(doc) < PACK_FROM else zlib.compress(doc.encode(), 1)


def unpacked(stored: str | bytes) -> str:
    """The document of which `packed` made this."""
    return stored if isinstance(stored, str) else zlib.decompress(stored).decode()


def row_bytes(row: Row) -> int:
    """An upper estimate of a row's size as DynamoDB counts it, its document not compressed."""
    size = _FIXED_BYTES + len(row.pk.encode()) + len(row.sk.encode()) + len(row.doc.encode())
    for name, (pk, sk) in row.index.items():
        size += 2 * len(name.encode()) + 6 + len(pk.encode()) + len(sk.encode())
    return size


def check_row(row: Row) -> int:
    """The row's size in bytes.

    Raises:
        TooLarge: it is over what DynamoDB stores.
    """
    size = row_bytes(row)
    if size > MAX_ROW_BYTES:
        size += len(packed(row.doc)) - len(row.doc.encode())
    if size > MAX_ROW_BYTES:
        raise TooLarge(f"row {row.pk} / {row.sk} has {size} bytes, over {MAX_ROW_BYTES}: split its document")
    return size


def check_changes(changes: Sequence[Change]) -> None:
    """Refuse a write that DynamoDB would refuse.

    Raises:
        TooLarge: over the limits of a row or of a transaction.
        ValueError: nothing to write, or a row named twice.
    """
    if not changes:
        raise ValueError("a write needs at least one change")
    if len(changes) > MAX_WRITE_CHANGES:
        raise TooLarge(f"a write of {len(changes)} changes, over {MAX_WRITE_CHANGES}: split it")
    check_keys([change.key for change in changes])
    size = sum(check_row(change.row) for change in changes if isinstance(change, Put))
    if size > MAX_WRITE_BYTES:
        raise TooLarge(f"a write of {size} bytes, over {MAX_WRITE_BYTES}: split it")


def check_keys(keys: Sequence[Key]) -> None:
    """Refuse a list of keys that names one twice.

    Raises:
        ValueError: it does.
    """
    seen = set()
    for key in keys:
        if key in seen:
            raise ValueError(f"row {key.pk} / {key.sk} is named twice in one call")
        seen.add(key)
