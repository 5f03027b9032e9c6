"""Copy latency, split by where the time goes, from the journal's own stamps."""

from collections.abc import Iterable, Sequence

import msgspec

from spider_common.clock import NS_PER_MS
from spider_common.domain.journal import JournalRow


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """One copy, ms: from reading the leader's push to the venue's answer to the follower's order."""

    total: float
    queue: float
    venue: float

    @property
    def code(self) -> float:
        """What is neither the queue's nor the venue's: ours, rate budgets and the journal included."""
        return self.total - self.queue - self.venue


def latencies(rows: Iterable[JournalRow]) -> list[Latency]:
    """The latency of each order that was answered at the first try, whatever the answer."""
    found = []
    for row in rows:
        event = row.event
        for intent in row.intents:
            if intent.requests != 1 or intent.waited or not intent.ts_answered:
                continue  # a doubt's time is the protocol's waiting, not the path's
            found.append(
                Latency(
                    total=(intent.ts_answered - event.fact.ts_seen) / NS_PER_MS,
                    queue=(row.ts_received - event.ts_published) / NS_PER_MS,
                    venue=(intent.ts_answered - intent.ts_sent) / NS_PER_MS,
                )
            )
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie (nearest rank); 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
