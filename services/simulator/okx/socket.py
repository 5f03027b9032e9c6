"""OKX's private WebSockets: login, subscriptions, pushes, heartbeat. Conditional orders have their own."""

import random
from typing import Final, Literal

import msgspec
import trio_websocket

from services.simulator.accounts import Account
from services.simulator.conversation import Conversation, converse
from services.simulator.ledger import Entry, Executed, Rejected
from services.simulator.limits import RateLimits
from services.simulator.okx import auth, balances, shapes
from services.simulator.okx.shapes import Fields
from services.simulator.venue import Session, Venue
from spider_common.clock import NS_PER_S

CHANNELS: Final = {  # by path
    "/ws/v5/private": ("orders", "positions", "account", "balance_and_position"),
    "/ws/v5/business": ("orders-algo",),
}

_IDLE: Final = 30.0  # seconds without traffic before the venue closes (4004)
_REQUESTS: Final = 480  # logins, subscriptions and unsubscriptions of one connection in an hour
_HOUR: Final = 3600 * NS_PER_S
_SESSIONS: Final = 30  # connections of one account that may subscribe to one channel

_TYPES: Final[dict[str, tuple[str, ...]]] = {  # the instTypes of channels that need one
    "orders": ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "ANY"),
    "orders-algo": ("SPOT", "MARGIN", "SWAP", "FUTURES", "ANY"),
    "positions": ("MARGIN", "SWAP", "FUTURES", "OPTION", "ANY"),
}

_MESSAGES: Final = {
    "60004": "Invalid timestamp",
    "60005": "Invalid apiKey",
    "60006": "Timestamp request expired",
    "60007": "Invalid sign",
    "60009": "Login failed.",
    "60011": "Please log in",
    "60012": "Invalid request: {}",
    "60014": "Requests too frequent",
    "60018": "Wrong URL or {} doesn't exist. Please use the correct URL, channel and parameters "
    "referring to API document.",
    "60024": "Wrong passphrase",
    "60029": "Only users who are VIP6 and above in trading fee tier are allowed to subscribe "
    "to this channel.",
    "60031": "The WebSocket endpoint does not allow multiple or repeated logins.",
}

Arg = dict[str, str]


class _Frame(msgspec.Struct):
    op: Literal["login", "subscribe", "unsubscribe"]
    args: list[Arg]
    id: str = ""


class OkxSocket:
    """Serves one of the private paths of one venue."""

    def __init__(self, venue: Venue, rng: random.Random, path: str) -> None:
        self._venue = venue
        self._rng = rng
        self._channels = CHANNELS[path]

    async def converse(self, websocket: trio_websocket.WebSocketConnection) -> int | None:
        """One connection. Returns the code to close with; None: it broke."""
        session = _Session(self._venue, f"{self._rng.getrandbits(32):08x}", self._channels)
        return await converse(websocket, session, self._venue)


