"""`python -m services.local.faulty_proxy UPSTREAM SEED`: AWS behind a wire and a front end that fail.

Passes requests on to the stand-in for AWS, and lets a share of the answers go wrong, each in a way that a
client meets in production. Which request is struck, a seed draws. Prints its ports as one JSON line.

On the control port: ``PUT /shares`` sets what share of the answers goes wrong how (`Shares`), ``GET /struck``
says how many did so far.
"""

import random
import signal
import struct
import sys
from collections import Counter
from functools import partial
from typing import Final, Literal, get_args

import httpx
import msgspec
import trio

from services.simulator.http import serve_http
from services.simulator.request import Request, Response
from spider_common.network import Network, SystemNetwork
from spider_common.sdk import http
from spider_common.sdk.pool import Limits

Failure = Literal["throttle", "fail", "fail_after", "reset", "reset_after"]

HOST: Final = "127.0.0.1"
_LONGEST_S: Final = 30.0  # longer than the longest poll of a queue
# More than all services have open together: a request that waits here would go on to AWS when nobody wants
# its answer any more, and hold up those that come after it.
_LIMITS: Final = Limits(per_host=512, total=512)
_ROUNDING: Final = 1e-9
_RESET: Final = struct.pack("ii", 1, 0)  # linger on, for no time: closing resets the connection
_OF_ONE_HOP: Final = frozenset(
    {"connection", "content-length", "content-type", "keep-alive", "transfer-encoding"}
)


class Shares(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What share of the answers goes wrong, 0 to 1 each and 1 at most in all.

    Attributes:
        throttle: refused, in the way of the service that was asked; nothing is done.
        fail: 500 or 503, and nothing is done.
        fail_after: the same, and it is done.
        reset: the connection is reset before the request gets anywhere.
        reset_after: the connection is reset once it is done: the answer is lost.
    """

    throttle: float = 0.0
    fail: float = 0.0
    fail_after: float = 0.0
    reset: float = 0.0
    reset_after: float = 0.0

    def __post_init__(self) -> None:
        shares = msgspec.structs.astuple(self)
        if min(shares) < 0 or sum(shares) > 1 + _ROUNDING:
            raise ValueError(f"shares: {shares} are parts of all answers: none below 0, 1 at most in all")

    def draw(self, rng: random.Random) -> Failure | None:
        """What becomes of the next answer; None: it arrives."""
        shares = msgspec.structs.astuple(self)
        kinds: tuple[Failure | None, ...] = (*get_args(Failure), None)
        return rng.choices(kinds, (*shares, max(1 - sum(shares), 0)))[0]


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Where a proxy listens: for the services, and for who sets its faults."""

    port: int
    control_port: int


class FaultyProxy:
    """Passes requests to `upstream` (a URL), or not."""

    def __init__(self, upstream: str, client: httpx.AsyncClient, rng: random.Random) -> None:
        self._upstream, self._client, self._rng = upstream, client, rng
        self.shares = Shares()
        self.struck: Counter[Failure] = Counter()

    async def handle(self, request: Request) -> Response | None:
        """Answers a service; None resets its connection."""
        failure = self.shares.draw(self._rng)
        if failure is not None:
            self.struck[failure] += 1
        match failure:
            case "throttle":
                return throttled(request)
            case "fail":
                return self._failed()
            case "reset":
                return None
        answer = await self._pass_on(request)
        match failure:
            case "fail_after":
                return self._failed()
            case "reset_after":
                return None
        return answer

    async def control(self, request: Request) -> Response:
        """Answers whoever sets the faults."""
        match request.method, request.path:
            case "PUT", "/shares":
                try:
                    self.shares = msgspec.json.decode(request.body, type=Shares)
                except msgspec.DecodeError as error:
                    return Response(str(error).encode(), 400, "text/plain")
                return Response(msgspec.json.encode(self.shares))
            case "GET", "/struck":
                return Response(msgspec.json.encode(self.struck))
        return Response(b"PUT /shares or GET /struck", 404, "text/plain")

    async def _pass_on(self, request: Request) -> Response | None:
        headers = {name: value for name, value in request.headers.items() if name != "connection"}
        try:
            answer = await self._client.request(
                request.method, self._upstream + request.target, headers=headers, content=request.body
            )
        except httpx.TransportError:
            return None
        return Response(
            answer.content,
            answer.status_code,
            answer.headers.get("content-type", ""),
            tuple(each for each in answer.headers.items() if each[0] not in (*_OF_ONE_HOP, "content-type")),
        )

    def _failed(self) -> Response:
        """What a service says that broke (JSON), or what stands before it when it is away (none)."""
        if self._rng.random() < 0.5:
            return Response(b'{"__type":"InternalServerError","message":"it broke"}', 500)
        return Response(b"<html><body>503 Service Unavailable</body></html>", 503, "text/html")


def throttled(request: Request) -> Response:
    """The refusal of a request for want of throughput, as the service that it is for words it."""
    service, _, operation = request.headers.get("x-amz-target", "").partition(".")
    if service == "AmazonSQS":
        # SQS spoke another protocol before; clients take the code from this header
        code = (("x-amzn-query-error", "RequestThrottled;Sender"),)
        return Response(_error("com.amazonaws.sqs#RequestThrottled"), 400, _JSON, code)
    if operation == "TransactWriteItems":
        writes = len(msgspec.json.decode(request.body)["TransactItems"])
        refusal = {
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled",
            "CancellationReasons": [{"Code": "ThrottlingError", "Message": "too much"}] * writes,
        }
        return Response(msgspec.json.encode(refusal), 400, _JSON)
    if service.startswith("DynamoDB"):
        kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
        return Response(_error(kind), 400, _JSON)
    return Response(_error("ThrottlingException"), 400, _JSON)


_JSON: Final = "application/x-amz-json-1.0"


def _error(kind: str) -> bytes:
    return msgspec.json.encode({"__type": kind, "message": "The rate of requests is too high"})


class _Resetting(trio.abc.Listener[trio.abc.Stream]):
    """A listener whose connections are reset, not closed, when we end them."""

    def __init__(self, listener: trio.abc.Listener[trio.abc.Stream]) -> None:
        self._listener = listener

    async def accept(self) -> trio.abc.Stream:
        stream = await self._listener.accept()
        if isinstance(stream, trio.SocketStream):
            stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, _RESET)
        return stream

    async def aclose(self) -> None:
        await self._listener.aclose()


async def serve_proxy(
    upstream: str,
    *,
    network: Network,
    rng: random.Random,
    task_status: trio.TaskStatus[Ports] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until cancelled; starts with its ports, and with no faults."""
    transport = http.TrioTransport(network=network, limits=_LIMITS, deadline=_LONGEST_S)
    async with http.client(transport) as client, trio.open_nursery() as nursery:
        proxy = FaultyProxy(upstream, client, rng)
        listener, port = await network.listen(HOST, 0)
        control, control_port = await network.listen(HOST, 0)
        await nursery.start(serve_http, _Resetting(listener), proxy.handle, name="proxy")
        await nursery.start(serve_http, control, proxy.control, name="proxy.control")
        task_status.started(Ports(port=port, control_port=control_port))


async def _run(upstream: str, seed: str) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            rng = random.Random(seed)  # noqa: S311 chance that is to repeat itself
            serve = partial(serve_proxy, upstream, network=SystemNetwork(), rng=rng)
            ports: Ports = await nursery.start(serve, name="proxy")
            sys.stdout.write(msgspec.json.encode(ports).decode() + "\n")
            sys.stdout.flush()
            async for _ in signals:
                nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(_run, sys.argv[1], sys.argv[2])
