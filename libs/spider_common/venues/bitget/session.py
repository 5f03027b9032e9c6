"""Bitget's private socket, sans-I/O. PURE.

Login, then subscriptions, then pushes; a text ``ping`` every 30 s; a replacement before the venue closes the
socket, which it does 24 h after it was opened. Sources:
https://www.bitget.com/api-doc/common/websocket-intro and ``/contract/websocket/private/``.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from spider_common.domain.identifiers import AccountId
from spider_common.domain.instruments import InstrumentList
from spider_common.secret import Credentials
from spider_common.venues import rows
from spider_common.venues.bitget import codes, parse, spot
from spider_common.venues.bitget.parse import ClosingSide
from spider_common.venues.login import login_frame
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.rows import Row
from spider_common.venues.venue import Failed, Ready, Rotate, Send, SessionEvent, Told, Unreadable

_S: Final = 1_000_000_000
LOGIN_PATH: Final = "/user/verify"
LOGIN_WITHIN: Final = 10 * _S
PING_EVERY: Final = 30 * _S
PONG_WITHIN: Final = 10 * _S
ROTATE_AFTER: Final = 24 * 3600 * _S - 600 * _S
"""The venue closes a socket after 24 h; ten minutes are enough to open another many times over."""
PRODUCT: Final = "USDT-FUTURES"
CHANNELS: Final = (
    {"instType": PRODUCT, "channel": "orders", "instId": "default"},
    {"instType": PRODUCT, "channel": "orders-algo", "instId": "default"},
    {"instType": PRODUCT, "channel": "positions", "instId": "default"},
    {"instType": PRODUCT, "channel": "account", "coin": "default"},
    {"instType": spot.PRODUCT, "channel": "orders", "instId": "default"},
    {"instType": spot.PRODUCT, "channel": "orders-algo", "instId": "default"},
    {"instType": spot.PRODUCT, "channel": "account", "coin": "default"},
)


class BitgetSession:
    """One conversation. Make a new one for each socket.

    `closing`: how fills of closing orders name their side, see `ClosingSide`.
    `ahead`: by how much the venue's clock, by which logins are valid, is ahead of ours (ns).
    """

    def __init__(
        self,
        credentials: Credentials,
        account: AccountId,
        instruments: InstrumentList,
        *,
        closing: ClosingSide = ClosingSide.POSITION,
        ahead: int = 0,
    ) -> None:
        self._ahead = ahead
        self._credentials, self._account = credentials, account
        self._instruments, self._closing = instruments, closing
        self._unacknowledged = {(channel["instType"], channel["channel"]) for channel in CHANNELS}
        self._ready_by: int | None = None
        self._pong_by: int | None = None
        self._ping_at = 0
        self._rotate_at: int | None = None

    def opened(self, now: int) -> Sequence[SessionEvent]:
        self._ready_by, self._ping_at = now + LOGIN_WITHIN, now + PING_EVERY
        self._rotate_at = now + ROTATE_AFTER
        if self._credentials.passphrase is None:
            return [Failed("Bitget keys have a passphrase; add it to the account's secret", fatal=True)]
        return [Send(login_frame(self._credentials, now + self._ahead, path=LOGIN_PATH))]

    def due(self) -> int:
        times = (self._ready_by, self._pong_by, self._rotate_at, self._ping_at)
        return min(time for time in times if time is not None)

    def tick(self, now: int) -> Sequence[SessionEvent]:
        events: list[SessionEvent] = []
        if self._ready_by is not None and now >= self._ready_by:
            return [Failed("no answer to login and subscriptions in time", fatal=False)]
        if self._pong_by is not None and now >= self._pong_by:
            return [Failed("no pong in time", fatal=False)]
        if self._rotate_at is not None and now >= self._rotate_at:
            self._rotate_at = None
            events.append(Rotate("the venue closes a socket 24 h after it was opened"))
        if now >= self._ping_at:
            self._ping_at, self._pong_by = now + PING_EVERY, now + PONG_WITHIN
            events.append(Send("ping"))
        return events

    def received(self, frame: str | bytes, now: int) -> Sequence[SessionEvent]:
        self._pong_by = None  # whatever is heard shows that the venue is there
        if frame == "pong":
            return []
        try:
            return self._read(frame, now)
        except UnreadableFrame as error:
            kept = frame if isinstance(frame, str) else frame.hex()
            return [Unreadable(kept, error)]

    def _read(self, frame: str | bytes, now: int) -> Sequence[SessionEvent]:
        body = rows.read_object(frame, "frame")
        if "event" in body:
            return self._control(body)
        return [
            told(
                body,
                account=self._account,
                instruments=self._instruments,
                seen=now,
                closing=self._closing,
            )
        ]

    def _control(self, body: Row) -> Sequence[SessionEvent]:
        code = rows.code(body, "code", "frame", default="0")
        words = f"{code} {rows.text(body, 'msg', 'frame', default='')}".strip()
        match rows.text(body, "event", "frame"):
            case "login" if code == "0":
                return [Send(_encode({"op": "subscribe", "args": CHANNELS}))]
            case "subscribe":
                self._unacknowledged.discard(_channel(body))
                if self._unacknowledged or self._ready_by is None:
                    return []
                self._ready_by = None
                return [Ready()]
            case "login" | "error":
                return [Failed(words, fatal=code in codes.FATAL_SOCKET)]
            case "unsubscribe":
                return []
            case other:
                raise UnreadableFrame(f"frame.event: {other!r} is no event of the documentation")


def told(
    body: Row, *, account: AccountId, instruments: InstrumentList, seen: int, closing: ClosingSide
) -> Told:
    """The facts in a push of a private channel.

    Raises:
        UnreadableFrame: it does not look as documented.
    """
    product, channel = _channel(body)
    if product == spot.PRODUCT:
        return spot.told(body, channel, account=account, instruments=instruments, seen=seen)
    if product != PRODUCT:
        known = f"{PRODUCT} or {spot.PRODUCT}"
        raise UnreadableFrame(f"arg.instType: {product!r} is not {known}, the products that are read")
    placed = [(row, f"data[{at}]") for at, row in enumerate(rows.children(body, "data", "frame"))]
    match channel:
        case "orders":
            executions = (
                parse.execution(row, place=place, account=account, instruments=instruments)
                for row, place in placed
            )
            return Told(
                facts=tuple(
                    parse.order(
                        row, parse.PUSHED, place=place, account=account, instruments=instruments, seen=seen
                    )
                    for row, place in placed
                ),
                executions=tuple(execution for execution in executions if execution is not None),
            )
        case "orders-algo":
            return Told(
                facts=tuple(
                    parse.plan_order(
                        row, place=place, account=account, instruments=instruments, seen=seen, pushed=True
                    )
                    for row, place in placed
                )
            )
        case "fill":
            return Told(
                executions=tuple(
                    parse.fill(row, place=place, account=account, instruments=instruments, closing=closing)
                    for row, place in placed
                )
            )
        case "positions":
            return Told(
                positions=tuple(
                    parse.position(row, place=place, account=account, instruments=instruments, pushed=True)
                    for row, place in placed
                )
            )
        case "account":
            ts = rows.milliseconds(body, "ts", "frame")
            equities = (
                parse.equity(row, place=place, account=account, pushed=True, ts=ts) for row, place in placed
            )
            return Told(equities=tuple(equity for equity in equities if equity is not None))
        case other:
            raise UnreadableFrame(f"arg.channel: {other!r} is not a channel that we subscribe to")


def _channel(body: Row) -> tuple[str, str]:
    """The product and the channel that a frame is about."""
    argument = rows.child(body, "arg", "frame")
    return rows.text(argument, "instType", "arg"), rows.text(argument, "channel", "arg")


def _encode(message: object) -> str:
    return msgspec.json.encode(message).decode()
