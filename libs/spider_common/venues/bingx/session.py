"""BingX's private sockets, sans-I/O. PURE.

Every frame is gzip. The swap socket pushes all of an account's events to whoever has its listen key,
without a subscription; the spot socket wants one. Sources:
https://bingx-api.github.io/docs-v3/#/en/Swap/Websocket%20Account%20Data and ``/Spot/...``.

The listen key is made with the socket's address, one for each socket, so that each key has one owner.
"""

import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.orders import OrderFact
from spider_common.venues.bingx import codes, parse, spot
from spider_common.venues.bingx.fields import Row, mapping, read_object, text
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.venue import Failed, KeepAlive, Ready, Send, SessionEvent, Told, Unreadable

_S: Final = 1_000_000_000
READY_WITHIN: Final = 15 * _S
SILENT_AFTER: Final = 20 * _S
"""The server pings about every 5 s; a socket that misses four pings is dead, whatever TCP says."""
EXTEND_EVERY: Final = 30 * 60 * _S
"""A listen key lives for 60 min from its making or its last extension."""
MAX_FRAME: Final = 1 << 20
"""Bytes of a frame, as sent and unpacked; BingX's are a few KiB."""
SPOT_TOPICS: Final = ("spot.executionReport",)

_GZIP: Final = b"\x1f\x8b"
_QUIET: Final = frozenset({"ACCOUNT_CONFIG_UPDATE"})  # leverage and margin mode, again every 5 s


class BingxSession:
    """One conversation. Make a new one for each socket.

    Ready is told at the first frame that reads well, not at opening: a socket with a dead key opens too and
    stays silent, and whoever sweeps at Ready must not do so before the stream runs. With topics it is told
    when all are acknowledged.

    Args:
        topics: what to subscribe to; none on the swap socket.
    """

    def __init__(
        self, account: AccountId, instruments: InstrumentList, *, topics: Sequence[str] = ()
    ) -> None:
        self._account = account
        self._instruments = instruments
        self._topics = tuple(topics)
        self._unacknowledged = set(self._topics)
        self._ready = False
        self._opened = 0
        self._heard = 0
        self._extend_at = 0

    def opened(self, now: int) -> Sequence[SessionEvent]:
        self._opened = self._heard = now
        self._extend_at = now + EXTEND_EVERY
        return [Send(_encode({"id": topic, "reqType": "sub", "dataType": topic})) for topic in self._topics]

    def due(self) -> int:
        return min(self._dead_at(), self._extend_at)

    def tick(self, now: int) -> Sequence[SessionEvent]:
        if now >= self._dead_at():
            why = "nothing heard since the last ping" if self._ready else "the stream did not start in time"
            return [Failed(why, fatal=False)]
        if now < self._extend_at:
            return []
        self._extend_at = now + EXTEND_EVERY
        return [KeepAlive()]

    def received(self, frame: str | bytes, now: int) -> Sequence[SessionEvent]:
        self._heard = now
        try:
            events = self._read(unpacked(frame), now)
        except UnreadableFrame as error:
            return [Unreadable(frame if isinstance(frame, str) else frame.hex(), error)]
        if self._ready or self._unacknowledged or any(isinstance(event, Failed) for event in events):
            return events
        self._ready = True
        return [Ready(), *events]

    def _dead_at(self) -> int:
        return self._heard + SILENT_AFTER if self._ready else self._opened + READY_WITHIN

    def _read(self, frame: str, now: int) -> list[SessionEvent]:
        if frame == "Ping":
            return [Send("Pong")]
        body = read_object(frame, "frame")
        if "ping" in body:
            answer = {"pong": text(body, "ping", "frame"), "time": text(body, "time", "frame", default="")}
            return [Send(_encode(answer))]
        if body.get("e") == "listenKeyExpired":
            return [Failed("the listen key has expired", fatal=False)]
        if is_answer(body):
            return self._acknowledged(body)
        found = told(body, account=self._account, instruments=self._instruments, seen=now)
        return [] if found == Told() else [found]

    def _acknowledged(self, body: Row) -> list[SessionEvent]:
        code = text(body, "code", "frame")
        if code != "0":
            words = text(body, "msg", "frame", default="")
            return [Failed(f"{code} {words}".strip(), fatal=code in codes.FATAL_SOCKET)]
        self._unacknowledged.discard(text(body, "id", "frame", default=""))
        return []


def unpacked(frame: str | bytes) -> str:
    """A frame's text: unzipped where it is gzip, as it is otherwise.

    Raises:
        UnreadableFrame: it is too large, as sent or unpacked, is cut off, or is no text.
    """
    if len(frame) > MAX_FRAME:
        raise UnreadableFrame(f"frame: {len(frame)} long, more than the {MAX_FRAME} that any frame has")
    if isinstance(frame, str):
        return frame
    try:
        return (_gunzipped(frame) if frame.startswith(_GZIP) else frame).decode()
    except UnicodeDecodeError as error:
        raise UnreadableFrame(f"frame: neither gzip nor text: {error}") from error


def _gunzipped(frame: bytes) -> bytes:
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: with gzip's header
    try:
        unzipped = unzip.decompress(frame, MAX_FRAME)
    except zlib.error as error:
        raise UnreadableFrame(f"frame: broken gzip: {error}") from error
    if not unzip.eof:
        size = f"unpacks to {MAX_FRAME} bytes or more" if len(unzipped) >= MAX_FRAME else "is cut off"
        raise UnreadableFrame(f"frame: the gzip {size}")
    if unzip.unused_data:
        raise UnreadableFrame(f"frame: {len(unzip.unused_data)} bytes after the end of the gzip")
    return unzipped


def is_answer(body: Row) -> bool:
    """Whether a frame answers a request of ours; some of these have an empty ``dataType``."""
    return "code" in body and "e" not in body and not body.get("dataType")


def told(body: Row, *, account: AccountId, instruments: InstrumentList, seen: int) -> Told:
    """The facts in a private frame, swap or spot.

    Raises:
        UnreadableFrame: it does not look as documented.
    """
    if "dataType" in body:
        topic = text(body, "dataType", "frame")
        if topic not in SPOT_TOPICS:
            raise UnreadableFrame(f"frame.dataType: {topic!r:.80} is not a topic that we subscribe to")
        row = mapping(body, "data", "frame")
        return _order(*spot.pushed_order(row, account=account, instruments=instruments, seen=seen))
    event = text(body, "e", "frame")
    if event in {"TRADE_UPDATE", "ORDER_TRADE_UPDATE"}:
        return _order(*parse.pushed_order(body, account=account, instruments=instruments, seen=seen))
    if event == "ACCOUNT_UPDATE":
        return Told(positions=parse.pushed_positions(body, account=account))
    if event in _QUIET:
        return Told()
    raise UnreadableFrame(f"frame.e: {event!r:.80} is no event of the documentation")


def _order(fact: OrderFact, execution: Execution | None) -> Told:
    return Told(facts=(fact,), executions=() if execution is None else (execution,))


def _encode(body: object) -> str:
    return msgspec.json.encode(body).decode()
