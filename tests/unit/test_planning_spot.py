"""Spot in the planner: coins are bought and sold, and nobody sells what he has not."""

from decimal import Decimal
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.identifiers import Venue, VenueOrderId
from spider_common.domain.instruments import SPOT_MARK, InstrumentList, venue_symbol
from spider_common.domain.journal import charge
from spider_common.domain.orders import OrderFact, OrderStatus, PositionSide, Side
from spider_common.domain.positions import LegKind
from spider_common.domain.reasons import Reason
from tests.desk import Desk, follower, instruments, only, product_of
from tests.strategies import MS, TS, fact, spot

BITGET = f"BTCUSDT{SPOT_MARK}"
LISTED = InstrumentList(
    [*instruments(), spot(Venue.OKX, "BTC-USDT", lot="0.001"), spot(Venue.BITGET, BITGET, lot="0.001")]
)


def _desk(*, hedge_mode: bool = False) -> Desk:
    return Desk(product_of(follower("alice", "0.5", hedge_mode=hedge_mode)), LISTED)


def _traded(side: Side, filled: str, number: int, **fields: object) -> OrderFact:
    made = fact(symbol="BTC-USDT", side=side, cum_filled=Decimal(filled), ts_venue=TS + number * MS)
    return msgspec.structs.replace(made, venue_order_id=VenueOrderId(str(number)), **fields)


def test_spot_is_copied_as_spot() -> None:
    """A leader's spot buy is a buy of the follower's spot, not of its swap of the same name, in net mode."""
    for hedge_mode in (False, True):
        order = only(_desk(hedge_mode=hedge_mode).see(_traded(Side.BUY, "1", 1)))

        assert (order.symbol, order.leg, order.quantity) == (BITGET, LegKind.OPEN, Decimal("0.5"))
        assert order.position_side is PositionSide.NET
        assert (venue_symbol(order.symbol), order.request.reference_price) == ("BTCUSDT", 60_000)


def test_a_sale_is_cut_to_what_was_copied() -> None:
    """Coins that the leader had before copying are sold without a copy: what was copied is, and no more."""
    desk = _desk()
    desk.see(_traded(Side.BUY, "1", 1))
    order = only(desk.see(_traded(Side.SELL, "3", 2)))

    assert (order.side, order.leg, order.quantity) == (Side.SELL, LegKind.CLOSE, Decimal("0.5"))
    assert desk.see(_traded(Side.SELL, "1", 3)).intents == ()


def test_a_waiting_conditional_order_makes_no_copy() -> None:
    """A fact without a fill plans nothing, whether the order waits or is over."""
    for status in (OrderStatus.LIVE, OrderStatus.CANCELED):
        told = _traded(Side.SELL, "0", 1, status=status, quantity=Decimal(1))
        assert _desk().see(told) is Reason.NO_NEW_FILL


@given(
    st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 5)), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_no_order_of_coming_sells_short(trades: list[tuple[Side, int]], random: Random) -> None:
    """Whatever the leader trades and in whatever order it is told, no follower sells what was not bought."""
    told = [_traded(side, str(size), number) for number, (side, size) in enumerate(trades, start=1)]
    random.shuffle(told)
    desk = _desk()
    for each in told:
        desk.see(each)
        assert all(ordered >= 0 for ordered in desk.ordered.values())
        assert desk.book.leader[PositionSide.NET] >= 0


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 5)), min_size=1, max_size=8))
def test_what_the_leader_holds_of_its_copied_coins_is_copied(trades: list[tuple[Side, int]]) -> None:
    """Told in turn, the copies hold their ratio of what was bought and not sold since."""
    desk, held = _desk(), 0
    for number, (side, size) in enumerate(trades, start=1):
        desk.see(_traded(side, str(size), number))
        held = max(held + side.sign * size, 0)
    assert sum(desk.ordered.values()) == held * Decimal("0.5")


@given(
    st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 5)), min_size=1, max_size=12),
    st.integers(0, 30),
)
def test_fees_paid_in_coins_are_not_sold(trades: list[tuple[Side, int]], fee: int) -> None:
    """Law: with fees of up to 3 % taken in the coin, orders are whole lots, nobody sells more than there is,
    and what is left when the leader has sold all is less than a lot."""
    desk, held = _desk(), Decimal(0)
    for number, (side, size) in enumerate(trades, start=1):
        made = desk.see(_traded(side, str(size), number))
        for order in made.intents:
            assert order.quantity % Decimal("0.001") == 0
            if order.quantity:
                paid = -order.quantity * fee / 1_000 if order.side is Side.BUY else Decimal(0)
                held += order.signed + paid
                desk.book = charge(desk.book, order, paid)
        assert held >= 0
        assert desk.planned("alice") == held
        if desk.book.leader[PositionSide.NET] == 0:
            assert held < Decimal("0.001")
