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
from spider_common.domain.products import Account, Product, Subscription
from spider_common.domain.risk import Need, needs
from spider_common.domain.standing import Standing, notional
from spider_common.stores.positions import PositionStore
from spider_common.stores.table import TableError
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import VenueClient

READ_S: Final = 5
"""Every so often. BingX lets two questions a second in from one address, all tasks and accounts together."""
WAIT_S: Final = 1.0
"""How long an event waits for marks that were never read; without them what needs them is denied."""
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
        log: FilteringBoundLogger,
    ) -> None:
        self._venues, self._reference, self._store, self._log = venues, reference, positions, log
        self.marks: dict[Venue, Mapping[str, Mark]] = {}
        self._positions: dict[Venue, Mapping[AccountId, AccountPositions]] = {}
        self._notionals: dict[AccountId, Decimal | None] = {}  # until something of it is read again

    def of(self, product: Product) -> dict[AccountId, Standing]:
        """How the accounts stand that follow the product under limits."""
        return {
            each.account.account: self._standing(each.account)
            for each in product.subscriptions
            if needs(each)
        }

    def _standing(self, account: Account) -> Standing:
        name, venue = account.account, account.venue
        positions = self._positions.get(venue, {}).get(name, _UNTOLD)
        if name not in self._notionals:
            marks = self.marks.get(venue, {})
            self._notionals[name] = notional(venue, positions, self._reference.instruments, marks)
        return Standing(
            worth=self._reference.worths.get(name), positions=positions, notional=self._notionals[name]
        )

    async def know(self, product: Product) -> None:
        """Reads what the product's limits need and was never read, so that a new limit denies no order.

        Raises:
            TableError: the table does not answer.
        """
        unmarked = _venues(product.subscriptions, Need.MARKS) - self.marks.keys()
        if unmarked:
            with trio.move_on_after(WAIT_S):
                await self._read_marks(unmarked)
        unread = _venues(product.subscriptions, Need.POSITIONS) - self._positions.keys()
        if unread:
            await self._read_positions(unread)

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
            await self._read_marks(_venues(subscriptions, Need.MARKS))
        try:
            await self._read_positions(_venues(subscriptions, Need.POSITIONS))
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


def _venues(subscriptions: Iterable[Subscription], need: Need) -> set[Venue]:
    """The venues of the accounts whose limits have such a need."""
    return {each.account.venue for each in subscriptions if need in needs(each)}
