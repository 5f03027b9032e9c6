"""The venues' clocks beside ours: asked for at the start and again and again, and watched."""

from collections.abc import Mapping
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from spider_common.clock import NS_PER_MS, Clock
from spider_common.domain.identifiers import Venue
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import VenueClient

EVERY_S: Final = 60.0
"""A computer's clock that nobody sets drifts by some milliseconds in this time."""


async def serve_clocks(
    venues: Mapping[Venue, VenueClient],
    *,
    clock: Clock,
    skew: int,
    log: FilteringBoundLogger,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keeps every client's offset to its venue's clock fresh, until cancelled. Started when each was asked.

    Args:
        skew: by how much two clocks may differ (ns), as the copy protocol assumes. Requests are signed by
            the venue's clock all the same; more than this is a warning, since of two clocks that differ
            so much one is wrong, and other tasks and venues are compared with ours.
    """
    while True:
        async with trio.open_nursery() as nursery:
            for venue, client in venues.items():
                nursery.start_soon(_ask, venue, client, clock, skew, log, name=f"venue.clock[{venue}]")
        task_status.started()
        task_status = trio.TASK_STATUS_IGNORED
        await trio.sleep(EVERY_S)


async def _ask(venue: Venue, client: VenueClient, clock: Clock, skew: int, log: FilteringBoundLogger) -> None:
    asked = clock.now()
    try:
        told = await client.server_time()
    except VenueError as error:
        log.warning("clock.unknown", venue=venue, error=str(error))
        return
    # The venue read its clock in between; the client may have waited for its turn to ask.
    offset, most = told - clock.now(), told - asked
    if offset > skew or most < -skew:
        log.warning("clock.differs", venue=venue, offset_ms=offset // NS_PER_MS, allowed_ms=skew // NS_PER_MS)
