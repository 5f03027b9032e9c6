"""Writing what has become of a row, and of the book with it."""

from collections.abc import Sequence

from spider_common import schema
from spider_common.domain.intents import Cursor, Intent
from spider_common.domain.journal import JournalRow, never_made, settle, touches_book
from spider_common.domain.mirroring import finish
from spider_common.domain.positions import Book
from spider_common.domain.quantities import ZERO
from spider_common.stores.documents import Stored
from spider_common.stores.table import Ambiguous, Conflict
from spider_common.stores.trading import TradingStore


class Fenced(Exception):
    """Another worker has taken the row over: this one stops acting for it."""


async def record(trading: TradingStore, before: Stored[JournalRow], after: JournalRow) -> Stored[JournalRow]:
    """Replaces a row by its successor, settling the book for every intent that changed.

    Raises:
        Fenced: the row is not as this worker left it.
        TableError: the table does not answer.
    """
    event = after.event
    key = schema.journal_key(event.event_id, event.product, event.shard)
    moved = [(old, new) for old, new in zip(before.value.intents, after.intents, strict=True) if old != new]
    changed = [(old, new) for old, new in moved if touches_book(new)]
    unmade = [new for old, new in moved if never_made(old, new)]
    while True:
        book = cursor = None
        if changed:
            book = await trading.book(event.product, event.shard, event.symbol)
            value = book.value
            for old, new in changed:
                value = settle(value, event.event_id, old, new)
            book = Stored(value, book.version)
        if book and unmade and event.leader_order is not None:
            cursor = await trading.cursor(event.product, event.shard, event.leader_order)
            if cursor is not None:
                cursor, book = _without_orders(cursor, book, unmade)
        try:
            return await trading.save(Stored(after, before.version), book=book, cursor=cursor)
        except (Conflict, Ambiguous) as error:
            if isinstance(error, Conflict) and key not in error.keys:
                continue  # only the book or the cursor has moved: settle in the new one
            found = await trading.journal(event.event_id, event.product, event.shard)
            if found is not None and found.value == after:
                return found  # an earlier try of this write had succeeded
            if found is None or found.version != before.version:
                raise Fenced(f"{key.pk} / {key.sk}") from error


def _without_orders(
    cursor: Stored[Cursor], book: Stored[Book], unmade: Sequence[Intent]
) -> tuple[Stored[Cursor], Stored[Book]]:
    """Cursor and book once it is known that mirrors' orders came to nothing."""
    known, parts = cursor.value, book.value
    for intent in unmade:
        known, parts = finish(known, parts, intent, intent.client_order_id, ZERO)
    return Stored(known, cursor.version), Stored(parts, book.version)
