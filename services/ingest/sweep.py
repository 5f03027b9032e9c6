"""REST is the truth: what an account's sockets may have missed is asked for, again and again."""

from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from services.ingest.publish import Publisher
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.products import Account
from spider_common.secret import Credentials
from spider_common.stores.table import Conflict, TableError
from spider_common.stores.trading import Mark, Stored, TradingStore
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import VenueClient

OVERLAP_NS: Final = 60 * NS_PER_S
"""How far a sweep looks back before the last one: clocks differ, and venues list late."""
_AGAIN_S: Final = 1.0


class Sweeper:
    """Sweeps one account. The first sweep of its life only remembers what is there."""

    def __init__(
        self,
        account: Account,
        *,
        client: VenueClient,
        credentials: Credentials,
        publisher: Publisher,
        trading: TradingStore,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._account, self._client, self._credentials = account, client, credentials
        self._publisher, self._trading, self._clock, self._log = publisher, trading, clock, log
        self._turn = trio.Lock()  # sockets that connect and the timer may want one at the same time
        self._begun = 0

    async def sweep(self) -> None:
        """Asks until the venue, the queue and the table have all answered.

        Who waited while another sweep began is served by that one: it asked later than he.
        """
        asked = self._begun
        async with self._turn:
            if self._begun > asked:
                return None
            self._begun += 1
            while True:
                try:
                    return await self._sweep()
                except Conflict:
                    continue  # a task of a deploy overlap swept meanwhile; both may
                except (VenueError, TableError) as error:
                    self._log.warning("sweep.failed", account=self._account.account, error=str(error))
                    await trio.sleep(_AGAIN_S)

    async def serve_timer(self, every_s: float) -> None:
        """Sweeps now and then until cancelled."""
        while True:
            await trio.sleep(every_s)
            await self.sweep()

    async def _sweep(self) -> None:
        venue, account = self._account.venue, self._account.account
        mark = await self._trading.mark(venue, account)
        begun = self._clock.now()
        since = begun if mark is None else mark.value.swept
        told = await self._client.sweep(self._credentials, account, since=since - OVERLAP_NS)
        new = await self._publisher.publish(told, baseline=mark is None)
        await self._trading.save_mark(venue, account, Stored(Mark(swept=begun), mark.version if mark else 0))
        self._log.info("sweep.done", account=account, new=new, baseline=mark is None)
