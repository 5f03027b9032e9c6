"""Troubles are drawn whole, in order and within their time, from any seed."""

import random

from hypothesis import given
from hypothesis import strategies as st

from services.local.chaos import TEAMS
from services.local.schedule import OF_ORDERS, OF_PUSHES
from services.local.trouble import KILLS_OF_OMS, Kill, Pause, draw_troubles
from services.simulator.actions import Arm
from spider_common.clock import NS_PER_S
from spider_common.domain.identifiers import Venue

LENGTH, LEASE = 70 * NS_PER_S, 3 * NS_PER_S


def drawn(seed):
    return draw_troubles(
        random.Random(seed),
        length=LENGTH,
        teams=TEAMS,
        order_services=["a", "b"],
        ingest="ingest",
        lease=LEASE,
    )


@given(st.integers())
def test_every_part_has_its_troubles_in_their_order(seed):
    """Law: each list is sorted within the length; pauses outlast the lease; one seed draws the same again."""
    troubles = drawn(seed)
    assert troubles == drawn(seed)
    lists = [*troubles.services.values(), troubles.redis, troubles.aws, *troubles.venues.values()]
    for strikes in lists:
        times = [strike.at for strike in strikes]
        assert times
        assert times == sorted(times)
        assert 0 <= times[0] <= times[-1] < LENGTH
    for strikes in troubles.services.values():
        assert all(strike.duration > LEASE for strike in strikes if isinstance(strike, Pause))
        assert {type(strike) for strike in strikes} == {Kill, Pause}
    deaths = [each for name in "ab" for each in troubles.services[name] if isinstance(each, Kill)]
    assert len(deaths) == 2 * KILLS_OF_OMS


@given(st.integers())
def test_every_kind_of_fault_is_armed_at_every_venue(seed):
    """Law: at each venue followers meet each kind, and no push of a leader is lost on a socket that stays."""
    leaders = {team.leader for team in TEAMS}
    for venue in Venue:
        actions = [action for moment in drawn(seed).venues[venue] for action in moment.actions]
        faults = [action.fault for action in actions if isinstance(action, Arm)]
        assert {fault.kind for fault in faults if fault.account not in leaders} == {*OF_ORDERS, *OF_PUSHES}
        of_leaders = [fault for fault in faults if fault.account in leaders]
        assert "drop_push" not in {fault.kind for fault in of_leaders}
        assert {fault.times for fault in of_leaders} == {1}
        assert all(fault.delay <= NS_PER_S // 2 for fault in faults if fault.kind == "hide_order")
