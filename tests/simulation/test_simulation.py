"""Laws of the whole system in one process. What would make it impossible to repeat a run fails here."""

from decimal import Decimal

import msgspec
import pytest

from services.local.schedule import Length, Moment, Schedule, Stop
from services.local.seed import LEADER
from services.local.seeds import Verdict, first_difference, run_twice
from services.local.simulate import Trace, hour, simulate
from services.simulator.actions import Action, Arm, DropSockets, Place, SetPrice
from services.simulator.faults import Fault
from services.simulator.okx import rest
from services.simulator.rules import NewOrder
from spider_common.clock import NS_PER_S
from spider_common.domain import journal
from spider_common.domain.orders import CopyState, step
from spider_common.venues.okx.client import OkxClient
from spider_common.venues.venue import Told

BTC = "BTC-USDT-SWAP"
ANA = "okx-ana"
FOLLOWERS = 5


def buy(size: str = "10") -> Place:
    order = NewOrder(symbol=BTC, side="buy", kind="market", size=Decimal(size))
    return Place(account=LEADER, order=order)


def arm(kind: str, *, seconds: float = 0, account: str = ANA) -> Arm:
    return Arm(fault=Fault(kind=kind, account=account, delay=round(seconds * NS_PER_S)))


def at(second: float, *actions: Action, stops: tuple[Stop, ...] = ()) -> Moment:
    return Moment(at=round(second * NS_PER_S), actions=actions, stops=stops)


def scripted(*moments: Moment, seconds: int = 180) -> Schedule:
    return Schedule(services=("ingest", "oms-a", "oms-b"), moments=moments, ends=seconds * NS_PER_S)


def counts(trace: Trace) -> tuple[int, int, int]:
    return trace.lost, trace.duplicated, len(trace.unsettled)


def test_one_seed_copies_one_order() -> None:
    """Law: one leader order becomes one order of each follower, and our records say what the venue's do."""
    trace = simulate(1, scripted(at(0, buy())))
    assert (trace.events, trace.copies) == (1, FOLLOWERS)
    assert counts(trace) == (0, 0, 0), trace.unsettled


def test_a_session_with_a_socket_drop_and_a_lost_reply_is_copied_once() -> None:
    """Law: broken sockets of the leader and an answer that never comes neither lose nor double a copy."""
    session = hour(2, length=Length(whole=600 * NS_PER_S, faults=0, stops=0))
    middle = session.moments[len(session.moments) // 2].at / NS_PER_S
    trouble = [at(middle, DropSockets(account=LEADER)), at(middle, arm("lose_reply"))]
    moments = sorted([*trouble, *session.moments], key=lambda moment: moment.at)
    trace = simulate(2, msgspec.structs.replace(session, moments=tuple(moments)))
    assert "in_doubt" in trace.text
    assert "session.ended" in trace.text
    assert counts(trace) == (0, 0, 0), trace.unsettled


@pytest.mark.parametrize("seed", [3, 113])
async def test_a_seed_is_copied_once_and_repeats_itself(seed: int) -> None:
    """Law: a troubled hour loses and doubles nothing, and two processes tell of it in the same bytes."""
    verdict = await run_twice(seed)
    assert verdict.is_right, str(verdict)


def test_another_seed_is_another_hour() -> None:
    """Law: chance comes from the seed: two of them draw different hours and tell different traces."""
    assert hour(1) != hour(2)
    schedule = scripted(at(0, buy()))
    assert simulate(1, schedule).text != simulate(2, schedule).text


# What a broken rule leads to, each in the smallest schedule that shows it, which the rule itself survives.

HIDDEN = scripted(at(0, arm("hide_order", seconds=2.9), arm("lose_reply"), buy()), at(60, buy("3")))
HELD = scripted(at(0, arm("hold_request", seconds=6), buy()), at(60, buy("3")))
LATE_AND_HIDDEN = scripted(
    at(0, arm("hold_request", seconds=1.9), arm("hide_order", seconds=2.9), arm("lose_reply"), buy()),
    at(60, buy("3")),
)
BROKEN_GATEWAY = scripted(at(0, arm("error_without_effect"), buy()), at(60, buy("3")))
DEAF = scripted(at(0, DropSockets(account=LEADER), buy()), at(60, buy("3")))


def resubmit_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def miss(intent, asked, timing):
        return msgspec.structs.replace(intent, state=step(intent.state, CopyState.PLANNED), doubt=None)

    monkeypatch.setattr(journal, "miss", miss)


def wait_no_visibility(monkeypatch: pytest.MonkeyPatch) -> None:
    proper = journal.miss

    def miss(intent, asked, timing):
        return proper(intent, asked, msgspec.structs.replace(timing, visibility=1))

    monkeypatch.setattr(journal, "miss", miss)


def ignore_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_time(call, code):
        return None

    monkeypatch.setattr(rest, "_in_time", in_time)


def take_unknown_for_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubt(intent, *, why, expires, now):
        return journal.reject(intent, why)

    monkeypatch.setattr(journal, "doubt", doubt)


def sweep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sweep(self, credentials, account, *, since):
        return Told()

    monkeypatch.setattr(OkxClient, "sweep", sweep)


@pytest.mark.parametrize(
    ("schedule", "broken", "count"),
    [
        (HIDDEN, resubmit_at_once, "duplicated"),
        (HELD, ignore_expiry, "duplicated"),
        (LATE_AND_HIDDEN, wait_no_visibility, "duplicated"),
        (BROKEN_GATEWAY, take_unknown_for_failure, "lost"),
        (DEAF, sweep_nothing, "lost"),
    ],
)
def test_a_broken_rule_is_caught(schedule, broken, count, monkeypatch) -> None:
    """Law: a schedule that the protocol survives is lost or doubled once one of its rules is taken away."""
    assert counts(simulate(5, schedule)) == (0, 0, 0)
    broken(monkeypatch)
    assert getattr(simulate(5, schedule), count) > 0


def test_an_order_that_rested_for_long_is_found_by_the_sweep() -> None:
    """Law: a fill that no socket told of is copied, however long before the order was placed."""
    limit = NewOrder(
        symbol=BTC, side="buy", kind="limit", size=Decimal(10), price=Decimal(59_000), client_order_id="l1"
    )
    touch = SetPrice(symbol=BTC, price=Decimal(59_000))
    schedule = scripted(
        at(0, Place(account=LEADER, order=limit)), at(300, DropSockets(account=LEADER), touch), seconds=400
    )
    trace = simulate(6, schedule)
    assert trace.copies == FOLLOWERS
    assert counts(trace) == (0, 0, 0), trace.unsettled


def test_traces_that_differ_are_told_apart() -> None:
    """Law: a run is wrong when a process told another trace; the first line that differs is shown."""
    trace = simulate(1, scripted(at(0, buy()), seconds=20))
    difference = first_difference(trace.text, trace.text.replace("copied", "capied"))
    assert "capied" in difference
    assert not Verdict(1, trace, difference).is_right
    assert first_difference(trace.text, trace.text) == ""
