"""Laws of a stream that is open and does not tell: it is found, replaced and counted, and no other is."""

import random
from collections.abc import Callable
from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from services.ingest.hearing import GRACE_NS, Hearing
from services.ingest.sweep import OVERLAP_NS, Swept
from services.simulator.actions import Arm, Cancel, DropSockets, Place, SetPrice, Silence
from services.simulator.faults import Fault
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.identifiers import Venue, VenueOrderId
from spider_common.domain.orders import OrderFact, OrderStatus
from spider_common.venues.venue import Told
from tests.ingest_rig import Bench, open_bench, running_ingest
from tests.oms_rig import ORIGIN
from tests.strategies import fact

SWEEP_S = 60


def mute(bench: Bench) -> None:
    """The venue's pings go on, its pushes do not: until its faults are cleared."""
    bench.act(Arm(fault=Fault(kind="drop_push", account=bench.leader, times=10**6)))


def silence(bench: Bench) -> None:
    """As above, for ever. BingX pings by the same way: its silent socket is seen by its missing pings."""
    bench.act(Silence(account=bench.leader, duration=24 * 3600 * NS_PER_S))


@pytest.mark.parametrize("venue", Venue)
async def test_a_silent_stream_is_replaced_and_counted(venue: Venue, autojump_clock: MockClock) -> None:
    """The order that REST knows of and the socket has not told is published, and the socket replaced: the
    new one first. A stream that tells is left alone afterwards."""
    async with open_bench(venue) as bench, running_ingest(bench):
        await trio.sleep(20)
        mute(bench)
        order = bench.buy()
        sockets = bench.venue.sessions(bench.leader)
        await trio.sleep(30)
        assert await bench.told() == []
        assert bench.venue.sessions(bench.leader) == sockets  # alive all the time
        bench.venue.faults.clear()
        await trio.sleep(SWEEP_S)
        assert [(each[0], each[2]) for each in await bench.told()] == [(order, False)]
        (said,) = bench.said("session.silent")
        assert (said["missed"], said["silent_rotations"], said["venue"]) == ([order], 1, venue)
        after = bench.venue.sessions(bench.leader)
        assert (len(after), len(set(after) - set(sockets))) == (len(sockets), 1)
        assert bench.said("session.ended") == []  # never without one
        for _ in range(5):
            heard = bench.buy()
            await trio.sleep(SWEEP_S)
            assert heard in [each[0] for each in await bench.told()]
        assert bench.venue.sessions(bench.leader) == after
        assert len(bench.said("session.silent")) == 1


@pytest.mark.parametrize("venue", Venue)
async def test_a_fill_that_one_push_lost_is_held_against_the_stream(
    venue: Venue, autojump_clock: MockClock
) -> None:
    """The order was told, its fill was not: the stream is not to be relied on. Each time it is counted."""
    async with open_bench(venue) as bench, running_ingest(bench):
        await trio.sleep(20)
        for count in (1, 2):
            low = bench.order(kind="limit", price=bench.instrument.price / 2, client_order_id=f"low{count}")
            bench.act(Place(account=bench.leader, order=low))
            await trio.sleep(1)
            mute(bench)
            bench.act(SetPrice(symbol=low.symbol, price=bench.instrument.price / 2))
            await trio.sleep(1)
            bench.venue.faults.clear()
            bench.act(SetPrice(symbol=low.symbol, price=bench.instrument.price))
            await trio.sleep(2 * SWEEP_S)
            assert [line["silent_rotations"] for line in bench.said("session.silent")] == [
                *range(1, count + 1)
            ]


@pytest.mark.parametrize(
    ("venue", "how"),
    [*((each, mute) for each in Venue), *((each, silence) for each in Venue if each is not Venue.BINGX)],
)
async def test_a_stream_that_stays_silent_is_replaced_again(
    venue: Venue, how: Callable[[Bench], None], autojump_clock: MockClock
) -> None:
    """The replacement is held to the same, from when it was ready on."""
    async with open_bench(venue) as bench, running_ingest(bench):
        sockets = len(bench.venue.sessions(bench.leader))
        how(bench)
        for count in (1, 2, 3):
            await trio.sleep(20)
            order = bench.buy()
            await trio.sleep(2 * SWEEP_S)
            said = bench.said("session.silent")
            assert (len(said), said[-1]["missed"]) == (count, [order])
        assert len(bench.venue.sessions(bench.leader)) == sockets


