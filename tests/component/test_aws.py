import json
import re
import threading
import zlib
from contextlib import asynccontextmanager

import pytest
import trio
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import (
    ChecksumError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
)
from moto.server import ThreadedMotoServer
from trio.testing import wait_all_tasks_blocked

from spider_common.memory_network import MemoryNetwork
from spider_common.network import SystemNetwork
from spider_common.sdk.aws import CallTimeoutError, Patience, open_aws, serve_credentials
from spider_common.sdk.pool import Limits, PoolStatistics
from tests.cancellation import cancel_at_every_checkpoint
from tests.http_peer import Call, Close, ok, open_peer

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
EMPTY = PoolStatistics(open=0, idle=0, waiting=0)
ONE_IDLE = PoolStatistics(open=1, idle=1, waiting=0)


def answer_json(body: object, status: str = "200 OK") -> bytes:
    raw = json.dumps(body).encode()
    return ok(
        raw, "Content-Type: application/x-amz-json-1.0", f"x-amz-crc32: {zlib.crc32(raw)}", status=status
    )


def refusal(code: str, status: str = "400 Bad Request", **more: object) -> bytes:
    return answer_json(
        {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no", **more}, status
    )


async def table(call: Call) -> bytes:
    """GetItem as DynamoDB answers it, for a table that has every key."""
    assert call.headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    return answer_json({"Item": json.loads(call.body)["Key"]})


@asynccontextmanager
async def dynamodb(answer=table, *, network=None, **settings):
    network = MemoryNetwork() if network is None else network
    async with open_peer(network, answer) as peer:
        settings = {"keys": KEYS, "region": "eu-west-1", **settings}
        async with open_aws(network=network, endpoint_url=f"http://127.0.0.1:{peer.port}", **settings) as aws:
            yield peer, aws, aws.client("dynamodb")
        assert aws.statistics() == EMPTY


async def get(aws, client, key: str) -> str:
    found = await aws.call(client.get_item, TableName="T", Key={"id": {"S": key}})
    return found["Item"]["id"]["S"]


def first_then_table(*parts: bytes | Exception):
    left = list(parts)

    async def answer(call: Call) -> bytes:
        if not left:
            return await table(call)
        part = left.pop(0)
        if isinstance(part, Exception):
            raise part
        return part

    return answer


async def test_calls_get_their_own_answers_over_one_connection(autojump_clock):
    """Law: an unmodified boto3 client works over Trio streams, kept alive."""
    async with dynamodb() as (peer, aws, client):
        for n in range(5):
            assert await get(aws, client, f"key-{n}") == f"key-{n}"
        assert peer.accepted == 1


async def test_the_request_arrives_as_it_was_signed(autojump_clock):
    """Law: the peer, computing the signature from what it received, gets the one that was sent."""
    async with dynamodb() as (peer, aws, client):
        await get(aws, client, "a")
        (call,) = peer.calls
        assert call.headers["host"] == f"127.0.0.1:{peer.port}"
        assert call.headers["content-length"] == str(len(call.body))
        signed = re.search("SignedHeaders=([^,]+)", call.headers["authorization"])[1].split(";")
        assert "host" in signed
        request = AWSRequest(
            call.method,
            f"http://{call.headers['host']}{call.target}",
            {name: call.headers[name] for name in signed},
            call.body,
        )
        request.context["timestamp"] = call.headers["x-amz-date"]
        auth = SigV4Auth(Credentials(*KEYS), "dynamodb", "eu-west-1")
        expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        assert call.headers["authorization"].endswith(f"Signature={expected}")


@pytest.mark.parametrize(
    "trouble",
    [
        refusal("ProvisionedThroughputExceededException"),
        refusal("ThrottlingException"),
        refusal("TransactionConflictException"),
        refusal(
            "TransactionCanceledException",
            CancellationReasons=[{"Code": "None"}, {"Code": "TransactionConflict"}],
        ),
        refusal("InternalServerError", "500 Internal Server Error"),
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        Close(),
        Close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"),
        ok(b"{}", "x-amz-crc32: 1"),
    ],
    ids=str,
)
async def test_passing_trouble_is_tried_again(trouble, autojump_clock):
    """Law: throttling, 5xx, broken connections and corrupt answers are repeated after a pause."""
    async with dynamodb(first_then_table(trouble, trouble)) as (peer, aws, client):
        start = trio.current_time()
        assert await get(aws, client, "a") == "a"
        assert len(peer.calls) == 3
        assert trio.current_time() > start


@pytest.mark.parametrize(
    "answer",
    [
        refusal("ConditionalCheckFailedException"),
        refusal("ValidationException"),
        refusal("ExpiredTokenException"),
        refusal("TransactionCanceledException"),
        refusal(
            "TransactionCanceledException",
            CancellationReasons=[{"Code": "TransactionConflict"}, {"Code": "ConditionalCheckFailed"}],
        ),
    ],
    ids=str,
)
async def test_an_answer_about_the_data_is_final(answer, autojump_clock):
    """Law: a failed condition is an answer, not a failure: it is never asked again."""
    async with dynamodb(first_then_table(answer)) as (peer, aws, client):
        with pytest.raises(ClientError):
            await get(aws, client, "a")
        assert len(peer.calls) == 1


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Close(), ConnectionClosedError),
        (ok(b"{}", "x-amz-crc32: 1"), ChecksumError),
        (refusal("ThrottlingException"), ClientError),
    ],
    ids=str,
)
async def test_attempts_are_counted(trouble, error, autojump_clock):
    """Law: after the last attempt its own error comes out."""
    async with dynamodb(first_then_table(*[trouble] * 9), patience=Patience(attempts=3)) as (
        peer,
        aws,
        client,
    ):
        with pytest.raises(error):
            await get(aws, client, "a")
        assert len(peer.calls) == 3


