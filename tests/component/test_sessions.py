"""Laws of an account's socket: it comes back, it hands over without a gap, and each time it is swept."""

import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from services.ingest.keys import Key
from services.ingest.publish import Publisher
from services.ingest.sessions import BACKOFF_FIRST_S, BACKOFF_MOST_S, FATAL_PAUSE_S, AccountSession
from services.local.seed import LEADER, seed
from services.local.world import World, open_world
from services.simulator.actions import AnnounceClose, Arm, DropSockets, Place, apply
from services.simulator.faults import Fault
from services.simulator.rules import NewOrder
from spider_common.clock import TrioClock
from spider_common.domain.identifiers import Venue
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.journal import Timing
from spider_common.domain.products import Product
from spider_common.messages import LeaderOrder, decode
from spider_common.secret import Credentials, Secret
from spider_common.telemetry.logs import logger
from spider_common.telemetry.metrics import silent_meter
from spider_common.venues.okx.client import OkxClient
from spider_common.venues.venue import PRIVATE
from tests.oms_rig import ORIGIN

BUY = NewOrder(symbol="BTC-USDT-SWAP", side="buy", kind="market", size=Decimal(1))


class Sweeps:
    """Stands in for the sweeper: counts, and takes its time."""

    def __init__(self) -> None:
        self.count = 0

    async def sweep(self) -> None:
        await trio.sleep(0.1)
        self.count += 1


class Desk:
    """The leader's session against the simulated venue."""

    def __init__(
        self,
        world: World,
        client: OkxClient,
        product: Product,
        credentials: Credentials,
        rng: random.Random,
    ) -> None:
        self.world, self.venue, self.client = world, world.simulator.okx, client
        self.sweeps, self.lines = Sweeps(), list[str]()
        self.sockets = [0]  # how many were open after each change
        log = logger("ingest", world.clock, write=self.lines.append)
        publisher = Publisher(
            product.leader,
            queue=world.queue,
            clock=world.clock,
            products=lambda: [product],
            meter=silent_meter(world.clock),
            log=log,
        )
        publisher.join({product.product: 0})
        self.session = AccountSession(
            product.leader,
            client=client,
            key=Key(product.leader.account, credentials, world.secrets),
            socket=PRIVATE,
            network=world._network,
            tls=None,
            publisher=publisher,
            sweeper=self.sweeps,  # type: ignore[arg-type]  # the one method that sessions use
            clock=world.clock,
            rng=rng,
            meter=silent_meter(world.clock),
            log=log,
        )
        self._watch()

    def _watch(self) -> None:
        attached = self.venue.attached

        @contextmanager
        def watched(account: Any, session: Any) -> Iterator[None]:
            with attached(account, session):
                self.sockets.append(len(self.venue.sessions(LEADER)))
                yield
            self.sockets.append(len(self.venue.sessions(LEADER)))

        self.venue.attached = watched  # type: ignore[method-assign]  # watched from outside

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        return [line for line in map(json.loads, self.lines) if line["event"] == event]

    async def told(self) -> list[str]:
        """Venue order id of each leader message in the queue, taken and deleted."""
        found = []
        while deliveries := await self.world.queue.receive(wait_s=0):
            for each in deliveries:
                message = decode(each.body)
                if isinstance(message, LeaderOrder):
                    found.append(f"{message.event.fact.venue_order_id}/{message.event.fact.status}")
            await self.world.queue.delete([each.receipt for each in deliveries])
        return found


@asynccontextmanager
async def open_desk(
    *, wrong_key: bool = False, nobody_there: bool = False, rng: random.Random | None = None
) -> AsyncIterator[Desk]:
    seeded = seed(random.Random(7), followers=())
    async with (
        open_world(
            seeded,
            clock=TrioClock(ORIGIN),
            rng=random.Random(1),
            timing=Timing(),
            write=lambda _line: None,
        ) as world,
        world.venues("test") as venues,
    ):
        client = venues[Venue.OKX]
        assert isinstance(client, OkxClient)
        await client.instruments()
        credentials = seeded.credentials[LEADER]
        if wrong_key:
            credentials = Credentials(credentials.key, credentials.secret, Secret("wrong"))
            world.secrets.put(LEADER, credentials)
        if nobody_there:
            client._socket_url = "ws://nobody.test:1/ws/v5/private"
        yield Desk(world, client, seeded.product, credentials, rng or random.Random(3))


@asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(desk.session.serve)
        yield
        nursery.cancel_scope.cancel()


async def test_a_session_is_started_when_it_is_swept(autojump_clock: MockClock) -> None:
    """One socket, subscribed, and REST asked for what it cannot know."""
    async with open_desk() as desk, running(desk):
        assert (desk.sweeps.count, desk.sockets) == (1, [0, 1])


async def test_what_is_pushed_is_published(autojump_clock: MockClock) -> None:
    """Each push becomes messages, a doubled one none."""
    async with open_desk() as desk, running(desk):
        apply(desk.venue, Arm(fault=Fault(kind="duplicate_push", account=LEADER, times=2)))
        order = apply(desk.venue, Place(account=LEADER, order=BUY))
        await a_moment()
        assert await desk.told() == [f"{order}/live", f"{order}/filled"]


async def test_a_broken_socket_comes_back_and_is_swept(autojump_clock: MockClock) -> None:
    """After each connect REST is asked for what was missed; what is pushed then is published again."""
    async with open_desk() as desk, running(desk):
        for drops in range(1, 4):
            apply(desk.venue, DropSockets(account=LEADER))
            await trio.sleep(5)
            assert desk.sweeps.count == 1 + drops
            assert len(desk.venue.sessions(LEADER)) == 1
        order = apply(desk.venue, Place(account=LEADER, order=BUY))
        await a_moment()
        assert await desk.told() == [f"{order}/live", f"{order}/filled"]
        # it had been ready in between, so that each time the pause was one after a first failure
        assert [line["failures"] for line in desk.said("session.ended")] == [1, 1, 1]


