"""Bitget's spot JSON to facts. PURE.

Spot rows have no position, and each endpoint has its own names: see the `Names`. A market buy is sized in
quote currency, so what was ordered of the base coin is told by what was filled of it.
Sources: https://www.bitget.com/api-doc/spot/trade/ and ``/spot/websocket/private/``.
"""

from decimal import Decimal
from typing import Final

import msgspec

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, TradeId, Venue, VenueOrderId
from spider_common.domain.instruments import SPOT_MARK, Instrument, InstrumentKind, InstrumentList
from spider_common.domain.orders import (
    OrderFact,
    OrderType,
    PositionSide,
    Side,
    Trigger,
    TriggerKind,
)
from spider_common.domain.requests import PositionFact
from spider_common.venues.bitget.fields import (
    PLAN_STATUS,
    SIDE,
    STATUS,
    client_order_id,
    known_instrument,
    order_type,
)
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.rows import (
    Row,
    amount,
    child,
    children,
    identifier,
    milliseconds,
    number,
    one_of,
    optional_number,
    text,
)
from spider_common.venues.venue import Told

PRODUCT: Final = "SPOT"
_QUOTE: Final = "USDT"
"""A balance of a coin is told as what is held of its pair with this one."""
_NOTHING: Final = Decimal(0)
_STEP: Final = {str(places): Decimal(1).scaleb(-places) for places in range(31)}


class Names(msgspec.Struct, frozen=True):
    """What a kind of spot order row calls things. `average`: the price of what was filled."""

    symbol: str
    size: str
    filled: str
    price: str
    average: str


PUSHED: Final = Names("instId", "newSize", "accBaseVolume", "price", "priceAvg")
LISTED: Final = Names("symbol", "size", "baseVolume", "price", "priceAvg")
"""``trade/orderInfo`` and ``trade/history-orders``."""
PENDING: Final = Names("symbol", "size", "baseVolume", "priceAvg", "basePrice")
"""``trade/unfilled-orders``, whose ``priceAvg`` is the limit price."""


def order(
    row: Row, names: Names, *, place: str, account: AccountId, instruments: InstrumentList, seen: int
) -> OrderFact:
    """The fact in a row of the orders channel (PUSHED) or of a listing (PENDING, LISTED).

    Raises:
        UnreadableFrame: a field is missing or has a value that the documentation does not have.
    """
    known = known_instrument(row, names.symbol, place, instruments, mark=SPOT_MARK)
    side, kind = one_of(row, "side", place, SIDE), order_type(row, place)
    filled = amount(row, names.filled, place, empty=_NOTHING)
    bought_for_quote = kind is OrderType.MARKET and side is Side.BUY
    price = optional_number(row, names.price, place)
    return OrderFact(
        venue=Venue.BITGET,
        account=account,
        symbol=known.symbol,
        venue_order_id=VenueOrderId(identifier(row, "orderId", place)),
        client_order_id=client_order_id(row, place),
        side=side,
        position_side=PositionSide.NET,
        reduce_only=False,
        order_type=kind,
        status=one_of(row, "status", place, STATUS),
        quantity=filled if bought_for_quote else amount(row, names.size, place),
        cum_filled=filled,
        price=None if kind is OrderType.MARKET else price or None,
        average_price=optional_number(row, names.average, place) or None,
        ts_venue=_updated(row, place),
        ts_seen=seen,
    )


def plan_order(
    row: Row, *, place: str, account: AccountId, instruments: InstrumentList, seen: int, pushed: bool
) -> OrderFact:
    """A conditional order, of the orders-algo channel or of ``trade/current-plan-order`` and ``history-``.

    It never fills: what it sets off is an order of its own. One that is sized in quote currency tells no
    quantity.
    """
    known = known_instrument(row, "instId" if pushed else "symbol", place, instruments, mark=SPOT_MARK)
    kind = order_type(row, place)
    in_base = text(row, "planType", place, default="amount").lower() != "total"
    price = optional_number(row, "executePrice", place)
    return OrderFact(
        venue=Venue.BITGET,
        account=account,
        symbol=known.symbol,
        venue_order_id=VenueOrderId(identifier(row, "orderId", place)),
        client_order_id=client_order_id(row, place),
        side=one_of(row, "side", place, SIDE),
        position_side=PositionSide.NET,
        reduce_only=False,
        order_type=kind,
        status=one_of(row, "status", place, PLAN_STATUS),
        quantity=amount(row, "size", place) if in_base else _NOTHING,
        cum_filled=_NOTHING,
        price=None if kind is OrderType.MARKET else price or None,
        average_price=None,
        ts_venue=_updated(row, place),
        ts_seen=seen,
        trigger=Trigger(kind=TriggerKind.ENTRY, price=amount(row, "triggerPrice", place)),
    )


