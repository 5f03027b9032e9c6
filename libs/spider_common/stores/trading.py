"""The Trading table in the domain's words: journal, cursors, books, orders, executions, positions.

Each write that belongs together is one transaction, conditional on the versions that were read, so
that of two workers who read the same one gets a `Conflict` and reads again.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

import msgspec

from spider_common import schema
from spider_common.clock import NS_PER_S
from spider_common.domain.executions import Execution, OrderProgress
from spider_common.domain.identifiers import AccountId, ClientId, ClientOrderId, EventId, ProductId, Venue
from spider_common.domain.intents import Cursor, Intent
from spider_common.domain.journal import JournalRow
from spider_common.domain.positions import Book
from spider_common.domain.products import Equity
from spider_common.domain.quantities import ZERO
from spider_common.domain.standing import Worth
from spider_common.schema import Key
from spider_common.stores.table import Put, Row, Table

T = TypeVar("T")

_KEEP_S: Final = schema.JOURNAL_DAYS * schema.DAY_S
_encoder = msgspec.json.Encoder(decimal_format="string")


class Stored(msgspec.Struct, Generic[T], frozen=True):
    """A value and the version it was read at; version 0 means that nothing is stored yet."""

    value: T
    version: int


class Holding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client holds of an instrument for one product: what its executions add up to, signed."""

    quantity: Decimal = ZERO
    executions: int = 0
    ts_venue: int = 0


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

    async def journal(self, event: EventId, product: ProductId, shard: int) -> Stored[JournalRow] | None:
        return await self._get(schema.journal_key(event, product, shard), JournalRow)

    async def event_journal(self, event: EventId) -> list[JournalRow]:
        """All rows of one event: every product and shard that planned it."""
        page = await self._table.query(schema.event_partition(event))
        return [_read(row.doc, JournalRow) for row in page.rows]

    async def cursor(self, product: ProductId, shard: int, venue_order_id: str) -> Stored[Cursor] | None:
        return await self._get(schema.cursor_key(product, shard, venue_order_id), Cursor)

    async def book(self, product: ProductId, shard: int, symbol: str) -> Stored[Book]:
        return await self._get(schema.book_key(product, shard, symbol), Book) or Stored(Book(), 0)

    async def orphans(self, now: int, limit: int) -> list[JournalRow]:
        """Unfinished rows whose lease ended before `now` (Unix ns), as an index last knew them."""
        rows: list[JournalRow] = []
        for bucket in range(schema.OPEN_WORK_BUCKETS):
            page = await self._table.query(
                schema.open_work_partition(bucket),
                index=schema.OPEN_WORK.name,
                up_to=schema.open_work_until(now),
                limit=limit,
            )
            rows.extend(_read(row.doc, JournalRow) for row in page.rows)
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
        event, shard = row.event, row.event.shard
        book_at = schema.book_key(event.product, shard, event.symbol)
        changes = [Put(_journal_row(row, 0)), Put(_row(book_at, book[0], book[1]))]
        if cursor is not None and event.leader_order is not None:
            cursor_at = schema.cursor_key(event.product, shard, event.leader_order)
            changes.append(Put(_row(cursor_at, cursor[0], cursor[1], expires=_expiry(row.ts_planned))))
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
        changes, event = [Put(_journal_row(row.value, row.version))], row.value.event
        if cursor is not None and event.leader_order is not None:
            key = schema.cursor_key(event.product, event.shard, event.leader_order)
            expires = _expiry(row.value.ts_planned)
            changes.append(Put(_row(key, cursor.value, cursor.version, expires=expires)))
        if book is not None:
            key = schema.book_key(event.product, event.shard, event.symbol)
            changes.append(Put(_row(key, book.value, book.version)))
        stored, *_ = await self._table.write(*changes)
        return Stored(row.value, stored.version)

    async def put_orders(self, row: JournalRow) -> None:
        """Stores the orders of a row for look-up by their id. They never change, so repeating is harmless."""
        await self._table.put_all(
            [
                _row(
                    schema.order_key(intent.client_order_id),
                    OrderRecord(
                        event=row.event.event_id,
                        shard=row.event.shard,
                        intent=intent,
                        leader_symbol=row.event.symbol,
                    ),
                    0,
                    index={
                        schema.BY_CLIENT.name: schema.by_client_key(
                            intent.client, intent.client_order_id, ts_planned=row.ts_planned
                        )
                    },
                    expires=_expiry(row.ts_planned),
                )
                for intent in row.intents
                if intent.quantity
            ]
        )

    async def order(self, order: ClientOrderId) -> "OrderRecord | None":
        stored = await self._get(schema.order_key(order), OrderRecord)
        return stored.value if stored else None

    async def client_orders(self, client: ClientId) -> "list[OrderRecord]":
        """A client's orders, oldest first, as an index last knew them."""
        found: list[OrderRecord] = []
        after: str | None = None
        while True:
            page = await self._table.query(
                schema.by_client_partition(client), index=schema.BY_CLIENT.name, after=after
            )
            found.extend(_read(row.doc, OrderRecord) for row in page.rows)
            if (after := page.next) is None:
                return found

    async def progress(self, order: ClientOrderId) -> Stored[OrderProgress] | None:
        return await self._get(schema.order_progress_key(order), OrderProgress)

    async def has_execution(self, execution: Execution) -> bool:
        return await self._table.get(_execution_key(execution)) is not None

    async def holding(self, intent: Intent) -> Stored[Holding]:
        key = schema.position_key(intent.client, intent.product, intent.symbol)
        return await self._get(key, Holding) or Stored(Holding(), 0)

    async def save_progress(
        self,
        record: "OrderRecord",
        progress: Stored[OrderProgress],
        *,
        execution: Execution | None = None,
        holding: Stored[Holding] | None = None,
        book: Stored[Book] | None = None,
        venue_order_id: str,
    ) -> None:
        """Writes what a follower order has come to, with the fill and the position that it changes.

        Raises:
            Conflict: the fill was counted before, or something moved meanwhile: read again.
        """
        intent = record.intent
        account = intent.account
        changes = [
            Put(
                _row(
                    schema.order_progress_key(intent.client_order_id),
                    progress.value,
                    progress.version,
                    index={
                        schema.BY_ORDER.name: schema.by_order_key(
                            account.venue, account.account, venue_order_id, intent.client_order_id
                        )
                    },
                )
            )
        ]
        if execution is not None:
            changes.append(Put(_row(_execution_key(execution), execution, 0)))
        if holding is not None:
            key = schema.position_key(intent.client, intent.product, intent.symbol)
            changes.append(Put(_row(key, holding.value, holding.version)))
        if book is not None:
            key = schema.book_key(intent.product, record.shard, record.leader_symbol)
            changes.append(Put(_row(key, book.value, book.version)))
        await self._table.write(*changes)

    async def put_equity(self, venue: Venue, equity: Equity) -> None:
        """Keeps what an account's worth has been; a fact that tells nothing new is dropped.

        Raises:
            Conflict: another fact of the account came between: put it again.
        """
        key = schema.equity_key(venue, equity.account)
        stored = await self._get(key, Worth)
        worth = Worth.of(equity) if stored is None else stored.value.observe(equity)
        if stored is None or worth != stored.value:
            await self._table.write(Put(_row(key, worth, stored.version if stored else 0)))

    async def worths(self) -> dict[AccountId, Worth]:
        """What the worth of every account has been of which anything was told."""
        found: dict[AccountId, Worth] = {}
        for venue in Venue:
            after = None
            while True:
                page = await self._table.query(schema.equity_partition(venue), after=after, limit=1000)
                for row in page.rows:
                    worth = _read(row.doc, Worth)
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
        key = schema.account_fact_key(venue, account, "swept")
        stored, *_ = await self._table.write(Put(_row(key, mark.value, mark.version)))
        return Stored(mark.value, stored.version)

    async def _get(self, key: Key, kind: type[T]) -> Stored[T] | None:
        row = await self._table.get(key)
        return None if row is None else Stored(_read(row.doc, kind), row.version)


class OrderRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A follower order as it was planned, with the way back to what it copies."""

    event: EventId
    shard: int
    leader_symbol: str
    intent: Intent


def _execution_key(execution: Execution) -> Key:
    leg = execution.side  # a venue that reports both sides of a self-trade uses one trade id for them
    return schema.execution_key(execution.venue, execution.account, execution.symbol, execution.trade_id, leg)


def _journal_row(row: JournalRow, version: int) -> Row:
    event = row.event
    index: Mapping[str, Key] = {}
    if row.unfinished:
        index = {
            schema.OPEN_WORK.name: schema.open_work_key(
                event.event_id, event.product, event.shard, lease_end=row.lease.ends
            )
        }
    key = schema.journal_key(event.event_id, event.product, event.shard)
    return _row(key, row, version, index=index, expires=_expiry(row.ts_planned))


def _row(
    key: Key,
    value: Any,
    version: int,
    *,
    index: Mapping[str, Key] | None = None,
    expires: int | None = None,
) -> Row:
    doc = _encoder.encode(value).decode()
    return Row(pk=key.pk, sk=key.sk, doc=doc, version=version, index=index or {}, expires=expires)


def _read(doc: str, kind: type[T]) -> T:
    return msgspec.json.decode(doc, type=kind)


def _expiry(ts: int) -> int:
    return ts // NS_PER_S + _KEEP_S
