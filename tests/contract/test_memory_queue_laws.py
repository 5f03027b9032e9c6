"""Laws of the twin queue over random histories: nothing lost, nothing doubled, groups in order."""

from contextlib import suppress

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from spider_common.clock import TrioClock
from spider_common.schema import QueueShape
from spider_common.stores.memory_queue import MemoryQueue
from spider_common.stores.queue import Delivery, Outgoing, ReceiptExpired

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 2)),  # to a group
        st.tuples(st.just("receive"), st.integers(1, 10)),  # at most
        st.tuples(st.sampled_from(["delete", "give back", "extend"]), st.integers(0, 9)),  # one that is out
        st.tuples(st.just("wait"), st.integers(1, 40)),  # seconds
    ),
    max_size=40,
)


@settings(deadline=None)
@given(STEPS)
def test_whatever_happens_each_message_is_worked_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    """Law: each group's messages are deleted in the order sent, each by one receipt, and none is lost;
    while one of a group is held, nothing of that group is received.

    Receipts are tried whether they still hold or not; a message counts as worked when its deletion held.
    """
    trio.run(_history, steps, clock=trio.testing.MockClock(autojump_threshold=0))


async def _history(steps: list[tuple[str, int]]) -> None:
    queue = MemoryQueue(QueueShape("law.fifo", visibility_s=30), TrioClock(0))
    sent: dict[str, list[str]] = {f"{n}": [] for n in range(3)}
    worked: dict[str, list[str]] = {f"{n}": [] for n in range(3)}
    out: list[Delivery] = []
    until: dict[str, float] = {}  # how long each receipt holds

    async def work(delivery: Delivery) -> None:
        if not await queue.delete([delivery.receipt]):
            worked[delivery.group].append(delivery.dedup)

    for step, number in steps:
        if step == "send":
            group = sent[f"{number}"]
            group.append(f"{number}-{len(group)}")
            await queue.send([Outgoing(f"{number}", group[-1], "{}")])
        elif step == "receive":
            busy = {other.group for other in out if until[other.receipt] > trio.current_time()}
            received = await queue.receive(number, wait_s=0)
            assert len(received) <= number
            assert not busy & {delivery.group for delivery in received}
            out += received
            until |= {delivery.receipt: trio.current_time() + 30 for delivery in received}
        elif step == "wait":
            await trio.sleep(number)
        elif out:
            delivery = out[number % len(out)]
            heads = [other for other in out if other.group == delivery.group]
            if step == "delete" and delivery is heads[0]:  # as a worker does: a group in its order
                out.remove(delivery)
                await work(delivery)
            elif step != "delete":
                seconds = 0 if step == "give back" else 60
                with suppress(ReceiptExpired):  # then it came again, or will
                    await queue.extend(delivery.receipt, seconds)
                    until[delivery.receipt] = trio.current_time() + seconds
    while True:  # the rest, at leisure
        received = await queue.receive(wait_s=20)
        if not received and trio.current_time() > 4_000:
            break
        for delivery in received:
            await work(delivery)
    assert worked == sent
