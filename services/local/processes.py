"""Child processes under a Trio supervisor: started, watched until they are ready, ended in good order."""

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import trio

READY_WITHIN_S: Final = 60.0
END_WITHIN_S: Final = 25.0


class ProcessFailed(Exception):
    """A process ended, or did not become ready. The text names it and its log."""


class Process:
    """One child process in a session of its own, so that a Ctrl-C reaches the supervisor alone."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._command, self._environment = list(command), dict(environment)
        self._child: trio.Process | None = None
        self._meant_to_end = False
        self._ended = trio.Event()

    @property
    def pid(self) -> int:
        assert self._child is not None, "a process is asked for its pid while it runs"
        return self._child.pid

    async def serve(
        self,
        *,
        ready: str | None = None,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Runs the process until it ends. Started with the line of its output that contains `ready`.

        Without `ready` it is started at once. Its output goes to its log file. Cancelling asks it to
        end (SIGTERM), waits, and kills it if it does not.

        Raises:
            ProcessFailed: it ended by itself.
        """
        self._meant_to_end, self._ended = False, trio.Event()
        self._child = await trio.lowlevel.open_process(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )
        try:
            if ready is None:
                task_status.started("")
            await self._follow(ready, task_status)
            code = await self._child.wait()
            if not self._meant_to_end:
                raise ProcessFailed(f"{self.name} ended with exit code {code}; see {self.log}")
        finally:
            await self._end()
            self._ended.set()

    async def kill(self) -> None:
        """Ends it the hard way, as a crash would; returns when it is gone and `serve` may be called anew."""
        self._meant_to_end = True
        self._signal(signal.SIGKILL)
        await self._ended.wait()

    def pause(self) -> None:
        """Stops it where it is, as a machine does that hangs; `resume` lets it go on and know of nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    async def _follow(self, ready: str | None, task_status: trio.TaskStatus[str]) -> None:
        assert self._child is not None
        assert self._child.stdout is not None
        waiting = ready
        rest = b""
        with self.log.open("ab") as log:
            async for chunk in self._child.stdout:
                log.write(chunk)
                log.flush()
                if waiting is None:
                    continue
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if waiting is not None and waiting.encode() in line:
                        waiting = None
                        task_status.started(line.decode())

    async def _end(self) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        self._meant_to_end = True
        with trio.CancelScope(shield=True):
            self._signal(signal.SIGTERM)
            self.resume()  # one that is paused hears of it only then
            with trio.move_on_after(END_WITHIN_S):
                await child.wait()
            self._signal(signal.SIGKILL)
            await child.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.returncode is None:
            os.killpg(self._child.pid, number)  # its own session: what it has started ends with it


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on now."""
    with_ports = [socket.socket() for _ in range(count)]
    try:
        for each in with_ports:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in with_ports]
    finally:
        for each in with_ports:
            each.close()


async def wait_for_port(port: int) -> None:
    """Returns when something listens on a port of the loopback address.

    Raises:
        ProcessFailed: nothing does, for a long time.
    """
    with trio.move_on_after(READY_WITHIN_S):
        while True:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(0.05)  # no event tells when another process begins to listen
                continue
            await stream.aclose()
            return
    raise ProcessFailed(f"nothing listens on port {port} after {READY_WITHIN_S} s")
