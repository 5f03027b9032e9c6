"""The planner's laws: level-triggered, conservative, the same for the same facts, whatever the shards."""

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spider_common.domain.intents import Intent
from spider_common.domain.orders import CopyState, OrderFact, PositionSide, Side
from spider_common.domain.planning import Plan, plan
from spider_common.domain.positions import LegKind
from spider_common.domain.products import FixedRatio, Product
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason
from tests.desk import Desk, LeaderOrder, follower, histories, instruments, net_orders, product_of, told_of

lots = st.sampled_from(["0.001", "0.003", "0.01", "1"])
minimums = st.sampled_from([1, 3, 10])
History = list[LeaderOrder]


def _everyone() -> Product:
    """Ratios above, below and of one; all hedged, so that a leader of either mode can be copied."""
    ratios = {"alice": "1", "bob": "0.37", "carol": "2.5", "dave": "0.0013", "erin": "0.5"}
    return product_of(*(follower(name, ratio, hedge_mode=True) for name, ratio in ratios.items()))


@given(histories)
def test_plans_are_the_same_each_time(history: History) -> None:
    """Two desks that see the same facts plan the same orders with the same ids, in the same order."""
    one, two = Desk(_everyone()), Desk(_everyone())

    for life in told_of(history):
        for told in life:
            assert one.see(told) == two.see(told)
    ids = [intent.client_order_id for intent in one.intents]
    assert len(set(ids)) == len(ids)


@given(histories)
def test_facts_seen_again_plan_nothing(history: History) -> None:
    """A repeated or older fact is told apart as what it is, under its own id or another."""
    desk = Desk(_everyone())
    lives = told_of(history)
    for life in lives:
        desk.see_all(life)

    for life in lives:
        assert desk.see(life[-1]) is Reason.NO_NEW_FILL
        for told in life[:-1]:
            assert desk.see(told) is Reason.OLDER_FACT


@given(histories, lots, st.data())
def test_a_missed_push_is_made_up(history: History, lot: str, data: st.DataObject) -> None:
    """Whatever was missed of each order but its last fact, the book ends the same."""
    whole, holes = Desk(_everyone(), instruments(lot)), Desk(_everyone(), instruments(lot))

    for life in told_of(history):
        whole.see_all(life)
        heard = data.draw(st.lists(st.sampled_from(life), max_size=3))
        holes.see_all([*heard, life[-1], *heard])
    assert holes.book == whole.book


@pytest.mark.parametrize(
    ("signed", "told", "position"),
    [
        (["10", "-10 reduce", "-3"], [0, 2, 1], "-3"),  # the close is told after what traded on
        (["10", "-8 reduce", "5"], [1, 0, 2], "7"),  # and before what it closed
    ],
)
def test_a_close_told_out_of_turn_is_not_forgotten(signed: list[str], told: list[int], position: str) -> None:
    """Law: a reducing order told before or after its turn leads to the leader's true position."""
    orders = [
        LeaderOrder(
            Side.SELL if each.startswith("-") else Side.BUY,
            PositionSide.NET,
            "reduce" in each,
            (abs(int(each.split()[0])) * 1000,),
        )
        for each in signed
    ]
    lives = told_of(orders)
    desk = Desk(_everyone())
    for number in told:
        desk.see_all(lives[number])
    assert desk.book.leader[PositionSide.NET] == Decimal(position)


@given(st.lists(net_orders, max_size=6), st.data())
def test_an_order_told_late_ends_as_if_told_in_time(history: History, data: st.DataObject) -> None:
    """Law: wherever one order of a leader that began flat is told among later ones, the book ends with
    the leader's true position and each copy's target on the rule. No reducing order crosses zero: the
    venue sees to that."""
    position = ZERO
    lives: list[list[OrderFact]] = []
    for order, life in zip(history, told_of(history), strict=True):
        change = order.side.sign * life[-1].cum_filled
        if order.reduce_only and (position * change >= 0 or abs(change) > abs(position)):
            continue
        position += change
        lives.append(life)
    assume(lives)
    late = lives.pop(data.draw(st.integers(0, len(lives) - 1)))
    at = [number for number, life in enumerate(lives) if life[0].ts_venue > late[0].ts_venue]
    lives.insert(data.draw(st.integers(at[0] if at else len(lives), len(lives))), late[-1:])
    desk = Desk(_everyone())

    for life in lives:
        desk.see_all(life)
    assert desk.book.leader.get(PositionSide.NET, ZERO) == position
    for each in desk.product.subscriptions:
        assert isinstance(each.sizing, FixedRatio)
        assert desk.book.part(each.client, PositionSide.NET).target == each.sizing.ratio * position


