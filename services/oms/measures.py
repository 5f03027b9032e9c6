"""What is measured of a copy: whether it went right, and where its time went."""

from typing import Final, NamedTuple

from spider_common.clock import NS_PER_MS
from spider_common.domain.intents import Intent
from spider_common.domain.journal import JournalRow
from spider_common.domain.orders import CopyState
from spider_common.telemetry.metrics import Meter
from spider_common.telemetry.registry import (
    COPY_LATENCY,
    INGEST_LATENCY,
    ORDER_ERRORS,
    ORDERS,
    ORDERS_DENIED,
    PLAN_LATENCY,
    QUEUE_LATENCY,
    SEND_LATENCY,
    VENUE_LATENCY,
)

_ASKED: Final = frozenset({CopyState.ACCEPTED, CopyState.REJECTED, CopyState.IN_DOUBT})


class Stages(NamedTuple):
    """Where the time of a copy went, ns. `total` is from reading the leader's push to the venue's answer, the
    sum of the others."""

    total: int
    ingest: int
    queue: int
    plan: int
    send: int
    venue: int

    @property
    def in_ms(self) -> dict[str, float]:
        return {name: round(time / NS_PER_MS, 3) for name, time in self._asdict().items()}


def stages(row: JournalRow, intent: Intent) -> Stages | None:
    """None of an order that was in doubt, held or sent again: its time is the protocol's waiting."""
    if intent.requests != 1 or intent.waited:
        return None
    event = row.event
    return Stages(
        total=intent.ts_answered - event.ts_seen,
        ingest=event.ts_published - event.ts_seen,
        queue=row.ts_received - event.ts_published,
        plan=row.ts_planned - row.ts_received,
        send=intent.ts_sent - row.ts_planned,
        venue=intent.ts_answered - intent.ts_sent,
    )


def measure(meter: Meter, row: JournalRow, before: Intent, after: Intent) -> None:
    """Counts what a pass has made of an order. An order counts once, by the first answer of its venue."""
    venue = after.account.venue
    if after.state is CopyState.DENIED:
        meter.count(ORDERS_DENIED)
    if before.requests or not after.requests or after.state not in _ASKED:
        return
    meter.count(ORDERS, venue=venue)
    meter.count(ORDER_ERRORS, after.state is not CopyState.ACCEPTED, venue=venue)  # none is a number too
    if (took := stages(row, after)) is not None:
        meter.observe(COPY_LATENCY, took.total / NS_PER_MS, venue=venue)
        meter.observe(INGEST_LATENCY, took.ingest / NS_PER_MS)
        meter.observe(QUEUE_LATENCY, took.queue / NS_PER_MS)
        meter.observe(PLAN_LATENCY, took.plan / NS_PER_MS)
        meter.observe(SEND_LATENCY, took.send / NS_PER_MS)
        meter.observe(VENUE_LATENCY, took.venue / NS_PER_MS, venue=venue)
