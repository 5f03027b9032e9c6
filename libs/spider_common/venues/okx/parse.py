"""OKX's JSON to facts. PURE. Push and REST rows have the same shape, so one reading serves both.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel
"""

from decimal import Decimal
from typing import Final

import msgspec

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, ClientOrderId, TradeId, Venue, VenueOrderId
from spider_common.domain.instruments import Instrument, InstrumentKind, InstrumentList, Mark
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
from spider_common.domain.requests import KeyPermissions, PositionFact
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.rows import (
    Row,
    amount,
    children,
    identifier,
    milliseconds,
    number,
    one_of,
    optional_number,
    step,
    text,
)

_STATUS: Final = {
    "live": OrderStatus.LIVE,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "mmp_canceled": OrderStatus.CANCELED,
}
_TYPE: Final = {
    "market": OrderType.MARKET,
    "limit": OrderType.LIMIT,
    "post_only": OrderType.POST_ONLY,
    "ioc": OrderType.IOC,
    "fok": OrderType.FOK,
    "optimal_limit_ioc": OrderType.IOC,
    "mmp": OrderType.LIMIT,
    "mmp_and_post_only": OrderType.POST_ONLY,
}
_FORCED: Final = frozenset({"full_liquidation", "partial_liquidation", "adl"})
"""The categories of orders that the venue makes to close a position, whatever its holder wants."""
_ALGO_STATUS: Final = {
    "live": OrderStatus.LIVE,
    "pause": OrderStatus.LIVE,
    "partially_effective": OrderStatus.LIVE,
    "effective": OrderStatus.TRIGGERED,
    "canceled": OrderStatus.CANCELED,
    "order_failed": OrderStatus.CANCELED,
    "partially_failed": OrderStatus.CANCELED,
}
_LEGS: Final = (
    ("sl", TriggerKind.STOP_LOSS, "slTriggerPx", "slOrdPx"),
    ("tp", TriggerKind.TAKE_PROFIT, "tpTriggerPx", "tpOrdPx"),
    ("", TriggerKind.ENTRY, "triggerPx", "ordPx"),
)
"""The prices that a conditional order may wait for, and what is then ordered."""
_FLAG: Final = {"true": True, "false": False, "": False}
_SIDE: Final = {"buy": Side.BUY, "sell": Side.SELL}
_MARGIN: Final = {"cross": MarginMode.CROSS, "isolated": MarginMode.ISOLATED}
_QUOTE: Final = "USDT"
"""A balance of a coin is told as what is held of its pair with this one."""
_INVERSE: Final = "-USD-SWAP"
_POSITION_SIDE: Final = {
    "": PositionSide.NET,
    "net": PositionSide.NET,
    "long": PositionSide.LONG,
    "short": PositionSide.SHORT,
}


def order(row: Row, *, place: str, account: AccountId, instruments: InstrumentList, seen: int) -> OrderFact:
    """The fact in a row of the orders channel or of the order endpoints.

    Args:
        place: where the row stands, for errors: ``data[0]``.
        seen: when the frame or answer was read, Unix ns.

    Raises:
        UnreadableFrame: a field is missing or has a value that the documentation does not have.
    """
    instrument = _instrument(row, place, instruments)
    filled = instrument.to_base(amount(row, "accFillSz", place, empty=ZERO))
    quantity = instrument.to_base(amount(row, "sz", place))
    if text(row, "tgtCcy", place, default="") == "quote_ccy":
        quantity = filled  # a spot market buy is sized in quote currency; what it bought is all we can know
    forced = text(row, "category", place, default="") in _FORCED
    price = None if forced else optional_number(row, "px", place)
    parent = text(row, "algoId", place, default="")
    return OrderFact(
        venue=Venue.OKX,
        account=account,
        symbol=instrument.symbol,
        venue_order_id=VenueOrderId(identifier(row, "ordId", place)),
        client_order_id=_client_order_id(row, place),
        side=one_of(row, "side", place, _SIDE),
        position_side=one_of(row, "posSide", place, _POSITION_SIDE),
        reduce_only=forced or one_of(row, "reduceOnly", place, _FLAG, default="false"),
        order_type=OrderType.MARKET if forced else one_of(row, "ordType", place, _TYPE),
        status=one_of(row, "state", place, _STATUS),
        quantity=quantity,
        cum_filled=filled,
        price=price or None,
        average_price=optional_number(row, "avgPx", place) or None,
        ts_venue=milliseconds(row, "uTime", place),
        ts_seen=seen,
        parent=VenueOrderId(parent) if parent else None,
    )


