"""What venues tell of accounts: fills and ends of our orders, counted once; what is held; what it is worth.

News come one message per account, and are counted many at a time: what comes in while a batch is
written makes the next one. Each message is handled when its batch is durable.
"""

from itertools import accumulate
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from services.oms.counting import Counting, News, rows_of
from services.oms.intake import Handled, Later, Poison, Verdict
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.executions import Execution
from spider_common.domain.orders import OrderFact
from spider_common.messages import FollowerUpdate
from spider_common.stores.table import MAX_WRITE_CHANGES, Conflict, TableError, TooLarge
from spider_common.stores.trading import TradingStore

GATHER_S: Final = 0.02
"""How long a batch that is not full waits for more. Nothing that is copied waits for news of its copies."""
_AGAIN_S: Final = 0.5
_NOT_INDEXED_NS: Final = NS_PER_S
_FOREIGN_AFTER_NS: Final = 60 * NS_PER_S
"""An order with an id of our form that is still unknown after this long is not of this system. Counted
from this service's start where that is later: after an outage all news is old, and the orders that a
dead owner did not make findable are still to be adopted."""


class _Waiting:
    """News in a handler's hands, and what it is to be told."""

    def __init__(self, news: News) -> None:
        self.news = news
        self.verdict: Verdict | None = None


class Executions:
    """Handles what accounts' sessions and sweeps tell."""

    def __init__(self, *, trading: TradingStore, clock: Clock, log: FilteringBoundLogger) -> None:
        self._trading, self._clock, self._log = trading, clock, log
        self._started = clock.now()
        self._waiting: dict[_Waiting, None] = {}  # in their order; no more than intake handles at once
        self._turn = trio.Lock()
        self._held = trio.Event()

    async def positions(self) -> None:
        """Returns when something new of what accounts hold has been kept."""
        await self._held.wait()

    async def handle(self, news: News) -> Verdict:
        """Returns when the news is durable, with that of others: who has the turn counts for all."""
        if isinstance(news, FollowerUpdate) and ((told := _told(news)) is None or not told.client_order_id):
            return Handled()  # the client's own order, placed by hand: not ours to count
        mine = _Waiting(news)
        self._waiting[mine] = None
        try:
            async with self._turn:
                if mine.verdict is None and sum(map(_rows, self._waiting)) < MAX_WRITE_CHANGES:
                    await trio.sleep(GATHER_S)
                while mine.verdict is None:
                    await self._count(self._next())
        finally:
            self._waiting.pop(mine, None)
        return mine.verdict

    def _next(self) -> list[_Waiting]:
        """As many as a transaction takes, oldest first."""
        rows = accumulate(map(_rows, self._waiting))
        return [each for each, so_far in zip(self._waiting, rows, strict=True) if so_far <= MAX_WRITE_CHANGES]

    async def _count(self, batch: list[_Waiting]) -> None:
        """One try at a batch: who has no verdict then is still waiting."""
        counting = Counting(self._trading, now=self._clock.now())
        try:
            await counting.count([each.news for each in batch])
            await counting.write()
        except Conflict as conflict:
            await self._separate(batch, counting, conflict)
        except TooLarge as error:
            if len(batch) == 1:
                self._conclude(batch[0], Poison(str(error)))
            else:
                middle = len(batch) // 2
                await self._count(batch[:middle])
                await self._count(batch[middle:])
        except TableError as error:
            self._log.warning("execution.postponed", error=str(error))
            await trio.sleep(_AGAIN_S)
        else:
            for place, each in enumerate(batch):
                self._conclude(each, self._unknown(each.news) if place in counting.unknown else Handled())
            self._tell(counting)
            if counting.is_held_new:
                self._held.set()
                self._held = trio.Event()

    async def _separate(self, batch: list[_Waiting], counting: Counting, conflict: Conflict) -> None:
        """What a conflict does not concern is counted without the rest, which is read again at the end."""
        moved = set(conflict.keys)
        rest = [each for place, each in enumerate(batch) if not counting.touched[place] & moved]
        for each in batch:
            if each not in rest and each in self._waiting:
                del self._waiting[each]
                self._waiting[each] = None
        if 0 < len(rest) < len(batch):
            await self._count(rest)

    def _conclude(self, each: _Waiting, verdict: Verdict) -> None:
        each.verdict = verdict
        self._waiting.pop(each, None)

    def _unknown(self, news: News) -> Verdict:
        """What to do with news of an order that cannot be found."""
        assert isinstance(news, FollowerUpdate), "other news are of no order"
        told, now = _told(news), self._clock.now()
        assert told is not None, "news of no order are not counted"
        waited = now - max(told.ts_venue, self._started)
        if waited > _FOREIGN_AFTER_NS:
            self._log.warning("execution.foreign", account=news.account, order=told.client_order_id)
            return Handled()
        # As long again each time: the queue sets a message aside that it has delivered too often.
        return Later(now + max(waited, _NOT_INDEXED_NS))

    def _tell(self, counting: Counting) -> None:
        for order in counting.orders.values():
            self._log.info(
                "order.progress",
                order=order.intent.client_order_id,
                account=order.intent.account.account,
                state=order.state,
                cum_filled=str(order.progress.cum_filled),
                executed=str(order.progress.executed),
            )


def _rows(waiting: _Waiting) -> int:
    return rows_of(waiting.news)


def _told(update: FollowerUpdate) -> OrderFact | Execution | None:
    return update.fact or update.execution
