"""What goes wrong while real processes copy, drawn from one seed before it begins. Pure.

Each part of the system has troubles of its own, which strike one after the other: a service that is
still down is not killed again. Times are ns from the beginning.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Final, get_args

import msgspec

from services.local.faulty_proxy import Failure, Shares
from services.local.schedule import OF_ORDERS, OF_PUSHES, Longest, Moment, arm
from services.local.seed import Team
from services.simulator.actions import Action, AnnounceClose, Arm, DropSockets
from services.simulator.faults import Fault, FaultKind
from spider_common.clock import NS_PER_MS, NS_PER_S
from spider_common.domain.identifiers import Venue


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """A process dies (SIGKILL), and is started again after `down`."""

    at: int
    down: int


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """A process stands still (SIGSTOP) for `duration`, then goes on."""

    at: int
    duration: int


class Storm(msgspec.Struct, frozen=True, kw_only=True):
    """For `duration` these shares of AWS's answers go wrong."""

    at: int
    duration: int
    shares: Shares


class Troubles(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, each list in the order of time. `services` by name, `venues` the actions at each."""

    services: Mapping[str, Sequence[Kill | Pause]]
    redis: Sequence[Kill]
    aws: Sequence[Storm]
    venues: Mapping[Venue, Sequence[Moment]]


CALM: Final = Shares(**dict.fromkeys(get_args(Failure), 0.01))
"""Between storms one answer in twenty goes wrong: more than AWS's worst days."""
KILLS_OF_OMS: Final = 5
PAUSES_OF_OMS: Final = 2
_KILLS_OF_INGEST: Final = 2
_PAUSES_OF_INGEST: Final = 1
_RESTARTS_OF_REDIS: Final = 3
_STORMS: Final = 5
_OF_LEADERS: Final[Sequence[FaultKind]] = ("duplicate_push", "overtake_push", "drop_sockets")
_LONGEST_DOWN: Final = 3 * NS_PER_S
_LONGEST_STORM: Final = 3 * NS_PER_S
_PAST_THE_LEASE: Final = (NS_PER_S // 2, 3 * NS_PER_S)
# Past the times that the local order service runs with, for the same reasons as in a simulated hour.
_LONGEST: Final = Longest(
    late_reply=4 * NS_PER_S, hold_request=3 * NS_PER_S, maintenance=2 * NS_PER_S, hide_order=500 * NS_PER_MS
)


def draw_troubles(
    rng: random.Random,
    *,
    length: int,
    teams: Sequence[Team],
    order_services: Sequence[str],
    ingest: str,
    lease: int,
) -> Troubles:
    """Troubles over `length`: of every kind some, at random moments."""

    def moment() -> int:
        return rng.randrange(length)

    def of_service(kills: int, pauses: int) -> list[Kill | Pause]:
        deaths = [_kill(rng, moment()) for _ in range(kills)]
        longest = [lease + rng.randint(*_PAST_THE_LEASE) for _ in range(pauses)]
        stops = [Pause(at=moment(), duration=duration) for duration in longest]
        return sorted([*deaths, *stops], key=lambda strike: strike.at)

    services = {name: of_service(KILLS_OF_OMS, PAUSES_OF_OMS) for name in order_services}
    services[ingest] = of_service(_KILLS_OF_INGEST, _PAUSES_OF_INGEST)
    redis = sorted((_kill(rng, moment()) for _ in range(_RESTARTS_OF_REDIS)), key=lambda kill: kill.at)
    storms = sorted((_storm(rng, moment()) for _ in range(_STORMS)), key=lambda storm: storm.at)
    venues = {}
    for venue in Venue:
        leaders = [team.leader for team in teams if team.venue is venue]
        followers = [each.account for team in teams for each in team.followers if each.venue is venue]
        moments = [Moment(at=moment(), actions=each) for each in _faults(rng, leaders, followers)]
        venues[venue] = sorted(moments, key=lambda each: each.at)
    return Troubles(services=services, redis=redis, aws=storms, venues=venues)


def _kill(rng: random.Random, at: int) -> Kill:
    return Kill(at=at, down=rng.choice([0, rng.randint(0, _LONGEST_DOWN)]))


def _storm(rng: random.Random, at: int) -> Storm:
    """Half of the answers go wrong, or none arrives."""
    each = dict.fromkeys(get_args(Failure), 0.1)
    shares = rng.choice([Shares(**each), Shares(reset=1.0), Shares(fail=1.0)])
    return Storm(at=at, duration=rng.randint(NS_PER_S, _LONGEST_STORM), shares=shares)


def _faults(rng: random.Random, leaders: Sequence[str], followers: Sequence[str]) -> list[tuple[Action, ...]]:
    """A venue's faults. Each kind that followers meet is there twice, whatever the seed."""
    faults: list[tuple[Action, ...]] = [
        (arm(rng, kind, rng.choice(followers), _LONGEST),) for kind in (*OF_ORDERS, *OF_PUSHES) for _ in "ab"
    ]
    for kind in ("lose_reply", "error_with_effect"):  # accepted, and neither heard of nor to be seen
        account, nth = rng.choice(followers), rng.randint(1, 3)
        hidden = Fault(kind="hide_order", account=account, nth=nth, delay=_LONGEST.hide_order)
        faults.append((Arm(fault=hidden), Arm(fault=Fault(kind=kind, account=account, nth=nth))))
    for (
        leader
    ) in leaders:  # the last push of an order may come late, but not be lost: see schedule._of_leader
        of_leader = [Fault(kind=kind, account=leader, nth=rng.randint(1, 3)) for kind in _OF_LEADERS]
        faults += [*((Arm(fault=fault),) for fault in of_leader), (AnnounceClose(account=leader),)]
    return [
        *faults,
        (DropSockets(account=rng.choice(followers)),),
        (AnnounceClose(account=rng.choice(followers)),),
    ]
