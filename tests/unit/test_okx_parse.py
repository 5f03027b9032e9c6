"""Laws of reading OKX's rows: exact, complete, and clear about what it cannot read."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.instruments import InstrumentKind, InstrumentList
from spider_common.domain.orders import (
    OrderFact,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    Trigger,
    TriggerKind,
)
from spider_common.venues.okx import parse
from spider_common.venues.outcomes import UnreadableFrame
from tests.okx_samples import INSTRUMENTS, LISTED, order_row, sample
from tests.strategies import TS, swap

ACCOUNT = AccountId("leader")
MS = 1_000_000


def read(row: dict[str, Any], instruments: InstrumentList = INSTRUMENTS) -> OrderFact:
    return parse.order(row, place="data[0]", account=ACCOUNT, instruments=instruments, seen=TS)


def fill(row: dict[str, Any], *, pushed: bool) -> Execution | None:
    return parse.execution(row, place="data[0]", account=ACCOUNT, instruments=INSTRUMENTS, pushed=pushed)


def test_the_documented_push_as_a_fact() -> None:
    """The sample of the documentation gives each field of the fact."""
    assert read(sample()["data"][0]) == OrderFact(
        venue=Venue.OKX,
        account=ACCOUNT,
        symbol="BTC-USDT",
        venue_order_id="452197707845865472",
        client_order_id=None,
        side=Side.SELL,
        position_side=PositionSide.NET,
        reduce_only=False,
        order_type=OrderType.LIMIT,
        status=OrderStatus.FILLED,
        quantity=Decimal("0.001"),
        cum_filled=Decimal("0.001"),
        price=Decimal("31527.1"),
        average_price=Decimal("31527.1"),
        ts_venue=1654084353264 * MS,
        ts_seen=TS,
    )


def test_the_documented_push_as_an_execution() -> None:
    """The same sample tells of one fill: the last one's size, price, fee and time, not the order's."""
    execution = fill(sample()["data"][0], pushed=True)
    assert execution == Execution(
        venue=Venue.OKX,
        account=ACCOUNT,
        symbol="BTC-USDT",
        trade_id="242589207",
        venue_order_id="452197707845865472",
        client_order_id=None,
        side=Side.SELL,
        quantity=Decimal("0.001"),
        price=Decimal("31527.1"),
        fee=Decimal("-0.02522168"),
        fee_currency="USDT",
        ts_venue=1654084353263 * MS,
    )


def test_a_row_without_a_trade_tells_of_no_fill() -> None:
    """An order that was placed, amended or cancelled is no execution."""
    assert fill(order_row(tradeId=""), pushed=True) is None


@given(
    contracts=st.integers(1, 10**12),
    scale=st.integers(0, 4),
    size=st.sampled_from(["0.01", "0.1", "1", "10", "100", "0.00000001"]),
)
def test_contracts_become_base_quantity_exactly(contracts: int, scale: int, size: str) -> None:
    """sz x ctVal x ctMult, to the last digit."""
    sz = Decimal(contracts).scaleb(-scale)
    known = InstrumentList([swap(Venue.OKX, "BTC-USDT-SWAP", contract_size=size, lot="1", minimum="1")])
    fact = read(order_row(sz=f"{sz:f}", accFillSz=f"{sz:f}"), known)
    digits = -Decimal(size).as_tuple().exponent  # type: ignore[operator]  # finite by construction
    expected = contracts * int(Decimal(size).scaleb(digits))
    assert fact.quantity == fact.cum_filled == Decimal(expected).scaleb(-scale - digits)


def test_a_push_and_a_rest_row_are_the_same_fact() -> None:
    """What only one of them has (the last fill, the time it was seen, a client's tag) is not in the id."""
    pushed = order_row(tradeId="7", fillSz="1", fillPx="59999.5", fillTime="1700000000123", lastPx="60001")
    asked = order_row(sz="3.0", accFillSz="1.00", px="60000.0") | {"fillPx": "59999.5", "rebate": "0"}
    by_push, by_rest = (
        read(pushed),
        parse.order(asked, place="data[9]", account=ACCOUNT, instruments=INSTRUMENTS, seen=TS + 5_000 * MS),
    )
    assert by_push.event_id == by_rest.event_id


def test_a_fill_is_the_same_by_push_and_by_rest() -> None:
    """The two shapes name fee and time differently and mean the same execution."""
    common = order_row(tradeId="7", fillSz="1", fillPx="59999.5")
    pushed = common | {"fillFee": "-0.3", "fillFeeCcy": "USDT", "fillTime": "1700000000120", "fee": "-9"}
    asked = common | {"fee": "-0.3", "feeCcy": "USDT", "ts": "1700000000120"}
    assert fill(pushed, pushed=True) == fill(asked, pushed=False)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("side", "hold", "'hold' is none of buy, sell"),
        ("state", "expired", "'expired' is none of live"),
        ("ordType", "iceberg", "'iceberg' is none of market"),
        ("posSide", "both", "'both' is none of net, long, short"),
        ("reduceOnly", "perhaps", "'perhaps' is none of true, false"),
        ("instId", "XYZ-USDT-SWAP", "refresh the instrument list"),
        ("sz", "", "'' is not a number"),
        ("sz", "NaN", "'NaN' is not a number"),
        ("sz", "1_0", "'1_0' is not a number"),
        ("sz", " 1", "' 1' is not a number"),
        ("sz", "9e999999", "is not a number"),
        ("sz", "-1", "below zero"),
        ("accFillSz", "-0.5", "below zero"),
        ("px", ["1"], "is not a string"),
        ("px", "cheap", "'cheap' is not a number"),
        ("uTime", "", "not a time in milliseconds"),
        ("uTime", "9" * 5_000, "not a time in milliseconds"),
        ("uTime", "١٢٣", "not a time in milliseconds"),
        ("ordId", "", "not an id"),
        ("ordId", "1#2", "not an id"),
        ("ordId", None, "missing"),
    ],
)
def test_a_value_that_is_not_documented_is_named(field: str, value: Any, words: str) -> None:
    """The error names place and field, shows the value and says what would be right."""
    with pytest.raises(UnreadableFrame) as caught:
        read(order_row() | {field: value})
    assert str(caught.value).startswith(f"data[0].{field}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("field", ["instId", "ordId", "side", "posSide", "ordType", "state", "sz", "uTime"])
def test_a_missing_field_is_named(field: str) -> None:
    """A row without a field that each row has is not read."""
    row = order_row()
    del row[field]
    with pytest.raises(UnreadableFrame, match=rf"^data\[0\]\.{field}: missing"):
        read(row)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("live", OrderStatus.LIVE),
        ("partially_filled", OrderStatus.PARTIALLY_FILLED),
        ("filled", OrderStatus.FILLED),
        ("canceled", OrderStatus.CANCELED),
        ("mmp_canceled", OrderStatus.CANCELED),
    ],
)
def test_every_documented_state_is_known(state: str, status: OrderStatus) -> None:
    """Each order state of the documentation has its status."""
    assert read(order_row(state=state)).status is status


