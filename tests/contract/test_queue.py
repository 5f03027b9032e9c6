"""The contract of `Queue`, held by SQS (moto's server) and by the twin in memory.

Where moto is not SQS: it deduplicates over the whole queue instead of the group, and only against
messages still in it; it takes a receipt whose visibility has ended; a long poll whose caller went away
goes on and takes what comes. The laws that this hides are checked on the twin alone.
"""

import random
from collections.abc import Callable
from typing import Any

import pytest
import trio
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from spider_common.clock import NS_PER_S, SystemClock, TrioClock
from spider_common.schema import QueueShape
from spider_common.sdk.aws import Aws, CallTimeoutError
from spider_common.stores.memory_queue import MemoryQueue
from spider_common.stores.provision import provision
from spider_common.stores.queue import (
    GROUP,
    MAX_BATCH_BYTES,
    REASON,
    Outgoing,
    Queue,
    QueueUnavailable,
    ReceiptExpired,
    SendFailed,
    message_bytes,
    next_batch,
)
from spider_common.stores.sqs_queue import SqsQueue

DLQ = QueueShape("contract-dlq.fifo")
SHAPE = QueueShape("contract.fifo", visibility_s=2, max_receives=3, dead_letters=DLQ.name)

Pair = tuple[Queue, Queue]  # the queue and the one its dead letters go to


@pytest.fixture(params=["sqs", "memory"])
async def pair(request: pytest.FixtureRequest, aws: Aws) -> Pair:
    if request.param == "memory":
        dead = MemoryQueue(DLQ, SystemClock())
        return MemoryQueue(SHAPE, SystemClock(), dead_letters=dead), dead
    prefix = request.node.name.translate(str.maketrans("[]", "__"))[-50:]
    urls = await provision(aws, tables=[], queues=[DLQ, SHAPE], prefix=f"{prefix}-")
    assert urls == await provision(aws, tables=[], queues=[DLQ, SHAPE], prefix=f"{prefix}-")
    queue = SqsQueue(aws, urls[SHAPE.name], random.Random(1), dead_letters=urls[DLQ.name])
    return queue, SqsQueue(aws, urls[DLQ.name], random.Random(2))


def _messages(group: str, *names: str) -> list[Outgoing]:
    return [Outgoing(group, f"{group}-{name}", f'"{name}"', {"kind": name}) for name in names]


async def test_a_message_comes_as_it_was_sent(pair: Pair) -> None:
    """Law: body, group, dedup id and attributes arrive unchanged, with time and count."""
    queue, _ = pair
    before = SystemClock().now()
    await queue.send([Outgoing("g", "d", '{"a":"ß"}', {"trace": "1-2"})])
    (delivery,) = await queue.receive(wait_s=0)
    assert (delivery.group, delivery.dedup, delivery.body) == ("g", "d", '{"a":"ß"}')
    assert delivery.attributes == {"trace": "1-2"}
    assert delivery.count == 1
    assert abs(delivery.ts_sent - before) < 60 * NS_PER_S
    assert await queue.delete([delivery.receipt]) == ()
    assert await queue.delete([delivery.receipt]) == ()  # once more does no harm
    assert await queue.receive(wait_s=0) == []


async def test_a_group_keeps_its_order_and_waits_for_what_is_in_flight(pair: Pair) -> None:
    """Law: a group comes in order; while one of its messages is out, the rest waits; other groups do not."""
    queue, _ = pair
    await queue.send(_messages("a", "1", "2", "3"))
    (first,) = await queue.receive(1, wait_s=0)
    assert first.body == '"1"'
    await queue.send(_messages("b", "1"))
    (other,) = await queue.receive(wait_s=0)
    assert other.group == "b"
    await queue.delete([first.receipt, other.receipt])
    rest = await queue.receive(wait_s=0)
    assert [delivery.body for delivery in rest] == ['"2"', '"3"']
    await queue.extend(rest[0].receipt, 0)
    await queue.extend(rest[1].receipt, 0)
    again = await queue.receive(wait_s=0)
    assert [(delivery.body, delivery.count) for delivery in again] == [('"2"', 2), ('"3"', 2)]


