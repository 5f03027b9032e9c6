"""What the laws of rate budgets share: limits, buckets, a clock that jumps, a run's fullest window."""

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from typing import ParamSpec, TypeVar

import trio
from hypothesis import strategies as st
from trio.testing import MockClock

from spider_common.budgets.limits import Limit, Name
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.shared_buckets import SharedBuckets
from spider_common.telemetry.logs import logger

P = ParamSpec("P")
T = TypeVar("T")

ORIGIN = 1_700_000_000 * NS_PER_S
TASKS = 3
BUCKET: Name = ("account", "1")
limits = st.builds(Limit, st.integers(1, 20), st.sampled_from([0.5, 1.0, 2.0]))


def on_mock_clock(run: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a call returns, on a clock that jumps to the next moment at which something happens."""

    async def main() -> T:
        return await run(*args, **kwargs)

    return trio.run(main, clock=MockClock(autojump_threshold=0))


def fullest_window(times: Sequence[int], limit: Limit) -> int:
    """The most of these times (ns) that any half-open window of a limit holds, wherever it begins."""
    ordered = sorted(times)
    return max((bisect_left(ordered, at + limit.window) - n for n, at in enumerate(ordered)), default=0)


def buckets(
    cache: MemoryCache,
    *,
    tasks: int = TASKS,
    skew_ms: int = 0,
    egress: str = "192.0.2.1",
    lines: list[str] | None = None,
) -> SharedBuckets:
    """A task's view of what tasks share; its clock is `skew_ms` ahead, its log lines go to `lines`."""
    clock = TrioClock(ORIGIN + skew_ms * 1_000_000)
    log = logger("test", clock, write=(list[str]() if lines is None else lines).append)
    return SharedBuckets(cache, clock, venue="okx", egress=egress, tasks=tasks, log=log)
