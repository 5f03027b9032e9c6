"""One account's private socket, for ever: connect, log in, subscribe, read, reconnect."""

import random
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from services.ingest.hearing import Hearing
from services.ingest.keys import Key
from services.ingest.publish import Publisher
from services.ingest.sweep import Sweeper, Swept
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.products import Account
from spider_common.network import Network
from spider_common.secret import Credentials
from spider_common.telemetry.metrics import Meter
from spider_common.telemetry.registry import FRAMES_UNREADABLE, RECONNECTS, SILENT_ROTATIONS
from spider_common.venues.outcomes import VenueError
from spider_common.venues.socket import SocketClosed, VenueSocket, open_socket
from spider_common.venues.venue import (
    Failed,
    KeepAlive,
    Ready,
    Rotate,
    Send,
    SessionEvent,
    SessionProtocol,
    Told,
    Unreadable,
    VenueClient,
    socket_of,
)

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MOST_S: Final = 30.0
Error = TypeVar("Error", bound=BaseException)
Sweep = Callable[[], Awaitable[object]]
FATAL_PAUSE_S: Final = 60.0
"""A refused key stays refused until an operator acts; trying rarely keeps the address unbanned."""

HOLD_S: Final = 10.0
"""How long what a new socket tells may wait for the sweep of what the one before has missed, by default."""


class _Course:
    """What a socket's conversation has come to so far. `begun`: Unix ns."""

    def __init__(self, begun: int) -> None:
        self.begun = begun
        self.frames = self.facts = self.fills = 0
        self.is_ready = False


