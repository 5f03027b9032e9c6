"""Follower orders, their executions and what these add up to, in the Trading table."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from spider_common import schema
from spider_common.clock import NS_PER_S
from spider_common.domain.executions import Execution
from spider_common.domain.follower_orders import FollowerOrder, LeaderOrderRef, follower_order
from spider_common.domain.holdings import AttributedExecution, Holding, Position
from spider_common.domain.identifiers import AccountId, ClientId, ClientOrderId, ProductId, Venue
from spider_common.domain.intents import Intent
from spider_common.domain.journal import JournalRow
from spider_common.domain.orders import CopyState
from spider_common.domain.reasons import Reason
from spider_common.schema import Key, Pending
from spider_common.stores.documents import Entry, Stored, read
from spider_common.stores.table import MAX_WRITE_CHANGES, Conflict, Put, Row, Table

_KEEP_S: Final = schema.ORDER_DAYS * schema.DAY_S
_LATEST: Final = 500
_MISSED: Final = frozenset({CopyState.REJECTED, CopyState.DENIED, CopyState.SKIPPED, CopyState.CANCELED})
_NOTHING_TO_DO: Final = frozenset({Reason.IN_LINE, Reason.NOTHING_TO_CLOSE, Reason.BELOW_MINIMUM})
_FIRST: Final = 1  # the version of a row that was never replaced


class OrdersPage(msgspec.Struct, frozen=True):
    """Orders, latest first, and the `before` of the next page; None when there is none."""

    orders: tuple[FollowerOrder, ...]
    next: str | None


class OrderStore:
    """See the module. Failures are those of `spider_common.stores.table`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def follow(
        self, journal: Stored[JournalRow], only: Collection[ClientOrderId] | None = None
    ) -> None:
        """Brings a row's orders, or only those named, to what the row says. Repeating is harmless.

        A row that was just planned has none yet: they are written without looking, a hundred at a time.
        """
        row = journal.value
        intents = [each for each in row.intents if only is None or each.client_order_id in only]
        orders = [follower_order(row, each, journal.version) for each in intents]
        for start in range(0, len(orders), MAX_WRITE_CHANGES):
            chunk = orders[start : start + MAX_WRITE_CHANGES]
            known: Mapping[Key, Row] = {} if journal.version == _FIRST else await self._read(chunk)
            while True:
                changes = [change for order in chunk if (change := _brought(order, known))]
                try:
                    if changes:
                        await self._table.write(*changes)
                    break
                except Conflict:  # a fill came, or another worker was here: look, and write what is left
                    known = await self._read(chunk)

    async def _read(self, orders: Sequence[FollowerOrder]) -> Mapping[Key, Row]:
        return await self._table.get_all([_key(order) for order in orders])

    async def order(
        self, venue: Venue, account: AccountId, order: ClientOrderId
    ) -> Stored[FollowerOrder] | None:
        row = await self._table.get(schema.order_key(venue, account, order))
        return None if row is None else read(row, FollowerOrder)

    async def account_orders(self, venue: Venue, account: AccountId) -> list[FollowerOrder]:
        """All that are kept of an account, latest first."""
        partition = schema.account_partition(venue, account)
        rows = await self._all(partition, begins_with="order#")
        return _latest_first(rows)

    async def product_orders(
        self, product: ProductId, *, before: str | None = None, limit: int = 50
    ) -> OrdersPage:
        """A page of a product's orders, latest first, as an index last knew them."""
        found: list[tuple[str, Row]] = []
        for bucket in range(schema.BUCKETS):
            partition = schema.by_time_partition(product, bucket)
            found += await self._newest(partition, before, limit + 1)
        found.sort(key=lambda entry: entry[0], reverse=True)
        orders = tuple(read(row, FollowerOrder).value for _, row in found[:limit])
        return OrdersPage(orders, found[limit - 1][0] if len(found) > limit else None)

    async def _newest(self, partition: str, before: str | None, count: int) -> list[tuple[str, Row]]:
        """The last of a partition of `by_time`, or all where there are fewer, with their sort keys."""
        name = schema.BY_TIME.name
        rows: list[Row] = []
        while len(rows) < count:
            page = await self._table.query(
                partition, index=name, after=before, limit=count - len(rows), descending=True
            )
            rows += page.rows
            if (before := page.next) is None:
                break
        return [(row.index[name].sk, row) for row in rows]

    async def copies(self, leader: LeaderOrderRef) -> list[FollowerOrder]:
        """All copies of a leader order, latest first, as an index last knew them."""
        rows: list[Row] = []
        for bucket in range(schema.BUCKETS):
            partition = schema.by_leader_partition(
                leader.venue, leader.account, leader.venue_order_id, bucket
            )
            rows += await self._all(partition, index=schema.BY_LEADER.name)
        return _latest_first(rows)

    async def pending(self, why: Pending) -> list[FollowerOrder]:
        """All orders that are open or in doubt, latest first, as an index last knew them."""
        rows: list[Row] = []
        for bucket in range(schema.BUCKETS):
            rows += await self._all(schema.by_state_partition(why, bucket), index=schema.BY_STATE.name)
        return _latest_first(rows)

    async def account_pending(self, why: Pending, venue: Venue, account: AccountId) -> list[FollowerOrder]:
        """Those of one account."""
        partition = schema.by_state_partition(why, schema.bucket_of(account))
        prefix = schema.by_state_prefix(venue, account)
        return _latest_first(await self._all(partition, index=schema.BY_STATE.name, begins_with=prefix))

    async def refused(self, product: ProductId, client: ClientId, symbol: str) -> FollowerOrder | None:
        """The newest order of a client for one of the leader's instruments, as an index last knew it, if it
        came to nothing or was not filled whole: looked for among the latest of its part of the product."""
        page = await self._table.query(
            schema.by_time_partition(product, schema.bucket_of(client)),
            index=schema.BY_TIME.name,
            limit=_LATEST,
            descending=True,
        )
        orders = (read(row, FollowerOrder).value for row in page.rows)
        of_client = (each for each in orders if (each.intent.client, each.symbol) == (client, symbol))
        newest = next((each for each in of_client if each.intent.reason not in _NOTHING_TO_DO), None)
        return newest if newest is not None and newest.state in _MISSED else None

    async def executions(self, venue: Venue, account: AccountId, symbol: str) -> list[AttributedExecution]:
        """All that are kept of an account's instrument, in no order that means anything."""
        partition, prefix = schema.account_partition(venue, account), schema.execution_prefix(symbol)
        rows = await self._all(partition, begins_with=prefix)
        return [read(row, AttributedExecution).value for row in rows]

    async def holding(self, intent: Intent) -> Stored[Holding]:
        """What the client of an order holds in the position that it is for."""
        row = await self._table.get(position_key(intent))
        if row is None:
            return Stored(Holding(), 0)
        return Stored(read(row, Position).value.holding, row.version)

    async def positions(self, client: ClientId) -> list[Position]:
        """Everything that a client holds for its products, or held once."""
        return [read(row, Position).value for row in await self._all(schema.holdings_partition(client))]

    async def _all(self, partition: str, *, index: str | None = None, begins_with: str = "") -> list[Row]:
        rows: list[Row] = []
        after: str | None = None
        while True:
            page = await self._table.query(partition, index=index, begins_with=begins_with, after=after)
            rows += page.rows
            if (after := page.next) is None:
                return rows


