"""As much of OKX as an ingest service needs, without thinking: listings, private sockets, pushes on demand.

``GET /push?seconds=20`` sends every subscribed socket one documented order frame a second, spread evenly,
each of an order of its own that is filled; it answers with how many it has sent when the time is over.
Conditional orders, which OKX tells on a second socket, there are none: the private one has its frames too.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress
from itertools import count
from typing import Any

from aiohttp import WSMsgType, web

_BALANCE = {"totalEq": "41624.32", "uTime": "1705474164160"}
_SWAP = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "settleCcy": "USDT",
    "ctType": "linear",
    "ctVal": "0.01",
    "ctMult": "1",
    "lotSz": "0.01",
    "minSz": "0.01",
    "tickSz": "0.1",
}
_LISTINGS: dict[str, list[dict[str, str]]] = {
    "account/balance": [_BALANCE],
    "account/positions": [],
    "public/instruments": [_SWAP],
    "trade/fills": [],
    "trade/orders-algo-history": [],
    "trade/orders-algo-pending": [],
    "trade/orders-history": [],
    "trade/orders-pending": [],
}
# https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel, of a swap; @ is filled in
_PUSH = (
    '{"arg":{"channel":"orders","instType":"SWAP","uid":"614488474791936"},"data":[{"accFillSz":"0.1",'
    '"algoClOrdId":"","algoId":"","amendResult":"","amendSource":"","avgPx":"31527.1","cancelSource":"",'
    '"category":"normal","ccy":"","clOrdId":"@ID","code":"0","cTime":"@MS","execType":"M",'
    '"fee":"-0.02522168","feeCcy":"USDT","fillFee":"-0.02522168","fillFeeCcy":"USDT",'
    '"fillNotionalUsd":"31.50818374","fillPx":"31527.1","fillSz":"0.1","fillPnl":"0.01","fillTime":"@MS",'
    '"instId":"BTC-USDT-SWAP","instType":"SWAP","lever":"10","msg":"","notionalUsd":"31.50818374",'
    '"ordId":"45219770@NO","ordType":"limit","pnl":"0","posSide":"net","px":"31527.1","quickMgnType":"",'
    '"rebate":"0","rebateCcy":"USDT","reduceOnly":"false","reqId":"","side":"sell","attachAlgoClOrdId":"",'
    '"slOrdPx":"","slTriggerPx":"","slTriggerPxType":"","source":"","state":"filled","stpMode":"","sz":"0.1",'
    '"tag":"","tdMode":"cross","tgtCcy":"","tpOrdPx":"","tpTriggerPx":"","tpTriggerPxType":"",'
    '"attachAlgoOrds":[],"tradeId":"24258@NO","tradeQuoteCcy":"USDT","lastPx":"38892.2","uTime":"@MS",'
    '"isTpLimit":"false","linkedAlgoOrd":{"algoId":""}}]}'
)


class _Peer:
    def __init__(self) -> None:
        self._all: set[web.WebSocketResponse] = set()
        self._private: set[web.WebSocketResponse] = set()
        self._orders = count(1_000_000_000)

    async def rest(self, request: web.Request) -> web.Response:
        rows = _LISTINGS.get(request.match_info["path"])
        if rows is None:
            raise web.HTTPNotFound
        kind = request.query.get("instType", "SWAP")
        rows = [row for row in rows if row.get("instType", kind) == kind]
        return web.json_response({"code": "0", "msg": "", "data": rows})

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            if message.data == "ping":
                await socket.send_str("pong")
            else:
                await self._answer(socket, json.loads(message.data))
        self._all.discard(socket)
        self._private.discard(socket)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        if request["op"] == "login":
            await socket.send_json({"event": "login", "code": "0", "msg": "", "connId": "a4d3ae55"})
            return
        for arg in request["args"]:
            await socket.send_json({"event": "subscribe", "arg": arg, "connId": "a4d3ae55"})
            if arg["channel"] == "orders":
                self._private.add(socket)
        self._all.add(socket)

    async def push(self, request: web.Request) -> web.Response:
        """Sends `seconds` frames for each socket; the pace is kept whatever sending takes."""
        private = list(self._private)
        frames = int(request.query["seconds"]) * len(self._all)
        pace = len(self._all)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(frames):
            await asyncio.sleep(began + number / pace - loop.time())
            await private[number % len(private)].send_str(self._frame())
        return web.json_response(frames)

    def _frame(self) -> str:
        order = next(self._orders)
        return (
            _PUSH.replace("@ID", f"{order:032d}")
            .replace("@MS", str(time.time_ns() // 1_000_000))
            .replace("@NO", str(order))
        )


async def main() -> None:
    peer, app = _Peer(), web.Application()
    app.router.add_get("/api/v5/{path:.*}", peer.rest)
    app.router.add_get("/ws/v5/private", peer.socket)
    app.router.add_get("/ws/v5/business", peer.socket)
    app.router.add_get("/push", peer.push)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1])
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(ImportError):  # it comes with no dependency group, and only makes the peer lighter
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(main())
