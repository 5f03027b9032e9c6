"""Laws of Bitget's spot: its rows read, and what it is asked for."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, ClientOrderId, Venue, VenueOrderId
from spider_common.domain.instruments import InstrumentKind
from spider_common.domain.orders import (
    OrderFact,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    Trigger,
    TriggerKind,
)
from spider_common.domain.products import Account
from spider_common.domain.requests import Amendment, OrderRef, OrderRequest, PositionFact
from spider_common.sdk.ccxt import Codec
from spider_common.venues.bitget import spot, spot_requests
from spider_common.venues.bitget.spot import LISTED, PENDING, PUSHED, Names
from spider_common.venues.outcomes import UnreadableFrame
from tests import bitget_samples as samples
from tests.bitget_samples import INSTRUMENTS, sample
from tests.strategies import TS

ACCOUNT = AccountId("leader")
SYMBOL = "BTCUSDT@spot"
MS = 1_000_000
PAIR = spot.instrument(samples.SPOT_PAIR, place="data[0]")
assert PAIR is not None


class Fixed:
    def now(self) -> int:
        return TS


CODEC = Codec("bitget", Fixed())
CODEC.set_instruments([], [samples.SPOT_PAIR])
BUY = OrderRequest(
    client_order_id=ClientOrderId("mine"),
    account=Account(account=ACCOUNT, venue=Venue.BITGET),
    symbol=SYMBOL,
    side=Side.BUY,
    position_side=PositionSide.NET,
    reduce_only=False,
    order_type=OrderType.MARKET,
    size=Decimal("0.002"),
    reference_price=Decimal(60_000),
)


def pushed(**instead: Any) -> dict[str, Any]:
    row = sample(samples.SPOT_ORDER_PUSH)["data"][0] | instead
    return {name: value for name, value in row.items() if value is not None}


def read(row: dict[str, Any], names: Names = PUSHED) -> OrderFact:
    return spot.order(row, names, place="data[0]", account=ACCOUNT, instruments=INSTRUMENTS, seen=TS)


def placed(order: OrderRequest, slippage_bps: int = 50) -> dict[str, Any]:
    assert PAIR is not None
    request = spot_requests.place(order, CODEC, PAIR, slippage_bps)
    assert (request.api, request.method) == (("private", "spot"), "POST")
    return dict(request.params) | {"path": request.path.removeprefix("v2/spot/trade/")}


def test_the_documented_push_as_a_fact() -> None:
    """The size is `newSize`, what is filled of it `accBaseVolume`; the symbol is the marked one."""
    assert read(pushed()) == OrderFact(
        venue=Venue.BITGET,
        account=ACCOUNT,
        symbol=SYMBOL,
        venue_order_id=VenueOrderId("1171779081105780739"),
        client_order_id=ClientOrderId("mine"),
        side=Side.BUY,
        position_side=PositionSide.NET,
        reduce_only=False,
        order_type=OrderType.LIMIT,
        status=OrderStatus.PARTIALLY_FILLED,
        quantity=Decimal("0.002"),
        cum_filled=Decimal("0.0015"),
        price=Decimal("27000.5"),
        average_price=Decimal("27000.1"),
        ts_venue=1715099824300 * MS,
        ts_seen=TS,
    )


def test_the_documented_push_as_an_execution() -> None:
    """Of the last fill alone; a row without a trade tells none."""
    args: dict[str, Any] = {"place": "data[0]", "account": ACCOUNT, "instruments": INSTRUMENTS}
    told = spot.execution(pushed(), **args)
    assert told is not None
    assert (told.symbol, told.trade_id, told.side) == (SYMBOL, "222", Side.BUY)
    assert (told.quantity, told.price) == (Decimal("0.0005"), Decimal(27000))
    assert (told.fee, told.fee_currency) == (Decimal("-0.0000005"), "BTC")
    assert spot.execution(pushed(tradeId=None), **args) is None


@pytest.mark.parametrize("names", [LISTED, PENDING])
def test_a_push_and_a_rest_row_are_the_same_fact(names: Names) -> None:
    """Open orders are listed with the limit price under another name; the event ids are one."""
    row = dict(samples.SPOT_INFO)
    if names is PENDING:
        row["basePrice"], row["priceAvg"] = row["priceAvg"], row.pop("price")
    fact = read(row, names)
    assert fact.event_id == read(pushed()).event_id
    assert fact.average_price == Decimal("27000.1")


@pytest.mark.parametrize(("side", "quantity"), [("buy", "0.0015"), ("sell", "0.002")])
def test_a_market_buy_is_counted_by_what_it_filled(side: str, quantity: str) -> None:
    """Its size is in quote currency, so the base quantity is what was bought; sales are in base coin."""
    fact = read(pushed(orderType="market", side=side, price=None))
    assert (fact.order_type, fact.price) == (OrderType.MARKET, None)
    assert (fact.quantity, fact.cum_filled) == (Decimal(quantity), Decimal("0.0015"))


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("init", OrderStatus.LIVE),
        ("new", OrderStatus.LIVE),
        ("live", OrderStatus.LIVE),
        ("filled", OrderStatus.FILLED),
        ("cancelled", OrderStatus.CANCELED),
        ("canceled", OrderStatus.CANCELED),
    ],
)
def test_the_states_of_a_spot_order(told: str, status: OrderStatus) -> None:
    """Spot writes "cancelled", and "new" and "init" for an order that is not filled."""
    assert read(pushed(status=told)).status is status


def test_a_listing_without_an_update_time_goes_by_the_making() -> None:
    """The documented listing of open orders has none."""
    row = {name: value for name, value in samples.SPOT_INFO.items() if name != "uTime"}
    assert read(row, LISTED).ts_venue == 1715099824215 * MS


@pytest.mark.parametrize("by_push", [True, False])
@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("live", OrderStatus.LIVE),
        ("not_trigger", OrderStatus.LIVE),
        ("executing", OrderStatus.LIVE),
        ("executed", OrderStatus.TRIGGERED),
        ("cancelled", OrderStatus.CANCELED),
    ],
)
def test_a_conditional_order_never_fills(told: str, status: OrderStatus, *, by_push: bool) -> None:
    """It waits, then it is over: what it sets off is an order of another id."""
    row = sample(samples.SPOT_PLAN_PUSH)["data"][0] | {"status": told, "symbol": "BTCUSDT"}
    args: dict[str, Any] = {
        "place": "data[0]",
        "account": ACCOUNT,
        "instruments": INSTRUMENTS,
        "seen": TS,
        "pushed": by_push,
    }
    fact = spot.plan_order(row, **args)
    assert (fact.status, fact.cum_filled, fact.symbol) == (status, 0, SYMBOL)
    assert (fact.quantity, fact.price, fact.side) == (Decimal("0.002"), Decimal(35123), Side.SELL)
    assert spot.plan_order(row | {"planType": "total"}, **args).quantity == 0


def test_a_fill_by_rest_and_by_channel() -> None:
    """REST has the fee as an object, the channel as a list of one."""
    row = sample(samples.SPOT_FILL_PUSH)["data"][0]

    def fill(row: dict[str, Any]) -> Execution:
        return spot.fill(row, place="data[0]", account=ACCOUNT, instruments=INSTRUMENTS)

    told = fill(row)
    assert told == fill(row | {"feeDetail": row["feeDetail"][0]})
    assert (told.quantity, told.price, told.fee) == (Decimal("0.0007"), Decimal(13000), Decimal("-0.0000007"))
    with pytest.raises(UnreadableFrame, match=r"data\[0\]\.feeDetail: not an object"):
        fill(row | {"feeDetail": "-0.1"})


def test_a_coin_is_held_of_its_usdt_pair() -> None:
    """All of it, what orders bind included; a coin without a listed pair tells nothing."""
    coins = sample(samples.SPOT_ACCOUNT_PUSH)["data"]
    args: dict[str, Any] = {"place": "data[0]", "account": ACCOUNT, "instruments": INSTRUMENTS, "ts": TS}
    assert spot.holding(coins[0], **args) == PositionFact(
        venue=Venue.BITGET,
        account=ACCOUNT,
        symbol=SYMBOL,
        position_side=PositionSide.NET,
        quantity=Decimal("0.75"),
        entry_price=None,
        ts_venue=1697092295506 * MS,
    )
    assert spot.holding(coins[1], **args) is None


def test_a_pair_beside_the_swap_of_its_name() -> None:
    """Steps are told by their decimals; a minimum of zero is a lot; what is off is not listed."""
    assert PAIR is not None
    assert (PAIR.symbol, PAIR.kind, PAIR.settle) == (SYMBOL, InstrumentKind.SPOT, "USDT")
    assert (PAIR.lot, PAIR.minimum, PAIR.tick) == (Decimal("0.000001"), Decimal("0.000001"), Decimal("0.01"))
    for status in ("offline", "halt"):
        assert spot.instrument(samples.SPOT_PAIR | {"status": status}, place="data[0]") is None


@given(
    price=st.decimals("0.01", "100000", places=2),
    bps=st.integers(0, 1000),
    size=st.decimals("0.000001", "10", places=6),
)
def test_a_market_buy_is_an_exact_size_within_its_bound(price: Decimal, bps: int, size: Decimal) -> None:
    """It is sent as an immediate-or-cancel order for the base size, never above the bound, on a tick."""
    sent = placed(replace(BUY, size=size, reference_price=price), bps)
    assert (sent["orderType"], sent["force"], Decimal(sent["size"])) == ("limit", "ioc", size)
    limit = Decimal(sent["price"])
    assert limit % Decimal("0.01") == 0
    assert price * (10_000 + bps) / 10_000 - Decimal("0.01") < limit <= price * (10_000 + bps) / 10_000


def test_what_each_kind_of_order_is_asked_for() -> None:
    """By the venue's own symbol, with no word of reducing."""
    sale = placed(replace(BUY, side=Side.SELL, reduce_only=True))
    assert (sale["orderType"], sale["side"], sale["size"]) == ("market", "sell", "0.002")
    assert (sale["symbol"], sale["clientOid"]) == ("BTCUSDT", "mine")
    assert not {"reduceOnly", "tradeSide", "marginMode", "marginCoin", "productType"} & sale.keys()
    for kind, force in ((OrderType.POST_ONLY, "post_only"), (OrderType.IOC, "ioc"), (OrderType.FOK, "fok")):
        limit = placed(replace(BUY, order_type=kind, price=Decimal(59_000)))
        assert (limit["orderType"], limit["price"], limit["force"]) == ("limit", "59000", force)
    stop = Trigger(kind=TriggerKind.STOP_LOSS, price=Decimal(50_000))
    waits = placed(replace(BUY, side=Side.SELL, trigger=stop))
    assert waits["path"] == "place-plan-order"
    assert (waits["triggerPrice"], waits["planType"]) == ("50000", "amount")
    assert (waits["orderType"], "executePrice" in waits) == ("market", False)


