"""OKX's conditional orders from end to end: told while they wait and when they end, and never as a fill."""

from decimal import Decimal

import pytest
from msgspec.structs import replace
from trio.testing import MockClock

from spider_common.domain.orders import OrderFact, OrderStatus, Side, Trigger, TriggerKind
from spider_common.venues.outcomes import Accepted
from tests.venues.bench import DIALECTS, Bench, Dialect, Feed, open_bench

SWAP = DIALECTS[0]
SPOT = SWAP._replace(symbol=SWAP.spot)
both_kinds = pytest.mark.parametrize("dialect", [SWAP, SPOT], ids=["swap", "spot"])


async def _wait_below(bench: Bench, price: str = "59000") -> str:
    """Places an order that sells when the price falls to it; its id."""
    trigger = Trigger(kind=TriggerKind.STOP_LOSS, price=Decimal(price))
    made = await bench.place(bench.order(side=Side.SELL, trigger=trigger))
    assert isinstance(made, Accepted)
    assert made.venue_order_id
    return made.venue_order_id


async def _told(feed: Feed, order: str, status: OrderStatus) -> OrderFact:
    return await feed.until_status(order, status)


@both_kinds
async def test_the_socket_tells_a_conditional_order(autojump_clock: MockClock, dialect: Dialect) -> None:
    """As live while it waits and as over when the price has come, without a fill; what it set off is told
    as an order of its own."""
    async with open_bench(dialect) as bench, bench.feed() as feed:
        waits = await _wait_below(bench)
        live = await _told(feed, waits, OrderStatus.LIVE)
        assert (live.symbol, live.side, live.quantity) == (bench.symbol, Side.SELL, Decimal("0.01"))
        bench.price("59001")
        assert bench.orders() == []
        bench.price("58990")
        over = await _told(feed, waits, OrderStatus.TRIGGERED)
        assert over.cum_filled == live.cum_filled == 0
        (made,) = bench.orders()
        fact = await _told(feed, made.order_id, OrderStatus.FILLED)
        assert (fact.side, fact.cum_filled, fact.average_price) == (Side.SELL, Decimal("0.01"), 58_990)


@both_kinds
async def test_a_sweep_tells_the_same_events(autojump_clock: MockClock, dialect: Dialect) -> None:
    """Waiting, cancelled and set off: what REST tells is what the socket told."""
    async with open_bench(dialect) as bench, bench.feed() as feed:
        waits = await _wait_below(bench)
        (swept,) = (await bench.sweep()).facts
        assert swept.event_id == (await _told(feed, waits, OrderStatus.LIVE)).event_id

        await bench.cancel(bench.ref())
        cancelled = await _told(feed, waits, OrderStatus.CANCELED)
        fires = await _wait_below(bench, "58000")
        bench.price("58000")
        over = await _told(feed, fires, OrderStatus.TRIGGERED)
        ended = {fact.venue_order_id: fact for fact in (await bench.sweep()).facts}
        assert (ended[waits].event_id, ended[fires].event_id) == (cancelled.event_id, over.event_id)


async def test_one_that_cannot_be_entered_fails(autojump_clock: MockClock) -> None:
    """A stop of coins that are sold meanwhile ends without an order."""
    async with open_bench(SPOT) as bench, bench.feed() as feed:
        waits = await _wait_below(bench)
        bench.by_hand(side="sell", size=Decimal(1))
        bench.price("59000")
        assert (await _told(feed, waits, OrderStatus.CANCELED)).cum_filled == 0
        assert [order.size for order in bench.orders()] == [Decimal(1)]


async def test_an_entry_waits_on_its_side_of_the_market(autojump_clock: MockClock) -> None:
    """A trigger above the market is reached from below."""
    async with open_bench(SWAP) as bench, bench.feed() as feed:
        trigger = Trigger(kind=TriggerKind.ENTRY, price=Decimal(61_000))
        made = await bench.place(replace(bench.order(), trigger=trigger))
        assert isinstance(made, Accepted)
        bench.price("59000")
        assert bench.orders() == []
        bench.price("61000")
        assert made.venue_order_id
        await _told(feed, made.venue_order_id, OrderStatus.TRIGGERED)
        assert [order.side for order in bench.orders()] == ["buy"]
