"""Bitget's JSON to facts. PURE.

Push and REST rows name the same things differently: a push has ``accBaseVolume`` for what is filled in all
and ``baseVolume`` for the last fill alone, a REST order has ``baseVolume`` for what is filled in all.

In hedge mode ``side`` names the position on some endpoints and the direction on others, so an order's
direction is read from ``posSide`` and ``tradeSide``, on which all agree.
Sources: https://www.bitget.com/api-doc/contract/websocket/private/Order-Channel and ``/contract/trade/``.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, TradeId, Venue, VenueOrderId
from spider_common.domain.instruments import Instrument, InstrumentKind, InstrumentList, Mark
from spider_common.domain.orders import (
    OrderFact,
    OrderType,
    PositionSide,
    Side,
    Trigger,
    TriggerKind,
)
from spider_common.domain.products import Equity, MarginMode
from spider_common.domain.requests import KeyPermissions, PositionFact
from spider_common.venues.bitget.fields import (
    KIND,
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
    children,
    code,
    identifier,
    milliseconds,
    number,
    one_of,
    optional_number,
    step,
    text,
)

COIN: Final = "USDT"
"""The margin coin of the swaps that are copied, and their settlement currency."""
_NOTHING: Final = Decimal(0)


class ClosingSide(StrEnum):
    """What ``side`` says of a closing order in hedge mode, where the documents disagree.

    POSITION: the position's own side, a long is closed by "buy" (place-order's documentation, and ccxt).
    DIRECTION: the direction of the trade, a long is closed by "sell".
    """

    POSITION = "position"
    DIRECTION = "direction"


class Names(msgspec.Struct, frozen=True):
    """What a kind of order row calls things."""

    symbol: str
    status: str
    filled: str


PUSHED: Final = Names("instId", "status", "accBaseVolume")
DETAIL: Final = Names("symbol", "state", "baseVolume")
LISTED: Final = Names("symbol", "status", "baseVolume")

# Plan types by REST and, in two or three letters, by push; and the field that has the price in some pushes.
_PLANS: Final = {
    "normal_plan": (TriggerKind.ENTRY, ""),
    "pl": (TriggerKind.ENTRY, ""),
    **dict.fromkeys(("profit_plan", "pos_profit", "tp", "ptp"), (TriggerKind.TAKE_PROFIT, "stopSurplus")),
    **dict.fromkeys(("loss_plan", "pos_loss", "sl", "psl"), (TriggerKind.STOP_LOSS, "stopLoss")),
}
_FORCED: Final = ("burst", "reduce", "offset", "delivery", "dte_sys_adl")
"""How ``tradeSide`` begins of liquidations, in whole and in part, settlements and ADL, in either mode."""
_TRAILING: Final = frozenset({"track_plan", "track", "moving_plan", "mtpsl"})
_SIGN: Final = {"long": 1, "short": -1}
_LEG: Final = {"long": PositionSide.LONG, "short": PositionSide.SHORT}
_MARGIN: Final = {"crossed": MarginMode.CROSS, "isolated": MarginMode.ISOLATED}
_HEDGED: Final = {"hedge_mode": True, "one_way_mode": False}
_FLAG: Final = {"yes": True, "no": False, "": False}
_MAY_TRADE: Final = frozenset({"coow", "trade"})
_MAY_WITHDRAW: Final = frozenset({"wwow", "withdraw"})
_SHIFT: Final = {str(places): -places for places in range(31)}


def order(
    row: Row, names: Names, *, place: str, account: AccountId, instruments: InstrumentList, seen: int
) -> OrderFact:
    """The fact in a row of the orders channel (PUSHED), of ``order/detail`` (DETAIL) or a listing (LISTED).

    Args:
        place: where the row stands, for errors: ``data[0]``.
        seen: when the frame or answer was read, Unix ns.

    Raises:
        UnreadableFrame: a field is missing or has a value that the documentation does not have.
    """
    known = known_instrument(row, names.symbol, place, instruments)
    leg, side, closes = _direction(row, place)
    forced = _is_forced(row, place)
    return OrderFact(
        venue=Venue.BITGET,
        account=account,
        symbol=known.symbol,
        venue_order_id=VenueOrderId(identifier(row, "orderId", place)),
        client_order_id=client_order_id(row, place),
        side=side,
        position_side=leg,
        reduce_only=closes or forced,
        order_type=OrderType.MARKET if forced else order_type(row, place),
        status=one_of(row, names.status, place, STATUS),
        quantity=known.to_base(amount(row, "size", place)),
        cum_filled=known.to_base(amount(row, names.filled, place)),
        price=None if forced else optional_number(row, "price", place) or None,
        average_price=optional_number(row, "priceAvg", place) or None,
        ts_venue=milliseconds(row, "uTime", place),
        ts_seen=seen,
    )


def plan_order(
    row: Row, *, place: str, account: AccountId, instruments: InstrumentList, seen: int, pushed: bool
) -> OrderFact:
    """A conditional order, of the orders-algo channel or of ``order/orders-plan-pending`` and ``-history``.

    It never fills: what it sets off is an order of its own. One that trails the price has no trigger.
    """
    known = known_instrument(row, "instId" if pushed else "symbol", place, instruments)
    leg, side, closes = _direction(row, place)
    kind = one_of(row, "orderType", place, KIND)
    price = optional_number(row, "executePrice", place) or optional_number(row, "price", place)
    trigger = _trigger(row, place)
    protects = trigger is not None and trigger.kind is not TriggerKind.ENTRY  # whatever its flag says
    return OrderFact(
        venue=Venue.BITGET,
        account=account,
        symbol=known.symbol,
        venue_order_id=VenueOrderId(identifier(row, "orderId", place)),
        client_order_id=client_order_id(row, place),
        side=side,
        position_side=leg,
        reduce_only=closes or protects,
        order_type=kind,
        status=one_of(row, "status" if pushed else "planStatus", place, PLAN_STATUS),
        quantity=known.to_base(amount(row, "size", place, empty=_NOTHING)),
        cum_filled=_NOTHING,
        price=None if kind is OrderType.MARKET else price or None,
        average_price=None,
        ts_venue=milliseconds(row, "uTime" if row.get("uTime") else "cTime", place),
        ts_seen=seen,
        trigger=trigger,
    )


def set_off(row: Row, place: str) -> VenueOrderId | None:
    """The order that a conditional order of ``orders-plan-history`` has set off; no other row tells it."""
    told = text(row, "executeOrderId", place, default="")
    return VenueOrderId(told) if told else None


def execution(row: Row, *, place: str, account: AccountId, instruments: InstrumentList) -> Execution | None:
    """The fill that a row of the orders channel tells of, if it does."""
    if not text(row, "tradeId", place, default=""):
        return None
    known = known_instrument(row, PUSHED.symbol, place, instruments)
    return Execution(
        venue=Venue.BITGET,
        account=account,
        symbol=known.symbol,
        trade_id=TradeId(identifier(row, "tradeId", place)),
        venue_order_id=VenueOrderId(identifier(row, "orderId", place)),
        client_order_id=client_order_id(row, place),
        side=_direction(row, place)[1],
        quantity=known.to_base(amount(row, "baseVolume", place)),
        price=amount(row, "fillPrice", place),
        fee=number(row, "fillFee", place, empty=_NOTHING),
        fee_currency=text(row, "fillFeeCoin", place, default=""),
        ts_venue=milliseconds(row, "fillTime", place),
    )


def fill(
    row: Row, *, place: str, account: AccountId, instruments: InstrumentList, closing: ClosingSide
) -> Execution:
    """A row of ``order/fills`` or of the fill channel. Most name no client order id, none a position."""
    known = known_instrument(row, "symbol", place, instruments)
    side = one_of(row, "side", place, SIDE)
    if closing is ClosingSide.POSITION and _is_hedged(row, place) and _closes(row, place):
        side = _opposite(side)
    fees = children(row, "feeDetail", place, null=True)
    paid = fees[0] if fees else {}
    return Execution(
        venue=Venue.BITGET,
        account=account,
        symbol=known.symbol,
        trade_id=TradeId(identifier(row, "tradeId", place)),
        venue_order_id=VenueOrderId(identifier(row, "orderId", place)),
        client_order_id=client_order_id(row, place),
        side=side,
        quantity=known.to_base(amount(row, "baseVolume", place)),
        price=amount(row, "price", place),
        fee=number(paid, "totalFee", f"{place}.feeDetail[0]", empty=_NOTHING),
        fee_currency=text(paid, "feeCoin", f"{place}.feeDetail[0]", default=""),
        ts_venue=milliseconds(row, "cTime", place),
    )


def equity(row: Row, *, place: str, account: AccountId, pushed: bool, ts: int) -> Equity | None:
    """An account's worth, from a row of the account channel or of ``account/accounts``; None for other coins.

    `ts`: of the frame or answer, Unix ns; the rows have none.
    """
    if text(row, "marginCoin", place) != COIN:
        return None
    worth = number(row, "equity" if pushed else "accountEquity", place)
    return Equity(account=account, equity=worth, currency=COIN, ts_venue=ts)


def margin_mode(row: Row, *, place: str) -> MarginMode:
    return one_of(row, "marginMode", place, _MARGIN)


def position(
    row: Row, *, place: str, account: AccountId, instruments: InstrumentList, pushed: bool
) -> PositionFact:
    """A row of the positions channel or of ``position/all-position``."""
    known = known_instrument(row, "instId" if pushed else "symbol", place, instruments)
    held = known.to_base(amount(row, "total", place))
    return PositionFact(
        venue=Venue.BITGET,
        account=account,
        symbol=known.symbol,
        position_side=one_of(row, "holdSide", place, _LEG) if _is_hedged(row, place) else PositionSide.NET,
        quantity=one_of(row, "holdSide", place, _SIGN) * held,
        entry_price=optional_number(row, "openPriceAvg", place) or None,
        ts_venue=milliseconds(row, "uTime" if row.get("uTime") else "cTime", place),
        # pushes write it as a JSON number
        leverage=optional_number({"leverage": code(row, "leverage", place, default="")}, "leverage", place),
        margin_mode=one_of(row, "marginMode", place, _MARGIN) if row.get("marginMode") else None,
        mark_price=optional_number(row, "markPrice", place) or None,
    )


def mark(row: Row, field: str, *, place: str, instruments: InstrumentList, mark: str = "") -> Mark | None:
    """A row of a ``market/tickers``, of swaps (`field`: markPrice) or of spot (lastPr); None for one without
    a price and for what is not copied. `mark`: follows the names of spot instruments in our list."""
    known = instruments.get(Venue.BITGET, text(row, "symbol", place) + mark)
    price = optional_number(row, field, place)
    if known is None or not price:
        return None
    return Mark(symbol=known.symbol, price=price, ts_venue=milliseconds(row, "ts", place))


def instrument(row: Row, *, place: str) -> Instrument | None:
    """An instrument of ``market/contracts``; None for those that are not perpetual or switched off."""
    if text(row, "symbolType", place) != "perpetual" or text(row, "symbolStatus", place) == "off":
        return None
    return Instrument(
        venue=Venue.BITGET,
        symbol=identifier(row, "symbol", place),
        kind=InstrumentKind.SWAP,
        base=text(row, "baseCoin", place),
        quote=text(row, "quoteCoin", place),
        settle=COIN,
        contract_size=Decimal(1),
        lot=step(row, "sizeMultiplier", place),
        minimum=step(row, "minTradeNum", place),
        tick=step(row, "priceEndStep", place).scaleb(one_of(row, "pricePlace", place, _SHIFT)),
        minimum_notional=amount(row, "minTradeUSDT", place, empty=_NOTHING),
    )


def permissions(row: Row, *, place: str) -> KeyPermissions:
    """What a key may do, from ``spot/account/info``: codes such as coow (futures orders, read and write)."""
    told = row.get("authorities")
    if not isinstance(told, list) or not all(isinstance(each, str) for each in told):
        raise UnreadableFrame(f"{place}.authorities: not an array of strings")
    may = frozenset(told)
    addresses = (address.strip() for address in text(row, "ips", place, default="").split(","))
    return KeyPermissions(
        read=bool(may),
        trade=bool(may & _MAY_TRADE),
        withdraw=bool(may & _MAY_WITHDRAW),
        addresses=tuple(address for address in addresses if address),
    )


def _trigger(row: Row, place: str) -> Trigger | None:
    plan = text(row, "planType", place).lower()
    if plan in _TRAILING:
        return None
    if plan not in _PLANS:
        raise UnreadableFrame(f"{place}.planType: {plan!r} is none of {', '.join((*_PLANS, *_TRAILING))}")
    kind, prefix = _PLANS[plan]
    price = amount(row, "triggerPrice", place, empty=_NOTHING)
    if not price and prefix:
        price = amount(row, f"{prefix}TriggerPrice", place, empty=_NOTHING)
    return Trigger(kind=kind, price=price) if price else None


def _direction(row: Row, place: str) -> tuple[PositionSide, Side, bool]:
    """Which position an order works on, which way it trades, and whether it can only reduce."""
    if not _is_hedged(row, place):
        only_reduces = one_of(row, "reduceOnly", place, _FLAG, default="")
        return PositionSide.NET, one_of(row, "side", place, SIDE), only_reduces
    leg = one_of(row, "posSide", place, _LEG)
    opening = Side.BUY if leg is PositionSide.LONG else Side.SELL
    closes = _closes(row, place)
    return leg, _opposite(opening) if closes else opening, closes


def _is_hedged(row: Row, place: str) -> bool:
    return one_of(row, "posMode", place, _HEDGED)


def _closes(row: Row, place: str) -> bool:
    """``tradeSide`` of a hedged order: open, close, or one of the venue's own (burst_close_long, say)."""
    told = text(row, "tradeSide", place).lower()
    if told != "open" and "close" not in told:
        raise UnreadableFrame(f"{place}.tradeSide: {told!r} neither opens nor closes a position")
    return told != "open"


def _is_forced(row: Row, place: str) -> bool:
    """Whether the venue has made the order, to close a position whatever its holder wants."""
    return text(row, "tradeSide", place, default="").lower().startswith(_FORCED)


def _opposite(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY
