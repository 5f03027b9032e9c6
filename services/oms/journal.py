"""From a message to durable intents: nothing reaches a venue before this has written it."""

import msgspec
from structlog.typing import FilteringBoundLogger

from services.oms.record import Fenced, record
from services.oms.reference import Reference
from services.oms.standings import Standings
from spider_common.clock import Clock
from spider_common.domain import journal, mirroring
from spider_common.domain.adjusting import adjust
from spider_common.domain.drafting import Situation
from spider_common.domain.identifiers import AccountId
from spider_common.domain.intents import Cursor, Event, LeaderEvent
from spider_common.domain.journal import JournalRow, Timing
from spider_common.domain.planning import plan
from spider_common.domain.products import Product
from spider_common.domain.reasons import Reason
from spider_common.domain.risk import EQUITY_AGE
from spider_common.stores.documents import Stored
from spider_common.stores.table import Ambiguous, Conflict
from spider_common.stores.trading import TradingStore


class Mine(msgspec.Struct, frozen=True):
    """A row that this worker owns and has work to do for."""

    stored: Stored[JournalRow]


class Finished(msgspec.Struct, frozen=True):
    """Nothing is left to send: the event was planned before, or calls for nothing.

    `stored`: its row, if it has one.
    """

    reason: Reason | None = None
    stored: Stored[JournalRow] | None = None


class Theirs(msgspec.Struct, frozen=True):
    """Another worker owns the row until `until` (Unix ns), takeover margin included."""

    until: int


class UnknownProduct(LookupError):
    """An event of a product that the configuration does not have (yet)."""


def _concerns(event: Event, product: Product) -> bool:
    """Whether the product has the client that the desk asks something for, if it does."""
    return isinstance(event, LeaderEvent) or any(
        each.client == event.client for each in product.subscriptions
    )


class Journal:
    """Opens journal rows for this worker."""

    def __init__(
        self,
        *,
        owner: str,
        timing: Timing,
        clock: Clock,
        trading: TradingStore,
        reference: Reference,
        standings: Standings,
        log: FilteringBoundLogger,
    ) -> None:
        self._owner, self._timing, self._clock = owner, timing, clock
        self._trading, self._reference, self._standings, self._log = trading, reference, standings, log

    async def open(self, event: Event, received: int) -> Mine | Finished | Theirs:
        """Plans an event, or finds what was planned of it. `received`: when its message came, Unix ns.

        Raises:
            UnknownProduct, UnknownInstrument: the configuration or the instrument list lacks it.
            TableError: the table does not answer; nothing was sent.
        """
        while True:
            stored = await self._trading.journal(event.event_id, event.product, event.shard)
            try:
                if stored is not None:
                    return await self._reopen(stored)
                return await self._plan(event, received)
            except (Conflict, Fenced):
                continue  # another worker planned it, took it over or moved the book: look again

    async def adopt(self, row: JournalRow) -> Mine | Finished | Theirs:
        """Takes over a row that an index named as unfinished."""
        event = row.event
        stored = await self._trading.journal(event.event_id, event.product, event.shard)
        if stored is None:
            return Finished()
        try:
            return await self._reopen(stored)
        except Fenced:
            return Theirs(self._clock.now() + self._timing.lease)

    async def _plan(self, event: Event, received: int) -> Mine | Finished:
        situation, cursor_version, book_version = await self._situation(event)
        planned = plan(event, situation) if isinstance(event, LeaderEvent) else adjust(event, situation)
        if isinstance(planned, Reason):
            return Finished(planned)
        now = self._clock.now()
        row = JournalRow(
            event=event,
            intents=planned.intents,
            lease=journal.first_lease(self._owner, now, self._timing),
            ts_received=received,
            ts_planned=now,
        )
        try:
            stored = await self._trading.commit_plan(
                row,
                (planned.cursor, cursor_version) if planned.cursor else None,
                (planned.book, book_version),
            )
        except Ambiguous:
            found = await self._trading.journal(event.event_id, event.product, event.shard)
            if found is None or found.value != row:
                raise
            stored = found
        if row.unfinished:
            return Mine(stored)
        reason = Reason.BASELINE if isinstance(event, LeaderEvent) and event.baseline else None
        return Finished(reason, stored)

    async def _situation(self, event: Event) -> tuple[Situation, int, int]:
        """All that the plan depends on, with the versions of cursor and book."""
        reference, product = self._reference, await self._product(event)
        await reference.know_equities(product)
        await self._standings.know(product)
        if reference.instruments.get(product.leader.venue, event.symbol) is None:
            await reference.load_instruments()
        cursor: Stored[Cursor] | None = None
        if event.leader_order is not None:
            cursor = await self._trading.cursor(event.product, event.shard, event.leader_order)
        book = await self._trading.book(event.product, event.shard, event.symbol)
        resting: dict[AccountId, int] = {}
        if isinstance(event, LeaderEvent) and mirroring.rests(event.fact, reference.naming):
            resting = await self._standings.resting(product)
        now = self._clock.now()
        situation = Situation(
            product=product,
            instruments=reference.instruments,
            cursor=cursor.value if cursor else None,
            book=book.value,
            equities=reference.equities,
            oldest_equity=now - EQUITY_AGE,
            now=now,
            controls=reference.controls,
            replacing=reference.replacing,
            naming=reference.naming,
            firing=reference.firing,
            marks=self._standings.marks,
            standings=self._standings.of(product, resting),
        )
        return situation, cursor.version if cursor else 0, book.version

    async def _product(self, event: Event) -> Product:
        """The product with those who follow it in the event's shard."""
        product = self._reference.share(event)
        if product is None or not _concerns(event, product):
            await self._reference.load_products()
            product = self._reference.share(event)
        if product is None:
            raise UnknownProduct(
                f"event.product: {event.product!r} is not configured; add it or drop the event"
            )
        return product

    async def _reopen(self, stored: Stored[JournalRow]) -> Mine | Finished | Theirs:
        row = stored.value
        if not row.unfinished:
            return Finished(stored=stored)
        now = self._clock.now()
        if not journal.can_take_over(row, now, self._timing):
            return Theirs(row.lease.ends + self._timing.takeover)
        taken = journal.take_over(row, self._owner, now, self._timing)
        saved = await record(self._trading, stored, taken)
        self._log.warning("journal.taken_over", event_id=row.event.event_id, fence=saved.value.lease.fence)
        return Mine(saved)
