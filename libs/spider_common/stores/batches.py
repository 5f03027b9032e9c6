"""Calls that take several things at once, shared by the tasks that have some at the same time."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import trio

from spider_common.stores.queue import QueueUnavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")

AT_ONCE: Final = 4
"""Calls under way at a time. What comes while all are taken goes in the next one, together."""


class _Asked(Generic[Item, Answer]):
    """One item on its way: it waits, is carried by somebody's call, and has its answer."""

    __slots__ = ("answers", "failure", "item", "over", "waits")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.waits = True
        self.over = trio.Event()
        self.answers: tuple[Answer, ...] = ()
        self.failure: QueueUnavailable | None = None


class Batches(Generic[Item, Answer]):
    """Nobody waits for company: a lone item goes at once. Whoever has a turn carries the items that have
    waited longest, whosesoever they are.

    Args:
        call: carries a batch; an answer for each of its items, in their order.
        choose: those of the waiting items, oldest first, that go in one call; at least one.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        choose: Callable[[Sequence[Item]], Sequence[Item]],
    ) -> None:
        self._call, self._choose = call, choose
        self._waiting: dict[_Asked[Item, Answer], None] = {}
        self._turns = trio.Semaphore(AT_ONCE)

    async def ask(self, items: Sequence[Item]) -> list[Answer]:
        """The answers, in the order of the items, once all have theirs.

        Raises:
            QueueUnavailable: a call with one of them got no answer. So may other errors of the call.
        """
        mine = [_Asked[Item, Answer](item) for item in items]
        self._waiting |= dict.fromkeys(mine)
        try:
            while unanswered := [each for each in mine if not each.answers]:
                await self._further(unanswered)
        finally:
            for each in mine:
                self._waiting.pop(each, None)
        return [answer for each in mine for answer in each.answers]

    async def _further(self, asked: Sequence[_Asked[Item, Answer]]) -> None:
        """Carries a batch while the first item waits, and then sees it through."""
        first = asked[0]
        if first.waits:
            async with self._turns:
                if first.waits:
                    await self._carry()
            return
        await first.over.wait()
        for each in asked:
            if each.failure is not None:
                raise QueueUnavailable(str(each.failure)) from each.failure
            if each.over.is_set() and not each.answers:  # its carrier was cancelled: it waits anew
                each.waits, each.over = True, trio.Event()
                self._waiting[each] = None

    async def _carry(self) -> None:
        chosen = self._choose([each.item for each in self._waiting])
        batch = [each for each in self._waiting if any(each.item is item for item in chosen)][: len(chosen)]
        for each in batch:
            each.waits = False
            del self._waiting[each]
        try:
            for each, answer in zip(batch, await self._call([each.item for each in batch]), strict=True):
                each.answers = (answer,)
        except QueueUnavailable as error:
            for each in batch:
                each.failure = error
        finally:
            for each in batch:
                each.over.set()
