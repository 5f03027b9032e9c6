"""Names of things, and the two hashes that make a copy happen once."""

import hashlib
from decimal import Decimal
from enum import StrEnum
from typing import Final, NewType

from spider_common.domain.quantities import canonical

_LENGTH: Final = 32

AccountId = NewType("AccountId", str)
ProductId = NewType("ProductId", str)
ClientId = NewType("ClientId", str)
EventId = NewType("EventId", str)
ClientOrderId = NewType("ClientOrderId", str)
VenueOrderId = NewType("VenueOrderId", str)
TradeId = NewType("TradeId", str)


class Venue(StrEnum):
    OKX = "okx"
    BITGET = "bitget"
    BINGX = "bingx"


def event_id(
    *,
    venue: Venue,
    account: AccountId,
    venue_order_id: VenueOrderId,
    status: str,
    cum_filled: Decimal,
    price: Decimal | None,
    quantity: Decimal,
    ts_venue: int,
    trigger_price: Decimal | None = None,
) -> EventId:
    """The id of a leader order fact: 32 hex characters.

    Two sockets and the REST sweep that see the same fact make the same id, whatever else they were
    told beside it.
    """
    numbers = (cum_filled, price, quantity)
    waits = () if trigger_price is None else (canonical(trigger_price),)  # the others keep the ids they had
    return EventId(
        digest(
            "event",
            venue,
            account,
            venue_order_id,
            status,
            *("" if number is None else canonical(number) for number in numbers),
            str(ts_venue),
            *waits,
        )
    )


def client_order_id(event: EventId, product: ProductId, client: ClientId, leg: str) -> ClientOrderId:
    """The id a follower order carries at its venue: 32 of `[0-9a-f]`, the one form all venues accept.

    A pure hash, so a repeated plan of the same fact names the same orders. The product is part of it
    because two products may copy one leader into one client's account.
    """
    return ClientOrderId(digest("order", event, product, client, leg))


def is_client_order_id(text: str | None) -> bool:
    """Whether a client order id has the form of ours; an order that a client places by hand has another."""
    return text is not None and len(text) == _LENGTH and not set(text) - set("0123456789abcdef")


def shard_of(client: ClientId, shards: int) -> int:
    """The shard of a product, 0 <= shard < shards, in which a client's copies are planned."""
    return int(digest("shard", client), 16) % shards


def digest(*parts: str) -> str:
    """32 hex characters of SHA-256 that stand for the parts, in their order."""
    # the unit separator cannot occur in a part, so ("a", "bc") and ("ab", "c") differ
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:_LENGTH]
