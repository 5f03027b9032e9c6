"""OKX's private socket, sans-I/O. PURE.

Login, then subscriptions, then pushes; a text ``ping`` when it has been quiet. Sources:
https://www.okx.com/docs-v5/en/#overview-websocket-login and ``-subscribe``, ``-notification``.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from spider_common.domain.identifiers import AccountId
from spider_common.domain.instruments import InstrumentList
from spider_common.secret import Credentials
from spider_common.venues import rows
from spider_common.venues.login import login_frame
from spider_common.venues.okx import codes, parse
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.rows import Row
from spider_common.venues.venue import PRIVATE, Failed, Ready, Rotate, Send, SessionEvent, Told, Unreadable

_S: Final = 1_000_000_000
PING_AFTER: Final = 20 * _S
"""Quiet time before a ping; OKX closes a socket after 30 s without one."""
PONG_WITHIN: Final = 10 * _S
LOGIN_WITHIN: Final = 10 * _S

CHANNELS: Final[Mapping[str, Sequence[Mapping[str, str]]]] = {
    PRIVATE: (
        {"channel": "orders", "instType": "SWAP"},
        {"channel": "orders", "instType": "SPOT"},
        {"channel": "positions", "instType": "SWAP"},
        {"channel": "account"},
    ),
    "business": (
        {"channel": "orders-algo", "instType": "SWAP"},
        {"channel": "orders-algo", "instType": "SPOT"},
    ),
}
"""By the last word of the socket's path: conditional orders are told on one of their own."""
LOGIN_PATH: Final = "/users/self/verify"


class OkxSession:
    """One conversation about `channels`. Make a new one for each socket.

    `ahead`: by how much the venue's clock, by which logins are valid, is ahead of ours (ns).
    """

    def __init__(
        self,
        credentials: Credentials,
        account: AccountId,
        instruments: InstrumentList,
        channels: Sequence[Mapping[str, str]] = CHANNELS[PRIVATE],
        *,
        ahead: int = 0,
    ) -> None:
        self._credentials = credentials
        self._ahead = ahead
        self._account = account
        self._instruments = instruments
        self._channels = channels
        self._unacknowledged = [_named(channel) for channel in channels]
        self._ready_by: int | None = None
        self._heard = 0
        self._pinged = 0

    def opened(self, now: int) -> Sequence[SessionEvent]:
        self._heard, self._ready_by = now, now + LOGIN_WITHIN
        if self._credentials.passphrase is None:
            return [Failed("OKX keys have a passphrase; add it to the account's secret", fatal=True)]
        return [Send(login_frame(self._credentials, now + self._ahead, path=LOGIN_PATH))]

    def due(self) -> int:
        if self._ready_by is not None:
            return self._ready_by
        return self._pinged + PONG_WITHIN if self._pinged else self._heard + PING_AFTER

    def tick(self, now: int) -> Sequence[SessionEvent]:
        if now < self.due():
            return []
        if self._ready_by is not None:
            return [Failed("no answer to login and subscriptions in time", fatal=False)]
        if self._pinged:
            return [Failed("no pong in time", fatal=False)]
        self._pinged = now
        return [Send("ping")]

    def received(self, frame: str | bytes, now: int) -> Sequence[SessionEvent]:
        self._heard, self._pinged = now, 0
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
        return [told(body, account=self._account, instruments=self._instruments, seen=now)]

    def _control(self, body: Row) -> Sequence[SessionEvent]:
        code = rows.code(body, "code", "frame", default="0")
        words = rows.text(body, "msg", "frame", default="")
        match rows.text(body, "event", "frame"):
            case "login" if code == "0":
                return [Send(_encode({"id": "subscribe", "op": "subscribe", "args": self._channels}))]
            case "subscribe":
                named = _named(rows.child(body, "arg", "frame"))
                self._unacknowledged = [each for each in self._unacknowledged if each != named]
                if self._unacknowledged:
                    return []
                self._ready_by = None
                return [Ready()]
            case "notice":
                return [Rotate(f"{code} {words}")]
            case "login" | "error":
                return [Failed(f"{code} {words}", fatal=code in codes.FATAL_SOCKET)]
            case "channel-conn-count-error":
                return [Failed("too many connections on a channel; this one is dead", fatal=False)]
            case "channel-conn-count" | "unsubscribe":
                return []
            case other:
                raise UnreadableFrame(f"frame.event: {other!r} is no event of the documentation")


def told(body: Row, *, account: AccountId, instruments: InstrumentList, seen: int) -> Told:
    """The facts in a push of a private channel.

    Raises:
        UnreadableFrame: it does not look as documented.
    """
    channel = rows.text(rows.child(body, "arg", "frame"), "channel", "arg")
    placed = [(row, f"data[{at}]") for at, row in enumerate(rows.children(body, "data", "frame"))]
    match channel:
        case "orders":
            executions = (
                parse.execution(row, place=place, account=account, instruments=instruments, pushed=True)
                for row, place in placed
            )
            return Told(
                facts=tuple(
                    parse.order(row, place=place, account=account, instruments=instruments, seen=seen)
                    for row, place in placed
                ),
                executions=tuple(execution for execution in executions if execution is not None),
            )
        case "orders-algo":
            return Told(
                facts=tuple(
                    fact
                    for row, place in placed
                    for fact in parse.algo_orders(
                        row, place=place, account=account, instruments=instruments, seen=seen
                    )
                )
            )
        case "positions":
            positions = (
                parse.position(row, place=place, account=account, instruments=instruments)
                for row, place in placed
            )
            return Told(positions=tuple(position for position in positions if position is not None))
        case "account":
            return Told(
                equities=tuple(parse.equity(row, place=place, account=account) for row, place in placed),
                positions=tuple(
                    holding
                    for row, place in placed
                    for holding in parse.holdings(row, place=place, account=account, instruments=instruments)
                ),
            )
        case other:
            raise UnreadableFrame(f"arg.channel: {other!r} is not a channel that we subscribe to")


def _named(channel: Row) -> tuple[str, str]:
    return rows.text(channel, "channel", "arg"), rows.text(channel, "instType", "arg", default="")


def _encode(message: object) -> str:
    return msgspec.json.encode(message).decode()
