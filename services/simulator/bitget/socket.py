"""Bitget's private WebSocket, /v2/ws/private: login, subscriptions, pushes, heartbeat, the end after 24 h."""

from functools import partial
from typing import Final, Literal

import msgspec
import trio
import trio_websocket

from services.simulator.accounts import Account
from services.simulator.bitget import auth, shapes, spot_shapes
from services.simulator.bitget.call import Closing
from services.simulator.bitget.shapes import COIN, PRODUCT, Fields, is_spot, number
from services.simulator.bitget.waiting import Plan
from services.simulator.conversation import Conversation, converse
from services.simulator.ledger import Entry, Executed, Rejected
from services.simulator.limits import RateLimits
from services.simulator.venue import Venue
from spider_common.clock import NS_PER_MS, NS_PER_S

PATH: Final = "/v2/ws/private"

_QUIET: Final = 120.0  # seconds without a ping before the venue drops a socket
_LIFE: Final = 24 * 3600.0  # seconds after which the venue drops a socket whatever is said on it
_SUBSCRIPTIONS: Final = 240  # in an hour
_MESSAGES_A_SECOND: Final = 10
_HOUR: Final = 3600 * NS_PER_S
_CHANNELS: Final = {
    PRODUCT: ("orders", "orders-algo", "fill", "positions", "account"),
    spot_shapes.PRODUCT: ("orders", "orders-algo", "fill", "account"),
}
_MESSAGES: Final = {
    30001: "{} doesn't exist",
    30002: "Illegal request",
    30003: "Invalid op",
    30004: "User needs to log in",
    30005: "Login failed.",
    30006: "request too many",
    30007: "request over limit,connection close",
    30011: "Invalid ACCESS_KEY",
    30012: "Invalid ACCESS_PASSPHRASE",
    30013: "Invalid ACCESS_TIMESTAMP",
    30014: "Request timestamp expired",
    30015: "Invalid sign",
}
Arg = dict[str, str]


class _Frame(msgspec.Struct):
    op: Literal["login", "subscribe", "unsubscribe"]
    args: list[Arg]


class BitgetSocket:
    """Serves the private path of one venue."""

    def __init__(self, venue: Venue, closing: Closing = "position") -> None:
        self._venue, self._closing = venue, closing

    async def converse(self, websocket: trio_websocket.WebSocketConnection) -> int | None:
        """One connection. Returns the code to close with; None: it broke."""
        with trio.CancelScope(deadline=trio.current_time() + _LIFE):
            return await converse(websocket, _Session(self._venue, self._closing), self._venue)
        return None


