"""Laws of the orders in the Trading table: they follow the journal, and each question finds its own."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest
from trio.testing import MockClock

from spider_common import schema
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain import journal
from spider_common.domain.follower_orders import FollowerOrder, LeaderOrderRef, follower_order
from spider_common.domain.holdings import AttributedExecution
from spider_common.domain.identifiers import AccountId, ClientId, ClientOrderId, ProductId, TradeId, Venue
from spider_common.domain.intents import Intent
from spider_common.domain.journal import JournalRow
from spider_common.domain.orders import CopyState, OrderStatus
from spider_common.domain.products import Account
from spider_common.domain.quantities import ZERO
from spider_common.schema import Pending
from spider_common.stores.documents import Stored
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.orders import execution_entry, execution_key, order_entry
from spider_common.stores.table import Ambiguous, Put, Row
from spider_common.stores.trading import TradingStore
from tests.oms_rig import ORIGIN
from tests.scripted import Trouble, TroubledTable
from tests.strategies import TS, execution, fact, intent, journal_row

PRODUCT = ProductId("p")
LEADER = LeaderOrderRef(venue=fact().venue, account=fact().account, venue_order_id=fact().venue_order_id)


class Desk:
    """A table and what writes orders to it."""

    def __init__(self) -> None:
        self.timeline: list[str] = []
        self.memory = MemoryTable(schema.TRADING, TrioClock(ORIGIN))
        self.table = TroubledTable(self.memory, self.timeline)
        self.store = TradingStore(self.table).orders

    async def plan(self, row: JournalRow) -> Stored[JournalRow]:
        """Its orders, as they are kept when it was just planned."""
        stored = Stored(row, 1)
        await self.store.follow(stored)
        return stored

    async def tell(self, made: Intent, **fields: object) -> None:
        """A fact about an order, put down as whoever counts does."""
        account = made.account
        found = await self.store.order(account.venue, account.account, made.client_order_id)
        assert found is not None
        after = found.value.observe(fact(**fields))
        await self.table.write(Put(order_entry(after).row(found.version)))

    async def order(self, made: Intent) -> FollowerOrder | None:
        account = made.account
        found = await self.store.order(account.venue, account.account, made.client_order_id)
        return found.value if found else None

    def places(self, made: Intent) -> set[str]:
        """The indexes that an order stands in."""
        account = made.account
        key = schema.order_key(account.venue, account.account, made.client_order_id)
        (row,) = (row for row in self.memory.rows() if row.key == key)
        return set(row.index)


def named(number: int, *, client: str = "", **fields: object) -> Intent:
    """The intent of a client of its own."""
    client = client or f"client-{number}"
    account = Account(account=AccountId(f"{client}-account"), venue=Venue.OKX)
    name = ClientOrderId(f"{number:032x}")
    return intent(client_order_id=name, client=ClientId(client), account=account, **fields)


def names(orders: Sequence[FollowerOrder]) -> list[int]:
    return [int(order.intent.client_order_id, 16) for order in orders]


async def test_every_intent_has_its_line(autojump_clock: MockClock) -> None:
    """What was denied or skipped is there with its reason, beside what is sent."""
    desk = Desk()
    row = journal_row(
        named(1),
        named(2, state=CopyState.DENIED, reason="trading_off"),
        named(3, state=CopyState.SKIPPED, reason="below_minimum", quantity=ZERO, symbol=""),
    )
    stored = await desk.plan(row)
    for made in row.intents:
        assert await desk.order(made) == follower_order(row, made, stored.version)
    page = await desk.store.product_orders(PRODUCT)
    assert sorted((each.state, each.intent.reason) for each in page.orders) == [
        (CopyState.DENIED, "trading_off"),
        (CopyState.PLANNED, ""),
        (CopyState.SKIPPED, "below_minimum"),
    ]


async def test_a_new_rows_orders_are_written_a_hundred_at_a_time(autojump_clock: MockClock) -> None:
    """Law: a fan-out costs a call for each hundred followers, and reads nothing."""
    desk = Desk()
    row = journal_row(*(named(number) for number in range(250)))
    await desk.plan(row)
    assert desk.timeline == ["write order"] * 3
    assert len(await desk.store.copies(LEADER)) == 250


async def test_repeating_changes_nothing(autojump_clock: MockClock) -> None:
    """Law: a row that is followed again, by whomever, leaves its orders as they are."""
    desk = Desk()
    stored = await desk.plan(journal_row(named(1), named(2)))
    await desk.tell(named(1), status=OrderStatus.FILLED)
    before = desk.memory.rows()
    await desk.store.follow(stored)
    await desk.store.follow(Stored(stored.value, 7))
    assert desk.memory.rows() == before


async def test_an_order_that_is_missing_is_written_with_the_others(autojump_clock: MockClock) -> None:
    """Law: who died halfway has left some orders; the next one writes the rest and loses no progress."""
    desk = Desk()
    row = journal_row(named(1), named(2), named(3))
    await desk.store.follow(Stored(row, 1), {named(2).client_order_id})
    await desk.tell(named(2), status=OrderStatus.FILLED)
    await desk.store.follow(Stored(row, 1))
    states = [order.state for order in await desk.store.copies(LEADER)]
    assert sorted(states) == [CopyState.FILLED, CopyState.PLANNED, CopyState.PLANNED]


@pytest.mark.parametrize("effect", [True, False])
async def test_an_answer_that_is_lost_leaves_it_to_another_try(
    effect: bool, autojump_clock: MockClock
) -> None:
    """Law: followed again after a write of unknown outcome, the orders are there once."""
    desk = Desk()
    row = journal_row(named(1), named(2))
    desk.table.trouble_writes(Trouble(Ambiguous("no answer"), "order#", effect))
    with pytest.raises(Ambiguous):
        await desk.plan(row)
    await desk.plan(row)
    assert sorted(names(await desk.store.copies(LEADER))) == [1, 2]


async def test_an_outcome_is_kept_beside_the_progress(autojump_clock: MockClock) -> None:
    """Law: neither who follows the journal nor who counts loses what the other has written."""
    desk = Desk()
    stored = await desk.plan(journal_row(named(1)))
    await desk.tell(named(1), status=OrderStatus.PARTIALLY_FILLED, cum_filled=Decimal("0.4"))
    accepted = journal.accept(named(1), None)
    await desk.store.follow(Stored(journal_row(accepted), 2), {accepted.client_order_id})
    order = await desk.order(accepted)
    assert order is not None
    assert (order.intent, order.revision, order.state) == (accepted, 2, CopyState.PARTIALLY_FILLED)
    await desk.store.follow(stored)
    assert await desk.order(accepted) == order


async def test_the_blotter_is_read_in_pages(autojump_clock: MockClock) -> None:
    """Law: pages together give each of a product's orders once, latest first, whatever their buckets."""
    desk = Desk()
    for number in range(23):
        row = msgspec.structs.replace(journal_row(named(number)), ts_planned=TS + number)
        await desk.plan(row)
    await desk.plan(journal_row(named(99, product=ProductId("another"))))
    for limit in (1, 5, 23, 50):
        read: list[int] = []
        before = None
        while True:
            page = await desk.store.product_orders(PRODUCT, before=before, limit=limit)
            assert len(page.orders) <= limit
            read += names(page.orders)
            if (before := page.next) is None:
                break
        assert read == list(reversed(range(23)))


