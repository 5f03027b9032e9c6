"""BingX's rows of the swap section to facts. PURE.

Sources: https://bingx-api.github.io/docs-v3/#/en/Swap/Websocket%20Account%20Data and
``/Swap/Trades%20Endpoints``, ``/Swap/Account%20Endpoints``. What is told of spot is read in `spot`.

Pushes and REST name the same things differently; a table for each says how. Sizes are in base coin.
"""

from decimal import Decimal
from typing import Final

import msgspec

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, ClientOrderId, TradeId, Venue, VenueOrderId
from spider_common.domain.instruments import Instrument, InstrumentKind, InstrumentList
from spider_common.domain.orders import (
    OrderFact,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    Trigger,
    TriggerKind,
)
from spider_common.domain.products import Equity, MarginMode
from spider_common.domain.quantities import ZERO
from spider_common.domain.requests import PositionFact
from spider_common.venues.bingx.fields import (
    Row,
    amount,
    flag,
    mapping,
    milliseconds,
    number,
    one_of,
    positive,
    rows,
    text,
    written_time,
)
from spider_common.venues.outcomes import UnreadableFrame

STATUS: Final = {
    "NEW": OrderStatus.LIVE,
    "PENDING": OrderStatus.LIVE,
    "WORKING": OrderStatus.LIVE,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "CANCELLED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.CANCELED,
    "FAILED": OrderStatus.CANCELED,
}
# A conditional order is what it becomes when its trigger fires.
_TYPE: Final = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "STOP": OrderType.LIMIT,
    "TAKE_PROFIT": OrderType.LIMIT,
    "TRIGGER_LIMIT": OrderType.LIMIT,
    "STOP_MARKET": OrderType.MARKET,
    "TAKE_PROFIT_MARKET": OrderType.MARKET,
    "TRIGGER_MARKET": OrderType.MARKET,
    "TRAILING_STOP_MARKET": OrderType.MARKET,
    "TRAILING_TP_SL": OrderType.MARKET,
    "LIQUIDATION": OrderType.MARKET,
    "ADL": OrderType.MARKET,
}
_TRIGGER: Final = {
    **dict.fromkeys(("STOP", "STOP_MARKET"), TriggerKind.STOP_LOSS),
    **dict.fromkeys(("TAKE_PROFIT", "TAKE_PROFIT_MARKET"), TriggerKind.TAKE_PROFIT),
    **dict.fromkeys(("TRIGGER_LIMIT", "TRIGGER_MARKET"), TriggerKind.ENTRY),
}
_STOPS: Final = frozenset({"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"})
_REDUCING: Final = _STOPS | {"LIQUIDATION", "ADL"}
"""Liquidations and auto-deleveraging, which are the venue's own, and stops, which close what is held."""
_TIME_IN_FORCE: Final = {
    "": OrderType.LIMIT,
    "GTC": OrderType.LIMIT,
    "PostOnly": OrderType.POST_ONLY,
    "IOC": OrderType.IOC,
    "FOK": OrderType.FOK,
}
SIDE: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_POSITION_SIDE: Final = {
    "BOTH": PositionSide.NET,
    "LONG": PositionSide.LONG,
    "SHORT": PositionSide.SHORT,
}
_MARGIN: Final = {
    "cross": MarginMode.CROSS,
    "crossed": MarginMode.CROSS,
    "isolated": MarginMode.ISOLATED,
}
EXECUTIONS: Final = frozenset({"NEW", "TRADE", "CANCELED", "EXPIRED", "CALCULATED"})


class _Names(msgspec.Struct, frozen=True):
    """What an order's fields are called."""

    symbol: str
    order_id: str
    client_order_id: str
    side: str
    position_side: str
    reduce_only: str
    order_type: str
    status: str
    quantity: str
    filled: str
    price: str
    average_price: str
    stop_price: str
    trigger_order: str


_REST: Final = _Names(
    symbol="symbol",
    order_id="orderId",
    client_order_id="clientOrderId",
    side="side",
    position_side="positionSide",
    reduce_only="reduceOnly",
    order_type="type",
    status="status",
    quantity="origQty",
    filled="executedQty",
    price="price",
    average_price="avgPrice",
    stop_price="stopPrice",
    trigger_order="triggerOrderId",
)
_PUSH: Final = _Names(
    symbol="s",
    order_id="i",
    client_order_id="c",
    side="S",
    position_side="ps",
    reduce_only="ro",
    order_type="o",
    status="X",
    quantity="q",
    filled="z",
    price="p",
    average_price="ap",
    stop_price="sp",
    trigger_order="ti",
)