async def test_many_messages_arrive_in_order(pair: Pair) -> None:
    """Law: any number is sent, over several calls, without changing a group's order."""
    queue, _ = pair
    sent = [message for n in range(9) for group in "abc" for message in _messages(group, f"{n}")]
    await queue.send(sent)
    got: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    while deliveries := await queue.receive(wait_s=0):
        for delivery in deliveries:
            got[delivery.group].append(delivery.attributes["kind"])
        await queue.delete([delivery.receipt for delivery in deliveries])
    assert got == {group: [f"{n}" for n in range(9)] for group in "abc"}


async def test_a_repeated_send_adds_nothing(pair: Pair) -> None:
    """Law: within the window a dedup id enters its group once."""
    queue, _ = pair
    await queue.send(_messages("a", "1"))
    await queue.send(_messages("a", "1", "2"))
    assert [delivery.body for delivery in await queue.receive(wait_s=0)] == ['"1"', '"2"']


async def test_an_undeleted_message_comes_again(pair: Pair) -> None:
    """Law: when visibility ends the message comes again, its count one higher, to who waits for it."""
    queue, _ = pair
    await queue.send(_messages("a", "1"))
    (first,) = await queue.receive(wait_s=0)
    (second,) = await queue.receive(wait_s=10)
    assert (second.body, second.count) == (first.body, 2)
    assert second.receipt != first.receipt


async def test_a_message_is_hidden_as_long_as_its_receiver_says(pair: Pair) -> None:
    """Law: a receive may say for how long its messages are its own; the queue's count has them too."""
    queue, _ = pair
    await queue.send(_messages("a", "1") + _messages("b", "1"))
    await queue.receive(visibility_s=1)
    await queue.send(_messages("c", "1"))
    assert await queue.depth() == 3
    await trio.sleep(1.2)  # less than the 2 s of the queue
    assert len(await queue.receive(wait_s=0)) == 3


async def test_every_dead_letter_can_be_seen(pair: Pair) -> None:
    """Law: more than ten of a group that were set aside are all handed out while the first are held."""
    queue, dead = pair
    await queue.send(_messages("a", *(f"{n}" for n in range(12))))
    while deliveries := await queue.receive(wait_s=0):
        for delivery in deliveries:
            await queue.dead_letter(delivery, "why")
    held = [await dead.receive(wait_s=0, visibility_s=20) for _ in range(2)]
    assert sum(len(letters) for letters in held) == 12 == await dead.depth()


async def test_a_waiting_receive_gets_what_is_sent(pair: Pair) -> None:
    """Law: a long poll that found nothing returns the message sent during it."""
    queue, _ = pair
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            (delivery,) = await queue.receive(wait_s=20)
            assert delivery.body == '"1"'

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        await queue.send(_messages("a", "1"))


async def test_a_waiting_receive_can_be_cancelled(pair: Pair) -> None:
    """Law: a cancelled long poll ends at once."""
    queue, _ = pair
    with trio.fail_after(15):  # well below the poll's own 20 s
        async with trio.open_nursery() as nursery:
            nursery.start_soon(queue.receive)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


async def test_a_message_received_too_often_is_set_aside(pair: Pair) -> None:
    """Law: a message given back max_receives times is not delivered again but among the dead letters."""
    queue, dead = pair
    await queue.send(_messages("a", "1", "2"))
    for count in (1, 2, 3):
        (delivery,) = await queue.receive(1, wait_s=0)
        assert (delivery.body, delivery.count) == ('"1"', count)
        await queue.extend(delivery.receipt, 0)
    (following,) = await queue.receive(wait_s=0)
    assert following.body == '"2"'
    (aside,) = await dead.receive(wait_s=0)
    assert (aside.body, aside.group, aside.attributes) == ('"1"', "a", {"kind": "1"})


