"""What a batch of accounts' news makes of orders, positions, books and cursors: read, reduced, written."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from spider_common import schema
from spider_common.domain.follower_orders import FollowerOrder
from spider_common.domain.held import AccountPositions
from spider_common.domain.holdings import AttributedExecution, Holding, Position, holding_of
from spider_common.domain.intents import Cursor, Intent
from spider_common.domain.journal import charge, withdraw
from spider_common.domain.mirroring import finish
from spider_common.domain.orders import CopyState, OrderFact
from spider_common.domain.positions import Book, LegKind
from spider_common.domain.quantities import ZERO
from spider_common.domain.standing import Worth
from spider_common.messages import EquityUpdate, FollowerUpdate, PositionUpdate
from spider_common.schema import Key
from spider_common.stores.orders import (
    execution_entry,
    execution_key,
    order_entry,
    position_entry,
    position_key,
)
from spider_common.stores.positions import held_entry
from spider_common.stores.trading import TradingStore, book_entry, cursor_entry, worth_entry

News = FollowerUpdate | EquityUpdate | PositionUpdate


def rows_of(news: News) -> int:
    """How many rows news change as a rule: a fill is kept, and changes an order and a position."""
    return 3 if isinstance(news, FollowerUpdate) and news.execution is not None else 1


class _Counted(msgspec.Struct, frozen=True):
    """An order before and after one piece of news, and the fill that is new."""

    before: FollowerOrder
    after: FollowerOrder
    fill: AttributedExecution | None
    fact: OrderFact | None

    @property
    def intent(self) -> Intent:
        return self.after.intent

    @property
    def ends(self) -> bool:
        """The venue has told just now that the order is over."""
        return self.after.progress.state.is_final and not self.before.progress.state.is_final

    @property
    def missed(self) -> Decimal:
        """What an order that ended will not fill, base quantity: to be withdrawn from its part.

        A sale may have been cut after it was planned: the venue says by how much. Of a buy it may tell only
        what it has bought, so the plan says it. What the journal calls refused it has withdrawn itself.
        """
        intent, progress = self.intent, self.after.progress
        refused = intent.state in {CopyState.REJECTED, CopyState.DENIED}
        if not self.ends or progress.state is not CopyState.CANCELED or refused or not intent.counted:
            return ZERO
        ordered = intent.quantity
        if self.fact is not None and intent.leg is LegKind.CLOSE:
            ordered = min(ordered, self.fact.quantity)
        return max(ordered - progress.cum_filled, ZERO)

    @property
    def book(self) -> Key:
        return schema.book_key(self.intent.product, self.after.shard, self.after.symbol)

    @property
    def needs(self) -> list[Key]:
        """What it may change beside the order and the fill."""
        keys = [position_key(self.intent)] if self.fill else []
        if self.mirror_ends or self.missed or self.coin_fee:
            keys.append(self.book)
        if self.mirror_ends and self.intent.mirrors is not None:
            keys.append(schema.cursor_key(self.intent.product, self.after.shard, self.intent.mirrors))
        return keys

    @property
    def coin_fee(self) -> Decimal:
        """What the fill cost in the coin itself: to be taken out of the part."""
        return self.fill.coin_fee if self.fill is not None else ZERO

    @property
    def mirror_ends(self) -> bool:
        """A leader order's resting copy is over: its cursor is to be told."""
        return self.ends and self.intent.mirrors is not None


