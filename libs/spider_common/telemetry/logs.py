"""Logs: structlog, one JSON object a line on stdout, readable colours on a terminal."""

import sys
from collections.abc import Callable
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from spider_common.clock import NS_PER_S, Clock


def logger(
    service: str, clock: Clock, *, write: Callable[[str], Any] | None = None, level: str = "info"
) -> FilteringBoundLogger:
    """A logger of one service, bound to no global. Times come from `clock`.

    Args:
        write: takes each finished line; stdout when None.
    """

    def stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        now = clock.now()
        event["ts"] = f"{now // NS_PER_S}.{now % NS_PER_S // 1_000:06d}"
        return event

    to_terminal = write is None and sys.stdout.isatty()
    render: Any = structlog.dev.ConsoleRenderer() if to_terminal else structlog.processors.JSONRenderer()
    bound: FilteringBoundLogger = structlog.wrap_logger(
        _Lines(write or to_stdout),
        processors=[structlog.processors.add_log_level, stamp, structlog.processors.format_exc_info, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        service=service,
    )
    return bound


class _Lines:
    """What structlog calls with a rendered line, whatever the level."""

    def __init__(self, write: Callable[[str], Any]) -> None:
        self._write = write

    def msg(self, line: str) -> None:
        self._write(line)

    debug = info = warning = error = critical = exception = log = msg


def to_stdout(line: str) -> None:
    """A line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
