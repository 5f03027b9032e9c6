"""Laws of what a new socket tells while the sweep of what was missed before it is under way."""

from decimal import Decimal

import pytest
import trio

from services.ingest.sessions import HOLD_S, _CatchUp
from spider_common.domain.identifiers import AccountId
from spider_common.domain.products import Equity
from spider_common.venues.venue import Told


def told(number: int) -> Told:
    equity = Equity(account=AccountId("a"), equity=Decimal(number), currency="USDT", ts_venue=number)
    return Told(equities=(equity,))


class Published:
    """A publisher that remembers, with the time of each, and takes a moment."""

    def __init__(self) -> None:
        self.told: list[tuple[int, float]] = []

    async def publish(self, what: Told, *, baseline: bool = False) -> int:
        await trio.sleep(0.01)
        self.told.append((what.equities[0].ts_venue, trio.current_time()))
        return 1

    @property
    def numbers(self) -> list[int]:
        return [number for number, _ in self.told]


async def test_what_a_new_socket_tells_comes_after_the_sweep(autojump_clock: trio.abc.Clock) -> None:
    """Law: nothing told before the sweep's end is published before it, and the order of telling is kept."""
    publisher = Published()
    catch_up = _CatchUp(publisher)

    async def sweep() -> None:
        await trio.sleep(2)
        await publisher.publish(told(0))

    await catch_up.tell(told(1))  # also before the subscriptions are all acknowledged
    async with trio.open_nursery() as nursery:
        nursery.start_soon(catch_up.run, sweep)
        for number in (2, 3):
            await trio.sleep(0.5)
            await catch_up.tell(told(number))
    await catch_up.tell(told(4))
    assert publisher.numbers == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("hold_s", [3.0, HOLD_S])
async def test_a_sweep_that_does_not_succeed_holds_nothing_up_for_long(
    hold_s: float, autojump_clock: trio.abc.Clock
) -> None:
    """Law: past `hold_s` what was told is published without the sweep, and what follows at once."""
    publisher = Published()
    catch_up = _CatchUp(publisher, hold_s)
    await catch_up.tell(told(1))
    async with trio.open_nursery() as nursery:
        begin = trio.current_time()
        nursery.start_soon(catch_up.run, trio.sleep_forever)
        await trio.sleep(hold_s + 1)
        await catch_up.tell(told(2))
        nursery.cancel_scope.cancel()
    assert publisher.numbers == [1, 2]
    assert hold_s <= publisher.told[0][1] - begin < hold_s + 1
