"""What happens in a simulated hour, drawn from one seed before it begins. Pure.

A leader session is spread over the hour with quiet stretches in between, so that heartbeats, sweeps
and leases run as they do on a slow day. Faults strike beside it, and services die in the middle of
their work.
"""

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal

import msgspec

from services.simulator.actions import Action, AnnounceClose, Arm, DropSockets, Place, SetPrice
from services.simulator.faults import Fault, FaultKind
from services.simulator.instruments import Instrument
from services.simulator.scenario import Pause, Step, leader_session
from spider_common.clock import NS_PER_S
from spider_common.domain.journal import Timing

Service = Literal["oms-a", "oms-b", "ingest"]


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A service ends, and a new one takes its place.

    Attributes:
        steps: how many turns of the scheduler after its moment: what is killed is in the middle of something.
        down: how long there is none in its place, ns.
        drains: it is asked to stop and finishes its work; otherwise it dies on the spot.
    """

    service: Service
    steps: int
    down: int
    drains: bool


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What happens at a time, ns from the beginning. `actions` come one after the other without a pause."""

    at: int
    actions: tuple[Action, ...] = ()
    stops: tuple[Stop, ...] = ()


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A session from its first moment to the end of everything. `services` run from the beginning."""

    services: tuple[Service, ...]
    moments: tuple[Moment, ...]
    ends: int


class Length(msgspec.Struct, frozen=True, kw_only=True):
    """How long a session is, and how troubled.

    Attributes:
        rounds: of `leader_session`; 52 leader orders each.
        whole: from begin to end, ns.
        quiet_end: time at the end in which nothing goes wrong any more and every doubt is settled, ns.
        stretches: quiet stretches that share the time in which nothing is traded.
        faults, stops: how many of each.
    """

    rounds: int = 1
    whole: int = 3_600 * NS_PER_S
    quiet_end: int = 300 * NS_PER_S
    stretches: int = 8
    faults: int = 60
    stops: int = 14


HOUR: Final = Length()

OF_ORDERS: Final[Sequence[FaultKind]] = (
    "lose_reply",
    "late_reply",
    "error_with_effect",
    "error_without_effect",
    "hold_request",
    "hide_order",
    "maintenance",
)
OF_PUSHES: Final[Sequence[FaultKind]] = ("duplicate_push", "drop_push", "overtake_push", "drop_sockets")
_LOSES_ANSWER: Final[Sequence[FaultKind]] = ("lose_reply", "error_with_effect", "late_reply")
_DEEPEST: Final = 400  # turns of the scheduler; a beat with its copies takes about as many
_LONGEST_DOWN: Final = 40 * NS_PER_S


def draw(
    rng: random.Random,
    *,
    instruments: Sequence[Instrument],
    leader: str,
    followers: Sequence[str],
    timing: Timing,
    length: Length = HOUR,
) -> Schedule:
    """A schedule with its faults."""
    beats = _beats(leader_session(rng, instruments, leader=leader, rounds=length.rounds))
    moments = _spread(rng, beats, length)
    services: tuple[Service, ...] = (
        ("ingest", "oms-a", "oms-b") if rng.random() < 0.5 else ("ingest", "oms-a")
    )
    trouble = _Trouble(rng, services=services, leader=leader, followers=followers, timing=timing)
    faults = [trouble.fault(moments, number) for number in _places(rng, length.faults, len(moments))]
    stops = [
        Moment(at=moments[number].at, stops=(trouble.stop(),))
        for number in _places(rng, length.stops, len(moments))
    ]
    # sorted() keeps what comes at one time in this order: faults are armed before what they strike, and
    # a service dies after it has been given something to do
    ordered = sorted([*faults, *moments, *stops], key=lambda moment: moment.at)
    return Schedule(services=services, moments=tuple(ordered), ends=length.whole)


def _places(rng: random.Random, count: int, among: int) -> list[int]:
    return sorted(rng.randrange(among) for _ in range(count))


def _beats(steps: Sequence[Step]) -> list[tuple[int, tuple[Action, ...]]]:
    """The actions between pauses, with the pause (ns) before them."""
    beats: list[tuple[int, tuple[Action, ...]]] = []
    pause, actions = 0, list[Action]()
    for step in steps:
        if isinstance(step, Pause):
            beats.append((pause, tuple(actions)))
            pause, actions = step.duration, []
        else:
            actions.append(step)
    return [*beats, (pause, tuple(actions))]


def _spread(
    rng: random.Random, beats: Sequence[tuple[int, tuple[Action, ...]]], length: Length
) -> list[Moment]:
    """The beats with quiet stretches among them, so that they end where the quiet end begins."""
    idle = length.whole - length.quiet_end - sum(pause for pause, _ in beats)
    cuts = sorted(rng.randint(0, idle) for _ in range(length.stretches - 1))
    stretches = [end - begin for begin, end in zip([0, *cuts], [*cuts, idle], strict=True)]
    before = _places(rng, length.stretches, len(beats))
    moments = []
    at = 0
    for number, (pause, actions) in enumerate(beats):
        at += pause
        while before and before[0] == number:
            before.pop(0)
            at += stretches.pop()
        moments.append(Moment(at=at, actions=actions))
    return moments


class Longest(msgspec.Struct, frozen=True, kw_only=True):
    """The longest delays of faults that take their time, ns.

    Attributes:
        late_reply: past the deadline for an answer, so that some come after it.
        hold_request: past every request's expiry.
        maintenance: short of the time after which an opening order is stale.
        hide_order: at most the protocol's visibility: longer would break what the venue is known to keep.
    """

    late_reply: int = 8 * NS_PER_S
    hold_request: int = 6 * NS_PER_S
    maintenance: int = 20 * NS_PER_S
    hide_order: int


def arm(rng: random.Random, kind: FaultKind, account: str, longest: Longest) -> Arm:
    """A fault of a kind that strikes one of the next pushes to an account, or of its next orders."""
    limit: int = getattr(longest, kind, 0)
    delay = rng.randint(1, limit) if limit else 0
    nth, times = rng.randint(1, 3), rng.choice([1, 1, 2])
    return Arm(fault=Fault(kind=kind, account=account, nth=nth, times=times, delay=delay))


class _Trouble:
    """Draws what goes wrong."""

    def __init__(
        self,
        rng: random.Random,
        *,
        services: Sequence[Service],
        leader: str,
        followers: Sequence[str],
        timing: Timing,
    ) -> None:
        self._rng, self._longest = rng, Longest(hide_order=timing.visibility)
        self._services, self._leader, self._followers = services, leader, followers

    def fault(self, moments: Sequence[Moment], number: int) -> Moment:
        """One fault at a moment of the session, or some that only matter together."""
        moment, rng = moments[number], self._rng
        account = rng.choice(self._followers)
        match rng.randrange(10):
            case 0:
                actions: tuple[Action, ...] = (DropSockets(account=rng.choice([account, self._leader])),)
            case 1:
                actions = (AnnounceClose(account=rng.choice([account, self._leader])),)
            case 2 | 3:
                actions = self._of_leader(moment)
            case 4:
                kind = rng.choice(OF_PUSHES)
                actions = (arm(rng, kind, account, self._longest),)
            case 5 | 6:  # an accepted order that nobody hears of, and that cannot be seen either
                kind = rng.choice(_LOSES_ANSWER)
                hidden, lost = (arm(rng, each, account, self._longest) for each in ("hide_order", kind))
                nth = rng.randint(1, 3)
                actions = tuple(
                    Arm(fault=msgspec.structs.replace(each.fault, nth=nth, times=1))
                    for each in (hidden, lost)
                )
            case _:
                actions = (arm(rng, rng.choice(OF_ORDERS), account, self._longest),)
        return Moment(at=moment.at, actions=actions)

    def stop(self) -> Stop:
        rng = self._rng
        return Stop(
            service=rng.choice([*self._services, "oms-a"]),
            steps=rng.randint(0, _DEEPEST),
            down=rng.choice([0, rng.randint(0, _LONGEST_DOWN)]),
            drains=rng.random() < 0.2,
        )

    def _of_leader(self, moment: Moment) -> tuple[Action, ...]:
        """A fault of the leader's pushes. What is dropped is made up by a later push of the same order.

        Not in the schedule: the last push of an order gets lost on a socket that stays open. No client
        can know before it asks, so the copy is late by up to a sweep's period. If the leader trades the
        instrument again before, the copies come in another order than the leader's fills. They end where
        they should (`Book.fill`), but a judge that goes by the path calls the way there wrong.
        """
        rng = self._rng
        kinds: list[FaultKind] = ["duplicate_push", "overtake_push", "drop_sockets"]
        if any(isinstance(action, Place) for action in moment.actions):
            kinds.append("drop_push")  # of the placement; its fills follow
        kind = rng.choice(kinds)
        if kind == "drop_push" and any(_takes_parts(action) for action in moment.actions):
            nth = rng.randint(1, 2)
        else:
            nth = 1 if kind == "drop_push" else rng.randint(1, 3)
        return (Arm(fault=Fault(kind=kind, account=self._leader, nth=nth)),)


def _takes_parts(action: Action) -> bool:
    """Whether what comes next finds little at the price, so that a market order fills in parts."""
    return isinstance(action, SetPrice) and action.depth is not None and action.depth > Decimal(0)
