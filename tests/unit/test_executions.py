"""What an order has come to does not depend on the order in which one hears of it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.executions import OrderProgress
from spider_common.domain.orders import CopyState, OrderFact, OrderStatus, Side
from tests.strategies import TS, amounts, execution, fact, quantities

some_facts = st.lists(
    st.builds(
        lambda status, filled, age: fact(status=status, cum_filled=filled, ts_venue=TS + age),
        st.sampled_from(OrderStatus),
        amounts,
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=6,
)
begun = st.sampled_from(CopyState).map(lambda state: OrderProgress(state=state))


def _after(progress: OrderProgress, facts: list[OrderFact]) -> OrderProgress:
    for each in facts:
        progress = progress.observe(each)
    return progress


@given(begun, some_facts, st.data())
def test_facts_in_any_order_and_number(
    begin: OrderProgress, facts: list[OrderFact], data: st.DataObject
) -> None:
    """Shuffled and repeated facts, even ones that contradict each other, come to the same."""
    repeats = data.draw(st.lists(st.sampled_from(facts), max_size=4))
    shuffled = data.draw(st.permutations([*facts, *repeats]))

    assert _after(begin, shuffled) == _after(begin, facts)


@given(begun, some_facts)
def test_progress_is_monotone(progress: OrderProgress, facts: list[OrderFact]) -> None:
    """The fill never shrinks, no state gets younger, and an order that is over stays over."""
    for each in facts:
        later = progress.observe(each)
        assert later.cum_filled == max(progress.cum_filled, each.cum_filled)
        assert later.state.is_final or not progress.state.is_final
        if later.state is progress.state:
            assert later.age >= progress.age
        progress = later


@pytest.mark.parametrize("state", [CopyState.REJECTED, CopyState.DENIED, CopyState.SKIPPED])
@given(facts=some_facts)
def test_what_was_never_sent_stays_so(state: CopyState, facts: list[OrderFact]) -> None:
    """No fact makes an order live that a venue refused or that we did not send; its fill is told though."""
    assert _after(OrderProgress(state=state), facts).state is state


def test_age_is_that_of_the_state() -> None:
    """A fact that does not carry the state does not lend it its time."""
    filled = fact(status=OrderStatus.FILLED, ts_venue=TS)
    late = fact(status=OrderStatus.LIVE, cum_filled=Decimal(0), ts_venue=TS + 9)

    progress = OrderProgress(state=CopyState.IN_DOUBT).observe(filled).observe(late)

    assert (progress.state, progress.cum_filled, progress.age) == (CopyState.FILLED, Decimal(1), TS)


@given(st.lists(quantities, max_size=6), some_facts, st.data())
def test_executions_and_facts_in_any_order(
    fills: list[Decimal], facts: list[OrderFact], data: st.DataObject
) -> None:
    """Executions add up; together with the facts they come to the same in any order."""
    begin = OrderProgress(state=CopyState.PLANNED)
    told: list[Decimal | OrderFact] = [*fills, *facts]
    mixed = data.draw(st.permutations(told))
    progress = begin
    for each in mixed:
        if isinstance(each, Decimal):
            progress = progress.execute(execution(quantity=each))
        else:
            progress = progress.observe(each)

    assert progress.executed == sum(fills)
    assert progress.cum_filled == max(sum(fills), *(each.cum_filled for each in facts))
    assert progress.state is _after(begin, facts).state


def test_signed() -> None:
    """A sell takes away."""
    assert execution(side=Side.SELL, quantity=Decimal(2)).signed == -2
