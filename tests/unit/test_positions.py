"""How a leader's fill splits into legs, and how a part follows them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.identifiers import ClientId, ClientOrderId, EventId
from spider_common.domain.orders import PositionSide
from spider_common.domain.positions import Book, Leg, LegKind, Part, Waiting, legs_of, part_key

amounts = st.integers(-3000, 3000).map(lambda count: Decimal(count).scaleb(-3))
hedge_sides = st.sampled_from([(PositionSide.LONG, 1), (PositionSide.SHORT, -1)])


def _total(legs: tuple[Leg, ...]) -> Decimal:
    return sum((leg.after - leg.before for leg in legs), Decimal(0))


@given(amounts, amounts, st.sampled_from(PositionSide), st.booleans())
def test_legs_chain(position: Decimal, change: Decimal, side: PositionSide, reduce_only: bool) -> None:
    """Each leg begins where the one before ended; at most a close and then an open, none of them empty."""
    if side is not PositionSide.NET:
        position = abs(position) if side is PositionSide.LONG else -abs(position)
    legs = legs_of(position, change, position_side=side, reduce_only=reduce_only)

    assert [leg.kind for leg in legs] in (
        [],
        [LegKind.OPEN],
        [LegKind.CLOSE],
        [LegKind.CLOSE, LegKind.OPEN],
    )
    at = position
    for leg in legs:
        assert leg.before == at
        assert (leg.after - leg.before) * change > 0
        if leg.kind is LegKind.CLOSE:
            assert abs(leg.after) < abs(leg.before)
            assert leg.after * leg.before >= 0
        else:
            assert abs(leg.after) > abs(leg.before)
            assert leg.after * leg.before >= 0
        at = leg.after


@given(amounts, amounts)
def test_net_legs_make_the_whole_change(position: Decimal, change: Decimal) -> None:
    """A net-mode order that may increase is copied whole, through zero too."""
    legs = legs_of(position, change, position_side=PositionSide.NET, reduce_only=False)

    assert _total(legs) == change


@given(amounts, amounts)
def test_reduce_only_never_flips(position: Decimal, change: Decimal) -> None:
    """It closes what is there of the change, no more, and opens nothing."""
    legs = legs_of(position, change, position_side=PositionSide.NET, reduce_only=True)
    after = position + _total(legs)

    assert all(leg.kind is LegKind.CLOSE for leg in legs)
    assert after * position >= 0
    if position * change < 0:
        assert abs(_total(legs)) == min(abs(change), abs(position))
    else:
        assert not legs


@given(hedge_sides, amounts, amounts)
def test_hedge_sides_never_cross_zero(
    side: tuple[PositionSide, int], position: Decimal, change: Decimal
) -> None:
    """A long stays a long: it grows by the whole of a buy and shrinks to zero at most."""
    position_side, sign = side
    position = sign * abs(position)
    legs = legs_of(position, change, position_side=position_side, reduce_only=False)
    after = position + _total(legs)

    assert len(legs) <= 1
    assert after * sign == max(Decimal(0), (position + change) * sign)


@given(amounts.filter(bool), st.integers(1, 500).map(lambda count: Decimal(count).scaleb(-2)))
def test_a_part_opens_by_the_rule_and_closes_with_the_leader(position: Decimal, ratio: Decimal) -> None:
    """An open moves the target by ratio; a close in proportion, whatever the ratio now is; flat is flat."""
    opened = Part().follow(Leg(LegKind.OPEN, Decimal(0), position), ratio)
    assert opened == Part(target=ratio * position)

    halved = opened.follow(Leg(LegKind.CLOSE, position, position / 2), Decimal(0))
    assert halved.target == ratio * position / 2

    assert halved.follow(Leg(LegKind.CLOSE, position / 2, Decimal(0)), Decimal(9)).target == 0


@pytest.mark.parametrize("planned", [Decimal(0), Decimal(5)])
def test_following_leaves_the_planned_alone(planned: Decimal) -> None:
    """Only an order changes what is planned."""
    part = Part(target=Decimal(1), planned=planned)

    assert part.follow(Leg(LegKind.OPEN, Decimal(1), Decimal(2)), Decimal(1)).planned == planned


def test_a_book_is_replaced_not_changed() -> None:
    """Each change gives a new book; the old one and its mappings stay as they were."""
    client, other = ClientId("alice"), ClientId("bob")
    queue = (Waiting(ClientOrderId("c1"), EventId("e1")),)
    empty = Book()
    full = (
        empty.with_leader(PositionSide.NET, Decimal(1))
        .with_parts({part_key(client, PositionSide.NET): Part(planned=Decimal(1))})
        .with_waiting(client, queue)
        .with_waiting(other, queue)
    )

    assert empty == Book(leader={}, parts={}, waiting={})
    assert full.leader == {PositionSide.NET: 1}
    assert full.part(client, PositionSide.NET).planned == 1
    assert full.part(client, PositionSide.LONG) == full.part(other, PositionSide.NET) == Part()
    assert full.with_waiting(client, ()).waiting == {other: queue}
    assert full.waiting == {client: queue, other: queue}
