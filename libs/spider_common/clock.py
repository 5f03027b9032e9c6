"""Wall time, in one place: services read it from a `Clock`, pure code gets it as an argument."""

import time
from typing import Final, Protocol

import trio

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000


def utc_day(ns: int) -> str:
    """The UTC day of a time (Unix ns), as `2026-11-25`."""
    return time.strftime("%Y-%m-%d", time.gmtime(ns // NS_PER_S))


class Clock(Protocol):
    """Where wall time comes from."""

    def now(self) -> int:
        """Unix time in integer nanoseconds."""
        ...


class SystemClock:
    """The operating system's clock."""

    def now(self) -> int:
        return time.time_ns()


class TrioClock:
    """Wall time that follows Trio's clock, so that a `MockClock` moves it too.

    `origin` is the Unix time (ns) at which Trio's clock stood at zero. Readings are whole
    microseconds: a float of seconds holds no more over a simulated day.
    """

    def __init__(self, origin: int) -> None:
        self._origin = origin

    def now(self) -> int:
        return self._origin + round(trio.current_time() * 1e6) * 1_000
