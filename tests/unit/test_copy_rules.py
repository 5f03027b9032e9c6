"""Every setting of a subscription does what it says: sizes, minimum, slippage, reverse, states, mapping."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.control import Controls, TradingState
from spider_common.domain.identifiers import ClientId, Venue, VenueOrderId
from spider_common.domain.instruments import InstrumentKind, InstrumentList
from spider_common.domain.intents import Intent
from spider_common.domain.orders import CopyState, OrderFact, OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.planning import Plan
from spider_common.domain.products import (
    BelowMinimum,
    Equity,
    EquityPercent,
    FixedNotional,
    FixedQuantity,
    Sizing,
    Subscription,
)
from spider_common.domain.reasons import Reason
from tests.desk import Desk, follower, instruments, only, product_of, states
from tests.strategies import MS, TS, fact, swap

D = Decimal
AVERAGE = D(50_000)


def alice(**rule: object) -> Subscription:
    return msgspec.structs.replace(follower("alice", "1"), **rule)


def told(
    filled: str, number: int = 1, side: Side = Side.BUY, quantity: str = "4", **more: object
) -> OrderFact:
    done = filled == quantity
    return fact(
        venue_order_id=VenueOrderId(str(number)),
        side=side,
        quantity=D(quantity),
        cum_filled=D(filled),
        average_price=AVERAGE,
        status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
        ts_venue=TS + number * MS,
        **more,
    )


def total(desk: Desk) -> Decimal:
    return desk.planned("alice")


@pytest.mark.parametrize(
    ("sizing", "whole"),
    [
        (FixedQuantity(D(2)), "2"),
        (FixedNotional(D(100_000)), "2"),
        (EquityPercent(D(10)), "2"),  # of a million
    ],
)
@given(st.permutations(["1", "2.5", "3", "4"]))
def test_a_size_for_an_order_is_shared_by_its_fills(sizing: Sizing, whole: str, fills: list[str]) -> None:
    """Law: however an order was filled and whatever of it was told, its copies add up to the one size."""
    desk = Desk(product_of(alice(sizing=sizing)))
    account = desk.product.subscriptions[0].account.account
    known = {account: Equity(account=account, equity=D(1_000_000), currency="USDT", ts_venue=TS)}
    for filled in fills:
        desk.see(told(filled), equities=known)

    assert total(desk) == D(whole)


def test_a_value_needs_a_price_and_an_equity() -> None:
    """A rule that lacks what it goes by skips with that reason."""
    desk = Desk(product_of(alice(sizing=FixedNotional(D(1)))))
    unpriced = msgspec.structs.replace(told("1"), average_price=None, price=None)
    assert states(desk.see(unpriced)) == [(CopyState.SKIPPED, Reason.PRICE_UNKNOWN)]

    desk = Desk(product_of(alice(sizing=EquityPercent(D(1)))))
    assert states(desk.see(told("1"))) == [(CopyState.SKIPPED, Reason.EQUITY_UNKNOWN)]


@given(st.integers(1, 30), st.integers(1, 3000))
def test_the_multiplier_is_a_factor(tenths: int, thousandths: int) -> None:
    """Law: times m is the size of m times the rule."""
    one = Desk(product_of(alice(multiplier=D(tenths) / 10)))
    two = Desk(product_of(follower("alice", str(D(tenths) / 10))))
    filled = str(D(thousandths) / 1000)
    one.see(told(filled))
    two.see(told(filled))

    assert total(one) == total(two)


@pytest.mark.parametrize("hedge_mode", [False, True])
def test_in_reverse_everything_is_the_other_way_round(hedge_mode: bool) -> None:
    """The leader buys and sells again; the follower sells and buys back, on the short side of a hedge."""
    rule = follower("alice", "0.5", hedge_mode=hedge_mode)
    desk = Desk(product_of(msgspec.structs.replace(rule, reverse=True)))
    opened = only(desk.see(told("4")))
    closed = only(desk.see(told("4", 2, Side.SELL, reduce_only=True)))

    own = PositionSide.SHORT if hedge_mode else PositionSide.NET
    assert (opened.side, opened.position_side, opened.quantity, opened.reduce_only) == (
        Side.SELL,
        own,
        2,
        False,
    )
    assert (closed.side, closed.position_side, closed.quantity, closed.reduce_only) == (
        Side.BUY,
        own,
        2,
        True,
    )
    assert total(desk) == 0


def test_a_part_is_closed_by_the_rule_of_its_time() -> None:
    """Switching to reverse while something is held still closes it."""
    desk = Desk(product_of(alice()))
    desk.see(told("4"))
    desk.product = product_of(alice(reverse=True))
    closed = only(desk.see(told("4", 2, Side.SELL, reduce_only=True)))

    assert (closed.side, closed.quantity, total(desk)) == (Side.SELL, 4, 0)


@pytest.mark.parametrize(
    ("below", "ordered"),
    [
        (BelowMinimum.CARRY, [[], ["0.6"], []]),  # 0.3 waits in the target, 0.6 in all is over the minimum
        (BelowMinimum.SKIP, [[], [], []]),
        (BelowMinimum.ROUND_UP, [["0.5"], ["0.5"], []]),  # never ahead of the rule by more than the minimum
    ],
)
def test_below_the_minimum(below: BelowMinimum, ordered: list[list[str]]) -> None:
    """A copy below the minimum is carried, forgotten, or made the minimum; by setting."""
    desk = Desk(product_of(alice(below_minimum=below)), instruments("0.1", "0.5"))

    def quantities(made: object) -> list[str]:
        assert isinstance(made, Plan)
        return [str(each.quantity) for each in made.intents if each.state is CopyState.PLANNED]

    assert [quantities(desk.see(told(filled))) for filled in ("0.3", "0.6", "0.9")] == ordered


def guarded(side: Side, bps: str = "10", **more: object) -> Intent:
    desk = Desk(product_of(alice(slippage_bps=D(bps))))
    return only(desk.see(told("4", side=side, **more)))


def test_the_slippage_guard() -> None:
    """An opening copy is limited to the leader's price and so much worse, at a tick that is no worse."""
    bought, sold = guarded(Side.BUY), guarded(Side.SELL)

    assert (bought.order_type, bought.price) == (OrderType.IOC, D(50_050))
    assert (sold.order_type, sold.price) == (OrderType.IOC, D(49_950))


