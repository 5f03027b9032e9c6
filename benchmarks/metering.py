"""What measuring costs: CPU of this process for a copy, and for telling all there can be."""

import time
from collections.abc import Sequence
from statistics import median

from benchmarks.measure import ROUNDS, Reading
from spider_common.clock import SystemClock
from spider_common.domain.identifiers import Venue
from spider_common.telemetry.metrics import Meter
from spider_common.telemetry.registry import METRICS, OMS, Counter, Distribution, Gauge

_COPIES = 20_000
_PLACES = 100
"""Values of each distribution that are apart: more than any service has seen between two tellings."""


def run() -> Sequence[Reading]:
    """A copy counts twice and observes seven times, its wait for the rate budget among them."""
    copies, tellings = zip(*(_round() for _ in range(ROUNDS)), strict=True)
    return [
        Reading(what="measuring a copy", value=median(copies), unit="CPU us", goal=10),
        Reading(what="telling every metric at every venue", value=median(tellings), unit="CPU ms", goal=20),
    ]


def _round() -> tuple[float, float]:
    told: list[str] = []
    meter = Meter(OMS, SystemClock(), environment="bench", write=told.append)
    counters = [each for each in METRICS if isinstance(each, Counter) and OMS in each.services][:2]
    distributions = [each for each in METRICS if isinstance(each, Distribution) and OMS in each.services]
    begun = time.process_time()
    for number in range(_COPIES):
        for counter in counters:
            meter.count(counter, venue="okx")
        for distribution in distributions[:7]:
            meter.observe(distribution, number % 1_000 + 0.5, venue="okx")
    copying = time.process_time() - begun
    for venue in Venue:
        _fill(meter, venue)
    begun = time.process_time()
    meter.tell()
    return copying / _COPIES * 1e6, (time.process_time() - begun) * 1e3


def _fill(meter: Meter, venue: Venue) -> None:
    for metric in METRICS:
        match metric:
            case Counter():
                meter.count(metric, venue=venue)
            case Gauge():
                meter.gauge(metric, 1.0, venue=venue)
            case Distribution():
                for place in range(_PLACES):
                    meter.observe(metric, 1.1**place, venue=venue)


if __name__ == "__main__":
    for reading in run():
        print(f"{reading.what}: {reading.value:.2f} {reading.unit}")
