"""Laws of holdings: what is held, at what price, and what it has earned."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.holdings import AttributedExecution, Holding, holding_of
from spider_common.domain.identifiers import ClientId, ProductId, TradeId
from spider_common.domain.orders import PositionSide, Side
from tests.strategies import TS, execution


def fill(side: Side, quantity: str, price: str, *, at: int = 0, **fields: object) -> AttributedExecution:
    """One fill `at` ns after the others' beginning."""
    coin = str(fields.pop("coin", ""))
    told = execution(
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        ts_venue=TS + at,
        **{"trade_id": TradeId(str(at)), "fee": Decimal(0), **fields},
    )
    return AttributedExecution(
        execution=told,
        product=ProductId("p"),
        client=ClientId("alice"),
        position_side=PositionSide.NET,
        coin=coin,
    )


def buy(quantity: str, price: str, **fields: object) -> AttributedExecution:
    return fill(Side.BUY, quantity, price, **fields)  # type: ignore[arg-type]  # handed on


def sell(quantity: str, price: str, **fields: object) -> AttributedExecution:
    return fill(Side.SELL, quantity, price, **fields)  # type: ignore[arg-type]  # handed on


@st.composite
def histories(draw: st.DrawFn, coin: str = "") -> list[AttributedExecution]:
    """Fills with times that may be equal, each with a trade number of its own, in an order of its own."""
    count = draw(st.integers(1, 7))
    return [
        fill(
            draw(st.sampled_from(Side)),
            str(Decimal(draw(st.integers(10, 300))) / 100),
            str(draw(st.integers(90, 110))),
            at=draw(st.integers(0, 4)),
            trade_id=TradeId(str(number)),
            fee=Decimal(draw(st.integers(-5, 2))) / 100,
            fee_currency=draw(st.sampled_from(["BTC", "USDT"])),
            coin=coin,
        )
        for number in draw(st.permutations(range(count)))
    ]


def told(fills: list[AttributedExecution]) -> Holding:
    """As they are told: each added on top where that can be, else all anew."""
    holding, kept = Holding(), list[AttributedExecution]()
    for each in fills:
        kept.append(each)
        holding = holding.add(each) or holding_of(kept)
    return holding


@pytest.mark.parametrize("coin", ["", "BTC"])
@given(data=st.data())
def test_any_order_of_telling_comes_to_the_same(coin: str, data: st.DataObject) -> None:
    """Law: fills told in any order make the holding that their times make: quantity, price, all of it."""
    fills = data.draw(histories(coin))
    assert told(fills) == holding_of(fills) == told(sorted(fills, key=lambda each: each.execution.trade_id))


@pytest.mark.parametrize("coin", ["", "BTC"])
@given(data=st.data())
def test_size_and_money_are_conserved(coin: str, data: st.DataObject) -> None:
    """Law: the quantity is what was bought less what was sold and what fees took of the coin. Cash is what
    that brought in at its prices; what was realised and what is not yet add up to it at any mark."""
    fills = data.draw(histories(coin))
    holding = holding_of(fills)
    coin_fees = [each.execution.fee for each in fills if coin and each.execution.fee_currency == coin]
    assert holding.quantity == sum(each.execution.signed for each in fills) + sum(coin_fees)
    assert holding.executions == len(fills)
    assert holding.cash == -sum(each.change * each.execution.price for each in fills)
    for currency in {each.execution.fee_currency for each in fills}:
        paid = sum(each.execution.fee for each in fills if each.execution.fee_currency == currency)
        assert holding.fees.get(currency, 0) == paid
    mark = Decimal(101)
    assert holding.realised + holding.unrealised(mark) == holding.cash + holding.quantity * mark


@given(data=st.data())
def test_a_closed_position_has_earned_what_came_in_less_what_went_out(data: st.DataObject) -> None:
    """Law: once nothing is held, the realised profit is the sum of the cash flows."""
    fills = data.draw(histories())
    held = holding_of(fills).quantity
    if held:
        side = Side.SELL if held > 0 else Side.BUY
        fills = [*fills, fill(side, str(abs(held)), "97", at=9)]
    closed = holding_of(fills)
    flows = -sum(each.execution.signed * each.execution.price for each in fills)
    assert closed.quantity == 0
    assert closed.entry_price is None
    assert closed.realised == flows
    assert closed.unrealised(Decimal(123)) == 0


def test_the_entry_price_is_the_average_of_what_opened() -> None:
    """Opening fills move it; closing ones realise against it and leave it."""
    holding = holding_of([buy("1", "100", at=1), buy("3", "108", at=2)])
    assert (holding.quantity, holding.entry_price, holding.realised) == (4, 106, 0)
    holding = holding_of([buy("1", "100", at=1), buy("3", "108", at=2), sell("1", "110", at=3)])
    assert (holding.quantity, holding.entry_price, holding.realised) == (3, 106, 4)
    assert holding.unrealised(Decimal(100)) == -18


def test_an_opening_after_a_close_averages_with_what_is_left() -> None:
    """What was closed weighs no more."""
    fills = [buy("4", "100", at=1), sell("3", "110", at=2), buy("1", "120", at=3)]
    holding = holding_of(fills)
    assert (holding.quantity, holding.entry_price, holding.realised) == (2, 110, 30)


def test_a_flip_closes_all_and_opens_the_rest() -> None:
    """One fill through zero: what it closes is realised, the other side begins at its price."""
    holding = holding_of([buy("1", "100", at=1), sell("3", "110", at=2)])
    assert (holding.quantity, holding.entry_price, holding.realised) == (-2, 110, 10)
    assert holding.unrealised(Decimal(100)) == 20


def test_a_close_that_is_told_first_is_added_anew() -> None:
    """On top it would have opened a short: `add` says so, and the times decide."""
    close, opening = sell("1", "110", at=2), buy("1", "100", at=1)
    first = Holding().add(close)
    assert first is not None
    assert first.add(opening) is None
    assert holding_of([close, opening]).realised == 10


def test_fills_of_one_order_are_added_on_top_in_any_order() -> None:
    """The common case costs no reading: the same side, and not through zero."""
    opened = Holding().add(buy("1", "100", at=2))
    assert opened is not None
    opened = opened.add(buy("1", "102", at=1))
    assert opened is not None
    assert opened.entry_price == 101
    closed = opened.add(sell("1", "105", at=4))
    assert closed is not None
    closed = closed.add(sell("1", "107", at=3))
    assert closed is not None
    assert closed.realised == 10


def test_a_fee_in_the_coin_makes_less_of_it() -> None:
    """Of spot what is bought is not all there; of a swap such a fee is paid from the margin."""
    paid = {"fee": Decimal("-0.001"), "fee_currency": "BTC"}
    assert holding_of([buy("1", "100", coin="BTC", **paid)]).quantity == Decimal("0.999")
    assert holding_of([buy("1", "100", **paid)]).quantity == 1
    assert holding_of([buy("1", "100", coin="BTC", **paid)]).entry_price == 100
