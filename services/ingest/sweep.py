"""REST is the truth: what an account's sockets may have missed is asked for, again and again."""

from collections.abc import Callable
from typing import Final

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from services.ingest.keys import Key
from services.ingest.publish import Publisher
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.products import Account
from spider_common.stores.documents import Stored
from spider_common.stores.table import Conflict, TableError
from spider_common.stores.trading import Mark, TradingStore
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import Told, VenueClient

OVERLAP_NS: Final = 60 * NS_PER_S
"""How far a sweep looks back before the last one: clocks differ, and venues list late."""
_AGAIN_S: Final = 1.0


class Swept(msgspec.Struct, frozen=True):
    """What a sweep told of the time after `since`; it began at `begun` (both Unix ns)."""

    told: Told
    since: int
    begun: int


class Sweeper:
    """Sweeps one account. A product's first sweep only remembers what is there."""

    def __init__(
        self,
        account: Account,
        *,
        client: VenueClient,
        key: Key,
        publisher: Publisher,
        trading: TradingStore,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._account, self._client, self._key = account, client, key
        self._publisher, self._trading, self._clock, self._log = publisher, trading, clock, log
        self._wanted = trio.Event()
        self._turn = trio.Lock()  # sockets that connect and the timer may want one at the same time
        self._last: Swept | None = None
        self._begun = 0

    async def sweep(self) -> Swept:
        """Asks until the venue, the queue and the table have all answered.

        Who waited while another sweep began is served by that one: it asked later than he.
        """
        asked = self._begun
        async with self._turn:
            if self._begun > asked and self._last is not None:
                return self._last
            self._begun += 1
            while True:
                try:
                    self._last = swept = await self._sweep()
                except Conflict:
                    continue  # a task of a deploy overlap swept meanwhile; both may
                except (VenueError, TableError) as error:
                    self._log.warning("sweep.failed", account=self._account.account, error=str(error))
                    await trio.sleep(_AGAIN_S)
                else:
                    return swept

    def follow(self) -> None:
        """Has the timer sweep now if a product waits to join: a leader's orders are held until it has."""
        if self._publisher.joining:
            self._wanted.set()

    async def serve_timer(self, every_s: float, swept: Callable[[Swept], None]) -> None:
        """Sweeps now and then until cancelled; `swept` is called with what each has told."""
        while True:
            with trio.move_on_after(every_s):
                await self._wanted.wait()
            self._wanted = trio.Event()
            swept(await self.sweep())

    async def _sweep(self) -> Swept:
        venue, account, publisher = self._account.venue, self._account.account, self._publisher
        mark = await self._trading.mark(venue, account)
        joined = publisher.join(mark.value.joined if mark else {})
        begun = self._clock.now()
        since = (mark.value.swept if mark else begun) - OVERLAP_NS
        joining = dict.fromkeys(publisher.joining, begun)
        told = await self._client.sweep(await self._key.current(), account, since=since)
        new = await publisher.publish(told, joining=joining, asked=begun)
        swept = Mark(swept=begun, joined={**joined, **joining})
        await self._trading.save_mark(venue, account, Stored(swept, mark.version if mark else 0))
        self._log.info("sweep.done", account=account, new=new, joined=sorted(joining))
        return Swept(told, since, begun)
