"""Laws of the venues' clocks: requests live and die by them, and one that is far off is said."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from services.local.seed import Follower
from services.simulator.actions import Arm, SkewClock
from services.simulator.faults import Fault
from services.simulator.ledger import Executed
from spider_common.clock import NS_PER_MS, NS_PER_S, TrioClock
from spider_common.domain.identifiers import ClientOrderId, Venue
from spider_common.domain.orders import OrderType, PositionSide, Side
from spider_common.domain.products import Account, FixedRatio
from spider_common.domain.requests import OrderRequest
from spider_common.telemetry.logs import logger
from spider_common.venues.clocks import EVERY_S, serve_clocks
from spider_common.venues.outcomes import Accepted, VenueError
from tests.ingest_rig import Bench, open_bench, running_ingest
from tests.oms_rig import ORIGIN

WINDOW = 2 * NS_PER_S
OFFSETS = [-2 * NS_PER_S, 2 * NS_PER_S]


def executed(bench: Bench, account: str) -> Sequence[Executed]:
    entries = bench.venue.exchange.ledger.entries
    return [each for each in entries if isinstance(each, Executed) and each.order.account == account]


@pytest.mark.parametrize("ahead", OFFSETS)
@pytest.mark.parametrize("venue", Venue)
async def test_an_order_lives_by_the_venues_clock(
    venue: Venue, ahead: int, autojump_clock: MockClock
) -> None:
    """With ours off by as much as the whole window: inside the window it is taken, after it never."""
    ana = Follower(client="ana", sizing=FixedRatio(Decimal(1)), deposit=Decimal(1_000_000), venue=venue)
    async with (
        open_bench(venue, followers=[ana], before=[SkewClock(ahead=ahead)]) as bench,
        bench.world.venues("test") as venues,
    ):
        client, clock = venues[venue], bench.world.clock
        await client.instruments()
        key = await bench.world.secrets.credentials(ana.account)
        assert key is not None
        assert abs(await client.server_time() - clock.now() - ahead) < NS_PER_S / 10
        for number, held_s in enumerate((0, 1.7, 2.2, 3)):
            order = OrderRequest(
                client_order_id=ClientOrderId(f"order{number}"),
                account=Account(account=ana.account, venue=venue),
                symbol=bench.instrument.symbol,
                side=Side.BUY,
                position_side=PositionSide.NET,
                reduce_only=False,
                order_type=OrderType.MARKET,
                size=bench.instrument.minimum,
            )
            hold = Fault(kind="hold_request", account=ana.account, delay=round(held_s * NS_PER_S))
            bench.act(Arm(fault=hold))
            before = len(executed(bench, ana.account))
            outcome = await client.place(key, order, expires=clock.now() + WINDOW)
            await trio.sleep(5)
            in_time = held_s < 2
            assert isinstance(outcome, Accepted) == in_time, outcome
            assert len(executed(bench, ana.account)) - before == in_time


@pytest.mark.parametrize("ahead", OFFSETS)
@pytest.mark.parametrize("venue", Venue)
async def test_a_venue_with_another_clock_is_copied_to(
    venue: Venue, ahead: int, autojump_clock: MockClock
) -> None:
    """Both services learn its time at their start, and both say that it is not ours."""
    ana = Follower(client="ana", sizing=FixedRatio(Decimal(1)), deposit=Decimal(1_000_000), venue=venue)
    async with (
        open_bench(venue, followers=[ana], before=[SkewClock(ahead=ahead)]) as bench,
        running_ingest(bench),
        trio.open_nursery() as nursery,
    ):
        stop = trio.Event()
        await nursery.start(
            lambda task_status: bench.world.serve_oms("oms", stop=stop, task_status=task_status)
        )
        await trio.sleep(5)
        for count in (1, 2, 3):
            bench.buy()
            await trio.sleep(10)
            assert len(executed(bench, ana.account)) == count
        assert not bench.said("order.in_doubt")
        said = bench.said("clock.differs")
        assert {line["service"] for line in said} == {"ingest", "oms"}
        assert all(line["venue"] == venue and line["allowed_ms"] == 500 for line in said)
        assert all(abs(line["offset_ms"] - ahead // NS_PER_MS) < 100 for line in said)
        nursery.cancel_scope.cancel()


class Told:
    """A client whose answers are scripted: how far ahead it is and how long it takes, or an error."""

    def __init__(self, clock: TrioClock, *answers: tuple[float, float] | VenueError) -> None:
        self._clock, self._answers = clock, list(answers)
        self.asked_at: list[float] = []

    async def server_time(self) -> int:
        self.asked_at.append(trio.current_time())
        answer = self._answers.pop(0) if self._answers else (0, 0)
        if isinstance(answer, VenueError):
            raise answer
        ahead, takes = answer
        await trio.sleep(takes / 2)
        told = self._clock.now() + round(ahead * NS_PER_S)
        await trio.sleep(takes / 2)
        return told


async def watch(*answers: tuple[float, float] | VenueError) -> tuple[Told, list[str]]:
    """Three rounds of one venue's clock."""
    clock, lines = TrioClock(ORIGIN), list[str]()
    client = Told(clock, *answers)
    async with trio.open_nursery() as nursery:
        log = logger("test", clock, write=lines.append)
        venues = {Venue.OKX: client}
        await nursery.start(
            lambda task_status: serve_clocks(
                venues,  # type: ignore[arg-type]  # the one method that is asked
                clock=clock,
                skew=NS_PER_S // 2,
                log=log,
                task_status=task_status,
            )
        )
        assert len(client.asked_at) == 1
        await trio.sleep(2 * EVERY_S + 30)
        nursery.cancel_scope.cancel()
    return client, lines


async def test_clocks_are_asked_for_at_the_start_and_again(autojump_clock: MockClock) -> None:
    """A venue that does not answer is said so and asked again; nothing ends."""
    client, lines = await watch(VenueError("busy"), VenueError("busy"))
    assert client.asked_at == [0, EVERY_S, 2 * EVERY_S]
    assert len(lines) == 2
    assert all("clock.unknown" in line and "okx" in line and "busy" in line for line in lines)


@pytest.mark.parametrize(
    ("ahead", "takes", "warnings"),
    [(0.4, 0, 0), (-0.4, 0, 0), (0.6, 0, 1), (-0.6, 0, 1), (0, 3, 0), (3, 3, 1)],
)
async def test_a_clock_that_surely_differs_is_a_warning(
    ahead: float, takes: float, warnings: int, autojump_clock: MockClock
) -> None:
    """Beyond the skew that the protocol assumes; an answer that was long under way accuses nobody."""
    _, lines = await watch((ahead, takes))
    assert sum("clock.differs" in line for line in lines) == warnings
