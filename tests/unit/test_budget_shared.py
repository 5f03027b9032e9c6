"""Laws of rate budgets that several tasks share, over the cache's twin on a clock that jumps."""

from collections.abc import Sequence
from typing import NamedTuple

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import ADDRESS, Limit
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.stores.cache import Reply, Script
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.shared_buckets import ANSWER_WITHIN_S, ASK_AGAIN_AFTER_S
from tests.windows import BUCKET, ORIGIN, TASKS, buckets, fullest_window, limits, on_mock_clock


class Call(NamedTuple):
    task: int
    at_ms: int


calls = st.lists(st.builds(Call, st.integers(0, TASKS - 1), st.integers(0, 3_000)), min_size=1, max_size=60)
skews = st.lists(st.integers(-60_000, 60_000), min_size=TASKS, max_size=TASKS)


async def granted(
    limit: Limit,
    coming: Sequence[Call],
    skews_ms: Sequence[int],
    *,
    tasks: int = TASKS,
    outage_ms: tuple[int, int] | None = None,
) -> list[int]:
    """When each call was let through, ns from the start. The cache is down from and to these times."""
    cache = MemoryCache()
    made = [
        Budgets(TrioClock(ORIGIN + skew * 1_000_000), buckets(cache, tasks=tasks, skew_ms=skew))
        for skew in skews_ms
    ]
    times: list[int] = []

    async def caller(call: Call) -> None:
        await trio.sleep(call.at_ms / 1_000)
        await made[call.task].acquire((BUCKET, limit))
        times.append(TrioClock(0).now())

    async def outage(begin_ms: int, end_ms: int) -> None:
        await trio.sleep(begin_ms / 1_000)
        cache.is_down = True
        await trio.sleep((end_ms - begin_ms) / 1_000)
        cache.is_down = False

    async with trio.open_nursery() as nursery:
        if outage_ms:
            nursery.start_soon(outage, *outage_ms)
            await trio.testing.wait_all_tasks_blocked()
        for call in coming:
            nursery.start_soon(caller, call)
    return times


@given(limits, calls, skews)
def test_no_window_holds_more_than_its_count(limit: Limit, coming: list[Call], skews_ms: list[int]) -> None:
    """However far apart the tasks' clocks are, what leaves through all of them together keeps the limit."""
    times = on_mock_clock(granted, limit, coming, skews_ms)
    assert len(times) == len(coming)
    assert fullest_window(times, limit) <= limit.count


@given(st.integers(TASKS, 20), st.sampled_from([0.5, 2.0]), calls, st.integers(0, 3_000))
def test_tasks_that_lose_the_cache_keep_the_limit(
    count: int, window_s: float, coming: list[Call], lost_ms: int
) -> None:
    """From the moment at which the cache is gone for ever, before it and across it, no window is too full."""
    limit = Limit(count, window_s)
    times = on_mock_clock(granted, limit, coming, [0] * TASKS, outage_ms=(lost_ms, 10_000_000))
    assert len(times) == len(coming)
    assert fullest_window(times, limit) <= count


@given(limits, calls, st.integers(0, 2_000), st.integers(1, 2_000))
def test_one_task_keeps_the_limit_across_an_outage(
    limit: Limit, coming: list[Call], begin_ms: int, lasts_ms: int
) -> None:
    """To its share and back: what the other side has counted is allowed for."""
    alone = [Call(0, call.at_ms) for call in coming]
    outage = (begin_ms, begin_ms + lasts_ms)
    times = on_mock_clock(granted, limit, alone, [0], tasks=1, outage_ms=outage)
    assert len(times) == len(coming)
    assert fullest_window(times, limit) <= limit.count


def test_a_burst_without_the_cache_is_not_followed_by_one_with_it() -> None:
    """Half of the count has gone at once just before the cache is found again: the other half goes evenly."""
    limit = Limit(10, 1.0)
    coming = [Call(0, 0), *[Call(0, 2_999)] * 5, *[Call(0, 3_001)] * 10]
    times = on_mock_clock(granted, limit, [Call(0, 2_000), *coming], [0], tasks=1, outage_ms=(0, 2_900))
    assert fullest_window(times, limit) <= limit.count


@given(st.integers(TASKS, 20), calls, st.integers(0, 2_000), st.integers(1, 2_000))
def test_tasks_that_return_one_by_one_exceed_by_no_more_than_their_shares(
    count: int, coming: list[Call], begin_ms: int, lasts_ms: int
) -> None:
    """While some count in the cache and others do not, a window holds at most the limit and those shares."""
    limit = Limit(count, 1.0)
    outage = (begin_ms, begin_ms + lasts_ms)
    times = on_mock_clock(granted, limit, coming, [0] * TASKS, outage_ms=outage)
    assert fullest_window(times, limit) <= count + (TASKS - 1) * limit.share(TASKS).count


