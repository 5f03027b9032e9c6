"""Who joins a product is brought in line, and who leaves it is closed, where the subscription says so."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from services.oms.desk import DeskOrders
from services.oms.reference import Reference
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.identifiers import ClientId, ProductId, shard_of
from spider_common.domain.intents import DeskAction, DeskEvent
from spider_common.domain.joining import aligning, closing, wanted
from spider_common.domain.orders import PositionSide
from spider_common.domain.products import Account, Product, Subscription
from spider_common.stores.documents import Stored
from spider_common.stores.positions import Adjusted, PositionStore
from spider_common.stores.table import Conflict, TableError

EVERY_S: Final = 5.0
KNOWN_AFTER_NS: Final = 5 * NS_PER_S
"""By then every task has read a change of the configuration: whoever plans goes by the new one."""


class JoiningDesk:
    """Asks once for each joining and leaving. Two of them ask for the same events."""

    def __init__(
        self,
        *,
        reference: Reference,
        positions: PositionStore,
        desk: DeskOrders,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._reference, self._positions, self._desk = reference, positions, desk
        self._clock, self._log = clock, log
        self._done: dict[tuple[ProductId, ClientId], int] = {}

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Looks every few seconds until cancelled."""
        task_status.started()
        while True:
            try:
                await self.look()
            except TableError as error:
                self._log.warning("joining.postponed", error=str(error))
            await trio.sleep(EVERY_S)

    async def look(self) -> None:
        """Acts on what is new in the configuration.

        Raises:
            TableError: a table does not answer; what was asked for meanwhile is asked for again, harmlessly.
        """
        for product in self._reference.products:
            for subscription in product.subscriptions:
                action = wanted(product, subscription)
                known = self._clock.now() - subscription.since >= KNOWN_AFTER_NS
                if action is not None and known:
                    await self._act(product, subscription, action)

    async def _act(self, product: Product, subscription: Subscription, action: DeskAction) -> None:
        name = (product.product, subscription.client)
        if self._done.get(name, 0) >= subscription.since:
            return
        stored = await self._positions.adjusted(*name)
        if stored.value.since < subscription.since:
            await self._desk.send(await self._events(product, subscription, action))
            try:
                await self._positions.save_adjusted(
                    *name, Stored(Adjusted(since=subscription.since), stored.version)
                )
            except Conflict:
                return  # another task was as quick, and has asked for the same
        self._done[name] = subscription.since

    async def _events(
        self, product: Product, subscription: Subscription, action: DeskAction
    ) -> list[DeskEvent]:
        books = await self._positions.books(product.product, shard_of(subscription.client, product.shards))
        if action is DeskAction.ALIGN:
            return [*aligning(product, subscription, books, await self._entries(product.leader))]
        return [*closing(product, subscription, books, cause="left", ts=subscription.since)]

    async def _entries(self, leader: Account) -> Mapping[tuple[str, PositionSide], Decimal]:
        told = await self._positions.positions(leader.venue, leader.account)
        return {
            (symbol, side): held.entry_price
            for symbol, sides in told.value.positions.items()
            for side, held in sides.items()
            if held.entry_price is not None
        }