@given(histories, lots, minimums)
def test_copies_keep_to_the_rule(history: History, lot: str, times: int) -> None:
    """After each fact: less than a lot (or the minimum) off the target, the target as the rule says,
    nothing held when the leader is flat, and what is planned is what the orders add up to."""
    minimum = Decimal(lot) * times
    desk = Desk(_everyone(), instruments(lot, str(minimum)))
    ratios = [(each.client, each.sizing) for each in desk.product.subscriptions]

    for life in told_of(history):
        for told in life:
            desk.see(told)
            side = told.position_side
            position = desk.book.leader.get(side, ZERO)
            for client, sizing in ratios:
                assert isinstance(sizing, FixedRatio)
                part = desk.book.part(client, side)
                assert part.target == sizing.ratio * position
                assert abs(part.target - part.planned) < minimum
                assert part.planned * position >= 0
                assert abs(part.planned) <= abs(part.target) or times > 1
                assert part.planned == desk.ordered[client, side]
                if position == 0:
                    assert part.planned == 0


@given(histories, lots, minimums, st.booleans())
def test_orders_never_do_more_than_their_leg(
    history: History, lot: str, times: int, hedge_mode: bool
) -> None:
    """A close closes no more than is planned; nothing crosses zero in one order; sizes are placeable."""
    minimum = Decimal(lot) * times
    product = product_of(follower("alice", "0.7", hedge_mode=hedge_mode))
    desk = Desk(product, instruments(lot, str(minimum)))
    held: dict[PositionSide, Decimal] = {}

    for life in told_of(history):
        for told in life:
            made = desk.see(told)
            for intent in made.intents if isinstance(made, Plan) else ():
                before = held.get(intent.leader_side, ZERO)
                after = held[intent.leader_side] = before + intent.signed
                if intent.state is not CopyState.PLANNED:
                    assert intent.quantity == intent.size == 0
                    assert intent.reason
                    continue
                assert intent.quantity >= minimum
                assert intent.quantity % Decimal(lot) == 0
                assert before * after >= 0
                assert (abs(after) < abs(before)) == (intent.leg is LegKind.CLOSE) == intent.reduce_only
                _is_on_its_side(intent, before + after, hedge_mode=hedge_mode)


def _is_on_its_side(intent: Intent, exposure: Decimal, *, hedge_mode: bool) -> None:
    """A net account has one position; in a hedged one a long's orders go to the long."""
    own = PositionSide.LONG if exposure > 0 else PositionSide.SHORT
    assert intent.position_side is (own if hedge_mode else PositionSide.NET)


@given(histories, st.integers(1, 4))
def test_shards_plan_what_one_would(history: History, shards: int) -> None:
    """The plans of all shards together are the plan of a single one."""
    single = Desk(_everyone())
    parts = [Desk(_everyone(), shard=shard, shards=shards) for shard in range(shards)]

    for life in told_of(history):
        for desk in (single, *parts):
            desk.see_all(life)

    def key(intent: Intent) -> str:
        return intent.client_order_id

    together = [intent for desk in parts for intent in desk.intents]
    assert sorted(together, key=key) == sorted(single.intents, key=key)
    assert {name: part for desk in parts for name, part in desk.book.parts.items()} == single.book.parts
    assert all(desk.book.leader == single.book.leader for desk in parts)


@given(histories)
def test_planning_changes_nothing_that_it_is_given(history: History) -> None:
    """The old book stays as it was: a plan that could not be written is planned again from it."""
    desk = Desk(_everyone())
    for life in told_of(history):
        for told in life:
            leader, parts, waiting = dict(desk.book.leader), dict(desk.book.parts), dict(desk.book.waiting)
            plan(desk.event(told), desk.situation(told))
            assert (desk.book.leader, desk.book.parts, desk.book.waiting) == (leader, parts, waiting)
            desk.see(told)


@pytest.mark.parametrize("ratio", ["0.5", "3"])
@given(history=histories)
def test_trading_off_and_on_leaves_no_more_than_the_rule(history: History, ratio: str) -> None:
    """Opens while trading is off are not caught up later; closes go on; nobody holds more than the rule."""
    desk = Desk(product_of(follower("alice", ratio, hedge_mode=True)))
    off = Product(
        product=desk.product.product,
        leader=desk.product.leader,
        subscriptions=desk.product.subscriptions,
        trading=False,
    )

    for number, life in enumerate(told_of(history)):
        for told in life:
            desk.see(told, product=off if number % 2 else desk.product)
            side = told.position_side
            position, planned = desk.book.leader.get(side, ZERO), desk.planned("alice", side)
            assert abs(planned) <= Decimal(ratio) * abs(position)
            assert planned * position >= 0
