"""One seed, one hour, one trace.

The whole system runs in this process (`services.local.world`) through a schedule of trades, faults and
deaths that the seed draws (`services.local.schedule`), on a clock that jumps from one event to the
next. The venue's own ledger then says whether a copy was lost or doubled. Equal seeds give equal traces,
byte for byte, in any process: whoever changes that has brought in a raw clock, a source of chance that is
not passed in, or an order that depends on memory addresses.
"""

import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

import msgspec
import trio
import trio.testing
from trio._core import _run

from services.local.judge import rule_of
from services.local.schedule import HOUR, Length, Moment, Schedule, Service, Stop, draw
from services.local.seed import FOLLOWERS, LEADER, Seed
from services.local.seed import seed as seed_of
from services.local.world import World, open_world
from services.simulator.actions import apply
from services.simulator.checker import judge, totals
from services.simulator.instruments import OKX_INSTRUMENTS
from services.simulator.ledger import Executed, Placed
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.follower_orders import FollowerOrder
from spider_common.domain.holdings import Position
from spider_common.domain.identifiers import ClientOrderId
from spider_common.domain.intents import Intent
from spider_common.domain.journal import JournalRow, Timing
from spider_common.domain.products import Correction
from spider_common.stores.table import TableError

ORIGIN: Final = 1_700_000_000 * NS_PER_S  # Unix ns at which every simulation begins
_DRAIN_S: Final = 20.0
_SETTLE_S: Final = 3.0
_TOLERANCE: Final = Decimal("0.001")  # in settlement currency: the venue rounds its average prices
_EMPTY_S: Final = 60.0  # in which the queue empties once nothing new is told
_EQUITY_MOVES: Final = Decimal("0.04")  # by how much two equities' ratio strays from that of the deposits

_encoder = msgspec.json.Encoder(decimal_format="string")


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """All that a simulation has to say.

    Attributes:
        events: the leader's executions.
        copies: orders that the venue accepted from followers.
        faults: that have struck, failed calls of the table and services that ended among them.
        lost, duplicated: by the venue's ledger alone.
        unsettled: what our own records should say in the end and do not, in words.
        text: ledger, stored rows, log and judgement, a JSON object a line.
    """

    seed: int
    events: int
    copies: int
    faults: int
    lost: int
    duplicated: int
    unsettled: tuple[str, ...]
    text: str

    @property
    def is_right(self) -> bool:
        return not (self.lost or self.duplicated or self.unsettled)


def simulate(
    seed: int,
    schedule: Schedule | None = None,
    *,
    timing: Timing = Timing(),  # noqa: B008 it is frozen
) -> Trace:
    """Runs one seed to its end, through `schedule` or the hour that the seed draws.

    Raises what a service raises: a bug is never part of a simulation.
    """
    schedule = schedule or hour(seed, timing=timing)
    with _repeatable_scheduling(seed):
        run = _Simulation(seed, schedule, timing).run
        return trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))


def hour(seed: int, *, timing: Timing = Timing(), length: Length = HOUR) -> Schedule:  # noqa: B008 it is frozen
    """The schedule that a seed draws."""
    return draw(
        random.Random(f"schedule {seed}"),  # noqa: S311 chance that is to repeat itself
        instruments=[item for item in OKX_INSTRUMENTS if item.kind == "swap"],
        leader=LEADER,
        followers=[each.account for each in FOLLOWERS],
        timing=timing,
        length=length,
    )


@contextmanager
def _repeatable_scheduling(seed: int) -> Iterator[None]:
    """Makes Trio's scheduler draw its order of tasks from `seed`.

    Trio shuffles the tasks that can run, from a generator of its own. These two names are where
    pytest-trio and Hypothesis reach in as well; nothing public does it. This is the only place.
    """
    before = _run._ALLOW_DETERMINISTIC_SCHEDULING  # noqa: SLF001 see above
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # noqa: SLF001 Final for its readers
    _run._r.seed(seed)  # noqa: SLF001 see above
    try:
        yield
    finally:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]  # noqa: SLF001 see above