def test_market_orders_have_no_price() -> None:
    """OKX sends an empty px, or a zero; neither is a price."""
    for px in ("", "0"):
        assert read(order_row(ordType="market", px=px, avgPx="")).price is None


@pytest.mark.parametrize("category", ["full_liquidation", "partial_liquidation", "adl"])
@pytest.mark.parametrize(("mode", "side"), [("net", "buy"), ("long", "sell"), ("short", "buy")])
def test_what_the_venue_closes_is_a_market_order_that_reduces(category: str, mode: str, side: str) -> None:
    """Whatever price and flags the row has, in either position mode."""
    row = order_row(category=category, posSide=mode, side=side, px="1", ordType="limit", reduceOnly="false")
    fact = read(row)
    assert (fact.order_type, fact.price, fact.reduce_only) == (OrderType.MARKET, None, True)
    assert (fact.position_side, fact.side) == (PositionSide(mode), Side(side))


def algo(**fields: str) -> tuple[OrderFact, ...]:
    row = {
        "algoId": "7",
        "algoClOrdId": "",
        "instId": "BTC-USDT-SWAP",
        "side": "sell",
        "posSide": "net",
        "reduceOnly": "true",
        "sz": "2",
        "state": "live",
        "uTime": "1",
        **fields,
    }
    return parse.algo_orders(row, place="data[0]", account=ACCOUNT, instruments=INSTRUMENTS, seen=TS)


