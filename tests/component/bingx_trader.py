"""A small BingX client for tests: signed REST calls and a private socket, over any `Network`."""

import gzip
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from decimal import Decimal
from urllib.parse import quote

import h11
import trio
import trio_websocket

from services.simulator.accounts import Credentials
from services.simulator.actions import OpenAccount, apply
from tests.component.okx_trader import exchange

SWAP = "BTC-USDT"


def signature(secret, params):
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class BingxTrader:
    """Speaks to the simulator as one account."""

    def __init__(self, simulator, network, clock, name="alice", *, mode="net", cash="1000000"):
        self.simulator, self.network, self.clock, self.name = simulator, network, clock, name
        self.secret = f"{name}-secret"
        if name not in simulator.bingx.exchange.accounts:
            account = OpenAccount(
                name=name,
                credentials=Credentials(name, self.secret, ""),
                balances={"USDT": Decimal(cash)},
                position_mode=mode,
            )
            apply(simulator.bingx, account)

    @property
    def account(self):
        return self.simulator.bingx.exchange.accounts[self.name]

    async def raw(self, method, path, query="", headers=None):
        """(status, body) of one request on a connection of its own; None when it closed unanswered."""
        addresses = self.simulator.addresses
        stream = await self.network.connect(addresses.host, addresses.rest_port)
        target = f"/openApi/{path}" + (f"?{query}" if query else "")
        async with stream:
            return await exchange(stream, h11.Connection(h11.CLIENT), method, target, b"", headers)

    def query(self, params=None, **instead):
        """A signed query; `instead` changes what is signed."""
        params = {"timestamp": str(self.clock.now() // 10**6)} | (params or {}) | instead
        encoded = "&".join(f"{name}={quote(str(params[name]), safe='')}" for name in sorted(params))
        return f"{encoded}&signature={signature(self.secret, params)}"

    async def call(self, method, path, params=None, **instead):
        """The decoded answer of a signed call; None when the venue closed without one."""
        answer = await self.raw(method, path, self.query(params, **instead), {"X-BX-APIKEY": self.name})
        return None if answer is None else json.loads(answer[1])

    async def order(self, **fields):
        """Places a market buy of 0.001 BTC, but for what `fields` say."""
        asked = {"symbol": SWAP, "side": "BUY", "positionSide": "BOTH", "type": "MARKET", "quantity": "0.001"}
        return await self.call("POST", "swap/v2/trade/order", asked | fields)

    async def listen_key(self):
        return (await self.call("POST", "user/auth/userDataStream"))["listenKey"]

    @asynccontextmanager
    async def socket(self, key=None, path="/swap-market"):
        """A private socket on a key of its own, or on the one given."""
        key = await self.listen_key() if key is None else key
        addresses = self.simulator.addresses
        stream = await self.network.connect(addresses.host, addresses.socket_port)
        async with trio.open_nursery() as nursery:
            websocket = await trio_websocket.wrap_client_stream(
                nursery, stream, addresses.host, f"{path}?listenKey={key}"
            )
            yield BingxEar(websocket)
            nursery.cancel_scope.cancel()


class BingxEar:
    """Hears frames; pings are answered and settings left out."""

    def __init__(self, websocket):
        self.websocket = websocket

    async def frame(self):
        frame = await self.websocket.get_message()
        assert isinstance(frame, bytes)
        return gzip.decompress(frame).decode()

    async def hear(self):
        while True:
            text = await self.frame()
            if text == "Ping":
                await self.websocket.send_message("Pong")
                continue
            body = json.loads(text)
            if body.get("e") != "ACCOUNT_CONFIG_UPDATE":
                return body

    async def orders(self, count):
        """The next `count` order updates."""
        found = []
        while len(found) < count:
            body = await self.hear()
            if body["e"] == "ORDER_TRADE_UPDATE":
                found.append(body["o"])
        return found
