"""Laws of counting many at a time: few calls, nobody waits for another's trouble, nothing counts twice."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from services.oms.counting import News
from services.oms.executions import GATHER_S, Executions
from services.oms.intake import Handled, Poison, Verdict
from spider_common import schema
from spider_common.clock import NS_PER_S
from spider_common.domain.holdings import Holding
from spider_common.domain.identifiers import AccountId, TradeId, Venue
from spider_common.domain.intents import Cursor, Intent, Mirror, mirror_key
from spider_common.domain.orders import CopyState, OrderStatus, PositionSide, Side
from spider_common.domain.positions import LegKind
from spider_common.domain.products import Equity
from spider_common.domain.requests import PositionFact
from spider_common.domain.standing import Worth
from spider_common.messages import EquityUpdate, FollowerUpdate, PositionUpdate
from spider_common.schema import Key
from spider_common.stores.documents import Stored
from spider_common.stores.table import Ambiguous, Busy, Conflict, Put, TooLarge
from spider_common.stores.trading import cursor_entry
from tests.oms_rig import COINS, ORIGIN, SYMBOL, Rig
from tests.scripted import Trouble
from tests.strategies import execution, fact, intent, journal_row


def fill(made: Intent, trade: str = "1", quantity: str = "1", **fields: object) -> FollowerUpdate:
    """A fill of an order."""
    account = made.account.account
    told = execution(
        account=account,
        trade_id=TradeId(trade),
        client_order_id=made.client_order_id,
        side=made.side,
        quantity=Decimal(quantity),
        **{"ts_venue": ORIGIN, **fields},
    )
    return FollowerUpdate(venue=Venue.OKX, account=account, execution=told)


def over(made: Intent, filled: str, status: OrderStatus = OrderStatus.CANCELED) -> FollowerUpdate:
    """The order is over with that much filled."""
    account = made.account.account
    told = fact(
        account=account,
        client_order_id=made.client_order_id,
        status=status,
        cum_filled=Decimal(filled),
        ts_venue=ORIGIN + 9,
    )
    return FollowerUpdate(venue=Venue.OKX, account=account, fact=told)


class Desk:
    """Orders of some clients that were sent, and who counts what becomes of them."""

    def __init__(self, rig: Rig, executions: Executions) -> None:
        self.rig, self.executions = rig, executions
        self.verdicts: dict[int, Verdict] = {}

    async def copied(self, side: Side = Side.BUY, order: str = "1", *, symbol: str = SYMBOL) -> list[Intent]:
        """The orders of one more leader order."""
        event = self.rig.event("1", side=side, order=order, symbol=symbol)
        await (await self.rig.worker()).copier.handle(event, self.rig.clock.now())
        return list((await self.rig.intents(event)).values())

    async def hear(self, news: Sequence[News]) -> None:
        """All at once, as messages of different groups come."""

        async def handle(place: int) -> None:
            self.verdicts[place] = await self.executions.handle(news[place])

        async with trio.open_nursery() as nursery:
            for place in range(len(news)):
                nursery.start_soon(handle, place)

    async def hear_for(self, seconds: float, news: FollowerUpdate) -> None:
        """One that is cancelled then."""
        with trio.move_on_after(seconds):
            await self.executions.handle(news)

    async def holding(self, made: Intent) -> Holding:
        return (await self.rig.trading.orders.holding(made)).value

    async def state(self, made: Intent) -> CopyState:
        order = await self.rig.order(made)
        assert order is not None
        return order.state

    def key(self, made: Intent) -> Key:
        account = made.account
        return schema.order_key(account.venue, account.account, made.client_order_id)


async def desk_of(*clients: str) -> Desk:
    rig = Rig(*clients)
    return Desk(rig, (await rig.worker()).executions)


async def test_a_fill_costs_a_fraction_of_a_call(autojump_clock: MockClock) -> None:
    """Law: what comes in together is read and written together: under 0.2 calls a fill."""
    desk = await desk_of(*(f"c{number}" for number in range(200)))
    orders = await desk.copied()
    before = desk.rig.table.calls
    await desk.hear([fill(made) for made in orders])
    assert (desk.rig.table.calls - before) / len(orders) < 0.12
    assert set(desk.verdicts.values()) == {Handled()}
    for made in orders:
        assert (await desk.holding(made)).quantity == 1


async def test_a_fan_out_costs_a_fraction_of_a_call_a_follower(autojump_clock: MockClock) -> None:
    """Law: from the leader's fill to its copies' fills, all in all under 0.2 calls a follower."""
    desk = await desk_of(*(f"c{number}" for number in range(400)))
    before = desk.rig.table.calls
    orders = await desk.copied()
    worth = Equity(account=AccountId(""), equity=Decimal(1), currency="USDT", ts_venue=1)
    equities = [msgspec.structs.replace(worth, account=made.account.account) for made in orders]
    await desk.hear([fill(made) for made in orders])
    await desk.hear([EquityUpdate(venue=Venue.OKX, equity=each) for each in equities])
    assert (desk.rig.table.calls - before) / len(orders) < 0.2
    assert len(await desk.rig.trading.worths()) == len(orders)


async def test_a_row_that_moves_holds_up_only_its_own_news(autojump_clock: MockClock) -> None:
    """Law: with one order in conflict again and again, the others are counted at once; it is in the end."""
    desk = await desk_of("alice", "bob", "carol")
    orders = await desk.copied()
    moved = Trouble(Conflict([desk.key(orders[1])]), orders[1].client_order_id)
    desk.rig.table.trouble_writes(*[moved] * 3)
    desk.rig.timeline.clear()
    await desk.hear([fill(made) for made in orders])
    assert desk.rig.timeline == ["write execution, order, position"] * 2
    assert [(await desk.holding(made)).quantity for made in orders] == [1, 1, 1]


async def test_news_that_cannot_be_stored_are_set_aside_alone(autojump_clock: MockClock) -> None:
    """Law: a row over the table's limits is one message's trouble, said with its reason."""
    desk = await desk_of("alice", "bob", "carol")
    orders = await desk.copied()
    huge = Trouble(TooLarge("row order#bob has 500000 bytes"), orders[1].client_order_id)
    desk.rig.table.trouble_writes(*[huge] * 3)
    await desk.hear([fill(made) for made in orders])
    assert desk.verdicts == {0: Handled(), 1: Poison(str(huge.error)), 2: Handled()}


@pytest.mark.parametrize("error", [Ambiguous("no answer"), Busy("throttled"), Conflict([])])
@pytest.mark.parametrize("effect", [True, False])
async def test_a_batch_whose_write_fails_is_counted_once(
    error: Exception, effect: bool, autojump_clock: MockClock
) -> None:
    """Law: whatever became of the write, each fill counts once."""
    desk = await desk_of("alice", "bob", "carol")
    orders = await desk.copied()
    desk.rig.table.trouble_writes(Trouble(error, "order#", effect))
    await desk.hear([fill(made) for made in orders])
    assert [(await desk.holding(made)).quantity for made in orders] == [1, 1, 1]
    assert set(desk.verdicts.values()) == {Handled()}


async def test_who_is_cancelled_leaves_the_others_counted(autojump_clock: MockClock) -> None:
    """Law: the one that counts for all may be cancelled at any moment; another takes its turn."""
    for after_s in (0.0, 0.019, 0.021, 0.2):
        desk = await desk_of("alice", "bob", "carol")
        orders = await desk.copied()
        desk.rig.table.trouble_writes(Trouble(Busy("throttled"), "order#"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.hear_for, after_s, fill(orders[0]))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(desk.hear, [fill(made) for made in orders[1:]])
        assert [(await desk.holding(made)).quantity for made in orders[1:]] == [1, 1]
        assert (await desk.holding(orders[0])).quantity in {0, 1}


async def test_a_batch_is_no_larger_than_a_transaction(autojump_clock: MockClock) -> None:
    """Law: as many news as fit; the rest are the next batch."""
    desk = await desk_of(*(f"c{number}" for number in range(40)))
    orders = await desk.copied()
    desk.rig.timeline.clear()
    await desk.hear([fill(made) for made in orders])
    assert desk.rig.timeline == ["write execution, order, position"] * 2


async def test_what_is_told_of_one_order_in_one_batch_adds_up(autojump_clock: MockClock) -> None:
    """Law: two fills and the end of an order, all in one write."""
    desk = await desk_of("alice")
    (made,) = await desk.copied()
    desk.rig.timeline.clear()
    await desk.hear(
        [fill(made, "1", "0.3"), fill(made, "2", "0.2"), over(made, "0.5"), fill(made, "1", "0.3")]
    )
    assert desk.rig.timeline == ["write book, execution, order, position"]
    assert (await desk.holding(made)).quantity == Decimal("0.5")
    assert await desk.state(made) is CopyState.CANCELED
    book = await desk.rig.trading.book(made.product, 0, made.symbol)
    assert book.value.part(made.client, made.leader_side).planned == Decimal("0.5")


@given(st.permutations(range(4)), st.sets(st.integers(0, 3)))
@settings(deadline=None)
def test_profit_is_that_of_the_venues_order(sequence: list[int], together: set[int]) -> None:
    """Law: fills of a purchase and of the sale that closes it, told in any order and in any batches, make the
    same profit: what came in less what went out."""

    async def main() -> None:
        desk = await desk_of("alice")
        (bought,), (sold,) = await desk.copied(), await desk.copied(Side.SELL, "2")
        news = [
            fill(bought, "1", "0.4", price=Decimal(100), ts_venue=ORIGIN + 1),
            fill(bought, "2", "0.6", price=Decimal(110), ts_venue=ORIGIN + 2),
            fill(sold, "3", "0.5", price=Decimal(120), ts_venue=ORIGIN + 3),
            fill(sold, "4", "0.5", price=Decimal(90), ts_venue=ORIGIN + 4),
        ]
        batch: list[FollowerUpdate] = []
        for place in sequence:
            batch.append(news[place])
            if place not in together:
                await desk.hear(batch)
                batch = []
        await desk.hear(batch)
        holding = await desk.holding(bought)
        assert (holding.quantity, holding.executions) == (0, 4)
        assert holding.realised == Decimal("0.5") * 120 + Decimal("0.5") * 90 - Decimal("0.4") * 100 - 66
        assert holding.fees == {"USDT": Decimal(-2)}

    trio.run(main, clock=MockClock(autojump_threshold=0))


@given(st.permutations([1, 2, 3, 4]), st.booleans())
@settings(deadline=None)
def test_worth_is_kept(order: list[int], at_once: bool) -> None:
    """Law: the newest equity, the day's first and the highest, in whatever order they are told."""
    told = {
        ts: Equity(account=AccountId("a"), equity=Decimal(ts % 4), currency="USD", ts_venue=ts)
        for ts in order
    }

    async def main() -> None:
        desk = await desk_of("alice")
        news = [EquityUpdate(venue=Venue.OKX, equity=told[ts]) for ts in order]
        for each in [news] if at_once else [[one] for one in news]:
            await desk.hear(each)
        kept = Worth(latest=told[4], opening=told[1], peak=Decimal(3))
        assert await desk.rig.trading.worths() == {AccountId("a"): kept}
        assert await desk.rig.trading.equities() == {AccountId("a"): told[4]}

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_what_is_held_is_kept_and_told(autojump_clock: MockClock) -> None:
    """Law: the newest word of each position is kept, and who waits for one hears of it; of an old one not."""
    desk = await desk_of("alice")

    def update(quantity: int, ts: int) -> PositionUpdate:
        told = PositionFact(
            venue=Venue.OKX,
            account="a",
            symbol="BTC-USDT-SWAP",
            position_side=PositionSide.NET,
            quantity=Decimal(quantity),
            entry_price=None,
            ts_venue=ts,
        )
        return PositionUpdate(venue=Venue.OKX, account=AccountId("a"), positions=(told,))

    heard = 0

    async def listen() -> None:
        nonlocal heard
        while True:
            await desk.executions.positions()
            heard += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await trio.testing.wait_all_tasks_blocked()
        await desk.hear([update(3, 2), update(1, 1)])
        await desk.hear([update(2, 1)])
        nursery.cancel_scope.cancel()
    held = (await desk.rig.positions.positions(Venue.OKX, AccountId("a"))).value
    assert held.positions["BTC-USDT-SWAP"][PositionSide.NET].quantity == 3
    assert heard == 1


