"""OKX's JSON to facts. PURE. Push and REST rows have the same shape, so one reading serves both.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, ClientOrderId, TradeId, Venue, VenueOrderId
from spider_common.domain.instruments import Instrument, InstrumentKind, InstrumentList
from spider_common.domain.orders import OrderFact, OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.products import Equity
from spider_common.venues.outcomes import UnreadableFrame

Row = Mapping[str, object]
Known = TypeVar("Known")

_MS: Final = 1_000_000

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
_SIDE: Final = {"buy": Side.BUY, "sell": Side.SELL}
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
    filled = instrument.to_base(number(row, "accFillSz", place, empty=Decimal(0)))
    quantity = instrument.to_base(number(row, "sz", place))
    if text(row, "tgtCcy", place, default="") == "quote_ccy":
        quantity = filled  # a spot market buy is sized in quote currency; what it bought is all we can know
    client = text(row, "clOrdId", place, default="")
    price = optional_number(row, "px", place)
    return OrderFact(
        venue=Venue.OKX,
        account=account,
        symbol=instrument.symbol,
        venue_order_id=VenueOrderId(text(row, "ordId", place)),
        client_order_id=ClientOrderId(client) if client else None,
        side=one_of(row, "side", place, _SIDE),
        position_side=one_of(row, "posSide", place, _POSITION_SIDE),
        reduce_only=text(row, "reduceOnly", place, default="false") == "true",
        order_type=one_of(row, "ordType", place, _TYPE),
        status=one_of(row, "state", place, _STATUS),
        quantity=quantity,
        cum_filled=filled,
        price=price or None,
        average_price=optional_number(row, "avgPx", place) or None,
        ts_venue=milliseconds(row, "uTime", place),
        ts_seen=seen,
    )


def execution(
    row: Row, *, place: str, account: AccountId, instruments: InstrumentList, pushed: bool
) -> Execution | None:
    """The fill in a row, if it tells of one: `pushed` rows are of the orders channel, others of `fills`."""
    trade = text(row, "tradeId", place, default="")
    if not trade:
        return None
    instrument = _instrument(row, place, instruments)
    client = text(row, "clOrdId", place, default="")
    return Execution(
        venue=Venue.OKX,
        account=account,
        symbol=instrument.symbol,
        trade_id=TradeId(trade),
        venue_order_id=VenueOrderId(text(row, "ordId", place)),
        client_order_id=ClientOrderId(client) if client else None,
        side=one_of(row, "side", place, _SIDE),
        quantity=instrument.to_base(number(row, "fillSz", place)),
        price=number(row, "fillPx", place),
        fee=number(row, "fillFee" if pushed else "fee", place, empty=Decimal(0)),
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
    contract = number(row, "ctVal", place) * number(row, "ctMult", place, empty=Decimal(1))
    base, quote, *_ = symbol.split("-")
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
        lot=number(row, "lotSz", place),
        minimum=number(row, "minSz", place),
        tick=number(row, "tickSz", place),
    )


def _instrument(row: Row, place: str, instruments: InstrumentList) -> Instrument:
    symbol = text(row, "instId", place)
    found = instruments.get(Venue.OKX, symbol)
    if found is None:
        raise UnreadableFrame(
            f"{place}.instId: {symbol!r} is no instrument we know; refresh the instrument list"
        )
    return found


def text(row: Row, field: str, place: str, *, default: str | None = None) -> str:
    """A field that OKX sends as a JSON string."""
    value = row.get(field, default)
    if value is None:
        raise UnreadableFrame(f"{place}.{field}: missing; a row of this kind has it")
    if not isinstance(value, str):
        raise UnreadableFrame(f"{place}.{field}: {value!r} is not a string; OKX sends every value as one")
    return value


def number(row: Row, field: str, place: str, *, empty: Decimal | None = None) -> Decimal:
    """A decimal in a string; `empty` stands in where OKX sends an empty one."""
    value = text(row, field, place, default=None if empty is None else "")
    if not value and empty is not None:
        return empty
    try:
        result = Decimal(value)
    except InvalidOperation:
        raise UnreadableFrame(f"{place}.{field}: {value!r} is not a number") from None
    if not result.is_finite():
        raise UnreadableFrame(f"{place}.{field}: {value!r} is not a finite number")
    return result


def optional_number(row: Row, field: str, place: str) -> Decimal | None:
    return number(row, field, place) if row.get(field) not in {"", None} else None


def milliseconds(row: Row, field: str, place: str) -> int:
    """A Unix time in ms, as ns."""
    value = text(row, field, place)
    if not value.isdecimal():
        raise UnreadableFrame(f"{place}.{field}: {value!r} is not a time in milliseconds")
    return int(value) * _MS


def one_of(row: Row, field: str, place: str, known: Mapping[str, Known]) -> Known:
    """A field with a closed set of values."""
    value = text(row, field, place)
    if value not in known:
        raise UnreadableFrame(f"{place}.{field}: {value!r} is none of {', '.join(filter(None, known))}")
    return known[value]
