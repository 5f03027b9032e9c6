"""The BingX client's spot side against the simulator."""

from decimal import Decimal

import pytest

from services.simulator.actions import Place, SetPrice, apply
from services.simulator.ledger import Placed
from services.simulator.rules import NewOrder
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side
from spider_common.venues.outcomes import Accepted, Found, NotFound, Refused, Rejected, Unknown, Unsent
from tests.component.bingx_desk import RESTS

PAIR = "BTC-USDT@spot"
MARKET = {"symbol": PAIR, "reference_price": Decimal(60000)}


async def test_a_spot_order_lives_and_is_found(autojump_clock, open_desk):
    """Placed, found by our id, cancelled, found again; a cancel of what is gone is refused."""
    async with open_desk() as desk:
        placed = await desk.place(symbol=PAIR, **RESTS)
        found = await desk.find(symbol=PAIR)
        assert isinstance(placed, Accepted)
        assert isinstance(found, Found)
        assert (found.fact.venue_order_id, found.fact.status) == (placed.venue_order_id, OrderStatus.LIVE)
        assert (found.fact.symbol, found.fact.position_side) == (PAIR, PositionSide.NET)
        assert isinstance(await desk.cancel(symbol=PAIR), Accepted)
        assert (await desk.find(symbol=PAIR)).fact.status is OrderStatus.CANCELED
        assert isinstance(await desk.cancel(symbol=PAIR), Rejected)
        assert await desk.find("nobody", symbol=PAIR) == NotFound()


async def test_a_pair_is_not_the_swap_of_its_name(autojump_clock, open_desk):
    """An order of the one is not found under the other, and each is told by the sweep once."""
    async with open_desk() as desk:
        await desk.place("spot", symbol=PAIR, **RESTS)
        await desk.place("swap", **RESTS)
        assert await desk.find("spot") == NotFound()
        assert await desk.find("swap", symbol=PAIR) == NotFound()
        facts = (await desk.sweep()).facts
        assert sorted((fact.symbol, fact.client_order_id) for fact in facts) == [
            ("BTC-USDT", "swap"),
            (PAIR, "spot"),
        ]


@pytest.mark.parametrize(
    ("kind", "at_venue"),
    [
        (OrderType.LIMIT, "limit"),
        (OrderType.POST_ONLY, "post_only"),
        (OrderType.IOC, "ioc"),
        (OrderType.FOK, "fok"),
    ],
)
async def test_each_kind_of_limit_order_arrives_as_it_is(autojump_clock, open_desk, kind, at_venue):
    """With its kind, price, size and id."""
    async with open_desk() as desk:
        assert isinstance(await desk.place(symbol=PAIR, order_type=kind, **RESTS), Accepted)
        (placed,) = desk.entries(Placed)
        assert (placed.order.kind, placed.order.price, placed.order.size, placed.order.client_order_id) == (
            at_venue,
            Decimal(50000),
            Decimal("0.001"),
            "a1",
        )


async def test_a_market_buy_gets_the_size_that_it_asked_for(autojump_clock, open_desk):
    """It is bounded by the reference price, and what costs more is not bought."""
    async with open_desk() as desk:
        assert isinstance(await desk.place(**MARKET), Accepted)
        bought = (await desk.find(symbol=PAIR)).fact
        assert (bought.status, bought.cum_filled) == (OrderStatus.FILLED, Decimal("0.001"))
        apply(desk.venue, SetPrice(symbol=PAIR, price=Decimal("60300.01")))
        await desk.place("a2", **MARKET)
        missed = (await desk.find("a2", symbol=PAIR)).fact
        assert (missed.status, missed.cum_filled) == (OrderStatus.CANCELED, 0)
        assert isinstance(await desk.place("a3", symbol=PAIR), Rejected)


async def test_what_is_held_is_sold_at_the_market(autojump_clock, open_desk):
    """And not more than is held."""
    async with open_desk() as desk:
        await desk.place(**MARKET)
        sale = {"symbol": PAIR, "side": Side.SELL}
        assert isinstance(await desk.place("a2", size=Decimal("0.0009"), **sale), Accepted)
        assert (await desk.find("a2", symbol=PAIR)).fact.status is OrderStatus.FILLED
        refused = await desk.place("a3", size=Decimal("0.001"), **sale)
        assert (type(refused), refused.code) == (Rejected, "100202")


async def test_numbers_that_the_pair_does_not_take_are_not_sent(autojump_clock, open_desk):
    """Sizes have a step, prices a tick."""
    async with open_desk() as desk:
        assert isinstance(await desk.place(symbol=PAIR, size=Decimal("0.0000001"), **RESTS), Refused)
        assert isinstance(await desk.place(symbol=PAIR, price=Decimal("50000.001")), Refused)


async def test_a_late_request_is_refused_by_the_venue(autojump_clock, open_desk):
    """It has an expiry of its own: the venue looks at it too late, and has no order of it."""
    async with open_desk() as desk:
        desk.arm("hold_request", delay=2 * 10**9)
        assert isinstance(await desk.place(symbol=PAIR, expires=desk.expires(1), **RESTS), Unsent | Unknown)
        assert desk.entries(Placed) == []


async def test_a_lost_reply_is_in_doubt_and_found(autojump_clock, open_desk):
    """Also when the venue hides the order for a while."""
    async with open_desk() as desk:
        desk.arm("lose_reply")
        assert isinstance(await desk.place(symbol=PAIR, **RESTS), Unknown)
        assert isinstance(await desk.find(symbol=PAIR), Found)


async def test_a_sweep_tells_orders_and_fills(autojump_clock, open_desk):
    """What is open, what is done and each execution, whoever placed it; asked twice, the same."""
    async with open_desk() as desk:
        resting = await desk.place("rests", symbol=PAIR, **RESTS)
        apply(desk.venue, SetPrice(symbol=PAIR, price=Decimal(60000), depth=Decimal("0.0004")))
        by_hand = NewOrder(symbol=PAIR, side="buy", kind="market", size=Decimal("0.001"))
        apply(desk.venue, Place(account="carol", order=by_hand))
        told = await desk.sweep()
        facts = {fact.venue_order_id: fact for fact in told.facts}
        assert facts.pop(resting.venue_order_id).status is OrderStatus.LIVE
        (bought,) = facts.values()
        assert (bought.client_order_id, bought.cum_filled, bought.status) == (
            None,
            Decimal("0.001"),
            OrderStatus.FILLED,
        )
        assert [each.quantity for each in told.executions] == [Decimal("0.0004"), Decimal("0.0006")]
        assert {each.fee_currency for each in told.executions} == {"BTC"}
        again = await desk.sweep()
        assert {fact.event_id for fact in again.facts} == {fact.event_id for fact in told.facts}


async def test_history_has_pages(autojump_clock, open_desk):
    """More orders than a page holds are all told."""
    async with open_desk() as desk:
        for _ in range(120):
            order = NewOrder(symbol=PAIR, side="buy", kind="ioc", size=Decimal("0.001"), price=Decimal(50000))
            apply(desk.venue, Place(account="carol", order=order))
        assert len((await desk.sweep()).facts) == 120


async def test_spot_orders_are_not_amended(autojump_clock, open_desk):
    """The refusal says what to do instead, and the order stays as it is."""
    async with open_desk() as desk:
        await desk.place(symbol=PAIR, **RESTS)
        refused = await desk.amend(symbol=PAIR, price="51000")
        assert (type(refused), refused.code) == (Rejected, "unsupported")
        assert (await desk.find(symbol=PAIR)).fact.price == Decimal(50000)
