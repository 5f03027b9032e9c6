"""Laws of reading Bitget's rows: exact, complete, and clear about what it cannot read."""

from decimal import Decimal
from typing import Any

import pytest

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.orders import (
    OrderFact,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    Trigger,
    TriggerKind,
)
from spider_common.domain.products import Equity
from spider_common.domain.requests import KeyPermissions, MarginMode, PositionFact
from spider_common.venues.bitget import parse
from spider_common.venues.bitget.parse import DETAIL, LISTED, PUSHED, ClosingSide, Names
from spider_common.venues.outcomes import UnreadableFrame
from tests import bitget_samples as samples
from tests.bitget_samples import INSTRUMENTS, pushed, queried, sample
from tests.strategies import TS

ACCOUNT = AccountId("leader")
MS = 1_000_000


def read(row: dict[str, Any], names: Names = PUSHED) -> OrderFact:
    return parse.order(row, names, place="data[0]", account=ACCOUNT, instruments=INSTRUMENTS, seen=TS)


def traded(row: dict[str, Any]) -> Execution | None:
    return parse.execution(row, place="data[0]", account=ACCOUNT, instruments=INSTRUMENTS)


def filled(row: dict[str, Any], closing: ClosingSide = ClosingSide.POSITION) -> Execution:
    return parse.fill(row, place="data[0]", account=ACCOUNT, instruments=INSTRUMENTS, closing=closing)


def test_the_documented_push_as_a_fact() -> None:
    """The sample of the documentation gives each field of the fact."""
    assert read(pushed()) == OrderFact(
        venue=Venue.BITGET,
        account=ACCOUNT,
        symbol="BTCUSDT",
        venue_order_id="1",
        client_order_id="1",
        side=Side.BUY,
        position_side=PositionSide.LONG,
        reduce_only=False,
        order_type=OrderType.MARKET,
        status=OrderStatus.FILLED,
        quantity=Decimal("0.01"),
        cum_filled=Decimal("0.01"),
        price=None,
        average_price=Decimal("27000.5"),
        ts_venue=1695718781146 * MS,
        ts_seen=TS,
    )


def test_the_documented_push_as_an_execution() -> None:
    """The same sample tells of one fill: the last one's size, price, fee and time."""
    assert traded(pushed(baseVolume="0.004")) == Execution(
        venue=Venue.BITGET,
        account=ACCOUNT,
        symbol="BTCUSDT",
        trade_id="1111111111",
        venue_order_id="1",
        client_order_id="1",
        side=Side.BUY,
        quantity=Decimal("0.004"),
        price=Decimal("27000.5"),
        fee=Decimal("-0.162003"),
        fee_currency="USDT",
        ts_venue=1695718781146 * MS,
    )


def test_a_pushs_cumulative_fill_is_not_that_of_its_last_fill() -> None:
    """`accBaseVolume` counts them all, `baseVolume` the last one; the fact is of the first, always."""
    fact = read(pushed(size="3", accBaseVolume="2", baseVolume="0.5", status="partially_filled"))
    assert (fact.cum_filled, fact.status) == (Decimal(2), OrderStatus.PARTIALLY_FILLED)


def test_a_row_without_a_trade_tells_of_no_fill() -> None:
    """An order that was placed or cancelled is no execution, and has no field of one."""
    bare = {"tradeId", "baseVolume", "fillPrice", "fillFee", "fillFeeCoin", "fillTime", "priceAvg"}
    row = pushed(**dict.fromkeys(bare), accBaseVolume="0", status="live")
    assert traded(row) is None
    assert read(row).average_price is None


def test_the_documented_detail() -> None:
    """One-way mode, told by posMode; lower-case names; "yes" for reduce only; `state` for the status."""
    fact = read(samples.DETAIL, DETAIL)
    assert (fact.symbol, fact.position_side, fact.side) == ("BTCUSDT", PositionSide.NET, Side.BUY)
    assert (fact.reduce_only, fact.status, fact.cum_filled) == (True, OrderStatus.FILLED, Decimal(2))


@pytest.mark.parametrize(("names", "status"), [(DETAIL, "state"), (LISTED, "status")])
@pytest.mark.parametrize("state", ["live", "partially_filled", "filled", "canceled"])
def test_a_push_and_a_rest_row_are_the_same_fact(names: Names, status: str, state: str) -> None:
    """Each names status, symbol and cumulative fill its own way; the event ids are one."""
    row = pushed(status=state, accBaseVolume="0.006", baseVolume="0.001")
    by_rest = read(queried(row, status=status) | {"size": "0.010", "enterPointSource": "web"}, names)
    assert by_rest.event_id == read(row).event_id


@pytest.mark.parametrize(
    ("leg", "trade_side", "side"),
    [
        ("long", "open", Side.BUY),
        ("long", "close", Side.SELL),
        ("short", "open", Side.SELL),
        ("short", "close", Side.BUY),
        ("long", "burst_close_long", Side.SELL),
        ("short", "reduce_close_short", Side.BUY),
        ("short", "dte_sys_adl_close_short", Side.BUY),
    ],
)
@pytest.mark.parametrize("told", ["buy", "sell"])
def test_a_hedged_orders_direction_is_that_of_its_position(
    leg: str, trade_side: str, side: Side, told: str
) -> None:
    """Documents disagree on `side` of a close, so `posSide` and `tradeSide` decide whatever it says."""
    row = pushed(posSide=leg, tradeSide=trade_side, side=told)
    fact, execution = read(row), traded(row)
    assert execution is not None
    assert (fact.side, execution.side) == (side, side)
    assert fact.reduce_only is (trade_side != "open")
    assert fact.position_side == leg


@pytest.mark.parametrize("trade_side", ["buy_single", "burst_sell_single", ""])
def test_a_one_way_orders_direction_is_its_side(trade_side: str) -> None:
    """`tradeSide` adds nothing there, and `posSide` may be "net" or a side of a position."""
    for leg in ("net", "long", "short"):
        row = pushed(posMode="one_way_mode", posSide=leg, tradeSide=trade_side, side="sell", reduceOnly="YES")
        fact = read(row)
        assert (fact.position_side, fact.side, fact.reduce_only) == (PositionSide.NET, Side.SELL, True)


@pytest.mark.parametrize(
    ("force", "kind"),
    [
        ("gtc", OrderType.LIMIT),
        ("GTC", OrderType.LIMIT),
        ("post_only", OrderType.POST_ONLY),
        ("ioc", OrderType.IOC),
        ("fok", OrderType.FOK),
    ],
)
def test_a_limit_orders_kind_is_its_force(force: str, kind: OrderType) -> None:
    """And its price is the one that it is limited to."""
    fact = read(pushed(orderType="limit", force=force, price="26000.5"))
    assert (fact.order_type, fact.price) == (kind, Decimal("26000.5"))


@pytest.mark.parametrize("name", ["clientOid", "clientOId"])
@pytest.mark.parametrize(("told", "known"), [("abc", "abc"), ("", None), (None, None)])
def test_the_client_order_id_by_both_its_names(name: str, told: str | None, known: str | None) -> None:
    """The documentation writes it in two ways; an order without one has none."""
    assert read(pushed(clientOid=None) | {name: told}).client_order_id == known


@pytest.mark.parametrize(
    ("closing", "close_long"), [(ClosingSide.POSITION, "buy"), (ClosingSide.DIRECTION, "sell")]
)
def test_a_fills_side_is_read_as_the_venue_is_set(closing: ClosingSide, close_long: str) -> None:
    """A fill names no position: what `side` of its close means is the setting that documents leave open."""
    row = sample(samples.FILL_PUSH)["data"][0]
    assert filled(row, closing).side is Side.BUY
    assert filled(row | {"tradeSide": "close", "side": close_long}, closing).side is Side.SELL
    one_way = row | {"posMode": "one_way_mode", "tradeSide": "buy_single"}
    assert filled(one_way, closing).side is Side.BUY


def test_the_documented_fill() -> None:
    """Size, price and fee of one trade."""
    execution = filled(sample(samples.FILL_PUSH)["data"][0])
    assert (execution.trade_id, execution.venue_order_id) == ("222", "111")
    assert (execution.quantity, execution.price) == (Decimal("0.01"), Decimal("51000.5"))
    assert (execution.fee, execution.fee_currency) == (Decimal("-0.183717"), "USDT")


