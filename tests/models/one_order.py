"""An explicit-state model of the copy protocol for one follower order, which runs the journal's own code.

Breadth-first over every interleaving of: two workers, one durable row, one venue. Each decision of a worker
is made by the function in `spider_common.domain.journal` that the service calls (`first_lease`, `renew`,
`request_expiry`, `can_take_over`, `take_over`, `accept`, `deny`, `doubt`, `miss`), so the model cannot drift
from the code. What the functions cannot hold by themselves are rules of the surroundings: the venue's expiry
and the conditional write. `Rules` carries all of them, so that a test can take one away.

Modelled:
- Clocks of the workers and the venue which differ pairwise by up to the skew.
- Requests that arrive at any time or never; replies that come late or never; an accepted order that stays
  invisible for up to the visibility bound; a venue that takes the same client id again (the worst case:
  a filled order's id is free again at OKX and Bitget).
- Pauses of any length between reading, deciding, writing and sending. A death is a pause without an end, a
  lost request is one that never arrives and a pause between signing and sending makes a late one, so none of
  these needs a move of its own.
- Conditional writes compared by the content of the row. That permits all that a version counter permits and
  more, so what holds here holds with one.

Not modelled: venue rejections, a third owner of a row, more than one order of a row, liveness (that every
order ends some time), and times past the horizon. For these and the client's queue see `two_events`.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final, NamedTuple

import msgspec

from spider_common.domain import journal
from spider_common.domain.intents import Doubt, Intent
from spider_common.domain.journal import JournalRow, Lease, Timing
from spider_common.domain.orders import CopyState
from spider_common.domain.reasons import Reason
from tests import strategies
from tests.models.exploring import Finding, Graph

TICK: Final = 10  # ns; finer than a tick, so that a test can make a bound vanish without making it zero
TIMING: Final = Timing(lease=6 * TICK, window=2 * TICK, skew=1 * TICK, visibility=2 * TICK)
HORIZON: Final = 16 * TICK

# the venue's clock is true; no two of the three differ by more than the skew
CLOCKS: Final = tuple((a * TICK, b * TICK) for a in (-1, 0, 1) for b in (-1, 0, 1) if abs(a - b) <= 1)


class Row(NamedTuple):
    """What of a `JournalRow` with one intent the protocol depends on."""

    fence: int
    ends: int
    state: CopyState
    expires: int = 0
    misses: int = 0


class Worker(NamedTuple):
    """A worker: where it stands, the row as it read it, the row it wants to write, its signed expiry."""

    at: str
    read: Row | None = None
    wants: Row | None = None
    expiry: int = 0


class State(NamedTuple):
    """Everything. `wire` has the expiries of requests under way, `orders` when each order becomes visible."""

    now: int
    clocks: tuple[int, int]
    workers: tuple[Worker, Worker]
    row: Row
    wire: tuple[int, ...] = ()
    orders: tuple[int, ...] = ()


class Rules(NamedTuple):
    """The protocol: the real functions, and what venue and store are relied on for."""

    request_expiry: Callable[[Lease, int, Timing], int | None] = journal.request_expiry
    can_take_over: Callable[[JournalRow, int, Timing], bool] = journal.can_take_over
    take_over: Callable[[JournalRow, str, int, Timing], JournalRow] = journal.take_over
    miss: Callable[[Intent, int, Timing], Intent] = journal.miss
    venue_takes: Callable[[int, int], bool] = lambda now, expiry: now <= expiry
    store_takes: Callable[[Row, Row], bool] = lambda stored, read: stored == read


_INTENT: Final = strategies.intent()


def _unpack(row: Row) -> JournalRow:
    doubt = None
    if row.state is CopyState.IN_DOUBT:
        doubt = Doubt(expires=row.expires, why="", since=0, misses=row.misses)
    intent = msgspec.structs.replace(_INTENT, state=row.state, doubt=doubt)
    lease = Lease(owner="", fence=row.fence, ends=row.ends)
    return msgspec.structs.replace(strategies.journal_row(intent), lease=lease)


def _pack(row: JournalRow, intent: Intent | None = None) -> Row:
    (kept,) = row.intents
    intent = intent or kept
    if intent.doubt is None:
        return Row(row.lease.fence, row.lease.ends, intent.state)
    return Row(row.lease.fence, row.lease.ends, intent.state, intent.doubt.expires, intent.doubt.misses)


class Protocol:
    """The moves of the model under some rules. Calls into the journal are memoised: there are few."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._accept = cache(lambda row: self._change(row, lambda intent: journal.accept(intent, None)))
        self._deny = cache(
            lambda row: self._change(row, lambda intent: journal.deny(intent, Reason.STALE_SIGNAL))
        )
        self._doubt = cache(
            lambda row, expires, now: self._change(
                row, lambda intent: journal.doubt(intent, why="", expires=expires, now=now)
            )
        )
        self._miss = cache(
            lambda row, asked: self._change(row, lambda intent: rules.miss(intent, asked, TIMING))
        )
        self._expiry = cache(lambda row, now: rules.request_expiry(_unpack(row).lease, now, TIMING))
        self._renew = cache(lambda row, now: _pack(journal.renew(_unpack(row), now, TIMING)))
        self._take = cache(
            lambda row, now: (
                _pack(rules.take_over(_unpack(row), "", now, TIMING))
                if rules.can_take_over(_unpack(row), now, TIMING)
                else None
            )
        )

    @staticmethod
    def _change(row: Row, change: Callable[[Intent], Intent]) -> Row:
        whole = _unpack(row)
        return _pack(whole, change(whole.intents[0]))

    def starts(self) -> Iterator[State]:
        """The first worker has just planned the order at time 0; that the time is 0 loses nothing."""
        for clocks in CLOCKS:
            lease = journal.first_lease("", clocks[0], TIMING)
            row = Row(lease.fence, lease.ends, CopyState.PLANNED)
            yield State(0, clocks, (Worker("ready", row), Worker("idle")), row)

    def moves(self, state: State) -> Iterator[tuple[str, State]]:
        """Every next state, with what happened."""
        if state.now < HORIZON:
            yield "", self._tick(state)
        for place, expiry in enumerate(state.wire):
            if self._rules.venue_takes(state.now, expiry):
                rest = state.wire[:place] + state.wire[place + 1 :]
                for lag in (0, TIMING.visibility):
                    visible = state.now + lag if lag else 0
                    orders = tuple(sorted((*state.orders, visible)))
                    yield (
                        f"t={state.now} accepted, visible {lag} later",
                        state._replace(wire=rest, orders=orders),
                    )
        for number, worker in enumerate(state.workers):
            now = state.now + state.clocks[number]
            for what, after, changed in self._steps(worker, now, state):
                workers = (after, state.workers[1]) if number == 0 else (state.workers[0], after)
                yield f"t={state.now} worker {number} {what}", changed._replace(workers=workers)

    def _tick(self, state: State) -> State:
        now = state.now + TICK
        wire = tuple(expiry for expiry in state.wire if self._rules.venue_takes(now, expiry))
        orders = tuple(sorted(0 if visible <= now else visible for visible in state.orders))
        return state._replace(now=now, wire=wire, orders=orders)

    def _steps(self, worker: Worker, now: int, state: State) -> Iterator[tuple[str, Worker, State]]:
        at, read = worker.at, worker.read
        if at == "idle":
            if not state.row.state.is_submitted and (taken := self._take(state.row, now)):
                yield "wants to take over", Worker("writes", state.row, taken), state
            return
        if read is None:
            return
        if at == "writes":
            wants = worker.wants
            assert wants is not None
            if self._rules.store_takes(state.row, read):
                next_at = {CopyState.PLANNED: "ready", CopyState.IN_DOUBT: "doubts"}.get(wants.state)
                done = Worker(next_at, wants) if next_at else Worker("out")
                yield f"writes {wants.state}", done, state._replace(row=wants)
            else:
                yield "is fenced out", Worker("out"), state
        elif at == "ready":
            yield "wants to drop it as stale", Worker("writes", read, self._deny(read)), state
            expiry = self._expiry(read, now)
            if expiry is None:
                yield "wants to renew", Worker("writes", read, self._renew(read, now)), state
            else:
                wire = tuple(sorted((*state.wire, expiry)))
                yield f"sends until {expiry}", Worker("sent", read, None, expiry), state._replace(wire=wire)
        elif at == "sent":
            if state.orders:
                yield "hears yes", Worker("writes", read, self._accept(read)), state
            yield "hears nothing", Worker("writes", read, self._doubt(read, worker.expiry, now)), state
        elif at == "doubts":
            if any(visible <= state.now for visible in state.orders):
                yield "finds it", Worker("writes", read, self._accept(read)), state
            elif (missed := self._miss(read, now)) != read:
                yield "does not find it", Worker("writes", read, missed), state


def doubled(state: State) -> str:
    """The law that matters most: never two orders. Empty when the state keeps it."""
    return "doubled" if len(state.orders) > 1 else ""


def broken(state: State) -> str:
    """The whole law: which part of it the state breaks. Empty when it keeps it."""
    if why := doubled(state):
        return why
    if state.row.state is CopyState.ACCEPTED and not state.orders:
        return "called accepted without an order"
    if state.row.state is CopyState.DENIED and state.orders:
        return "dropped although there is an order"
    return ""


def explore(rules: Rules, law: Callable[[State], str] = broken) -> Finding:
    """All states that can be reached, up to the first (by steps) that breaks the law."""
    protocol = Protocol(rules)
    return Graph(protocol.starts(), protocol.moves).find(law)
