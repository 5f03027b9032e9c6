"""A run that is stuck, leaks or ignores a cancel is named in words, while it is."""

import inspect
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from spider_common.telemetry import tree
from spider_common.telemetry.findings import Finding, Kind
from spider_common.telemetry.tasks import Detail, Tasks
from spider_common.telemetry.views import RUNNABLE, RUNNING, WAITING, View
from spider_common.telemetry.watch import Watch, watched


def look(tasks: Tasks) -> dict[str, View]:
    """Every task of this run by its name."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return {view.name: view for view in tree.look(root, tasks, trio.current_time())}


def line_of(function: object, text: str) -> int:
    """The line of a function's source that holds a text."""
    lines, first = inspect.getsourcelines(function)  # type: ignore[arg-type]  # any function
    return first + next(number for number, line in enumerate(lines) if text in line)


def test_a_task_is_told_with_what_it_waits_for_and_where() -> None:
    """State, the thing waited for in words, the line that waits, its deadline, and whose child it is."""
    tasks = Tasks(Detail.FULL)

    async def send(channel: trio.MemorySendChannel[int]) -> None:
        await channel.send(1)

    async def nap() -> None:
        with trio.fail_after(50):
            await trio.sleep_forever()

    async def parent() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever, name="child")

    async def main() -> dict[str, View]:
        into, _out = trio.open_memory_channel[int](0)
        async with trio.open_nursery() as nursery:
            for each, name in ((nap, "nap"), (parent, "parent")):
                nursery.start_soon(each, name=name)
            nursery.start_soon(send, into, name="send")
            await wait_all_tasks_blocked()
            nursery.start_soon(trio.lowlevel.checkpoint, name="new")
            views = look(tasks)
            nursery.cancel_scope.cancel()
        return views

    views = trio.run(main, clock=trio.testing.MockClock(), instruments=[tasks])
    assert {name: views[name].state for name in ("send", "new")} == {"send": WAITING, "new": RUNNABLE}
    assert [view.state for view in views.values()].count(RUNNING) == 1
    assert views["send"].on == "room in a channel"
    assert views["send"].where is not None
    assert views["send"].where.line == line_of(send, "channel.send")
    assert views["nap"].deadline == 50
    assert views["child"].parent == views["parent"].number
    assert views["parent"].on == "its children"
    assert views["child"].deadline is None


def test_steps_are_counted_and_handovers_lead_from_giver_to_taker() -> None:
    """With all detail each step is in the ring, and who wakes whom too; what has no room is counted."""
    tasks = Tasks(Detail.FULL)

    async def main() -> None:
        into, out = trio.open_memory_channel[int](0)

        async def take() -> None:
            async for number in out:
                tasks.mark(f"order {number}")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take, name="taker")
            await wait_all_tasks_blocked()
            async with into:
                await into.send(7)
            await wait_all_tasks_blocked()

    trio.run(main, instruments=[tasks])
    recording = tasks.recording("test")
    names = {track.number: track.name for track in recording.tracks}
    assert any("main" in names[each.by] and names[each.to] == "taker" for each in recording.arrows)
    assert [names[each.task] for each in recording.slices if each.marks == ("order 7",)] == ["taker"]
    assert recording.forgotten == 0
    assert all(each.began <= each.ended for each in recording.slices)

    small = Tasks(Detail.FULL, ring=2)
    trio.run(main, instruments=[small])
    assert len(small.steps) == 2
    assert small.forgotten == small.noted - len(small.steps) - len(small.handovers) - len(small.marks) > 0


def test_an_instrument_that_fails_says_so() -> None:
    """Trio takes it out and the run goes on; what it noted stays, and why it ended is told."""

    class Wrong(Tasks):
        def task_exited(self, task: trio.lowlevel.Task) -> None:
            raise RuntimeError("a bug")

    tasks = Wrong(Detail.FULL)

    async def main() -> str | None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.checkpoint)
        return tasks.broken

    assert trio.run(main, instruments=[tasks]) == "task_exited: RuntimeError('a bug')"
    assert tasks.detail is Detail.OFF


