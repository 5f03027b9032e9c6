"""HTTP: httpx on our transport, stock httpx (on Trio) and aiohttp send the same order and read the answer."""

import asyncio
import json
from collections.abc import Sequence

import aiohttp
import httpx
import trio

from benchmarks.measure import Figure, compare, on_asyncio, on_trio, peer
from spider_common.network import SystemNetwork
from spider_common.sdk.http import TrioTransport, client

_PATH = "/api/v5/trade/order"
_BODY = json.dumps(
    {
        "instId": "BTC-USDT-SWAP",
        "tdMode": "cross",
        "clOrdId": "a" * 32,
        "side": "buy",
        "ordType": "market",
        "sz": "1",
    }
).encode()
_HEADERS = {
    "Content-Type": "application/json",
    "OK-ACCESS-KEY": "37c541a1-0000-0000-0000-10fe7a038418",
    "OK-ACCESS-SIGN": "leaVRETrtaoEQ3yI9qEtI1CZ82ikZ4xSG5Kj8gnl3uw=",
    "OK-ACCESS-TIMESTAMP": "2026-01-01T00:00:00.000Z",
    "OK-ACCESS-PASSPHRASE": "passphrase",
}


async def _with_httpx(http: httpx.AsyncClient, url: str, calls: int) -> float:
    async with http:

        async def call() -> None:
            response = await http.post(url, content=_BODY, headers=_HEADERS)
            assert response.json()["code"] == "0"

        return await on_trio(call, calls)


async def _ours(url: str, calls: int) -> float:
    return await _with_httpx(client(TrioTransport(network=SystemNetwork())), url, calls)


async def _httpx(url: str, calls: int) -> float:
    return await _with_httpx(httpx.AsyncClient(trust_env=False), url, calls)


async def _aiohttp(url: str, calls: int) -> float:
    async with aiohttp.ClientSession() as session:

        async def call() -> None:
            async with session.post(url, data=_BODY, headers=_HEADERS) as response:
                assert (await response.json())["code"] == "0"

        return await on_asyncio(call, calls)


def run() -> Sequence[Figure]:
    with peer("benchmarks.http_peer") as port:
        url = f"http://127.0.0.1:{port}{_PATH}"
        return compare(
            "HTTP request",
            ("httpx on sdk.http", lambda calls: trio.run(_ours, url, calls)),
            {
                "httpx": (lambda calls: trio.run(_httpx, url, calls), 0.25),
                "aiohttp": (lambda calls: asyncio.run(_aiohttp(url, calls)), None),
            },
            calls=1_600,
        )