async def test_all_tokens_or_none(autojump_clock: MockClock) -> None:
    """A request that one bucket refuses takes nothing of the other, nor do later ones of the same call."""
    cache = MemoryCache()
    narrow, wide = (("narrow",), Limit(1, 10.0)), (("wide",), Limit(8, 10.0))
    one, other = buckets(cache), buckets(cache)
    assert await one.take([[narrow]]) == [True]
    assert await other.take([[wide, narrow], [narrow, wide], [wide], [wide], [wide]]) == [
        False,
        False,
        True,
        True,
        False,
    ]


async def test_a_back_off_holds_for_every_task(autojump_clock: MockClock) -> None:
    """What one task was told by the venue holds for the others at once, whatever their clocks show."""
    cache, limit = MemoryCache(), Limit(10, 1.0)
    clock = TrioClock(ORIGIN)
    one = Budgets(clock, buckets(cache))
    other = Budgets(TrioClock(ORIGIN + 30 * NS_PER_S), buckets(cache, skew_ms=30_000))
    await one.back_off(BUCKET, limit, ORIGIN + 5 * NS_PER_S)
    await one.back_off(BUCKET, limit, ORIGIN + 2 * NS_PER_S)
    await other.acquire((BUCKET, limit))
    assert clock.now() == ORIGIN + 5 * NS_PER_S


async def test_a_back_off_outlives_an_outage(autojump_clock: MockClock) -> None:
    """A back-off that the cache could not be told holds here, and for all once it can."""
    cache, limit = MemoryCache(), Limit(10, 1.0)
    clock = TrioClock(ORIGIN)
    one, other = Budgets(clock, buckets(cache)), Budgets(clock, buckets(cache))
    cache.is_down = True
    await one.back_off(BUCKET, limit, ORIGIN + 5 * NS_PER_S)
    cache.is_down = False
    await trio.sleep(ASK_AGAIN_AFTER_S)
    await one.back_off(BUCKET, limit, ORIGIN)
    await other.acquire((BUCKET, limit))
    assert clock.now() == ORIGIN + 5 * NS_PER_S


async def test_egress_addresses_are_apart(autojump_clock: MockClock) -> None:
    """What is counted for an address is shared by the tasks behind it, and by no others."""
    cache, wanted = MemoryCache(), [[((ADDRESS, "orders"), Limit(1, 1.0))]]
    assert await buckets(cache).take(wanted) == [True]
    assert await buckets(cache).take(wanted) == [False]
    assert await buckets(cache, egress="192.0.2.2").take(wanted) == [True]


async def test_nothing_stays_for_ever(autojump_clock: MockClock) -> None:
    """A bucket's value is gone when it says no more than a new one would."""
    cache = MemoryCache()
    taker = buckets(cache)
    await taker.take([[(BUCKET, Limit(10, 1.0))]])
    await taker.close(("closed",), Limit(10, 1.0), ORIGIN + 3 * NS_PER_S)
    assert len(cache._values) == 2
    await trio.sleep(0.3)
    assert len(cache._values) == 1
    await trio.sleep(3)
    assert len(cache._values) == 0


class _Hung(MemoryCache):
    """A cache that answers no script while it hangs."""

    hangs = True

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[bytes] = ()) -> Reply:
        if self.hangs:
            await trio.sleep_forever()
        return await super().run(script, keys, arguments)


async def test_a_cache_that_hangs_delays_one_order_a_second(autojump_clock: MockClock) -> None:
    """No order waits longer than the deadline; loss and recovery are counted and logged once each."""
    cache, clock, lines = _Hung(), TrioClock(ORIGIN), list[str]()
    shared = buckets(cache, lines=lines)
    budgets = Budgets(clock, shared)
    for account in range(50):
        await budgets.acquire((("account", str(account)), Limit(1_000_000, 1.0)))
    deadline = round(ANSWER_WITHIN_S * NS_PER_S)
    assert deadline <= clock.now() - ORIGIN < deadline * 1.01  # and a share's even pace
    assert (shared.losses, shared.recoveries, shared.is_shared) == (1, 0, False)
    cache.hangs = False
    await trio.sleep(ASK_AGAIN_AFTER_S)
    for _ in range(3):
        await budgets.acquire((BUCKET, Limit(10, 1.0)))
    assert (shared.losses, shared.recoveries, shared.is_shared) == (1, 1, True)
    assert ["budgets.local" in line for line in lines] == [True, False]
    assert "budgets.shared" in lines[1]
