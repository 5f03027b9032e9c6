"""What the planner needs beside the event: products, trading states, instruments, equities.

Read ahead and kept fresh.
"""

from collections.abc import Mapping
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from spider_common.domain.configuration import BadConfig
from spider_common.domain.control import Controls
from spider_common.domain.identifiers import AccountId, ProductId, Venue
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.intents import Event
from spider_common.domain.products import Equity, EquityPercent, EquityProportional, Product
from spider_common.domain.risk import needs
from spider_common.domain.standing import Worth
from spider_common.listings import Listings
from spider_common.stores.config import ConfigStore
from spider_common.stores.live_config import LiveConfig
from spider_common.stores.table import TableError
from spider_common.stores.trading import TradingStore
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import VenueClient

_REFRESH_S: Final = 5
_INSTRUMENTS_S: Final = 300


class Reference:
    """The last good reading of each. A failed refresh keeps it and is logged."""

    def __init__(
        self,
        *,
        config: ConfigStore,
        trading: TradingStore,
        venues: Mapping[Venue, VenueClient],
        log: FilteringBoundLogger,
    ) -> None:
        self._config, self._listings = LiveConfig(config, log=log), Listings(config.cache, log=log)
        self._trading, self._venues, self._log = trading, venues, log
        self.worths: dict[AccountId, Worth] = {}
        self.equities: dict[AccountId, Equity] = {}
        self.instruments = InstrumentList(())
        able = {venue: client.capabilities for venue, client in venues.items()}
        self.replacing = frozenset(venue for venue in able if able[venue].amends == "replace")
        self.naming = frozenset(venue for venue in able if able[venue].names_parent)
        self.firing = frozenset(venue for venue in able if able[venue].fires_by_name)

    @property
    def products(self) -> tuple[Product, ...]:
        """Every product, of a moment ago."""
        return self._config.products

    def product(self, product: ProductId) -> Product | None:
        return self._config.product(product)

    def share(self, event: Event) -> Product | None:
        """An event's product with those of its followers who are planned in the event's shard."""
        return self._config.share(event.product, event.shard, event.shards)

    @property
    def controls(self) -> Controls:
        """What may be traded, of a moment ago."""
        return self._config.controls

    async def know_equities(self, product: Product) -> None:
        """Reads the equities again if one that the product's rules or limits need is not known yet."""
        needed: set[AccountId] = set()
        for each in product.subscriptions:
            if isinstance(each.sizing, EquityProportional):
                needed.add(product.leader.account)
            if isinstance(each.sizing, EquityProportional | EquityPercent) or "worth" in needs(each):
                needed.add(each.account.account)
        if not self.worths.keys() >= needed:
            await self._load_worths()

    async def load(self) -> None:
        """Reads everything once.

        Raises:
            TableError: the tables do not answer.
            BadConfig: what is configured does not fit together.
            VenueError: a venue does not list its instruments, and nobody knows what it listed last.
        """
        await self.load_instruments()
        await self._config.load()
        await self._load_worths()

    async def load_products(self) -> None:
        """Looks whether there are others than those at hand.

        Raises:
            TableError: the table does not answer.
        """
        try:
            await self._config.load()
        except BadConfig as error:
            self._log.error("config.stale", error=str(error))

    async def _load_worths(self) -> None:
        self.worths = await self._trading.worths()
        self.equities = {account: worth.latest for account, worth in self.worths.items()}

    async def load_instruments(self) -> None:
        known = [await self._listings.know(venue) for venue in self._venues.values()]
        self.instruments = InstrumentList(instrument for listed in known for instrument in listed)

    async def serve_refresh(self) -> None:
        """Keeps the reading fresh until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._config.serve, name="oms.config")
            nursery.start_soon(self._serve_facts, name="oms.facts")

    async def _serve_facts(self) -> None:
        age = 0
        while True:
            await trio.sleep(_REFRESH_S)
            age += _REFRESH_S
            try:
                await self._load_worths()
                if age >= _INSTRUMENTS_S:
                    await self.load_instruments()
                    age = 0
            except (TableError, VenueError) as error:
                self._log.warning("reference.stale", error=str(error))
