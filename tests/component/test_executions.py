"""Laws of executions: each fill counted once, in any order, from any source."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import permutations

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from services.oms.executions import Executions
from services.oms.intake import Handled, Intake, Later
from spider_common import schema
from spider_common.clock import NS_PER_S
from spider_common.domain.executions import OrderProgress
from spider_common.domain.follower_orders import FollowerOrder
from spider_common.domain.identifiers import AccountId, ClientOrderId, TradeId, Venue
from spider_common.domain.intents import Intent
from spider_common.domain.orders import CopyState, OrderStatus
from spider_common.domain.products import Equity
from spider_common.messages import EquityUpdate, FollowerUpdate, dedup_key, encode, group
from spider_common.stores.memory_queue import MemoryQueue
from spider_common.stores.queue import Outgoing
from spider_common.stores.table import Ambiguous, Busy, Conflict
from tests.oms_rig import ORIGIN, SYMBOL, Rig
from tests.scripted import Trouble
from tests.strategies import execution, fact

ACCOUNT = AccountId("alice-account")
FOREIGN = ClientOrderId("0" * 32)


class Copied:
    """An order of one client that was sent, and the parts that hear of it."""

    def __init__(self, rig: Rig, intent: Intent, executions: Executions) -> None:
        self.rig, self.intent, self._executions = rig, intent, executions

    def fill(self, trade: str, quantity: str, *, at: int = 1, symbol: str = SYMBOL) -> FollowerUpdate:
        """A fill of the order."""
        told = execution(
            account=ACCOUNT,
            symbol=symbol,
            trade_id=TradeId(trade),
            client_order_id=self.intent.client_order_id,
            quantity=Decimal(quantity),
            ts_venue=ORIGIN + at,
        )
        return FollowerUpdate(venue=Venue.OKX, account=ACCOUNT, execution=told)

    def state(self, status: OrderStatus, filled: str, *, at: int = 1) -> FollowerUpdate:
        """What the order is."""
        told = fact(
            account=ACCOUNT,
            client_order_id=self.intent.client_order_id,
            status=status,
            cum_filled=Decimal(filled),
            ts_venue=ORIGIN + at,
        )
        return FollowerUpdate(venue=Venue.OKX, account=ACCOUNT, fact=told)

    async def hear(self, updates: Sequence[FollowerUpdate]) -> None:
        for update in updates:
            assert await self._executions.handle(update) == Handled()

    async def progress(self) -> OrderProgress:
        return (await self.order()).progress

    async def order(self) -> FollowerOrder:
        order = await self.rig.order(self.intent)
        assert order is not None
        return order

    async def holding(self) -> Decimal:
        return (await self.rig.trading.orders.holding(self.intent)).value.quantity

    async def planned(self) -> Decimal:
        """What the book says that the client's orders make of its part."""
        book = await self.rig.trading.book(self.intent.product, 0, SYMBOL)
        return book.value.part(self.intent.client, self.intent.leader_side).planned


async def copied() -> Copied:
    rig = Rig("alice")
    worker = await rig.worker()
    event = rig.event("1")
    await worker.copier.handle(event, rig.clock.now())
    return Copied(rig, (await rig.intents(event))["alice"], worker.executions)


def life(order: Copied) -> list[FollowerUpdate]:
    """All that can be told of an order which is filled in two parts."""
    return [
        order.state(OrderStatus.LIVE, "0", at=1),
        order.fill("1", "0.4", at=2),
        order.state(OrderStatus.PARTIALLY_FILLED, "0.4", at=2),
        order.fill("2", "0.6", at=3),
        order.state(OrderStatus.FILLED, "1", at=3),
    ]


@given(st.data())
@settings(deadline=None)
def test_any_order_and_any_repeats_come_to_the_same(data: st.DataObject) -> None:
    """Socket and REST tell everything, some of it often, in any order: same progress, same holding."""

    async def main() -> None:
        order = await copied()
        told = life(order)
        heard = data.draw(st.permutations([*told, *data.draw(st.lists(st.sampled_from(told), max_size=5))]))
        await order.hear(heard)
        progress = await order.progress()
        assert (progress.state, progress.cum_filled, progress.executed) == (CopyState.FILLED, 1, 1)
        assert await order.holding() == 1
        assert await order.planned() == 1

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_a_fill_and_a_state_in_one_update(autojump_clock: MockClock) -> None:
    """A push tells both; it counts once like any other."""
    order = await copied()
    both = FollowerUpdate(
        venue=Venue.OKX,
        account=ACCOUNT,
        fact=order.state(OrderStatus.FILLED, "1").fact,
        execution=order.fill("1", "1").execution,
    )
    await order.hear([both, both])
    assert (await order.progress()).executed == await order.holding() == 1


async def test_the_same_trade_number_on_two_instruments_is_two_fills(autojump_clock: MockClock) -> None:
    """Venues count trades by instrument."""
    order = await copied()
    await order.hear([order.fill("7", "0.4"), order.fill("7", "0.6", symbol="ETH-USDT-SWAP")])
    assert (await order.progress()).executed == 1


async def test_a_cancel_with_a_shortfall_withdraws_it_from_the_book(autojump_clock: MockClock) -> None:
    """What will not be filled is not held: the book's part loses it, once, in whatever order it is told."""
    for told in permutations(range(4)):
        order = await copied()
        updates = [
            order.fill("1", "0.4", at=2),
            order.state(OrderStatus.PARTIALLY_FILLED, "0.4", at=2),
            order.state(OrderStatus.CANCELED, "0.4", at=3),
            order.state(OrderStatus.CANCELED, "0.4", at=3),
        ]
        await order.hear([updates[at] for at in told])
        assert (await order.progress()).state is CopyState.CANCELED
        assert await order.holding() == Decimal("0.4")
        assert await order.planned() == Decimal("0.4")


