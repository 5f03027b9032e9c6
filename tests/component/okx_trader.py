"""A small OKX client for tests: signed REST calls and a private socket, over any `Network`."""

import base64
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlencode

import h11
import trio
import trio_websocket

from services.simulator.accounts import Credentials
from services.simulator.actions import OpenAccount, apply

SWAP = "BTC-USDT-SWAP"


def signature(secret, text):
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


class Trader:
    """Speaks to the simulator as one account."""

    def __init__(self, simulator, network, clock, name="alice", *, mode="net", cash="1000000"):
        self.simulator, self.network, self.clock, self.name = simulator, network, clock, name
        self.secret, self.passphrase = f"{name}-secret", f"{name}-pass"
        if name not in simulator.okx.exchange.accounts:
            apply(
                simulator.okx,
                OpenAccount(
                    name=name,
                    credentials=Credentials(name, self.secret, self.passphrase),
                    balances={"USDT": Decimal(cash)},
                    position_mode=mode,
                ),
            )

    @property
    def account(self):
        return self.simulator.okx.exchange.accounts[self.name]

    def signed(self, method, target, body=""):
        now = datetime.fromtimestamp(self.clock.now() / 1e9, UTC)
        timestamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "OK-ACCESS-KEY": self.name,
            "OK-ACCESS-SIGN": signature(self.secret, timestamp + method + target + body),
            "OK-ACCESS-TIMESTAMP": timestamp,
            "OK-ACCESS-PASSPHRASE": self.passphrase,
        }

    async def raw(self, method, target, body=b"", headers=None, *, port=None):
        """(status, body) of one request on a connection of its own; None when it closed unanswered."""
        addresses = self.simulator.addresses
        stream = await self.network.connect(addresses.host, port or addresses.rest_port)
        async with stream:
            return await exchange(stream, h11.Connection(h11.CLIENT), method, target, body, headers)

    async def call(self, method, path, params=None, *, headers=None):
        """The decoded answer of a signed call; None when the venue closed without one."""
        target, body = f"/api/v5/{path}", ""
        if method == "POST":
            body = json.dumps(params)
        elif params:
            target += "?" + urlencode(params)
        answer = await self.raw(
            method, target, body.encode(), self.signed(method, target, body) | (headers or {})
        )
        return None if answer is None else json.loads(answer[1])

    async def order(self, headers=None, **fields):
        """Places a market buy of one BTC contract, but for what `fields` say."""
        body = {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"} | fields
        answer = await self.call("POST", "trade/order", body, headers=headers)
        return answer and answer["data"][0] if answer and answer["data"] else answer

    @asynccontextmanager
    async def socket(self, *channels, login=True):
        """A private socket, logged in and subscribed to `orders` of any type or to `channels`."""
        addresses = self.simulator.addresses
        stream = await self.network.connect(addresses.host, addresses.socket_port)
        async with trio.open_nursery() as nursery:
            websocket = await trio_websocket.wrap_client_stream(
                nursery, stream, addresses.host, "/ws/v5/private"
            )
            socket = Socket(websocket)
            if login:
                await socket.say(self.login())
                assert (await socket.hear())["event"] == "login"
                for channel in channels or ({"channel": "orders", "instType": "ANY"},):
                    await socket.say({"op": "subscribe", "args": [channel]})
                    assert (await socket.hear())["event"] == "subscribe"
                    assert (await socket.hear())["event"] == "channel-conn-count"
            yield socket
            nursery.cancel_scope.cancel()

    def login(self, **instead):
        timestamp = str(self.clock.now() // 10**9)
        arg = {
            "apiKey": self.name,
            "passphrase": self.passphrase,
            "timestamp": timestamp,
            "sign": signature(self.secret, timestamp + "GET/users/self/verify"),
        }
        return {"op": "login", "args": [arg | instead]}


class Socket:
    def __init__(self, websocket):
        self.websocket = websocket

    async def say(self, message):
        await self.websocket.send_message(message if isinstance(message, str) else json.dumps(message))

    async def hear(self):
        message = await self.websocket.get_message()
        return message if message == "pong" else json.loads(message)

    async def closed(self):
        """The close code, after whatever is still unread."""
        try:
            while True:
                await self.websocket.get_message()
        except trio_websocket.ConnectionClosed as closed:
            return closed.reason.code


async def exchange(stream, connection, method, target, body=b"", headers=None):
    head = h11.Request(
        method=method,
        target=target,
        headers=[("host", "simulator"), ("content-length", str(len(body))), *(headers or {}).items()],
    )
    parts = (head, h11.Data(data=body), h11.EndOfMessage())
    await stream.send_all(b"".join(connection.send(part) for part in parts))
    status, received = 0, b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return None
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            received += event.data
        elif isinstance(event, h11.EndOfMessage):
            return status, received
        else:
            return None
