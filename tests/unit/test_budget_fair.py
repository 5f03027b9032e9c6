"""Laws of the fair scheduler on Trio, over local and shared buckets: prediction, turns, cancellation."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import ADDRESS, Limit, Wanted
from spider_common.budgets.local import Buckets, LocalBuckets
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.stores.memory_cache import MemoryCache
from tests.cancellation import cancel_at_every_checkpoint
from tests.windows import BUCKET, ORIGIN, buckets, on_mock_clock


def made(kind: str, clock: TrioClock) -> Buckets:
    return LocalBuckets(clock) if kind == "local" else buckets(MemoryCache())


kinds = pytest.mark.parametrize("kind", ["local", "shared"])


class Order(NamedTuple):
    client: str
    account: int
    reducing: bool
    fan_out: str

    @property
    def wanted(self) -> Wanted:
        return (
            (("account", str(self.account)), Limit(3, 1.0)),
            ((ADDRESS, "orders"), Limit(8, 1.0)),
        )


waiting_orders = st.lists(
    st.builds(Order, st.sampled_from("abcd"), st.integers(0, 5), st.booleans(), st.sampled_from("xyz")),
    min_size=1,
    max_size=30,
)


@kinds
@given(waiting=waiting_orders)
def test_what_is_predicted_happens(kind: str, waiting: list[Order]) -> None:
    """When nothing else comes, the last order of each fan-out leaves exactly when it was predicted to."""

    async def run() -> tuple[dict[str, int | None], dict[str, int]]:
        clock = TrioClock(ORIGIN)
        budgets = Budgets(clock, made(kind, clock))
        last: dict[str, int] = {}

        async def caller(order: Order) -> None:
            await budgets.acquire(
                *order.wanted, client=order.client, reducing=order.reducing, fan_out=order.fan_out
            )
            last[order.fan_out] = clock.now()

        async with trio.open_nursery() as nursery:
            for order in waiting:
                nursery.start_soon(caller, order)
            await trio.testing.wait_all_tasks_blocked()
            predicted = {fan_out: budgets.predicted_completion(fan_out) for fan_out in "xyz"}
        return predicted, last

    predicted, last = on_mock_clock(run)
    for fan_out, when in predicted.items():
        assert when == last[fan_out] if when is not None else last.get(fan_out, ORIGIN) == ORIGIN


@kinds
async def test_reducing_orders_pass_those_that_wait(kind: str, autojump_clock: MockClock) -> None:
    """A reducing order that comes last leaves before all that wait; clients of the others take turns."""
    clock = TrioClock(ORIGIN)
    budgets = Budgets(clock, made(kind, clock))
    order: list[str] = []

    async def caller(client: str, reducing: bool) -> None:
        await budgets.acquire((BUCKET, Limit(2, 1.0)), client=client, reducing=reducing)
        order.append(client)

    async with trio.open_nursery() as nursery:
        for client, reducing in [*[("a", False)] * 4, ("b", False), ("c", True)]:
            nursery.start_soon(caller, client, reducing)
            await trio.testing.wait_all_tasks_blocked()
    assert order == ["a", "c", "a", "b", "a", "a"]


class _Counting:
    """Buckets that count what they give."""

    def __init__(self, inner: Buckets) -> None:
        self.given = 0
        self._inner = inner
        self.state, self.close = inner.state, inner.close

    async def take(self, requests: Sequence[Wanted]) -> Sequence[bool]:
        taken = await self._inner.take(requests)
        self.given += sum(taken)
        return taken


@kinds
@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 0), (0, 2), (2, 2)])
async def test_cancelled_at_any_checkpoint_it_takes_nothing_and_holds_nobody_up(
    kind: str, before: int, after: int, autojump_clock: MockClock
) -> None:
    """Wherever one of several is cancelled, the others leave, and no token is taken but for who returned."""
    clock = TrioClock(ORIGIN)
    counting = _Counting(made(kind, clock))
    budgets = Budgets(clock, counting)
    returned = 0
    others: list[trio.Event] = []

    async def acquire() -> None:
        nonlocal returned
        await budgets.acquire((BUCKET, Limit(1, 1.0)))
        returned += 1

    async def other(left: trio.Event) -> None:
        await acquire()
        left.set()

    async with trio.open_nursery() as nursery:

        def start(count: int) -> None:
            for _ in range(count):
                others.append(trio.Event())
                nursery.start_soon(other, others[-1])

        async def call() -> None:
            start(before)
            if before:
                with trio.CancelScope(shield=True):
                    await trio.testing.wait_all_tasks_blocked()
            start(after)
            await acquire()

        async def check(cancelled: bool) -> None:
            with trio.fail_after(100):
                for left in others:
                    await left.wait()
            assert counting.given == returned

        assert await cancel_at_every_checkpoint(call, check) >= 1
    assert returned > len(others)


class _Gated(LocalBuckets):
    """Buckets that answer only when the gate is open."""

    def __init__(self, clock: TrioClock) -> None:
        super().__init__(clock)
        self.gate = trio.Event()

    async def take(self, requests: Sequence[Wanted]) -> Sequence[bool]:
        await self.gate.wait()
        return await super().take(requests)


@pytest.mark.parametrize("quitter", [0, 1], ids=["first", "second"])
@pytest.mark.parametrize("gives", [True, False])
async def test_cancelled_while_its_token_is_asked_for(
    quitter: int, gives: bool, autojump_clock: MockClock
) -> None:
    """The answer decides: with a token the call returns, without one it is cancelled, and at once."""
    clock, limit = TrioClock(ORIGIN), Limit(10, 1.0)
    gated = _Gated(clock)
    counting = _Counting(gated)
    budgets = Budgets(clock, counting)
    scopes = [trio.CancelScope(), trio.CancelScope()]
    ended = dict[int, tuple[bool, int]]()

    async def caller(number: int) -> None:
        has_token = False
        with scopes[number]:
            await budgets.acquire((BUCKET, limit))
            has_token = True
        ended[number] = (has_token, clock.now() - ORIGIN)

    async with trio.open_nursery() as nursery:
        for number in range(2):
            nursery.start_soon(caller, number)
        await trio.testing.wait_all_tasks_blocked()
        scopes[quitter].cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert not ended
        if not gives:
            await gated.close(BUCKET, limit, ORIGIN + NS_PER_S)
        gated.gate.set()
    assert ended[quitter] == (gives, 0)
    assert ended[1 - quitter] == (True, 0 if gives else NS_PER_S)
    assert counting.given == sum(has_token for has_token, _ in ended.values())


@kinds
async def test_patience_is_tried_by_the_limits_alone(kind: str, autojump_clock: MockClock) -> None:
    """Whom a limit keeps longer than its patience gives up, at that time, and takes no token."""
    clock = TrioClock(ORIGIN)
    counting = _Counting(made(kind, clock))
    budgets = Budgets(clock, counting)
    told: list[tuple[int, bool]] = []

    async def caller(number: int) -> None:
        left = await budgets.acquire((BUCKET, Limit(4, 1.0)), client=str(number), patience_s=0.5)
        told.append((clock.now() - ORIGIN, left))

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(caller, number)
    third = NS_PER_S // 3
    assert [(round(at / third, 1), left) for at, left in told] == [
        (0, True), (1, True), (1.5, False), (1.5, False),
    ]  # fmt: skip
    assert counting.given == 2


async def test_a_slow_process_tries_nobodys_patience(autojump_clock: MockClock) -> None:
    """Buckets that answer after the patience is over still let in what they have room for."""
    clock = TrioClock(ORIGIN)
    gated = _Gated(clock)
    budgets = Budgets(clock, gated)
    left: list[bool] = []

    async def caller(number: int) -> None:
        left.append(await budgets.acquire((str(number), Limit(4, 1.0)), patience_s=0.5))

    async with trio.open_nursery() as nursery:
        for number in range(100):  # more than are asked for at once
            nursery.start_soon(caller, number)
        await trio.sleep(2)
        gated.gate.set()
    assert left == [True] * 100
