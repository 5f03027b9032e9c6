"""What accounts hold, as their venues tell: kept for the reconciler."""

from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from services.oms.intake import Handled
from spider_common.messages import PositionUpdate
from spider_common.stores.positions import PositionStore
from spider_common.stores.table import Conflict, TableError
from spider_common.stores.trading import Stored

_AGAIN_S: Final = 0.5


class Positions:
    """Handles what sweeps and sessions tell of positions, followers' and leaders'."""

    def __init__(self, store: PositionStore, log: FilteringBoundLogger) -> None:
        self._store, self._log = store, log
        self._news = trio.Event()

    async def news(self) -> None:
        """Returns when something new has been kept."""
        await self._news.wait()

    async def handle(self, update: PositionUpdate) -> Handled:
        while True:
            try:
                await self._keep(update)
                return Handled()
            except Conflict:
                continue  # another worker has kept another word of the same account
            except TableError as error:
                self._log.warning("positions.postponed", account=update.account, error=str(error))
                await trio.sleep(_AGAIN_S)

    async def _keep(self, update: PositionUpdate) -> None:
        before = await self._store.positions(update.venue, update.account)
        after = before.value.observe(update.positions, whole=update.whole, asked=update.asked)
        if after != before.value:
            await self._store.save_positions(update.venue, update.account, Stored(after, before.version))
            self._news.set()
            self._news = trio.Event()
