"""The one table of what may follow what."""

import itertools
from decimal import Decimal

import pytest

from spider_common.domain.orders import (
    TRANSITIONS,
    CopyState,
    ForbiddenTransition,
    OrderStatus,
    Side,
    step,
)
from tests.strategies import TS, fact


def test_every_state_stands_in_the_table() -> None:
    """No state is without its row, and nothing but states follow."""
    assert set(TRANSITIONS) == set(CopyState)
    assert set().union(*TRANSITIONS.values()) <= set(CopyState)


@pytest.mark.parametrize(("before", "after"), [*itertools.product(CopyState, CopyState)])
def test_step_is_the_table(before: CopyState, after: CopyState) -> None:
    """What the table allows is done; the rest is refused and the error says what would be allowed."""
    if after in TRANSITIONS[before]:
        assert step(before, after) is after
    else:
        with pytest.raises(ForbiddenTransition, match=f"{before} cannot become {after}; allowed: "):
            step(before, after)


@pytest.mark.parametrize(
    "state", [CopyState.FILLED, CopyState.CANCELED, CopyState.REJECTED, CopyState.DENIED, CopyState.SKIPPED]
)
def test_terminal_states_have_no_successors(state: CopyState) -> None:
    """Nothing follows what is over."""
    assert state.is_final
    assert state.is_submitted
    assert not TRANSITIONS[state]


def test_every_state_can_be_reached() -> None:
    """From PLANNED everything but SKIPPED, with which an order begins and ends."""
    reached = {CopyState.PLANNED}
    while more := set().union(*(TRANSITIONS[state] for state in reached)) - reached:
        reached |= more

    assert reached == set(CopyState) - {CopyState.SKIPPED}


def test_the_outcome_of_a_submission_is_never_unlearned() -> None:
    """No way leads back from a submitted state to one in which something might be sent."""
    for state in CopyState:
        if state.is_submitted:
            assert all(after.is_submitted for after in TRANSITIONS[state])


def test_a_held_order_was_not_sent() -> None:
    """HELD becomes PLANNED (and durable) before it can become anything that a venue tells."""
    assert TRANSITIONS[CopyState.HELD] == {CopyState.PLANNED, CopyState.DENIED}


def test_an_unknown_outcome_is_never_a_failure() -> None:
    """An order in doubt ends by what its venue tells, or is proved absent and PLANNED again; we cannot
    call it off meanwhile."""
    assert CopyState.DENIED not in TRANSITIONS[CopyState.IN_DOUBT]


def test_age_key_orders_a_life() -> None:
    """Placed, partly filled, more filled, done: each key above the one before, whatever the clock says."""
    life = [
        fact(status=OrderStatus.LIVE, cum_filled=Decimal(0), ts_venue=TS + 9),
        fact(status=OrderStatus.PARTIALLY_FILLED, cum_filled=Decimal("0.2"), ts_venue=TS),
        fact(status=OrderStatus.PARTIALLY_FILLED, cum_filled=Decimal("0.5"), ts_venue=TS),
        fact(status=OrderStatus.PARTIALLY_FILLED, cum_filled=Decimal("0.5"), ts_venue=TS + 1),
        fact(status=OrderStatus.CANCELED, cum_filled=Decimal("0.5"), ts_venue=TS),
    ]

    assert [each.age_key for each in life] == sorted(each.age_key for each in life)
    assert len({each.age_key for each in life}) == len(life)


def test_final_statuses_rank_last() -> None:
    """A final status outranks every other."""
    for one, two in itertools.product(OrderStatus, OrderStatus):
        if two.is_final and not one.is_final:
            assert one.rank < two.rank


def test_sides() -> None:
    """Buying adds, selling takes away."""
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
