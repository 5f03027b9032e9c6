"""Laws of shared calls: each item has its own answer, few calls are made, and nobody waits for company."""

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from spider_common.stores.batches import AT_ONCE, Batches
from spider_common.stores.queue import QueueUnavailable

CALL_S = 1.0


class Far:
    """What calls go to: it answers each item by its double after a second. `calls`: what each carried."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, ...]] = []
        self.under_way = 0
        self.errors: list[Exception] = []
        self.batches = Batches(self._answer, lambda waiting: waiting[:10])

    async def _answer(self, items: Sequence[int]) -> list[int]:
        self.calls.append(tuple(items))
        self.under_way += 1
        assert self.under_way <= AT_ONCE
        try:
            await trio.sleep(CALL_S)
            if self.errors:
                raise self.errors.pop()
        finally:
            self.under_way -= 1
        return [2 * item for item in items]


async def test_a_lone_item_goes_at_once(autojump_clock: MockClock) -> None:
    """Nothing is gathered while nobody else has anything."""
    far = Far()
    assert await far.batches.ask([7]) == [14]
    assert trio.current_time() == pytest.approx(CALL_S)
    assert await far.batches.ask([]) == []


async def test_what_comes_while_calls_are_under_way_goes_together(autojump_clock: MockClock) -> None:
    """Many tasks with one item each: those that find a turn go alone, all the others in tens."""
    far = Far()
    async with trio.open_nursery() as nursery:
        for n in range(AT_ONCE + 60):
            nursery.start_soon(far.batches.ask, [n])
            if n < AT_ONCE:
                await wait_all_tasks_blocked()
    assert [len(call) for call in far.calls] == [1] * AT_ONCE + [10] * 6
    assert trio.current_time() == pytest.approx(3 * CALL_S)


async def test_what_comes_at_the_same_moment_goes_together(autojump_clock: MockClock) -> None:
    """However many tasks there are, a call has ten items while there are as many."""
    far = Far()
    async with trio.open_nursery() as nursery:
        for n in range(35):
            nursery.start_soon(far.batches.ask, [n])
    assert [len(call) for call in far.calls] == [10, 10, 10, 5]
    assert trio.current_time() == pytest.approx(CALL_S)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 99), max_size=25), st.integers(0, 3), st.booleans()), max_size=12
    ),
    st.lists(st.sampled_from([QueueUnavailable("no answer"), LookupError("no such queue")]), max_size=4),
)
def test_everybody_has_his_own_answers(
    askers: list[tuple[list[int], int, bool]], errors: list[Exception]
) -> None:
    """Whoever comes when, is cancelled, or carries a call that fails: who is answered has the answers of his
    items in their order, who is not has the error, and nothing is left waiting."""

    async def main() -> None:
        far = Far()
        far.errors = list(errors)
        answered: list[bool] = []

        async def ask(items: list[int], after: int, is_cancelled: bool) -> None:
            await trio.sleep(after)
            with trio.move_on_after(CALL_S / 2 if is_cancelled else 1_000):
                try:
                    assert await far.batches.ask(items) == [2 * item for item in items]
                except (QueueUnavailable, LookupError):
                    answered.append(False)
                else:
                    answered.append(True)

        async with trio.open_nursery() as nursery:
            for asker in askers:
                nursery.start_soon(ask, *asker)
        assert len(answered) >= sum(not is_cancelled for *_, is_cancelled in askers)
        if not errors:
            assert all(answered)
        assert far.batches._waiting == {}

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_a_cancelled_carrier_fails_nobody_else(autojump_clock: MockClock) -> None:
    """What its call carried for others is asked again."""
    far = Far()
    async with trio.open_nursery() as nursery:
        scopes = []

        async def carry(n: int) -> None:
            with trio.CancelScope() as scope:
                scopes.append(scope)
                await far.batches.ask([n])

        for n in range(AT_ONCE):
            nursery.start_soon(carry, n)
            await wait_all_tasks_blocked()
        nursery.start_soon(carry, 100)  # will carry the next batch
        await wait_all_tasks_blocked()
        answers: list[list[int]] = []

        async def other() -> None:
            answers.append(await far.batches.ask([5, 6]))

        nursery.start_soon(other)
        await trio.sleep(1.5 * CALL_S)
        assert (100, 5, 6) in far.calls
        scopes[-1].cancel()
        await trio.sleep(1.1 * CALL_S)
        assert answers == [[10, 12]]


async def test_no_answer_is_told_to_all_whom_it_concerns(autojump_clock: MockClock) -> None:
    """A call without an answer is not repeated by each of those whom it carried for."""
    far = Far()
    far.errors = [QueueUnavailable("no answer")] * (AT_ONCE + 1)
    failed = []

    async def ask(n: int) -> None:
        with pytest.raises(QueueUnavailable, match="no answer"):
            await far.batches.ask([n])
        failed.append(n)

    async with trio.open_nursery() as nursery:
        for n in range(AT_ONCE + 10):
            nursery.start_soon(ask, n)
            if n < AT_ONCE:
                await wait_all_tasks_blocked()
    assert (len(failed), len(far.calls)) == (AT_ONCE + 10, AT_ONCE + 1)
