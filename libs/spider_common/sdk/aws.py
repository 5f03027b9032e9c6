"""boto3 on Trio, without threads: botocore builds, signs and parses; the wire is `sdk.pool`.

botocore calls its `before-send` hook with the signed request; the hook sends it over a Trio stream by
`greenback.await_`, so a Trio cancellation or deadline ends the request itself. Retries are ours, with
Trio sleeps. The SDK stays unmodified.
"""

import ssl
import uuid
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeVar, overload
from urllib.parse import urlsplit

import boto3.session
import botocore
import botocore.session
import greenback
import httpx
import msgspec
import stamina
import structlog
import trio
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
)

from spider_common.network import Network
from spider_common.sdk._wire import request_head
from spider_common.sdk.pool import Limits, Origin, Pool, PoolStatistics, Request, ResponseTooLarge, Timeouts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient

P = ParamSpec("P")
T = TypeVar("T")

_PORTS: Final = {"http": 80, "https": 443}
_NO_STEPS: Final = Timeouts()  # the call's own cancel scope bounds every step

# Asked again after a pause: the service did not take the request up. From botocore.retries.standard,
# without LimitExceededException (a table quota: waiting does not help), with the DynamoDB conflict.
_THROTTLED: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
# Reasons inside TransactionCanceledException that pass by themselves; any other is an answer.
_PASSING: Final = frozenset(
    {"None", "ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"}
)

_log = structlog.get_logger()

_CREDENTIALS_CHECK: Final = 60.0  # seconds; botocore wants new ones from 15 minutes before the end


