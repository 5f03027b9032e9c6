"""Writing what has become of a row, and of the book with it."""

from spider_common import schema
from spider_common.domain.journal import JournalRow, settle, touches_book
from spider_common.stores.table import Ambiguous, Conflict
from spider_common.stores.trading import Stored, TradingStore


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
    changed = [
        (old, new)
        for old, new in zip(before.value.intents, after.intents, strict=True)
        if old != new and touches_book(new)
    ]
    while True:
        book = None
        if changed:
            book = await trading.book(event.product, event.shard, event.symbol)
            value = book.value
            for old, new in changed:
                value = settle(value, event.event_id, old, new)
            book = Stored(value, book.version)
        try:
            return await trading.save(Stored(after, before.version), book=book)
        except (Conflict, Ambiguous) as error:
            if isinstance(error, Conflict) and key not in error.keys:
                continue  # only the book has moved: settle in the new one
            found = await trading.journal(event.event_id, event.product, event.shard)
            if found is not None and found.value == after:
                return found  # an earlier try of this write had succeeded
            if found is None or found.version != before.version:
                raise Fenced(f"{key.pk} / {key.sk}") from error
