"""Laws of rate budgets in one process: no window holds more than its count, and cancelling takes nothing."""

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import Limit
from spider_common.clock import NS_PER_S, TrioClock
from tests.windows import ORIGIN, fullest_window, limits, on_mock_clock

arrivals = st.lists(st.integers(0, 3_000), min_size=1, max_size=60)


async def granted(limit: Limit, arrivals_ms: Sequence[int]) -> list[int]:
    """When each request that arrives then was let through, Unix ns."""
    clock = TrioClock(ORIGIN)
    budgets = Budgets(clock)
    times: list[int] = []

    async def caller(at_ms: int) -> None:
        await trio.sleep(at_ms / 1_000)
        await budgets.acquire(("bucket", limit))
        times.append(clock.now())

    async with trio.open_nursery() as nursery:
        for at in arrivals_ms:
            nursery.start_soon(caller, at)
    return times


@given(limits, arrivals)
def test_no_window_holds_more_than_its_count(limit: Limit, arrivals_ms: list[int]) -> None:
    """Whenever requests arrive and wherever a window begins, at most `count` are let through in it."""
    times = on_mock_clock(granted, limit, arrivals_ms)
    assert len(times) == len(arrivals_ms)
    assert fullest_window(times, limit) <= limit.count


@given(limits, st.integers(1, 8))
def test_the_shares_of_tasks_are_no_more_than_the_whole(limit: Limit, tasks: int) -> None:
    """N shares hold at most the limit in one window, and never more than its rate."""
    share = limit.share(tasks)
    assert tasks * share.count / share.window_s <= limit.count / limit.window_s * (1 + 1e-9)
    if limit.count >= tasks:
        assert tasks * share.count <= limit.count
        assert share.window_s == limit.window_s


async def test_a_quarter_of_a_window_may_go_at_once(autojump_clock: MockClock) -> None:
    """An idle bucket does not slow a burst of a quarter of its count."""
    times = await granted(Limit(60, 2.0), [0] * 15)
    assert set(times) == {ORIGIN}


async def test_a_whole_count_is_through_when_its_window_is(autojump_clock: MockClock) -> None:
    """The others go at an even pace: the limit is used, not only kept."""
    times = await granted(Limit(60, 2.0), [0] * 60)
    assert max(times) <= ORIGIN + 2 * NS_PER_S + 60_000  # a pace is whole microseconds


async def test_whoever_waits_goes_in_turn(autojump_clock: MockClock) -> None:
    """First come, first served, where nobody says who they are."""
    budgets = Budgets(TrioClock(ORIGIN))
    order: list[int] = []

    async def caller(number: int) -> None:
        await budgets.acquire(("bucket", Limit(2, 1.0)))
        order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(caller, number)
            await trio.testing.wait_all_tasks_blocked()
    assert order == list(range(10))


async def test_back_off_closes_a_bucket(autojump_clock: MockClock) -> None:
    """Nothing of it leaves before the latest time given; other buckets are not concerned."""
    clock, limit = TrioClock(ORIGIN), Limit(60, 2.0)
    budgets = Budgets(clock)
    await budgets.back_off("closed", limit, ORIGIN + 5 * NS_PER_S)
    await budgets.back_off("closed", limit, ORIGIN + 1 * NS_PER_S)
    await budgets.acquire(("open", limit))
    assert clock.now() == ORIGIN
    await budgets.acquire(("closed", limit))
    assert clock.now() == ORIGIN + 5 * NS_PER_S


async def test_a_back_off_reaches_those_who_wait(autojump_clock: MockClock) -> None:
    """A caller that already waits for its turn waits for the later time."""
    clock, limit = TrioClock(ORIGIN), Limit(1, 1.0)
    budgets = Budgets(clock)
    await budgets.acquire(("bucket", limit))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(budgets.acquire, ("bucket", limit))
        await trio.testing.wait_all_tasks_blocked()
        await budgets.back_off("bucket", limit, ORIGIN + 9 * NS_PER_S)
    assert clock.now() >= ORIGIN + 9 * NS_PER_S


async def test_a_request_waits_for_each_of_its_limits(autojump_clock: MockClock) -> None:
    """The tightest decides, and no token of the other is taken meanwhile."""
    clock = TrioClock(ORIGIN)
    budgets, wide, narrow = Budgets(clock), Limit(2, 10.0), Limit(1, 3.0)
    await budgets.acquire(("narrow", narrow))
    with trio.move_on_after(1):
        await budgets.acquire(("wide", wide), ("narrow", narrow))
    begun = clock.now()
    await budgets.acquire(("wide", wide))
    assert clock.now() == begun  # the one token that an idle `wide` gives at once was still there
    await budgets.acquire(("narrow", narrow))
    assert clock.now() == ORIGIN + 3 * NS_PER_S


async def test_cancelling_takes_no_token(autojump_clock: MockClock) -> None:
    """However many give up waiting, the next one is let through as if they had not been there."""
    for quitters in (0, 50):
        clock, limit = TrioClock(ORIGIN), Limit(2, 1.0)
        budgets = Budgets(clock)
        begun = clock.now()
        await budgets.acquire(("bucket", limit))
        for _ in range(quitters):
            with trio.move_on_after(0.001):
                await budgets.acquire(("bucket", limit))
        await budgets.acquire(("bucket", limit))
        assert clock.now() - begun == NS_PER_S


async def test_buckets_are_apart(autojump_clock: MockClock) -> None:
    """An account that waits keeps no other waiting."""
    clock, limit = TrioClock(ORIGIN), Limit(1, 1.0)
    budgets = Budgets(clock)
    for account in range(100):
        await budgets.acquire((("order", str(account)), limit))
    assert clock.now() == ORIGIN


@pytest.mark.parametrize("idle_s", [0, 10_000])
async def test_idle_time_is_not_saved_up(idle_s: int, autojump_clock: MockClock) -> None:
    """A bucket that rested for hours lets no more through at once than a new one."""
    clock, limit = TrioClock(ORIGIN), Limit(10, 1.0)
    budgets = Budgets(clock)
    await budgets.acquire(("bucket", limit))
    await trio.sleep(10 + idle_s)
    begun = clock.now()
    for _ in range(10):
        await budgets.acquire(("bucket", limit))
    assert clock.now() > begun


class _SetBack(TrioClock):
    """A wall clock that somebody sets back by an hour."""

    is_set_back = False

    def now(self) -> int:
        return super().now() - (3_600 * NS_PER_S if self.is_set_back else 0)


async def test_a_clock_that_is_set_back_costs_a_window(autojump_clock: MockClock) -> None:
    """Requests after an hour that comes twice wait for the even pace, and not for an hour."""
    clock, limit = _SetBack(ORIGIN), Limit(10, 1.0)
    budgets = Budgets(clock)
    for _ in range(2):
        await budgets.acquire(("bucket", limit))
    clock.is_set_back = True
    begun = clock.now()
    for _ in range(8):
        await budgets.acquire(("bucket", limit))
    assert clock.now() - begun == NS_PER_S