def algo_orders(
    row: Row, *, place: str, account: AccountId, instruments: InstrumentList, seen: int
) -> tuple[OrderFact, ...]:
    """The conditional orders in a row of the orders-algo channel or of the algo endpoints.

    One that waits at two prices (``oco``) is two, of which the take profit has ``-tp`` after the id; the one
    whose price comes cancels the other. Those that no price alone sets off (trailing, twap) are none.
    """
    instrument = _instrument(row, place, instruments)
    client = text(row, "algoClOrdId", place, default="")
    order_id = identifier(row, "algoId", place)
    status = one_of(row, "state", place, _ALGO_STATUS)
    waiting = [
        (leg, Trigger(kind=kind, price=price), optional_number(row, limit, place))
        for leg, kind, field, limit in _LEGS
        if (price := amount(row, field, place, empty=ZERO))
    ]
    if len(waiting) > 1:
        waiting = [(leg, msgspec.structs.replace(each, paired=True), limit) for leg, each, limit in waiting]
    reached = text(row, "actualSide", place, default="") if len(waiting) > 1 else ""
    return tuple(
        OrderFact(
            venue=Venue.OKX,
            account=account,
            symbol=instrument.symbol,
            venue_order_id=VenueOrderId(f"{order_id}-{leg}" if at else order_id),
            client_order_id=ClientOrderId(client) if client else None,
            side=one_of(row, "side", place, _SIDE),
            position_side=one_of(row, "posSide", place, _POSITION_SIDE),
            reduce_only=one_of(row, "reduceOnly", place, _FLAG, default="false"),
            # -1: at the market
            order_type=OrderType.LIMIT if limit is not None and limit > 0 else OrderType.MARKET,
            status=OrderStatus.CANCELED if reached not in ("", leg) else status,
            quantity=instrument.to_base(amount(row, "sz", place, empty=ZERO)),
            cum_filled=ZERO,
            price=limit if limit is not None and limit > 0 else None,
            average_price=None,
            ts_venue=milliseconds(row, "uTime", place),
            ts_seen=seen,
            trigger=trigger,
        )
        for at, (leg, trigger, limit) in enumerate(waiting)
    )


def execution(
    row: Row, *, place: str, account: AccountId, instruments: InstrumentList, pushed: bool
) -> Execution | None:
    """The fill in a row, if it tells of one: `pushed` rows are of the orders channel, others of `fills`."""
    if not text(row, "tradeId", place, default=""):
        return None
    instrument = _instrument(row, place, instruments)
    return Execution(
        venue=Venue.OKX,
        account=account,
        symbol=instrument.symbol,
        trade_id=TradeId(identifier(row, "tradeId", place)),
        venue_order_id=VenueOrderId(identifier(row, "ordId", place)),
        client_order_id=_client_order_id(row, place),
        side=one_of(row, "side", place, _SIDE),
        quantity=instrument.to_base(amount(row, "fillSz", place)),
        price=number(row, "fillPx", place),
        fee=number(row, "fillFee" if pushed else "fee", place, empty=ZERO),
        fee_currency=text(row, "fillFeeCcy" if pushed else "feeCcy", place, default=""),
        ts_venue=milliseconds(row, "fillTime" if pushed else "ts", place),
    )


def equity(row: Row, *, place: str, account: AccountId) -> Equity:
    """An account's worth in USD, from a row of the account channel or of ``account/balance``."""
    return Equity(
        account=account,
        equity=number(row, "totalEq", place),
        currency="USD",
        ts_venue=milliseconds(row, "uTime", place),
    )


def position(row: Row, *, place: str, account: AccountId, instruments: InstrumentList) -> PositionFact | None:
    """A row of the positions channel or of ``account/positions``; None for an inverse swap: those are not
    copied.

    In net mode ``pos`` is signed; in long/short mode the side says which way it is held.
    """
    if text(row, "instId", place).endswith(_INVERSE):
        return None
    known = _instrument(row, place, instruments)
    side = one_of(row, "posSide", place, _POSITION_SIDE)
    held = known.to_base(number(row, "pos", place, empty=ZERO))
    if side is not PositionSide.NET:
        held = -abs(held) if side is PositionSide.SHORT else abs(held)
    return PositionFact(
        venue=Venue.OKX,
        account=account,
        symbol=known.symbol,
        position_side=side,
        quantity=held,
        entry_price=optional_number(row, "avgPx", place) or None,
        ts_venue=milliseconds(row, "uTime", place),
        leverage=optional_number(row, "lever", place) or None,
        margin_mode=one_of(row, "mgnMode", place, _MARGIN) if row.get("mgnMode") else None,
        mark_price=optional_number(row, "markPx", place) or None,
    )


