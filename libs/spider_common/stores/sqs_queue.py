"""`SqsQueue`: the `Queue` port over an SQS FIFO queue."""

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
import trio
from botocore.exceptions import ClientError

from spider_common.clock import NS_PER_MS
from spider_common.schema import QueueShape
from spider_common.sdk.aws import LONG_POLL, Aws, Patience
from spider_common.stores.aws_errors import UNANSWERED, error_code, is_server_fault
from spider_common.stores.batches import Batches
from spider_common.stores.queue import (
    MAX_BATCH,
    MAX_WAIT_S,
    Delivery,
    Outgoing,
    QueueUnavailable,
    ReceiptExpired,
    SendFailed,
    as_dead_letter,
    check_outgoing,
    check_receive,
    next_batch,
)

T = TypeVar("T")

_ATTEMPTS: Final = 6  # with pauses of 50 ms to 0.8 s about 1.5 s in all
_FIRST_PAUSE_S: Final = 0.05
_NOT_HELD: Final = frozenset(
    {
        "InvalidParameterValue",  # what a FIFO queue says of a receipt whose visibility has ended
        "InvalidParameterValueException",
        "AWS.SimpleQueueService.MessageNotInflight",
        "MessageNotInflight",
        "ReceiptHandleIsInvalid",
    }
)
_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_THROTTLED: Final = frozenset({"RequestThrottled", "ThrottlingException", "KmsThrottled", "OverLimit"})


class _Failure(msgspec.Struct, frozen=True):
    """What SQS said of one entry of a batch; `code` is empty when it was done."""

    code: str = ""
    is_senders: bool = False
    said: str = ""