def test_a_conditional_order_waits_for_its_trigger() -> None:
    """Its kind is in the name of the price, and a price of -1 orders at the market."""
    (stop,) = algo(slTriggerPx="59000", slOrdPx="-1", tpTriggerPx="", tpOrdPx="", triggerPx="")
    assert (stop.venue_order_id, stop.waits, stop.price) == ("7", True, None)
    assert stop.trigger == Trigger(kind=TriggerKind.STOP_LOSS, price=Decimal(59000))
    (entry,) = algo(triggerPx="61000", ordPx="61010", sz="")
    assert (entry.order_type, entry.price, entry.quantity) == (OrderType.LIMIT, 61010, 0)
    assert entry.trigger == Trigger(kind=TriggerKind.ENTRY, price=Decimal(61000))
    assert algo(ordType="move_order_stop", callbackRatio="0.05") == ()


@pytest.mark.parametrize(
    ("state", "side", "became"),
    [
        ("live", "", ["live", "live"]),
        ("canceled", "", ["canceled", "canceled"]),
        ("effective", "sl", ["triggered", "canceled"]),
        ("effective", "tp", ["canceled", "triggered"]),
    ],
)
def test_one_that_waits_at_two_prices_is_two(state: str, side: str, became: list[str]) -> None:
    """The one whose price comes cancels the other."""
    both = algo(slTriggerPx="59000", slOrdPx="-1", tpTriggerPx="61000", state=state, actualSide=side)
    assert [fact.venue_order_id for fact in both] == ["7", "7-tp"]
    assert [fact.status for fact in both] == became


def test_what_a_conditional_order_became_names_it() -> None:
    """Its id is the parent, and its client order id that of an order which has none of its own."""
    fact = read(order_row(algoId="7", algoClOrdId="ours", clOrdId=""))
    assert (fact.parent, fact.client_order_id, fact.trigger) == ("7", "ours", None)
    assert read(order_row(algoId="")).parent is None


def test_a_spot_buy_in_quote_currency_counts_what_it_bought() -> None:
    """Its sz is an amount of quote currency, which is no quantity."""
    row = order_row(instId="BTC-USDT", sz="100", accFillSz="0.0016", tgtCcy="quote_ccy", posSide="")
    assert read(row).quantity == Decimal("0.0016")


def test_an_instrument_of_the_list() -> None:
    """ctVal x ctMult is the contract; lot, minimum and tick are taken as they are."""
    found = parse.instrument(LISTED | {"ctMult": "10"}, place="data[0]")
    assert found is not None
    assert (found.kind, found.base, found.quote, found.settle) == (InstrumentKind.SWAP, "BTC", "USDT", "USDT")
    assert (found.contract_size, found.lot, found.tick) == (Decimal("0.1"), Decimal("0.01"), Decimal("0.1"))


def test_only_spot_and_linear_swaps_are_listed() -> None:
    """Inverse swaps count in quote currency, and options and futures are not copied."""
    assert parse.instrument(LISTED | {"ctType": "inverse"}, place="data[0]") is None
    assert parse.instrument(LISTED | {"instType": "FUTURES"}, place="data[0]") is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("ctVal", "0"), ("lotSz", "0"), ("minSz", ""), ("tickSz", "-1"), ("instId", "BTC"), ("instId", "BTC-")],
)
def test_an_instrument_nobody_can_count_in_is_refused(field: str, value: str) -> None:
    """A step of zero would be divided by; a symbol without a quote names nothing."""
    with pytest.raises(UnreadableFrame, match=rf"^data\[3\]\.{field}: "):
        parse.instrument(LISTED | {field: value}, place="data[3]")


@pytest.mark.parametrize(("symbol", "told"), [("BTC-USD-SWAP", None), ("NEW-USDT-SWAP", UnreadableFrame)])
def test_a_position_that_is_not_copied_is_left_out_and_an_unknown_one_is_named(
    symbol: str, told: type[Exception] | None
) -> None:
    """What is left out counts as flat: inverse swaps may be, an instrument that was listed since may not."""
    row = {"instId": symbol, "posSide": "net", "pos": "1", "avgPx": "1", "uTime": "1", "mgnMode": "cross"}
    args: dict[str, Any] = {"place": "data[0]", "account": ACCOUNT, "instruments": INSTRUMENTS}
    if told is None:
        assert parse.position(row, **args) is None
    else:
        with pytest.raises(told, match=r"data\[0\]\.instId"):
            parse.position(row, **args)


def test_equity_is_the_accounts_worth_in_usd() -> None:
    """totalEq, at the time that OKX says."""
    equity = parse.equity({"totalEq": "91884.85", "uTime": "1700000000123"}, place="data[0]", account=ACCOUNT)
    assert (equity.equity, equity.currency, equity.ts_venue) == (Decimal("91884.85"), "USD", TS + 123 * MS)