def test_a_size_or_price_off_its_step_is_refused() -> None:
    """Before anything is sent."""
    for wrong in ({"size": Decimal("0.0000015")}, {"price": Decimal("59000.005")}):
        with pytest.raises(ValueError, match="not among its steps"):
            placed(replace(BUY, **wrong))


def test_only_a_market_buy_lacks_a_bound() -> None:
    """A sale, a limit order and one that waits need none."""
    bare = replace(BUY, reference_price=None)
    stop = Trigger(kind=TriggerKind.ENTRY, price=Decimal(61_000))
    assert spot_requests.lacks_bound(bare)
    bounded = (
        BUY,
        replace(bare, side=Side.SELL),
        replace(bare, price=Decimal(1)),
        replace(bare, trigger=stop),
    )
    assert not any(map(spot_requests.lacks_bound, bounded))


def test_cancel_and_replace_name_the_order() -> None:
    """By the venue's id where it is known; a conditional one without its symbol."""
    ref = OrderRef(account=BUY.account, symbol=SYMBOL, client_order_id=ClientOrderId("mine"))
    known = replace(ref, venue_order_id=VenueOrderId("7"))
    assert spot_requests.cancel(ref).params == {"symbol": "BTCUSDT", "clientOid": "mine"}
    assert spot_requests.cancel_plan(known).params == {"orderId": "7"}
    change = Amendment(
        ref=known,
        side=Side.BUY,
        position_side=PositionSide.NET,
        reduce_only=False,
        size=Decimal("0.003"),
        price=Decimal(58_000),
        replacement=ClientOrderId("next"),
    )
    assert spot_requests.modify(change, Decimal(58_000)).params == {
        "symbol": "BTCUSDT",
        "orderId": "7",
        "newClientOid": "next",
        "size": "0.003",
        "price": "58000",
    }