@pytest.mark.parametrize("venue", Venue)
async def test_a_stream_that_tells_is_never_replaced(venue: Venue, autojump_clock: MockClock) -> None:
    """Hours of orders of all kinds, repeated pushes, broken sockets and what happens while there is none."""
    rng = random.Random(f"healthy {venue}")
    async with open_bench(venue) as bench, running_ingest(bench):
        price, symbol = bench.instrument.price, bench.instrument.symbol
        for number in range(240):
            await trio.sleep(rng.uniform(0.1, 60))
            match rng.randrange(6):
                case 0 | 1:
                    side = rng.choice(["buy", "sell"])
                    bench.act(Place(account=bench.leader, order=bench.order(side=side)))
                case 2:
                    name = f"resting{number}"
                    resting = bench.order(kind="limit", price=price / 2, client_order_id=name)
                    bench.act(Place(account=bench.leader, order=resting))
                    await trio.sleep(rng.uniform(0.1, 90))
                    if rng.random() < 0.5:
                        bench.act(Cancel(account=bench.leader, symbol=symbol, client_order_id=name))
                    else:
                        bench.act(SetPrice(symbol=symbol, price=price / 2))
                        bench.act(SetPrice(symbol=symbol, price=price))
                case 3:
                    bench.act(SetPrice(symbol=symbol, price=price, depth=bench.instrument.minimum))
                    order = bench.order(size=3 * bench.instrument.minimum)
                    bench.act(Place(account=bench.leader, order=order))
                    await trio.sleep(rng.uniform(0.1, 30))
                    bench.act(SetPrice(symbol=symbol, price=price))
                case 4:
                    bench.act(Arm(fault=Fault(kind="duplicate_push", account=bench.leader)))
                    bench.buy()
                case 5:
                    bench.act(DropSockets(account=bench.leader))
                    bench.buy()
        await trio.sleep(2 * SWEEP_S)
        assert bench.said("session.silent") == []
        assert len(bench.said("sweep.done")) > 100  # it was held against REST


class Heard:
    """A hearing, ready at the beginning, and sweeps of what is given."""

    def __init__(self) -> None:
        self.clock = TrioClock(ORIGIN)
        self.hearing = Hearing(self.clock)
        self.hearing.ready()

    def missed(self, *facts: OrderFact, after_s: int = 120) -> list[VenueOrderId]:
        begun = ORIGIN + after_s * NS_PER_S
        return self.hearing.missed(Swept(Told(facts=facts), begun - 60 * NS_PER_S - OVERLAP_NS, begun))


def fill(order: str, *, at_s: float, filled: int = 1, **changed: object) -> OrderFact:
    return fact(
        venue_order_id=VenueOrderId(order),
        cum_filled=Decimal(filled),
        ts_venue=ORIGIN + round(at_s * NS_PER_S),
        **changed,
    )


async def test_only_what_should_have_been_told_is_missed(autojump_clock: MockClock) -> None:
    """Not before the stream was ready, nor so soon before the sweep that its push may be on its way."""
    grace = GRACE_NS // NS_PER_S
    heard = Heard()
    fills = [fill(f"at{at}", at_s=at) for at in (-5, 0, grace - 1, grace, 60, 120 - grace, 121 - grace, 120)]
    assert heard.missed(*fills) == [f"at{grace}", "at60", f"at{120 - grace}"]


async def test_what_was_told_is_not_missed(autojump_clock: MockClock) -> None:
    """As much filled as the sweep says, whatever its time; an order without a fill is not asked for."""
    heard = Heard()
    heard.hearing.hear(Told(facts=(fill("part", at_s=50, filled=1), fill("whole", at_s=50, filled=2))))
    live = fact(status=OrderStatus.LIVE, cum_filled=Decimal(0), ts_venue=ORIGIN + 60 * NS_PER_S)
    assert heard.missed(fill("part", at_s=60, filled=2), fill("whole", at_s=60, filled=2), live) == ["part"]


async def test_nothing_is_missed_without_a_socket(autojump_clock: MockClock) -> None:
    """Before the first is ready."""
    heard = Heard()
    heard.hearing = Hearing(heard.clock)
    assert heard.missed(fill("early", at_s=60)) == []


async def test_a_frame_that_cannot_be_read_is_no_silence(autojump_clock: MockClock) -> None:
    """It may have told the fill: what happened before it is not asked for."""
    heard = Heard()
    await trio.sleep(60)
    heard.hearing.deaf()
    assert heard.missed(fill("unread", at_s=59), fill("later", at_s=100)) == ["later"]


async def test_a_socket_that_is_not_read_is_not_silent(autojump_clock: MockClock) -> None:
    """While the queue is away pushes wait in the socket: neither then nor just afterwards are they missed."""
    heard = Heard()
    await trio.sleep(50)
    with heard.hearing.busy():
        await trio.sleep(50)
        assert heard.missed(fill("waits", at_s=60), fill("before", at_s=30)) == ["before"]
    assert heard.missed(fill("waits", at_s=60)) == []
    with heard.hearing.busy():
        await trio.sleep(1)
    assert heard.missed(fill("lost", at_s=115), after_s=130) == ["lost"]


async def test_what_was_told_is_kept_as_long_as_sweeps_ask_for_it(autojump_clock: MockClock) -> None:
    """And no longer: an account that trades for months costs no more than one that began today."""
    heard = Heard()
    for number in range(100):
        at = 60 * number
        told = fill(str(number), at_s=at + 20)
        heard.hearing.hear(Told(facts=(told,)))
        assert heard.missed(told, after_s=at + 60) == []
    assert len(heard.hearing._filled) <= 3
