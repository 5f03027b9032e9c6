"""What crosses the queue: frozen, versioned, strict.

A body is JSON: ``{"v": 1, "message": {"type": "leader_order", ...}}``. An unknown field, a value out of
its range and a newer version are errors which name the place and the fix; such a message goes to the
dead-letter queue with that text as its reason, and can be redriven once the reader is newer.
"""

from typing import Final

import msgspec

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, ProductId, Venue, digest
from spider_common.domain.instruments import InstrumentKind
from spider_common.domain.intents import DeskEvent, LeaderEvent
from spider_common.domain.orders import OrderFact
from spider_common.domain.products import Equity
from spider_common.domain.quantities import canonical
from spider_common.domain.requests import PositionFact

VERSION: Final = 1


class LeaderOrder(msgspec.Struct, frozen=True, kw_only=True, tag="leader_order", forbid_unknown_fields=True):
    """A leader order fact for one shard of one product."""

    event: LeaderEvent


class DeskOrder(msgspec.Struct, frozen=True, kw_only=True, tag="desk_order", forbid_unknown_fields=True):
    """Something that the desk itself wants of one client's part."""

    event: DeskEvent


class FollowerUpdate(
    msgspec.Struct, frozen=True, kw_only=True, tag="follower_update", forbid_unknown_fields=True
):
    """What a follower's venue told of one order: its state, a fill of it, or both."""

    venue: Venue
    account: AccountId
    fact: OrderFact | None = None
    execution: Execution | None = None


class EquityUpdate(
    msgspec.Struct, frozen=True, kw_only=True, tag="equity_update", forbid_unknown_fields=True
):
    """What an account is worth now."""

    venue: Venue
    equity: Equity


class PositionUpdate(
    msgspec.Struct, frozen=True, kw_only=True, tag="position_update", forbid_unknown_fields=True
):
    """What an account holds: all of it, as a sweep that began at `asked` saw it, or positions that changed.

    Attributes:
        whole: kinds of which `positions` names all that is held; what it leaves out is flat.
        asked: our time before the venue was asked, Unix ns; 0 for what a socket told.
    """

    venue: Venue
    account: AccountId
    positions: tuple[PositionFact, ...]
    whole: tuple[InstrumentKind, ...] = ()
    asked: int = 0


Message = LeaderOrder | DeskOrder | FollowerUpdate | EquityUpdate | PositionUpdate


class UnreadableMessage(ValueError):
    """A body that is no message of ours. Its text names the field and the fix."""


class NewerMessage(UnreadableMessage):
    """A message of a version that this reader does not know."""


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    message: Message


class _Version(msgspec.Struct, frozen=True):
    v: int


_encoder = msgspec.json.Encoder(decimal_format="string")
_decoder = msgspec.json.Decoder(_Envelope)
_version = msgspec.json.Decoder(_Version)


def encode(message: Message) -> str:
    """The body of a message."""
    return _encoder.encode(_Envelope(VERSION, message)).decode()


def decode(body: str | bytes) -> Message:
    """The message in a body.

    Raises:
        NewerMessage: its version is above ours.
        UnreadableMessage: it is malformed; the text names the field.
    """
    try:
        version = _version.decode(body).v
        if version > VERSION:
            raise NewerMessage(
                f"v: message version {version} is newer than {VERSION}, the newest this service reads; "
                "deploy the newer service, then redrive the message"
            )
        if version < 1:
            raise UnreadableMessage(
                f"v: message version {version} was never written; fix the producer, then redrive or drop it"
            )
        return _decoder.decode(body).message
    # ValidationError is a DecodeError; the others are text that is no UTF-8 and nesting without an end
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UnreadableMessage(
            f"message body: {error}; fix the producer, then redrive or drop it"
        ) from error


def dedup_key(message: Message) -> str:
    """What makes two messages the same to the queue (SQS MessageDeduplicationId)."""
    match message:
        case LeaderOrder(event=event) | DeskOrder(event=event):
            return digest("leader", event.event_id, event.product, str(event.shard))
        case FollowerUpdate(fact=fact, execution=execution):
            return digest(
                "follower",
                message.venue,
                message.account,
                "" if fact is None else fact.event_id,
                # venues count trades by instrument, and both sides of a trade with oneself share an id
                *(
                    ()
                    if execution is None
                    else (execution.symbol, execution.venue_order_id, execution.trade_id)
                ),
            )
        case EquityUpdate(equity=equity):
            return digest("equity", message.venue, equity.account, str(equity.ts_venue))
        case PositionUpdate(positions=positions):
            return digest(
                "positions",
                message.venue,
                message.account,
                str(message.asked),
                *(
                    f"{each.symbol} {each.position_side} {canonical(each.quantity)} {each.ts_venue}"
                    for each in positions
                ),
            )


def group(message: Message) -> str:
    """The queue's message group: messages of one group are handled in order, one at a time."""
    match message:
        case LeaderOrder(event=event) | DeskOrder(event=event):
            return leader_group(event.product, event.shard)
        case FollowerUpdate(account=account) | PositionUpdate(account=account):
            return f"account#{account}"
        case EquityUpdate(equity=equity):
            return f"account#{equity.account}"


def leader_group(product: ProductId, shard: int) -> str:
    return f"{product}#{shard}"