class _Slot:
    """The place of one service: when it ends, the next one takes it."""

    def __init__(self, service: Service, world: World, tell: "_Tell") -> None:
        self._service, self._world, self._tell = service, world, tell
        self._lives = 0
        self._stop = trio.Event()
        self._life = trio.CancelScope()
        self._down = 0
        self._retired = False

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """One life after the other until retired or cancelled. Started when the first one is."""
        status: trio.TaskStatus[None] = task_status
        while not self._retired:
            self._stop, self._life, self._down = trio.Event(), trio.CancelScope(), 0
            self._lives += 1
            try:
                with self._life:
                    await self._run(status)
                status = trio.TASK_STATUS_IGNORED
            except (
                TableError
            ):  # what it needs to start does not answer: its process ends, and is started anew
                self._down = NS_PER_S
            await trio.sleep(self._down / NS_PER_S)

    async def _run(self, status: trio.TaskStatus[None]) -> None:
        if self._service == "ingest":
            await self._world.serve_ingest(stop=self._stop, task_status=status)
        else:
            owner = f"{self._service}-{self._lives}"
            await self._world.serve_oms(owner, stop=self._stop, task_status=status)

    def retire(self) -> None:
        """Asks the service to stop, and has none take its place."""
        self._retired = True
        self._stop.set()

    async def end(self, stop: Stop) -> None:
        """Ends the service that stands here now, after some turns of the scheduler."""
        life, stopped = self._life, self._stop
        for _ in range(stop.steps):
            await trio.lowlevel.checkpoint()
        if life is not self._life or life.cancel_called or stopped.is_set():
            return  # another one was quicker
        self._tell("stop", stop)
        self._down = stop.down
        if stop.drains:
            stopped.set()
            life.deadline = trio.current_time() + _DRAIN_S
        else:
            life.cancel()


class _Tell:
    """Writes what the simulation does between the log lines of the services, and counts the stops."""

    def __init__(self, clock: TrioClock, lines: list[str]) -> None:
        self._clock, self._lines = clock, lines
        self.stops = 0

    def __call__(self, kind: str, what: msgspec.Struct) -> None:
        self.stops += kind == "stop"
        self._lines.append(_line({"simulation": kind, "ts": self._clock.now(), "what": what}))


class _Simulation:
    """One run."""

    def __init__(self, seed: int, schedule: Schedule, timing: Timing) -> None:
        self._seed, self._schedule, self._timing = seed, schedule, timing
        self._clock = TrioClock(ORIGIN)
        self._lines: list[str] = []
        self._tell = _Tell(self._clock, self._lines)

    async def run(self) -> Trace:
        rng = random.Random(f"world {self._seed}")  # noqa: S311 chance that is to repeat itself
        opened = open_world(
            _corrected(seed_of(rng)),
            clock=self._clock,
            rng=rng,
            timing=self._timing,
            write=self._lines.append,
        )
        async with opened as world, trio.open_nursery() as nursery:
            slots = {name: _Slot(name, world, self._tell) for name in self._schedule.services}
            for name, slot in slots.items():
                await nursery.start(slot.serve, name=f"simulation.{name}")
            await trio.sleep(_SETTLE_S)  # equities are to be known before the leader trades
            begin = trio.current_time()
            for moment in self._schedule.moments:
                await trio.sleep_until(begin + moment.at / NS_PER_S)
                self._act(world, moment)
                for stop in moment.stops:
                    nursery.start_soon(slots[stop.service].end, stop, name="simulation.stop")
            world.shaky.calm()
            await trio.sleep_until(begin + self._schedule.ends / NS_PER_S)
            slots["ingest"].retire()
            await trio.sleep(_EMPTY_S)
            nursery.cancel_scope.cancel()
            return self._trace(world)
        raise AssertionError("the world does not swallow what it is told")

    def _act(self, world: World, moment: Moment) -> None:
        for action in moment.actions:
            self._tell("action", action)
            apply(world.simulator.okx, action)

    def _trace(self, world: World) -> Trace:
        entries = world.simulator.okx.exchange.ledger.entries
        findings = judge(
            entries,
            instruments=world.simulator.okx.instruments,
            leader=LEADER,
            rules=[rule_of(each, _EQUITY_MOVES) for each in FOLLOWERS],
        )
        counts = totals(findings)
        unsettled = tuple(_unsettled(world))
        rows = [*world.table.rows()]
        text = [
            *map(_line, entries),
            *map(_line, rows),
            *self._lines,
            *map(_line, findings),
            *map(_line, unsettled),
        ]
        return Trace(
            seed=self._seed,
            events=sum(isinstance(e, Executed) and e.order.account == LEADER for e in entries),
            copies=sum(isinstance(e, Placed) and e.order.account != LEADER for e in entries),
            faults=world.simulator.okx.faults.struck.total() + world.shaky.failed + self._tell.stops,
            lost=counts["lost"],
            duplicated=counts["duplicated"],
            unsettled=unsettled,
            text="\n".join(text) + "\n",
        )


