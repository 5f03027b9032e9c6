"""How each acceptance card is held against a venue. Each is a law over a `Bench`, whichever venue it is of.

Register a card's check with ``@card(name)``; names and texts are in `spider_common.venues.cards`.
"""

import math
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
import trio
from msgspec.structs import replace

from services.simulator import ledger
from services.simulator.actions import Amend, AnnounceClose, Cancel, DropSockets
from spider_common.clock import NS_PER_S
from spider_common.domain.identifiers import AccountId
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import MarginMode, Trigger, TriggerKind
from spider_common.secret import Credentials, Secret
from spider_common.venues.outcomes import (
    Accepted,
    Found,
    NotFound,
    Outcome,
    RateLimited,
    Refused,
    Rejected,
    Unknown,
    Unsent,
    VenueError,
)
from spider_common.venues.venue import SessionProtocol
from tests.venues.bench import IDS, Bench, key

Check = Callable[[Bench], Awaitable[None]]
CHECKS: dict[str, Check] = {}
AHEAD: dict[str, tuple[float, ...]] = {"doubt.expiry_by_the_venues_clock": (0, 8, -8)}
"""By how much the venue's clock is ahead of ours (s), for the cards that are about it."""


def card(name: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        assert name not in CHECKS, name
        CHECKS[name] = check
        return check

    return register


def found(lookup: object) -> Found:
    assert isinstance(lookup, Found), lookup
    return lookup


def accepted(outcome: Outcome) -> Accepted:
    assert isinstance(outcome, Accepted), outcome
    return outcome


# Session


@card("session.ready")
async def ready(bench: Bench) -> None:
    async with bench.feed() as feed:
        assert (feed.swept, bench.sockets()) == (1, 1)
        assert feed.said("session.ready")


@card("session.wrong_key")
async def wrong_key(bench: Bench) -> None:
    stranger = replace(bench.net, account="nobody")
    async with bench.feed(stranger, ready=False) as feed:
        await trio.sleep(30)
        assert feed.said("session.ready") == []
        ended = feed.said("session.ended")
        assert 1 <= len(ended) <= 30
        assert all(line["why"] for line in ended)


@card("session.secrets_unsaid")
async def secrets_unsaid(bench: Bench) -> None:
    stranger = replace(bench.net, account="nobody")
    async with bench.feed(stranger, ready=False) as bad, bench.feed() as good:
        bench.do(DropSockets(account=bench.net.account))
        await trio.sleep(10)
        assert bad.lines
        assert good.lines
        for line in bad.lines + good.lines:
            assert "-secret" not in line
            assert "-phrase" not in line


@card("session.placed_is_told")
async def placed_is_told(bench: Bench) -> None:
    async with bench.feed() as feed:
        order = bench.by_hand(kind="limit", price=Decimal(50_000))
        fact = await feed.until_status(order, "live")
        assert (fact.side, fact.price, fact.cum_filled) == (Side.BUY, 50_000, 0)
        assert fact.quantity == Decimal("0.01")
        assert (fact.venue, fact.account, fact.symbol) == (bench.dialect.venue, "alice", bench.symbol)


@card("session.fill_is_told")
async def fill_is_told(bench: Bench) -> None:
    async with bench.feed() as feed:
        order = bench.by_hand(side="sell")
        fact = await feed.until_status(order, "filled")
        assert (fact.cum_filled, fact.average_price) == (Decimal("0.01"), 60_000)
        (fill,) = {each.trade_id: each for each in await feed.until_executed(order)}.values()
        assert (fill.venue_order_id, fill.side, fill.quantity) == (order, Side.SELL, Decimal("0.01"))
        assert fill.price == 60_000
        assert fill.fee < 0
        assert fill.fee_currency == "USDT"


@card("session.parts_are_told")
async def parts_are_told(bench: Bench) -> None:
    async with bench.feed() as feed:
        bench.price("60000", depth=bench.size)
        order = bench.by_hand(size=bench.size * 3)
        await feed.until_status(order, "filled")
        fills = [fact.cum_filled for fact in feed.facts if fact.venue_order_id == order]
        assert fills == sorted(fills)
        assert {Decimal("0.01"), Decimal("0.03")} <= set(fills)
        parts = {each.trade_id: each.quantity for each in await feed.until_executed(order)}
        assert sorted(parts.values()) == [Decimal("0.01"), Decimal("0.02")]


@card("session.cancel_is_told")
async def cancel_is_told(bench: Bench) -> None:
    async with bench.feed() as feed:
        order = bench.by_hand(
            kind="limit", price=Decimal(59_000), size=bench.size * 2, client_order_id=IDS[0]
        )
        bench.price("59000", depth=bench.size)
        bench.do(Cancel(account=bench.net.account, symbol=bench.symbol, client_order_id=IDS[0]))
        fact = await feed.until_status(order, "canceled")
        assert (fact.quantity, fact.cum_filled) == (Decimal("0.02"), Decimal("0.01"))


@card("session.amend_is_told")
async def amend_is_told(bench: Bench) -> None:
    async with bench.feed() as feed:
        order = bench.by_hand(kind="limit", price=Decimal(50_000), client_order_id=IDS[0])
        await feed.until_status(order, "live")
        changed = Amend(
            account=bench.net.account,
            symbol=bench.symbol,
            client_order_id=IDS[0],
            size=bench.size * 2,
            price=Decimal(51_000),
        )
        bench.do(changed)
        await feed.until(lambda: any(fact.price == 51_000 for fact in feed.facts))
        fact = next(fact for fact in feed.facts if fact.price == 51_000)
        assert (fact.quantity, fact.cum_filled) == (Decimal("0.02"), 0)


@card("session.position_is_told")
async def position_is_told(bench: Bench) -> None:
    async with bench.feed() as feed:
        bench.by_hand(side="sell")
        await feed.until(lambda: feed.positions)
        held = feed.positions[-1]
        assert (held.symbol, held.position_side) == (bench.symbol, PositionSide.NET)
        assert (held.quantity, held.entry_price) == (Decimal("-0.01"), 60_000)


@card("session.equity_is_told")
async def equity_is_told(bench: Bench) -> None:
    async with bench.feed() as feed:
        await feed.until(lambda: any(told.equities for told in feed.told))
        worth = next(told.equities[0] for told in feed.told if told.equities)
        assert (worth.account, worth.equity) == ("alice", 1_000_000)


@card("session.liquidation_is_told")
async def liquidation_is_told(bench: Bench) -> None:
    bench.by_hand()
    async with bench.feed() as feed:
        order = bench.by_hand(side="sell", category="full_liquidation", reduce_only=True)
        fact = await feed.until_status(order, "filled")
        assert (fact.side, fact.cum_filled) == (Side.SELL, Decimal("0.01"))


@card("session.hedge_is_told")
async def hedge_is_told(bench: Bench) -> None:
    async with bench.feed(bench.hedged) as feed:
        for leg, side, size in (
            ("long", "buy", 3),
            ("short", "sell", 2),
            ("long", "sell", 1),
            ("short", "buy", 1),
        ):
            order = bench.by_hand(bench.hedged, leg=leg, side=side, size=bench.size * size)
            fact = await feed.until_status(order, "filled")
            assert (fact.position_side, fact.side) == (leg, side)
            assert {each.side for each in await feed.until_executed(order)} == {side}
        held = {each.position_side: each.quantity for each in (await bench.sweep(bench.hedged)).positions}
        assert held == {"long": Decimal("0.02"), "short": Decimal("-0.01")}
        told = {each.position_side: each.quantity for each in feed.positions}
        assert told == held


@card("session.own_id_comes_back")
async def own_id_comes_back(bench: Bench) -> None:
    async with bench.feed() as feed:
        made = accepted(await bench.place(bench.order(7)))
        await feed.until(lambda: any(fact.client_order_id == IDS[7] for fact in feed.facts))
        order = next(fact.venue_order_id for fact in feed.facts if fact.client_order_id == IDS[7])
        assert made.venue_order_id in (None, order)
        assert {each.client_order_id for each in await feed.until_executed(order)} == {IDS[7]}


@card("session.quiet_hour")
async def quiet_hour(bench: Bench) -> None:
    async with bench.feed() as feed:
        (before,) = bench.venue.sessions("alice")
        await trio.sleep(3_500)
        assert bench.venue.sessions("alice") == (before,)
        assert feed.said("session.ended") == []


@card("session.two_days")
async def two_days(bench: Bench) -> None:
    async with bench.feed() as feed:
        await trio.sleep(2 * 24 * 3_600)
        assert bench.sockets() == 1
        await feed.until_status(bench.by_hand(), "filled")


@card("session.drop_comes_back")
async def drop_comes_back(bench: Bench) -> None:
    async with bench.feed() as feed:
        for swept in (2, 3):
            bench.do(DropSockets(account="alice"))
            await feed.until(lambda wanted=swept: feed.swept == wanted)
        assert bench.sockets() == 1
        assert all(line["failures"] == 1 for line in feed.said("session.ended"))


@card("session.drop_loses_nothing")
async def drop_loses_nothing(bench: Bench) -> None:
    async with bench.feed() as feed:
        bench.do(DropSockets(account="alice"))
        order = bench.by_hand()
        fact = await feed.until_status(order, "filled")
        assert fact.cum_filled == Decimal("0.01")
        assert await feed.until_executed(order)


@card("session.rotation_loses_nothing")
async def rotation_loses_nothing(bench: Bench) -> None:
    async with bench.feed() as feed:
        bench.do(AnnounceClose(account="alice"))
        first = bench.by_hand()
        await feed.until_status(first, "filled")
        await feed.until(lambda: feed.swept == 2)
        await trio.sleep(5)
        assert bench.sockets() == 1
        await feed.until_status(bench.by_hand(), "filled")


@card("session.repeat_is_one_event")
async def repeat_is_one_event(bench: Bench) -> None:
    async with bench.feed() as feed:
        bench.arm("duplicate_push", account="alice", times=9)
        order = bench.by_hand()
        await feed.until_status(order, "filled")
        await trio.sleep(1)
        filled = [fact.event_id for fact in feed.facts if fact.status is OrderStatus.FILLED]
        assert len(filled) > len(set(filled)) == 1
        assert len({each.trade_id for each in await feed.until_executed(order)}) == 1


@card("session.lost_push_is_made_up")
async def lost_push_is_made_up(bench: Bench) -> None:
    async with bench.feed() as feed:
        bench.price("60000", depth=bench.size)
        bench.arm("drop_push", account="alice", nth=2)  # placed, filled in part, filled
        order = bench.by_hand(size=bench.size * 3)
        fact = await feed.until_status(order, "filled")
        assert fact.cum_filled == Decimal("0.03")


@card("session.unreadable_is_kept")
async def unreadable_is_kept(bench: Bench) -> None:
    made = bench.client.session

    def unknowing(credentials: Credentials, account: AccountId) -> SessionProtocol:
        """A session from before the instrument was listed."""
        session = made(credentials, account)
        session._instruments = InstrumentList(())  # type: ignore[attr-defined]  # every session has them
        return session

    bench.client.session = unknowing  # type: ignore[method-assign]  # put in between
    async with bench.feed() as feed:
        order = bench.by_hand()
        await feed.until_status(order, "filled")  # by the sweep
        kept = feed.said("frame.unreadable")
        assert kept
        assert [line["unreadable"] for line in kept] == list(range(1, len(kept) + 1))
        assert all(line["frame"] and line["error"] for line in kept)
        assert bench.sockets() == 1


# Order life


@card("order.market")
async def market(bench: Bench) -> None:
    made = accepted(await bench.place(bench.order()))
    (order,) = bench.placed()
    assert (order.kind, order.side, order.size, order.price) == ("market", "buy", bench.size, None)
    fact = found(await bench.find()).fact
    assert (fact.status, fact.cum_filled) == (OrderStatus.FILLED, Decimal("0.01"))
    assert made.venue_order_id in (None, fact.venue_order_id)


@card("order.limit")
async def limit(bench: Bench) -> None:
    accepted(await bench.place(bench.resting()))
    fact = found(await bench.find()).fact
    assert (fact.status, fact.price, fact.order_type) == (OrderStatus.LIVE, 50_000, OrderType.LIMIT)


async def ends_unfilled(bench: Bench, kind: OrderType, price: str) -> None:
    await bench.place(bench.order(order_type=kind, price=Decimal(price), size=bench.size * 2))
    assert bench.entries(ledger.Executed) == []
    assert [order.open for order in bench.orders()] in ([False], [])


@card("order.post_only")
async def post_only(bench: Bench) -> None:
    await ends_unfilled(bench, OrderType.POST_ONLY, "61000")
    accepted(await bench.place(bench.order(1, order_type=OrderType.POST_ONLY, price=Decimal(59_000))))
    assert [order.kind for order in bench.orders() if order.open] == ["post_only"]


@card("order.ioc")
async def ioc(bench: Bench) -> None:
    bench.price("60000", depth=bench.size)
    wanted = bench.order(order_type=OrderType.IOC, price=Decimal(60_000), size=bench.size * 2)
    accepted(await bench.place(wanted))
    fact = found(await bench.find()).fact
    assert (fact.status, fact.cum_filled) == (OrderStatus.CANCELED, Decimal("0.01"))


@card("order.fok")
async def fok(bench: Bench) -> None:
    bench.price("60000", depth=bench.size)
    await ends_unfilled(bench, OrderType.FOK, "60000")


@card("order.exact_size")
async def exact_size(bench: Bench) -> None:
    for number, quantity in enumerate(("0.0101", "0.1", "0.0137", "0.0299")):
        size = bench.instrument.to_size(Decimal(quantity))
        accepted(await bench.place(bench.order(number, size=size)))
        assert bench.orders()[-1].size == size
        assert found(await bench.find(number)).fact.quantity == Decimal(quantity)


@card("order.cancel")
async def cancel(bench: Bench) -> None:
    for number in (0, 1):
        made = accepted(await bench.place(bench.resting(number)))
        named = bench.ref(number, venue_order_id=made.venue_order_id if number else None)
        accepted(await bench.cancel(named))
        assert found(await bench.find(number)).fact.status is OrderStatus.CANCELED
    assert not any(order.open for order in bench.orders())


@card("order.cancel_twice")
async def cancel_twice(bench: Bench) -> None:
    accepted(await bench.place(bench.resting()))
    accepted(await bench.cancel(bench.ref()))
    assert isinstance(await bench.cancel(bench.ref()), Rejected)


@card("order.cancel_unknown")
async def cancel_unknown(bench: Bench) -> None:
    assert isinstance(await bench.cancel(bench.ref()), Rejected)


@card("order.cancel_filled")
async def cancel_filled(bench: Bench) -> None:
    accepted(await bench.place(bench.order()))
    assert isinstance(await bench.cancel(bench.ref()), Rejected)
    assert found(await bench.find()).fact.status is OrderStatus.FILLED


@card("order.amend")
async def amend(bench: Bench) -> None:
    accepted(await bench.place(bench.resting()))
    accepted(await bench.amend(bench.change(size=bench.size * 2, price=Decimal(51_000))))
    (order,) = (order for order in bench.orders() if order.open)
    assert (order.size, order.price) == (bench.size * 2, 51_000)
    known = [await bench.find(number) for number in (0, 200)]
    live = [each for each in known if isinstance(each, Found) and each.fact.status is OrderStatus.LIVE]
    assert [(each.fact.quantity, each.fact.price) for each in live] == [(Decimal("0.02"), 51_000)]


@card("order.amend_gone")
async def amend_gone(bench: Bench) -> None:
    accepted(await bench.place(bench.order()))
    outcome = await bench.amend(bench.change(size=bench.size * 2, price=Decimal(51_000)))
    assert isinstance(outcome, Rejected)
    assert len(bench.orders()) == 1


@card("order.reduce_only")
async def reduce_only(bench: Bench) -> None:
    closing = bench.order(side=Side.SELL, reduce_only=True)
    assert isinstance(await bench.place(closing), Rejected)
    accepted(await bench.place(bench.order(1)))
    accepted(await bench.place(replace(closing, client_order_id=IDS[2])))
    assert (await bench.sweep()).positions == ()


@card("order.hedge")
async def hedge(bench: Bench) -> None:
    steps = [
        (PositionSide.LONG, Side.BUY, 3),
        (PositionSide.SHORT, Side.SELL, 2),
        (PositionSide.LONG, Side.SELL, 1),
        (PositionSide.SHORT, Side.BUY, 1),
    ]
    for number, (leg, side, size) in enumerate(steps):
        order = bench.order(
            number, account=bench.hedged, position_side=leg, side=side, size=bench.size * size
        )
        accepted(await bench.place(order))
    told = await bench.sweep(bench.hedged)
    assert [(fact.position_side, fact.side) for fact in told.facts] == [step[:2] for step in steps]
    held = {each.position_side: each.quantity for each in told.positions}
    assert held == {"long": Decimal("0.02"), "short": Decimal("-0.01")}


@card("order.conditional")
async def conditional(bench: Bench) -> None:
    accepted(await bench.place(bench.order()))
    trigger = Trigger(kind=TriggerKind.STOP_LOSS, price=Decimal(55_000))
    stop = bench.order(1, side=Side.SELL, reduce_only=True, trigger=trigger)
    made = accepted(await bench.place(stop))
    named = bench.ref(1, venue_order_id=made.venue_order_id)  # BingX keeps no client order id of these
    fact = found(await bench.client.find(key("alice"), named)).fact
    assert (fact.status, fact.side, fact.cum_filled) == (OrderStatus.LIVE, Side.SELL, 0)
    accepted(await bench.cancel(named))
    assert found(await bench.client.find(key("alice"), named)).fact.status is OrderStatus.CANCELED
    assert len(bench.entries(ledger.Executed)) == 1


async def never_sent(bench: Bench, **fields: object) -> None:
    before = len(bench.entries())
    assert await bench.place(bench.order(**fields)) == Refused(Reason.INSTRUMENT_CHANGED)
    assert len(bench.entries()) == before


@card("order.below_minimum")
async def below_minimum(bench: Bench) -> None:
    await never_sent(bench, size=bench.instrument.minimum / 2)


@card("order.off_the_lot")
async def off_the_lot(bench: Bench) -> None:
    await never_sent(bench, size=bench.size + bench.instrument.lot / 2)


@card("order.off_the_tick")
async def off_the_tick(bench: Bench) -> None:
    price = Decimal(50_000) + bench.instrument.tick / 2
    await never_sent(bench, order_type=OrderType.LIMIT, price=price)


@card("order.not_listed")
async def not_listed(bench: Bench) -> None:
    await never_sent(bench, symbol="GONE-USDT")


@card("order.no_margin")
async def no_margin(bench: Bench) -> None:
    outcome = await bench.place(bench.order(size=bench.instrument.to_size(Decimal(1_000))))
    assert isinstance(outcome, Rejected)
    assert outcome.code
    assert outcome.reason
    assert bench.placed() == []


# Ambiguous outcomes


async def in_doubt(bench: Bench, kind: str, *, there: bool, **fields: object) -> None:
    bench.arm(kind, **fields)
    outcome = await bench.place(bench.order())
    assert isinstance(outcome, Unknown)
    assert outcome.why
    assert isinstance(await bench.find(), Found if there else NotFound)
    assert len(bench.placed()) == there


@card("doubt.reply_lost")
async def reply_lost(bench: Bench) -> None:
    await in_doubt(bench, "lose_reply", there=True)


@card("doubt.error_with_effect")
async def error_with_effect(bench: Bench) -> None:
    await in_doubt(bench, "error_with_effect", there=True)


@card("doubt.error_without_effect")
async def error_without_effect(bench: Bench) -> None:
    await in_doubt(bench, "error_without_effect", there=False)


@card("doubt.reply_late")
async def reply_late(bench: Bench) -> None:
    begun = trio.current_time()
    await in_doubt(bench, "late_reply", there=True, delay=120 * NS_PER_S)
    assert trio.current_time() - begun < 15


@card("doubt.hidden")
async def hidden(bench: Bench) -> None:
    bench.arm("hide_order", delay=3 * NS_PER_S)
    accepted(await bench.place(bench.order()))
    assert await bench.find() == NotFound()
    await trio.sleep(4)
    found(await bench.find())


@card("doubt.expired_on_the_way")
async def expired_on_the_way(bench: Bench) -> None:
    bench.arm("hold_request", delay=3 * NS_PER_S)
    assert isinstance(await bench.place(bench.order(), within=2), Unsent | Unknown)
    await trio.sleep(5)
    assert bench.placed() == []


@card("doubt.expired_before")
async def expired_before(bench: Bench) -> None:
    order = bench.order()
    assert isinstance(await bench.place(order, within=0), Unsent)
    named, past = key("alice"), bench.within(-1)
    accepted(await bench.place(bench.resting(1)))
    assert isinstance(await bench.client.cancel(named, bench.ref(1), expires=past), Unsent)
    assert [order.open for order in bench.orders()] == [True]


@card("doubt.expiry_by_the_venues_clock")
async def expiry_by_the_venues_clock(bench: Bench) -> None:
    await bench.client.server_time()
    bench.arm("hold_request", delay=NS_PER_S)
    accepted(await bench.place(bench.order(), within=3))
    bench.arm("hold_request", delay=round(3.1 * NS_PER_S))
    assert isinstance(await bench.place(bench.order(1), within=3), Unsent | Unknown)
    await trio.sleep(5)
    assert len(bench.placed()) == 1


@card("doubt.nobody_listens")
async def nobody_listens(bench: Bench) -> None:
    await bench.network.hang_up()
    assert isinstance(await bench.place(bench.order()), Unsent)
    assert isinstance(await bench.cancel(bench.ref()), Unsent)


@card("doubt.same_id_twice")
async def same_id_twice(bench: Bench) -> None:
    accepted(await bench.place(bench.resting()))
    assert isinstance(await bench.place(bench.resting()), Unknown)
    assert len(bench.placed()) == 1
    found(await bench.find())


@card("doubt.cancel_reply_lost")
async def cancel_reply_lost(bench: Bench) -> None:
    accepted(await bench.place(bench.resting()))
    bench.arm("lose_reply", on="cancel")
    # BingX's is a DELETE, which the wire may send again: it then finds nothing to cancel
    assert isinstance(await bench.cancel(bench.ref()), Unknown | Rejected)
    assert found(await bench.find()).fact.status is OrderStatus.CANCELED


@card("doubt.amend_reply_lost")
async def amend_reply_lost(bench: Bench) -> None:
    accepted(await bench.place(bench.resting()))
    bench.arm("lose_reply", on="amend")
    change = bench.change(size=bench.size * 2, price=Decimal(50_000))
    assert isinstance(await bench.amend(change), Unknown)
    known = [await bench.find(number) for number in (0, 200)]
    live = [each for each in known if isinstance(each, Found) and each.fact.status is OrderStatus.LIVE]
    assert [each.fact.quantity for each in live] == [Decimal("0.02")]


@card("doubt.deaf_is_not_absent")
async def deaf_is_not_absent(bench: Bench) -> None:
    assert await bench.find() == NotFound()
    await bench.network.hang_up()
    assert isinstance(await bench.find(), Unknown)


@card("doubt.found_in_history")
async def found_in_history(bench: Bench) -> None:
    accepted(await bench.place(bench.resting()))
    accepted(await bench.cancel(bench.ref()))
    accepted(await bench.place(bench.order(1)))
    await trio.sleep(1_800)
    assert found(await bench.find(0)).fact.status is OrderStatus.CANCELED
    assert found(await bench.find(1)).fact.status is OrderStatus.FILLED


# Sweep


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
    bench.by_hand(side="sell", reduce_only=True)


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
    assert (await bench.sweep()).positions == ()


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


# Limits


@card("limits.burst_waits")
async def burst_waits(bench: Bench) -> None:
    outcomes: list[Outcome] = []

    async def one(number: int) -> None:
        order = bench.resting(number)
        await bench.client.ready_to_place(order)
        outcomes.append(await bench.client.place(key("alice"), order, expires=bench.within()))

    async with trio.open_nursery() as nursery:
        for number in range(80):
            nursery.start_soon(one, number)
    assert [type(each) for each in outcomes] == [Accepted] * 80
    assert len(bench.placed()) == 80


async def flood(bench: Bench) -> list[Outcome]:
    """Orders until one is rate limited."""
    outcomes: list[Outcome] = []
    for number in range(120):
        order = bench.resting(number)
        outcomes.append(await bench.client.place(key("alice"), order, expires=bench.within()))
        if isinstance(outcomes[-1], RateLimited):
            break
    return outcomes


@card("limits.flood_is_told")
async def flood_is_told(bench: Bench) -> None:
    outcomes = await flood(bench)
    assert isinstance(outcomes[-1], RateLimited)
    assert outcomes[-1].until > bench.clock.now()
    assert len(bench.placed()) == len(outcomes) - 1


@card("limits.backs_off")
async def backs_off(bench: Bench) -> None:
    *_, limited = await flood(bench)
    assert isinstance(limited, RateLimited)
    order = bench.resting(150)
    await bench.client.ready_to_place(order)
    assert bench.clock.now() >= limited.until


@card("limits.others_go_on")
async def others_go_on(bench: Bench) -> None:
    await flood(bench)
    other = bench.open_account("bob")
    begun = trio.current_time()
    accepted(await bench.place(bench.resting(150, account=other)))
    assert trio.current_time() - begun < 1


@card("limits.stated")
async def stated(bench: Bench) -> None:
    told = bench.client.capabilities
    assert told.amends in {"amend", "replace"}
    assert told.batch_orders >= 1
    assert told.expiry
    assert told.limits
    assert all(name and text for name, text in told.limits.items())


# Account


@card("account.instruments")
async def instruments(bench: Bench) -> None:
    listed = {each.symbol: each for each in await bench.client.instruments()}
    swaps = {item.symbol: item for item in bench.venue.instruments if item.kind == "swap"}
    assert listed.keys() == swaps.keys()
    for symbol, item in swaps.items():
        known = listed[symbol]
        assert (known.lot, known.minimum, known.tick) == (item.lot, item.minimum, item.tick)
        assert (known.base, known.quote, known.settle) == (item.base, "USDT", "USDT")
        assert known.contract_size == item.unit


@card("account.server_time")
async def server_time(bench: Bench) -> None:
    told = await bench.client.server_time()
    assert math.isclose(told, bench.venue.clock.now(), abs_tol=NS_PER_S)


@card("account.permissions")
async def permissions(bench: Bench) -> None:
    bench.open_account("bound", addresses=("203.0.113.7", "203.0.113.8"))
    told = await bench.client.permissions(key("bound"))
    assert (told.read, told.trade, told.withdraw) == (True, True, False)
    assert told.addresses == ("203.0.113.7", "203.0.113.8")
    bench.open_account("reader", rights=("read",))
    told = await bench.client.permissions(key("reader"))
    assert (told.read, told.trade, told.withdraw, told.addresses) == (True, False, False, ())


@card("account.withdrawal_is_seen")
async def withdrawal_is_seen(bench: Bench) -> None:
    bench.open_account("rich", rights=("read", "trade", "withdraw"))
    assert (await bench.client.permissions(key("rich"))).withdraw


@card("account.leverage")
async def leverage(bench: Bench) -> None:
    async def set_to(factor: int) -> Outcome:
        return await bench.client.set_leverage(
            key("alice"), bench.net, bench.symbol, factor, MarginMode.CROSS
        )

    accepted(await set_to(7))
    assert bench.venue.exchange.accounts["alice"].leverage_of(bench.symbol) == 7
    assert isinstance(await set_to(1_000), Rejected)
    assert bench.venue.exchange.accounts["alice"].leverage_of(bench.symbol) == 7


@card("account.hedge_mode")
async def hedge_mode(bench: Bench) -> None:
    async def set_to(*, hedge: bool) -> Outcome:
        return await bench.client.set_hedge_mode(key("alice"), bench.net, hedge=hedge)

    for hedge in (True, False):
        accepted(await set_to(hedge=hedge))
        mode = bench.venue.exchange.accounts["alice"].position_mode
        assert mode == ("long_short" if hedge else "net")
    bench.by_hand()
    assert isinstance(await set_to(hedge=True), Rejected)
    assert bench.venue.exchange.accounts["alice"].position_mode == "net"


@card("account.wrong_secret")
async def wrong_secret(bench: Bench) -> None:
    forged = Credentials(Secret("alice"), Secret("guessed"), Secret("alice-phrase"))
    outcome = await bench.client.place(forged, bench.order(), expires=bench.within())
    assert isinstance(outcome, Rejected)
    assert "guessed" not in repr(outcome)
    assert bench.placed() == []