def test_a_blocked_loop_is_named_while_it_is_blocked(tmp_path: Path) -> None:
    """The task, the line it is at, and that nothing else ran; and the socket answers meanwhile."""
    told: list[Finding] = []
    answers: list[dict[str, Any]] = []
    tasks = Tasks(Detail.OFF)

    def ask() -> None:
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(str(tmp_path / "it.sock"))
            door.sendall(b'{"ask":"tasks"}\n')
            with door.makefile() as answer:
                answers.append(json.loads(answer.read()))

    async def spin() -> None:
        while not told:
            pass
        asker = threading.Thread(target=ask)
        asker.start()
        while not answers:
            pass
        asker.join()

    async def main() -> None:
        with watched(tasks, "oms", told.append, at=tmp_path / "it.sock"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(spin, name="oms.spins")

    trio.run(main, instruments=[tasks])
    [found] = told
    assert (found.kind, found.task) == (Kind.BLOCKED, "oms.spins")
    assert found.stack[-1].function.endswith("spin")
    lines = range(line_of(spin, "while not told"), line_of(spin, "asker.join") + 1)
    assert found.stack[-1].line in lines
    [answer] = answers
    assert answer["service"] == "oms"
    assert "oms.spins" in {each["name"] for each in answer["tasks"]}
    assert answer["findings"][0]["kind"] == "blocked"


def test_a_question_that_cannot_be_read_is_answered_with_why(tmp_path: Path) -> None:
    """Whoever asks for what there is not is told; the watch goes on."""

    async def main() -> dict[str, str]:
        with watched(Tasks(Detail.OFF), "oms", lambda _: None, at=tmp_path / "it.sock"):
            async with await trio.open_unix_socket(tmp_path / "it.sock") as stream:
                await stream.send_all(b'{"ask":"money"}\n')
                return dict(json.loads(await stream.receive_some()))

    assert "Invalid value 'money'" in trio.run(main)["error"]


def test_a_recording_of_what_comes_next_notes_every_step() -> None:
    """Detail is full while somebody records, and then what it was before."""
    tasks = Tasks(Detail.OFF)

    async def main() -> None:
        async def spin() -> None:
            while True:
                await trio.lowlevel.checkpoint()

        with watched(tasks, "oms", lambda _: None) as watch:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(spin, name="oms.spins")
                recording = await trio.to_thread.run_sync(watch.record, 0.01)
                nursery.cancel_scope.cancel()
        assert "oms.spins" in {track.name for track in recording.tracks}
        assert tasks.detail is Detail.OFF

    trio.run(main, instruments=[tasks])


@pytest.mark.parametrize("detail", list(Detail))
def test_a_leak_a_full_channel_and_an_ignored_cancel_are_named(detail: Detail) -> None:
    """By the look alone, whatever detail is noted: each with its task and its line."""
    tasks = Tasks(detail)

    async def send(channel: trio.MemorySendChannel[int]) -> None:
        await channel.send(1)

    async def ignore(go_on: trio.Event) -> None:
        with trio.CancelScope() as scope, trio.CancelScope(shield=True):
            scope.cancel()
            await go_on.wait()

    async def leak(nursery: trio.Nursery) -> None:
        for _ in range(20):
            nursery.start_soon(trio.sleep_forever, name="leaked")

    async def main() -> list[Finding]:
        into, _out = trio.open_memory_channel[int](0)
        found: list[Finding] = []
        go_on = trio.Event()
        watch = Watch(tasks, "oms", found.append)
        async with trio.open_nursery() as nursery, trio.open_nursery() as leaks:
            nursery.start_soon(send, into, name="sends")
            nursery.start_soon(ignore, go_on, name="ignores")
            for second in range(6):
                await leak(leaks)
                await wait_all_tasks_blocked()
                watch.look_at_all(float(second))
            go_on.set()
            leaks.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
        return found

    found = {each.kind: each for each in trio.run(main, instruments=[tasks])}
    assert found[Kind.CHANNEL_FULL].task == "sends"
    assert f"{line_of(send, 'channel.send')})" in str(found[Kind.CHANNEL_FULL])
    assert found[Kind.CANCEL_IGNORED].task == "ignores"
    assert f"{line_of(ignore, 'go_on.wait')})" in str(found[Kind.CANCEL_IGNORED])
    assert "the last of them leaked" in found[Kind.NURSERY_GROWS].says