class CallTimeoutError(HTTPClientError):
    """An AWS call, or one attempt of it, took longer than its bound. Its outcome is unknown."""

    fmt = "AWS call {operation} took longer than {seconds} s"


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long one call may take: in all, in one attempt (seconds), and how many attempts."""

    deadline: float = 10.0
    attempt: float = 3.0
    attempts: int = 4


LONG_POLL: Final = Patience(deadline=30.0, attempt=30.0)
"""For SQS ReceiveMessage, which answers after up to 20 s of waiting."""


class Aws:
    """boto3 clients and their calls; made by `open_aws`."""

    def __init__(
        self,
        *,
        pool: Pool,
        core: botocore.session.Session,
        region: str,
        endpoint_url: str | None,
        patience: Patience,
    ) -> None:
        self._pool = pool
        self._patience = patience
        self._endpoint_url = endpoint_url
        core.register("before-send", self._before_send)  # type: ignore[arg-type]  # its answer is used
        self._session = boto3.session.Session(botocore_session=core, region_name=region)

    def statistics(self) -> PoolStatistics:
        """How full the connection pool is."""
        return self._pool.statistics()

    @overload
    def client(self, service: Literal["dynamodb"]) -> "DynamoDBClient": ...
    @overload
    def client(self, service: Literal["sqs"]) -> "SQSClient": ...
    @overload
    def client(self, service: Literal["secretsmanager"]) -> Any: ...
    def client(self, service: Any) -> Any:
        """A boto3 client whose methods are called through `call`.

        Reads the service's model from disk (tens of milliseconds): make clients once, at start.
        """
        return self._session.client(
            service,
            endpoint_url=self._endpoint_url,
            config=Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                account_id_endpoint_mode="disabled",
                disable_request_compression=True,
                # one place builds what tables are asked; the check makes a fan-out's rows dearer by a sixth
                parameter_validation=service != "dynamodb",
                # botocore composes its own anew, twice for each call, at a quarter of the call's cost
                user_agent=f"oms-spider botocore/{botocore.__version__}",
            ),
        )

    async def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a boto3 client's method: `await aws.call(dynamodb.get_item, TableName=..., Key=...)`.

        Raises as `call_with`.
        """
        return await self.call_with(self._patience, fn, *args, **kwargs)

    async def call_with(
        self, patience: Patience, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`call` with its own bounds.

        Attempts are repeated after throttling, 5xx, connection errors and attempts that took too long,
        with growing pauses. Such an attempt may have worked: after a repetition, a *conditional* write
        can fail on what its own first attempt wrote. Callers compare the item with what they meant to
        write. Idempotency tokens (TransactWriteItems' ClientRequestToken) stay the same in all attempts.

        Raises:
            botocore.exceptions.ClientError: the service's answer, for example a failed condition.
            CallTimeoutError: the deadline passed, or the last attempt took too long.
            botocore.exceptions.EndpointConnectionError, ConnectionClosedError, ChecksumError: each attempt
                failed on the way. With these and CallTimeoutError the outcome is unknown.
            botocore.exceptions.HTTPClientError: the answer cannot be read (for example too large).
        """
        for member in _idempotency_tokens(fn):
            kwargs.setdefault(member, str(uuid.uuid4()))  # a new one per attempt would allow a second write
        end = trio.current_time() + patience.deadline
        first = min(patience.attempt, patience.deadline)
        try:
            return await _attempt(first, fn, *args, **kwargs)
        except (BotoCoreError, ClientError) as error:
            if not is_transient(error):
                raise
            failed = error
        with trio.CancelScope(deadline=end):
            return await _attempt_again(failed, patience, fn, *args, **kwargs)
        raise CallTimeoutError(operation=_name(fn), seconds=patience.deadline) from failed

    def _before_send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        return greenback.await_(self._exchange(request))

    async def _exchange(self, request: AWSPreparedRequest) -> AWSResponse:
        url = request.url
        try:
            response = await self._pool.send(*_wire_request(request), _NO_STEPS)
        except httpx.ConnectError as error:
            raise EndpointConnectionError(endpoint_url=url, error=error) from error
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            if isinstance(error, ResponseTooLarge):
                raise HTTPClientError(error=error) from error
            raise ConnectionClosedError(endpoint_url=url, request=request) from error
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
        answer = AWSResponse(url, response.status, headers, _Body(response.body))  # type: ignore[arg-type]  # takes any mapping
        _check_crc32(answer)
        return answer


@asynccontextmanager
async def open_aws(
    *,
    network: Network,
    region: str,
    endpoint_url: str | None = None,
    keys: tuple[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    patience: Patience | None = None,
) -> AsyncIterator[Aws]:
    """AWS over `network`; `endpoint_url` leads all services elsewhere, for example to moto.

    `keys` are an access key id and its secret. Without them boto3's default chain is asked (environment,
    files, ECS task role, ...), in a worker thread, and again in time before temporary keys end.

    Raises:
        botocore.exceptions.NoCredentialsError: the chain found none.
    """
    core = botocore.session.Session()
    source: Credentials | None = None
    if keys is not None:
        core.set_credentials(*keys)
    else:
        chain = botocore.session.Session()
        source = await trio.to_thread.run_sync(chain.get_credentials, abandon_on_cancel=True)
        if source is None:
            raise NoCredentialsError
        core.set_credentials(*await _keys(source))
    target = core.get_credentials()
    assert target is not None
    async with Pool(network=network, tls=tls, limits=limits) as pool, trio.open_nursery() as nursery:
        if isinstance(source, RefreshableCredentials):
            nursery.start_soon(serve_credentials, source, target, name="sdk.aws.credentials")
        yield Aws(
            pool=pool,
            core=core,
            region=region,
            endpoint_url=endpoint_url,
            patience=Patience() if patience is None else patience,
        )
        nursery.cancel_scope.cancel()


async def serve_credentials(source: RefreshableCredentials, target: Credentials) -> None:
    """Copies `source` to `target`, which signs requests, each time before it ends.

    A refresh asks the metadata service with blocking code, so it runs in a worker thread. One that
    fails is logged and tried again at the next look, as botocore does, until the keys really end.
    """
    while True:
        await trio.sleep(_CREDENTIALS_CHECK)
        if source.refresh_needed():
            try:
                target.access_key, target.secret_key, target.token = await _keys(source)
            except BotoCoreError as error:
                _log.error("aws.credentials.not_refreshed", error=str(error))


def is_transient(error: Exception) -> bool:
    """Whether a call that failed like this may be repeated: never what is an answer about the data."""
    if not isinstance(error, ClientError):
        return isinstance(
            error, EndpointConnectionError | ConnectionClosedError | ChecksumError | CallTimeoutError
        )
    code = error.response["Error"].get("Code", "")
    if code == "TransactionCanceledException":
        reasons = {reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])}
        return bool(reasons) and reasons <= _PASSING
    return code in _THROTTLED or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500


class _Body:
    """A body that was read already, as botocore wants to read it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content

    def read(self) -> bytes:
        return self._content


async def _keys(credentials: Credentials) -> tuple[str, str, str | None]:
    """Access key id, secret and token, refreshed if due: in a worker thread, since that blocks."""
    frozen = await trio.to_thread.run_sync(credentials.get_frozen_credentials, abandon_on_cancel=True)
    if frozen.access_key is None or frozen.secret_key is None:
        raise NoCredentialsError
    return frozen.access_key, frozen.secret_key, frozen.token


async def _attempt(seconds: float, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    with trio.CancelScope(deadline=trio.current_time() + seconds):
        return await greenback.with_portal_run_sync(fn, *args, **kwargs)
    raise CallTimeoutError(operation=_name(fn), seconds=seconds)


async def _attempt_again(
    failed: Exception, patience: Patience, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """The attempts after the first. Only they need stamina, which costs a tenth of a call to set up."""
    async for attempt in stamina.retry_context(
        on=is_transient,
        attempts=patience.attempts,
        timeout=None,  # the caller's scope
        wait_initial=0.05,
        wait_max=2.0,
        wait_jitter=0.1,
    ):
        with attempt:
            if attempt.num == 1:
                raise failed
            return await _attempt(patience.attempt, fn, *args, **kwargs)
    raise AssertionError("stamina ends with an answer or an error")


def _name(fn: Callable[..., object]) -> str:
    return getattr(fn, "__name__", repr(fn))


def _idempotency_tokens(fn: Callable[..., object]) -> Sequence[str]:
    """The parameters of a client's method that AWS knows a repeated request by."""
    client = getattr(fn, "__self__", None)
    if not isinstance(client, BaseClient):
        return ()
    operation = client.meta.method_to_api_mapping.get(_name(fn))
    if operation is None:
        return ()
    members: Sequence[str] = client.meta.service_model.operation_model(operation).idempotent_members
    return members


def _wire_request(request: AWSPreparedRequest) -> tuple[Origin, Request]:
    """The signed request as it is: every header with the value that was signed."""
    url = urlsplit(request.url)
    port = _PORTS[url.scheme]
    host = url.hostname or ""
    fields: Iterable[tuple[str, str | bytes]] = request.headers.items()
    headers = [(name.encode(), v if isinstance(v, bytes) else v.encode()) for name, v in fields]
    if (
        "Host" not in request.headers
    ):  # botocore signs it without setting it: no port where that is the usual one
        name = f"[{host}]" if ":" in host else host
        headers.append((b"Host", (name if url.port in (None, port) else f"{name}:{url.port}").encode()))
    body: object = request.body or b""
    if isinstance(body, str):
        body = body.encode()
    if not isinstance(body, bytes | bytearray):
        raise TypeError(f"the body of {request.method} {request.url} is a {type(body).__name__}; pass bytes")
    method = request.method.encode()
    target = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    return (
        Origin(url.scheme, host, url.port or port),
        Request(method, request_head(method, target.encode(), headers), bytes(body)),
    )


def _check_crc32(answer: AWSResponse) -> None:
    """DynamoDB sends a checksum of its answers; botocore leaves the check to its retries, which are off."""
    stated = answer.headers.get("x-amz-crc32")
    if stated is not None and int(stated) != (actual := zlib.crc32(answer.content)):
        raise ChecksumError(checksum_type="crc32", expected_checksum=stated, actual_checksum=str(actual))
