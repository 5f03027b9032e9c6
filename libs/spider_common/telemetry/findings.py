"""What is wrong with the tasks of a run, in words: this look held against those before it. PURE."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final

import msgspec

from spider_common.telemetry.views import BUDGET, ROOM, Frame, View, place

BLOCKED_S: Final = 0.05
"""A step longer than this holds up everything else: heartbeats, deadlines, orders."""
_FULL_S: Final = 1.0
_STARVED_S: Final = 1.0
_STARVED: Final = 10
_CANCEL_S: Final = 1.0
_LOOKS: Final = 5
_GROWN: Final = 50


class Kind(StrEnum):
    """What a finding is about."""

    BLOCKED = "blocked"
    CHANNEL_FULL = "channel_full"
    BUDGET_STARVED = "budget_starved"
    CANCEL_IGNORED = "cancel_ignored"
    NURSERY_GROWS = "nursery_grows"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something an operator should know, the task it is about, and where in the code that is."""

    kind: Kind
    task: str
    says: str
    stack: tuple[Frame, ...] = ()

    def __str__(self) -> str:
        where = place(self.stack)
        return self.says if where is None else f"{self.says}; at {where}"


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered from one look to the next. Times are seconds of a clock that never goes back.

    Attributes:
        stays: task -> how often it had given way when it came to where it is, and since when it is
            seen there.
        cancelled: task -> since when it is seen being cancelled.
        sizes: nursery -> how many tasks it had at the last looks, the newest last.
    """

    stays: Mapping[int, tuple[int, float]] = {}
    cancelled: Mapping[int, float] = {}
    sizes: Mapping[int, tuple[int, ...]] = {}

    def waited(self, view: View, now: float) -> float:
        """For how long a task is known to have been where it is."""
        return now - self.stays[view.number][1]


def remember(views: Sequence[View], past: Past, now: float) -> Past:
    """The past with one look more. What is not seen any more is forgotten."""
    stays, cancelled = {}, {}
    for view in views:
        stay = past.stays.get(view.number, (-1, now))
        stays[view.number] = stay if stay[0] == view.points else (view.points, now)
        if view.cancelled:
            cancelled[view.number] = past.cancelled.get(view.number, now)
    counts = Counter(view.nursery for view in views)
    sizes = {
        nursery: (*past.sizes.get(nursery, ())[1 - _LOOKS :], count) for nursery, count in counts.items()
    }
    return Past(stays=stays, cancelled=cancelled, sizes=sizes)


def findings(views: Sequence[View], past: Past, now: float) -> list[Finding]:
    """What is wrong, by the last look and a past that has it in it."""
    return [
        *_full_channels(views, past, now),
        *_starved_budgets(views, past, now),
        *_ignored_cancels(views, past, now),
        *_growing_nurseries(views, past),
    ]


def blocked(task: str, stack: tuple[Frame, ...], seconds: float) -> Finding:
    """A task that has not given way for so long."""
    says = f"{task} has not given way for {seconds * 1_000:.0f} ms: nothing else ran"
    return Finding(kind=Kind.BLOCKED, task=task, says=says, stack=stack)


def _full_channels(views: Iterable[View], past: Past, now: float) -> Iterator[Finding]:
    for view in views:
        waited = past.waited(view, now)
        if view.on == ROOM and waited > _FULL_S:
            says = f"{view.name} has waited {waited:.1f} s for room in a channel: who reads it is too slow"
            yield Finding(kind=Kind.CHANNEL_FULL, task=view.name, says=says, stack=view.stack)


def _starved_budgets(views: Iterable[View], past: Past, now: float) -> Iterator[Finding]:
    waiting: dict[int, list[View]] = defaultdict(list)
    for view in views:
        if view.on == BUDGET and past.waited(view, now) > _STARVED_S:
            waiting[view.held].append(view)
    for those in waiting.values():
        if len(those) >= _STARVED:
            first = min(those, key=lambda view: past.stays[view.number][1])
            longest = past.waited(first, now)
            says = (
                f"{len(those)} tasks wait for one rate budget, {first.name} for {longest:.1f} s: "
                "the venue lets in less than is asked of it"
            )
            yield Finding(kind=Kind.BUDGET_STARVED, task=first.name, says=says, stack=first.stack)


def _ignored_cancels(views: Iterable[View], past: Past, now: float) -> Iterator[Finding]:
    parents = {view.parent for view in views if view.cancelled}
    for view in views:
        since = past.cancelled.get(view.number, now)
        # who waits for a child that ignores it does not ignore it
        if now - since > _CANCEL_S and view.number not in parents:
            says = (
                f"{view.name} was cancelled {now - since:.1f} s ago and goes on, on {view.on or view.state}"
            )
            yield Finding(kind=Kind.CANCEL_IGNORED, task=view.name, says=says, stack=view.stack)


def _growing_nurseries(views: Iterable[View], past: Past) -> Iterator[Finding]:
    newest = {view.nursery: view for view in views}
    names = {view.number: view.name for view in views}
    for nursery, sizes in past.sizes.items():
        grows = all(before < after for before, after in pairwise(sizes))
        if len(sizes) == _LOOKS and grows and sizes[-1] - sizes[0] >= _GROWN:
            last = newest[nursery]
            owner = names.get(last.parent or 0, "a task that is gone")
            says = (
                f"a nursery of {owner} grew from {sizes[0]} to {sizes[-1]} tasks and never shrank, "
                f"the last of them {last.name}: do they end?"
            )
            yield Finding(kind=Kind.NURSERY_GROWS, task=owner, says=says, stack=last.stack)
