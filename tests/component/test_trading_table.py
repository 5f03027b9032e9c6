"""The access patterns of docs/trading-table.md are those of the code: each is there, and each is asked so."""

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from trio.testing import MockClock

from spider_common import schema
from spider_common.clock import TrioClock
from spider_common.domain.drift import Drift, DriftReason
from spider_common.domain.follower_orders import LeaderOrderRef
from spider_common.domain.identifiers import (
    AccountId,
    ClientId,
    ClientOrderId,
    ProductId,
    Venue,
    VenueOrderId,
)
from spider_common.domain.intents import Cursor
from spider_common.domain.orders import PositionSide
from spider_common.domain.positions import Book
from spider_common.domain.products import Correction, Equity
from spider_common.domain.quantities import ZERO
from spider_common.domain.standing import Worth
from spider_common.schema import Key, Pending
from spider_common.stores.documents import Stored
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.orders import OrderStore
from spider_common.stores.positions import Adjusted, PositionStore
from spider_common.stores.table import Change, Page, Row
from spider_common.stores.trading import Mark, TradingStore, worth_entry
from tests.oms_rig import ORIGIN
from tests.strategies import intent, journal_row

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/trading-table.md").read_text()
STORES = {"TradingStore": TradingStore, "OrderStore": OrderStore, "PositionStore": PositionStore}
ACCOUNT, PRODUCT = AccountId("follower"), ProductId("p")


class Pattern(NamedTuple):
    """A row of the document's table."""

    question: str
    operation: str
    key: str
    index: str
    asked_by: str


def patterns() -> list[Pattern]:
    trading = TEXT.split("## Trading")[1].split("## Config")[0]
    rows = [re.split(r"\s*\|\s*", line.strip("| ")) for line in trading.splitlines() if line.startswith("|")]
    wide = [row + [""] * (5 - len(row)) for row in rows if len(row) > 3]
    return [Pattern(*row) for row in wide if row[0] != "Question" and set(row[0]) - set("- :")]


def names(text: str) -> list[str]:
    return re.findall(r"`([\w.]+)[`(]", text)


class Noted(NamedTuple):
    """A call of the table: what, in which partition, by which index."""

    operation: str
    key: Key
    index: str


class NotingTable:
    """A table that remembers what it was asked."""

    def __init__(self) -> None:
        self._table = MemoryTable(schema.TRADING, TrioClock(ORIGIN))
        self.noted: list[Noted] = []

    async def get(self, key: Key) -> Row | None:
        self.noted.append(Noted("get", key, ""))
        return await self._table.get(key)

    async def get_all(self, keys: Sequence[Key]) -> dict[Key, Row]:
        self.noted += [Noted("get_all", key, "") for key in keys]
        return await self._table.get_all(keys)

    async def query(self, pk: str, *, index: str | None = None, **how: Any) -> Page:
        self.noted.append(Noted("query", Key(pk, ""), index or ""))
        return await self._table.query(pk, index=index, **how)

    async def write(self, *changes: Change) -> tuple[Row, ...]:
        self.noted += [Noted("write", change.key, "") for change in changes]
        return await self._table.write(*changes)

    async def put_all(self, rows: Sequence[Row]) -> None:
        await self._table.put_all(rows)


class Stores(NamedTuple):
    """All that ask the Trading table."""

    trading: TradingStore
    positions: PositionStore


def test_every_key_function_is_in_the_document() -> None:
    """Law: the document names every function of the schema that makes keys, and none that is not there."""
    endings = ("_key", "_partition", "_until", "_prefix")
    keyed = {name for name in vars(schema) if name.endswith(endings) and name[0] != "_"}
    assert set(re.findall(r"`(\w+)\(", TEXT)) == keyed


def test_every_question_has_a_method_and_every_method_a_question() -> None:
    """Law: what asks is there, and what the stores offer is in the document."""
    offered = {
        f"{name}.{method}"
        for name, store in STORES.items()
        for method, _ in inspect.getmembers(store, inspect.isfunction)
        if method[0] != "_"
    }
    asked = {name for pattern in patterns() for name in names(pattern.asked_by)}
    assert asked == offered == set(ASKED)


def test_each_index_is_used() -> None:
    """Law: three indexes, each of which answers something; no pattern names another."""
    assert {name for pattern in patterns() for name in names(pattern.index)} == {
        index.name for index in schema.TRADING.indexes
    }
    assert len(schema.TRADING.indexes) == 3


def test_nothing_is_scanned() -> None:
    """Law: no code reads a whole table."""
    sources = [*(ROOT / "libs").rglob("*.py"), *(ROOT / "services").rglob("*.py")]
    scanning = re.compile(r"[\"'.](scan|Scan|ExecuteStatement|execute_statement)\b(?!_)")
    found = [path.name for path in sources if scanning.search(path.read_text())]
    assert found == []


def equity() -> Equity:
    return Equity(account=ACCOUNT, equity=ZERO, currency="USDT", ts_venue=1)


async def equity_kept(stores: Stores) -> None:
    documents, entry = stores.trading.documents(), worth_entry(Venue.OKX, Worth.of(equity()))
    await documents.read([entry.key])
    documents.put(entry)
    await documents.write()


