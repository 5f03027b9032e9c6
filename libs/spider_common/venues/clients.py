"""The clients of all venues, as a service or the simulation holds them: each venue is named here once."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import msgspec

from spider_common.budgets.fair import Budgets
from spider_common.clock import Clock
from spider_common.domain.identifiers import Venue
from spider_common.sdk.ccxt import Codec
from spider_common.sdk.http import TrioTransport
from spider_common.venues.bingx.client import BingxClient
from spider_common.venues.bingx.rest import Limits as BingxLimits
from spider_common.venues.bitget.client import BitgetClient
from spider_common.venues.okx.client import OkxClient
from spider_common.venues.venue import VenueClient

SOCKET_PATHS: Final = {
    Venue.OKX: "/ws/v5/private",
    Venue.BITGET: "/v2/ws/private",
    Venue.BINGX: "/swap-market",
}
"""Where the private sockets are, below a venue's origin or a simulator's."""


class Address(msgspec.Struct, frozen=True):
    """Where a venue is: the origin of its REST side, and its private socket."""

    rest: str
    socket: str


def open_clients(
    addresses: Mapping[Venue, Address],
    *,
    http: TrioTransport,
    clock: Clock,
    budgets: Callable[[Venue], Budgets],
    bingx_limits: BingxLimits = BingxLimits(),  # noqa: B008 frozen, so a shared default cannot change
) -> dict[Venue, VenueClient]:
    """A client for each venue that has an address. `budgets`: those of one venue."""
    makers: dict[Venue, Callable[..., VenueClient]] = {
        Venue.OKX: OkxClient,
        Venue.BITGET: BitgetClient,
        Venue.BINGX: partial(BingxClient, limits=bingx_limits),
    }
    return {
        venue: makers[venue](
            http=http,
            codec=Codec(venue, clock, base_url=address.rest),
            budgets=budgets(venue),
            clock=clock,
            socket_url=address.socket,
        )
        for venue, address in addresses.items()
    }
