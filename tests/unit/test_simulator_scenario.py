"""Laws of the scripted leader session."""

import random
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.simulator.accounts import Credentials, net_size
from services.simulator.actions import Arm, DropSockets, OpenAccount, Place, apply
from services.simulator.instruments import OKX_INSTRUMENTS
from services.simulator.ledger import Amended, Canceled, Executed, Placed, Rejected, to_json
from services.simulator.scenario import Pause, leader_session
from services.simulator.venue import Venue

SWAPS = tuple(item for item in OKX_INSTRUMENTS if item.kind == "swap")


class StillClock:
    def now(self):
        return 1


def session(seed, rounds=1):
    return leader_session(random.Random(seed), SWAPS, leader="leader", rounds=rounds)


def played(steps):
    venue = Venue("okx", OKX_INSTRUMENTS, StillClock())
    cash = {"USDT": Decimal(10_000_000)}
    apply(venue, OpenAccount(name="leader", credentials=Credentials("k", "s", "p"), balances=cash))
    for step in steps:
        if not isinstance(step, Pause):
            apply(venue, step)
    return venue


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 2))
def test_a_session_is_a_whole_days_work(seed, rounds):
    """At least 40 orders, with partial fills, an amendment, cancellations, opens, closes and a flip; nothing
    refused; the last instrument ends flat and the others do not; a doubled push and a socket drop are in it.
    """
    steps = session(seed, rounds)
    venue = played(steps)
    entries = venue.exchange.ledger.entries
    kinds = Counter(type(entry) for entry in entries)
    assert kinds[Placed] >= 40
    assert kinds[Rejected] == 0
    assert kinds[Amended] >= 1
    assert kinds[Canceled] >= 2
    assert any(isinstance(e, Executed) and e.order.status == "partially_filled" for e in entries)
    leader = venue.exchange.accounts["leader"]
    held = {item.symbol: net_size(leader, item.symbol) for item in SWAPS}
    assert [bool(held[item.symbol]) for item in SWAPS] == [True, True, True, False]
    assert not venue.exchange.open_orders(leader)
    signs = Counter()
    for item in SWAPS:
        position = Decimal(0)
        for entry in entries:
            if isinstance(entry, Executed) and entry.order.symbol == item.symbol:
                before, position = position, position + entry.execution.size * entry.order.sign
                signs["flip" if before * position < 0 else "close" if not position else "other"] += 1
    assert signs["flip"] >= 1
    assert signs["close"] >= 1
    assert sum(isinstance(step, DropSockets) for step in steps) == 1
    assert sum(isinstance(step, Arm) and step.fault.kind == "duplicate_push" for step in steps) == 1


def test_a_session_is_its_seed():
    """The same seed tells the same story and leaves the same ledger; another seed another."""
    assert session(1) == session(1)
    assert session(1) != session(2)
    ledgers = [to_json(played(session(1)).exchange.ledger.entries) for _ in range(2)]
    assert ledgers[0] == ledgers[1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rounds_make_a_session_longer(seed):
    """Each round adds 13 orders an instrument."""
    orders = [sum(isinstance(step, Place) for step in session(seed, rounds)) for rounds in (1, 2, 3)]
    assert orders == [13 * 4 + 1, 26 * 4 + 1, 39 * 4 + 1]
