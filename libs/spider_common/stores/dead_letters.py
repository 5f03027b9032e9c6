"""What was set aside: to look at, to send back where it came from, to drop.

The only way to look into a queue is to receive: a `Look` holds every letter that it can get and gives back
at its end what is still there. It counts what it cannot get: what somebody else holds, and all but the first
ten of a group whose messages SQS has set aside itself. What is redriven or dropped is in the audit.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec
import trio

from spider_common.domain.identifiers import digest
from spider_common.stores.audit import Audit, AuditEntry, Author
from spider_common.stores.queue import (
    GROUP,
    MAX_BATCH,
    REASON,
    Delivery,
    Outgoing,
    Queue,
    QueueError,
    SendFailed,
    as_dead_letter,
)

HOLD_S: Final = 60
"""How long a letter stays with who looks; if he dies, it is shown again after this."""
WAIT_S: Final = 1
"""A poll that does not wait asks only some of a queue's servers and may miss letters."""
_GIVE_BACK_S: Final = 10
_KEPT_IN_AUDIT: Final = 100_000  # characters of a body: a row holds 400 KB

NO_REASON_FITS: Final = "Its body leaves no room for a reason."
TOO_OFTEN: Final = (
    "The queue delivered it as often as it may, and no worker finished it: each died, failed or put it off."
)


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was set aside.

    Attributes:
        letter_id: 32 hex digits, the same at each look.
        group, dedup, attributes: as the message had them in its queue.
        ts_set_aside: Unix ns.
        receives: how often it was received, by looks too.
        receipt: what this look holds it by.
    """

    letter_id: str
    group: str
    dedup: str
    reason: str
    body: str
    attributes: dict[str, str]
    ts_set_aside: int
    receives: int
    receipt: str

    @property
    def again(self) -> Outgoing:
        """The message as it is sent back.

        Under its own dedup id its queue would swallow it within five minutes of its first sending. The new
        one is the same each time this letter is redriven, so to repeat a redrive that was cut short doubles
        nothing.
        """
        dedup = digest("redrive", self.dedup, str(self.ts_set_aside))
        return Outgoing(self.group, dedup, self.body, self.attributes)


def letter_of(delivery: Delivery) -> Letter:
    """What a dead letter tells of itself, whether a worker set it aside or the queue."""
    attributes = {name: value for name, value in delivery.attributes.items() if name not in {REASON, GROUP}}
    group = delivery.attributes.get(GROUP, delivery.group)
    reason = delivery.attributes.get(REASON)
    if reason is None:
        reason = TOO_OFTEN if REASON in as_dead_letter(delivery, TOO_OFTEN).attributes else NO_REASON_FITS
    return Letter(
        letter_id=digest("letter", group, delivery.dedup),
        group=group,
        dedup=delivery.dedup,
        reason=reason,
        body=delivery.body,
        attributes=attributes,
        ts_set_aside=delivery.ts_sent,
        receives=delivery.count,
        receipt=delivery.receipt,
    )


@asynccontextmanager
async def look(dead: Queue, source: Queue, audit: Audit) -> AsyncIterator["Look"]:
    """Holds the letters of `dead` until the end of the block.

    Raises:
        QueueUnavailable: it does not answer.
    """
    opened = Look(dead, source, audit)
    try:
        await opened.gather()
        yield opened
    finally:
        with trio.move_on_after(_GIVE_BACK_S, shield=True):
            await opened.give_back()


class Look:
    """The letters that are held, by group and in the order in which they were set aside.

    `unseen`: how many more there are, by the queue's own count, which may be behind by a minute.
    """

    def __init__(self, dead: Queue, source: Queue, audit: Audit) -> None:
        self._dead, self._source, self._audit = dead, source, audit
        self._held: dict[str, Letter] = {}
        self._until = trio.current_time() + HOLD_S
        self.unseen = 0

    @property
    def letters(self) -> list[Letter]:
        return sorted(self._held.values(), key=lambda each: (each.group, each.ts_set_aside))

    async def gather(self) -> None:
        """Receives what can be received."""
        while received := await self._dead.receive(MAX_BATCH, wait_s=WAIT_S, visibility_s=HOLD_S):
            self._held |= {each.receipt: letter_of(each) for each in received}
            await self._keep()
        self.unseen = max(await self._dead.depth() - len(self._held), 0)

    async def redrive(self, chosen: Sequence[Letter], by: Author) -> list[Letter]:
        """Sends letters back to their queue, those of a group in their sequence, and then deletes them.

        Returns:
            Those that were sent and are among the dead letters too, since somebody else holds them now.

        Raises:
            SendFailed: some may not be in their queue. They are still among the dead letters.
        """
        left: list[Letter] = []
        for letters in _tens(chosen):
            await self._record("dlq.redrive", letters, by, after=lambda letter: letter.again.dedup)
            failure = None
            try:
                await self._source.send([letter.again for letter in letters])
            except SendFailed as error:
                failure = error
            unsent = failure.unsent if failure else ()
            left += await self._remove([letter for letter in letters if letter.again not in unsent])
            if failure:
                raise failure
        return left

    async def drop(self, chosen: Sequence[Letter], by: Author) -> list[Letter]:
        """Deletes letters for good; the audit has what they were.

        Returns:
            Those that are still there, since somebody else holds them now.
        """
        left: list[Letter] = []
        for letters in _tens(chosen):
            await self._record("dlq.drop", letters, by, after=lambda _: "")
            left += await self._remove(letters)
        return left

    async def give_back(self) -> None:
        """Shows what is held to others at once. Should it fail, they see it when its time is over."""
        await self._extend(0)

    async def _remove(self, letters: Sequence[Letter]) -> list[Letter]:
        expired = await self._dead.delete([letter.receipt for letter in letters])
        for letter in letters:
            del self._held[letter.receipt]
        await self._keep()
        return [letter for letter in letters if letter.receipt in expired]

    async def _keep(self) -> None:
        """Holds on to the letters when half of their time is over."""
        if trio.current_time() > self._until - HOLD_S / 2:
            self._until = trio.current_time() + HOLD_S
            await self._extend(HOLD_S)

    async def _extend(self, seconds: int) -> None:
        async def extend(receipt: str) -> None:
            with suppress(QueueError):  # then somebody else may have it: its deletion will tell
                await self._dead.extend(receipt, seconds)

        async with trio.open_nursery() as nursery:
            for receipt in self._held:
                nursery.start_soon(extend, receipt)

    async def _record(
        self, action: str, letters: Iterable[Letter], by: Author, *, after: Callable[[Letter], str]
    ) -> None:
        """Before it is done: what is in the audit may not have been done, what is not was not."""
        for letter in letters:
            before = msgspec.structs.replace(letter, body=letter.body[:_KEPT_IN_AUDIT], receipt="")
            await self._audit.record(
                AuditEntry(
                    who=by.who,
                    ts=by.ts,
                    from_where=by.from_where,
                    action=action,
                    target=f"letter/{letter.letter_id}",
                    before=msgspec.json.encode(before).decode(),
                    after=after(letter),
                )
            )


def _tens(letters: Sequence[Letter]) -> Iterable[Sequence[Letter]]:
    return (letters[start : start + MAX_BATCH] for start in range(0, len(letters), MAX_BATCH))
