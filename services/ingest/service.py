"""The ingest service put together from its ports: as a process, and inside the simulation."""

import random
import ssl
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from services.ingest.keys import Key
from services.ingest.publish import Publisher
from services.ingest.sessions import HOLD_S, AccountSession
from services.ingest.sweep import Sweeper, Swept
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.journal import Timing
from spider_common.domain.products import Account, Product
from spider_common.listings import Listings
from spider_common.network import Network
from spider_common.stores.config import ConfigStore
from spider_common.stores.live_config import LiveConfig
from spider_common.stores.queue import Queue
from spider_common.stores.secrets import Secrets, SecretsUnavailable
from spider_common.stores.trading import TradingStore
from spider_common.telemetry.metrics import Meter
from spider_common.telemetry.registry import LEADER_SILENCE, SOCKET_SESSIONS
from spider_common.venues.clocks import serve_clocks
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import VenueClient

REFRESH_S: Final = 5.0
INSTRUMENTS_S: Final = 300.0
"""How soon a new listing is known. Until then its frames cannot be read, and its orders wait for a sweep."""


class IngestPorts(msgspec.Struct, frozen=True, kw_only=True):
    """What the ingest service stands on.

    Attributes:
        tls: for sockets to ``wss://`` addresses; None where all are ``ws://`` (a simulator).
        sweep_every_s: how often REST is asked beside the sweeps after each connect.
        hold_s: how long what a new socket tells may wait for its sweep.
        skew: by how much a venue's clock may differ from ours without a warning, ns.
    """

    clock: Clock
    rng: random.Random
    network: Network
    tls: ssl.SSLContext | None
    queue: Queue
    trading: TradingStore
    config: ConfigStore
    secrets: Secrets
    venues: Mapping[Venue, VenueClient]
    meter: Meter
    log: FilteringBoundLogger
    sweep_every_s: float = 60.0
    hold_s: float = HOLD_S
    skew: int = Timing().skew


class _Running(msgspec.Struct):
    account: Account
    scope: trio.CancelScope
    sweeper: Sweeper | None = None
    sessions: tuple[AccountSession, ...] = ()


