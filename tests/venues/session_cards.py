"""What a session must tell, and that it stays and comes back."""

from decimal import Decimal
from typing import Literal

import trio
from msgspec.structs import replace

from services.simulator.actions import (
    Amend,
    AnnounceClose,
    Cancel,
    CancelConditional,
    CloseOut,
    DropSockets,
    MoveTrigger,
)
from services.simulator.triggers import TriggerKind
from spider_common.domain import orders
from spider_common.domain.identifiers import AccountId
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side, Trigger
from spider_common.secret import Credentials
from spider_common.venues.venue import SessionProtocol
from tests.venues.bench import IDS, Bench
from tests.venues.cards import accepted, card


@card("session.ready")
async def ready(bench: Bench) -> None:
    async with bench.feed() as feed:
        assert (feed.swept, bench.sockets()) == (len(bench.client.sockets), 1)
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


FORCED: tuple[tuple[Literal["partial_liquidation", "adl", "full_liquidation"], Decimal], ...] = (
    ("partial_liquidation", Decimal("0.5")),
    ("adl", Decimal("0.25")),
    ("full_liquidation", Decimal(1)),
)


@card("session.liquidation_is_told")
async def liquidation_is_told(bench: Bench) -> None:
    async with bench.feed() as feed:
        bench.by_hand(side="sell", size=bench.size * 8)
        resting = bench.by_hand(kind="limit", price=Decimal(50_000))
        closed = Decimal(0)
        for category, share in FORCED:
            order = bench.do(CloseOut(account="alice", symbol=bench.symbol, category=category, share=share))
            fact = await feed.until_status(order, "filled")
            assert (fact.side, fact.position_side) == (Side.BUY, PositionSide.NET)
            assert (fact.reduce_only, fact.order_type, fact.price) == (True, OrderType.MARKET, None)
            assert sum(each.signed for each in await feed.until_executed(order)) == fact.cum_filled
            closed += fact.cum_filled
        assert closed == Decimal("0.08")
        assert (await feed.until_status(resting, "canceled")).cum_filled == 0
        told = await bench.sweep()
        assert told.positions == ()
        assert {fact.event_id for fact in told.facts} <= feed.events()
        assert sum(fact.reduce_only for fact in told.facts) == len(FORCED)


@card("session.hedged_liquidation_is_told")
async def hedged_liquidation_is_told(bench: Bench) -> None:
    legs = (("long", Side.BUY), ("short", Side.SELL))
    for leg, opening in legs:
        bench.by_hand(bench.hedged, leg=leg, side=opening.value, size=bench.size * 8)
    async with bench.feed(bench.hedged) as feed:
        for category, share in FORCED:
            bench.do(CloseOut(account="hedger", symbol=bench.symbol, category=category, share=share))
            for (leg, opening), order in zip(legs, bench.placed()[-2:], strict=True):
                fact = await feed.until_status(order.order_id, "filled")
                assert (fact.position_side, fact.side.sign) == (leg, -opening.sign)
                assert (fact.reduce_only, fact.order_type, fact.price) == (True, OrderType.MARKET, None)
        assert (await bench.sweep(bench.hedged)).positions == ()


WAITS: tuple[tuple[TriggerKind, int], ...] = (
    ("stop_loss", 55_000),
    ("take_profit", 65_000),
    ("entry", 54_000),
)


@card("session.conditional_is_told")
async def conditional_is_told(bench: Bench) -> None:
    bench.by_hand()
    async with bench.feed() as feed:
        for kind, price in WAITS:
            fact = await feed.until_status(bench.conditional(kind, price), "live")
            assert fact.trigger == Trigger(kind=orders.TriggerKind(kind), price=Decimal(price))
            assert (fact.waits, fact.side, fact.position_side) == (True, Side.SELL, PositionSide.NET)
            assert (fact.quantity, fact.cum_filled) == (Decimal("0.01"), 0)
            assert (fact.order_type, fact.price, fact.reduce_only) == (
                OrderType.MARKET,
                None,
                kind != "entry",
            )
        limit = bench.conditional("entry", 53_000, price=52_000)
        assert (await feed.until_status(limit, "live")).price == 52_000


@card("session.moved_trigger_is_told")
async def moved_trigger_is_told(bench: Bench) -> None:
    bench.by_hand()
    async with bench.feed() as feed:
        for kind, price in WAITS:
            order = bench.conditional(kind, price)
            before = await feed.until_status(order, "live")
            await trio.sleep(1)
            bench.do(MoveTrigger(account="alice", order_id=order, trigger=Decimal(price + 100)))
            await feed.until(lambda known=before: known.event_id != feed.last(known.venue_order_id).event_id)
            fact = feed.last(order)
            assert fact is not None
            assert (fact.waits, fact.trigger) == (
                True,
                Trigger(kind=orders.TriggerKind(kind), price=Decimal(price + 100)),
            )


@card("session.cancelled_conditional_is_told")
async def cancelled_conditional_is_told(bench: Bench) -> None:
    bench.by_hand()
    async with bench.feed() as feed:
        for kind, price in WAITS:
            order = bench.conditional(kind, price)
            bench.do(CancelConditional(account="alice", order_id=order))
            fact = await feed.until_status(order, "canceled")
            assert fact.trigger is not None
            assert (fact.waits, fact.cum_filled) == (False, 0)


@card("session.fired_conditional_is_told")
async def fired_conditional_is_told(bench: Bench) -> None:
    for kind, price in WAITS:
        bench.price("60000")
        bench.by_hand()
        async with bench.feed() as feed:
            order = bench.conditional(kind, price)
            await feed.until_status(order, "live")
            bench.price(price)
            fact = await feed.until_status(order, "triggered")
            assert (fact.waits, fact.cum_filled, fact.status.is_final) == (False, 0, True)
            made = bench.placed()[-1].order_id
            assert (await feed.until_status(made, "filled")).cum_filled == Decimal("0.01")
            await feed.sweep()
            told = [fact for fact in feed.facts if fact.venue_order_id == made]
            assert {fact.parent for fact in told} == {
                order if bench.client.capabilities.names_parent else None
            }
            assert all(fact.trigger is None for fact in told)
            assert len({fact.event_id for fact in told if fact.status.is_final}) == 1


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
        before = bench.venue.sessions("alice")
        await trio.sleep(3_700)
        assert bench.sockets() == 1
        assert bench.venue.sessions("alice") == before
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
        sockets = len(feed.sessions)
        for swept in (2 * sockets, 3 * sockets):
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
        await feed.until(lambda: feed.swept == 2 * len(feed.sessions))
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

    def unknowing(credentials: Credentials, account: AccountId, socket: str) -> SessionProtocol:
        """A session from before the instrument was listed."""
        session = made(credentials, account, socket)
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