async def test_a_mirror_that_is_over_is_told_to_its_cursor(autojump_clock: MockClock) -> None:
    """Law: with the write that ends the order the cursor knows what it came to, once. Two at a time too."""
    desk = await desk_of("alice", "bob")
    mirrors = [
        intent(
            client_order_id=made.client_order_id,
            client=made.client,
            account=made.account,
            state=CopyState.ACCEPTED,
            counted=False,
            mirrors=fact().venue_order_id,
        )
        for made in await desk.copied(order="2")
    ]
    row = journal_row(*mirrors)
    for made in mirrors:  # in the place of the copies
        await desk.rig.trading.orders.follow(Stored(row, 9), {made.client_order_id})
    known = Cursor(
        cum_filled=Decimal(0),
        ts_venue=ORIGIN,
        mirrors={
            mirror_key(made.client, LegKind.OPEN): Mirror(
                orders={made.client_order_id: None}, quantity=Decimal(1), per=Decimal(1)
            )
            for made in mirrors
        },
    )
    leader = fact().venue_order_id
    await desk.rig.table.write(Put(cursor_entry(mirrors[0].product, 0, leader, known, ORIGIN).row(0)))
    await desk.hear([fill(mirrors[0], "1", "0.4"), over(mirrors[1], "0")])
    desk.rig.timeline.clear()
    await desk.hear([over(mirrors[0], "0.4"), over(mirrors[1], "0")])
    assert desk.rig.timeline == ["write book, cursor, order"]  # the leader's order goes on without them
    stored = await desk.rig.trading.cursor(mirrors[0].product, 0, leader)
    assert stored is not None
    came_to = [
        stored.value.mirrors[mirror_key(made.client, LegKind.OPEN)].orders[made.client_order_id]
        for made in mirrors
    ]
    assert came_to == [Decimal("0.4"), 0]