def order(row: Row, *, place: str, account: AccountId, instruments: InstrumentList, seen: int) -> OrderFact:
    """The fact in a row of the order endpoints.

    Args:
        place: where the row stands, for errors: ``orders[0]``.
        seen: when the answer was read, Unix ns.

    Raises:
        UnreadableFrame: a field is missing or has a value that the documentation does not have.
    """
    instrument = _instrument(row, "symbol", place, instruments)
    updated = milliseconds(row, "updateTime", place)
    return _fact(row, _REST, place, account, instrument, updated=updated, seen=seen)


def pushed_order(
    frame: Row, *, account: AccountId, instruments: InstrumentList, seen: int
) -> tuple[OrderFact, Execution | None]:
    """What a push of ``TRADE_UPDATE`` or ``ORDER_TRADE_UPDATE`` tells.

    The order's update time is the frame's ``T`` (``o.T`` is the trade's, and zero in some frames), as
    REST's ``updateTime``. The fill is told only by frames that carry its size and price (``l``, ``L``);
    those without state the sum (``z``) alone, from which no single fill follows once a push is missed.
    """
    row = mapping(frame, "o", "frame")
    if text(row, "x", "o") not in EXECUTIONS:
        raise UnreadableFrame(f"o.x: {row['x']!r:.80} is none of {', '.join(sorted(EXECUTIONS))}")
    instrument = _instrument(row, "s", "o", instruments)
    updated = milliseconds(frame, "T" if "T" in frame else "E", "frame")
    fact = _fact(row, _PUSH, "o", account, instrument, updated=updated, seen=seen)
    if row["x"] != "TRADE" or "l" not in row or "L" not in row:
        return fact, None
    return fact, pushed_fill(row, fact, trade=text(row, "td", "o"), at=updated)


def execution(
    row: Row, *, place: str, account: AccountId, instruments: InstrumentList, client: ClientOrderId | None
) -> Execution:
    """The fill in a row of ``fillHistory``.

    Its ``filledTime`` carries an offset and is right; ``filledTm`` writes the same local time with a Z.

    Args:
        client: the order's client order id, which these rows do not have.
    """
    instrument = _instrument(row, "symbol", place, instruments)
    return Execution(
        venue=Venue.BINGX,
        account=account,
        symbol=instrument.symbol,
        trade_id=TradeId(text(row, "tradeId", place)),
        venue_order_id=VenueOrderId(text(row, "orderId", place)),
        client_order_id=client,
        side=one_of(row, "side", place, SIDE),
        quantity=amount(row, "qty" if "qty" in row else "volume", place),
        price=number(row, "price", place),
        fee=number(row, "commission", place, empty=ZERO),
        fee_currency=text(row, "commissionAsset", place, default="USDT"),
        ts_venue=written_time(row, "filledTime", place),
    )


def equity(row: Row, *, place: str, account: AccountId, at: int) -> Equity | None:
    """What an account is worth, from a row of ``user/balance``; None for a currency that we do not trade in.

    Args:
        at: the venue's time of the answer, Unix ns: the rows have none of their own.
    """
    currency = text(row, "asset", place)
    if currency != "USDT":
        return None
    return Equity(account=account, equity=number(row, "equity", place), currency=currency, ts_venue=at)


def position(row: Row, *, place: str, account: AccountId, hedge: bool) -> PositionFact:
    """What an account holds, from a row of ``user/positions``, which says LONG or SHORT in either mode.

    Args:
        hedge: the account's position mode.
    """
    side = one_of(row, "positionSide", place, _POSITION_SIDE)
    return PositionFact(
        venue=Venue.BINGX,
        account=account,
        symbol=text(row, "symbol", place),
        position_side=side if hedge else PositionSide.NET,
        quantity=_signed(number(row, "positionAmt", place), side),
        entry_price=positive(row, "avgPrice", place),
        ts_venue=milliseconds(row, "updateTime", place),
        leverage=positive(row, "leverage", place),
        margin_mode=MarginMode.ISOLATED if flag(row, "isolated", place, default=False) else MarginMode.CROSS,
        mark_price=positive(row, "markPrice", place),
    )


