"""What the laws of rate budgets share: limits, a clock that jumps, and the fullest window of a run."""

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from typing import ParamSpec, TypeVar

import trio
from hypothesis import strategies as st
from trio.testing import MockClock

from spider_common.budgets.limits import Limit
from spider_common.clock import NS_PER_S

P = ParamSpec("P")
T = TypeVar("T")

ORIGIN = 1_700_000_000 * NS_PER_S
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