def drift() -> Drift:
    return Drift(
        product=PRODUCT,
        client=ClientId("alice"),
        venue=Venue.OKX,
        account=ACCOUNT,
        symbol="BTC-USDT-SWAP",
        leader_side=PositionSide.NET,
        instrument="BTC-USDT-SWAP",
        position_side=PositionSide.NET,
        position=ZERO,
        held=ZERO,
        planned=ZERO,
        target=ZERO,
        fees=ZERO,
        ruled=None,
        reason=DriftReason.ROUNDING,
        correction=Correction.OFF,
        since=1,
        seen=1,
    )


async def drift_dropped(stores: Stores) -> None:
    await stores.positions.save_drifts([Stored(drift(), 0)])
    await stores.positions.drop_drifts([Stored(drift(), 1)])


ASKED: dict[str, Callable[[Stores], Awaitable[object]]] = {
    "TradingStore.journal": lambda s: s.trading.journal(journal_row().event.event_id, PRODUCT, 0),
    "TradingStore.event_journal": lambda s: s.trading.event_journal(journal_row().event.event_id),
    "TradingStore.commit_plan": lambda s: s.trading.commit_plan(
        journal_row(intent()), (Cursor(cum_filled=ZERO, ts_venue=1), 0), (Book(), 0)
    ),
    "TradingStore.save": lambda s: s.trading.save(Stored(journal_row(intent()), 0)),
    "TradingStore.orphans": lambda s: s.trading.orphans(ORIGIN, 10),
    "TradingStore.cursor": lambda s: s.trading.cursor(PRODUCT, 0, "1"),
    "TradingStore.book": lambda s: s.trading.book(PRODUCT, 0, "BTC-USDT-SWAP"),
    "TradingStore.documents": equity_kept,
    "TradingStore.worth": lambda s: s.trading.worth(Venue.OKX, ACCOUNT),
    "TradingStore.save_worth": lambda s: s.trading.save_worth(Venue.OKX, Stored(Worth.of(equity()), 0)),
    "TradingStore.worths": lambda s: s.trading.worths(),
    "TradingStore.equities": lambda s: s.trading.equities(),
    "TradingStore.mark": lambda s: s.trading.mark(Venue.OKX, ACCOUNT),
    "TradingStore.save_mark": lambda s: s.trading.save_mark(Venue.OKX, ACCOUNT, Stored(Mark(swept=1), 0)),
    "PositionStore.positions": lambda s: s.positions.positions(Venue.OKX, ACCOUNT),
    "PositionStore.all_positions": lambda s: s.positions.all_positions(Venue.OKX),
    "PositionStore.books": lambda s: s.positions.books(PRODUCT, 0),
    "PositionStore.drifts": lambda s: s.positions.drifts(PRODUCT, ClientId("alice")),
    "PositionStore.save_drifts": lambda s: s.positions.save_drifts([Stored(drift(), 0)]),
    "PositionStore.drop_drifts": drift_dropped,
    "PositionStore.take_turn": lambda s: s.positions.take_turn("one", 1, 2),
    "PositionStore.adjusted": lambda s: s.positions.adjusted(PRODUCT, ClientId("alice")),
    "PositionStore.save_adjusted": lambda s: s.positions.save_adjusted(
        PRODUCT, ClientId("alice"), Stored(Adjusted(since=1), 0)
    ),
    "OrderStore.follow": lambda s: s.trading.orders.follow(Stored(journal_row(intent()), 2)),
    "OrderStore.order": lambda s: s.trading.orders.order(Venue.OKX, ACCOUNT, ClientOrderId("c1")),
    "OrderStore.account_orders": lambda s: s.trading.orders.account_orders(Venue.OKX, ACCOUNT),
    "OrderStore.product_orders": lambda s: s.trading.orders.product_orders(PRODUCT),
    "OrderStore.refused": lambda s: s.trading.orders.refused(PRODUCT, ClientId("alice"), "BTC-USDT-SWAP"),
    "OrderStore.copies": lambda s: s.trading.orders.copies(
        LeaderOrderRef(venue=Venue.OKX, account=AccountId("leader"), venue_order_id=VenueOrderId("1"))
    ),
    "OrderStore.pending": lambda s: s.trading.orders.pending(Pending.OPEN),
    "OrderStore.account_pending": lambda s: s.trading.orders.account_pending(
        Pending.OPEN, Venue.OKX, ACCOUNT
    ),
    "OrderStore.executions": lambda s: s.trading.orders.executions(Venue.OKX, ACCOUNT, "BTC-USDT-SWAP"),
    "OrderStore.holding": lambda s: s.trading.orders.holding(intent()),
    "OrderStore.positions": lambda s: s.trading.orders.positions(ClientId("alice")),
}


@pytest.mark.parametrize("method", ASKED)
async def test_each_question_is_asked_as_the_document_says(method: str, autojump_clock: MockClock) -> None:
    """Law: a method's calls of the table are among the operations and indexes of its rows, and all buckets
    are asked where a row says so."""
    table = NotingTable()
    await ASKED[method](Stores(TradingStore(table), PositionStore(table)))
    rows = [pattern for pattern in patterns() if method in names(pattern.asked_by)]
    operations = {word for row in rows for word in re.findall(r"get_all|get|query|write", row.operation)}
    assert table.noted
    assert {noted.operation for noted in table.noted} <= operations
    queried = {noted.index for noted in table.noted if noted.operation == "query"}
    assert queried <= {row.index.strip("`") for row in rows if "query" in row.operation}
    if any("each bucket" in row.operation for row in rows):
        assert len({noted.key.pk for noted in table.noted}) == schema.BUCKETS
