"""Copy latency, split by where the time goes, from the order service's canonical lines."""

from collections.abc import Sequence
from pathlib import Path

import msgspec


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """One copy, ms: from reading the leader's push to the venue's answer to the follower's order."""

    total: float
    queue: float
    venue: float

    @property
    def code(self) -> float:
        """What is neither the queue's nor the venue's: ours, rate budgets and the journal included."""
        return self.total - self.queue - self.venue


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """The line of one copy. `latency_ms` is there for orders that were answered at the first try."""

    account: str
    symbol: str
    reason: str
    latency_ms: Latency | None = None


class _Line(msgspec.Struct):
    event: str = ""


def copies(log: Path) -> list[Copy]:
    """The copies that a log tells of."""
    found = []
    for line in log.read_bytes().splitlines():
        try:
            if msgspec.json.decode(line, type=_Line).event == "copy":
                found.append(msgspec.json.decode(line, type=Copy))
        except msgspec.DecodeError:
            continue  # what a library or the interpreter has printed, or a line cut by a kill
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie (nearest rank); 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
