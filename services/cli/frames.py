"""Raw private frames to normalised events, as `spider decode` prints them. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from spider_common.domain.identifiers import AccountId
from spider_common.domain.instruments import InstrumentList
from spider_common.venues.okx.session import told
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.rows import MAX_FRAME, Row, code, read_object, text

Event = dict[str, object]

_HEARTBEATS: Final = (b"ping", b"pong")
_SHOWN: Final = 1 << 16
_CONTROL: Final = frozenset(
    {"login", "subscribe", "unsubscribe", "notice", "error", "channel-conn-count", "channel-conn-count-error"}
)


def frames_of(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The frames in a text, each with the number of its first line: one a line, or JSON over several.

    A frame ends where its JSON is complete, or before a line that begins with ``{`` or is a heartbeat.
    So a broken frame ends at the next one and spoils no other.
    """
    began, pending = 0, b""
    for number, line in enumerate(lines, start=1):
        if pending and (line.startswith(b"{") or line.strip() in _HEARTBEATS):
            yield began, pending.rstrip()
            pending = b""
        if not pending:
            began, line = number, line.lstrip()
        pending += line
        if _is_complete(pending.rstrip()):
            yield began, pending.rstrip()
            pending = b""
    if pending:
        yield began, pending.rstrip()


def _is_complete(text: bytes) -> bool:
    if text in _HEARTBEATS or len(text) > MAX_FRAME:
        return True
    if not text.endswith((b"}", b"]")):
        return False
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def okx_events(frame: bytes, *, account: AccountId, instruments: InstrumentList, seen: int) -> list[Event]:
    """What an OKX frame tells, each event under the name of its kind. `seen`: Unix ns.

    Raises:
        UnreadableFrame: it is not as the venue documents it. The text names the place.
    """
    if frame in _HEARTBEATS:
        return [{"control": {"event": frame.decode()}}]
    body = read_object(frame, "frame")
    if "op" in body:
        raise UnreadableFrame("frame.op: a request to the venue; leave it out and keep what the venue sent")
    if "event" in body:
        return [{"control": _control(body)}]
    facts = told(body, account=account, instruments=instruments, seen=seen)
    events: list[Event] = [{"event_id": fact.event_id, "order": fact} for fact in facts.facts]
    events += [{"execution": execution} for execution in facts.executions]
    events += [{"equity": equity} for equity in facts.equities]
    events += [{"position": position} for position in facts.positions]
    return events


def _control(body: Row) -> dict[str, str]:
    event = text(body, "event", "frame")
    if event not in _CONTROL:
        raise UnreadableFrame(f"frame.event: {event!r} is none of {', '.join(sorted(_CONTROL))}")
    argument = body.get("arg")
    channel = text(argument, "channel", "frame.arg", default="") if isinstance(argument, dict) else ""
    told_of = {
        "event": event,
        "channel": channel,
        "code": code(body, "code", "frame", default=""),
        "msg": text(body, "msg", "frame", default=""),
    }
    return {name: value for name, value in told_of.items() if value}


def shown(frame: bytes) -> str:
    """A frame for a person's eyes, its beginning if it is larger than any that OKX sends.

    One with a passphrase in it, as a login request has, stays hidden.
    """
    if b"passphrase" in frame:
        return "(not shown: it has a passphrase in it)"
    rest = len(frame) - _SHOWN
    more = f" ... and {rest} bytes more" if rest > 0 else ""
    return frame[:_SHOWN].decode(errors="backslashreplace") + more
