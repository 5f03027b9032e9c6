"""Answers that prove nothing: what is unknown stays unknown until the venue's books are asked."""

from decimal import Decimal

import pytest
import trio

from spider_common.clock import NS_PER_S
from spider_common.domain.orders import OrderStatus
from spider_common.venues.outcomes import (
    Found,
    NotFound,
    Rejected,
    Unknown,
    Unsent,
    VenueError,
)
from tests.venues.bench import Bench, key
from tests.venues.cards import accepted, card, found
from tests.venues.order_cards import found_as_amended


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


@card("doubt.maintenance")
async def maintenance(bench: Bench) -> None:
    accepted(await bench.place(bench.resting()))
    bench.arm("maintenance", delay=60 * NS_PER_S)
    assert isinstance(await bench.place(bench.order(1)), Unsent | Unknown)
    assert isinstance(await bench.place(bench.order(2)), Unsent | Unknown)
    assert isinstance(await bench.cancel(bench.ref()), Unsent | Unknown)
    change = bench.change(size=bench.size * 2, price=Decimal(50_000))
    assert isinstance(await bench.amend(change), Unsent | Unknown)
    assert isinstance(await bench.find(), Unknown)
    for question in (bench.sweep(), bench.client.marks(), bench.client.server_time()):
        with pytest.raises(VenueError):
            await question
    assert [order.open for order in bench.orders()] == [True]
    await trio.sleep(60)
    assert found(await bench.find()).fact.status is OrderStatus.LIVE
    assert await bench.find(1) == NotFound()
    accepted(await bench.place(bench.order(3)))


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
    await found_as_amended(bench, Decimal("0.02"), 50_000)


@card("doubt.amend_not_made")
async def amend_not_made(bench: Bench) -> None:
    accepted(await bench.place(bench.resting()))
    bench.arm("error_without_effect", on="amend")
    change = bench.change(size=bench.size * 2, price=Decimal(51_000))
    assert isinstance(await bench.amend(change), Unknown)
    fact = found(await bench.find()).fact
    assert (fact.status, fact.quantity, fact.price) == (OrderStatus.LIVE, Decimal("0.01"), 50_000)
    assert await bench.find(200) == NotFound()


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