async def test_reconnects_back_off_with_jitter(autojump_clock: MockClock) -> None:
    """Pauses grow up to their most, and two sessions that broke together do not come back together."""
    pauses = []
    for number in range(2):
        async with open_desk(nobody_there=True, rng=random.Random(number)) as desk, running(desk):
            await trio.sleep(300)
            pauses.append([line["again_s"] for line in desk.said("session.ended")])
            assert desk.sweeps.count == 0
    for each in pauses:
        assert len(each) > 10
        for failures, pause in enumerate(each):
            most = min(BACKOFF_FIRST_S * 2**failures, BACKOFF_MOST_S)
            assert BACKOFF_FIRST_S / 2 <= pause <= most
        assert max(each) > BACKOFF_MOST_S / 3
    assert pauses[0][:10] != pauses[1][:10]


@pytest.mark.parametrize("notices", [1, 3])
async def test_a_rotation_opens_the_replacement_first(notices: int, autojump_clock: MockClock) -> None:
    """From the first socket on there is always one, at no time more than two, and one is left."""
    async with open_desk() as desk, running(desk):
        for _ in range(notices):
            apply(desk.venue, AnnounceClose(account=LEADER))
        await trio.sleep(5)
        assert desk.sockets == [0, 1, 2, 1]
        assert desk.sweeps.count == 2
        assert desk.said("session.ended") == []
        order = apply(desk.venue, Place(account=LEADER, order=BUY))
        await a_moment()
        assert await desk.told() == [f"{order}/live", f"{order}/filled"]


async def test_rotations_may_follow_each_other(autojump_clock: MockClock) -> None:
    """A replacement is replaced like any other, and a socket that breaks later comes back."""
    async with open_desk() as desk, running(desk):
        for _ in range(3):
            apply(desk.venue, AnnounceClose(account=LEADER))
            await trio.sleep(5)
        assert desk.sockets == [0, 1, *[2, 1] * 3]
        apply(desk.venue, DropSockets(account=LEADER))
        await trio.sleep(5)
        assert len(desk.venue.sessions(LEADER)) == 1


async def test_what_is_pushed_during_a_rotation_is_not_lost(autojump_clock: MockClock) -> None:
    """Both sockets hear it; the queue has it once."""
    async with open_desk() as desk, running(desk):
        apply(desk.venue, AnnounceClose(account=LEADER))
        order = apply(desk.venue, Place(account=LEADER, order=BUY))
        await trio.sleep(5)
        assert await desk.told() == [f"{order}/live", f"{order}/filled"]


async def test_a_wrong_key_is_tried_rarely(autojump_clock: MockClock) -> None:
    """A fatal login error: said as an error, and tried again only after a long pause. Others may start."""
    async with open_desk(wrong_key=True) as desk, running(desk):
        await trio.sleep(10 * FATAL_PAUSE_S + 10)  # and what the tries themselves take
        ended = desk.said("session.ended")
        assert len(ended) == 11
        assert {(line["level"], line["again_s"]) for line in ended} == {("error", FATAL_PAUSE_S)}
        assert "60024" in ended[0]["why"]
        assert desk.sweeps.count == 0
        assert not any("wrong" in line.replace("wrong passphrase", "") for line in desk.lines)


async def test_a_changed_key_is_used_at_the_next_connect(autojump_clock: MockClock) -> None:
    """Without a restart; a store that has none any more leaves the last."""
    async with open_desk(wrong_key=True) as desk, running(desk):
        await trio.sleep(5)
        assert desk.sockets == [0]
        right = desk.venue.exchange.accounts[LEADER].credentials
        assert right.passphrase is not None
        key = Credentials(Secret(right.key), Secret(right.secret), Secret(right.passphrase))
        desk.world.secrets.put(LEADER, key)
        await trio.sleep(FATAL_PAUSE_S)
        assert desk.sockets == [0, 1]
        desk.world.secrets._credentials.clear()
        apply(desk.venue, DropSockets(account=LEADER))
        await trio.sleep(5)
        assert desk.sockets == [0, 1, 0, 1]


async def test_a_frame_that_cannot_be_read_is_kept_and_swept(autojump_clock: MockClock) -> None:
    """Whole in the log, with what is wrong; REST is asked for what it told; the socket stays."""
    async with open_desk() as desk:
        desk.client._questions.known = InstrumentList(())
        async with running(desk):
            apply(desk.venue, Place(account=LEADER, order=BUY))
            await trio.sleep(5)
            unreadable = desk.said("frame.unreadable")
            assert [line["unreadable"] for line in unreadable] == [1, 2, 3]  # order, fill, position
            assert "data[0].instId" in unreadable[0]["error"]
            assert json.loads(unreadable[0]["frame"])["data"][0]["instId"] == BUY.symbol
            assert desk.sweeps.count == 4
            assert desk.sockets == [0, 1]


async def test_a_quiet_socket_stays(autojump_clock: MockClock) -> None:
    """Pings keep it through hours in which nothing happens."""
    async with open_desk() as desk, running(desk):
        await trio.sleep(2 * 3_600)
        assert (desk.sockets, desk.sweeps.count) == ([0, 1], 1)


async def a_moment() -> None:
    """Long enough for all that needs no more than the wire, which takes some milliseconds each way."""
    await trio.sleep(0.4)