class Ingest:
    """Keeps one session for each account that the products name."""

    def __init__(self, ports: IngestPorts) -> None:
        self._ports = ports
        self._config = LiveConfig(ports.config, log=ports.log)
        self._listings = Listings(ports.config.cache, log=ports.log)
        self._running: dict[tuple[Venue, AccountId], _Running] = {}
        self._heard: dict[tuple[Venue, AccountId], int] = {}  # of leaders, Unix ns

    async def serve(
        self, *, stop: trio.Event, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Runs until `stop` is set. Started when every account configured at first is being read.

        Raises:
            TableError, VenueError: what it needs to start does not answer.
            BadConfig: what is configured does not fit together.
        """
        ports = self._ports
        for client in ports.venues.values():
            await self._listings.know(client)
        async with trio.open_nursery() as nursery:
            await self._config.load()
            await nursery.start(self._config.serve, name="ingest.config")
            clocks = partial(serve_clocks, ports.venues, clock=ports.clock, skew=ports.skew, log=ports.log)
            await nursery.start(clocks, name="ingest.clocks")
            async with trio.open_nursery() as starting:
                for account in self._accounts():
                    starting.start_soon(self._start, nursery, account)
            ports.meter.read_with(self._measure)
            task_status.started()
            nursery.start_soon(self._serve_refresh, nursery, name="ingest.refresh")
            nursery.start_soon(self._serve_instruments, name="ingest.instruments")
            await stop.wait()
            nursery.cancel_scope.cancel()  # what is not published yet, the next task's sweep finds

    async def _serve_refresh(self, nursery: trio.Nursery) -> None:
        """Follows the configuration: new accounts get a session, removed ones lose theirs, and a new product
        of an account that has one joins. What could not be started is tried again."""
        while True:
            with trio.move_on_after(REFRESH_S):
                await self._config.wait_changed()
            wanted = {(account.venue, account.account): account for account in self._accounts()}
            for key in [key for key in self._running if key not in wanted]:
                self._running.pop(key).scope.cancel()
            for key, account in wanted.items():
                if key not in self._running:
                    nursery.start_soon(self._start, nursery, account)
            for running in self._running.values():
                if running.sweeper is not None:
                    running.sweeper.follow()

    async def _serve_instruments(self) -> None:
        """Follows the venues' listings."""
        while True:
            await trio.sleep(INSTRUMENTS_S)
            for venue, client in self._ports.venues.items():
                try:
                    await self._listings.know(client)
                except VenueError as error:
                    self._ports.log.warning("instruments.stale", venue=venue, error=str(error))

    def _accounts(self) -> list[Account]:
        """Each leader's and follower's account once."""
        named = [
            account
            for product in self._config.products
            for account in (product.leader, *(each.account for each in product.subscriptions))
        ]
        return list({(account.venue, account.account): account for account in named}.values())

    def _measure(self) -> None:
        """How many sockets tell, and for how long the quietest leader has not."""
        now, meter = self._ports.clock.now(), self._ports.meter
        for venue in self._ports.venues:
            mine = (each for (where, _), each in self._running.items() if where is venue)
            ready = sum(session.is_ready for each in mine for session in each.sessions)
            meter.gauge(SOCKET_SESSIONS, ready, venue=venue)
        known, self._heard = self._heard, {}
        for product in self._config.products:
            key = (product.leader.venue, product.leader.account)
            running = self._running.get(key)
            sessions = running.sessions if running else ()
            # a leader that has no session, as one without a key, was last heard when it had one
            self._heard[key] = min((each.heard for each in sessions), default=known.get(key, now))
        silence = max((now - heard for heard in self._heard.values()), default=0)
        meter.gauge(LEADER_SILENCE, round(silence / NS_PER_S, 1))

    def _led_by(self, account: Account) -> list[Product]:
        return [each for each in self._config.products if each.leader.account == account.account]

    async def _start(self, nursery: trio.Nursery, account: Account) -> None:
        """Starts an account's session and timer in `nursery`; returns when the session is ready."""
        name, scope = (account.venue, account.account), trio.CancelScope()
        running = _Running(account, scope)
        self._running[name] = running  # before any wait: a refresh must not start it again
        client = self._ports.venues.get(account.venue)
        try:
            credentials = await self._ports.secrets.credentials(account.account)
        except SecretsUnavailable as error:
            self._ports.log.warning("credentials.unavailable", account=account.account, error=str(error))
            credentials = None
        if credentials is None or client is None:
            self._ports.log.error("account.unreachable", account=account.account, venue=account.venue)
            self._running.pop(name, None)  # the next refresh tries again
            return
        self._count(account.venue, client.capabilities.sockets)
        ports, key = self._ports, Key(account.account, credentials, self._ports.secrets)
        publisher = Publisher(
            account,
            queue=ports.queue,
            clock=ports.clock,
            products=lambda: self._led_by(account),
            meter=ports.meter,
            log=ports.log,
        )
        running.sweeper = sweeper = Sweeper(
            account,
            client=client,
            key=key,
            publisher=publisher,
            trading=ports.trading,
            clock=ports.clock,
            log=ports.log,
        )
        running.sessions = sessions = tuple(
            AccountSession(
                account,
                client=client,
                socket=socket,
                key=key,
                network=ports.network,
                tls=ports.tls,
                publisher=publisher,
                sweeper=sweeper,
                clock=ports.clock,
                rng=ports.rng,
                meter=ports.meter,
                log=ports.log,
                hold_s=ports.hold_s,
            )
            for socket in client.sockets
        )
        await nursery.start(self._serve_account, account, sessions, sweeper, scope)

    async def _connect(self, nursery: trio.Nursery, session: AccountSession, name: str) -> None:
        await nursery.start(session.serve, name=f"ingest.session{name}")

    def _count(self, venue: Venue, most: int | None) -> None:
        """Says so when there are more sockets than a venue lets an address have."""
        accounts = sum(each is venue for each, _ in self._running)
        sockets = accounts * len(self._ports.venues[venue].sockets)
        if most is not None and sockets > most:
            self._ports.log.error("sockets.too_many", venue=venue, sockets=sockets, most=most)

    async def _serve_account(
        self,
        account: Account,
        sessions: Sequence[AccountSession],
        sweeper: Sweeper,
        scope: trio.CancelScope,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        ready = False
        with scope:
            async with trio.open_nursery() as nursery:
                name = f"[{account.venue}/{account.account}]"
                async with trio.open_nursery() as connecting:
                    for session in sessions:
                        connecting.start_soon(self._connect, nursery, session, name)

                def swept(what: Swept) -> None:
                    for session in sessions:
                        session.compare(what)

                timer = partial(sweeper.serve_timer, self._ports.sweep_every_s, swept)
                nursery.start_soon(timer, name=f"ingest.timer{name}")
                ready = True
                task_status.started()
        if not ready and scope.cancelled_caught:  # removed from the configuration before it was ready
            task_status.started()