class _Session(Conversation):
    """What is said on one connection."""

    def __init__(self, venue: Venue, conn_id: str, channels: tuple[str, ...]) -> None:
        super().__init__(quiet_s=_IDLE, quiet_code=4004, full_code=4005)
        self.conn_id = conn_id
        self._channels = channels
        self._venue = venue
        self._account: Account | None = None
        self._args: list[Arg] = []
        self._limits = RateLimits(_HOUR)

    # What the venue does to it

    def deliver(self, entry: Entry) -> None:
        assert self._account is not None, "sessions are attached at login"
        if isinstance(entry, Rejected):
            return
        exchange, now = self._venue.exchange, self._venue.clock.now()
        order = entry.order
        instrument = exchange.markets[order.symbol].instrument
        kind = shapes.INSTRUMENT_TYPES[instrument.kind]
        for arg in self._args:
            channel = arg["channel"]
            if channel in _TYPES and not _concerns(arg, kind, order.symbol):
                continue
            if channel == "orders":
                self._push(arg, [shapes.pushed_order(entry, exchange, self._account)])
            elif channel == "orders-algo" or not isinstance(entry, Executed):
                continue
            elif channel == "positions":
                held = self._account.position(order.symbol, order.leg)
                self._push(arg, [shapes.position(held, exchange, self._account)], "event_update")
            elif channel == "account":
                self._push(arg, [self._balance(arg)], "event_update")
            else:
                rows = [balances.balance_and_position(exchange, self._account, entry, now)]
                self._push(arg, rows)

    def conditional(self, row: Fields) -> None:
        """Pushes what has become of a conditional order."""
        for arg in self._args:
            if arg["channel"] == "orders-algo" and _concerns(arg, str(row["instType"]), str(row["instId"])):
                self._push(arg, [row])

    def announce_close(self) -> None:
        self._send(
            {
                "event": "notice",
                "code": "64008",
                "msg": "The connection will soon be closed for a service upgrade. Please reconnect.",
                "connId": self.conn_id,
            }
        )

    # What the client says

    def receive(self, message: str | bytes) -> None:
        """Answers one frame."""
        if self.finished:
            return
        self.heard()
        if message == "ping":
            self._say("pong")
            return
        try:
            frame = msgspec.json.decode(message, type=_Frame)
        except msgspec.DecodeError:
            shown = message if isinstance(message, str) else repr(message)
            self._error("60012", shown if len(shown) <= 200 else f"{shown[:200]}...")
            return
        if not self._limits.allow((), _REQUESTS, self._venue.clock.now()):
            self._error("60014")
        elif frame.op == "login":
            self._login(frame)
        elif self._account is None:
            self._error("60011", frame_id=frame.id)
        else:
            for arg in frame.args:
                if frame.op == "subscribe":
                    self._subscribe(self._account, arg, frame.id)
                else:
                    self._unsubscribe(arg, frame.id)

    def _login(self, frame: _Frame) -> None:
        if self._account is not None:
            self._error("60031")
            return
        found = (
            auth.login(frame.args[0], self._venue.account_of_key, self._venue.clock.now())
            if len(frame.args) == 1
            else "60009"
        )
        if isinstance(found, str):
            self._error(found)
            self.finish(4001)
            return
        self._account = found
        self.on_login(found)
        self._send({"event": "login", "code": "0", "msg": "", "connId": self.conn_id})

    def _subscribe(self, account: Account, arg: Arg, frame_id: str) -> None:
        channel = arg.get("channel", "")
        if channel == "fills":
            self._error("60029", frame_id=frame_id)
            return
        types = _TYPES.get(channel)
        if channel not in self._channels or (types is not None and arg.get("instType") not in types):
            named = ",".join(f"{name}:{value}" for name, value in arg.items())
            self._error("60018", named, frame_id=frame_id)
            return
        self._acknowledge("subscribe", arg, frame_id)
        if arg in self._args:
            return
        sessions = self._venue.sessions(account.name)
        others = [s for s in sessions if s is not self and isinstance(s, _Session) and s.follows(channel)]
        count: Fields = {"channel": channel, "connCount": str(len(others) + 1), "connId": self.conn_id}
        if len(others) >= _SESSIONS:
            self._send({"event": "channel-conn-count-error"} | count)
            return
        self._send({"event": "channel-conn-count"} | count)
        self._args.append(arg)
        self._snapshot(account, arg)

    def follows(self, channel: str) -> bool:
        return any(arg["channel"] == channel for arg in self._args)

    def _unsubscribe(self, arg: Arg, frame_id: str) -> None:
        if arg in self._args:
            self._args.remove(arg)
        self._acknowledge("unsubscribe", arg, frame_id)

    # What goes out

    def _snapshot(self, account: Account, arg: Arg) -> None:
        """What a channel begins with; `orders` begins with nothing."""
        exchange, now = self._venue.exchange, self._venue.clock.now()
        match arg["channel"]:
            case "positions":
                rows = [
                    shapes.position(held, exchange, account)
                    for held in account.held()
                    if _concerns(arg, "SWAP", held.symbol)
                ]
                self._push(arg, rows, "snapshot")
            case "account":
                self._push(arg, [self._balance(arg)], "snapshot")
            case "balance_and_position":
                self._push(arg, [balances.balance_and_position(exchange, account, None, now)])

    def _balance(self, arg: Arg) -> Fields:
        assert self._account is not None, "subscriptions need a login"
        wanted = frozenset(filter(None, [arg.get("ccy", "")]))
        return balances.balance(self._venue.exchange, self._account, self._venue.clock.now(), wanted)

    def _push(self, arg: Arg, rows: list[Fields], event_type: str | None = None) -> None:
        assert self._account is not None, "subscriptions need a login"
        body: Fields = {"arg": arg | {"uid": self._account.uid}, "data": rows}
        if event_type is not None:
            body |= {"eventType": event_type, "curPage": 1, "lastPage": True}
        self._send(body)

    def _acknowledge(self, event: str, arg: Arg, frame_id: str) -> None:
        named: Fields = {"id": frame_id} if frame_id else {}
        self._send(named | {"event": event, "arg": arg, "connId": self.conn_id})

    def _error(self, code: str, detail: str = "", *, frame_id: str = "") -> None:
        named: Fields = {"id": frame_id} if frame_id else {}
        message = _MESSAGES[code].format(detail)
        self._send(named | {"event": "error", "code": code, "msg": message, "connId": self.conn_id})

    def _send(self, body: Fields) -> None:
        self._say(msgspec.json.encode(body).decode())

    def _say(self, text: str) -> None:
        self.heard()  # whatever is said either way keeps the connection
        self.put(text)


def tell_conditional(session: Session, row: Fields) -> None:
    """Pushes a conditional order to a socket of this dialect."""
    if isinstance(session, _Session):
        session.conditional(row)


def _concerns(arg: Arg, kind: str, symbol: str) -> bool:
    """Whether a subscription's filters let an instrument through."""
    if arg.get("instType") not in ("ANY", kind):
        return False
    family = symbol.removesuffix("-SWAP")
    return arg.get("instId") in (None, "", symbol) and arg.get("instFamily") in (None, "", family)
