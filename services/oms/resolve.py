"""Doubts: rows that could not be finished at once are looked after here until they are.

Also adopts rows whose owner has died, and mends the orders of those that it had finished: once at start,
then on a timer.
"""

from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from services.oms.journal import Journal, Mine
from services.oms.record import Fenced
from services.oms.submit import Submitter
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.identifiers import ClientOrderId
from spider_common.domain.journal import JournalRow, Timing, next_question
from spider_common.domain.orders import CopyState
from spider_common.schema import Pending
from spider_common.stores.documents import Stored
from spider_common.stores.table import TableError
from spider_common.stores.trading import TradingStore
from spider_common.telemetry.metrics import Meter
from spider_common.telemetry.registry import DOUBT_AGE, DOUBTS_OPEN

ADOPT_EVERY_S: Final = 2.0
_ADOPT_AT_ONCE: Final = 20
MEND_EVERY_S: Final = 60.0
_HELD_AGAIN_NS: Final = NS_PER_S // 4  # how soon to see whether the order before a held one is settled
_TABLE_AGAIN_S: Final = 1.0


class _Case:
    """A row that is looked after, as it stands."""

    def __init__(self, stored: Stored[JournalRow]) -> None:
        self.stored = stored
        self._since: dict[ClientOrderId, int] = {}

    def doubtful(self, now: int) -> list[int]:
        """Of each order that was sent and is not settled: since when that is known here, Unix ns.

        One that is sent again and again stays as doubtful as it was at first.
        """
        sent = [each for each in self.stored.value.unfinished if each.doubt is not None or each.requests]
        self._since = {
            each.client_order_id: self._since.get(
                each.client_order_id, each.doubt.since if each.doubt is not None else now
            )
            for each in sent
        }
        return list(self._since.values())


class Resolver:
    """Takes unfinished rows through further passes."""

    def __init__(
        self,
        *,
        timing: Timing,
        clock: Clock,
        trading: TradingStore,
        journal: Journal,
        submitter: Submitter,
        meter: Meter,
        log: FilteringBoundLogger,
    ) -> None:
        self._timing, self._clock, self._trading = timing, clock, trading
        self._journal, self._submitter, self._meter, self._log = journal, submitter, meter, log
        self._cases: dict[_Case, None] = {}
        meter.read_with(self._measure)
        # Unbounded in count but not in fact: each entry is a row of a message that intake has taken,
        # and intake is bounded. A bound here would make a doubt hold up the queue it must not hold up.
        self._hand_over, self._handed_over = trio.open_memory_channel[_Case](float("inf"))

    def take(self, stored: Stored[JournalRow]) -> None:
        """Looks after a row of this worker from now on."""
        case = _Case(stored)
        self._cases[case] = None
        self._hand_over.send_nowait(case)

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until cancelled. A row under way then is adopted by the next owner after its lease."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._serve_adoption, name="oms.adopt")
            nursery.start_soon(self._serve_mending, name="oms.mend")
            task_status.started()
            async for case in self._handed_over:
                event = case.stored.value.event
                name = f"oms.resolve[{event.product}#{event.shard}/{event.event_id[:8]}]"
                nursery.start_soon(self._look_after, case, name=name)

    async def _look_after(self, case: "_Case") -> None:
        try:
            await self._settle(case)
        finally:
            del self._cases[case]

    async def _settle(self, case: "_Case") -> None:
        """Passes over a row until it is finished, its orders following it."""
        kept = case.stored
        while case.stored.value.unfinished or kept != case.stored:
            try:
                if case.stored.value.unfinished:
                    case.stored = await self._submitter.advance(case.stored)
                await self._trading.orders.follow(case.stored, case.stored.value.changed_since(kept.value))
                kept = case.stored
            except Fenced:
                self._log.warning("journal.fenced", event_id=case.stored.value.event.event_id)
                return
            except TableError as error:
                self._log.warning("resolve.postponed", error=str(error))
                await trio.sleep(_TABLE_AGAIN_S)
                continue
            if case.stored.value.unfinished:
                await trio.sleep(max(self._next_pass(case.stored.value) - self._clock.now(), 0) / NS_PER_S)

    def _measure(self) -> None:
        """How many doubts there are, and how old the oldest is."""
        now = self._clock.now()
        since = [each for case in self._cases for each in case.doubtful(now)]
        self._meter.gauge(DOUBTS_OPEN, len(since))
        self._meter.gauge(DOUBT_AGE, round((now - min(since, default=now)) / NS_PER_S, 3))

    def _next_pass(self, row: JournalRow) -> int:
        """When something of the row can have changed, Unix ns."""
        now = self._clock.now()
        due = [row.lease.ends - self._timing.lease // 2]
        for intent in row.unfinished:
            if intent.state is CopyState.PLANNED:
                return now
            due.append(
                now + _HELD_AGAIN_NS
                if intent.doubt is None
                else next_question(intent.doubt, now, self._timing)
            )
        return min(due)

    async def adopt(self) -> None:
        """Takes over what dead owners have left.

        Raises:
            TableError: the table does not answer.
        """
        now = self._clock.now()
        for row in await self._trading.orphans(now - self._timing.takeover, _ADOPT_AT_ONCE):
            opened = await self._journal.adopt(row)
            if isinstance(opened, Mine):
                await self._trading.orders.follow(opened.stored)  # its owner may have died before
                self.take(opened.stored)

    async def _serve_adoption(self) -> None:
        while True:
            try:
                await self.adopt()
            except TableError as error:
                self._log.warning("adoption.postponed", error=str(error))
            await trio.sleep(ADOPT_EVERY_S)

    async def mend(self) -> None:
        """Brings orders that stand in doubt to what the journal says of them now.

        A row is written before its orders: whose owner died in between is finished, and adopted by nobody.

        Raises:
            TableError: the table does not answer.
        """
        for order in await self._trading.orders.pending(Pending.IN_DOUBT):
            intent = order.intent
            stored = await self._trading.journal(order.event, intent.product, order.shard)
            if stored is not None:
                await self._trading.orders.follow(stored, {intent.client_order_id})

    async def _serve_mending(self) -> None:
        while True:
            try:
                await self.mend()
            except TableError as error:
                self._log.warning("mending.postponed", error=str(error))
            await trio.sleep(MEND_EVERY_S)
