"""Where AWS on this machine is nearer to AWS than moto as it comes (services/local/aws.py)."""

import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from services.local.processes import Process, free_ports, wait_for_port
from spider_common import schema
from spider_common.network import SystemNetwork
from spider_common.schema import Key
from spider_common.sdk.aws import Aws, open_aws
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.provision import provision
from spider_common.stores.queue import Outgoing, ReceiptExpired
from spider_common.stores.sqs_queue import open_queue
from spider_common.stores.table import Conflict, Put, Row

RIVALS = 4
WRITES = 15


@asynccontextmanager
async def open_local_aws(logs: Path) -> AsyncIterator[Aws]:
    (port,) = free_ports(1)
    server = Process("aws", [sys.executable, "-m", "services.local.aws", str(port)], os.environ, logs)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve)
        await wait_for_port(port)
        async with open_aws(
            network=SystemNetwork(),
            region="us-east-1",
            endpoint_url=f"http://127.0.0.1:{port}",
            keys=("test", "test"),
        ) as aws:
            await provision(aws)
            yield aws
        nursery.cancel_scope.cancel()


async def test_a_failed_transaction_undoes_nothing_of_others(tmp_path: Path) -> None:
    """Law: what one worker has written stays, whatever conditions of others' transactions fail meanwhile."""
    async with open_local_aws(tmp_path) as aws:
        table = DynamoTable(aws, schema.TRADING, random.Random(1))
        # a table of some size, which moto as it comes copies for each transaction
        await table.put_all([Row(pk="others", sk=f"{number:04d}", doc="{}") for number in range(1_000)])
        await table.write(Put(Row(pk="contended", sk="row", doc="{}")))

        async def write_own(rival: int) -> None:
            for number in range(WRITES):
                await table.write(Put(Row(pk=f"own-{rival}", sk=f"{number:02d}", doc="{}")))

        async def fail(rival: int) -> None:
            for number in range(WRITES):
                with pytest.raises(Conflict) as conflict:
                    await table.write(
                        Put(Row(pk="contended", sk="row", doc="{}", version=99)),
                        Put(Row(pk=f"failed-{rival}", sk=f"{number:02d}", doc="{}")),
                    )
                assert conflict.value.keys == (Key("contended", "row"),)

        async with trio.open_nursery() as nursery:
            for rival in range(RIVALS):
                nursery.start_soon(write_own, rival)
                nursery.start_soon(fail, rival)
        for rival in range(RIVALS):
            assert len((await table.query(f"own-{rival}")).rows) == WRITES
            assert (await table.query(f"failed-{rival}")).rows == ()


async def test_a_long_poll_sees_a_group_become_free(tmp_path: Path) -> None:
    """Law: a poll that began while a group was busy gives its next message once that is deleted."""
    async with open_local_aws(tmp_path) as aws:
        queue = await open_queue(aws, schema.COPY, random.Random(1))
        await queue.send([Outgoing(group="g", dedup="first", body="1")])
        (first,) = await queue.receive(wait_s=1)
        await queue.send([Outgoing(group="g", dedup="second", body="2")])
        received: list[str] = []

        async def poll() -> None:
            received.extend(each.body for each in await queue.receive(wait_s=20))

        with trio.fail_after(15):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(poll)
                await trio.testing.wait_all_tasks_blocked(0.2)
                assert received == []
                await queue.delete([first.receipt])
        assert received == ["2"]


async def test_what_was_not_deleted_in_time_comes_again_in_order(tmp_path: Path) -> None:
    """Law: after a worker's death its messages come again as they came, whatever their number."""
    async with open_local_aws(tmp_path) as aws:
        shape = msgspec.structs.replace(schema.COPY, name="short.fifo", visibility_s=1)
        await provision(aws, queues=[schema.COPY_DLQ, shape])
        queue = await open_queue(aws, shape, random.Random(1))
        await queue.send([Outgoing(group="g", dedup=str(number), body=str(number)) for number in range(5)])
        taken = [each.body for each in await queue.receive(wait_s=1)]
        again = [each.body for each in await queue.receive(wait_s=5)]
        assert again[: len(taken)] == taken
        assert again == sorted(again)


async def test_nothing_sent_is_lost_while_others_are_deleted(tmp_path: Path) -> None:
    """Law: each message sent arrives, however many requests send, receive and delete at the same time."""
    sent = [f"{group}-{number}" for group in range(RIVALS) for number in range(WRITES)]
    received: set[str] = set()
    async with open_local_aws(tmp_path) as aws:
        queue = await open_queue(aws, schema.COPY, random.Random(1))

        async def send(group: int) -> None:
            for number in range(WRITES):
                name = f"{group}-{number}"
                await queue.send([Outgoing(group=str(group), dedup=name, body=name)])

        async def receive() -> None:
            while len(received) < len(sent):
                for each in await queue.receive(wait_s=1):
                    received.add(each.body)
                    await queue.delete([each.receipt])

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for rival in range(RIVALS):
                    nursery.start_soon(send, rival)
                    nursery.start_soon(receive)
    assert received == set(sent)


async def test_a_hold_that_has_ended_cannot_be_prolonged(tmp_path: Path) -> None:
    """Law: a worker that was paused for too long is told so, and no later message of the group overtakes."""
    async with open_local_aws(tmp_path) as aws:
        shape = msgspec.structs.replace(schema.COPY, name="short.fifo", visibility_s=1)
        await provision(aws, queues=[schema.COPY_DLQ, shape])
        queue = await open_queue(aws, shape, random.Random(1))
        await queue.send([Outgoing(group="g", dedup="first", body="first")])
        (paused,) = await queue.receive(wait_s=1)
        await queue.send([Outgoing(group="g", dedup="second", body="second")])
        (again, *_) = await queue.receive(wait_s=5)
        assert again.body == "first"
        with pytest.raises(ReceiptExpired):
            await queue.extend(paused.receipt, 30)
        await queue.extend(again.receipt, 0)
        with pytest.raises(ReceiptExpired):
            await queue.extend(again.receipt, 30)
        assert [each.body for each in await queue.receive(wait_s=5)] == ["first", "second"]
