"""Laws of writing outcomes: the book is settled with the row, once, in whatever book there is."""

from decimal import Decimal

import pytest
import trio

from services.oms.record import Fenced, record
from spider_common import schema
from spider_common.domain import journal
from spider_common.domain.journal import JournalRow
from spider_common.domain.orders import CopyState
from spider_common.domain.positions import Part, part_key
from spider_common.stores.documents import Stored
from spider_common.stores.table import Ambiguous, Conflict, Unavailable
from tests.oms_rig import Rig
from tests.scripted import Trouble


def doubted(row: JournalRow, now: int) -> JournalRow:
    """The row with its first order in doubt."""
    first = row.intents[0]
    after = journal.doubt(first, why="no answer", expires=now + 1, now=now)
    return row.with_intents({first.client_order_id: after})


async def test_a_row_and_its_book_change_together(autojump_clock: trio.testing.MockClock) -> None:
    """A doubt enters the client's queue in the write that makes it durable."""
    rig = Rig("alice")
    stored = await (await rig.worker()).planned(rig.event())
    rig.timeline.clear()
    await record(rig.trading, stored, doubted(stored.value, rig.clock.now()))
    assert rig.timeline == ["write book, journal"]


async def test_an_accepted_order_leaves_the_book_alone(autojump_clock: trio.testing.MockClock) -> None:
    """Most orders are simply accepted; the book is not contended for them."""
    rig = Rig("alice")
    stored = await (await rig.worker()).planned(rig.event())
    rig.timeline.clear()
    first = stored.value.intents[0]
    after = stored.value.with_intents({first.client_order_id: journal.accept(first, None)})
    await record(rig.trading, stored, after)
    assert rig.timeline == ["write journal"]


async def test_a_book_that_has_moved_is_settled_again(autojump_clock: trio.testing.MockClock) -> None:
    """Another event's change of the book stays, and this one's is made in it."""
    rig = Rig("alice")
    event = rig.event()
    stored = await (await rig.worker()).planned(event)
    symbol = event.fact.symbol
    after = doubted(stored.value, rig.clock.now())

    class Racing:
        """The store of a worker that is overtaken once between reading the book and writing it."""

        def __init__(self) -> None:
            self.raced = False

        def __getattr__(self, name: str) -> object:
            return getattr(rig.trading, name)

        async def save(self, row: Stored[JournalRow], **others: object) -> Stored[JournalRow]:
            if not self.raced:
                self.raced = True
                found = await rig.trading.book(rig.product.product, 0, symbol)
                changed = found.value.with_parts({"net/bob": Part(planned=Decimal(7))})
                row_now = await rig.trading.journal(event.fact.event_id, event.product, 0)
                assert row_now is not None
                key = schema.book_key(event.product, 0, symbol)
                raced = await rig.table.get(key)
                assert raced is not None
                await rig.table.write(_put(raced, changed))
            return await rig.trading.save(row, **others)  # type: ignore[arg-type]  # handed on

    saved = await record(Racing(), stored, after)  # type: ignore[arg-type]  # a store but for one method
    assert saved.value == after
    book = (await rig.trading.book(rig.product.product, 0, symbol)).value
    assert book.parts["net/bob"].planned == 7
    assert [each.client_order_id for each in book.waiting["alice"]] == [after.intents[0].client_order_id]
    assert part_key(after.intents[0].client, after.intents[0].leader_side) in book.parts


def _put(row: object, book: object) -> object:
    import msgspec

    from spider_common.stores.table import Put, Row

    assert isinstance(row, Row)
    encoder = msgspec.json.Encoder(decimal_format="string")
    return Put(msgspec.structs.replace(row, doc=encoder.encode(book).decode()))


@pytest.mark.parametrize("effect", [True, False])
async def test_an_ambiguous_write_is_recognised(effect: bool, autojump_clock: trio.testing.MockClock) -> None:
    """If it happened it is not made a second time, which would settle the book twice; if not, it is made."""
    rig = Rig("alice")
    event = rig.event()
    stored = await (await rig.worker()).planned(event)
    after = doubted(stored.value, rig.clock.now())
    rig.table.trouble_writes(Trouble(Ambiguous("no answer"), "journal", effect))
    saved = await record(rig.trading, stored, after)
    assert saved == Stored(after, stored.version + 1)
    book = (await rig.trading.book(event.product, 0, event.fact.symbol)).value
    assert len(book.waiting["alice"]) == 1


async def test_another_owners_row_is_not_overwritten(autojump_clock: trio.testing.MockClock) -> None:
    """The row is at another version: this worker is fenced, and the row and book stay as they are."""
    rig = Rig("alice")
    event = rig.event()
    stored = await (await rig.worker()).planned(event)
    taken = journal.take_over(stored.value, "two", stored.value.lease.ends + rig.timing.takeover, rig.timing)
    await record(rig.trading, stored, taken)
    book = await rig.trading.book(event.product, 0, event.fact.symbol)
    with pytest.raises(Fenced):
        await record(rig.trading, stored, doubted(stored.value, rig.clock.now()))
    assert await rig.row(event) == taken
    assert await rig.trading.book(event.product, 0, event.fact.symbol) == book


async def test_a_conflict_that_was_an_earlier_try_is_success(autojump_clock: trio.testing.MockClock) -> None:
    """The row already is what we want it to be: an earlier try of this very write got through."""
    rig = Rig("alice")
    stored = await (await rig.worker()).planned(rig.event())
    after = doubted(stored.value, rig.clock.now())
    first = await record(rig.trading, stored, after)
    assert await record(rig.trading, stored, after) == first


async def test_a_table_that_is_away_is_said_so(autojump_clock: trio.testing.MockClock) -> None:
    """Neither success nor fencing: the caller decides how long to try."""
    rig = Rig("alice")
    stored = await (await rig.worker()).planned(rig.event())
    rig.table.trouble_writes(Trouble(Unavailable("gone"), "journal"))
    with pytest.raises(Unavailable):
        await record(rig.trading, stored, doubted(stored.value, rig.clock.now()))
    assert (await rig.row(stored.value.event)).intents[0].state is CopyState.PLANNED
    assert not isinstance(Unavailable("gone"), Conflict)