@given(st.integers(0, 500), st.integers(1, 10**7), st.sampled_from(Side))
def test_the_guard_is_never_worse_than_it_says(bps: int, cents: int, side: Side) -> None:
    """Law: within the guard, on the tick, for either side."""
    desk = Desk(product_of(alice(slippage_bps=D(bps))))
    average = D(cents) / 100
    made = desk.see(msgspec.structs.replace(told("4", side=side), average_price=average))
    price = only(made).price
    assert price is not None
    listed = instruments().get(Venue.BITGET, "BTCUSDT")
    assert listed is not None
    assert price % listed.tick == 0
    assert side.sign * (price - average) * 10_000 <= average * bps


def test_no_guard_on_what_reduces() -> None:
    """A close goes at the market: it must come to pass."""
    desk = Desk(product_of(alice(slippage_bps=D(1))))
    desk.see(told("4"))

    assert only(desk.see(told("4", 2, Side.SELL, reduce_only=True))).order_type is OrderType.MARKET


def test_a_guard_without_a_price_denies() -> None:
    """What cannot be bounded is not opened."""
    desk = Desk(product_of(alice(slippage_bps=D(1))))
    unpriced = msgspec.structs.replace(told("4"), average_price=None, price=None)

    assert states(desk.see(unpriced)) == [(CopyState.DENIED, Reason.NO_REFERENCE_PRICE)]
    assert total(desk) == 0


def _controls(where: str, state: TradingState) -> Controls:
    product = product_of().product
    return {
        "all": Controls(all=state),
        "product": Controls(products={product: state}),
        "client": Controls(clients={ClientId("alice"): state}),
    }[where]


@pytest.mark.parametrize("where", ["all", "product", "client"])
def test_states_of_trading(where: str) -> None:
    """REDUCING opens nothing, HALTED does nothing; for everything, the product, the client alike."""
    desk = Desk(product_of(alice()))
    desk.see(told("4"))
    reducing, halted = _controls(where, TradingState.REDUCING), _controls(where, TradingState.HALTED)

    assert states(desk.see(told("1", 2), controls=reducing)) == [(CopyState.DENIED, Reason.REDUCING_ONLY)]
    closing = desk.see(told("1", 3, Side.SELL, reduce_only=True), controls=reducing)
    assert states(closing) == [(CopyState.PLANNED, "")]
    denied = desk.see(told("1", 4, Side.SELL, reduce_only=True), controls=halted)
    assert states(denied) == [(CopyState.DENIED, Reason.HALTED)]


def test_a_close_that_was_halted_is_made_up_by_the_next() -> None:
    """The target has followed the leader: the first close after the halt takes both."""
    desk = Desk(product_of(alice()))
    desk.see(told("4"))
    desk.see(told("2", 2, Side.SELL, reduce_only=True), controls=Controls(all=TradingState.HALTED))
    closed = only(desk.see(told("1", 3, Side.SELL, reduce_only=True)))

    assert (closed.quantity, total(desk)) == (3, 1)


def test_the_strictest_state_counts() -> None:
    """Whatever else is active, one halt is a halt."""
    ids = product_of().product, ClientId("alice")
    for first in TradingState:
        for second in TradingState:
            both = Controls(products={ids[0]: first}, clients={ids[1]: second})
            order = list(TradingState)
            assert both.state(*ids) is max(first, second, key=order.index)


def test_an_instrument_may_be_named() -> None:
    """An override stands for the instrument of the same nature; an unknown one skips with its reason."""
    other = swap(Venue.BITGET, "XBT1000", contract_size="1", lot="0.001", minimum="0.001")
    listed = InstrumentList([*instruments(), msgspec.structs.replace(other, base="XBT")])
    named = Desk(product_of(alice(overrides={"BTC-USDT-SWAP": "XBT1000"})), listed)
    lost = Desk(product_of(alice(overrides={"BTC-USDT-SWAP": "GONE"})), listed)

    assert only(named.see(told("1"))).symbol == "XBT1000"
    assert states(lost.see(told("1"))) == [(CopyState.SKIPPED, Reason.NO_INSTRUMENT)]


def test_who_has_left_is_not_copied_to() -> None:
    """Its part stays as it is: what is to become of it is the setting's, not the leader's, to say."""
    desk = Desk(product_of(alice()))
    desk.see(told("4"))
    desk.product = product_of(alice(left=True))
    made = desk.see(told("2", 2, Side.SELL, reduce_only=True))

    assert isinstance(made, Plan)
    assert made.intents == ()
    assert total(desk) == 4


def test_leverage_goes_with_the_order() -> None:
    """What is to be set before the first order of an instrument stands in the order."""
    assert only(Desk(product_of(alice(leverage=3))).see(told("1"))).leverage == 3


def test_spot_is_not_copied_in_reverse() -> None:
    """Nobody sells coins that he has not: denied with its reason."""
    pairs = [msgspec.structs.replace(each, kind=InstrumentKind.SPOT) for each in (*instruments(),)]
    desk = Desk(product_of(alice(reverse=True)), InstrumentList(pairs))

    assert states(desk.see(told("1"))) == [(CopyState.DENIED, Reason.REVERSED_SPOT)]