class Counting:
    """One batch: `count`, once, reads and reduces it; `write` makes it durable, whole or not at all.

    Attributes:
        unknown: places in the batch of news about orders that nobody has made findable (yet).
        touched: by place in the batch, the rows it depends on: what has none in common can be counted apart.
        orders: those that were changed, as they are now.
        is_held_new: something is new about what accounts hold.
    """

    def __init__(self, trading: TradingStore, *, now: int) -> None:
        self._trading, self._now = trading, now
        self._documents = trading.documents()
        self.unknown: set[int] = set()
        self.touched: dict[int, set[Key]] = {}
        self.orders: dict[Key, FollowerOrder] = {}
        self.is_held_new = False

    async def count(self, batch: Sequence[News]) -> None:
        """Raises what `Table.get_all` does."""
        documents = self._documents
        self.touched = {place: set(_named(news)) for place, news in enumerate(batch)}
        await documents.read([key for keys in self.touched.values() for key in keys])
        counted: list[_Counted] = []
        for place, news in enumerate(batch):
            match news:
                case EquityUpdate():
                    self._value(news)
                case PositionUpdate():
                    self._keep(news)
                case FollowerUpdate():
                    if (reduced := self._reduce(news)) is None:
                        self.unknown.add(place)
                    else:
                        counted.append(reduced)
                        self.touched[place].update(reduced.needs)
        await documents.read([key for each in counted for key in each.needs])
        await self._hold(counted)
        for each in counted:
            if each.missed or each.coin_fee:
                self._settle(each)
            if each.mirror_ends:
                self._finish(each)

    async def write(self) -> None:
        """Raises what `Table.write` does."""
        await self._documents.write()

    def _value(self, news: EquityUpdate) -> None:
        """Keeps what the account has been worth."""
        known = self._documents.get(schema.equity_key(news.venue, news.equity.account), Worth)
        worth = Worth.of(news.equity) if known is None else known.observe(news.equity)
        if worth != known:
            self._documents.put(worth_entry(news.venue, worth))

    def _keep(self, news: PositionUpdate) -> None:
        """Keeps what the venue tells of what the account holds."""
        key = schema.held_key(news.venue, news.account)
        known = self._documents.get(key, AccountPositions) or AccountPositions()
        held = known.observe(news.positions, whole=news.whole, asked=news.asked)
        if held != known:
            self._documents.put(held_entry(news.venue, news.account, held))
            self.is_held_new = True

    def _reduce(self, news: FollowerUpdate) -> _Counted | None:
        """The order with the news, put down; None if there is no such order."""
        documents, key = self._documents, _order_key(news)
        before = documents.get(key, FollowerOrder)
        if before is None:
            return None
        after, fill = before, None
        told = news.execution
        if told is not None and documents.get(execution_key(told), AttributedExecution) is None:
            intent = before.intent
            fill = AttributedExecution(
                execution=told,
                product=intent.product,
                client=intent.client,
                position_side=intent.position_side,
                coin=intent.coin,
            )
            documents.put(execution_entry(fill))
            after = after.execute(told)
        if news.fact is not None:
            after = after.observe(news.fact)
        if after != before:
            documents.put(order_entry(after))
            self.orders[key] = after
        return _Counted(before, after, fill, news.fact)

    async def _hold(self, counted: Sequence[_Counted]) -> None:
        """Adds the fills to the positions that they are for."""
        fills: defaultdict[Key, list[AttributedExecution]] = defaultdict(list)
        orders: dict[Key, FollowerOrder] = {}
        for each in counted:
            if each.fill is not None:
                key = position_key(each.intent)
                fills[key].append(each.fill)
                orders[key] = each.after
        for key, added in fills.items():
            position = self._documents.get(key, Position) or _position(orders[key])
            holding = await self._added(position, added)
            self._documents.put(position_entry(msgspec.structs.replace(position, holding=holding)))

    async def _added(self, position: Position, fills: Sequence[AttributedExecution]) -> Holding:
        holding = position.holding
        for fill in fills:
            after = holding.add(fill)
            if after is None:  # it came late: all are read, in the version of the position that is replaced
                return holding_of([*await self._kept(position), *fills])
            holding = after
        return holding

    async def _kept(self, position: Position) -> list[AttributedExecution]:
        """The fills that a position was made of."""
        account = position.account
        kept = await self._trading.orders.executions(account.venue, account.account, position.symbol)
        owner = position.product, position.client, position.position_side
        return [each for each in kept if (each.product, each.client, each.position_side) == owner]

    def _settle(self, each: _Counted) -> None:
        """Takes out of the part what was not filled, and what a fee took."""
        book = self._documents.get(each.book, Book) or Book()
        settled = charge(withdraw(book, each.intent, each.missed), each.intent, each.coin_fee)
        if settled != book:
            self._put_book(each, settled)

    def _finish(self, each: _Counted) -> None:
        """Tells the leader order's cursor what its mirror came to."""
        documents, intent, shard = self._documents, each.intent, each.after.shard
        assert intent.mirrors is not None, "only a mirror's order is finished"
        cursor = documents.get(schema.cursor_key(intent.product, shard, intent.mirrors), Cursor)
        if cursor is None:
            return
        book = documents.get(each.book, Book) or Book()
        executed = intent.side.sign * each.after.progress.cum_filled
        told, settled = finish(cursor, book, intent, intent.client_order_id, executed)
        if told != cursor:
            documents.put(cursor_entry(intent.product, shard, intent.mirrors, told, self._now))
        if settled != book:
            self._put_book(each, settled)

    def _put_book(self, each: _Counted, book: Book) -> None:
        self._documents.put(book_entry(each.intent.product, each.after.shard, each.after.symbol, book))


def _order_key(news: FollowerUpdate) -> Key:
    told = news.fact or news.execution
    assert told is not None, "news of no order are not counted"
    assert told.client_order_id is not None, "news of orders that are not ours are not counted"
    return schema.order_key(news.venue, news.account, told.client_order_id)


def _named(news: News) -> list[Key]:
    """The rows that news name themselves."""
    match news:
        case EquityUpdate():
            return [schema.equity_key(news.venue, news.equity.account)]
        case PositionUpdate():
            return [schema.held_key(news.venue, news.account)]
        case FollowerUpdate():
            return [_order_key(news)] + ([execution_key(news.execution)] if news.execution else [])


def _position(order: FollowerOrder) -> Position:
    """The position that an order is the first one for."""
    intent = order.intent
    return Position(
        product=intent.product,
        client=intent.client,
        account=intent.account,
        symbol=intent.symbol,
        position_side=intent.position_side,
        leader_symbol=order.symbol,
        settle=intent.settle,
    )
