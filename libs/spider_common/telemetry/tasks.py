"""What the tasks of a Trio run do, told by Trio itself.

`Tasks` is a `trio.abc.Instrument`: it knows each living task, how many steps it took, how long they took and
how long it waited for its turn. The last steps and handovers stand in rings, of which `perfetto` makes a
picture. What a task waits for is not noted as it happens, for that would cost on every step: `tree` reads it
from the task when somebody asks.

Trio takes an instrument that raises out of the run, and says so in its log only. Here `broken` says why.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from time import perf_counter_ns
from typing import Any, Final

import trio
from trio._core._run import GLOBAL_RUN_CONTEXT
from trio.lowlevel import Task

from spider_common.telemetry.perfetto import Arrow, Recording, Slice, Track

RING: Final = 50_000
"""Steps, handovers and marks that are kept: some seconds of a busy service, at most 20 MiB."""

_LOG: Final = logging.getLogger("trio.abc.Instrument")
_SAMPLE_NS: Final = 100_000_000
_PERIOD_NS: Final = 2_000_000_000


class Detail(StrEnum):
    """How much is noted of steps. OFF: nothing. SAMPLED: those within 0.1 s of every 2 s. FULL: all."""

    OFF = "off"
    SAMPLED = "sampled"
    FULL = "full"


class Record:
    """What is known of one task. Times are ns of the monotonic clock.

    Attributes:
        number: larger than that of every task before it.
        parent: the number of the task whose nursery it is in; 0: it is the root, or that was not seen.
        scheduled: when it became runnable; 0: it is not, or nobody looked.
        steps, busy, delayed: the steps that were noted, how long they took in all, and how long the task
            waited for its turn before them.
    """

    __slots__ = ("born", "busy", "delayed", "name", "number", "parent", "scheduled", "steps")

    def __init__(self, number: int, name: str, parent: int, born: int) -> None:
        self.number, self.name, self.parent, self.born = number, name, parent, born
        self.scheduled = self.steps = self.busy = self.delayed = 0


Step = tuple[Record, int, int]
"""A task ran, from then to then, without giving way."""
Handover = tuple[Record, Record, int]
"""A running task made another one runnable: through a channel, an event or a lock, or by starting it."""
Mark = tuple[Record, int, str]
"""A running task said what it works on."""


class Tasks(trio.abc.Instrument):
    """The living tasks of a run, and what they did last. Given to `trio.run(instruments=[...])`.

    Attributes:
        detail: how much is noted.
        broken: why Trio took a part of it out; None while all of it works.
        gone: the task that ended last.
        noted: how many steps, handovers and marks there were while it looked.
    """

    def __init__(
        self,
        detail: Detail = Detail.SAMPLED,
        *,
        ring: int = RING,
        now: Callable[[], int] = perf_counter_ns,
    ) -> None:
        self.detail, self.now = detail, now
        self.broken: str | None = None
        self.noted = 0
        self.records: dict[Task, Record] = {}
        self.steps: deque[Step] = deque(maxlen=ring)
        self.handovers: deque[Handover] = deque(maxlen=ring)
        self.marks: deque[Mark] = deque(maxlen=ring)
        self.gone: Record | None = None
        self._here: Mapping[str, Any] = {}
        self.looks_since = 0
        self._steps = _Steps(self)
        self._hears = _Broken(self)
        self._turn_at = 0
        self._number = 0

    @property
    def forgotten(self) -> int:
        """How many of those noted the rings have no room for any more."""
        return self.noted - len(self.steps) - len(self.handovers) - len(self.marks)

    def mark(self, text: str) -> None:
        """Say what the running task works on: its slice in a trace carries it. Free while nobody looks."""
        by = self.running() if self.looks_since else None
        if by is not None:
            self.noted += 1
            self.marks.append((by, self.now(), text))

    def running(self) -> Record | None:
        """The task whose step runs now; None: the loop itself does. May be asked from any thread."""
        task = self.task
        return None if task is None else self.records.get(task)

    @property
    def task(self) -> Task | None:
        """The task that runs now."""
        return self._here.get("task")

    def recording(self, service: str) -> Recording:
        """What the rings hold. May be asked from any thread: each is copied in one go."""
        steps, handovers, marks = list(self.steps), list(self.handovers), list(self.marks)
        seen = {record.number: record for record, _, _ in steps}
        said: dict[int, list[tuple[int, str]]] = defaultdict(list)
        for record, at, text in marks:
            said[record.number].append((at, text))
        return Recording(
            service=service,
            tracks=[Track(number=each.number, name=each.name, parent=each.parent) for each in seen.values()],
            slices=[
                Slice(
                    task=record.number,
                    began=began,
                    ended=ended,
                    marks=tuple(text for at, text in said.get(record.number, ()) if began <= at <= ended),
                )
                for record, began, ended in steps
            ],
            arrows=[Arrow(by=by.number, to=to.number, at=at) for by, to, at in handovers],
            forgotten=self.forgotten,
        )

    def set_detail(self, detail: Detail) -> None:
        """Note more or less from now on. To be called within the run."""
        self.detail = detail
        if detail is Detail.FULL:
            self._look()
        else:
            self._look_away()

    def has(self, instrument: object) -> bool:
        """Whether it is this one, or the part of it that notes steps."""
        return instrument is self or instrument is self._steps

    def break_off(self, why: str) -> None:
        """Note that Trio has taken it out: what was noted stays, and nothing comes after it."""
        self.broken, self.detail, self.looks_since = why, Detail.OFF, 0

    # What Trio calls.

    def before_run(self) -> None:
        self._here = GLOBAL_RUN_CONTEXT.__dict__  # of this thread; Trio keeps the running task in it
        _LOG.addHandler(self._hears)
        self.set_detail(self.detail)

    def after_run(self) -> None:
        _LOG.removeHandler(self._hears)

    def task_spawned(self, task: Task) -> None:
        self._number += 1
        nursery = task.parent_nursery
        owner = None if nursery is None else self.records.get(nursery.parent_task)
        parent = 0 if owner is None else owner.number
        self.records[task] = Record(self._number, task.name, parent, self.now())

    def task_exited(self, task: Task) -> None:
        self.gone = self.records.pop(task)

    def before_io_wait(self, _timeout: float) -> None:
        if self.detail is not Detail.SAMPLED:
            return
        now = self.now()
        if self.looks_since:
            if now - self.looks_since >= _SAMPLE_NS:
                self._look_away()
        elif now - self._turn_at >= _PERIOD_NS:
            self._turn_at = now
            self._look()

    def _look(self) -> None:
        if not self.looks_since:
            self.looks_since = self.now()
            self._steps.begin()
            trio.lowlevel.add_instrument(self._steps)

    def _look_away(self) -> None:
        if self.looks_since:
            self.looks_since = 0
            trio.lowlevel.remove_instrument(self._steps)
            for record in self.records.values():
                record.scheduled = 0  # what happens to it from here on is not seen


class _Steps(trio.abc.Instrument):
    """The part that Trio calls on every step, and so the one that costs.

    A step begins where the one before it ended, or where the loop came back from waiting for the system: so
    each step is one call instead of two, and the loop's own microsecond counts as the step's.
    """

    def __init__(self, tasks: Tasks) -> None:
        self._tasks, self._records, self._now = tasks, tasks.records, tasks.now
        self._began = 0

    def begin(self) -> None:
        """Take the step that runs now for one that is not seen whole."""
        self._began = 0

    def after_io_wait(self, _timeout: float) -> None:
        self._began = self._now()

    def task_scheduled(self, task: Task) -> None:
        tasks, record = self._tasks, self._records[task]
        record.scheduled = now = self._now()
        by = tasks.running()
        if by is not None and by is not record:
            tasks.noted += 1
            tasks.handovers.append((by, record, now))

    def after_task_step(self, task: Task) -> None:
        now, tasks = self._now(), self._tasks
        began, self._began = self._began, now
        record = self._records.get(task) or tasks.gone  # Trio tells of its end before that of its last step
        if record is None or not began:  # not began: the look did, within this step
            return
        if 0 < record.scheduled <= began:  # later: within this step, for the next one
            record.delayed += began - record.scheduled
            record.scheduled = 0
        record.steps += 1
        record.busy += now - began
        tasks.noted += 1
        tasks.steps.append((record, began, now))


class _Broken(logging.Handler):
    """Hears from Trio's log that an instrument of ours was taken out."""

    def __init__(self, tasks: Tasks) -> None:
        super().__init__()
        self._tasks = tasks

    def emit(self, record: logging.LogRecord) -> None:
        hook, instrument = record.args if isinstance(record.args, tuple) else (None, None)
        if self._tasks.has(instrument):
            error = record.exc_info[1] if record.exc_info else None
            self._tasks.break_off(f"{hook}: {error!r}")
