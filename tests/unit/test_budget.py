"""Laws of rate budgets: no window holds more than its count, whoever waits goes in turn."""

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from spider_common.clock import NS_PER_S, TrioClock
from spider_common.venues.budget import Budgets, Limit

ORIGIN = 1_700_000_000 * NS_PER_S
limits = st.builds(Limit, st.integers(1, 20), st.sampled_from([0.5, 1.0, 2.0]))
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
@settings(deadline=None)
def test_no_window_holds_more_than_its_count(limit: Limit, arrivals_ms: list[int]) -> None:
    """Whenever requests arrive and wherever a window begins, at most `count` are let through in it."""
    times = trio.run(granted, limit, arrivals_ms, clock=MockClock(autojump_threshold=0))
    assert len(times) == len(arrivals_ms)
    window = round(limit.window_s * NS_PER_S)
    for begin in times:
        assert sum(begin <= at < begin + window for at in times) <= limit.count


async def test_half_a_window_may_go_at_once(autojump_clock: MockClock) -> None:
    """An idle bucket does not slow a burst of half its count."""
    times = await granted(Limit(60, 2.0), [0] * 30)
    assert set(times) == {ORIGIN}


async def test_a_whole_count_is_through_when_its_window_is(autojump_clock: MockClock) -> None:
    """The other half goes at an even pace: the limit is used, not only kept."""
    times = await granted(Limit(60, 2.0), [0] * 60)
    assert max(times) <= ORIGIN + 2 * NS_PER_S + 1_000  # the clock reads whole microseconds


async def test_whoever_waits_goes_in_turn(autojump_clock: MockClock) -> None:
    """First come, first served."""
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
    budgets.back_off("closed", limit, ORIGIN + 5 * NS_PER_S)
    budgets.back_off("closed", limit, ORIGIN + 1 * NS_PER_S)
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
        budgets.back_off("bucket", limit, ORIGIN + 9 * NS_PER_S)
    assert clock.now() >= ORIGIN + 9 * NS_PER_S


async def test_a_request_waits_for_each_of_its_limits(autojump_clock: MockClock) -> None:
    """The tightest decides, and no token of the other is taken meanwhile."""
    clock = TrioClock(ORIGIN)
    budgets, wide, narrow = Budgets(clock), Limit(4, 1.0), Limit(1, 1.0)
    await budgets.acquire(("a", wide), ("shared", narrow))
    await budgets.acquire(("b", wide), ("shared", narrow))
    assert clock.now() == ORIGIN + 2 * NS_PER_S  # one in two windows: a count of one has no half


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
        await budgets.acquire((("order", account), limit))
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