@pytest.mark.parametrize("effect", [True, False])
async def test_a_fill_whose_write_got_no_answer_counts_once(effect: bool, autojump_clock: MockClock) -> None:
    """Read again: either it is there or it is written now."""
    order = await copied()
    order.rig.table.trouble_writes(Trouble(Ambiguous("no answer"), "order#", effect))
    await order.hear([order.fill("1", "1")])
    assert (await order.progress()).executed == await order.holding() == 1


async def test_a_table_that_is_busy_or_moved_is_asked_again(autojump_clock: MockClock) -> None:
    """No update is given up because of the table."""
    order = await copied()
    order.rig.table.trouble_writes(Trouble(Busy("throttled"), "order#"), Trouble(Conflict([]), "order#"))
    await order.hear([order.fill("1", "1")])
    assert (await order.progress()).executed == 1


async def test_an_order_placed_by_hand_is_not_counted(autojump_clock: MockClock) -> None:
    """It has no client order id: nothing of it is ours."""
    order = await copied()
    told = execution(account=ACCOUNT, client_order_id=None)
    await order.hear([FollowerUpdate(venue=Venue.OKX, account=ACCOUNT, execution=told)])
    assert await order.holding() == 0


def unknown(at: int) -> FollowerUpdate:
    """A fill of an order with an id of our form that nobody knows."""
    told = execution(account=ACCOUNT, client_order_id=FOREIGN, ts_venue=at)
    return FollowerUpdate(venue=Venue.OKX, account=ACCOUNT, execution=told)


async def test_an_unknown_order_waits(autojump_clock: MockClock) -> None:
    """Its owner may not have made it findable yet: the update comes again, and counts then."""
    rig = Rig("alice")
    worker = await rig.worker()
    event = rig.event("1")
    stored = await worker.planned(event)
    intent = stored.value.intents[0]
    order = Copied(rig, intent, worker.executions)
    update = order.fill("1", "1")
    verdict = await worker.executions.handle(update)
    assert isinstance(verdict, Later)
    assert verdict.at > rig.clock.now()
    await rig.trading.orders.follow(stored)
    await order.hear([update])
    assert await order.holding() == 1


async def test_an_order_unknown_for_long_is_foreign(autojump_clock: MockClock) -> None:
    """Another system trades the account too: its updates are let go, and said so in the log."""
    rig = Rig("alice")
    worker = await rig.worker()
    update = unknown(rig.clock.now())
    assert isinstance(await worker.executions.handle(update), Later)
    await trio.sleep(61)
    assert await worker.executions.handle(update) == Handled()
    assert any("execution.foreign" in line for line in rig.lines)


async def test_an_old_fill_of_an_order_that_is_adopted_late_is_not_foreign(
    autojump_clock: MockClock,
) -> None:
    """After an outage all fills are old. The orders' owner has first to be found dead: so they wait."""
    rig = Rig("alice")
    dead = await rig.worker("dead")
    event = rig.event("1")
    stored = await dead.planned(event)
    rig.venue.accept(stored.value.intents[0])
    await trio.sleep(3_600)
    heir = await rig.worker("heir")
    order = Copied(rig, stored.value.intents[0], heir.executions)
    update = order.fill("1", "1", at=NS_PER_S)
    assert isinstance(await heir.executions.handle(update), Later)
    async with heir.resolving():
        await trio.sleep(5)
    await order.hear([update])
    assert await order.holding() == 1


async def test_a_foreign_order_is_not_dead_lettered(autojump_clock: MockClock) -> None:
    """Waiting for a minute costs fewer deliveries than the queue allows a message; so for those behind it."""
    rig = Rig("alice")
    worker = await rig.worker()
    dead_letters = MemoryQueue(schema.COPY_DLQ, rig.clock)
    queue = MemoryQueue(schema.COPY, rig.clock, dead_letters=dead_letters)
    updates = [unknown(rig.clock.now() + number) for number in range(3)]
    for number, update in enumerate(updates):
        await queue.send(
            [Outgoing(group=group(update), dedup=f"{dedup_key(update)}{number}", body=encode(update))]
        )

    async def handle(message: object, _received: int) -> Handled | Later:
        assert isinstance(message, FollowerUpdate)
        verdict = await worker.executions.handle(message)
        assert isinstance(verdict, Handled | Later)
        return verdict

    intake = Intake(queue=queue, handler=handle, clock=rig.clock, visibility_s=30, log=rig.log)
    async with trio.open_nursery() as nursery:
        stop = trio.Event()
        nursery.start_soon(lambda: intake.serve(stop=stop))
        await trio.sleep(200)
        stop.set()
    assert await dead_letters.receive(wait_s=0) == []
    assert await queue.receive(wait_s=0) == []


async def test_the_newest_equity_is_kept(autojump_clock: MockClock) -> None:
    """One that comes late does not replace a newer one."""
    rig = Rig("alice")
    worker = await rig.worker()
    for at, amount in ((2, 20), (1, 10), (3, 30), (2, 20)):
        equity = Equity(account=ACCOUNT, equity=Decimal(amount), currency="USD", ts_venue=at)
        assert await worker.executions.handle(EquityUpdate(venue=Venue.OKX, equity=equity)) == Handled()
    assert (await rig.trading.equities())[ACCOUNT].equity == 30