def _unsettled(world: World) -> Iterator[str]:
    """What our own records say in the end that they should not, given the venue's ledger."""
    for queue, name in ((world.queue, "the queue"), (world.dead_letters, "the dead letters")):
        for body in queue.bodies():
            yield f"{name} still has {body}"
    intents: dict[ClientOrderId, Intent] = {}
    kept: dict[ClientOrderId, Intent] = {}
    more: defaultdict[tuple[str, str, str], Decimal] = defaultdict(
        Decimal
    )  # by our records than by the venue
    for row in world.table.rows():
        if row.sk.startswith("journal#"):
            for intent in msgspec.json.decode(row.doc, type=JournalRow).intents:
                intents[intent.client_order_id] = intent
        elif row.sk.startswith("order#"):
            intent = msgspec.json.decode(row.doc, type=FollowerOrder).intent
            kept[intent.client_order_id] = intent
        elif row.pk.startswith("holdings#"):
            position = msgspec.json.decode(row.doc, type=Position)
            holding, whose = position.holding, (position.client, position.symbol)
            more[(*whose, "held")] += holding.quantity
            more[(*whose, "earned")] += holding.realised
            for fee in holding.fees.values():
                more[(*whose, "paid in fees")] += fee
    for order, intent in intents.items():
        if not intent.state.is_submitted:
            yield f"{order} of {intent.client} is still {intent.state}"
        if kept.get(order) != intent:
            yield f"{order} of {intent.client} is kept as {kept.get(order)}, the journal has {intent}"
    units = {each.symbol: each.unit for each in world.simulator.okx.instruments}
    clients: dict[str, str] = {each.account: each.client for each in FOLLOWERS}
    for entry in world.simulator.okx.exchange.ledger.entries:
        if isinstance(entry, Executed) and (client := clients.get(entry.order.account)):
            execution, of = entry.execution, (client, entry.order.symbol)
            more[(*of, "held")] -= execution.size * entry.order.sign * units[entry.order.symbol]
            more[(*of, "earned")] -= execution.pnl
            more[(*of, "paid in fees")] -= execution.fee
    for (client, symbol, what), amount in more.items():
        if abs(amount) > _TOLERANCE:
            yield f"{client}, {symbol}: {amount} more {what} by our records than by the venue's"


def _corrected(seed: Seed) -> Seed:
    """Followers whose drift is corrected. Nobody else trades their accounts: whatever goes wrong on the way,
    there is never anything to correct, and an order that says otherwise is judged as a doubled one."""
    products = tuple(
        msgspec.structs.replace(
            product,
            subscriptions=tuple(
                msgspec.structs.replace(each, correction=Correction.CORRECT) for each in product.subscriptions
            ),
        )
        for product in seed.products
    )
    return msgspec.structs.replace(seed, products=products)


def _line(what: object) -> str:
    return _encoder.encode(what).decode()


def main() -> None:
    """`python -m services.local.simulate SEED` writes the trace of a seed as JSON."""
    sys.stdout.buffer.write(msgspec.json.encode(simulate(int(sys.argv[1]))))


if __name__ == "__main__":
    main()
