"""One leader event: from the message to outcomes. The heart of the service, to be read first."""

from collections.abc import Collection
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from services.oms.intake import Handled, Later, Poison, Verdict
from services.oms.journal import Finished, Journal, Mine, Theirs, UnknownProduct
from services.oms.record import Fenced
from services.oms.resolve import Resolver
from services.oms.submit import Submitter
from spider_common.clock import NS_PER_MS, Clock
from spider_common.domain.drafting import UnknownInstrument
from spider_common.domain.identifiers import ClientOrderId
from spider_common.domain.intents import Event
from spider_common.domain.journal import JournalRow
from spider_common.domain.orders import CopyState
from spider_common.stores.documents import Stored
from spider_common.stores.table import TableError
from spider_common.stores.trading import TradingStore
from spider_common.telemetry.metrics import Meter
from spider_common.telemetry.registry import EVENTS_COPIED
from spider_common.venues.outcomes import VenueError

PATIENCE_S: Final = 0.25
"""How long an event waits for a follower whose rate budget is used up, before the resolver has its order."""
_AGAIN_S: Final = 0.5


class Copier:
    """Handles leader events."""

    def __init__(
        self,
        *,
        journal: Journal,
        submitter: Submitter,
        resolver: Resolver,
        trading: TradingStore,
        clock: Clock,
        meter: Meter,
        log: FilteringBoundLogger,
    ) -> None:
        self._journal, self._submitter, self._resolver = journal, submitter, resolver
        self._trading, self._clock, self._meter, self._log = trading, clock, meter, log

    async def handle(self, event: Event, received: int) -> Verdict:
        """Plans an event, makes its intents durable, sends them, and says when its message may go.

        It may go when each intent has a terminal outcome or stands durably in doubt or held; those
        the resolver looks after from there.
        """
        while True:
            try:
                opened = await self._journal.open(event, received)
                break
            except (UnknownProduct, UnknownInstrument) as error:
                return Poison(str(error))
            except (TableError, VenueError) as error:  # nothing was sent: wait for the table or the list
                self._log.warning("event.postponed", event_id=event.event_id, error=str(error))
                await trio.sleep(_AGAIN_S)
        match opened:
            case Theirs(until=until):
                return Later(until)
            case Finished(reason=reason, stored=stored):
                if stored is not None:  # who finished it may have died before its orders were kept
                    await self._keep_orders(stored)
                self._log.info("event.nothing", event_id=event.event_id, reason=reason)
                return Handled()
            case Mine(stored=stored):
                return await self._copy(stored)

    async def _copy(self, planned: Stored[JournalRow]) -> Verdict:
        stored = planned
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_orders, planned, name="oms.keep_orders")
            try:
                while any(intent.state is CopyState.PLANNED for intent in stored.value.unfinished):
                    stored = await self._submit(stored)
            except Fenced:
                nursery.cancel_scope.cancel()
                return Later(self._clock.now())
        await self._keep_orders(stored, stored.value.changed_since(planned.value))
        if stored.value.unfinished:
            self._resolver.take(stored)
        self._tell(stored.value)
        return Handled()

    async def _submit(self, stored: Stored[JournalRow]) -> Stored[JournalRow]:
        try:
            return await self._submitter.advance(stored, patience_s=PATIENCE_S)
        except TableError as error:
            self._log.warning("submit.postponed", error=str(error))
            await trio.sleep(_AGAIN_S)
            return stored

    async def _keep_orders(
        self, stored: Stored[JournalRow], only: Collection[ClientOrderId] | None = None
    ) -> None:
        """Makes the orders findable, as the row has them. Executions that come first wait for it."""
        while True:
            try:
                return await self._trading.orders.follow(stored, only)
            except TableError as error:
                self._log.warning("orders.not_kept", error=str(error))
                await trio.sleep(_AGAIN_S)

    def _tell(self, row: JournalRow) -> None:
        """The canonical line of one event."""
        event, now = row.event, self._clock.now()
        self._meter.count(EVENTS_COPIED)
        counts: dict[str, int] = {}
        for intent in row.intents:
            counts[intent.state] = counts.get(intent.state, 0) + 1
        self._log.info(
            "event.copied",
            event_id=event.event_id,
            product=event.product,
            shard=event.shard,
            symbol=event.symbol,
            cause=event.cause,
            to_ingest_ms=(event.ts_seen - event.ts_signal) // NS_PER_MS,
            in_queue_ms=(row.ts_received - event.ts_published) // NS_PER_MS,
            total_ms=(now - event.ts_seen) // NS_PER_MS,
            **counts,
        )
