"""OKX's JSON to facts. PURE. Push and REST rows have the same shape, so one reading serves both.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel
"""

import re
from collections.abc import Mapping
from decimal import Decimal
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
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,2})?")
_MILLISECONDS: Final = re.compile(r"[0-9]{1,13}")
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

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
_FLAG: Final = {"true": True, "false": False, "": False}
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
    filled = instrument.to_base(amount(row, "accFillSz", place, empty=Decimal(0)))
    quantity = instrument.to_base(amount(row, "sz", place))
    if text(row, "tgtCcy", place, default="") == "quote_ccy":
        quantity = filled  # a spot market buy is sized in quote currency; what it bought is all we can know
    client = text(row, "clOrdId", place, default="")
    price = optional_number(row, "px", place)
    return OrderFact(
        venue=Venue.OKX,
        account=account,
        symbol=instrument.symbol,
        venue_order_id=VenueOrderId(identifier(row, "ordId", place)),
        client_order_id=ClientOrderId(client) if client else None,
        side=one_of(row, "side", place, _SIDE),
        position_side=one_of(row, "posSide", place, _POSITION_SIDE),
        reduce_only=one_of(row, "reduceOnly", place, _FLAG, default="false"),
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
    if not text(row, "tradeId", place, default=""):
        return None
    instrument = _instrument(row, place, instruments)
    client = text(row, "clOrdId", place, default="")
    return Execution(
        venue=Venue.OKX,
        account=account,
        symbol=instrument.symbol,
        trade_id=TradeId(identifier(row, "tradeId", place)),
        venue_order_id=VenueOrderId(identifier(row, "ordId", place)),
        client_order_id=ClientOrderId(client) if client else None,
        side=one_of(row, "side", place, _SIDE),
        quantity=instrument.to_base(amount(row, "fillSz", place)),
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
    contract = step(row, "ctVal", place) * step(row, "ctMult", place, empty=Decimal(1))
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


def identifier(row: Row, field: str, place: str) -> str:
    """An id that the venue gave. Ours are made of these, so nothing else may be in one."""
    value = text(row, field, place)
    if not _IDENTIFIER.fullmatch(value):
        raise UnreadableFrame(f"{place}.{field}: {value!r} is not an id of letters and digits")
    return value


def number(row: Row, field: str, place: str, *, empty: Decimal | None = None) -> Decimal:
    """A decimal in a string; `empty` stands in where OKX sends an empty one."""
    value = text(row, field, place, default=None if empty is None else "")
    if not value and empty is not None:
        return empty
    if not _NUMBER.fullmatch(value):  # Decimal itself would also take "NaN", "1_0", " 1 " and 1e999999
        raise UnreadableFrame(f"{place}.{field}: {value!r} is not a number")
    return Decimal(value)


def amount(row: Row, field: str, place: str, *, empty: Decimal | None = None) -> Decimal:
    """A number that is not below zero."""
    result = number(row, field, place, empty=empty)
    if result < 0:
        raise UnreadableFrame(f"{place}.{field}: {result} is below zero; its sign is in the side")
    return result


def step(row: Row, field: str, place: str, *, empty: Decimal | None = None) -> Decimal:
    """A number that others are divided by."""
    result = number(row, field, place, empty=empty)
    if result <= 0:
        raise UnreadableFrame(f"{place}.{field}: {result} is not a step; it is above zero")
    return result


def optional_number(row: Row, field: str, place: str) -> Decimal | None:
    return number(row, field, place) if row.get(field) not in ("", None) else None


def milliseconds(row: Row, field: str, place: str) -> int:
    """A Unix time in ms, as ns."""
    value = text(row, field, place)
    if not _MILLISECONDS.fullmatch(value):  # 13 digits last until the year 2286, and fit in ns into 64 bits
        raise UnreadableFrame(f"{place}.{field}: {value!r} is not a time in milliseconds")
    return int(value) * _MS


def one_of(
    row: Row, field: str, place: str, known: Mapping[str, Known], *, default: str | None = None
) -> Known:
    """A field with a closed set of values."""
    value = text(row, field, place, default=default)
    if value not in known:
        raise UnreadableFrame(f"{place}.{field}: {value!r} is none of {', '.join(filter(None, known))}")
    return known[value]
