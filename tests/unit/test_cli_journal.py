"""`spider journal`: what became of an event, as the Trading table has it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec
import pytest
import trio

from services.cli import journal
from spider_common import schema
from spider_common.domain.identifiers import ClientOrderId, EventId
from spider_common.domain.intents import Cursor, Doubt, Intent
from spider_common.domain.journal import JournalRow
from spider_common.domain.orders import CopyState
from spider_common.domain.positions import Book
from spider_common.domain.reasons import WORDS, Reason
from spider_common.settings import CommonSettings
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.trading import TradingStore
from tests.strategies import MS, TS, intent, journal_row
from tests.unit.spider_command import lines, refused, spider


class _Still:
    """A clock that stands at `TS`."""

    def now(self) -> int:
        return TS


@pytest.fixture
def trading(monkeypatch: pytest.MonkeyPatch) -> TradingStore:
    """The Trading table that the command opens: the in-memory twin, at the time of the stored rows."""
    store = TradingStore(MemoryTable(schema.TRADING, _Still()))

    @asynccontextmanager
    async def opened(chosen: CommonSettings) -> AsyncIterator[TradingStore]:
        yield store

    monkeypatch.setattr(journal, "open_trading", opened)
    return store


def _store(trading: TradingStore, *intents: Intent) -> EventId:
    row: JournalRow = journal_row(*intents)
    cursor = Cursor(cum_filled=Decimal(1), ts_venue=TS)
    trio.run(trading.commit_plan, row, (cursor, 0), (Book(), 0))
    return row.event.fact.event_id


def test_a_journal_is_shown(trading: TradingStore) -> None:
    """Owner, fence, lease; for each order client, state, reason in words, doubt and latency."""
    doubt = Doubt(expires=TS, why="no answer in time", since=TS, misses=1)
    event = _store(
        trading,
        intent(
            state=CopyState.ACCEPTED,
            ts_sent=TS + 15 * MS,
            ts_answered=TS + 57 * MS + 500_000,
        ),
        intent(client="bruno", client_order_id=ClientOrderId("c2"), state=CopyState.IN_DOUBT, doubt=doubt),
        intent(
            client="clara",
            client_order_id=ClientOrderId("c3"),
            state=CopyState.DENIED,
            reason=Reason.TRADING_OFF,
        ),
        intent(client="dora", client_order_id=ClientOrderId("c4"), reason="51008 [red]margin[/red]"),
    )
    result = spider("journal", event)

    assert (result.exit_code, result.stderr) == (0, "")
    for words in (
        "product p, shard 0 of 1: owner one, fence 1, lease until 2023-11-14T22:13:20.000Z",
        "no answer in time; since 2023-11-14T22:13:20.000Z, missed 1 times",
        WORDS[Reason.TRADING_OFF],
        "51008 [red]margin[/red]",
    ):
        assert words in result.stdout
    (accepted,) = (line for line in result.stdout.splitlines() if "accepted" in line)
    cells = [cell.strip() for cell in accepted.strip("│ ").split("│")]
    assert cells == ["alice", "BTC-USDT-SWAP", "buy", "1", "accepted", "", "", "10.0", "42.5", "c1"]


def test_a_journal_as_json_is_the_whole_row(trading: TradingStore) -> None:
    """Nothing that is stored is left out."""
    event = _store(trading, intent())
    (row,) = lines(spider("journal", event, "--json"))

    assert msgspec.convert(row, JournalRow) == journal_row(intent())


def test_an_unknown_event_is_told(trading: TradingStore) -> None:
    """No row: a message, no result, code 1."""
    result = spider("journal", "0" * 32)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("0" * 32 + ": no row in table trading")


@pytest.mark.parametrize("name", ["x", "0" * 31, "0" * 33, "Z" * 32])
def test_what_is_no_event_id_is_refused(name: str) -> None:
    """The argument is named before anything is opened."""
    assert refused("journal", name).startswith(f"EVENT_ID: {name!r} is not 32 hex digits; ")


def test_settings_of_services_do_not_matter(trading: TradingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command runs in a service's environment; a variable that nobody knows is refused by name."""
    event = _store(trading, intent())
    monkeypatch.setenv("SPIDER_LEASE_MS", "9000")
    monkeypatch.setenv("SPIDER_SWEEP_MS", "9000")
    assert spider("journal", event).exit_code == 0

    monkeypatch.setenv("SPIDER_AWS_REGON", "eu-west-1")
    assert refused("journal", event).startswith("SPIDER_AWS_REGON: CommonSettings has no such setting; ")
