"""What is wrong with tasks is told from looks at them alone."""

from collections.abc import Sequence

from spider_common.telemetry.findings import Finding, Kind, Past, findings, remember
from spider_common.telemetry.views import BUDGET, ROOM, WAITING, Frame, View

HERE = Frame("Publisher.publish", "services/ingest/publish.py", 40)


def task(number: int, *, name: str = "", parent: int | None = 1, nursery: int = 7, on: str = "a socket",
         held: int = 0, points: int = 1, cancelled: bool = False) -> View:  # fmt: skip
    """A waiting task."""
    return View(
        number=number, name=name or f"task-{number}", parent=parent, nursery=nursery, state=WAITING, on=on,
        held=held, stack=(HERE,), deadline=None, cancelled=cancelled, points=points, age=None, busy=None,
        delayed=None, steps=0,
    )  # fmt: skip


def seen(*looks: Sequence[View], every: float = 1.0) -> list[Finding]:
    """What is wrong at the last of some looks."""
    past, now = Past(), 100.0
    for views in looks:
        past, now = remember(views, past, now), now + every
    return findings(looks[-1], past, now - every)


def test_a_channel_is_full_when_a_task_stays_at_it() -> None:
    """More than a second without giving way, at one send: not a second of many sends."""
    stuck = [task(1, name="ingest.session[okx/a]", on=ROOM)]
    [found] = seen(stuck, stuck, stuck)
    assert (found.kind, found.task) == (Kind.CHANNEL_FULL, "ingest.session[okx/a]")
    assert str(found) == (
        "ingest.session[okx/a] has waited 2.0 s for room in a channel: who reads it is too slow; "
        "at Publisher.publish (services/ingest/publish.py:40)"
    )
    assert (
        seen([task(1, on=ROOM, points=1)], [task(1, on=ROOM, points=2)], [task(1, on=ROOM, points=3)]) == []
    )
    assert seen(stuck, [task(1, on="a socket")]) == []


def test_a_budget_is_starved_when_many_wait_for_the_same_one() -> None:
    """Ten tasks at one budget are one finding; ten at ten budgets are none."""
    same = [task(each, on=BUDGET, held=5) for each in range(10)]
    [found] = seen(same, same, same)
    assert found.kind is Kind.BUDGET_STARVED
    assert found.says.startswith("10 tasks wait for one rate budget, task-0 for 2.0 s")
    each_its_own = [task(each, on=BUDGET, held=each) for each in range(10)]
    assert seen(each_its_own, each_its_own, each_its_own) == []


def test_a_cancel_is_ignored_by_the_innermost_task_that_goes_on() -> None:
    """Who waits for a child that ignores it is not blamed; neither is who obeys within a second."""
    both = [task(1, parent=None, nursery=0, cancelled=True), task(2, name="oms.group[p]", cancelled=True)]
    [found] = seen(both, both, both)
    assert (found.kind, found.task) == (Kind.CANCEL_IGNORED, "oms.group[p]")
    assert "was cancelled 2.0 s ago and goes on, on a socket" in found.says
    assert seen(both, both, [task(1, parent=None, nursery=0)]) == []


def test_a_nursery_grows_when_no_look_finds_it_smaller() -> None:
    """Five looks, each with more tasks, fifty more in all; one that shrank once is at work, not leaking."""

    def crowd(size: int) -> list[View]:
        owner = task(1, name="ingest.service", parent=None, nursery=0)
        return [owner, *(task(2 + each, name=f"ingest.sweep[{each}]") for each in range(size))]

    [found] = seen(*(crowd(20 * each) for each in range(1, 6)))
    assert (found.kind, found.task) == (Kind.NURSERY_GROWS, "ingest.service")
    assert "grew from 20 to 100 tasks and never shrank, the last of them ingest.sweep[99]" in found.says
    assert seen(*(crowd(size) for size in (20, 40, 39, 80, 100))) == []
    assert seen(*(crowd(size) for size in (20, 30, 40, 50, 60))) == []