def test_a_conditional_order_never_fills() -> None:
    """It ends when it sets off an order of another id, which tells of its own fills."""
    row = sample(samples.PLAN_PUSH)["data"][0]
    states = {"live": OrderStatus.LIVE, "executing": OrderStatus.LIVE, "executed": OrderStatus.TRIGGERED}
    for told, status in (states | {"fail_execute": OrderStatus.CANCELED}).items():
        for by_push, name, symbol in ((True, "status", "instId"), (False, "planStatus", "symbol")):
            fact = parse.plan_order(
                row | {name: told, symbol: "BTCUSDT"},
                place="data[0]",
                account=ACCOUNT,
                instruments=INSTRUMENTS,
                seen=TS,
                pushed=by_push,
            )
            assert (fact.status, fact.cum_filled, fact.quantity) == (status, 0, Decimal("0.02"))


@pytest.mark.parametrize(
    ("told", "leg", "side"),
    [
        ("burst_buy_single", "net", Side.BUY),
        ("reduce_sell_single", "net", Side.SELL),
        ("dte_sys_adl_buy_in_single_side_mode", "net", Side.BUY),
        ("burst_close_long", "long", Side.SELL),
        ("reduce_close_short", "short", Side.BUY),
        ("offset_close_long", "long", Side.SELL),
        ("dte_sys_adl_close_short", "short", Side.BUY),
    ],
)
def test_what_the_venue_closes_is_a_market_order_that_reduces(told: str, leg: str, side: Side) -> None:
    """Whatever price and flags the row has, in either position mode."""
    mode = "one_way_mode" if leg == "net" else "hedge_mode"
    row = {"posMode": mode, "posSide": leg, "side": side.value, "tradeSide": told}
    fact = read(pushed(**row, orderType="limit", price="1", reduceOnly="no"))
    assert (fact.order_type, fact.price, fact.reduce_only) == (OrderType.MARKET, None, True)
    assert (fact.position_side, fact.side) == (PositionSide(leg), side)


@pytest.mark.parametrize(
    ("plan", "fields", "kind"),
    [
        ("pl", {}, TriggerKind.ENTRY),
        ("normal_plan", {}, TriggerKind.ENTRY),
        ("profit_plan", {}, TriggerKind.TAKE_PROFIT),
        ("pos_loss", {}, TriggerKind.STOP_LOSS),
        ("psl", {"triggerPrice": "", "stopLossTriggerPrice": "27000"}, TriggerKind.STOP_LOSS),
        ("ptp", {"triggerPrice": "", "stopSurplusTriggerPrice": "27000"}, TriggerKind.TAKE_PROFIT),
        ("track_plan", {}, None),
        ("moon_plan", {}, UnreadableFrame),
    ],
)
def test_a_conditional_order_has_its_trigger(
    plan: str, fields: dict[str, str], kind: TriggerKind | type[Exception] | None
) -> None:
    """Plan types have a name by REST and another by push; one that trails the price waits for none."""
    row = sample(samples.PLAN_PUSH)["data"][0] | {"planType": plan, **fields}
    args = {"place": "d", "account": ACCOUNT, "instruments": INSTRUMENTS, "seen": TS, "pushed": True}
    if kind is UnreadableFrame:
        with pytest.raises(UnreadableFrame, match=r"d\.planType"):
            parse.plan_order(row, **args)
    else:
        wanted = None if kind is None else Trigger(kind=kind, price=Decimal(27000))  # type: ignore[arg-type]  # a kind
        fact = parse.plan_order(row, **args)
        assert (fact.trigger, fact.reduce_only) == (wanted, kind not in (TriggerKind.ENTRY, None))