async def test_dead_letter_moves_a_message_with_its_reason(pair: Pair) -> None:
    """Law: a message set aside is among the dead letters, once, with its reason, and no longer here."""
    queue, dead = pair
    await queue.send(_messages("a", "1"))
    (delivery,) = await queue.receive(wait_s=0)
    await queue.dead_letter(delivery, "body: expected an object")
    await queue.dead_letter(delivery, "body: expected an object")
    (aside,) = await dead.receive(wait_s=0)
    assert aside.body == '"1"'
    assert aside.attributes == {"kind": "1", REASON: "body: expected an object", GROUP: "a"}
    assert await queue.receive(wait_s=0) == []
    with pytest.raises(ValueError, match="no queue for dead letters"):
        await dead.dead_letter(aside, "again")


async def test_a_message_is_first_copied_and_then_deleted(aws: Aws) -> None:
    """Law: when copying to the dead letters fails, the message is still in its queue."""
    urls = await provision(aws, tables=[], queues=[DLQ, SHAPE], prefix="order-")
    gone = urls[DLQ.name].replace("contract", "nowhere")
    queue = SqsQueue(aws, urls[SHAPE.name], random.Random(1), dead_letters=gone)
    await queue.send(_messages("a", "1"))
    (delivery,) = await queue.receive(wait_s=0)
    with pytest.raises(ClientError, match="NonExistentQueue"):
        await queue.dead_letter(delivery, "why")
    await queue.extend(delivery.receipt, 0)
    assert len(await queue.receive(wait_s=0)) == 1


async def test_bad_messages_are_refused_before_anything_is_sent(pair: Pair) -> None:
    """Law: what SQS would refuse raises ValueError naming the message; nothing of the call is sent."""
    queue, _ = pair
    good = _messages("a", "1")
    for bad, why in (
        (Outgoing("a", "d", ""), "body is empty"),
        (Outgoing("", "d", "x"), "1 to 128"),
        (Outgoing("a", "d" * 129, "x"), "1 to 128"),
        (Outgoing("a", "d", "x", {"k": ""}), "none of them empty"),
        (Outgoing("a", "d", "x", {f"{n}": "v" for n in range(11)}), "at most 10"),
        (Outgoing("a", "d", "x" * MAX_BATCH_BYTES, {"k": "v"}), "1048584 bytes"),
    ):
        with pytest.raises(ValueError, match=why):
            await queue.send([*good, bad])
    assert await queue.receive(wait_s=0) == []
    with pytest.raises(ValueError, match="limit 11"):
        await queue.receive(11)
    with pytest.raises(ReceiptExpired):
        await queue.extend("no such receipt", 5)