async def test_nobody_listens(autojump_clock):
    """A refused connection is botocore's EndpointConnectionError."""
    async with open_aws(
        network=MemoryNetwork(), region="eu-west-1", endpoint_url="http://127.0.0.1:9", keys=KEYS
    ) as aws:
        with pytest.raises(EndpointConnectionError, match=r"127\.0\.0\.1:9"):
            await get(aws, aws.client("dynamodb"), "a")


async def test_an_oversized_answer_is_a_clear_error(autojump_clock):
    """Law: an answer over the limit is an error that says so, and it is not asked for again."""
    async with dynamodb(limits=Limits(max_body_bytes=10)) as (peer, aws, client):
        with pytest.raises(HTTPClientError, match="limit of 10 bytes"):
            await get(aws, client, "a")
        assert len(peer.calls) == 1


async def test_a_silent_service_runs_into_the_bounds(autojump_clock):
    """Law: an attempt ends after its bound and is repeated; the call ends at its deadline."""

    async def silent(call: Call) -> bytes:
        return await trio.sleep_forever()

    async with dynamodb(silent) as (peer, aws, client):
        for patience, seconds, calls in [
            (Patience(deadline=10, attempt=4), 10, 3),
            (Patience(deadline=100, attempt=4, attempts=1), 4, 1),
        ]:
            peer.calls.clear()
            start = trio.current_time()
            with pytest.raises(CallTimeoutError, match=f"get_item took longer than {seconds} s$"):
                await aws.call_with(patience, client.get_item, TableName="T", Key={"id": {"S": "a"}})
            assert trio.current_time() - start == pytest.approx(seconds)
            assert len(peer.calls) == calls
        assert aws.statistics() == EMPTY


async def test_idempotency_tokens_outlive_an_attempt(autojump_clock):
    """Law: a repeated transaction carries the token of its first attempt, so that it cannot work twice."""
    async with dynamodb(first_then_table(Close(), Close(), answer_json({}))) as (peer, aws, client):
        item = {"Put": {"TableName": "T", "Item": {"id": {"S": "a"}}}}
        await aws.call(client.transact_write_items, TransactItems=[item])
        tokens = [json.loads(call.body)["ClientRequestToken"] for call in peer.calls]
        assert len(tokens) == 3
        assert len(set(tokens)) == 1


