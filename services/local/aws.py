"""`python -m services.local.aws PORT`: AWS on the loopback address, by moto's server.

As it comes, moto differs from AWS in some things that a system under load notices:

- For every item of a transaction it copies the whole table and, when a condition fails, puts the copy
  back: a write that another request made meanwhile is lost. Here a transaction checks all its
  conditions, with moto's own code, and then writes, while nobody else does.
- A long poll on a FIFO queue looks once at which groups are busy: it spins on their messages, and does
  not see a group that becomes free. Here it looks anew every few milliseconds.
- Messages of a group that were not deleted in time come again one by one, the last one first. Here they
  come in their order.
- Who prolongs his hold on a message after it has ended hides the message and frees its group: the next one
  overtakes it. Here he is told that it is over.
- What is sent to a queue while a message is deleted from it is lost. Here one request at a time changes the
  queues.
- For each query it sorts the whole table. Here it sorts what it has found.
- With each message sent or received it counts those there several times, and asks the clock about each:
  who falls behind falls further behind. Here the clock is asked once.

docs/decisions/0004-moto-under-load.md has the reasons; tests/contract/test_local_aws.py the proof.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Final, ParamSpec, TypeVar

from moto import backends
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import TransactionCanceledException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table
from moto.server import main as serve
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend

P = ParamSpec("P")
T = TypeVar("T")

# moto serves each request in a thread of its own
_one_writer: Final = threading.RLock()
_one_at_the_queues: Final = threading.RLock()


_put_one: Final = DynamoDBBackend.put_item
_delete_one: Final = DynamoDBBackend.delete_item


def put_item(backend: DynamoDBBackend, *arguments: Any, **named: Any) -> Any:
    """In place of moto's: the same, while no transaction is written."""
    with _one_writer:
        return _put_one(backend, *arguments, **named)


def transact_write_items(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    """In place of moto's: all conditions, then all writes."""
    with _one_writer:
        failures = [_failure(self, change) for change in transact_items]
        if any(code is not None for code, _, _ in failures):
            raise TransactionCanceledException(failures)
        for change in transact_items:
            (kind, wanted), *_ = change.items()
            if kind == "Put":
                _put_one(self, wanted["TableName"], wanted["Item"])
            else:
                _delete_one(self, wanted["TableName"], wanted["Key"])


def all_items(table: Table) -> list[Item]:
    """In place of moto's: in no order."""
    return [item for partition in list(table.items.values()) for item in list(partition.values())]


def receive_message(
    backend: SQSBackend, queue_name: str, count: int, wait_s: int, *arguments: Any, **named: Any
) -> list[Any]:
    """In place of moto's: short polls until something is there or the wait is over."""
    until = time.monotonic() + wait_s
    queue = backend.get_queue(queue_name)
    while True:
        with _one_at_the_queues:
            _give_back_expired(queue)
            busy = queue.pending_message_groups
            found: list[Any] = []
            if any(each.group_id not in busy for each in queue.messages):
                found = _receive_once(backend, queue_name, count, 0, *arguments, **named)
        if found or time.monotonic() >= until:
            return found
        time.sleep(_LOOK_EVERY_S)


def change_message_visibility(
    backend: SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int
) -> None:
    """In place of moto's: only for who holds the message now."""
    with _one_at_the_queues:
        queue = backend.get_queue(queue_name)
        _give_back_expired(queue)
        if all(each.receipt_handle != receipt_handle for each in queue.pending_messages):
            raise ReceiptHandleIsInvalid
        _change_visibility(backend, queue_name, receipt_handle, visibility_timeout)


def messages(queue: Queue) -> list[Message]:
    """In place of moto's: those that may be received."""
    now = time.time() * 1_000
    return [each for each in queue._messages if each.visible_at < now >= each.delayed_until]  # noqa: SLF001 as moto does


def approximate_number_of_messages_not_visible(queue: Queue) -> int:
    """In place of moto's: those that were received and not deleted."""
    now = time.time() * 1_000
    return sum(each.visible_at >= now for each in queue._messages)  # noqa: SLF001 as moto does


def approximate_number_of_messages_delayed(queue: Queue) -> int:
    """In place of moto's: those that nobody may receive yet."""
    now = time.time() * 1_000
    return sum(each.delayed_until > now for each in queue._messages)  # noqa: SLF001 as moto does


def _give_back_expired(queue: Queue) -> None:
    """Takes what nobody has deleted in time out of the messages in flight, all at once."""
    for message in queue.pending_messages & set(queue.messages):
        queue.pending_messages.remove(message)


def alone(method: Callable[P, T]) -> Callable[P, T]:
    """The method of moto's, while no other request is at the queues."""

    @wraps(method)
    def called(*arguments: P.args, **named: P.kwargs) -> T:
        with _one_at_the_queues:
            return method(*arguments, **named)

    return called


_change_visibility: Final = SQSBackend.change_message_visibility
_receive_once: Final = SQSBackend.receive_message
_LOOK_EVERY_S: Final = 0.005
_Failure = tuple[str | None, str | None, dict[str, Any] | None]


def _failure(backend: DynamoDBBackend, change: dict[str, Any]) -> _Failure:
    """Why a change may not be made, in the form of moto's exception; Nones if it may."""
    (kind, wanted), *_ = change.items()
    if kind not in {"Put", "Delete"}:
        raise NotImplementedError(f"{kind}: the stores use Put and Delete in transactions")
    key = wanted["Key"] if kind == "Delete" else {name: wanted["Item"][name] for name in ("pk", "sk")}
    current = backend.get_item(wanted["TableName"], key)
    condition = get_filter_expression(
        wanted.get("ConditionExpression"),
        wanted.get("ExpressionAttributeNames"),
        wanted.get("ExpressionAttributeValues"),
    )
    if condition.expr(current):
        return None, None, None
    shown = current.to_json()["Attributes"] if current is not None else None
    return "ConditionalCheckFailed", "The conditional request failed", shown


def main() -> None:
    for backend, replacement in (
        (DynamoDBBackend, put_item),
        (DynamoDBBackend, transact_write_items),
        (Table, all_items),
        (SQSBackend, receive_message),
        (SQSBackend, change_message_visibility),
    ):
        setattr(backend, replacement.__name__, replacement)
    for changing in (Queue.add_message, Queue.delete_message):
        setattr(Queue, changing.__name__, alone(changing))
    for counted in (
        messages,
        approximate_number_of_messages_not_visible,
        approximate_number_of_messages_delayed,
    ):
        setattr(Queue, counted.__name__, property(counted))
    # a list of folders that moto reads from disk for every request
    backends.list_of_moto_modules = partial(tuple, tuple(backends.list_of_moto_modules()))
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line a request costs more than some requests
    serve(["-H", "127.0.0.1", "-p", sys.argv[1]])


if __name__ == "__main__":
    main()