async def test_the_twin_forgets_a_receipt_when_visibility_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Law: an ended receipt extends nothing, and deleting by it says so and deletes nothing."""
    queue = MemoryQueue(SHAPE, TrioClock(0))
    await queue.send(_messages("a", "1"))
    (first,) = await queue.receive()
    await queue.extend(first.receipt, 10)
    await trio.sleep(9.9)
    assert await queue.receive(wait_s=0) == []
    await trio.sleep(0.1)
    with pytest.raises(ReceiptExpired):
        await queue.extend(first.receipt, 10)
    assert await queue.delete([first.receipt]) == (first.receipt,)
    (second,) = await queue.receive(wait_s=0)
    assert await queue.delete([first.receipt, second.receipt]) == (first.receipt,)
    assert await queue.delete([first.receipt]) == ()


async def test_the_twin_deduplicates_a_group_for_five_minutes(autojump_clock: trio.testing.MockClock) -> None:
    """Law: an id is remembered per group for 300 s, even when its message is long deleted."""
    queue = MemoryQueue(SHAPE, TrioClock(0))
    message = Outgoing("a", "d", "x")

    async def came() -> int:
        await queue.send([message, Outgoing("b", "d", "x")])
        deliveries = await queue.receive(wait_s=0)
        await queue.delete([delivery.receipt for delivery in deliveries])
        return len(deliveries)

    assert await came() == 2
    await trio.sleep(299)
    assert await came() == 0
    await trio.sleep(1)
    assert await came() == 2


class Answers:
    """Stands in for AWS where moto cannot fail: answers each send with the ids that `failing` names."""

    def __init__(self, failing: Callable[[int], dict[str, bool]]) -> None:
        self.failing = failing
        self.calls: list[list[str]] = []

    def client(self, service: str) -> Any:
        return self

    def __getattr__(self, name: str) -> str:
        return name

    async def call(self, method: Any, /, **arguments: Any) -> Any:
        entries = arguments["Entries"]
        self.calls.append([entry["MessageDeduplicationId"] for entry in entries])
        failing = self.failing(len(self.calls))
        return {
            "Failed": [
                {
                    "Id": entry["Id"],
                    "Code": "InternalError",
                    "SenderFault": failing[entry["MessageDeduplicationId"]],
                }
                for entry in entries
                if entry["MessageDeduplicationId"] in failing
            ]
        }


async def test_part_of_a_batch_failing_keeps_each_groups_order(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Law: a failed message is sent again before any later one of its group."""
    answers: Any = Answers(lambda call: {"a-1": False} if call < 3 else {})
    await SqsQueue(answers, "url", random.Random(1)).send(_messages("a", "1", "2") + _messages("b", "1", "2"))
    assert answers.calls == [["a-1", "b-1"], ["a-1", "b-2"], ["a-1"], ["a-2"]]


async def test_what_cannot_be_sent_is_told(autojump_clock: trio.testing.MockClock) -> None:
    """Law: SendFailed names every message not confirmed, in order; a sender's fault is not tried again."""
    messages = _messages("a", "1", "2") + _messages("b", "1")
    answers: Any = Answers(lambda _: {"a-1": False})
    with pytest.raises(SendFailed) as caught:
        await SqsQueue(answers, "url", random.Random(1)).send(messages)
    assert [message.dedup for message in caught.value.unsent] == ["a-1", "a-2"]
    assert len(answers.calls) == 6
    answers = Answers(lambda _: {"a-1": True})
    with pytest.raises(SendFailed, match="InternalError"):
        await SqsQueue(answers, "url", random.Random(1)).send(messages)
    assert len(answers.calls) == 1


async def test_no_answer_is_queue_unavailable() -> None:
    """Law: a deadline that passes surfaces as the queue's own error."""

    class Slow(Answers):
        async def call(self, method: Any, /, **arguments: Any) -> Any:
            raise CallTimeoutError(operation="any", seconds=3)

        async def call_with(self, patience: Any, method: Any, /, **arguments: Any) -> Any:
            raise CallTimeoutError(operation="any", seconds=30)

    slow: Any = Slow(lambda _: {})
    queue = SqsQueue(slow, "url", random.Random(1))
    with pytest.raises(QueueUnavailable):
        await queue.receive()
    with pytest.raises(QueueUnavailable):
        await queue.delete(["r"])
    with pytest.raises(SendFailed):
        await queue.send(_messages("a", "1"))


@given(st.lists(st.tuples(st.sampled_from("abcdefghijklmn"), st.integers(1, MAX_BATCH_BYTES)), min_size=1))
def test_a_batch_is_what_one_call_may_carry(sizes: list[tuple[str, int]]) -> None:
    """Law: a batch is not empty, has at most 10 messages within 1 MiB, and just the first of each group."""
    bodies: dict[int, str] = {size: "x" * size for _, size in sizes}
    waiting = [Outgoing(group, f"{n}", bodies[size]) for n, (group, size) in enumerate(sizes)]
    batch = next_batch(waiting)
    assert 0 < len(batch) <= 10
    assert sum(message_bytes(message) for message in batch) <= MAX_BATCH_BYTES
    for message in batch:
        assert message is next(other for other in waiting if other.group == message.group)
