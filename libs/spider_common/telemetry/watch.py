"""Watches a run from a thread of its own, so that it still sees and answers when the run is stuck.

The thread looks every 20 ms whether the task that runs is the one that ran before and has not given way
since; now and then it reads all tasks, and tells what is wrong with them; and it answers whoever connects to
its socket. It asks nothing of the run but to note more or less. What silences it is code that keeps Python's
own lock, such as a long call into C.
"""

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Final, Self

import msgspec
import trio
from trio.lowlevel import Task

from spider_common.telemetry import tree
from spider_common.telemetry.findings import BLOCKED_S, Finding, Past, blocked, findings, remember
from spider_common.telemetry.perfetto import Recording
from spider_common.telemetry.tasks import Detail, Tasks
from spider_common.telemetry.views import View

_POLL_S: Final = 0.02
_LOOK_S: Final = 2.0
_SHARE: Final = 50
"""Looks take one part in fifty of the time: with thousands of tasks they become more seldom."""
_PATIENCE_S: Final = 5.0
_LONGEST_S: Final = 60.0


class Ask(msgspec.Struct, frozen=True, tag_field="ask", tag="tasks"):
    """For all tasks, as they are now."""


class AskTrace(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask", tag="trace"):
    """For what is done within the next seconds; 0: what the rings hold."""

    seconds: float = 0.0


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A run at one moment.

    Attributes:
        broken: why the instrument was taken out; None: it was not.
        forgotten: steps, handovers and marks that the rings had no room for.
        findings: what is wrong now.
    """

    service: str
    pid: int
    detail: Detail
    broken: str | None
    forgotten: int
    tasks: list[View]
    findings: list[Finding]


class Watch:
    """The thread. Made within the run it watches."""

    def __init__(self, tasks: Tasks, service: str, tell: Callable[[Finding], None]) -> None:
        root = trio.lowlevel.current_root_task()
        assert root is not None  # this is within a run
        self._tasks, self._service, self._tell, self._root = tasks, service, tell, root
        self._token, self._clock = trio.lowlevel.current_trio_token(), trio.lowlevel.current_clock()
        self._loop = threading.get_ident()
        self._past = Past()
        self._next_look = monotonic() + _LOOK_S
        self._step: tuple[Task | None, int, float] = (None, 0, 0.0)
        self._blocked: Finding | None = None
        self._told: set[tuple[str, str]] = set()

    def snapshot(self) -> Snapshot:
        """The run as it is now."""
        views, now = self._views(), monotonic()
        past = remember(views, self._past, now)
        return Snapshot(
            service=self._service,
            pid=os.getpid(),
            detail=self._tasks.detail,
            broken=self._tasks.broken,
            forgotten=self._tasks.forgotten,
            tasks=views,
            findings=[*self._stuck(), *findings(views, past, now)],
        )

    def record(self, seconds: float) -> Recording:
        """What the run does within the next seconds; 0: what it did last."""
        if seconds > 0:
            before = self._tasks.detail
            self._token.run_sync_soon(self._tasks.set_detail, Detail.FULL)
            sleep(min(seconds, _LONGEST_S))
            self._token.run_sync_soon(self._tasks.set_detail, before)
        return self._tasks.recording(self._service)

    def answer(self, asked: Ask | AskTrace) -> Snapshot | Recording:
        """What somebody asks for."""
        return self.record(asked.seconds) if isinstance(asked, AskTrace) else self.snapshot()

    def poll(self) -> None:
        """Look whether the run gives way, and at times at all tasks."""
        now = monotonic()
        self._look_at_step(now)
        if now >= self._next_look:
            self.look_at_all(now)
            self._next_look = now + max(_LOOK_S, _SHARE * (monotonic() - now))

    def _look_at_step(self, now: float) -> None:
        task, since = self._tasks.task, self._step[2]
        points = 0 if task is None else tree.points(task)
        if task is None or (task, points) != self._step[:2]:
            self._blocked = None
            self._step = (task, points, now)
        elif now - since >= BLOCKED_S and self._blocked is None:
            self._blocked = self._found(task, now - since)
            self._tell(self._blocked)

    def _stuck(self) -> list[Finding]:
        """The step that goes on too long, with where it is now."""
        task, _, since = self._step
        return [] if self._blocked is None or task is None else [self._found(task, monotonic() - since)]

    def _found(self, task: Task, seconds: float) -> Finding:
        frame = sys._current_frames().get(self._loop)  # noqa: SLF001 - documented, and the only way
        return blocked(task.name, tree.stack(frame), seconds)

    def look_at_all(self, now: float) -> None:
        views = self._views()
        self._past = remember(views, self._past, now)
        found = {(each.kind.value, each.task): each for each in findings(views, self._past, now)}
        for key, each in found.items():
            if key not in self._told:  # once, until it is over
                self._tell(each)
        self._told = set(found)

    def _views(self) -> list[View]:
        return tree.look(self._root, self._tasks, self._clock.current_time())


class _Door:
    """The socket at which the watch answers. Only its owner may open it."""

    def __init__(self, watch: Watch, path: Path) -> None:
        self._watch, self._path = watch, path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen(4)
        self._socket.settimeout(_POLL_S)

    def wait(self) -> None:
        """Let in who comes within 20 ms; each is answered by a thread of its own."""
        with suppress(TimeoutError):
            caller, _ = self._socket.accept()
            threading.Thread(target=self._answer, args=(caller,), name="watch.answer", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _answer(self, caller: socket.socket) -> None:
        caller.settimeout(_PATIENCE_S)
        # who asks and goes away is not our trouble
        with caller, suppress(OSError), caller.makefile("rwb") as stream:
            try:
                asked = msgspec.json.decode(stream.readline(10_000), type=Ask | AskTrace)
            except msgspec.DecodeError as error:
                stream.write(msgspec.json.encode({"error": str(error)}))
                return
            stream.write(msgspec.json.encode(self._watch.answer(asked)))


@contextmanager
def watched(
    tasks: Tasks, service: str, tell: Callable[[Finding], None], *, at: Path | None = None
) -> Iterator[Watch]:
    """Watch the run this is called in, until the end of the block.

    Args:
        tasks: its instrument.
        tell: called from the watching thread with what is wrong, once until it is over.
        at: the unix socket to answer at; None: nobody is answered.

    Raises:
        OSError: the socket cannot be made there.
    """
    watch, stop = Watch(tasks, service, tell), threading.Event()
    with ExitStack() as stack:
        wait: Callable[[], object] = partial(stop.wait, _POLL_S)
        if at is not None:
            wait = stack.enter_context(_Door(watch, at)).wait

        def serve() -> None:
            while not stop.is_set():
                watch.poll()
                wait()

        thread = threading.Thread(target=serve, name="watch", daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(stop.set)
        yield watch
