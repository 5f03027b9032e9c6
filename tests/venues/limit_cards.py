"""Rate limits: waited for, told, and nobody else's business."""

import trio

from spider_common.venues.outcomes import (
    Accepted,
    Outcome,
    RateLimited,
)
from tests.venues.bench import Bench, key
from tests.venues.cards import accepted, card


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
