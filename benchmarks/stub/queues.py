"""SQS FIFO queues, as far as a copier needs them: order within a group, batches of ten, visibility."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

Call = Mapping[str, Any]
_BATCH: Final = 10


class Queues:
    """One queue: every URL leads to it but that of the dead letters, which are counted and dropped."""

    def __init__(self) -> None:
        self._groups: dict[str, deque[dict[str, Any]]] = {}
        self._taken: dict[str, tuple[str, dict[str, Any], float]] = {}  # by receipt: group, message, until
        self._numbers = count(1)
        self._changed = asyncio.Event()
        self.dead = 0

    @property
    def is_empty(self) -> bool:
        return not self._groups

    async def changed(self) -> None:
        """Returns when something has come, or gone, since the call."""
        await self._changed.wait()

    def get_queue_url(self, call: Call) -> Call:
        return {"QueueUrl": f"http://stub/{call['QueueName']}"}

    def send_message_batch(self, call: Call) -> Call:
        done = []
        for entry in call["Entries"]:
            number = str(next(self._numbers))
            done.append(
                {"Id": entry["Id"], "MessageId": number, "MD5OfMessageBody": "", "SequenceNumber": number}
            )
            if "dlq" in call["QueueUrl"]:
                self.dead += 1
                continue
            told = {
                "MessageGroupId": entry["MessageGroupId"],
                "MessageDeduplicationId": entry["MessageDeduplicationId"],
                "SentTimestamp": str(time.time_ns() // 1_000_000),
                "ApproximateReceiveCount": "0",
            }
            message = {"MessageId": number, "Body": entry["MessageBody"], "Attributes": told}
            self._groups.setdefault(entry["MessageGroupId"], deque()).append(message)
        self.tell()
        return {"Successful": done, "Failed": []}

    async def receive_message(self, call: Call) -> Call:
        loop = asyncio.get_running_loop()
        end = loop.time() + call.get("WaitTimeSeconds", 0)
        while not (messages := self._take(call.get("MaxNumberOfMessages", 1), loop.time())):
            left = end - loop.time()
            if left <= 0:
                break
            soonest = min((until for _, _, until in self._taken.values()), default=end)
            try:
                async with asyncio.timeout(min(left, max(soonest - loop.time(), 0.001))):
                    await self.changed()
            except TimeoutError:
                continue
        return {"Messages": messages} if messages else {}

    def change_message_visibility(self, call: Call) -> Call:
        if (taken := self._taken.get(call["ReceiptHandle"])) is not None:
            until = asyncio.get_running_loop().time() + call["VisibilityTimeout"]
            self._taken[call["ReceiptHandle"]] = (*taken[:2], until)
            self.tell()
        return {}

    def change_message_visibility_batch(self, call: Call) -> Call:
        for entry in call["Entries"]:
            self.change_message_visibility(entry)
        return {"Successful": [{"Id": entry["Id"]} for entry in call["Entries"]], "Failed": []}

    def delete_message(self, call: Call) -> Call:
        if (taken := self._taken.pop(call["ReceiptHandle"], None)) is not None:
            group, message, _ = taken
            self._groups[group].remove(message)
            if not self._groups[group]:
                del self._groups[group]
            self.tell()
        return {}

    def delete_message_batch(self, call: Call) -> Call:
        for entry in call["Entries"]:
            self.delete_message(entry)
        return {"Successful": [{"Id": entry["Id"]} for entry in call["Entries"]], "Failed": []}

    def _take(self, limit: int, now: float) -> list[dict[str, Any]]:
        """Up to ten messages, oldest groups first; none of a group of which some are out."""
        for receipt in [receipt for receipt, (_, _, until) in self._taken.items() if until <= now]:
            del self._taken[receipt]
        busy = {group for group, _, _ in self._taken.values()}
        messages: list[dict[str, Any]] = []
        for group, waiting in self._groups.items():
            if group in busy:
                continue
            for message in list(waiting)[: min(limit, _BATCH) - len(messages)]:
                told = message["Attributes"]
                told["ApproximateReceiveCount"] = str(int(told["ApproximateReceiveCount"]) + 1)
                receipt = f"receipt-{next(self._numbers)}"
                self._taken[receipt] = (group, message, now + 30)
                messages.append({**message, "ReceiptHandle": receipt, "MD5OfBody": ""})
            if len(messages) == min(limit, _BATCH):
                break
        return messages

    def tell(self) -> None:
        """Wakes who waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()
