"""The life of an order: placed as asked, changed, cancelled, refused."""

from decimal import Decimal

from msgspec.structs import replace

from services.simulator import ledger
from services.simulator.actions import MoveTrigger
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side, Trigger, TriggerKind
from spider_common.domain.reasons import Reason
from spider_common.venues.outcomes import (
    Refused,
    Rejected,
)
from tests.venues.bench import IDS, Bench, key
from tests.venues.cards import accepted, card, found


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
    await found_as_amended(bench, Decimal("0.02"), 51_000)


async def found_as_amended(bench: Bench, quantity: Decimal, price: int) -> None:
    """By its own id where the venue keeps the order; where it replaces it, by that of the replacement."""
    replaces = bench.client.capabilities.amends == "replace"
    fact = found(await bench.find(200 if replaces else 0)).fact
    assert (fact.status, fact.quantity, fact.price) == (OrderStatus.LIVE, quantity, price)
    if replaces:
        assert found(await bench.find(0)).fact.status is OrderStatus.CANCELED


@card("order.amend_size")
async def amend_size(bench: Bench) -> None:
    accepted(await bench.place(bench.resting()))
    accepted(await bench.amend(bench.change(size=bench.size * 3, price=Decimal(50_000))))
    await found_as_amended(bench, Decimal("0.03"), 50_000)


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
    assert (fact.quantity, fact.price, fact.trigger) == (Decimal("0.01"), None, trigger)
    bench.do(MoveTrigger(account="alice", order_id=fact.venue_order_id, trigger=Decimal(56_000)))
    moved = found(await bench.client.find(key("alice"), named)).fact
    assert moved.trigger == replace(trigger, price=Decimal(56_000))
    accepted(await bench.cancel(named))
    assert found(await bench.client.find(key("alice"), named)).fact.status is OrderStatus.CANCELED
    assert len(bench.entries(ledger.Executed)) == 1


@card("order.conditional_limit")
async def conditional_limit(bench: Bench) -> None:
    accepted(await bench.place(bench.order()))
    trigger = Trigger(kind=TriggerKind.TAKE_PROFIT, price=Decimal(65_000))
    profit = bench.order(
        1,
        side=Side.SELL,
        reduce_only=True,
        trigger=trigger,
        order_type=OrderType.LIMIT,
        price=Decimal(64_900),
    )
    made = accepted(await bench.place(profit))
    named = bench.ref(1, venue_order_id=made.venue_order_id)
    fact = found(await bench.client.find(key("alice"), named)).fact
    assert (fact.status, fact.price, fact.trigger) == (OrderStatus.LIVE, 64_900, trigger)
    bench.price("65000")
    fact = found(await bench.client.find(key("alice"), named)).fact
    assert (fact.status, fact.cum_filled) == (OrderStatus.TRIGGERED, 0)


async def never_sent(bench: Bench, **fields: object) -> None:
    before = len(bench.entries())
    assert await bench.place(bench.order(**fields)) == Refused(Reason.INSTRUMENT_CHANGED)
    assert len(bench.entries()) == before


@card("order.below_minimum")
async def below_minimum(bench: Bench) -> None:
    await never_sent(bench, size=bench.instrument.minimum / 2)


@card("order.below_the_value")
async def below_the_value(bench: Bench) -> None:
    least = bench.instrument.minimum_notional
    price = least / (2 * bench.instrument.minimum_base) // bench.instrument.tick * bench.instrument.tick
    if price > 0:  # OKX lists no value
        small = bench.resting(price=price, size=bench.instrument.minimum)
        assert isinstance(await bench.place(small), Rejected)
    price = 2 * least / bench.instrument.minimum_base // bench.instrument.tick * bench.instrument.tick
    enough = bench.resting(1, price=price or Decimal(50_000), size=bench.instrument.minimum)
    accepted(await bench.place(enough))


@card("order.off_the_lot")
async def off_the_lot(bench: Bench) -> None:
    await never_sent(bench, size=bench.size + bench.instrument.lot / 2)


@card("order.off_the_tick")
async def off_the_tick(bench: Bench) -> None:
    price = Decimal(50_000) + bench.instrument.tick / 2
    await never_sent(bench, order_type=OrderType.LIMIT, price=price)


@card("order.amend_off_the_lot")
async def amend_off_the_lot(bench: Bench) -> None:
    accepted(await bench.place(bench.resting()))
    before = len(bench.entries())
    for size, price in (
        (bench.size + bench.instrument.lot / 2, Decimal(50_000)),
        (bench.size, Decimal(50_000) + bench.instrument.tick / 2),
    ):
        outcome = await bench.amend(bench.change(size=size, price=price))
        assert outcome == Refused(Reason.INSTRUMENT_CHANGED)
    assert len(bench.entries()) == before


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
