"""The configuration as a service has it at hand: what may be traded, and who copies whom, of a moment ago.

Two ways lead to the table: whoever changes something says so on a channel of the cache, and twice a second
each service looks for itself. So a halt holds everywhere within a second whatever the cache does.

When the table does not answer, the last known states stay. To halt instead would also stop the orders that
take risk away, and little can be opened meanwhile: each plan must be written to a table before it is sent.
"""

from typing import Final

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from spider_common.domain.configuration import BadConfig
from spider_common.domain.control import Controls
from spider_common.domain.identifiers import ProductId
from spider_common.domain.products import Product
from spider_common.stores.cache import CacheUnavailable
from spider_common.stores.config import ConfigStore, find
from spider_common.stores.config_cache import shards_of
from spider_common.stores.table import TableError

LOOK_S: Final = 0.5
ANSWER_S: Final = 2.0
"""How long a look may take before it is given up for the next one."""
BLIND_S: Final = 5.0
"""Without an answer for so long, each service says that it goes by what it last knew."""
TRY_AGAIN_S: Final = 1.0


class LiveConfig:
    """The last good reading; see the module.

    Attributes:
        products: every product, by id. The same object until something changes.
        controls: what may be traded.
    """

    def __init__(self, config: ConfigStore, *, log: FilteringBoundLogger) -> None:
        self._config, self._log = config, log
        self.products: tuple[Product, ...] = ()
        self.controls = Controls()
        self._shares: dict[ProductId, tuple[Product, ...]] = {}
        self._generation = -1
        self._told = trio.Event()
        self._moved = trio.Event()
        self._changed = trio.Event()

    def product(self, product: ProductId) -> Product | None:
        return find(self.products, product)

    def share(self, product: ProductId, shard: int, shards: int) -> Product | None:
        """A product with the subscriptions of one shard only, of `shards` as an event counts them."""
        if product not in self._shares:
            whole = self.product(product)
            if whole is None:
                return None
            self._shares[product] = tuple(shards_of(whole))
        shares = self._shares[product]
        return shares[shard] if len(shares) == shards else self.product(product)

    async def load(self) -> None:
        """Reads everything once.

        Raises:
            TableError: the table does not answer.
            BadConfig: what is stored does not fit together.
        """
        await self._look()
        await self._load_products()

    async def wait_changed(self) -> None:
        """Returns when products or states have become others."""
        await self._changed.wait()

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keeps the reading fresh until cancelled. Started at once: `load` comes before it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._serve_listening, name="config.listen")
            nursery.start_soon(self._serve_looking, name="config.look")
            nursery.start_soon(self._serve_products, name="config.products")
            task_status.started()

    async def _serve_looking(self) -> None:
        seen, silent = trio.current_time(), 0.0
        while True:
            with trio.move_on_after(LOOK_S):
                await self._told.wait()
            self._told = trio.Event()  # before the look: what is told during it calls for another
            try:
                with trio.fail_after(ANSWER_S):
                    await self._look()
            except (TableError, BadConfig, trio.TooSlowError) as error:
                if trio.current_time() - max(seen, silent) >= BLIND_S:
                    silent = trio.current_time()
                    states = msgspec.to_builtins(self.controls)
                    self._log.error(
                        "config.blind", for_s=round(silent - seen), states=states, error=str(error)
                    )
            else:
                if silent > seen:
                    self._log.info("config.seen_again", for_s=round(trio.current_time() - seen))
                seen = trio.current_time()

    async def _look(self) -> None:
        watch = await self._config.watch()
        if watch.controls != self.controls:
            self.controls = watch.controls
            self._tell()
            self._log.warning("controls.changed", states=msgspec.to_builtins(self.controls))
        if watch.generation != self._generation:
            self._generation = watch.generation
            self._moved.set()

    async def _serve_products(self) -> None:
        """Apart from the looks, which must not wait until a large desk is read."""
        while True:
            await self._moved.wait()
            try:
                await self._load_products()
            except (TableError, BadConfig) as error:
                self._log.error("config.stale", error=str(error))
                await trio.sleep(TRY_AGAIN_S)

    async def _load_products(self) -> None:
        self._moved = trio.Event()
        try:
            products = await self._config.products(self._generation)
        except (TableError, BadConfig):
            self._moved.set()
            raise
        if products is not self.products:
            self.products, self._shares = products, {}
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _serve_listening(self) -> None:
        while True:
            try:
                async with self._config.changes() as feed:
                    self._told.set()  # what was told before is not heard any more
                    async for _ in feed:
                        self._told.set()
            except CacheUnavailable as error:
                self._log.info("config.not_listening", error=str(error))
            await trio.sleep(TRY_AGAIN_S)