class AccountSession:
    """Keeps one account's facts coming: those of one of its private sockets, the `socket` of that name.

    Attributes:
        silent_rotations: how often a socket was replaced because it was open and did not tell.
        heard: when a socket that was ready told something last, if only a heartbeat; else when this was made.
            Unix ns.
    """

    def __init__(
        self,
        account: Account,
        *,
        client: VenueClient,
        socket: str,
        key: Key,
        network: Network,
        tls: ssl.SSLContext | None,
        publisher: Publisher,
        sweeper: Sweeper,
        clock: Clock,
        rng: random.Random,
        meter: Meter,
        log: FilteringBoundLogger,
        hold_s: float = HOLD_S,
    ) -> None:
        self._account, self._client, self._key = account, client, key
        self._socket, self._meter = socket, meter
        self._network, self._tls, self._clock, self._rng = network, tls, clock, rng
        self._publisher, self._sweeper, self._hold_s = publisher, sweeper, hold_s
        self._log = log.bind(venue=account.venue, account=account.account, socket=socket)
        self._failures = 0
        self._unreadable = 0
        self._hearing = Hearing(clock)
        self._rotate: Callable[[], None] | None = None
        self.silent_rotations = 0
        self.heard = clock.now()

    @property
    def is_ready(self) -> bool:
        """Whether a socket is logged in and subscribed."""
        return self._rotate is not None

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until cancelled. Started when the first try has come to something: swept, or failed."""
        started = False

        def start() -> None:
            nonlocal started
            if not started:
                started = True
                task_status.started()

        async def swept() -> None:
            await self._sweeper.sweep()
            start()

        while True:
            failed = await self._converse(swept)
            start()
            self._failures += 1
            self._meter.count(RECONNECTS, venue=self._account.venue)
            pause = FATAL_PAUSE_S if failed.fatal else self._backoff()
            tell = self._log.error if failed.fatal else self._log.warning
            tell("session.ended", why=failed.why, failures=self._failures, again_s=round(pause, 3))
            await trio.sleep(pause)

    def compare(self, swept: Swept) -> None:
        """Holds what a sweep has told against what the socket has: one that missed a fill is replaced."""
        missed = self._hearing.missed(self._mine(swept))
        if missed and self._rotate is not None:
            self.silent_rotations += 1
            self._meter.count(SILENT_ROTATIONS)
            self._log.warning("session.silent", missed=missed, silent_rotations=self.silent_rotations)
            self._rotate()

    def _mine(self, swept: Swept) -> Swept:
        """Of what a sweep has told, that which this socket tells."""
        sockets = self._client.sockets
        facts = (fact for fact in swept.told.facts if socket_of(fact.symbol, sockets) == self._socket)
        return msgspec.structs.replace(swept, told=Told(facts=tuple(facts)))

    def _backoff(self) -> float:
        """Full jitter: many sessions that broke together do not come back together."""
        most = min(BACKOFF_FIRST_S * 2 ** (self._failures - 1), BACKOFF_MOST_S)
        return self._rng.uniform(BACKOFF_FIRST_S / 2, most)

    async def _converse(self, swept: Sweep, predecessor: trio.CancelScope | None = None) -> Failed:
        """One socket until it is over; if it asked for a replacement, until that one is over."""
        ended = Failed("stopped", fatal=False)
        successor: Failed | None = None
        rotating = False
        course = _Course(self._clock.now())
        async with trio.open_nursery() as nursery:
            mine = trio.CancelScope()

            async def replace() -> None:
                nonlocal successor, rotating
                successor = await self._converse(swept, mine)
                rotating = False  # it has ended; if it never took over, this socket may ask for another

            def on_rotate() -> None:
                nonlocal rotating
                if not rotating:  # a notice may be repeated; one replacement is enough
                    rotating = True
                    nursery.start_soon(replace, name=f"ingest.session[{self._account.account}]")

            try:
                with mine:
                    ended = await self._talk(course, swept, predecessor, on_rotate)
                if mine.cancelled_caught:
                    ended = Failed("replaced", fatal=False)
            finally:
                self._tell(course, ended)
            if self._rotate is on_rotate:
                self._rotate = None
        return successor or ended

    def _tell(self, course: _Course, ended: Failed) -> None:
        """The canonical line of one socket."""
        self._log.info(
            "session",
            for_s=round((self._clock.now() - course.begun) / NS_PER_S, 3),
            was_ready=course.is_ready,
            frames=course.frames,
            facts=course.facts,
            fills=course.fills,
            why=ended.why,
        )

    async def _talk(
        self,
        course: _Course,
        swept: Sweep,
        predecessor: trio.CancelScope | None,
        on_rotate: Callable[[], None],
    ) -> Failed:
        """One socket's conversation, from opening to its end."""
        await self._client.ready_to_connect()
        credentials = await self._key.current()
        protocol = self._client.session(credentials, self._account.account, self._socket)
        catch_up = _CatchUp(self._publisher, self._hold_s)
        why = ""
        try:
            url = await self._client.socket_url(credentials, self._socket)
        except VenueError as error:
            return Failed(str(error), fatal=False)
        try:
            async with (
                open_socket(self._network, url, tls=self._tls) as socket,
                trio.open_nursery() as sweeps,
            ):
                events = protocol.opened(self._clock.now())
                while True:
                    for event in events:
                        match event:
                            case Failed():
                                sweeps.cancel_scope.cancel()
                                return event
                            case Ready():
                                self._failures = 0
                                self._rotate = on_rotate
                                self._hearing.ready()
                                course.is_ready = True
                                self._log.info("session.ready")
                                if predecessor is not None:
                                    predecessor.cancel()
                                name = f"ingest.catch_up[{self._account.account}]"
                                sweeps.start_soon(catch_up.run, swept, name=name)
                            case Rotate(why=why):
                                self._log.info("session.rotating", why=why)
                                on_rotate()
                            case Unreadable():
                                self._keep(event)
                                self._hearing.deaf()
                                sweeps.start_soon(swept, name=f"ingest.sweep[{self._account.account}]")
                            case KeepAlive():
                                sweeps.start_soon(self._keep_alive, credentials, url)
                            case Send(text=text):
                                await socket.send(text)
                            case Told():
                                self._hearing.hear(event)
                                course.facts += len(event.facts)
                                course.fills += len(event.executions)
                                with self._hearing.busy():
                                    await catch_up.tell(event)
                    events = await self._next(course, protocol, socket)
        except* SocketClosed as closed:
            why = str(next(leaves(closed)))
        return Failed(why, fatal=False)

    async def _next(
        self, course: _Course, protocol: SessionProtocol, socket: VenueSocket
    ) -> Sequence[SessionEvent]:
        """What the next frame says, or what is due if none comes in time."""
        quiet = max(protocol.due() - self._clock.now(), 0) / NS_PER_S
        with trio.move_on_after(quiet):
            frame = await socket.receive()
            course.frames += 1
            if self.is_ready:  # that a key was refused is told too, and is no sign of life
                self.heard = self._clock.now()
            return protocol.received(frame, self._clock.now())
        return protocol.tick(self._clock.now())

    async def _keep_alive(self, credentials: Credentials, url: str) -> None:
        """Extends the key in a socket's address. If that fails the venue will end the session."""
        try:
            await self._client.keep_alive(credentials, url)
        except VenueError as error:
            self._log.warning("session.not_kept_alive", error=str(error))

    def _keep(self, event: Unreadable) -> None:
        """Keeps a frame that we cannot parse, whole, in the log. What it told, the sweep finds."""
        self._unreadable += 1
        self._meter.count(FRAMES_UNREADABLE)
        self._log.error(
            "frame.unreadable", error=str(event.error), frame=event.frame, unreadable=self._unreadable
        )


class _CatchUp:
    """Keeps what a new socket tells behind the sweep of what was missed before it.

    A leader's orders are planned in the order of their coming. One that closes a position, told before
    the missed one that opened it, would find nothing to close.
    """

    def __init__(self, publisher: Publisher, hold_s: float = HOLD_S) -> None:
        self._publisher, self._hold_s = publisher, hold_s
        self._done = False
        # No bound but time: what one account's socket tells within `hold_s`. Not reading it meanwhile would
        # hold up the heartbeat and the acknowledgements that the sweep itself waits for.
        self._held: list[Told] = []

    async def tell(self, told: Told) -> None:
        """Publishes now or, while the sweep is under way, after it."""
        if self._done:
            await self._publisher.publish(told)
        else:
            self._held.append(told)

    async def run(self, swept: Sweep) -> None:
        """Sweeps, then lets go what was held: after `hold_s` also before the sweep has succeeded."""
        caught_up = trio.Event()

        async def sweep() -> None:
            await swept()
            caught_up.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(sweep, name="ingest.sweep")
            with trio.move_on_after(self._hold_s):
                await caught_up.wait()
            while self._held:
                await self._publisher.publish(self._held.pop(0))
            self._done = True


def leaves(group: BaseExceptionGroup[Error]) -> Iterator[Error]:
    """The exceptions in a group, however deep."""
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from leaves(each)
        else:
            yield each
