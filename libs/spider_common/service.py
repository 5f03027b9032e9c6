"""How a service lives: start, say so, work, drain on SIGTERM, end."""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import trio
from structlog.typing import FilteringBoundLogger

from spider_common import settings
from spider_common.settings import BadSetting, Settings
from spider_common.telemetry.health import Health, Stage

CHECK: Final = "--check"
REFUSED: Final = 2
"""The exit code of a service that was given a setting or an argument it cannot take."""


def start(
    kind: type[Settings],
    *,
    run: Callable[[Settings], Awaitable[None]],
    check: Callable[[Settings], Awaitable[None]],
) -> None:
    """The whole of a service's `__main__`: reads its settings, and runs it until SIGTERM.

    With `--check` it only builds the service (`check` talks to nobody) and ends: 0 when it could be run, 2
    with the setting and the fix on stderr. An image proves by it that it holds all that the service imports.
    """
    arguments = sys.argv[1:]
    if arguments not in ([], [CHECK]):
        _refuse(f"{' '.join(arguments)}: leave it out, or write {CHECK}; settings are variables")
    try:
        chosen = settings.read(kind, os.environ)
    except BadSetting as error:
        _refuse(f"settings: {error}")
    trio.run(check if arguments else run, chosen)


def _refuse(reason: str) -> NoReturn:
    sys.stderr.write(f"{reason}\n")
    sys.exit(REFUSED)


async def supervise(
    serve: Callable[[trio.Event], Awaitable[None]],
    *,
    drain_s: float,
    log: FilteringBoundLogger,
    health: Health,
) -> None:
    """Runs `serve(stop)` until it returns. SIGTERM or SIGINT sets `stop`.

    From then on `serve` takes no new work and finishes what it has, for at most `drain_s` seconds
    (set it below the ECS task's stopTimeout); after that it is cancelled. What it could not finish is
    in the journal, and the next owner goes on with it.

    Args:
        health: draining from the signal on; that the service is ready is for `serve` to say.
    """
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(
            _drain_on_signal, stop, nursery.cancel_scope, drain_s, log, health, name="service.signals"
        )
        nursery.start_soon(health.serve, name="service.health")
        await serve(stop)
        nursery.cancel_scope.cancel()
    if not stop.is_set():
        return
    log.info("service.drained")


async def _drain_on_signal(
    stop: trio.Event,
    work: trio.CancelScope,
    drain_s: float,
    log: FilteringBoundLogger,
    health: Health,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            log.info("service.stopping", signal=signal.Signals(number).name, drain_s=drain_s)
            health.become(Stage.DRAINING)
            stop.set()
            work.deadline = min(work.deadline, trio.current_time() + drain_s)