def order_entry(order: FollowerOrder) -> Entry[FollowerOrder]:
    """An order with its places in the indexes, as they are while it is what it is now."""
    intent, planned = order.intent, order.ts_planned
    name, client = intent.client_order_id, intent.client
    index = {schema.BY_TIME.name: schema.by_time_key(intent.product, client, name, ts_planned=planned)}
    if (leader := order.leader) is not None:
        index[schema.BY_LEADER.name] = schema.by_leader_key(
            leader.venue, leader.account, leader.venue_order_id, client, name, ts_planned=planned
        )
    venue, account = intent.account.venue, intent.account.account
    if (why := _pending(order)) is not None:
        index[schema.BY_STATE.name] = schema.by_state_key(why, venue, account, name, ts_planned=planned)
    over = max(planned, order.progress.ts_last_fill, order.progress.age) if order.is_over else None
    expires = None if over is None else over // NS_PER_S + _KEEP_S
    return Entry(key=_key(order), value=order, index=index, expires=expires)


def execution_entry(fill: AttributedExecution) -> Entry[AttributedExecution]:
    return Entry(key=execution_key(fill.execution), value=fill)


def position_entry(position: Position) -> Entry[Position]:
    account, symbol, side = position.account.account, position.symbol, position.position_side
    key = schema.position_key(position.client, position.product, account, symbol, side)
    return Entry(key=key, value=position)


def execution_key(execution: Execution) -> Key:
    leg = execution.side  # a venue that reports both sides of a self-trade uses one trade id for them
    return schema.execution_key(execution.venue, execution.account, execution.symbol, execution.trade_id, leg)


def position_key(intent: Intent) -> Key:
    """The position that an order is for."""
    account, side = intent.account.account, intent.position_side
    return schema.position_key(intent.client, intent.product, account, intent.symbol, side)


def _key(order: FollowerOrder) -> Key:
    account = order.intent.account
    return schema.order_key(account.venue, account.account, order.intent.client_order_id)


def _pending(order: FollowerOrder) -> Pending | None:
    if not order.state.is_submitted:
        return Pending.IN_DOUBT if order.intent.waited else None
    return None if order.is_over else Pending.OPEN


def _brought(order: FollowerOrder, known: Mapping[Key, Row]) -> Put | None:
    """What brings a stored order to what a later journal row says of it; None where it is there already."""
    row = known.get(_key(order))
    if row is None:
        return Put(order_entry(order).row(0))
    before = read(row, FollowerOrder).value
    after = before.submitted(order.intent, order.revision)
    return None if after.intent == before.intent else Put(order_entry(after).row(row.version))


def _latest_first(rows: Sequence[Row]) -> list[FollowerOrder]:
    orders = [read(row, FollowerOrder).value for row in rows]
    return sorted(orders, key=lambda order: (order.ts_planned, order.intent.client_order_id), reverse=True)