class SqsQueue:
    """One SQS FIFO queue. `rng` names receive attempts and spreads pauses between sends.

    What its users send, delete and extend at the same time goes in tens.
    """

    def __init__(self, aws: Aws, url: str, rng: random.Random, *, dead_letters: str | None = None) -> None:
        self._aws = aws
        self._client: Any = aws.client("sqs")
        self._url = url
        self._rng = rng
        self._dead_letters = dead_letters
        self._sends = Batches(partial(self._send_batch, url), next_batch)
        self._asides = Batches(partial(self._send_batch, dead_letters or ""), next_batch)
        self._extensions = Batches(self._extend_batch, _first_ten)
        self._deletions = Batches(self._delete_batch, _first_ten)

    async def send(self, messages: Sequence[Outgoing]) -> None:
        await self._send(self._sends, messages)

    async def receive(
        self, limit: int = MAX_BATCH, *, wait_s: int = MAX_WAIT_S, visibility_s: int | None = None
    ) -> list[Delivery]:
        check_receive(limit, wait_s)
        answer = await self._call(
            self._client.receive_message,
            patience=LONG_POLL,
            QueueUrl=self._url,
            MaxNumberOfMessages=limit,
            WaitTimeSeconds=wait_s,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
            # repeated within the call after a lost answer, it gives the same messages
            ReceiveRequestAttemptId=f"{self._rng.getrandbits(96):024x}",
            **({} if visibility_s is None else {"VisibilityTimeout": visibility_s}),
        )
        return [_delivery(message) for message in answer.get("Messages", [])]

    async def extend(self, receipt: str, seconds: int) -> None:
        (failure,) = await self._extensions.ask([(receipt, seconds)])
        if not _is_held(failure):
            raise ReceiptExpired(failure.said)

    async def delete(self, receipts: Sequence[str]) -> tuple[str, ...]:
        failures = await self._deletions.ask(receipts)
        return tuple(
            receipt for receipt, failure in zip(receipts, failures, strict=True) if not _is_held(failure)
        )

    async def dead_letter(self, delivery: Delivery, reason: str) -> None:
        if self._dead_letters is None:
            raise ValueError(f"{self._url} was given no queue for dead letters")
        await self._send(self._asides, [as_dead_letter(delivery, reason)])
        await self.delete([delivery.receipt])

    async def depth(self) -> int:
        answer = await self._call(
            self._client.get_queue_attributes, QueueUrl=self._url, AttributeNames=list(_COUNTS)
        )
        return sum(int(answer["Attributes"].get(name, 0)) for name in _COUNTS)

    async def _send(self, sends: Batches[Outgoing, _Failure], messages: Sequence[Outgoing]) -> None:
        """Round by round the first message of each group that is not confirmed."""
        check_outgoing(messages)
        waiting = list(messages)
        failures = 0
        why = ""
        while waiting:
            if failures == _ATTEMPTS:
                raise SendFailed(waiting, f"{why} at each of {_ATTEMPTS} attempts")
            if failures:
                await trio.sleep(_FIRST_PAUSE_S * 2 ** (failures - 1) * self._rng.uniform(0.5, 1.5))
            batch = next_batch(waiting)
            try:
                answers = await sends.ask(batch)
            except QueueUnavailable as error:
                raise SendFailed(waiting, str(error)) from error
            failed = [failure for failure in answers if failure.code]
            sent = {id(each) for each, failure in zip(batch, answers, strict=True) if not failure.code}
            waiting = [message for message in waiting if id(message) not in sent]
            for failure in failed:
                why = failure.said
                if failure.is_senders:
                    raise SendFailed(waiting, why)
            failures = failures + 1 if failed else 0

    async def _send_batch(self, url: str, messages: Sequence[Outgoing]) -> list[_Failure]:
        entries = [_entry(n, message) for n, message in enumerate(messages)]
        return await self._batch(self._client.send_message_batch, url, entries)

    async def _extend_batch(self, asked: Sequence[tuple[str, int]]) -> list[_Failure]:
        entries = [
            {"Id": str(n), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
            for n, (receipt, seconds) in enumerate(asked)
        ]
        return await self._batch(self._client.change_message_visibility_batch, self._url, entries)

    async def _delete_batch(self, receipts: Sequence[str]) -> list[_Failure]:
        entries = [{"Id": str(n), "ReceiptHandle": receipt} for n, receipt in enumerate(receipts)]
        return await self._batch(self._client.delete_message_batch, self._url, entries)

    async def _batch(
        self, method: Callable[..., Any], url: str, entries: Sequence[dict[str, Any]]
    ) -> list[_Failure]:
        answer = await self._call(method, QueueUrl=url, Entries=entries)
        failed = {
            each["Id"]: _Failure(
                each["Code"], each["SenderFault"], f"{each['Code']} from {url}: {each.get('Message', '')}"
            )
            for each in answer.get("Failed", [])
        }
        return [failed.get(entry["Id"], _Failure()) for entry in entries]

    async def _call(
        self, method: Callable[..., Any], *, patience: Patience | None = None, **arguments: Any
    ) -> Any:
        try:
            if patience is None:
                return await self._aws.call(method, **arguments)
            return await self._aws.call_with(patience, method, **arguments)
        except ClientError as error:
            if not is_server_fault(error) and error_code(error) not in _THROTTLED:
                raise
            raise QueueUnavailable(f"{error_code(error)} from {self._url}") from error
        except UNANSWERED as error:
            raise QueueUnavailable(f"no answer from {self._url}: {error!r}") from error


def _first_ten(waiting: Sequence[T]) -> Sequence[T]:
    return waiting[:MAX_BATCH]


def _is_held(failure: _Failure) -> bool:
    """Whether a receipt held its message when something was done by it."""
    if failure.code and failure.code not in _NOT_HELD:
        raise QueueUnavailable(failure.said)
    return not failure.code


def _entry(n: int, message: Outgoing) -> dict[str, Any]:
    return {
        "Id": str(n),
        "MessageBody": message.body,
        "MessageGroupId": message.group,
        "MessageDeduplicationId": message.dedup,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()
        },
    }


def _delivery(message: dict[str, Any]) -> Delivery:
    system = message["Attributes"]
    return Delivery(
        group=system["MessageGroupId"],
        dedup=system["MessageDeduplicationId"],
        body=message["Body"],
        attributes={
            name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()
        },
        receipt=message["ReceiptHandle"],
        count=int(system["ApproximateReceiveCount"]),
        ts_sent=int(system["SentTimestamp"]) * NS_PER_MS,
    )


async def open_queue(aws: Aws, shape: QueueShape, rng: random.Random, *, prefix: str = "") -> SqsQueue:
    """The queue of a shape, with the one that its dead letters go to.

    Raises:
        QueueUnavailable: AWS does not answer, or there is no such queue.
    """
    urls = []
    for name in (shape.name, shape.dead_letters):
        if name is None:
            continue
        try:
            answer = await aws.call(aws.client("sqs").get_queue_url, QueueName=prefix + name)
        except (ClientError, *UNANSWERED) as error:
            raise QueueUnavailable(f"queue {prefix + name}: {error}") from error
        urls.append(answer["QueueUrl"])
    return SqsQueue(aws, urls[0], rng, dead_letters=urls[1] if len(urls) > 1 else None)
