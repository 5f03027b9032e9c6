"""Metrics: counted in memory, told every few seconds as lines that CloudWatch reads.

A line is of the Embedded Metric Format; docs/metrics.md shows one. A distribution is told as values with
their counts, which keeps percentiles whatever the number of values, in the form in which the collector of
AWS's OpenTelemetry distribution writes histograms. Its values are rounded to one of eight places in each
doubling: at most 4.5 % from what was observed; least, most and sum are exact.
"""

import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
import trio

from spider_common.clock import NS_PER_MS, Clock
from spider_common.settings import STDOUT
from spider_common.telemetry.logs import to_stdout
from spider_common.telemetry.registry import (
    BY_NAME,
    ENVIRONMENT,
    LOCAL,
    LOOP_LAG,
    NAMESPACE,
    SERVICE,
    TASKS_LIVING,
    VENUE,
    Counter,
    Distribution,
    Gauge,
    Metric,
    dimension_sets,
)

MOST_VALUES: Final = 100
"""What one line may have of one metric."""
LAG_EVERY_S: Final = 0.25
_PLACES: Final = 8  # in each doubling
_NOTHING: Final = -(2**31)  # the place of 0, and of what a clock set back makes less

_Name = tuple[str, str]  # of a metric and of a venue, or ""


class _Values:
    """Many values, few numbers."""

    __slots__ = ("counts", "least", "most", "total")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.least, self.most, self.total = math.inf, -math.inf, 0.0

    def add(self, value: float) -> None:
        place = round(math.log2(value) * _PLACES) if value > 0 else _NOTHING
        counts = self.counts
        counts[place] = counts.get(place, 0) + 1
        self.total += value
        if value < self.least:
            self.least = value
        if value > self.most:
            self.most = value

    def parts(self) -> Iterator[dict[str, Any]]:
        """As they are told: no part has more than `MOST_VALUES`. The first carries the exact sum."""
        places = iter(sorted(self.counts.items()))
        total = self.total
        while part := list(islice(places, MOST_VALUES)):
            yield {
                "Values": [self._value(place) for place, _ in part],
                "Counts": [count for _, count in part],
                "Min": self.least,
                "Max": self.most,
                "Sum": total,
                "Count": sum(count for _, count in part),
            }
            total = 0.0

    def _value(self, place: int) -> float:
        told = 0.0 if place == _NOTHING else 2.0 ** (place / _PLACES)
        return round(min(max(told, self.least), self.most), 6)


class Meter:
    """What one service measures. Counting and observing cost under a microsecond and keep nothing by value.

    Args:
        environment: `registry.environment_of` what names are prefixed with.
        write: takes each finished line; None: nobody is told.
    """

    def __init__(
        self, service: str, clock: Clock, *, environment: str, write: Callable[[str], object] | None
    ) -> None:
        self._service, self._clock, self._environment, self._write = service, clock, environment, write
        self._readings: list[Callable[[], None]] = []
        self._counts: dict[_Name, int] = {}
        self._gauges: dict[_Name, float] = {}
        self._values: dict[_Name, _Values] = {}

    def count(self, metric: Counter, number: int = 1, *, venue: str = "") -> None:
        """So many more."""
        name = (metric.name, venue)
        self._counts[name] = self._counts.get(name, 0) + number

    def gauge(self, metric: Gauge, value: float, *, venue: str = "") -> None:
        """How it stands now. Told once, with the next lines: what is not set anew is not told again."""
        self._gauges[metric.name, venue] = value

    def observe(self, metric: Distribution, value: float, *, venue: str = "") -> None:
        """One value of many."""
        name = (metric.name, venue)
        values = self._values.get(name)
        if values is None:
            values = self._values[name] = _Values()
        values.add(value)

    def read_with(self, reading: Callable[[], None]) -> None:
        """Has `reading` set its gauges before each telling."""
        self._readings.append(reading)

    def tell(self) -> None:
        """Writes what there is to tell, a line for each venue and one for the rest, and forgets it."""
        for reading in self._readings:
            reading()
        plain: dict[_Name, float] = {**self._counts, **self._gauges}
        values, self._counts, self._gauges, self._values = self._values, {}, {}, {}
        if self._write is None:
            return
        lines: dict[tuple[str, int], dict[str, Any]] = {}
        for (metric, venue), value in plain.items():
            lines.setdefault((venue, 0), {})[metric] = value
        for (metric, venue), several in values.items():
            for number, part in enumerate(several.parts()):
                lines.setdefault((venue, number), {})[metric] = part
        for (venue, _), told in sorted(lines.items()):
            self._write(self._line(venue, told))

    def _line(self, venue: str, told: Mapping[str, Any]) -> str:
        directives: dict[tuple[tuple[str, ...], ...], list[Metric]] = {}
        for name in told:
            directives.setdefault(dimension_sets(BY_NAME[name]), []).append(BY_NAME[name])
        line = {
            "event": "metrics",  # as every line of the log has one
            "_aws": {
                "Timestamp": self._clock.now() // NS_PER_MS,
                "CloudWatchMetrics": [
                    {
                        "Namespace": NAMESPACE,
                        "Dimensions": sets,
                        "Metrics": [{"Name": each.name, "Unit": each.unit} for each in metrics],
                    }
                    for sets, metrics in directives.items()
                ],
            },
            ENVIRONMENT: self._environment,
            SERVICE: self._service,
            **({VENUE: venue} if venue else {}),
            **told,
        }
        return msgspec.json.encode(line).decode()


def silent_meter(clock: Clock) -> Meter:
    """A meter that nobody reads."""
    return Meter("", clock, environment=LOCAL, write=None)


async def serve_metrics(
    meter: Meter, *, every_s: float, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Tells what a service measures now and then, and the rest when it is cancelled."""
    meter.read_with(
        lambda: meter.gauge(TASKS_LIVING, trio.lowlevel.current_statistics().tasks_living),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve_lag, meter, name="metrics.lag")
        task_status.started()
        try:
            while True:
                await trio.sleep(every_s)
                meter.tell()
        finally:
            meter.tell()


async def _serve_lag(meter: Meter) -> None:
    while True:
        due = trio.current_time() + LAG_EVERY_S
        await trio.sleep_until(due)
        meter.observe(LOOP_LAG, max(trio.current_time() - due, 0.0) * 1_000)


@asynccontextmanager
async def open_meter(
    service: str,
    clock: Clock,
    *,
    environment: str,
    every_s: float,
    write: Callable[[str], object] | None,
) -> AsyncIterator[Meter]:
    """A meter that tells until the end of the block, and then what is left: nothing counted is lost."""
    meter = Meter(service, clock, environment=environment, write=write)
    async with trio.open_nursery() as nursery:
        await nursery.start(
            lambda task_status: serve_metrics(meter, every_s=every_s, task_status=task_status)
        )
        yield meter
        nursery.cancel_scope.cancel()


@contextmanager
def open_lines(where: str) -> Iterator[Callable[[str], object] | None]:
    """What takes lines: stdout, a file that they are added to, or nothing."""
    if where == STDOUT:
        yield to_stdout
    elif where:
        with Path(where).open("a", buffering=1) as file:  # a line at a time
            yield lambda line: file.write(f"{line}\n")
    else:
        yield None
