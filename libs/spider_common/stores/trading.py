"""The Trading table in the domain's words: journal, cursors, books, what is known of accounts.

Orders, executions and positions are in `TradingStore.orders`.

Each write that belongs together is one transaction, conditional on the versions that were read, so
that of two workers who read the same one gets a `Conflict` and reads again.
"""

from typing import Final, TypeVar

import msgspec

from spider_common import schema
from spider_common.clock import NS_PER_S
from spider_common.domain.identifiers import AccountId, EventId, ProductId, Venue
from spider_common.domain.intents import Cursor
from spider_common.domain.journal import JournalRow
from spider_common.domain.positions import Book
from spider_common.domain.products import Equity
from spider_common.domain.standing import Worth
from spider_common.schema import Key
from spider_common.stores.documents import Documents, Entry, Stored, read
from spider_common.stores.orders import OrderStore
from spider_common.stores.table import Put, Table

T = TypeVar("T")

_KEEP_S: Final = schema.JOURNAL_DAYS * schema.DAY_S


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Up to when an account's facts have been swept and published.

    Attributes:
        swept: when the last sweep began, Unix ns.
        joined: since when each product copies the account, Unix ns. What was before is not for it.
    """

    swept: int
    joined: dict[ProductId, int] = {}


class TradingStore:
    """See the module. Failures are those of `spider_common.stores.table`."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.orders = OrderStore(table)

    def documents(self) -> Documents:
        """For what is read and written together."""
        return Documents(self._table)

    async def journal(self, event: EventId, product: ProductId, shard: int) -> Stored[JournalRow] | None:
        return await self._get(schema.journal_key(event, product, shard), JournalRow)

    async def event_journal(self, event: EventId) -> list[JournalRow]:
        """All rows of one event: every product and shard that planned it."""
        found: list[JournalRow] = []
        after: str | None = None
        while True:
            page = await self._table.query(schema.event_partition(event), after=after)
            found += [read(row, JournalRow).value for row in page.rows]
            if (after := page.next) is None:
                return found

    async def cursor(self, product: ProductId, shard: int, venue_order_id: str) -> Stored[Cursor] | None:
        return await self._get(schema.cursor_key(product, shard, venue_order_id), Cursor)

    async def book(self, product: ProductId, shard: int, symbol: str) -> Stored[Book]:
        return await self._get(schema.book_key(product, shard, symbol), Book) or Stored(Book(), 0)

    async def orphans(self, now: int, limit: int) -> list[JournalRow]:
        """Unfinished rows whose lease ended before `now` (Unix ns), as an index last knew them."""
        rows: list[JournalRow] = []
        for bucket in range(schema.BUCKETS):
            page = await self._table.query(
                schema.open_work_partition(bucket),
                index=schema.BY_STATE.name,
                up_to=schema.open_work_until(now),
                limit=limit,
            )
            rows.extend(read(row, JournalRow).value for row in page.rows)
        return rows

    async def commit_plan(
        self,
        row: JournalRow,
        cursor: tuple[Cursor, int] | None,
        book: tuple[Book, int],
    ) -> Stored[JournalRow]:
        """Makes a plan durable, whole or not at all. The numbers are the versions that it replaces.

        Raises:
            Conflict: another worker planned this event, or moved the cursor or the book.
        """
        event = row.event
        changes = [
            Put(journal_entry(row).row(0)),
            Put(book_entry(event.product, event.shard, event.symbol, book[0]).row(book[1])),
        ]
        if cursor is not None and event.leader_order is not None:
            entry = cursor_entry(event.product, event.shard, event.leader_order, cursor[0], row.ts_planned)
            changes.append(Put(entry.row(cursor[1])))
        stored, *_ = await self._table.write(*changes)
        return Stored(row, stored.version)

    async def save(
        self,
        row: Stored[JournalRow],
        *,
        book: Stored[Book] | None = None,
        cursor: Stored[Cursor] | None = None,
    ) -> Stored[JournalRow]:
        """Writes a changed row, with its book and its leader order's cursor where they changed with it.

        Raises:
            Conflict: one of them is not at its version any more.
        """
        event = row.value.event
        changes = [Put(journal_entry(row.value).row(row.version))]
        if cursor is not None and event.leader_order is not None:
            moved = cursor_entry(
                event.product, event.shard, event.leader_order, cursor.value, row.value.ts_planned
            )
            changes.append(Put(moved.row(cursor.version)))
        if book is not None:
            settled = book_entry(event.product, event.shard, event.symbol, book.value)
            changes.append(Put(settled.row(book.version)))
        stored, *_ = await self._table.write(*changes)
        return Stored(row.value, stored.version)

    async def worth(self, venue: Venue, account: AccountId) -> Stored[Worth] | None:
        """What one account's worth has been; None: nothing was told of it."""
        return await self._get(schema.equity_key(venue, account), Worth)

    async def save_worth(self, venue: Venue, worth: Stored[Worth]) -> None:
        """Replaces it. Raises Conflict: a fact of the account came between."""
        await self._table.write(Put(worth_entry(venue, worth.value).row(worth.version)))

    async def worths(self) -> dict[AccountId, Worth]:
        """What the worth of every account has been of which anything was told."""
        found: dict[AccountId, Worth] = {}
        for venue in Venue:
            after = None
            while True:
                page = await self._table.query(schema.equity_partition(venue), after=after, limit=1000)
                for row in page.rows:
                    worth = read(row, Worth).value
                    found[worth.latest.account] = worth
                if (after := page.next) is None:
                    break
        return found

    async def equities(self) -> dict[AccountId, Equity]:
        """The last known equity of every account that has one."""
        return {account: worth.latest for account, worth in (await self.worths()).items()}

    async def mark(self, venue: Venue, account: AccountId) -> Stored[Mark] | None:
        return await self._get(schema.account_fact_key(venue, account, "swept"), Mark)

    async def save_mark(self, venue: Venue, account: AccountId, mark: Stored[Mark]) -> Stored[Mark]:
        entry = Entry(key=schema.account_fact_key(venue, account, "swept"), value=mark.value)
        stored, *_ = await self._table.write(Put(entry.row(mark.version)))
        return Stored(mark.value, stored.version)

    async def _get(self, key: Key, kind: type[T]) -> Stored[T] | None:
        row = await self._table.get(key)
        return None if row is None else read(row, kind)


def journal_entry(row: JournalRow) -> Entry[JournalRow]:
    """A row, which stands in the index of open work until it is finished."""
    event = row.event
    name = event.event_id, event.product, event.shard
    index = (
        {schema.BY_STATE.name: schema.open_work_key(*name, lease_end=row.lease.ends)}
        if row.unfinished
        else {}
    )
    return Entry(key=schema.journal_key(*name), value=row, index=index, expires=_expiry(row.ts_planned))


def cursor_entry(
    product: ProductId, shard: int, venue_order_id: str, cursor: Cursor, now: int
) -> Entry[Cursor]:
    return Entry(key=schema.cursor_key(product, shard, venue_order_id), value=cursor, expires=_expiry(now))


def book_entry(product: ProductId, shard: int, symbol: str, book: Book) -> Entry[Book]:
    return Entry(key=schema.book_key(product, shard, symbol), value=book)


def worth_entry(venue: Venue, worth: Worth) -> Entry[Worth]:
    return Entry(key=schema.equity_key(venue, worth.latest.account), value=worth)


def _expiry(ts: int) -> int:
    return ts // NS_PER_S + _KEEP_S
