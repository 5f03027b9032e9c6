"""What limits are checked against: the marks of followers' venues, and how their accounts stand."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from services.oms.reference import Reference
from spider_common.domain.held import AccountPositions
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.instruments import Mark
from spider_common.domain.intents import Action, Intent
from spider_common.domain.mirroring import RESTING
from spider_common.domain.products import Account, CopyMode, Product, Subscription
from spider_common.domain.risk import Need, needs
from spider_common.domain.standing import Standing, notional
from spider_common.schema import Pending
from spider_common.stores.orders import OrderStore
from spider_common.stores.positions import PositionStore
from spider_common.stores.table import TableError
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import VenueClient

READ_S: Final = 5
"""Every so often. BingX lets two questions a second in from one address, all tasks and accounts together."""
WAIT_S: Final = 1.0
"""How long an event waits for marks that were never read; without them what needs them is denied."""
_AT_ONCE: Final = 16  # questions to the table
_UNTOLD: Final = AccountPositions()


class Standings:
    """The last good reading of each fact, of those that some limit needs.

    A failed reading keeps the one before: facts have their time, and what is too old does not count.

    Attributes:
        marks: by venue, as far as they were read.
    """

    def __init__(
        self,
        *,
        venues: Mapping[Venue, VenueClient],
        reference: Reference,
        positions: PositionStore,
        orders: OrderStore,
        log: FilteringBoundLogger,
    ) -> None:
        self._venues, self._reference, self._log = venues, reference, log
        self._store, self._orders = positions, orders
        self.marks: dict[Venue, Mapping[str, Mark]] = {}
        self._positions: dict[Venue, Mapping[AccountId, AccountPositions]] = {}
        self._notionals: dict[AccountId, Decimal | None] = {}  # until something of it is read again

    def of(self, product: Product, resting: Mapping[AccountId, int]) -> dict[AccountId, Standing]:
        """How the accounts stand that follow the product under limits. `resting`: see there."""
        return {
            each.account.account: self._standing(each.account, resting.get(each.account.account))
            for each in product.subscriptions
            if needs(each)
        }

    def _standing(self, account: Account, resting: int | None) -> Standing:
        name, venue = account.account, account.venue
        positions = self._positions.get(venue, {}).get(name, _UNTOLD)
        if name not in self._notionals:
            marks = self.marks.get(venue, {})
            self._notionals[name] = notional(venue, positions, self._reference.instruments, marks)
        return Standing(
            worth=self._reference.worths.get(name),
            positions=positions,
            notional=self._notionals[name],
            open_orders=resting,
        )

    async def know(self, product: Product) -> None:
        """Reads what the product's limits need and was never read, so that a new limit denies no order.

        Raises:
            TableError: the table does not answer.
        """
        unmarked = _venues(product.subscriptions, "marks") - self.marks.keys()
        if unmarked:
            with trio.move_on_after(WAIT_S):
                await self._read_marks(unmarked)
        unread = _venues(product.subscriptions, "positions") - self._positions.keys()
        if unread:
            await self._read_positions(unread)

    async def resting(self, product: Product) -> dict[AccountId, int]:
        """How many orders of ours rest, of each account that mirrors orders under a limit of them.

        It is asked when a leader's order rests, an account at a time: the one before it may just have come.

        Raises:
            TableError: the table does not answer.
        """
        found: dict[AccountId, int] = {}
        places = trio.CapacityLimiter(_AT_ONCE)

        async def ask(account: Account) -> None:
            async with places:
                orders = await self._orders.account_pending(Pending.OPEN, account.venue, account.account)
            found[account.account] = sum(1 for each in orders if _rests(each.intent))

        try:
            async with trio.open_nursery() as nursery:
                for each in product.subscriptions:
                    if each.mode is CopyMode.ORDERS and "open_orders" in needs(each):
                        nursery.start_soon(ask, each.account, name="oms.resting")
        except* TableError as errors:
            raise errors.exceptions[0] from errors
        return found

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keeps the readings fresh until cancelled. Started when each was tried once."""
        await self._read()
        task_status.started()
        while True:
            await trio.sleep(READ_S)
            await self._read()

    async def _read(self) -> None:
        subscriptions = [each for product in self._reference.products for each in product.subscriptions]
        with trio.move_on_after(READ_S):
            await self._read_marks(_venues(subscriptions, "marks"))
        try:
            await self._read_positions(_venues(subscriptions, "positions"))
        except TableError as error:
            self._log.warning("positions.stale", error=str(error))

    async def _read_positions(self, venues: Iterable[Venue]) -> None:
        for venue in sorted(venues):
            self._positions[venue] = await self._store.all_positions(venue)
            self._notionals.clear()

    async def _read_marks(self, venues: Iterable[Venue]) -> None:
        async with trio.open_nursery() as nursery:
            for venue in sorted(venues):
                nursery.start_soon(self._read_marks_of, venue, name=f"oms.marks[{venue}]")

    async def _read_marks_of(self, venue: Venue) -> None:
        try:
            self.marks[venue] = await self._venues[venue].marks()
            self._notionals.clear()
        except VenueError as error:
            self._log.warning("marks.stale", venue=venue, error=str(error))


def _rests(intent: Intent) -> bool:
    return intent.action is Action.PLACE and (intent.trigger is not None or intent.order_type in RESTING)


def _venues(subscriptions: Iterable[Subscription], need: Need) -> set[Venue]:
    """The venues of the accounts whose limits have such a need."""
    return {each.account.venue for each in subscriptions if need in needs(each)}
