"""What became of a request that may have placed an order. Unknown is not failure."""

import msgspec

from spider_common.domain.identifiers import VenueOrderId
from spider_common.domain.orders import OrderFact
from spider_common.domain.reasons import Reason


class Accepted(msgspec.Struct, frozen=True):
    """The venue has the order. Not that it is filled."""

    venue_order_id: VenueOrderId | None


class Rejected(msgspec.Struct, frozen=True):
    """The venue proved that it has refused the order: its code and its words."""

    code: str
    reason: str


class Unknown(msgspec.Struct, frozen=True):
    """The order may be there or not: a timeout, a reset, a 5xx, an answer we cannot read."""

    why: str


class Unsent(msgspec.Struct, frozen=True):
    """The venue surely has no order of this request: it never left us, or came too late and was dropped."""

    why: str


class RateLimited(msgspec.Struct, frozen=True):
    """The venue counted too many requests and did not look at this one. `until`: Unix ns."""

    until: int
    why: str


class Refused(msgspec.Struct, frozen=True):
    """We did not send it and will not."""

    reason: Reason


Outcome = Accepted | Rejected | Unknown | Unsent | RateLimited | Refused


class Found(msgspec.Struct, frozen=True):
    """The venue has an order of that client order id."""

    fact: OrderFact


class NotFound(msgspec.Struct, frozen=True):
    """The venue answered, and knows no order of that client order id (yet)."""


Lookup = Found | NotFound | Unknown


class VenueError(Exception):
    """A query failed: the venue refused it, did not answer, or answered what we cannot read.

    It means "don't know". No caller may take it for "nothing there".
    """


class UnreadableFrame(VenueError):
    """What a venue sent is not what its documentation describes. The text names the place."""
