"""A light HTTP/1.1 server: every POST is answered as an accepted order, or as DynamoDB's PutItem."""

import asyncio
import json
import sys
import zlib
from contextlib import suppress
from typing import cast

import httptools

_ORDER = json.dumps(
    {
        "code": "0",
        "msg": "",
        "data": [{"clOrdId": "oktswap6", "ordId": "312269865356374016", "tag": "", "sCode": "0", "sMsg": ""}],
        "inTime": "1695190491421339",
        "outTime": "1695190491423240",
    }
).encode()
_PUT = b"{}"


def _answer(body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in ("Server: peer", f"Content-Length: {len(body)}", *headers))
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body


class _Peer(asyncio.Protocol):
    order = _answer(_ORDER, "Content-Type: application/json", "Connection: keep-alive")
    put = _answer(
        _PUT,
        "Content-Type: application/x-amz-json-1.0",
        "Connection: keep-alive",
        "x-amzn-RequestId: 8B4VRLMD0JGFI4GG0OUHEJVRRNVV4KQNSO5AEMVJF66Q9ASUAAJG",
        f"x-amz-crc32: {zlib.crc32(_PUT)}",
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._reply = self.put if url == b"/" else self.order

    def on_message_complete(self) -> None:
        self._transport.write(self._reply)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(_Peer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1])
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(ImportError):  # it comes with no dependency group, and only makes the peer lighter
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(main())
