"""Whatever becomes of the pushes on their way, with one sweep they say what the complete stream says."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spider_common.domain.instruments import Instrument
from spider_common.domain.orders import OrderFact
from spider_common.venues.venue import Told
from tests.venues.bench import DIALECTS, Dialect
from tests.venues.recordings import Recording, instruments, record, together

SEEDS = st.integers(1, 4)
dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.venue)


def newest(told: Told) -> dict[str, OrderFact]:
    """The newest fact of each order: what a planner has gone by in the end."""
    return {fact.venue_order_id: fact for fact in sorted(told.facts, key=lambda fact: fact.age_key)}


def fills(told: Told) -> dict[tuple[str, str], Decimal]:
    return {(each.venue_order_id, each.trade_id): each.signed for each in told.executions}


def mangled(data: st.DataObject, recording: Recording) -> list[str | bytes]:
    """The pushes in another order, some twice or more, some not at all."""
    pushes = data.draw(st.permutations(recording.pushes))
    repeats = data.draw(st.lists(st.integers(0, 3), min_size=len(pushes), max_size=len(pushes)))
    return [push for push, times in zip(pushes, repeats, strict=True) for _ in range(times)]


@dialects
def test_a_recording_has_a_life_in_it(dialect: Dialect) -> None:
    """Otherwise the laws below would hold for nothing: some dozen orders, all ways to end, changed prices."""
    recording = record(dialect, 1)
    complete = recording.replay(recording.pushes)
    last = newest(complete).values()
    assert len(last) >= 26
    assert {fact.status for fact in last} >= {"filled", "canceled", "triggered"}
    assert any(fact.waits for fact in last)
    assert any(0 < fact.cum_filled < fact.quantity for fact in last)
    assert len({fact.event_id for fact in complete.facts}) > 2 * len(last)
    assert complete.positions
    assert recording.swept.equities


@dialects
@settings(max_examples=40)
@given(seed=SEEDS, data=st.data())
def test_any_order_repeats_and_losses_end_in_the_same_facts(
    dialect: Dialect, seed: int, data: st.DataObject
) -> None:
    """With one sweep: the same newest event of each order, the same cumulative fill, no event of its own."""
    recording = record(dialect, seed)
    complete = recording.replay(recording.pushes)
    heard = together(recording.replay(mangled(data, recording)), recording.swept)
    want, have = newest(complete), newest(heard)
    assert {name: fact.event_id for name, fact in have.items()} == {
        name: fact.event_id for name, fact in want.items()
    }
    assert {name: fact.cum_filled for name, fact in have.items()} == {
        name: fact.cum_filled for name, fact in want.items()
    }
    assert {fact.event_id for fact in heard.facts} <= {fact.event_id for fact in complete.facts}


@dialects
@settings(max_examples=40)
@given(seed=SEEDS, data=st.data())
def test_any_order_repeats_and_losses_end_in_the_same_fills(
    dialect: Dialect, seed: int, data: st.DataObject
) -> None:
    """With one sweep: each execution under the same key with the same signed quantity, and they add up."""
    recording = record(dialect, seed)
    heard = together(recording.replay(mangled(data, recording)), recording.swept)
    complete = together(recording.replay(recording.pushes), recording.swept)
    assert fills(heard) == fills(complete) == fills(recording.swept)
    filled = {name: fact.cum_filled for name, fact in newest(heard).items() if fact.cum_filled}
    summed: dict[str, Decimal] = {}
    for (order, _), signed in fills(heard).items():
        summed[order] = summed.get(order, Decimal(0)) + abs(signed)
    assert summed == filled


@settings(max_examples=300)
@given(data=st.data(), lots=st.integers(1, 10**12))
def test_size_to_base_and_back_is_exact(data: st.DataObject, lots: int) -> None:
    """For every instrument that a simulator lists, whatever its contract, to the last digit."""
    listed: Instrument = data.draw(st.sampled_from(instruments()))
    size = listed.lot * lots
    quantity = listed.to_base(size)
    assert listed.to_size(quantity) == size
    assert quantity == size * listed.contract_size
    # of a quantity between two lots the smaller is taken
    assert listed.to_size(quantity + listed.lot_base / 2) == size


def test_every_simulated_swap_is_among_them() -> None:
    """Four swaps at each of the venues; contracts at OKX, base coin elsewhere."""
    contracts = {(each.venue, each.base): each.contract_size for each in instruments()}
    assert len(contracts) == 4 * len(DIALECTS)
    assert contracts["okx", "DOGE"] == 1000
    assert {size for (venue, _), size in contracts.items() if venue != "okx"} == {1}
