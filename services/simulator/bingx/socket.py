"""BingX's private sockets: gzip frames, and a listen key in the address.

Swaps, ``/swap-market``: text pings, and everything is pushed. Spot, ``/market``: JSON pings, and what is
subscribed to is pushed.
"""

import contextlib
import gzip
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec
import trio
import trio_websocket

from services.simulator.accounts import Account
from services.simulator.bingx import shapes, spot
from services.simulator.bingx.call import Fields
from services.simulator.bingx.conditionals import Conditional
from services.simulator.bingx.streams import ListenKeys
from services.simulator.ledger import Entry, Executed, Rejected
from services.simulator.venue import Venue

PATH: Final = "/swap-market"
SPOT_PATH: Final = "/market"

_PING_EVERY: Final = 5.0  # seconds
_UNANSWERED: Final = 6  # pings without a pong after which the venue closes
_OUTBOX: Final = 1024  # frames a slow reader may fall behind before the venue breaks the connection
_CLOSED: Final = 1000
_FASTEST: Final = 1  # of gzip's levels


class BingxSocket:
    """Serves one private path of one venue with sessions of a kind."""

    def __init__(self, venue: Venue, keys: ListenKeys, kind: type["BingxSession"]) -> None:
        self._venue = venue
        self._keys = keys
        self._kind = kind

    async def converse(self, websocket: trio_websocket.WebSocketConnection) -> int | None:
        """One connection. Returns the code to close with; None: it broke."""
        asked: str = websocket.path or ""
        (key,) = parse_qs(urlsplit(asked).query).get("listenKey", [""])
        now = self._venue.clock.now()
        account = self._keys.owner(key, now)
        if account is None:
            refused = {"code": 100400, "msg": "invalid listenKey", "timestamp": shapes.milliseconds(now)}
            await websocket.send_message(_packed(msgspec.json.encode(refused)))
            return _CLOSED
        outbox, sending = trio.open_memory_channel[bytes](_OUTBOX)
        session = self._kind(self._venue, self._keys, key, account, outbox)
        self._keys.attach(key, session)
        try:
            with self._venue.attached(account, session), session.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_write, websocket, sending, name="bingx.socket.write")
                    nursery.start_soon(session.ping, name="bingx.socket.ping")
                    session.greet()
                    await _read(websocket, session)
                    nursery.cancel_scope.cancel()
        finally:
            self._keys.detach(key, session)
        return session.close_code


async def _write(
    websocket: trio_websocket.WebSocketConnection, sending: trio.MemoryReceiveChannel[bytes]
) -> None:
    with contextlib.suppress(trio_websocket.ConnectionClosed):  # the reader sees it too, and ends the session
        async for frame in sending:
            await websocket.send_message(frame)


async def _read(websocket: trio_websocket.WebSocketConnection, session: "BingxSession") -> None:
    with contextlib.suppress(trio_websocket.ConnectionClosed):
        while True:
            session.receive(await websocket.get_message())


class BingxSession:
    """One connection's state; a kind for each section of the venue says what is heard and told."""

    def __init__(
        self,
        venue: Venue,
        keys: ListenKeys,
        key: str,
        account: Account,
        outbox: trio.MemorySendChannel[bytes],
    ) -> None:
        self.close_code: int | None = _CLOSED
        self.scope = trio.CancelScope()
        self._venue, self._keys, self._key, self._account = venue, keys, key, account
        self._outbox = outbox
        self._unanswered = 0
        self._expired = False

    # What the venue does to it

    def deliver(self, entry: Entry) -> None:
        raise NotImplementedError

    def conditional(self, order: Conditional) -> None:
        """Pushes what a conditional order of a swap is. The spot section tells none."""

    def drop(self) -> None:
        self._end(None)

    def announce_close(self) -> None:
        """The listen key ends. The socket stays open, and says nothing from then on."""
        self._keys.expire(self._key)
        self._check_key()

    # What goes on

    def greet(self) -> None:
        """What is said first."""

    async def ping(self) -> None:
        while True:
            await trio.sleep(_PING_EVERY)
            self._check_key()
            if self._expired or self._venue.silent(self._account.name):
                continue
            if self._unanswered >= _UNANSWERED:
                self._end(_CLOSED)
            self._unanswered += 1
            self._put(self._beat())

    def receive(self, message: str | bytes) -> None:
        raise NotImplementedError

    def _beat(self) -> bytes:
        raise NotImplementedError

    def _hears(self, entry: Entry, kind: str) -> bool:
        """Whether an event of an instrument of a kind is for this socket."""
        order = None if isinstance(entry, Rejected) else entry.order
        if order is None or self._venue.exchange.market(order.symbol).instrument.kind != kind:
            return False
        return self._keys.hears(self._key, self, entry.seq)

    def _check_key(self) -> None:
        now = self._venue.clock.now()
        if self._expired or self._keys.owner(self._key, now) is not None:
            return
        expired = {"e": "listenKeyExpired", "E": shapes.milliseconds(now), "listenKey": self._key}
        self._push(expired)
        self._expired = True

    def _push(self, body: Fields) -> None:
        if not self._expired:
            self._put(msgspec.json.encode(body))

    def _put(self, frame: bytes) -> None:
        if self.scope.cancel_called or self._venue.silent(self._account.name):
            return
        try:
            self._outbox.send_nowait(_packed(frame))
        except trio.WouldBlock:
            self._end(None)

    def _end(self, code: int | None) -> None:
        self.close_code = code
        self.scope.cancel()


class SwapSession(BingxSession):
    """Everything of the account's swaps, without asking."""

    def greet(self) -> None:
        now = self._venue.clock.now()
        for instrument in self._venue.instruments:
            if instrument.kind == "swap":
                self._push(shapes.pushed_configuration(instrument, self._account, now))

    def deliver(self, entry: Entry) -> None:
        if not self._hears(entry, "swap"):
            return
        exchange, now = self._venue.exchange, self._venue.clock.now()
        self._push(shapes.pushed_order(entry, exchange, now))
        if isinstance(entry, Executed):
            self._push(shapes.pushed_account(entry, exchange, self._account, now))

    def conditional(self, order: Conditional) -> None:
        self._push(shapes.pushed_conditional(order, self._venue.clock.now()))

    def receive(self, message: str | bytes) -> None:
        if message == "Pong":
            self._unanswered = 0

    def _beat(self) -> bytes:
        return b"Ping"


class SpotSession(BingxSession):
    """Reports of spot orders, once they are subscribed to."""

    _reports = False

    def deliver(self, entry: Entry) -> None:
        if self._reports and self._hears(entry, "spot"):
            self._push(spot.report(entry))

    def receive(self, message: str | bytes) -> None:
        try:
            body = msgspec.json.decode(message, type=dict[str, object])
        except msgspec.DecodeError:
            return
        if "pong" in body:
            self._unanswered = 0
        elif (body.get("reqType"), body.get("dataType")) == ("sub", spot.TOPIC):
            self._reports = True
            self._push({"id": body.get("id"), "code": 0, "msg": "", "dataType": "", "data": None})
        else:
            self._push({"id": body.get("id"), "code": 80014, "msg": "dataType not support"})

    def _beat(self) -> bytes:
        now = self._venue.clock.now()
        return msgspec.json.encode({"ping": f"{now:032x}", "time": shapes.written_time(now)})


def _packed(frame: bytes) -> bytes:
    return gzip.compress(frame, _FASTEST, mtime=0)  # without a time, so that equal runs send equal bytes
