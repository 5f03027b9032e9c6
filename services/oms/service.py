"""The order service put together from its ports: as a process, and inside the simulation."""

from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from services.oms.copying import Copier
from services.oms.desk import DeskOrders
from services.oms.executions import Executions
from services.oms.intake import Intake, Verdict
from services.oms.joining import JoiningDesk
from services.oms.journal import Journal
from services.oms.keys import serve_keys
from services.oms.reconcile import Pace, Reconciler
from services.oms.reference import Reference
from services.oms.resolve import Resolver
from services.oms.standings import Standings
from services.oms.submit import Submitter
from spider_common.clock import Clock
from spider_common.domain.identifiers import Venue
from spider_common.domain.journal import Timing
from spider_common.messages import (
    DeskOrder,
    EquityUpdate,
    FollowerUpdate,
    LeaderOrder,
    Message,
    PositionUpdate,
)
from spider_common.stores.config import ConfigStore
from spider_common.stores.positions import PositionStore
from spider_common.stores.queue import Queue
from spider_common.stores.secrets import Secrets
from spider_common.stores.table import TableError
from spider_common.stores.trading import TradingStore
from spider_common.telemetry.metrics import Meter
from spider_common.venues.clocks import serve_clocks
from spider_common.venues.venue import VenueClient

_AGAIN_S: Final = 1.0


class OmsPorts(msgspec.Struct, frozen=True, kw_only=True):
    """What the order service stands on."""

    owner: str
    clock: Clock
    timing: Timing
    queue: Queue
    trading: TradingStore
    positions: PositionStore
    config: ConfigStore
    secrets: Secrets
    venues: Mapping[Venue, VenueClient]
    meter: Meter
    log: FilteringBoundLogger
    visibility_s: int = 30
    wait_s: int = 20
    pace: Pace = Pace()


async def serve_oms(
    ports: OmsPorts,
    *,
    stop: trio.Event,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Runs until `stop` is set and the work under way is done. Started when it is reconciled: until then it
    takes what accounts tell, and leaders' orders wait.

    Raises:
        TableError, VenueError: what it needs to start does not answer.
    """
    log, trading, clock, timing = ports.log, ports.trading, ports.clock, ports.timing
    meter = ports.meter
    reference = Reference(config=ports.config, trading=trading, venues=ports.venues, log=log)
    standings = Standings(
        venues=ports.venues,
        reference=reference,
        positions=ports.positions,
        orders=trading.orders,
        log=log,
    )
    journal = Journal(
        owner=ports.owner,
        timing=timing,
        clock=clock,
        trading=trading,
        reference=reference,
        standings=standings,
        log=log,
    )
    submitter = Submitter(
        timing=timing,
        clock=clock,
        venues=ports.venues,
        secrets=ports.secrets,
        trading=trading,
        reference=reference,
        meter=meter,
        log=log,
    )
    resolver = Resolver(
        timing=timing,
        clock=clock,
        trading=trading,
        journal=journal,
        submitter=submitter,
        meter=meter,
        log=log,
    )
    copier = Copier(
        journal=journal,
        submitter=submitter,
        resolver=resolver,
        trading=trading,
        clock=clock,
        meter=meter,
        log=log,
    )
    executions = Executions(trading=trading, clock=clock, log=log)
    desk = DeskOrders(ports.queue, clock, log)
    reconciler = Reconciler(
        owner=ports.owner,
        clock=clock,
        reference=reference,
        trading=trading,
        positions=ports.positions,
        told=executions,
        desk=desk,
        meter=meter,
        log=log,
        pace=ports.pace,
    )
    joining = JoiningDesk(reference=reference, positions=ports.positions, desk=desk, clock=clock, log=log)
    reconciled = trio.Event()

    async def handle(message: Message, received: int) -> Verdict:
        match message:
            case LeaderOrder(event=event) | DeskOrder(event=event):
                await reconciled.wait()
                return await copier.handle(event, received)
            case FollowerUpdate() | EquityUpdate() | PositionUpdate():
                return await executions.handle(message)

    async def reconcile() -> None:
        while True:
            try:
                await resolver.adopt()
                await reconciler.begin()
                break
            except TableError as error:
                log.warning("oms.not_reconciled", error=str(error))
                await trio.sleep(_AGAIN_S)

    intake = Intake(
        queue=ports.queue,
        handler=handle,
        clock=clock,
        visibility_s=ports.visibility_s,
        wait_s=ports.wait_s,
        log=log,
    )
    await reference.load()
    async with trio.open_nursery() as nursery:
        clocks = partial(serve_clocks, ports.venues, clock=clock, skew=timing.skew, log=log)
        await nursery.start(clocks, name="oms.clocks")
        nursery.start_soon(reference.serve_refresh, name="oms.reference")
        await nursery.start(standings.serve, name="oms.marks")
        await nursery.start(partial(serve_keys, reference, ports.secrets), name="oms.keys")
        await nursery.start(resolver.serve, name="oms.resolver")
        async with trio.open_nursery() as taking:
            await taking.start(partial(intake.serve, stop=stop), name="oms.intake")
            await reconcile()
            reconciled.set()
            task_status.started()
            log.info("oms.ready")
            nursery.start_soon(reconciler.serve, name="oms.reconcile")
            nursery.start_soon(joining.serve, name="oms.joining")
        nursery.cancel_scope.cancel()  # doubts under way stay durable: the next owner adopts them
