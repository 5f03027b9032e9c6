"""`Budgets`: where a request waits until its venue's limits let it in."""

import math
from collections.abc import Sequence
from typing import Any, Final

import trio

from spider_common.budgets.limits import Limit, Name
from spider_common.budgets.local import Buckets, LocalBuckets
from spider_common.budgets.turns import Request, Trial, Turns
from spider_common.budgets.usage import Usage
from spider_common.clock import NS_PER_S, Clock

_AT_ONCE: Final = 64
"""Requests that are decided in one call of the buckets: one round trip for a fan-out, and no long script."""
_NEVER: Final = 2**63


class Budgets:
    """The fair scheduler of one venue in one process; see `Turns` for the order.

    Whoever waits does the work for all: one of the waiting calls decides and wakes the others, and when
    it leaves, another one goes on. So there is no task to be started, and none that can be missing.
    """

    def __init__(self, clock: Clock, buckets: Buckets | None = None, usage: Usage | None = None) -> None:
        self._clock, self._usage = clock, usage
        self._buckets = buckets or LocalBuckets(clock)
        self._turns: Turns[_Waiting] = Turns()
        self._is_driven = False
        self._changed = trio.Event()

    async def acquire(
        self,
        *wanted: tuple[Name, Limit],
        client: str = "",
        reducing: bool = False,
        fan_out: str = "",
        patience_s: float = math.inf,
    ) -> bool:
        """Whether a request may be sent: True as soon as all the limits let it in; False when they have
        kept it for longer than its patience. Then, and when it is cancelled, it has taken no token.

        Only the limits try a patience, not a busy process: it begins when one is found to be used up.

        Args:
            wanted: the buckets, each of which gives one token; none is named twice.
            client: who takes turns with others. Queries, which nobody's turn depends on, leave it empty.
            reducing: goes before everything that is not.
            fan_out: what `predicted_completion` calls all the orders of one event.
            patience_s: how long to wait for the limits.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        waiting = _Waiting(wanted, client=client, reducing=reducing, fan_out=fan_out)
        if patience_s < math.inf:
            waiting.patience = round(patience_s * NS_PER_S)
        self._turns.add(waiting)
        self._changed.set()
        begun = self._clock.now()
        try:
            await trio.lowlevel.cancel_shielded_checkpoint()  # those that come together are weighed together
            while not waiting.is_done:
                if self._is_driven:
                    await waiting.park()
                else:
                    await self._drive(waiting)
            if waiting.has_left and self._usage is not None:
                self._usage.let_in(wanted, self._clock.now() - begun)
            return waiting.has_left
        finally:
            if not waiting.is_done:
                self._turns.remove(waiting)
            if not self._is_driven:
                for other in self._turns:  # one that is not parked drives without being told
                    other.wake()
                    break

    async def back_off(self, name: Name, limit: Limit, until: int) -> None:
        """The venue counted otherwise: nothing of this bucket leaves before `until` (Unix ns).

        Not cancelled while it is told to others, which ends soon.
        """
        with trio.CancelScope(shield=True):
            await self._buckets.close(name, limit, until)

    def predicted_completion(self, fan_out: str) -> int | None:
        """When the last order of a fan-out that now waits will leave, Unix ns; None: none of it waits.

        What comes later, or leaves through other tasks, can delay it; orders that give up bring it forward.
        Costs time with waiting requests times clients: for the log line of a fan-out, not for every order.
        """
        return self._turns.predict(fan_out, self._clock.now(), Trial(self._buckets.state))

    async def _drive(self, own: "_Waiting") -> None:
        """Lets everyone leave at its time, until this one has left."""
        self._is_driven = True
        try:
            while not own.is_done:
                await trio.lowlevel.checkpoint_if_cancelled()
                now = self._clock.now()
                chosen = self._turns.next(now, Trial(self._buckets.state), most=_AT_ONCE)
                if chosen:
                    await self._let_go(chosen)
                    continue
                next_gives_up_at = self._give_up(now)
                if own.has_given_up:
                    return
                ready = self._turns.ready_at(Trial(self._buckets.state))
                assert ready is not None  # this one waits
                self._changed = trio.Event()
                with trio.move_on_after(max(min(ready, next_gives_up_at) - now, 0) / NS_PER_S):
                    await self._changed.wait()
        finally:
            self._is_driven = False

    def _give_up(self, now: int) -> int:
        """Sends those away whom the limits have kept too long; when the next one will have had enough."""
        impatient = [each for each in self._turns if each.patience < _NEVER]
        for each in impatient:
            each.gives_up_at = each.gives_up_at or now + each.patience
            if each.gives_up_at <= now:
                each.has_given_up = True
                self._turns.remove(each)
                each.wake()
        return min((each.gives_up_at for each in impatient if not each.has_given_up), default=_NEVER)

    async def _let_go(self, chosen: "Sequence[_Waiting]") -> None:
        """Asks the buckets for what seems to be there. Those who ask are not cancelled meanwhile: a token
        taken for nobody would be missing."""
        for each in chosen:
            each.is_asking = True
        try:
            with trio.CancelScope(shield=True):
                taken = await self._buckets.take([each.wanted for each in chosen])
            left = [each for each, is_taken in zip(chosen, taken, strict=True) if is_taken]
            self._turns.leave(left)
            for each in left:
                each.has_left = True
        finally:
            for each in chosen:
                each.is_asking = False
                if each.has_left or each.is_cancelled:
                    each.wake()


class _Waiting(Request):
    """A call of `acquire`."""

    has_left = False
    has_given_up = False
    patience = _NEVER  # ns
    gives_up_at = 0  # Unix ns, set once a limit keeps it
    is_asking = False
    is_cancelled = False
    _task: trio.lowlevel.Task | None = None

    @property
    def is_done(self) -> bool:
        return self.has_left or self.has_given_up

    async def park(self) -> None:
        """Waits to be woken. A cancellation while its tokens are asked for waits for the answer."""

        def abort(_: Any) -> trio.lowlevel.Abort:
            if self.is_asking:
                self.is_cancelled = True
                return trio.lowlevel.Abort.FAILED
            self._task = None
            return trio.lowlevel.Abort.SUCCEEDED

        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abort)

    def wake(self) -> None:
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None