async def test_a_fee_in_coins_is_taken_out_of_the_part(autojump_clock: MockClock) -> None:
    """Law: what the venue kept for itself is neither held nor planned to be sold."""
    desk = await desk_of("alice")
    (bought,) = await desk.copied(symbol=COINS)
    paid = {"symbol": COINS, "fee": Decimal("-0.0015"), "fee_currency": "BTC"}
    for _ in range(2):
        await desk.hear([fill(bought, "1", "0.4", **paid), fill(bought, "2", "0.6", **paid)])
    assert (await desk.holding(bought)).quantity == Decimal("0.997")
    book = await desk.rig.trading.book(bought.product, 0, COINS)
    assert book.value.part(bought.client, bought.leader_side).planned == Decimal("0.997")
    (sold,) = await desk.copied(Side.SELL, "2", symbol=COINS)
    assert sold.quantity == Decimal("0.997")


async def test_a_refused_order_is_withdrawn_once(autojump_clock: MockClock) -> None:
    """Law: the journal has withdrawn what it knows to be refused; that the venue calls it cancelled changes
    nothing in the book."""
    desk = await desk_of("alice")
    (made,) = await desk.copied()
    refused = msgspec.structs.replace(made, state=CopyState.REJECTED)
    row = msgspec.structs.replace(journal_row(refused), lease=journal_row().lease)
    await desk.rig.trading.orders.follow(Stored(row, 9))
    before = await desk.rig.trading.book(made.product, 0, made.symbol)
    await desk.hear([over(made, "0")])
    assert await desk.rig.trading.book(made.product, 0, made.symbol) == before


async def test_news_wait_a_moment_for_others_and_no_longer(autojump_clock: MockClock) -> None:
    """Law: a lone fill is counted after the time for which a batch waits for more."""
    desk = await desk_of("alice")
    (made,) = await desk.copied()
    begun = desk.rig.clock.now()
    await desk.hear([fill(made)])
    assert desk.rig.clock.now() - begun == round(GATHER_S * NS_PER_S)
