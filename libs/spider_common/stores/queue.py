"""The `Queue` port: messages in order within a group, delivered at least once.

`sqs_queue.SqsQueue` and its twin `memory_queue.MemoryQueue` pass one contract suite,
`tests/contract/test_queue.py`.

A group's messages come in the order they were sent. While one of them is being worked on, the others
of its group wait; different groups do not wait for each other. A message that is not deleted before its
visibility ends comes again, first of its group.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from spider_common.domain.identifiers import digest

# Limits of SQS (AWS documentation, "Amazon SQS message quotas" and API_SendMessageBatch).
MAX_BATCH: Final = 10
MAX_BATCH_BYTES: Final = 1_048_576
MAX_ATTRIBUTES: Final = 10
MAX_WAIT_S: Final = 20
DEDUPLICATION_S: Final = 300

_MAX_REASON: Final = 1_000
REASON: Final = "dead_letter_reason"  # the attribute that tells why a message was set aside
GROUP: Final = "dead_letter_group"  # and the one that tells of which group it was


class QueueError(Exception):
    """Something went wrong with a queue."""


class QueueUnavailable(QueueError):
    """The queue gave no answer, or refused for now."""


class SendFailed(QueueError):
    """Not everything is known to be in the queue.

    Sending the rest again within five minutes adds no message twice.

    Attributes:
        unsent: the messages that the queue has not confirmed, in order.
    """

    def __init__(self, unsent: Sequence["Outgoing"], why: str) -> None:
        self.unsent = tuple(unsent)
        super().__init__(f"{len(self.unsent)} messages not confirmed, from {self.unsent[0].dedup}: {why}")


class ReceiptExpired(QueueError):
    """The receipt holds its message no longer: somebody else may have it."""


class Outgoing(msgspec.Struct, frozen=True):
    """A message to send.

    Attributes:
        group: order is kept, and work is done one at a time, within a group.
        dedup: a message of a group whose id was sent in the last five minutes is not added again.
        body: JSON text.
        attributes: at most 10, none empty.
    """

    group: str
    dedup: str
    body: str
    attributes: Mapping[str, str] = {}


class Delivery(msgspec.Struct, frozen=True):
    """A message received.

    Attributes:
        receipt: extends and deletes this delivery.
        count: how often the message has been received, this time included.
        ts_sent: when the queue took it, Unix ns (SQS counts whole milliseconds).
    """

    group: str
    dedup: str
    body: str
    attributes: Mapping[str, str]
    receipt: str
    count: int
    ts_sent: int


class Queue(Protocol):
    """Messages in groups."""

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """Add messages, those of a group in the order given.

        Raises:
            SendFailed: not all are confirmed.
            ValueError: a message that SQS would refuse; nothing was sent.
        """
        ...

    async def receive(
        self, limit: int = MAX_BATCH, *, wait_s: int = MAX_WAIT_S, visibility_s: int | None = None
    ) -> list[Delivery]:
        """At most `limit` (1 to 10) messages, as soon as there is any; empty after `wait_s` (0 to 20).

        They stay with who receives them for `visibility_s`, or as long as the queue's shape says.
        A cancelled receive may have taken messages: they come again when their visibility ends.

        Raises:
            QueueUnavailable: no answer came.
        """
        ...

    async def extend(self, receipt: str, seconds: int) -> None:
        """Keep a message for `seconds` from now; 0 gives it back at once.

        Raises:
            ReceiptExpired: it is not held by this receipt.
            QueueUnavailable: no answer came; it may have been done.
        """
        ...

    async def delete(self, receipts: Sequence[str]) -> tuple[str, ...]:
        """Remove messages for good.

        Returns:
            The receipts that hold their message no longer: those will be delivered again.

        Raises:
            QueueUnavailable: no answer came; some may have been deleted. It may be repeated.
        """
        ...

    async def dead_letter(self, delivery: Delivery, reason: str) -> None:
        """Set a message aside: copy it to the dead letters with `reason`, then delete it here.

        In that order, so that nothing is lost; done twice, it is still there once. See `as_dead_letter`.

        Raises:
            SendFailed: it may not be among the dead letters; it is still in this queue.
            QueueUnavailable: it is among the dead letters, and perhaps still in this queue.
        """
        ...

    async def depth(self) -> int:
        """How many messages are in the queue, in anybody's hands or not. SQS estimates it.

        Raises:
            QueueUnavailable: no answer came.
        """
        ...


def message_bytes(message: Outgoing) -> int:
    """A message's size as SQS counts it: body, and each attribute's name, type and value, in UTF-8."""
    size = len(message.body.encode())
    for name, value in message.attributes.items():
        size += len(name.encode()) + len("String") + len(value.encode())
    return size


def check_outgoing(messages: Sequence[Outgoing]) -> None:
    """Refuse what SQS would refuse.

    Raises:
        ValueError: a message is empty, too large, or has too many or empty attributes.
    """
    for message in messages:
        where = f"message {message.dedup!r} of group {message.group!r}"
        if not message.body:
            raise ValueError(f"{where}: its body is empty")
        if not (0 < len(message.group) <= 128 and 0 < len(message.dedup) <= 128):
            raise ValueError(f"{where}: group and dedup must have 1 to 128 characters")
        if len(message.attributes) > MAX_ATTRIBUTES or not all(message.attributes.values()):
            raise ValueError(f"{where}: at most {MAX_ATTRIBUTES} attributes, none of them empty")
        size = message_bytes(message)
        if size > MAX_BATCH_BYTES:
            raise ValueError(f"{where}: {size} bytes, over {MAX_BATCH_BYTES}: split its body")


def check_receive(limit: int, wait_s: int) -> None:
    """Refuse a receive that SQS would refuse.

    Raises:
        ValueError: a number is out of its range.
    """
    if not 1 <= limit <= MAX_BATCH or not 0 <= wait_s <= MAX_WAIT_S:
        raise ValueError(f"limit {limit} must be 1 to {MAX_BATCH}, wait_s {wait_s} 0 to {MAX_WAIT_S}")


def as_dead_letter(delivery: Delivery, reason: str) -> Outgoing:
    """The message that sets a delivery aside, in a group of its own: SQS hands out no more than ten of a
    group at a time, so of an unknown product's hundreds it would never show the others.

    The reason is cut, and what a queue does not carry in it replaced. Attributes make way for it and the
    group where there are more than 8. A body that leaves them no room goes as it came, without them.
    """
    words = "".join(char if char.isprintable() else "?" for char in reason[:_MAX_REASON]) or "not given"
    kept = sorted(entry for entry in delivery.attributes.items() if entry[0] not in {REASON, GROUP})
    group = delivery.attributes.get(GROUP, delivery.group)  # one moved back by AWS's own means is still of it
    attributes = {**dict(kept[: MAX_ATTRIBUTES - 2]), REASON: words, GROUP: group}
    own_group = digest("dead letter", group, delivery.dedup)
    aside = Outgoing(own_group, delivery.dedup, delivery.body, attributes)
    if message_bytes(aside) > MAX_BATCH_BYTES:
        return Outgoing(delivery.group, delivery.dedup, delivery.body, delivery.attributes)
    return aside


def next_batch(waiting: Sequence[Outgoing]) -> list[Outgoing]:
    """The first waiting message of each group, as many as one call may carry.

    Never two of one group: SQS may take the second and fail the first, and their order would be lost.
    """
    batch: list[Outgoing] = []
    groups: set[str] = set()
    size = 0
    for message in waiting:
        if message.group in groups:
            continue
        groups.add(message.group)
        size_with = size + message_bytes(message)
        if size_with > MAX_BATCH_BYTES:
            continue
        batch.append(message)
        size = size_with
        if len(batch) == MAX_BATCH:
            break
    return batch
