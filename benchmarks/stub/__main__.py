"""`python -m benchmarks.stub`: the stand-in for AWS as a process. Prints its port.

Beside AWS's calls it answers ``GET /calls``: how often each was made; and ``GET /settled``: the same, once
no message is left, at the earliest when one that was there is gone.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import httptools
import msgspec

from benchmarks.stub.queues import Queues
from benchmarks.stub.tables import Refused, Tables

Handler = Callable[[Any], Any]


class _Secrets:
    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def create(self, call: Any) -> Any:
        self._texts[call["Name"]] = call["SecretString"]
        return {"Name": call["Name"]}

    def get(self, call: Any) -> Any:
        if call["SecretId"] not in self._texts:
            raise Refused("ResourceNotFoundException")
        return {"Name": call["SecretId"], "SecretString": self._texts[call["SecretId"]]}

    def get_batch(self, call: Any) -> Any:
        if len(call["SecretIdList"]) > 20:
            raise Refused("InvalidParameterException")
        found = [self.get({"SecretId": name}) for name in call["SecretIdList"] if name in self._texts]
        missing = [name for name in call["SecretIdList"] if name not in self._texts]
        return {
            "SecretValues": found,
            "Errors": [{"SecretId": name, "ErrorCode": "ResourceNotFoundException"} for name in missing],
        }


class _Stub:
    def __init__(self) -> None:
        tables, secrets = Tables(), _Secrets()
        self._queues = queues = Queues()
        self._unknown = ""
        self.calls: Counter[str] = Counter()
        self._handlers: dict[str, Handler] = {
            "DynamoDB_20120810.GetItem": tables.get_item,
            "DynamoDB_20120810.BatchGetItem": tables.batch_get_item,
            "DynamoDB_20120810.PutItem": tables.put_item,
            "DynamoDB_20120810.UpdateItem": tables.update_item,
            "DynamoDB_20120810.Query": tables.query,
            "DynamoDB_20120810.TransactWriteItems": tables.transact_write_items,
            "DynamoDB_20120810.BatchWriteItem": tables.batch_write_item,
            "AmazonSQS.GetQueueUrl": queues.get_queue_url,
            "AmazonSQS.SendMessageBatch": queues.send_message_batch,
            "AmazonSQS.ReceiveMessage": queues.receive_message,
            "AmazonSQS.DeleteMessage": queues.delete_message,
            "AmazonSQS.DeleteMessageBatch": queues.delete_message_batch,
            "AmazonSQS.ChangeMessageVisibility": queues.change_message_visibility,
            "AmazonSQS.ChangeMessageVisibilityBatch": queues.change_message_visibility_batch,
            "secretsmanager.CreateSecret": secrets.create,
            "secretsmanager.GetSecretValue": secrets.get,
            "secretsmanager.BatchGetSecretValue": secrets.get_batch,
        }

    def answer(self, target: str, body: bytes) -> Any:
        """The answer, or what can be awaited for it."""
        self.calls[target] += 1
        if target not in self._handlers:
            self._unknown = target
            self._queues.tell()
            raise Refused("UnknownOperationException")
        return self._handlers[target](msgspec.json.decode(body))

    async def settled(self) -> Any:
        while not (self._queues.is_empty or self._unknown):
            await self._queues.changed()
        return self.told()

    def told(self) -> Any:
        return {"calls": self.calls, "dead": self._queues.dead, "unknown": self._unknown}


class _Connection(asyncio.Protocol):
    def __init__(self, stub: _Stub) -> None:
        self._stub = stub
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._target, self._url, self._body = "", b"", b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-amz-target":
            self._target = value.decode()

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        try:
            if self._url == b"/calls":
                answer = self._stub.told()
            elif self._url == b"/settled":
                answer = self._stub.settled()
            else:
                answer = self._stub.answer(self._target, self._body)
        except Refused as refused:
            self._write(b"400 Bad Request", {"__type": f"stub#{refused.kind}", "message": "", **refused.more})
            return
        if isinstance(answer, Awaitable):
            task = asyncio.ensure_future(self._later(answer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._write(b"200 OK", answer)

    async def _later(self, answer: Awaitable[Any]) -> None:
        self._write(b"200 OK", await answer)

    def _write(self, status: bytes, answer: Any) -> None:
        body = msgspec.json.encode(answer)
        head = b"HTTP/1.1 %b\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (status, len(body)) + body)


async def main() -> None:
    stub = _Stub()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(stub), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1])
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(ImportError):  # it comes with no dependency group, and only makes the stub lighter
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(main())