def holdings(
    row: Row, *, place: str, account: AccountId, instruments: InstrumentList
) -> tuple[PositionFact, ...]:
    """The coins in a row of the account channel or of ``account/balance``; a push tells what changed."""
    told = []
    for at, coin in enumerate(children(row, "details", place, null=True)):
        here = f"{place}.details[{at}]"
        pair = instruments.get(Venue.OKX, f"{text(coin, 'ccy', here)}-{_QUOTE}")
        if pair is not None:
            held = PositionFact(
                venue=Venue.OKX,
                account=account,
                symbol=pair.symbol,
                position_side=PositionSide.NET,
                quantity=number(coin, "cashBal", here, empty=ZERO),
                entry_price=None,
                ts_venue=milliseconds(coin, "uTime", here),
            )
            told.append(held)
    return tuple(told)


def mark(row: Row, field: str, *, place: str, instruments: InstrumentList) -> Mark | None:
    """A row of ``public/mark-price`` (`field`: markPx) or ``market/tickers`` (last); None for one without a
    price and for what is not copied."""
    known = instruments.get(Venue.OKX, text(row, "instId", place))
    price = optional_number(row, field, place)
    if known is None or not price:
        return None
    return Mark(symbol=known.symbol, price=price, ts_venue=milliseconds(row, "ts", place))


def permissions(row: Row, *, place: str) -> KeyPermissions:
    """What a key may do, from ``account/config``: ``read_only,trade,withdraw``, and from where."""
    may = _listed_in(row, "perm", place)
    return KeyPermissions(
        read=bool(may),
        trade="trade" in may,
        withdraw="withdraw" in may,
        addresses=_listed_in(row, "ip", place),
    )


def _listed_in(row: Row, field: str, place: str) -> tuple[str, ...]:
    """The parts of a text with commas."""
    parts = (part.strip() for part in text(row, field, place).split(","))
    return tuple(part for part in parts if part)


def instrument(row: Row, *, place: str) -> Instrument | None:
    """An instrument of ``public/instruments``; None for those that are not spot or linear swaps."""
    kind = text(row, "instType", place)
    symbol = text(row, "instId", place)
    if kind == "SPOT":
        quote = text(row, "quoteCcy", place)
        return _listed(
            row, place, symbol, InstrumentKind.SPOT, text(row, "baseCcy", place), quote, quote, "1"
        )
    if kind != "SWAP" or text(row, "ctType", place, default="linear") != "linear":
        return None
    settle = text(row, "settleCcy", place)
    contract = step(row, "ctVal", place)
    if row.get("ctMult"):
        contract *= step(row, "ctMult", place)
    base, _, rest = symbol.partition("-")
    quote = rest.partition("-")[0]
    if not quote:
        raise UnreadableFrame(f"{place}.instId: {symbol!r} does not name base and quote: BTC-USDT-SWAP does")
    return _listed(row, place, symbol, InstrumentKind.SWAP, base, quote, settle, contract)


def _listed(
    row: Row,
    place: str,
    symbol: str,
    kind: InstrumentKind,
    base: str,
    quote: str,
    settle: str,
    contract_size: Decimal | str,
) -> Instrument:
    return Instrument(
        venue=Venue.OKX,
        symbol=symbol,
        kind=kind,
        base=base,
        quote=quote,
        settle=settle,
        contract_size=Decimal(contract_size),
        lot=step(row, "lotSz", place),
        minimum=step(row, "minSz", place),
        tick=step(row, "tickSz", place),
    )


def _client_order_id(row: Row, place: str) -> ClientOrderId | None:
    """An order's own, or that of the conditional order which has set it off."""
    told = text(row, "clOrdId", place, default="") or text(row, "algoClOrdId", place, default="")
    return ClientOrderId(told) if told else None


def _instrument(row: Row, place: str, instruments: InstrumentList) -> Instrument:
    symbol = text(row, "instId", place)
    found = instruments.get(Venue.OKX, symbol)
    if found is None:
        raise UnreadableFrame(
            f"{place}.instId: {symbol!r} is no instrument we know; refresh the instrument list"
        )
    return found
