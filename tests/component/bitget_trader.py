"""A small Bitget client for tests: signed REST calls and a private socket, over any `Network`.

It is written from the documentation and shares nothing with the project's own client.
"""

import base64
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from decimal import Decimal
from urllib.parse import urlencode

import h11
import trio
import trio_websocket

from services.simulator.accounts import Credentials
from services.simulator.actions import OpenAccount, apply
from tests.component.okx_trader import Socket, exchange

SWAP = "BTCUSDT"
PRODUCT = {"productType": "USDT-FUTURES"}
ORDERS = {"instType": "USDT-FUTURES", "channel": "orders", "instId": "default"}


def signature(secret, text):
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


class BitgetTrader:
    """Speaks to the simulator as one account."""

    def __init__(self, simulator, network, clock, name="alice", *, mode="net", cash="1000000"):
        self.simulator, self.network, self.clock, self.name = simulator, network, clock, name
        self.secret, self.passphrase = f"{name}-secret", f"{name}-pass"
        apply(
            simulator.bitget,
            OpenAccount(
                name=name,
                credentials=Credentials(name, self.secret, self.passphrase),
                balances={"USDT": Decimal(cash)},
                position_mode=mode,
            ),
        )

    @property
    def account(self):
        return self.simulator.bitget.exchange.accounts[self.name]

    def signed(self, method, target, body="", *, age_ms=0):
        timestamp = str(self.clock.now() // 10**6 - age_ms)
        return {
            "ACCESS-KEY": self.name,
            "ACCESS-SIGN": signature(self.secret, timestamp + method + target + body),
            "ACCESS-TIMESTAMP": timestamp,
            "ACCESS-PASSPHRASE": self.passphrase,
        }

    async def raw(self, method, target, body=b"", headers=None):
        """(status, body) of one request on a connection of its own; None when it closed unanswered."""
        addresses = self.simulator.addresses
        stream = await self.network.connect(addresses.host, addresses.rest_port)
        async with stream:
            return await exchange(stream, h11.Connection(h11.CLIENT), method, target, body, headers)

    async def call(self, method, path, params=None, *, age_ms=0):
        """The decoded answer of a signed call; None when the venue closed without one."""
        target, body = f"/api/v2/{path}", ""
        if method == "POST":
            body = json.dumps(params)
        elif params:
            target += "?" + urlencode(params)
        headers = self.signed(method, target, body, age_ms=age_ms)
        answer = await self.raw(method, target, body.encode(), headers)
        return None if answer is None else json.loads(answer[1])

    async def order(self, *, age_ms=0, **fields):
        """Places a market buy of 0.01 BTC, but for what `fields` say."""
        body = {
            **PRODUCT,
            "symbol": SWAP,
            "marginMode": "crossed",
            "marginCoin": "USDT",
            "side": "buy",
            "orderType": "market",
            "size": "0.01",
        } | fields
        return await self.call("POST", "mix/order/place-order", body, age_ms=age_ms)

    @asynccontextmanager
    async def socket(self, *channels, login=True):
        """A private socket, logged in and subscribed to `orders` or to `channels`."""
        addresses = self.simulator.addresses
        stream = await self.network.connect(addresses.host, addresses.socket_port)
        async with trio.open_nursery() as nursery:
            websocket = await trio_websocket.wrap_client_stream(
                nursery, stream, addresses.host, "/v2/ws/private"
            )
            socket = Socket(websocket)
            if login:
                await socket.say(self.login())
                assert await socket.hear() == {"event": "login", "code": 0}
                for channel in channels or (ORDERS,):
                    await socket.say({"op": "subscribe", "args": [channel]})
                    assert await socket.hear() == {"event": "subscribe", "arg": channel}
            yield socket
            nursery.cancel_scope.cancel()

    def login(self, **instead):
        timestamp = str(self.clock.now() // 10**9)
        arg = {
            "apiKey": self.name,
            "passphrase": self.passphrase,
            "timestamp": timestamp,
            "sign": signature(self.secret, timestamp + "GET/user/verify"),
        }
        return {"op": "login", "args": [arg | instead]}
