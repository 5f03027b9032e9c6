"""The living tasks of a Trio run as a tree, each with what it waits for. Read from any thread.

Nothing is asked of the tasks: nurseries, coroutines and cancel scopes say it. A task may go on while it is
read, so what is told of it may be of two moments. Some of this Trio keeps under names with an underscore:
they are used here only, and tests hold them to what Trio does.
"""

import math
import sys
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, Final

from trio.lowlevel import Task

from spider_common.telemetry.tasks import Tasks
from spider_common.telemetry.views import BUDGET, ROOM, RUNNABLE, RUNNING, WAITING, Frame, View

_KNOWN: Final = {
    "MemorySendChannel.send": ROOM,
    "MemoryReceiveChannel.receive": "something in a channel",
    "Budgets.acquire": BUDGET,
    "Event.wait": "an event",
    "Lock.acquire": "a lock",
    "Semaphore.acquire": "a semaphore",
    "CapacityLimiter.acquire_on_behalf_of": "a capacity limiter",
    "Condition.wait": "a condition",
    "NurseryManager.__aexit__": "its children",
    "Nursery._nested_child_finished": "its children",
    "Nursery.start": "a child to be ready",
    "sleep_until": "a time",
    "sleep_forever": "a cancel",
    "_SocketType._nonblocking_helper": "a socket",
    "SocketStream.receive_some": "a socket",
    "SocketStream.send_all": "a socket",
}


def look(root: Task, tasks: Tasks | None, now: float) -> list[View]:
    """Every task of a run, parents before their children. `now` is by Trio's clock, in seconds."""
    return [_view(task, tasks, now) for task in walk(root)]


def walk(root: Task) -> Iterator[Task]:
    """Every task of a run, parents before their children."""
    todo = [root]
    while todo:
        task = todo.pop()
        yield task
        for nursery in reversed(list(task.child_nurseries)):
            todo.extend(sorted(nursery.child_tasks, key=number, reverse=True))


def number(task: Task) -> int:
    """What a task is told apart by: they count up."""
    return task._counter  # noqa: SLF001 - see the module's text


def points(task: Task) -> int:
    """How often a task has given way."""
    return task._schedule_points  # noqa: SLF001 - see the module's text


def stack(frame: FrameType | None) -> tuple[Frame, ...]:
    """The frames of running code, outermost first: those of the task, without Trio's loop below it."""
    frames = []
    while frame is not None and frame.f_code.co_name != "unrolled_run":
        frames.append(_place(frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(reversed(frames))


def _view(task: Task, tasks: Tasks | None, now: float) -> View:
    record = None if tasks is None else tasks.records.get(task)
    nursery = task.parent_nursery
    frames = list(_frames(task))
    state = _state(task)
    on, held = _what(frames) if state == WAITING else ("", 0)
    deadline, cancelled = _limits(task)
    noted = record is not None and record.steps > 0
    return View(
        number=number(task),
        name=task.name,
        parent=None if nursery is None else number(nursery.parent_task),
        nursery=0 if nursery is None else id(nursery),
        state=state,
        on=on,
        held=held,
        stack=tuple(_place(frame.f_code, line) for frame, line in frames),
        deadline=None if deadline is None else deadline - now,
        cancelled=cancelled,
        points=points(task),
        age=None if record is None or tasks is None else (tasks.now() - record.born) / 1e9,
        busy=record.busy / 1e9 if record is not None and noted else None,
        delayed=record.delayed / 1e9 if record is not None and noted else None,
        steps=record.steps if record is not None else 0,
    )


def _state(task: Task) -> str:
    if task.coro.cr_running:
        return RUNNING
    return RUNNABLE if task._next_send_fn is not None else WAITING  # noqa: SLF001 - see the module's text


def _limits(task: Task) -> tuple[float | None, bool]:
    """The deadline that counts for a task, and whether it is being cancelled, shielded from it or not."""
    status: Any = task._cancel_status  # noqa: SLF001 - see the module's text
    deadline, cancelled, is_shielded = math.inf, False, False
    while status is not None:
        scope = status._scope  # noqa: SLF001 - see the module's text
        cancelled = cancelled or scope._cancel_called  # noqa: SLF001 - the public one asks the clock of this thread
        deadline = deadline if is_shielded else min(deadline, scope.deadline)
        is_shielded = is_shielded or scope.shield
        status = status._parent  # noqa: SLF001 - see the module's text
    return (None if deadline == math.inf else deadline), cancelled


def _frames(task: Task) -> Iterator[tuple[FrameType, int]]:
    """Where a task waits, outermost first: through coroutines, and through the greenlets of greenback."""
    for frame, line in task.iter_await_frames():
        if frame.f_code.co_name == "_greenback_shim":
            yield from _within_greenlet(frame)
        else:
            yield frame, line


def _within_greenlet(shim: FrameType) -> Iterator[tuple[FrameType, int]]:
    for value in shim.f_locals.values():
        frame = getattr(value, "gr_frame", None)
        inner = []
        while isinstance(frame, FrameType):
            inner.append((frame, frame.f_lineno))
            frame = frame.f_back
        yield from reversed(inner)


def _what(frames: list[tuple[FrameType, int]]) -> tuple[str, int]:
    """What a task waits for, and the object that has it: by the outermost call that has a name for it."""
    for frame, _ in frames:
        words = _KNOWN.get(frame.f_code.co_qualname)
        if words is not None:
            its = frame.f_locals.get("self")
            state = getattr(its, "_state", its)  # the two ends of a channel share their state
            return words, 0 if state is None else id(state)
    return (frames[-1][0].f_code.co_qualname if frames else "its first step"), 0


def _place(code: CodeType, line: int) -> Frame:
    return Frame(code.co_qualname, _short(code.co_filename), line)


def _short(file: str) -> str:
    """A file as it is imported: from the directory on the path on."""
    for place in _PATHS:
        if file.startswith(place):
            return file[len(place) :]
    return file


_PATHS: Final = tuple(sorted((each.rstrip("/") + "/" for each in sys.path if each), key=len, reverse=True))
