"""How much of a venue's limits is used, and how long is waited for them."""

from spider_common.budgets.limits import Limit, Name, Wanted
from spider_common.clock import NS_PER_MS, NS_PER_S, Clock
from spider_common.telemetry.metrics import Meter
from spider_common.telemetry.registry import RATE_USE, RATE_WAIT


class Usage:
    """What `Budgets` tells of the requests that it lets in."""

    def __init__(self, meter: Meter, clock: Clock, *, venue: str) -> None:
        self._meter, self._clock, self._venue = meter, clock, venue
        self._taken: dict[Name, tuple[int, Limit]] = {}
        self._since = clock.now()
        meter.read_with(self._tell)

    def let_in(self, wanted: Wanted, waited_ns: int) -> None:
        """A request got its tokens."""
        self._meter.observe(RATE_WAIT, waited_ns / NS_PER_MS, venue=self._venue)
        taken = self._taken
        for name, limit in wanted:
            known = taken.get(name)
            taken[name] = (known[0] + 1 if known else 1, limit)

    def _tell(self) -> None:
        now = self._clock.now()
        seconds = (now - self._since) / NS_PER_S
        if seconds > 0:
            used = (count * limit.window_s / (limit.count * seconds) for count, limit in self._taken.values())
            self._meter.gauge(RATE_USE, round(100 * max(used, default=0.0), 1), venue=self._venue)
        self._taken, self._since = {}, now
