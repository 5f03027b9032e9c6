"""`python -m services.oms`: the order service as a process. Its settings are `OmsSettings`."""

import os
import socket
import sys
from pathlib import Path

import trio

from services.oms.reconcile import Pace
from services.oms.service import OmsPorts, serve_oms
from spider_common import settings
from spider_common.clock import NS_PER_MS
from spider_common.runtime import open_runtime
from spider_common.service import supervise
from spider_common.settings import OmsSettings
from spider_common.telemetry.health import Health, Stage


async def run(chosen: OmsSettings) -> None:
    """The service, from its settings to SIGTERM."""
    owner = chosen.owner or f"{socket.gethostname()}-{os.getpid()}"
    health = Health(Path(chosen.heartbeat) if chosen.heartbeat else None)
    async with open_runtime("oms", chosen) as runtime:

        async def serve(stop: trio.Event) -> None:
            ports = OmsPorts(
                owner=owner,
                clock=runtime.clock,
                timing=chosen.timing,
                queue=runtime.queue,
                trading=runtime.trading,
                positions=runtime.positions,
                config=runtime.config,
                secrets=runtime.secrets,
                venues=runtime.venues,
                meter=runtime.meter,
                log=runtime.log,
                visibility_s=chosen.queue_visibility_ms // 1_000,
                wait_s=chosen.queue_wait_ms // 1_000,
                pace=Pace(
                    every_s=chosen.reconcile_ms / 1_000,
                    grace=chosen.drift_grace_ms * NS_PER_MS,
                    wait_s=chosen.reconcile_wait_ms / 1_000,
                ),
            )
            async with trio.open_nursery() as nursery:
                await nursery.start(lambda task_status: serve_oms(ports, stop=stop, task_status=task_status))
                health.become(Stage.READY)
                runtime.log.info("service.ready", owner=owner)

        await supervise(serve, drain_s=chosen.drain_ms / 1_000, log=runtime.log, health=health)


def main() -> None:
    try:
        chosen = settings.read(OmsSettings, os.environ)
        chosen.timing  # noqa: B018 checks that its times fit together
    except ValueError as error:
        sys.exit(f"settings: {error}")
    trio.run(run, chosen)


if __name__ == "__main__":
    main()