async def test_an_order_stands_in_the_index_of_what_is_not_over_until_it_is(
    autojump_clock: MockClock,
) -> None:
    """Law: in doubt, then open, then in it no more. What was just planned does not enter it."""
    desk = Desk()
    made = named(1)
    stored = await desk.plan(journal_row(made, named(2)))
    assert schema.BY_STATE.name not in desk.places(made)
    account = made.account
    doubtful = journal.doubt(made, why="no answer", expires=TS, now=TS)
    await desk.store.follow(Stored(stored.value.with_intents({made.client_order_id: doubtful}), 2))
    assert names(await desk.store.pending(Pending.IN_DOUBT)) == [1]
    accepted = journal.accept(doubtful, None)
    await desk.store.follow(Stored(stored.value.with_intents({made.client_order_id: accepted}), 3))
    assert names(await desk.store.pending(Pending.OPEN)) == [1]
    assert await desk.store.pending(Pending.IN_DOUBT) == []
    for who, found in ((account.account, [1]), (AccountId("nobody"), [])):
        assert names(await desk.store.account_pending(Pending.OPEN, Venue.OKX, who)) == found
    await desk.tell(made, status=OrderStatus.FILLED)
    assert await desk.store.pending(Pending.OPEN) == []
    assert desk.places(made) == {schema.BY_TIME.name, schema.BY_LEADER.name}


async def test_all_orders_of_an_account(autojump_clock: MockClock) -> None:
    """Latest first, those of every product, and nothing but orders."""
    desk = Desk()
    for number, product in enumerate((PRODUCT, ProductId("another"), PRODUCT)):
        made = named(number, client="alice", product=product)
        await desk.plan(msgspec.structs.replace(journal_row(made), ts_planned=TS + number))
    await desk.plan(journal_row(named(9)))
    assert names(await desk.store.account_orders(Venue.OKX, AccountId("alice-account"))) == [2, 1, 0]


async def test_an_order_that_is_open_does_not_expire(autojump_clock: MockClock) -> None:
    """Law: it is kept until it is over, and `ORDER_DAYS` from then on."""
    desk = Desk()
    made = named(1, state=CopyState.ACCEPTED)
    await desk.plan(journal_row(made))

    def expires() -> int | None:
        (row,) = desk.memory.rows()
        return row.expires

    assert expires() is None
    await desk.tell(made, status=OrderStatus.CANCELED, ts_venue=TS + 5 * NS_PER_S)
    assert expires() == TS // NS_PER_S + 5 + schema.ORDER_DAYS * schema.DAY_S


@pytest.mark.parametrize(
    "other",
    [
        {"symbol": "ETH-USDT-SWAP"},
        {"trade_id": TradeId("8")},
        {"account": AccountId("another")},
        {"venue": Venue.BINGX},
        {"side": "sell"},
    ],
)
async def test_fills_are_told_apart(other: dict[str, object], autojump_clock: MockClock) -> None:
    """By venue, account, instrument, trade and side."""
    told = execution(trade_id=TradeId("7"))
    assert execution_key(told) != execution_key(execution(**{"trade_id": TradeId("7"), **other}))


async def test_the_fills_of_an_instrument(autojump_clock: MockClock) -> None:
    """Those of the account in it, and no others."""
    desk = Desk()
    fills = [
        AttributedExecution(
            execution=execution(trade_id=TradeId(str(number)), symbol=symbol),
            product=PRODUCT,
            client=ClientId("alice"),
            position_side=intent().position_side,
        )
        for number, symbol in enumerate(["BTC-USDT-SWAP", "BTC-USDT", "BTC-USDT-SWAP"])
    ]
    rows: list[Row] = [execution_entry(fill).row(0) for fill in fills]
    await desk.table.write(*map(Put, rows))
    found = await desk.store.executions(Venue.OKX, fills[0].execution.account, "BTC-USDT-SWAP")
    assert found == [fills[0], fills[2]]