@pytest.mark.parametrize(
    ("mode", "side", "leg", "held"),
    [
        ("hedge_mode", "short", PositionSide.SHORT, Decimal("-0.1")),
        ("hedge_mode", "long", PositionSide.LONG, Decimal("0.1")),
        ("one_way_mode", "short", PositionSide.NET, Decimal("-0.1")),
    ],
)
def test_a_position_is_signed(mode: str, side: str, leg: PositionSide, held: Decimal) -> None:
    """Below zero when short, by push and by REST; in one-way mode there is one position."""
    row = sample(samples.POSITION_PUSH)["data"][0] | {"posMode": mode, "holdSide": side, "symbol": "ETHUSDT"}
    for by_push in (True, False):
        assert parse.position(
            row, place="data[0]", account=ACCOUNT, instruments=INSTRUMENTS, pushed=by_push
        ) == PositionFact(
            venue=Venue.BITGET,
            account=ACCOUNT,
            symbol="ETHUSDT",
            position_side=leg,
            quantity=held,
            entry_price=Decimal(1900),
            ts_venue=1695711602568 * MS,
            leverage=Decimal(20),
            margin_mode=MarginMode.CROSS,
        )


def test_equity_is_that_of_the_margin_coin() -> None:
    """Push and REST name it differently; rows of other coins are not it."""
    for row, by_push in (({"equity": "26.14"}, True), ({"accountEquity": "26.14"}, False)):
        told = parse.equity(row | {"marginCoin": "USDT"}, place="d", account=ACCOUNT, pushed=by_push, ts=TS)
        assert told == Equity(account=ACCOUNT, equity=Decimal("26.14"), currency="USDT", ts_venue=TS)
    assert parse.equity({"marginCoin": "BTC"}, place="d", account=ACCOUNT, pushed=True, ts=TS) is None


def test_an_instrument_counts_in_base_coin() -> None:
    """The tick is priceEndStep in the last of pricePlace decimals; the lot is sizeMultiplier."""
    listed = parse.instrument(samples.CONTRACT, place="data[0]")
    assert listed is not None
    assert (listed.contract_size, listed.lot, listed.minimum) == (1, Decimal("0.001"), Decimal("0.001"))
    assert (listed.tick, listed.base, listed.settle) == (Decimal("0.5"), "BTC", "USDT")
    assert parse.instrument(samples.CONTRACT | {"symbolType": "delivery"}, place="d") is None
    assert parse.instrument(samples.CONTRACT | {"symbolStatus": "off"}, place="d") is None


def test_permissions_of_a_key() -> None:
    """Trading and withdrawal are told by their codes; the addresses are a list in a string."""
    read_only = parse.permissions({"authorities": ["coor", "cpor"], "ips": ""}, place="d")
    assert read_only == KeyPermissions(read=True, trade=False, withdraw=False)
    full = parse.permissions({"authorities": ["coow", "wwow"], "ips": "10.0.0.1, 10.0.0.2"}, place="d")
    assert full == KeyPermissions(read=True, trade=True, withdraw=True, addresses=("10.0.0.1", "10.0.0.2"))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("side", "hold", "'hold' is none of buy, sell"),
        ("status", "expired", "'expired' is none of live"),
        ("orderType", "iceberg", "'iceberg' is none of market"),
        ("posMode", "both", "'both' is none of hedge_mode, one_way_mode"),
        ("posMode", None, "missing"),
        ("reduceOnly", "perhaps", "'perhaps' is none of yes, no"),
        ("instId", "XYZUSDT", "refresh the instrument list"),
        ("size", "", "'' is not a number"),
        ("size", "NaN", "'NaN' is not a number"),
        ("size", "1e999", "'1e999' is not a number"),
        ("size", "-1", "is below zero"),
        ("size", 1, "1 is not a string"),
        ("accBaseVolume", None, "missing"),
        ("orderId", "", "is not an id"),
        ("uTime", "soon", "is not a time in milliseconds"),
        ("uTime", "99999999999999", "is not a time in milliseconds"),
    ],
)
def test_a_bad_value_is_named_by_its_place(field: str, value: object, words: str) -> None:
    """The error holds row, field and what is wrong with it."""
    row = pushed(posMode="one_way_mode") | {field: value}
    with pytest.raises(UnreadableFrame) as refused:
        read(row)
    assert str(refused.value).startswith(f"data[0].{field}: ")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"), [("tradeSide", "flip"), ("posSide", "net"), ("tradeSide", None), ("posSide", "")]
)
def test_a_hedged_order_says_which_way_it_goes(field: str, value: str | None) -> None:
    """Without a position and a trade side that are documented, its direction is not guessed."""
    with pytest.raises(UnreadableFrame, match=rf"data\[0\]\.{field}: "):
        read(pushed() | {field: value})