def execution(row: Row, *, place: str, account: AccountId, instruments: InstrumentList) -> Execution | None:
    """The fill that a row of the orders channel tells of, if it does."""
    if not text(row, "tradeId", place, default=""):
        return None
    known = known_instrument(row, PUSHED.symbol, place, instruments, mark=SPOT_MARK)
    return Execution(
        venue=Venue.BITGET,
        account=account,
        symbol=known.symbol,
        trade_id=TradeId(identifier(row, "tradeId", place)),
        venue_order_id=VenueOrderId(identifier(row, "orderId", place)),
        client_order_id=client_order_id(row, place),
        side=one_of(row, "side", place, SIDE),
        quantity=amount(row, "baseVolume", place),
        price=amount(row, "fillPrice", place),
        fee=number(row, "fillFee", place, empty=_NOTHING),
        fee_currency=text(row, "fillFeeCoin", place, default=""),
        ts_venue=milliseconds(row, "fillTime", place),
    )


def fill(row: Row, *, place: str, account: AccountId, instruments: InstrumentList) -> Execution:
    """A row of ``trade/fills`` or of the fill channel. It names no client order id."""
    known = known_instrument(row, "symbol", place, instruments, mark=SPOT_MARK)
    told_by_channel = isinstance(row.get("feeDetail"), list)
    fees = children(row, "feeDetail", place) if told_by_channel else [child(row, "feeDetail", place)]
    paid: Row = fees[0] if fees else {}
    return Execution(
        venue=Venue.BITGET,
        account=account,
        symbol=known.symbol,
        trade_id=TradeId(identifier(row, "tradeId", place)),
        venue_order_id=VenueOrderId(identifier(row, "orderId", place)),
        client_order_id=None,
        side=one_of(row, "side", place, SIDE),
        quantity=amount(row, "size", place),
        price=amount(row, "priceAvg", place),
        fee=number(paid, "totalFee", f"{place}.feeDetail", empty=_NOTHING),
        fee_currency=text(paid, "feeCoin", f"{place}.feeDetail", default=""),
        ts_venue=milliseconds(row, "cTime", place),
    )


def holding(
    row: Row, *, place: str, account: AccountId, instruments: InstrumentList, ts: int
) -> PositionFact | None:
    """A coin's balance, of the account channel or of ``account/assets``, as what is held of its USDT pair.

    None for coins without one. `ts`: of the frame or answer, Unix ns; it stands for a row without a time.
    """
    coin = text(row, "coin", place).upper()
    known = instruments.get(Venue.BITGET, f"{coin}{_QUOTE}{SPOT_MARK}")
    if known is None:
        return None
    parts = (amount(row, name, place, empty=_NOTHING) for name in ("available", "frozen", "locked"))
    return PositionFact(
        venue=Venue.BITGET,
        account=account,
        symbol=known.symbol,
        position_side=PositionSide.NET,
        quantity=sum(parts, _NOTHING),
        entry_price=None,
        ts_venue=milliseconds(row, "uTime", place) if row.get("uTime") else ts,
    )


def instrument(row: Row, *, place: str) -> Instrument | None:
    """A pair of ``public/symbols``; None for those that are not traded yet or any more."""
    if text(row, "status", place) not in ("online", "gray"):
        return None
    lot = one_of(row, "quantityPrecision", place, _STEP)
    quote = text(row, "quoteCoin", place)
    return Instrument(
        venue=Venue.BITGET,
        symbol=identifier(row, "symbol", place) + SPOT_MARK,
        kind=InstrumentKind.SPOT,
        base=text(row, "baseCoin", place),
        quote=quote,
        settle=quote,
        contract_size=Decimal(1),
        lot=lot,
        minimum=max(amount(row, "minTradeAmount", place, empty=_NOTHING), lot),
        tick=one_of(row, "pricePrecision", place, _STEP),
        minimum_notional=amount(row, "minTradeUSDT", place, empty=_NOTHING),
    )


def told(body: Row, channel: str, *, account: AccountId, instruments: InstrumentList, seen: int) -> Told:
    """The facts in a push of a private spot channel.

    Raises:
        UnreadableFrame: it does not look as documented.
    """
    placed = [(row, f"data[{at}]") for at, row in enumerate(children(body, "data", "frame"))]
    match channel:
        case "orders":
            executions = (
                execution(row, place=place, account=account, instruments=instruments) for row, place in placed
            )
            return Told(
                facts=tuple(
                    order(row, PUSHED, place=place, account=account, instruments=instruments, seen=seen)
                    for row, place in placed
                ),
                executions=tuple(each for each in executions if each is not None),
            )
        case "orders-algo":
            return Told(
                facts=tuple(
                    plan_order(
                        row, place=place, account=account, instruments=instruments, seen=seen, pushed=True
                    )
                    for row, place in placed
                )
            )
        case "fill":
            return Told(
                executions=tuple(
                    fill(row, place=place, account=account, instruments=instruments) for row, place in placed
                )
            )
        case "account":
            ts = milliseconds(body, "ts", "frame")
            held = (
                holding(row, place=place, account=account, instruments=instruments, ts=ts)
                for row, place in placed
            )
            return Told(positions=tuple(each for each in held if each is not None))
        case other:
            raise UnreadableFrame(f"arg.channel: {other!r} is not a spot channel that we subscribe to")


def _updated(row: Row, place: str) -> int:
    """Listings of open orders may leave the update out: nothing has happened since the order was made."""
    return milliseconds(row, "uTime" if row.get("uTime") else "cTime", place)
