"""`python -m services.ingest`: the ingest service as a process. Its settings are `IngestSettings`."""

from pathlib import Path

import trio

from services.ingest.service import Ingest, IngestPorts
from spider_common.clock import NS_PER_MS
from spider_common.runtime import Runtime, open_runtime
from spider_common.service import start, supervise
from spider_common.settings import IngestSettings
from spider_common.telemetry.health import Health, Stage


async def run(chosen: IngestSettings) -> None:
    """The service, from its settings to SIGTERM."""
    health = Health(Path(chosen.heartbeat) if chosen.heartbeat else None)
    async with open_runtime("ingest", chosen) as runtime:
        ingest = Ingest(compose(chosen, runtime))

        async def serve(stop: trio.Event) -> None:
            async with trio.open_nursery() as nursery:
                await nursery.start(lambda task_status: ingest.serve(stop=stop, task_status=task_status))
                health.become(Stage.READY)
                runtime.log.info("service.ready")

        await supervise(serve, drain_s=chosen.drain_ms / 1_000, log=runtime.log, health=health)


async def check(chosen: IngestSettings) -> None:
    """The service put together as `run` does, and let go: nobody is talked to."""
    async with open_runtime("ingest", chosen, ask=False) as runtime:
        Ingest(compose(chosen, runtime))


def compose(chosen: IngestSettings, runtime: Runtime) -> IngestPorts:
    """What the service stands on, as its settings say."""
    return IngestPorts(
        clock=runtime.clock,
        rng=runtime.rng,
        network=runtime.network,
        tls=runtime.tls,
        queue=runtime.queue,
        trading=runtime.trading,
        config=runtime.config,
        secrets=runtime.secrets,
        venues=runtime.venues,
        log=runtime.log,
        meter=runtime.meter,
        sweep_every_s=chosen.sweep_ms / 1_000,
        hold_s=chosen.hold_ms / 1_000,
        skew=chosen.skew_ms * NS_PER_MS,
    )


if __name__ == "__main__":
    start(IngestSettings, run=run, check=check)
