"""What a venue's socket said during a leader's session, frame by frame, and what one sweep tells of it."""

import random
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import trio
import trio.testing

from services.simulator.actions import (
    Arm,
    CancelConditional,
    DropSockets,
    MoveTrigger,
    PlaceConditional,
    SetPrice,
)
from services.simulator.instruments import Instrument as Listed
from services.simulator.rules import NewOrder
from services.simulator.scenario import Pause, leader_session
from spider_common.clock import NS_PER_S
from spider_common.domain.instruments import Instrument, InstrumentList
from spider_common.venues.venue import SessionEvent, SessionProtocol, Told, VenueClient
from tests.venues.bench import DIALECTS, ORIGIN, Bench, Dialect, key, open_bench

Frame = str | bytes


class Recording(NamedTuple):
    """Attributes:
    frames: every frame of the session, from the first answer on.
    pushes: those that told something.
    swept: what a sweep told when all was over.
    """

    client: VenueClient
    instruments: InstrumentList
    frames: Sequence[Frame]
    pushes: Sequence[Frame]
    swept: Told

    def session(self) -> SessionProtocol:
        """A new conversation of the account, opened."""
        made = self.client.session(key("alice"), self.account)
        made.opened(ORIGIN)
        return made

    @property
    def account(self) -> Any:
        return "alice"

    def replay(self, frames: Sequence[Frame]) -> Told:
        """What a new session makes of the frames."""
        session, told = self.session(), list[Told]()
        for frame in frames:
            told += [each for each in session.received(frame, ORIGIN) if isinstance(each, Told)]
        return together(*told)


class _Tap:
    """A session whose frames are kept."""

    def __init__(self, session: SessionProtocol, frames: list[Frame]) -> None:
        self._session, self._frames = session, frames

    def received(self, frame: Frame, now: int) -> Sequence[SessionEvent]:
        self._frames.append(frame)
        return self._session.received(frame, now)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def together(*told: Told) -> Told:
    """Everything told, as one."""
    return Told(
        facts=tuple(fact for each in told for fact in each.facts),
        executions=tuple(execution for each in told for execution in each.executions),
        equities=tuple(equity for each in told for equity in each.equities),
        positions=tuple(position for each in told for position in each.positions),
    )


@cache
def record(dialect: Dialect, seed: int) -> Recording:
    """A leader's session of some dozen orders at a venue: equal seeds tell equal stories."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    return trio.run(_record, dialect, seed, clock=clock)


async def _record(dialect: Dialect, seed: int) -> Recording:
    frames: list[Frame] = []
    async with open_bench(dialect) as bench:
        opened = bench.client.session
        bench.client.session = lambda *of: _Tap(opened(*of), frames)  # type: ignore[method-assign]  # listens
        swaps = [item for item in bench.venue.instruments if item.kind == "swap"]
        steps = leader_session(random.Random(seed), swaps[:2], leader="alice")
        async with bench.feed():
            for step in steps:
                match step:
                    case Pause(duration=duration):
                        await trio.sleep(duration / NS_PER_S)
                    case Arm() | DropSockets():  # this socket is to tell everything, once
                        pass
                    case action:
                        bench.do(action)
            await _wait_for_prices(bench, swaps[2])
        del bench.client.session  # type: ignore[attr-defined]  # as it was
        swept = await bench.sweep()
        known = bench.client.known_instruments
        made = Recording(bench.client, known, tuple(frames), (), swept)
    pushes = [frame for frame in frames if made.replay([frame]) != Told()]
    return made._replace(pushes=tuple(pushes))


async def _wait_for_prices(bench: Bench, item: Listed) -> None:
    """Conditional orders: one that is moved and called off, one that fires, one that waits."""
    made = []
    for share in ("0.7", "0.8", "0.9"):
        trigger = item.price * Decimal(share) // item.tick * item.tick
        order = NewOrder(symbol=item.symbol, side="sell", kind="market", size=item.minimum * 20)
        waits = PlaceConditional(account="alice", order=order, kind="entry", trigger=trigger)
        made.append((bench.do(waits), trigger))
        await trio.sleep(1)
    (called_off, trigger), _, (_, reached) = made
    bench.do(MoveTrigger(account="alice", order_id=called_off, trigger=trigger - item.tick))
    await trio.sleep(1)
    bench.do(CancelConditional(account="alice", order_id=called_off))
    bench.do(SetPrice(symbol=item.symbol, price=reached))
    await trio.sleep(2)


def instruments() -> list[Instrument]:
    """All that the simulated venues list, as our clients read it."""
    return [each for dialect in DIALECTS for each in record(dialect, 1).instruments]
