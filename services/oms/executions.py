"""What followers' venues tell of our orders: reduced once, into progress and attributed positions."""

from decimal import Decimal
from typing import Final

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from services.oms.intake import Handled, Later, Verdict
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.executions import Execution, OrderProgress
from spider_common.domain.identifiers import ClientOrderId
from spider_common.domain.intents import Intent
from spider_common.domain.journal import withdraw
from spider_common.domain.orders import CopyState, OrderFact
from spider_common.domain.positions import LegKind
from spider_common.messages import EquityUpdate, FollowerUpdate
from spider_common.stores.table import Conflict, TableError
from spider_common.stores.trading import Holding, OrderRecord, Stored, TradingStore

_AGAIN_S: Final = 0.5
_NOT_INDEXED_NS: Final = NS_PER_S
_FOREIGN_AFTER_NS: Final = 60 * NS_PER_S
"""An order with an id of our form that is still unknown after this long is not of this system. Counted
from this service's start where that is later: after an outage all news is old, and the orders that a
dead owner did not make findable are still to be adopted."""


class Executions:
    """Handles what followers' sessions and sweeps tell."""

    def __init__(self, *, trading: TradingStore, clock: Clock, log: FilteringBoundLogger) -> None:
        self._trading, self._clock, self._log = trading, clock, log
        self._started = clock.now()

    async def handle(self, update: FollowerUpdate | EquityUpdate) -> Verdict:
        while True:
            try:
                if isinstance(update, EquityUpdate):
                    await self._trading.put_equity(update.venue, update.equity)
                    return Handled()
                return await self._reduce(update)
            except Conflict:  # something moved meanwhile, or the fill was counted before: read again
                update = await self._without_counted(update)
            except TableError as error:
                self._log.warning("execution.postponed", error=str(error))
                await trio.sleep(_AGAIN_S)

    async def _without_counted(self, update: FollowerUpdate | EquityUpdate) -> FollowerUpdate | EquityUpdate:
        """The update less a fill that is in the table. Most fills are new: this is asked after a conflict."""
        if isinstance(update, EquityUpdate) or update.execution is None:
            return update
        while True:
            try:
                counted = await self._trading.has_execution(update.execution)
            except TableError as error:
                self._log.warning("execution.postponed", error=str(error))
                await trio.sleep(_AGAIN_S)
                continue
            return msgspec.structs.replace(update, execution=None) if counted else update

    async def _reduce(self, update: FollowerUpdate) -> Verdict:
        order = client_order_of(update)
        if order is None:
            return Handled()  # the client's own order, placed by hand: not ours to count
        record = await self._trading.order(order)
        if record is None:
            now = self._clock.now()
            waited = now - max(told_at(update), self._started)
            if waited > _FOREIGN_AFTER_NS:
                self._log.warning("execution.foreign", account=update.account, order=order)
                return Handled()
            # As long again each time: the queue sets a message aside that it has delivered too often.
            return Later(now + max(waited, _NOT_INDEXED_NS))
        await self._count(record, update)
        return Handled()

    async def _count(self, record: OrderRecord, update: FollowerUpdate) -> None:
        stored = await self._trading.progress(record.intent.client_order_id)
        before = stored.value if stored else OrderProgress(state=CopyState.PLANNED)
        after, execution, holding = before, update.execution, None
        if execution is not None:
            after = after.execute(execution)
            held = await self._trading.holding(record.intent)
            holding = Stored(_add(held.value, execution), held.version)
        if update.fact is not None:
            after = after.observe(update.fact)
        if after == before and execution is None:
            return
        book = None
        missed = _ordered(record.intent, update) - after.cum_filled
        if after.state is CopyState.CANCELED and before.state is not CopyState.CANCELED and missed > 0:
            found = await self._trading.book(record.intent.product, record.shard, record.leader_symbol)
            book = Stored(withdraw(found.value, record.intent, missed), found.version)
        await self._trading.save_progress(
            record,
            Stored(after, stored.version if stored else 0),
            execution=execution,
            holding=holding,
            book=book,
            venue_order_id=_venue_order(update),
        )
        self._log.info(
            "order.progress",
            order=record.intent.client_order_id,
            account=update.account,
            state=after.state,
            cum_filled=str(after.cum_filled),
            executed=str(after.executed),
        )


def client_order_of(update: FollowerUpdate) -> ClientOrderId | None:
    told = update.fact or update.execution
    return None if told is None else told.client_order_id


def told_at(update: FollowerUpdate) -> int:
    told: OrderFact | Execution | None = update.fact or update.execution
    return 0 if told is None else told.ts_venue


def _ordered(intent: Intent, update: FollowerUpdate) -> Decimal:
    """What was asked of the venue, base quantity: a sale may have been cut after it was planned.

    Of a buy the venue may tell only what it has bought, so the plan says it.
    """
    if update.fact is None or intent.leg is LegKind.OPEN:
        return intent.quantity
    return min(intent.quantity, update.fact.quantity)


def _venue_order(update: FollowerUpdate) -> str:
    told = update.fact or update.execution
    assert told is not None, "an update without an order was handled before"
    return told.venue_order_id


def _add(holding: Holding, execution: Execution) -> Holding:
    return Holding(
        quantity=holding.quantity + execution.signed,
        executions=holding.executions + 1,
        ts_venue=max(holding.ts_venue, execution.ts_venue),
    )
