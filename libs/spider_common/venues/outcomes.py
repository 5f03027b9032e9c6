"""What became of a request that may have placed an order. Unknown is not failure."""

from collections.abc import Mapping

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


class WriteCodes(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue's codes say of a write. One that is in no table is Unknown, never Rejected.

    Attributes:
        rejected: the request was looked at and refused.
        gone: what a cancel or an amend is told of an order that is not open; of a new one it proves nothing.
        unsent: the venue says that it has dropped the request unseen.
        rate_limited: it did not look at the request; `back_off`: for how long not to try, ns.
    """

    rejected: Mapping[str, str]
    gone: Mapping[str, str]
    unsent: Mapping[str, str]
    rate_limited: Mapping[str, str]
    back_off: int

    def outcome(self, code: str, message: str, now: int, *, of_order: bool = False) -> Outcome:
        """What an error code on a write means. `now`: Unix ns.

        `of_order`: the write was about an order that is there already, a cancel or an amend.
        """
        words = f"{code} {message}".strip()
        refusal = self.rejected.get(code) or (self.gone.get(code) if of_order else None)
        if refusal is not None:
            return Rejected(code, message or refusal)
        if code in self.unsent:
            return Unsent(words)
        if code in self.rate_limited:
            return RateLimited(now + self.back_off, words)
        return Unknown(words)


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
