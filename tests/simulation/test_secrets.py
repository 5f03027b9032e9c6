"""Law of the whole: no key, secret, passphrase or listen key leaves the services but to its venue."""

import gzip
import random
from collections.abc import Iterator

import msgspec
import pytest
import trio
from trio.testing import MockClock

from services.local.seed import THREE_VENUES, seed_teams
from services.local.world import World, open_world
from services.simulator.actions import AnnounceClose, Arm, DropSockets, Place, apply
from services.simulator.bingx.socket import BingxSession
from services.simulator.bingx.streams import ListenKeys
from services.simulator.conversation import Conversation
from services.simulator.faults import Fault
from services.simulator.rules import NewOrder
from spider_common.clock import TrioClock
from spider_common.domain.journal import Timing
from spider_common.secret import Credentials
from tests.oms_rig import ORIGIN

FAULTS = ("lose_reply", "error_with_effect", "error_without_effect", "maintenance")


def texts(keys: Credentials) -> Iterator[str]:
    for each in (keys.key, keys.secret, keys.passphrase):
        if each is not None:
            yield each.reveal()


def put_in(session: object, text: str) -> None:
    """Has a venue send what it never would."""
    if isinstance(session, BingxSession):
        session._outbox.send_nowait(gzip.compress(text.encode()))
    else:
        assert isinstance(session, Conversation)
        session.put(text)


async def eventful(world: World) -> None:
    """Orders at every venue, each way in which an answer fails, frames nobody can read, refused keys."""
    teams = {team.venue: team for team in THREE_VENUES}
    for kind in (None, *FAULTS):
        for venue, simulated in world.simulator.venues.items():
            if kind is not None:
                apply(simulated, Arm(fault=Fault(kind=kind, times=2, delay=1_000_000_000)))
            listed = next(each for each in simulated.instruments if each.kind == "swap")
            size = listed.minimum * 100
            order = NewOrder(symbol=listed.symbol, side="buy", kind="market", size=size)
            apply(simulated, Place(account=teams[venue].leader, order=order))
        await trio.sleep(20)
    for venue, simulated in world.simulator.venues.items():
        for account in (teams[venue].leader, *(each.account for each in teams[venue].followers)):
            for session in simulated.sessions(account):
                put_in(session, '{"neither": "here nor there"')
            apply(simulated, AnnounceClose(account=account))  # BingX names the listen key that ends
    await trio.sleep(30)
    for venue, simulated in world.simulator.venues.items():
        apply(simulated, DropSockets(account=teams[venue].leader))
    world.cache.is_down = True
    await trio.sleep(60)
    known = dict(world.secrets._credentials)
    for place, account in enumerate(sorted(known)):  # everybody has the key of another
        world.secrets.put(account, known[sorted(known)[place - 1]])
    for venue, simulated in world.simulator.venues.items():
        apply(simulated, DropSockets(account=teams[venue].leader))
    await trio.sleep(120)


async def test_nothing_that_is_written_has_a_secret_in_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs of all services at their most talkative, metrics, messages, tables and the cache."""
    secrets: set[str] = set()
    made = ListenKeys.make

    def make(self: ListenKeys, *arguments: object) -> str:
        key: str = made(self, *arguments)  # type: ignore[arg-type]  # whatever it is given
        secrets.add(key)
        return key

    monkeypatch.setattr(ListenKeys, "make", make)
    seeded = seed_teams(random.Random(7), THREE_VENUES)
    secrets |= {text for keys in seeded.credentials.values() for text in texts(keys)}
    written: list[str] = []
    opened = open_world(
        seeded,
        clock=TrioClock(ORIGIN),
        rng=random.Random(3),
        timing=Timing(),
        write=written.append,
        write_metrics=written.append,
        log_level="debug",
    )
    async with opened as world, trio.open_nursery() as nursery:
        stop = trio.Event()
        await nursery.start(lambda task_status: world.serve_ingest(stop=stop, task_status=task_status))
        await nursery.start(lambda task_status: world.serve_oms("one", stop=stop, task_status=task_status))
        await eventful(world)
        nursery.cancel_scope.cancel()
    said = {msgspec.json.decode(line)["event"] for line in written}
    assert {"copy", "event.copied", "session", "session.ended", "frame.unreadable", "metrics"} <= said
    written += [*world.queue.bodies(), *world.dead_letters.bodies()]
    written += [str(row) for row in world.table.rows()]
    written += [str(value) for value in world.cache._values.values()]
    everything = "\n".join(written)
    assert len(secrets) > 50
    assert [text for text in secrets if text in everything] == []
