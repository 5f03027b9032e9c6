"""Laws of the Trading table in the domain's words: whole writes, one winner, everything found again."""

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from spider_common import schema
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain import journal
from spider_common.domain.identifiers import AccountId, ClientOrderId, Venue
from spider_common.domain.intents import Cursor
from spider_common.domain.positions import Book, Part
from spider_common.stores.documents import Stored
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.table import Conflict
from spider_common.stores.trading import Mark, TradingStore
from tests.oms_rig import ORIGIN
from tests.strategies import intent, journal_row

CURSOR = Cursor(cum_filled=Decimal(1), ts_venue=ORIGIN)
BOOK = Book(parts={"net/alice": Part(target=Decimal("0.1"), planned=Decimal("0.1"))})


def store() -> TradingStore:
    return TradingStore(MemoryTable(schema.TRADING, TrioClock(ORIGIN)))


async def test_a_plan_is_found_as_it_was_written(autojump_clock: MockClock) -> None:
    """Row, cursor and book, each at its version."""
    trading, row = store(), journal_row(intent())
    stored = await trading.commit_plan(row, (CURSOR, 0), (BOOK, 0))
    event = row.event
    assert await trading.journal(event.fact.event_id, event.product, 0) == stored == Stored(row, 1)
    assert await trading.cursor(event.product, 0, event.fact.venue_order_id) == Stored(CURSOR, 1)
    assert await trading.book(event.product, 0, event.fact.symbol) == Stored(BOOK, 1)
    assert await trading.event_journal(event.fact.event_id) == [row]


@pytest.mark.parametrize(("cursor_version", "book_version"), [(1, 0), (0, 1), (7, 7)])
async def test_a_plan_is_written_whole_or_not_at_all(
    cursor_version: int, book_version: int, autojump_clock: MockClock
) -> None:
    """If the cursor or the book is not what was read, nothing of the plan is there."""
    trading, row = store(), journal_row(intent())
    with pytest.raises(Conflict):
        await trading.commit_plan(row, (CURSOR, cursor_version), (BOOK, book_version))
    event = row.event
    assert await trading.journal(event.fact.event_id, event.product, 0) is None
    assert await trading.cursor(event.product, 0, event.fact.venue_order_id) is None
    assert await trading.book(event.product, 0, event.fact.symbol) == Stored(Book(), 0)


async def test_an_event_is_planned_by_one(autojump_clock: MockClock) -> None:
    """The second plan of an event conflicts, whoever makes it."""
    trading, row = store(), journal_row(intent())
    await trading.commit_plan(row, (CURSOR, 0), (BOOK, 0))
    with pytest.raises(Conflict):
        await trading.commit_plan(row, (CURSOR, 1), (BOOK, 1))


async def test_a_row_is_replaced_at_its_version_only(autojump_clock: MockClock) -> None:
    """Of two who read the same version one wins; the book of the loser is not written either."""
    trading, row = store(), journal_row(intent())
    stored = await trading.commit_plan(row, (CURSOR, 0), (BOOK, 0))
    first = row.with_intents({ClientOrderId("c1"): journal.accept(row.intents[0], None)})
    saved = await trading.save(Stored(first, stored.version))
    assert saved == Stored(first, stored.version + 1)
    with pytest.raises(Conflict) as caught:
        await trading.save(Stored(row, stored.version), book=Stored(Book(), 1))
    assert [key.sk.split("#")[0] for key in caught.value.keys] == ["journal"]
    assert await trading.book(row.event.product, 0, row.event.fact.symbol) == Stored(BOOK, 1)


async def test_orphans_are_unfinished_rows_past_their_lease(autojump_clock: MockClock) -> None:
    """Sorted out by the end of the lease; a row that is finished leaves the index, whatever its lease."""
    trading = store()
    row = journal_row(intent(), ends=ORIGIN + 10)
    stored = await trading.commit_plan(row, (CURSOR, 0), (BOOK, 0))
    assert await trading.orphans(ORIGIN + 9, 10) == []
    assert await trading.orphans(ORIGIN + 11, 10) == [row]
    done = row.with_intents({ClientOrderId("c1"): journal.accept(row.intents[0], None)})
    await trading.save(Stored(done, stored.version))
    assert await trading.orphans(ORIGIN + 11, 10) == []


async def test_a_mark_is_kept_for_each_account(autojump_clock: MockClock) -> None:
    """None before the first; replaced at its version only."""
    trading, account = store(), AccountId("a")
    assert await trading.mark(Venue.OKX, account) is None
    saved = await trading.save_mark(Venue.OKX, account, Stored(Mark(swept=1), 0))
    assert await trading.mark(Venue.OKX, account) == saved
    assert await trading.mark(Venue.BITGET, account) is None
    with pytest.raises(Conflict):
        await trading.save_mark(Venue.OKX, account, Stored(Mark(swept=2), 0))


async def test_rows_outlive_every_redelivery(autojump_clock: MockClock) -> None:
    """The journal stays longer than the queue keeps a message, and is then dropped."""
    trading, row = store(), journal_row(intent())
    event = row.event
    await trading.commit_plan(row, (CURSOR, 0), (BOOK, 0))
    await trio.sleep(schema.COPY.retention_s + schema.DAY_S)
    assert await trading.journal(event.fact.event_id, event.product, 0) is not None
    await trio.sleep(row.ts_planned / NS_PER_S - ORIGIN / NS_PER_S + schema.JOURNAL_DAYS * schema.DAY_S)
    assert await trading.journal(event.fact.event_id, event.product, 0) is None
    assert await trading.book(event.product, 0, event.fact.symbol) == Stored(BOOK, 1)