@pytest.mark.parametrize("system", [False, True], ids=["memory", "sockets"])
async def test_a_call_cancelled_at_any_checkpoint_leaves_everything_in_agreement(system):
    """Law: wherever a call is cancelled, pool, client and service agree: the next gets its own answer."""
    network = SystemNetwork() if system else MemoryNetwork()
    runs = 0
    async with dynamodb(network=network, limits=Limits(per_host=1)) as (peer, aws, client):

        async def call() -> None:
            assert await get(aws, client, f"call-{runs}") == f"call-{runs}"

        async def check(cancelled: bool) -> None:
            nonlocal runs
            assert aws.statistics() in ((EMPTY, ONE_IDLE) if cancelled else (ONE_IDLE,))
            assert await get(aws, client, f"check-{runs}") == f"check-{runs}"
            assert aws.statistics() == ONE_IDLE
            await wait_all_tasks_blocked()
            assert peer.open == 1
            runs += 1

        assert await cancel_at_every_checkpoint(call, check) >= 2
        assert runs >= 3


async def test_calls_start_no_thread():
    """Law: calls, many at a time, run in the one thread there is."""
    async with dynamodb(network=SystemNetwork()) as (peer, aws, client):
        threads = {thread.name for thread in threading.enumerate()}
        async with trio.open_nursery() as nursery:
            for n in range(40):
                nursery.start_soon(get, aws, client, str(n))
        assert {thread.name for thread in threading.enumerate()} == threads
        assert len(peer.calls) == 40


@pytest.fixture
def bare_environment(monkeypatch, tmp_path):
    """No AWS settings of the machine."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


async def test_without_credentials_the_start_fails(bare_environment):
    """Law: missing credentials are noticed at the start, not at the first call."""
    with pytest.raises(NoCredentialsError):
        async with open_aws(network=MemoryNetwork(), region="eu-west-1"):
            pass


async def test_an_ecs_task_role_signs(bare_environment):
    """The container's metadata service gives keys and token; they sign; the loop is not blocked meanwhile."""

    async def metadata(call: Call) -> bytes:
        keys = {"AccessKeyId": "ROLEKEY", "SecretAccessKey": "s", "Token": "role-token"}
        return answer_json({**keys, "Expiration": "2099-01-01T00:00:00Z"})

    async with open_peer(SystemNetwork(), metadata) as role:
        bare_environment.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{role.port}/role")
        async with dynamodb(network=SystemNetwork(), keys=None) as (peer, aws, client):
            await get(aws, client, "a")
            assert "Credential=ROLEKEY/" in peer.calls[0].headers["authorization"]
            assert peer.calls[0].headers["x-amz-security-token"] == "role-token"
        assert [call.target for call in role.calls] == ["/role"]


async def test_credentials_are_renewed_in_a_worker_thread(mock_clock):
    """Law: keys near their end are replaced while the loop runs; they are asked for off its thread."""
    asked: list[str] = []
    renewed = trio.Event()

    class Source:
        def refresh_needed(self) -> bool:
            return True

        def get_frozen_credentials(self) -> ReadOnlyCredentials:
            asked.append(threading.current_thread().name)
            return ReadOnlyCredentials("NEW", "s", "t", None)

    class Target:
        access_key = "OLD"

        def __setattr__(self, name: str, value: str) -> None:
            super().__setattr__(name, value)
            if name == "token":
                renewed.set()

    target = Target()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_credentials, Source(), target)
        await wait_all_tasks_blocked()
        assert asked == []
        mock_clock.jump(61)
        await renewed.wait()
        nursery.cancel_scope.cancel()
    assert (target.access_key, target.secret_key, target.token) == ("NEW", "s", "t")
    assert asked != [threading.current_thread().name]


async def test_dynamodb_and_sqs_of_moto():
    """The same calls against a server that knows the services: what the fake above answers is no fiction."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        async with open_aws(network=SystemNetwork(), region="eu-west-1", endpoint_url=url, keys=KEYS) as aws:
            tables = aws.client("dynamodb")
            await aws.call(
                tables.create_table,
                TableName="T",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
            put = {
                "TableName": "T",
                "Item": {"id": {"S": "a"}},
                "ConditionExpression": "attribute_not_exists(id)",
            }
            await aws.call(tables.put_item, **put)
            with pytest.raises(tables.exceptions.ConditionalCheckFailedException):
                await aws.call(tables.put_item, **put)
            assert await get(aws, tables, "a") == "a"
            queues = aws.client("sqs")
            queue = (await aws.call(queues.create_queue, QueueName="Q"))["QueueUrl"]
            await aws.call(queues.send_message, QueueUrl=queue, MessageBody="hello")
            got = await aws.call(queues.receive_message, QueueUrl=queue)
            assert [message["Body"] for message in got["Messages"]] == ["hello"]
    finally:
        server.stop()
