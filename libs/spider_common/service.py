"""How a service lives: start, say so, work, drain on SIGTERM, end."""

import signal
from collections.abc import Awaitable, Callable

import trio
from structlog.typing import FilteringBoundLogger

from spider_common.telemetry.health import Health, Stage


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
