"""What limits are checked against: the marks of followers' venues, and how their accounts stand."""

from collections.abc import Iterable, Mapping
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from services.oms.reference import Reference
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.instruments import Mark
from spider_common.domain.products import Product, Subscription
from spider_common.domain.risk import Need, needs
from spider_common.domain.standing import Standing
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import VenueClient

READ_S: Final = 5
"""Every so often. BingX lets two questions a second in from one address, all tasks and accounts together."""
WAIT_S: Final = 1.0
"""How long an event waits for marks that were never read; without them what needs them is denied."""


class Standings:
    """The last good reading of each fact, of those that some limit needs.

    A failed reading keeps the one before: facts have their time, and what is too old does not count.

    Attributes:
        marks: by venue, as far as they were read.
    """

    def __init__(
        self, *, venues: Mapping[Venue, VenueClient], reference: Reference, log: FilteringBoundLogger
    ) -> None:
        self._venues, self._reference, self._log = venues, reference, log
        self.marks: dict[Venue, Mapping[str, Mark]] = {}

    def of(self, product: Product) -> dict[AccountId, Standing]:
        """How the accounts stand that follow the product under limits."""
        worths = self._reference.worths
        return {
            each.account.account: Standing(worth=worths.get(each.account.account))
            for each in product.subscriptions
            if needs(each)
        }

    async def know(self, product: Product) -> None:
        """Reads what the product's limits need and was never read, so that a new limit denies no order."""
        missing = _marked(product.subscriptions) - self.marks.keys()
        if missing:
            with trio.move_on_after(WAIT_S):
                await self._read_marks(missing)

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
            await self._read_marks(_marked(subscriptions))

    async def _read_marks(self, venues: Iterable[Venue]) -> None:
        async with trio.open_nursery() as nursery:
            for venue in sorted(venues):
                nursery.start_soon(self._read_marks_of, venue, name=f"oms.marks[{venue}]")

    async def _read_marks_of(self, venue: Venue) -> None:
        try:
            self.marks[venue] = await self._venues[venue].marks()
        except VenueError as error:
            self._log.warning("marks.stale", venue=venue, error=str(error))


def _marked(subscriptions: Iterable[Subscription]) -> set[Venue]:
    """The venues of accounts whose limits need marks."""
    return {each.account.venue for each in subscriptions if Need.MARKS in needs(each)}
