"""The proxy that lets AWS's answers go wrong: what a client sees of it, and what reached the service."""

import json
import random
from contextlib import asynccontextmanager
from functools import partial
from typing import get_args

import httpx
import msgspec
import pytest
import trio
from botocore.exceptions import ClientError, ConnectionClosedError
from hypothesis import given
from hypothesis import strategies as st

from services.local.faulty_proxy import HOST, Failure, Shares, serve_proxy
from spider_common import schema
from spider_common.memory_network import MemoryNetwork
from spider_common.network import SystemNetwork
from spider_common.schema import Key
from spider_common.sdk import http
from spider_common.sdk.aws import Patience, open_aws
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.queue import Outgoing, QueueUnavailable, SendFailed
from spider_common.stores.sqs_queue import SqsQueue
from spider_common.stores.table import Busy, Put, Row, Unavailable
from tests.http_peer import Call, ok, open_peer

FAILURES = get_args(Failure)
ONCE = Patience(attempts=1)


async def answer(call: Call) -> bytes:
    return ok(b'{"Item": {"pk": {"S": "a"}}}', "Content-Type: application/x-amz-json-1.0", "x-amz-id: 7")


@asynccontextmanager
async def proxied(*, network=None, seed: int = 1, patience: Patience = ONCE, **shares: float):
    """AWS behind a proxy with these shares: the peer that stands for it, a client, and the control's URL."""
    network = MemoryNetwork() if network is None else network
    async with (
        open_peer(network, answer) as peer,
        trio.open_nursery() as nursery,
        http.client(http.TrioTransport(network=network)) as client,
    ):
        upstream = f"http://127.0.0.1:{peer.port}"
        ports = await nursery.start(partial(serve_proxy, upstream, network=network, rng=random.Random(seed)))
        control = f"http://{HOST}:{ports.control_port}"
        set_to = await client.put(f"{control}/shares", content=msgspec.json.encode(shares))
        assert set_to.status_code == 200
        endpoint = f"http://{HOST}:{ports.port}"
        async with open_aws(
            network=network, region="eu-west-1", endpoint_url=endpoint, keys=("a", "b"), patience=patience
        ) as aws:
            yield peer, aws, partial(client.request, timeout=None), control
        nursery.cancel_scope.cancel()


async def get(aws):
    return await aws.call(aws.client("dynamodb").get_item, TableName="t", Key={"pk": {"S": "a"}})


async def test_what_is_not_struck_passes_as_it_is():
    """Law: with no shares set, request and answer arrive whole, headers included."""
    async with proxied() as (peer, aws, ask, control):
        got = await get(aws)
        assert got["Item"] == {"pk": {"S": "a"}}
        assert got["ResponseMetadata"]["HTTPHeaders"]["x-amz-id"] == "7"
        (call,) = peer.calls
        assert call.headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
        assert json.loads(call.body) == {"TableName": "t", "Key": {"pk": {"S": "a"}}}
        assert (await ask("GET", f"{control}/struck")).json() == {}


@pytest.mark.parametrize("network", [MemoryNetwork, SystemNetwork])
@pytest.mark.parametrize(
    ("failure", "seen", "reached"),
    [
        ("throttle", ClientError, 0),
        ("fail", ClientError, 0),
        ("fail_after", ClientError, 1),
        ("reset", ConnectionClosedError, 0),
        ("reset_after", ConnectionClosedError, 1),
    ],
)
async def test_each_failure_is_what_it_is_called(failure, seen, reached, network):
    """Law: a client sees the failure of that kind, and the request took effect or not as its name says."""
    async with proxied(network=network(), **{failure: 1.0}) as (peer, aws, ask, control):
        with pytest.raises(seen) as failed:
            await get(aws)
        if failure.startswith("fail"):
            assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503)
        assert len(peer.calls) == reached
        assert (await ask("GET", f"{control}/struck")).json() == {failure: 1}


async def test_a_refusal_is_the_one_of_the_service_that_was_asked(autojump_clock):
    """Law: our stores know the throttling of each service for what it is: it may be tried again."""
    rng = random.Random(1)
    async with proxied(throttle=1.0) as (_, aws, _, _):
        table = DynamoTable(aws, schema.TRADING, rng)
        row = Row(pk="a", sk="b", doc="{}")
        with pytest.raises(Unavailable, match="ProvisionedThroughput"):
            await table.get(Key("a", "b"))
        with pytest.raises(Busy):
            await table.write(Put(row))
        with pytest.raises(Busy):
            await table.write(Put(row), Put(msgspec.structs.replace(row, sk="c")))
        with pytest.raises(Busy):
            await table.put_all([row])
        queue = SqsQueue(aws, f"http://{HOST}:1/1/q.fifo", rng)
        with pytest.raises(QueueUnavailable, match="RequestThrottled"):
            await queue.receive(wait_s=1)
        with pytest.raises(SendFailed):
            await queue.send([Outgoing(group="g", dedup="d", body="b")])
        with pytest.raises(ClientError, match="ThrottlingException"):
            await aws.call(aws.client("secretsmanager").get_secret_value, SecretId="s")


async def test_a_client_that_tries_again_comes_through(autojump_clock):
    """Law: with half of the answers going wrong, every call of a patient client is answered."""
    patience = Patience(deadline=60.0, attempts=20)
    async with proxied(patience=patience, **dict.fromkeys(FAILURES, 0.1)) as (peer, aws, ask, control):
        for _ in range(30):
            assert (await get(aws))["Item"]
        struck = (await ask("GET", f"{control}/struck")).json()
    assert set(struck) == set(FAILURES)
    assert len(peer.calls) == 30 + struck["fail_after"] + struck["reset_after"]


async def test_shares_that_make_no_sense_are_refused():
    """Law: the answer names what is wrong, and the shares before stay."""
    async with proxied(reset=1.0) as (_, _, ask, control):
        for body in (b'{"throttle": 0.6, "fail": 0.6}', b'{"reset": -1}', b'{"slow": 1}', b"{"):
            refused = await ask("PUT", f"{control}/shares", content=body)
            assert refused.status_code == 400
            assert refused.text
        assert (await ask("GET", f"{control}/shares")).status_code == 404
        assert (await ask("PUT", f"{control}/shares", content=b"{}")).json()["reset"] == 0


async def test_an_upstream_that_is_away_looks_like_a_reset():
    """Law: the proxy invents no answer."""
    network = MemoryNetwork()
    async with http.client(http.TrioTransport(network=network)) as client, trio.open_nursery() as nursery:
        serve = partial(serve_proxy, "http://127.0.0.1:9", network=network, rng=random.Random(1))
        ports = await nursery.start(serve)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"http://{HOST}:{ports.port}/")
        nursery.cancel_scope.cancel()


@given(seed=st.integers(), kind=st.sampled_from(FAILURES), share=st.floats(0, 1))
def test_a_share_is_drawn_as_often_as_it_says(seed, kind, share):
    """Law: none of a share of 0, all of 1, and else near enough to it; the same from the same seed."""
    shares = Shares(**{kind: share})
    drawn = [shares.draw(rng) for rng in [random.Random(seed)] for _ in range(400)]
    assert drawn == [shares.draw(rng) for rng in [random.Random(seed)] for _ in range(400)]
    assert set(drawn) <= {kind, None}
    assert abs(drawn.count(kind) / 400 - share) <= (0 if share in (0, 1) else 0.15)