def pushed_positions(frame: Row, *, account: AccountId) -> tuple[PositionFact, ...]:
    """The positions that an ``ACCOUNT_UPDATE`` names: LONG or SHORT, or BOTH with a signed size.

    Its balances are wallet balances without open profit: they are not what an account is worth.
    """
    update = mapping(frame, "a", "frame")
    at = milliseconds(frame, "T" if "T" in frame else "E", "frame")
    found = []
    for index, row in enumerate(rows(update, "P", "a") if "P" in update else []):
        place = f"a.P[{index}]"
        side = one_of(row, "ps", place, _POSITION_SIDE)
        found.append(
            PositionFact(
                venue=Venue.BINGX,
                account=account,
                symbol=text(row, "s", place),
                position_side=side,
                quantity=_signed(number(row, "pa", place), side),
                entry_price=positive(row, "ep", place),
                ts_venue=at,
                margin_mode=one_of(row, "mt", place, _MARGIN) if row.get("mt") else None,
            )
        )
    return tuple(found)


def _fact(
    row: Row,
    names: _Names,
    place: str,
    account: AccountId,
    instrument: Instrument,
    *,
    updated: int,
    seen: int,
) -> OrderFact:
    order_type = one_of(row, names.order_type, place, _TYPE)
    market = order_type is OrderType.MARKET
    if not market and "timeInForce" in row:
        order_type = one_of(row, "timeInForce", place, _TIME_IN_FORCE)
    client = text(row, names.client_order_id, place, default="")
    filled = amount(row, names.filled, place, empty=ZERO)
    status = one_of(row, names.status, place, STATUS)
    if status is OrderStatus.FILLED and not filled:
        status = OrderStatus.TRIGGERED  # what it has set off is an order of its own, which fills
    order_id = text(row, names.order_id, place)
    return OrderFact(
        venue=Venue.BINGX,
        account=account,
        symbol=instrument.symbol,
        venue_order_id=VenueOrderId(order_id),
        client_order_id=ClientOrderId(client) if client else None,
        side=one_of(row, names.side, place, SIDE),
        position_side=one_of(row, names.position_side, place, _POSITION_SIDE),
        # whatever the flag says; of what the venue has made, a push tells too what happened
        reduce_only=row[names.order_type] in _REDUCING
        or row.get("x") == "CALCULATED"
        or flag(row, names.reduce_only, place, default=False),
        order_type=order_type,
        status=status,
        quantity=amount(row, names.quantity, place),
        cum_filled=filled,
        # a market order's price is the market's as it came in, not a limit
        price=None if market else positive(row, names.price, place),
        average_price=positive(row, names.average_price, place),
        ts_venue=updated,
        ts_seen=seen,
        trigger=_trigger(row, names, place),
        parent=_parent(text(row, names.trigger_order, place, default=""), order_id),
    )


def _trigger(row: Row, names: _Names, place: str) -> Trigger | None:
    kind = _TRIGGER.get(text(row, names.order_type, place))
    price = positive(row, names.stop_price, place)
    return None if kind is None or price is None else Trigger(kind=kind, price=price)


def _parent(told: str, order_id: str) -> VenueOrderId | None:
    """The conditional order that an order came from. An order that has got a stop since names that one in the
    same place; ids grow with time, so its own is the older."""
    both_count = told.isascii() and told.isdigit() and order_id.isascii() and order_id.isdigit()
    return VenueOrderId(told) if both_count and 0 < int(told) < int(order_id) else None


def pushed_fill(row: Row, fact: OrderFact, *, trade: str, at: int) -> Execution:
    """The fill that a push carries beside its fact."""
    return Execution(
        venue=fact.venue,
        account=fact.account,
        symbol=fact.symbol,
        trade_id=TradeId(trade),
        venue_order_id=fact.venue_order_id,
        client_order_id=fact.client_order_id,
        side=fact.side,
        quantity=amount(row, "l", "fill"),
        price=number(row, "L", "fill"),
        fee=number(row, "n", "fill", empty=ZERO),
        fee_currency=text(row, "N", "fill", default="USDT"),
        ts_venue=at,
    )


def _signed(size: Decimal, side: PositionSide) -> Decimal:
    """A leg's size says how much and its side says which way; a net position's size says both."""
    if side is PositionSide.NET:
        return size
    return -abs(size) if side is PositionSide.SHORT else abs(size)


def _instrument(row: Row, field: str, place: str, instruments: InstrumentList) -> Instrument:
    symbol = text(row, field, place)
    found = instruments.get(Venue.BINGX, symbol)
    if found is None or found.kind is not InstrumentKind.SWAP:
        raise UnreadableFrame(
            f"{place}.{field}: {symbol!r:.80} is no swap that we know; refresh the instrument list"
        )
    return found
