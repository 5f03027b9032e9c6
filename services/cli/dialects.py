"""What a raw frame of each venue's private socket tells, as `spider decode` prints it. Pure."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from services.cli.frames import binary
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.instruments import InstrumentList
from spider_common.venues import rows
from spider_common.venues.bingx import fields
from spider_common.venues.bingx import session as bingx
from spider_common.venues.bitget import session as bitget
from spider_common.venues.bitget.parse import ClosingSide
from spider_common.venues.okx import session as okx
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.rows import Row
from spider_common.venues.venue import Told

Event = dict[str, object]
Control = dict[str, str]
"""What is no fact: event, channel, code, message."""

_HEARTBEATS: Final = (b"ping", b"pong")
_BINGX_HEARTBEATS: Final = ("Ping", "Pong")
_BINGX_EVENTS: Final = ("listenKeyExpired", "ACCOUNT_CONFIG_UPDATE")
_BITGET_EVENTS: Final = frozenset({"login", "subscribe", "unsubscribe", "error"})
_OKX_EVENTS: Final = _BITGET_EVENTS | {"notice", "channel-conn-count", "channel-conn-count-error"}
_OURS: Final = "a request to the venue; leave it out and keep what the venue sent"


def events_in(
    frame: bytes, venue: Venue, *, account: AccountId, instruments: InstrumentList, seen: int
) -> list[Event]:
    """What a frame tells, each event under the name of its kind. `seen`: Unix ns.

    Raises:
        UnreadableFrame: it is not as the venue documents it. The text names the place.
    """
    told_of = _READ[venue](frame, partial(_TOLD[venue], account=account, instruments=instruments, seen=seen))
    if isinstance(told_of, dict):
        return [{"control": {name: value for name, value in told_of.items() if value}}]
    events: list[Event] = [{"event_id": fact.event_id, "order": fact} for fact in told_of.facts]
    events += [{"execution": execution} for execution in told_of.executions]
    events += [{"equity": equity} for equity in told_of.equities]
    events += [{"position": position} for position in told_of.positions]
    return events


def _with_events(known: frozenset[str], frame: bytes, told: Callable[[Row], Told]) -> Control | Told:
    """A frame of a venue that names what is no push in ``event``, and answers ``ping`` with ``pong``."""
    if frame in _HEARTBEATS:
        return {"event": frame.decode()}
    body = rows.read_object(frame, "frame")
    if "op" in body:
        raise UnreadableFrame(f"frame.op: {_OURS}")
    if "event" not in body:
        return told(body)
    event = rows.text(body, "event", "frame")
    if event not in known:
        raise UnreadableFrame(f"frame.event: {event!r} is none of {', '.join(sorted(known))}")
    argument = body.get("arg")
    return {
        "event": event,
        "channel": rows.text(argument, "channel", "frame.arg", default="")
        if isinstance(argument, dict)
        else "",
        "code": rows.code(body, "code", "frame", default=""),
        "msg": rows.text(body, "msg", "frame", default=""),
    }


def _bingx(frame: bytes, told: Callable[[Row], Told]) -> Control | Told:
    """A frame of BingX: gzip, as it is or as a line of text, or what was in it."""
    plain = bingx.unpacked(binary(frame)).strip()
    if plain in _BINGX_HEARTBEATS:
        return {"event": plain}
    body = fields.read_object(plain, "frame")
    if "reqType" in body:
        raise UnreadableFrame(f"frame.reqType: {_OURS}")
    for heartbeat in ("ping", "pong"):
        if heartbeat in body:
            return {"event": heartbeat}
    event = body.get("e")
    if event in _BINGX_EVENTS:
        return {"event": str(event)}
    if bingx.is_answer(body):
        return {
            "event": "answer",
            "channel": fields.text(body, "id", "frame", default=""),
            "code": fields.text(body, "code", "frame"),
            "msg": fields.text(body, "msg", "frame", default=""),
        }
    return told(body)


_READ: Final[Mapping[Venue, Callable[[bytes, Callable[[Row], Told]], Control | Told]]] = {
    Venue.OKX: partial(_with_events, _OKX_EVENTS),
    Venue.BITGET: partial(_with_events, _BITGET_EVENTS),
    Venue.BINGX: _bingx,
}
_TOLD: Final[Mapping[Venue, Callable[..., Told]]] = {
    Venue.OKX: okx.told,
    Venue.BITGET: partial(bitget.told, closing=ClosingSide.POSITION),
    Venue.BINGX: bingx.told,
}
