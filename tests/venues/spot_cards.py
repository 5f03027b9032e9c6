"""Spot: what holds for swaps and has to hold for it too, and what is its own."""

from decimal import Decimal

from spider_common.domain.instruments import InstrumentKind, venue_symbol
from spider_common.domain.orders import OrderStatus, PositionSide, Side
from tests.venues import doubt_cards, order_cards, session_cards, sweep_cards
from tests.venues.bench import Bench
from tests.venues.cards import accepted, card, found

for check in (
    order_cards.limit,
    order_cards.ioc,
    order_cards.exact_size,
    order_cards.cancel,
    order_cards.below_minimum,
    doubt_cards.reply_lost,
    doubt_cards.expired_on_the_way,
    doubt_cards.found_in_history,
    session_cards.placed_is_told,
    session_cards.fill_is_told,
    session_cards.parts_are_told,
    session_cards.cancel_is_told,
    session_cards.drop_loses_nothing,
    sweep_cards.open_orders,
    sweep_cards.same_events,
    sweep_cards.twice_is_once,
):
    card(f"spot.{check.__name__}")(check)


@card("spot.listed")
async def listed(bench: Bench) -> None:
    known = [each for each in bench.client.known_instruments if (each.base, each.quote) == ("BTC", "USDT")]
    assert {each.kind for each in known} == {InstrumentKind.SPOT, InstrumentKind.SWAP}
    assert len({each.symbol for each in known}) == 2
    spot = bench.instrument
    assert (spot.kind, spot.contract_size, spot.settle) == (InstrumentKind.SPOT, 1, "USDT")
    assert venue_symbol(spot.symbol) in spot.symbol


@card("spot.buy")
async def buy(bench: Bench) -> None:
    bench.price("60001")
    accepted(await bench.place(bench.order()))
    fact = found(await bench.find()).fact
    assert (fact.status, fact.side, fact.symbol) == (OrderStatus.FILLED, Side.BUY, bench.symbol)
    assert (fact.quantity, fact.cum_filled) == (Decimal("0.01"), Decimal("0.01"))


@card("spot.coins")
async def coins(bench: Bench) -> None:
    (held,) = (await bench.sweep()).positions
    assert (held.symbol, held.position_side, held.quantity) == (bench.symbol, PositionSide.NET, 1)
    bench.by_hand(side="sell", size=Decimal(1))
    assert (await bench.sweep()).positions == ()


@card("spot.sell")
async def sell(bench: Bench) -> None:
    accepted(await bench.place(bench.order(side=Side.SELL, reduce_only=True)))
    fact = found(await bench.find()).fact
    assert (fact.status, fact.side, fact.cum_filled) == (OrderStatus.FILLED, Side.SELL, Decimal("0.01"))
    assert not fact.reduce_only
    assert [order.size for order in bench.orders()] == [Decimal("0.01")]
