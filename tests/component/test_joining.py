"""Laws of a product that is added to an account that already runs: it copies from then on, and at once."""

import msgspec
import pytest
import trio
from trio.testing import MockClock

from services.simulator.actions import Arm, Place, SetPrice
from services.simulator.faults import Fault
from spider_common.domain.identifiers import ProductId, Venue
from spider_common.messages import LeaderOrder, decode
from tests.ingest_rig import Bench, open_bench, running_ingest

LATE = ProductId("late")


async def add(bench: Bench) -> None:
    """A second product of the same leader."""
    (first,) = await bench.world.config.products()
    await bench.world.config.put_product(msgspec.structs.replace(first, product=LATE))


async def to_late(bench: Bench) -> list[tuple[str, bool]]:
    """Order and baseline of each message to the late product, in order; all messages are taken."""
    found = []
    while deliveries := await bench.world.queue.receive(wait_s=0):
        for each in deliveries:
            message = decode(each.body)
            if isinstance(message, LeaderOrder) and message.event.product == LATE:
                found.append((message.event.fact.venue_order_id, message.event.baseline))
        await bench.world.queue.delete([each.receipt for each in deliveries])
    return found


@pytest.mark.parametrize("venue", Venue)
async def test_joining_a_product_later_copies_nothing_from_before(
    venue: Venue, autojump_clock: MockClock
) -> None:
    """Orders of the minutes before are remembered only; those after are copied, also when ingest begins
    anew or a sweep tells them."""
    async with open_bench(venue) as bench:
        async with running_ingest(bench):
            await trio.sleep(100)
            before = {bench.buy() for _ in range(2)}
            await trio.sleep(5)
            await add(bench)
            await trio.sleep(20)  # seen, and swept without waiting for the timer
            told = await to_late(bench)
            assert {order for order, _ in told} == before
            assert all(baseline for _, baseline in told)
            after = bench.buy()
            await trio.sleep(1)
            assert {*await to_late(bench)} == {(after, False)}
        missed = bench.buy()
        async with running_ingest(bench):
            await trio.sleep(150)
            told = await to_late(bench)
            assert {order for order, baseline in told if not baseline} >= {missed}
            assert not before & {order for order, baseline in told if not baseline}


@pytest.mark.parametrize("venue", Venue)
async def test_what_is_pushed_while_a_product_joins_is_not_lost(
    venue: Venue, autojump_clock: MockClock
) -> None:
    """An order every half second: each is told to it, the later ones as its own, none of the earlier."""
    async with open_bench(venue) as bench, running_ingest(bench):
        await trio.sleep(100)
        await add(bench)
        orders = []
        for _ in range(40):
            orders.append(bench.buy())
            await trio.sleep(0.5)
        await trio.sleep(20)
        copied: dict[str, bool] = {}
        for order, baseline in await to_late(bench):
            copied[order] = copied.get(order, False) or not baseline
        assert list(copied) == orders
        first = list(copied.values()).index(True)
        assert 0 < first < 30
        assert all(list(copied.values())[first:])


@pytest.mark.parametrize("venue", Venue)
async def test_the_part_filled_before_joining_is_its_baseline(
    venue: Venue, autojump_clock: MockClock
) -> None:
    """Of an order filled half before and half after, the first half is told as a baseline first."""
    async with open_bench(venue) as bench, running_ingest(bench):
        least, symbol = bench.instrument.minimum, bench.instrument.symbol
        bench.act(SetPrice(symbol=symbol, price=bench.instrument.price, depth=least))
        limit = bench.order(
            size=2 * least, kind="limit", price=bench.instrument.price, client_order_id="half"
        )
        order = bench.act(Place(account=bench.leader, order=limit))
        await trio.sleep(100)
        await add(bench)
        await trio.sleep(20)
        assert await to_late(bench) == [(order, True)]
        bench.act(Arm(fault=Fault(kind="duplicate_push", account=bench.leader)))
        bench.act(SetPrice(symbol=symbol, price=bench.instrument.price))
        await trio.sleep(1)
        assert await to_late(bench) == [(order, False)]
