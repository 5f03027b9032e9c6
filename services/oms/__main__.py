"""`python -m services.oms`: the order service as a process. Its settings are `OmsSettings`."""

import os
import socket
from pathlib import Path

import trio

from services.oms.reconcile import Pace
from services.oms.service import OmsPorts, serve_oms
from spider_common.clock import NS_PER_MS
from spider_common.runtime import Runtime, open_runtime
from spider_common.service import start, supervise
from spider_common.settings import OmsSettings
from spider_common.telemetry.health import Health, Stage


async def run(chosen: OmsSettings) -> None:
    """The service, from its settings to SIGTERM."""
    health = Health(Path(chosen.heartbeat) if chosen.heartbeat else None)
    async with open_runtime("oms", chosen) as runtime:
        ports = compose(chosen, runtime)

        async def serve(stop: trio.Event) -> None:
            async with trio.open_nursery() as nursery:
                await nursery.start(lambda task_status: serve_oms(ports, stop=stop, task_status=task_status))
                health.become(Stage.READY)
                runtime.log.info("service.ready", owner=ports.owner)

        await supervise(serve, drain_s=chosen.drain_ms / 1_000, log=runtime.log, health=health)


async def check(chosen: OmsSettings) -> None:
    """The service put together as `run` does, and let go: nobody is talked to."""
    async with open_runtime("oms", chosen, ask=False) as runtime:
        compose(chosen, runtime)


def compose(chosen: OmsSettings, runtime: Runtime) -> OmsPorts:
    """What the service stands on, as its settings say."""
    return OmsPorts(
        owner=chosen.owner or f"{socket.gethostname()}-{os.getpid()}",
        clock=runtime.clock,
        timing=chosen.timing,
        queue=runtime.queue,
        trading=runtime.trading,
        positions=runtime.positions,
        config=runtime.config,
        secrets=runtime.secrets,
        venues=runtime.venues,
        log=runtime.log,
        meter=runtime.meter,
        visibility_s=chosen.queue_visibility_ms // 1_000,
        wait_s=chosen.queue_wait_ms // 1_000,
        pace=Pace(
            every_s=chosen.reconcile_ms / 1_000,
            grace=chosen.drift_grace_ms * NS_PER_MS,
            wait_s=chosen.reconcile_wait_ms / 1_000,
        ),
    )


if __name__ == "__main__":
    start(OmsSettings, run=run, check=check)