class _Session(Conversation):
    """What is said on one connection."""

    def __init__(self, venue: Venue, closing: Closing) -> None:
        super().__init__(quiet_s=_QUIET, quiet_code=None, full_code=None)
        self._venue, self._closing = venue, closing
        self._account: Account | None = None
        self._args: list[Arg] = []
        self._asked = RateLimits(_HOUR)
        self._heard = RateLimits(NS_PER_S)

    # What the venue does to it

    def deliver(self, entry: Entry) -> None:
        assert self._account is not None, "sessions are attached at login"
        if isinstance(entry, Rejected):
            return
        of_spot = is_spot(entry.order.symbol)
        for arg in self._args:
            if (arg["instType"] == spot_shapes.PRODUCT) == of_spot:
                self._tell(arg, entry, self._account)

    def _tell(self, arg: Arg, entry: Entry, account: Account) -> None:
        of_spot = arg["instType"] == spot_shapes.PRODUCT
        match arg["channel"]:
            case "orders" if of_spot:
                self._push(arg, [spot_shapes.pushed_order(entry)])
            case "orders":
                row = shapes.pushed_order(entry, self._venue.exchange, account, self._closing)
                self._push(arg, [row])
            case "fill" if isinstance(entry, Executed):
                row = spot_shapes.fill(entry) if of_spot else shapes.fill(entry, self._closing)
                self._push(arg, [row | {"feeDetail": [row["feeDetail"]]} if of_spot else row])
            case "positions" | "account":
                self._push(arg, self._state(arg, account))

    def deliver_plan(self, plan: Plan) -> None:
        """Pushes what has become of a conditional order."""
        for arg in self._args:
            if (arg["instType"], arg["channel"]) == (plan.product, "orders-algo"):
                self._push(arg, [plan.pushed()])

    def announce_close(self) -> None:
        """Bitget has no word for it: the socket just ends."""
        self.drop()

    # What the client says

    def receive(self, message: str | bytes) -> None:
        if self.finished:
            return
        self.heard()
        if not self._heard.allow((), _MESSAGES_A_SECOND, self._venue.clock.now()):
            self._error(30007)
            self.finish(1008)
        elif message == "ping":
            self.put("pong")
        else:
            self._command(message)

    def _command(self, message: str | bytes) -> None:
        try:
            frame = msgspec.json.decode(message, type=_Frame)
        except msgspec.ValidationError:
            return self._error(30003)
        except msgspec.DecodeError:
            return self._error(30002)
        if frame.op == "login":
            return self._login(frame)
        if self._account is None:
            return self._error(30004)
        for arg in frame.args:
            if not self._asked.allow((), _SUBSCRIPTIONS, self._venue.clock.now()):
                return self._error(30006)
            act = partial(self._subscribe, self._account) if frame.op == "subscribe" else self._unsubscribe
            act(arg)
        return None

    def _login(self, frame: _Frame) -> None:
        found = (
            auth.login(frame.args[0], self._venue.account_of_key, self._venue.clock.now())
            if len(frame.args) == 1
            else 30005
        )
        if isinstance(found, int):
            self._error(found)
            self.finish(1008)
        elif self._account is None:
            self._account = found
            self.on_login(found)
            self._send({"event": "login", "code": 0})

    def _subscribe(self, account: Account, arg: Arg) -> None:
        channel = arg.get("channel", "")
        if channel not in _CHANNELS.get(arg.get("instType", ""), ()):
            named = ",".join(f"{name}:{value}" for name, value in arg.items())
            return self._error(30001, named)
        self._send({"event": "subscribe", "arg": arg})
        if arg not in self._args:
            self._args.append(arg)
            if channel in ("positions", "account"):  # the others begin with nothing
                self._push(arg, self._state(arg, account))
        return None

    def _unsubscribe(self, arg: Arg) -> None:
        if arg in self._args:
            self._args.remove(arg)
        self._send({"event": "unsubscribe", "arg": arg})

    # What goes out

    def _state(self, arg: Arg, account: Account) -> list[Fields]:
        exchange = self._venue.exchange
        if arg["channel"] == "positions":
            return [
                {"instId": held.symbol} | shapes.position(held, exchange, account) for held in account.held()
            ]
        if arg["instType"] == spot_shapes.PRODUCT:
            return spot_shapes.assets(account, self._venue.clock.now())
        worth = {name: number(value) for name, value in shapes.balance(exchange, account).items()}
        return [
            {
                "available": worth["available"],
                "crossedRiskRate": "0",
                "equity": worth["equity"],
                "frozen": worth["locked"],
                "marginCoin": COIN,
                "maxOpenPosAvailable": worth["available"],
                "maxTransferOut": worth["available"],
                "unrealizedPL": worth["unrealised"],
                "usdtEquity": worth["equity"],
            }
        ]

    def _push(self, arg: Arg, rows: list[Fields]) -> None:
        ts = self._venue.clock.now() // NS_PER_MS
        self._send({"action": "snapshot", "arg": arg, "data": rows, "ts": ts})

    def _error(self, code: int, detail: str = "") -> None:
        self._send({"event": "error", "code": code, "msg": _MESSAGES[code].format(detail)})

    def _send(self, body: Fields) -> None:
        self.put(msgspec.json.encode(body).decode())
