"""What REST tells of an account, beside its socket and without it."""

from decimal import Decimal

import pytest
import trio

from services.simulator.actions import Cancel, CancelConditional
from spider_common.domain.instruments import InstrumentKind
from spider_common.domain.orders import OrderStatus
from spider_common.domain.requests import MarginMode
from spider_common.venues.outcomes import (
    VenueError,
)
from tests.venues.bench import IDS, Bench
from tests.venues.cards import card
from tests.venues.session_cards import WAITS


async def a_day(bench: Bench) -> None:
    """One of each: filled in parts, resting, changed, cancelled with a part filled, reduced."""
    bench.price("60000", depth=bench.size)
    bench.by_hand(size=bench.size * 3)
    bench.by_hand(kind="limit", price=Decimal(50_000), client_order_id=IDS[0])
    bench.by_hand(kind="limit", price=Decimal(59_000), size=bench.size * 2, client_order_id=IDS[1])
    await trio.sleep(1)
    bench.price("59000", depth=bench.size)
    await trio.sleep(1)
    bench.do(Cancel(account="alice", symbol=bench.symbol, client_order_id=IDS[1]))
    bench.by_hand(side="sell", reduce_only=bench.instrument.kind is InstrumentKind.SWAP)


@card("sweep.open_orders")
async def open_orders(bench: Bench) -> None:
    order = bench.by_hand(kind="limit", price=Decimal(50_000))
    (fact,) = (await bench.sweep()).facts
    assert (fact.venue_order_id, fact.status, fact.price) == (order, OrderStatus.LIVE, 50_000)


@card("sweep.same_events")
async def same_events(bench: Bench) -> None:
    async with bench.feed() as feed:
        await a_day(bench)
        await trio.sleep(1)
        pushed = feed.events()
        told = await bench.sweep()
        assert len(told.facts) == 4
        assert {fact.event_id for fact in told.facts} <= pushed


@card("sweep.conditionals")
async def conditionals(bench: Bench) -> None:
    bench.by_hand()
    async with bench.feed() as feed:
        waiting = [bench.conditional(kind, price) for kind, price in WAITS]
        ended = bench.conditional("entry", 50_000)
        bench.do(CancelConditional(account="alice", order_id=ended))
        await feed.until_status(ended, "canceled")
        told = {fact.venue_order_id: fact for fact in (await bench.sweep()).facts if fact.trigger}
        assert told.keys() == {*waiting, ended}
        assert [told[order].waits for order in (*waiting, ended)] == [True, True, True, False]
        assert {fact.event_id for fact in told.values()} <= feed.events()
        bench.arm("drop_push", account="alice", times=9)
        lost = bench.conditional("entry", 51_000)
        await feed.sweep()
        assert feed.last(lost) is not None


@card("sweep.same_executions")
async def same_executions(bench: Bench) -> None:
    async with bench.feed() as feed:
        await a_day(bench)
        await trio.sleep(1)
        pushed = {
            (each.trade_id, each.venue_order_id, each.side, each.quantity, each.price, each.client_order_id)
            for each in feed.executions
        }
        told = await bench.sweep()
        swept = {
            (each.trade_id, each.venue_order_id, each.side, each.quantity, each.price, each.client_order_id)
            for each in told.executions
        }
        assert pushed in (swept, set())  # BingX's swap pushes tell no single fill
        assert sum(each.signed for each in told.executions) == Decimal("0.03")


@card("sweep.positions")
async def positions(bench: Bench) -> None:
    bench.by_hand(side="sell", size=bench.size * 2)
    (held,) = (await bench.sweep()).positions
    assert (held.symbol, held.quantity, held.entry_price) == (bench.symbol, Decimal("-0.02"), 60_000)
    bench.by_hand(size=bench.size * 2)
    told = await bench.sweep()
    assert (told.positions, set(told.whole)) == ((), set(InstrumentKind))


@card("sweep.all_positions")
async def all_positions(bench: Bench) -> None:
    swaps = [each for each in bench.client.known_instruments if each.kind is InstrumentKind.SWAP]
    for swap in swaps:
        bench.by_hand(symbol=swap.symbol, side="sell", size=swap.minimum * 10)
    held = {each.symbol: each for each in (await bench.sweep()).positions}
    assert {symbol: each.quantity for symbol, each in held.items()} == {
        swap.symbol: -10 * swap.minimum_base for swap in swaps
    }
    assert len(held) > 2
    for symbol, each in held.items():
        assert each.leverage == bench.venue.exchange.accounts["alice"].leverage_of(symbol)
        assert (each.margin_mode, each.mark_price) == (
            MarginMode.CROSS,
            bench.venue.exchange.markets[symbol].price,
        )


@card("sweep.equity")
async def equity(bench: Bench) -> None:
    (worth,) = (await bench.sweep()).equities
    assert (worth.account, worth.equity) == ("alice", 1_000_000)


@card("sweep.twice_is_once")
async def twice_is_once(bench: Bench) -> None:
    await a_day(bench)
    first, second = await bench.sweep(), await bench.sweep()
    assert [fact.event_id for fact in first.facts] == [fact.event_id for fact in second.facts]
    assert first.executions == second.executions
    assert first.facts


@card("sweep.cancelled_in_part")
async def cancelled_in_part(bench: Bench) -> None:
    order = bench.by_hand(kind="limit", price=Decimal(59_000), size=bench.size * 2, client_order_id=IDS[0])
    bench.price("59000", depth=bench.size)
    bench.do(Cancel(account="alice", symbol=bench.symbol, client_order_id=IDS[0]))
    told = await bench.sweep()
    (fact,) = told.facts
    assert (fact.venue_order_id, fact.status) == (order, OrderStatus.CANCELED)
    assert fact.cum_filled == sum(each.quantity for each in told.executions) == Decimal("0.01")


@card("sweep.old_order_new_fill")
async def old_order_new_fill(bench: Bench) -> None:
    order = bench.by_hand(kind="limit", price=Decimal(59_000))
    await trio.sleep(4 * 3_600)
    bench.price("59000")
    told = await bench.sweep(since_s=60)
    assert [(fact.venue_order_id, fact.status) for fact in told.facts] == [(order, OrderStatus.FILLED)]
    assert [each.venue_order_id for each in told.executions] == [order]


@card("sweep.many_pages")
async def many_pages(bench: Bench) -> None:
    made = []
    for number in range(130):
        made.append(bench.by_hand(side=("buy", "sell")[number % 2]))
        if number % 10 == 0:
            await trio.sleep(1)
    resting = [bench.by_hand(kind="limit", price=Decimal(50_000)) for _ in range(110)]
    told = await bench.sweep()
    assert sorted(fact.venue_order_id for fact in told.facts) == sorted(made + resting)
    assert sorted(each.venue_order_id for each in told.executions) == sorted(made)


@card("sweep.deaf_is_an_error")
async def deaf_is_an_error(bench: Bench) -> None:
    await bench.network.hang_up()
    with pytest.raises(VenueError):
        await bench.sweep()


@card("sweep.other_accounts_untold")
async def other_accounts_untold(bench: Bench) -> None:
    bench.by_hand(bench.hedged, leg="long")
    told = await bench.sweep()
    assert (told.facts, told.executions, told.positions) == ((), (), ())
