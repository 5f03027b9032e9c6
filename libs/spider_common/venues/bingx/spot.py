"""BingX's rows of the spot section to facts. PURE.

Sources: https://bingx-api.github.io/docs-v3/#/en/Spot/Websocket%20Account%20Data,
``/Spot/Trades%20Endpoints`` and ``/Spot/Market%20Data/Spot%20trading%20symbols``.

A pair is named as the swap of the same coins; our symbol of it ends in `SPOT_MARK`. Sizes are in base coin.
"""

from decimal import Decimal
from typing import Final

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, ClientOrderId, TradeId, Venue, VenueOrderId
from spider_common.domain.instruments import SPOT_MARK, Instrument, InstrumentKind, InstrumentList, Mark
from spider_common.domain.orders import OrderFact, OrderType, PositionSide, Side, Trigger, TriggerKind
from spider_common.domain.quantities import ZERO
from spider_common.domain.requests import PositionFact
from spider_common.venues.bingx import parse
from spider_common.venues.bingx.fields import (
    Row,
    amount,
    flag,
    milliseconds,
    number,
    one_of,
    positive,
    text,
)
from spider_common.venues.outcomes import UnreadableFrame

_QUOTE: Final = "USDT"
"""A balance of a coin is told as what is held of its pair with this one."""
# A conditional order is what it becomes when its trigger fires. The rows do not tell a time in force.
_TYPE: Final = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "TAKE_STOP_LIMIT": OrderType.LIMIT,
    "TRIGGER_LIMIT": OrderType.LIMIT,
    "TAKE_STOP_MARKET": OrderType.MARKET,
    "TRIGGER_MARKET": OrderType.MARKET,
}
_WAITING: Final = _TYPE.keys() - {"MARKET", "LIMIT"}


def pushed_order(
    row: Row, *, account: AccountId, instruments: InstrumentList, seen: int
) -> tuple[OrderFact, Execution | None]:
    """What the ``data`` of a ``spot.executionReport`` tells.

    Market buys are sized in quote currency there: what they bought is all we can know.

    Raises:
        UnreadableFrame: a field is missing or has a value that the documentation does not have.
    """
    if text(row, "x", "data") not in parse.EXECUTIONS:
        raise UnreadableFrame(f"data.x: {row['x']!r:.80} is none of {', '.join(sorted(parse.EXECUTIONS))}")
    filled = amount(row, "z", "data", empty=ZERO)
    order_type = one_of(row, "o", "data", _TYPE)
    client = text(row, "c", "data", default="") or text(row, "C", "data", default="")
    fact = OrderFact(
        venue=Venue.BINGX,
        account=account,
        symbol=_instrument(row, "s", "data", instruments).symbol,
        venue_order_id=VenueOrderId(text(row, "i", "data")),
        client_order_id=ClientOrderId(client) if client else None,
        side=one_of(row, "S", "data", parse.SIDE),
        position_side=PositionSide.NET,
        reduce_only=False,
        order_type=order_type,
        status=one_of(row, "X", "data", parse.STATUS),
        quantity=amount(row, "q", "data") or filled,
        cum_filled=filled,
        # a push does not tell what a conditional order waits for, and its limit alone would seem to rest
        price=None if order_type is OrderType.MARKET or row["o"] in _WAITING else positive(row, "p", "data"),
        average_price=_average(amount(row, "Z", "data", empty=ZERO), filled),
        ts_venue=milliseconds(row, "E", "data"),
        ts_seen=seen,
    )
    if row["x"] != "TRADE":
        return fact, None
    at = milliseconds(row, "T", "data")
    return fact, parse.pushed_fill(row, fact, trade=text(row, "t", "data"), at=at)


def order(row: Row, *, place: str, account: AccountId, instruments: InstrumentList, seen: int) -> OrderFact:
    """The fact in a row of ``trade/query``, ``openOrders`` or ``historyOrders``. As `parse.order`."""
    filled = amount(row, "executedQty", place, empty=ZERO)
    order_type = one_of(row, "type", place, _TYPE)
    client = text(row, "clientOrderID", place, default="") or text(
        row, "origClientOrderId", place, default=""
    )
    return OrderFact(
        venue=Venue.BINGX,
        account=account,
        symbol=_instrument(row, "symbol", place, instruments).symbol,
        venue_order_id=VenueOrderId(text(row, "orderId", place)),
        client_order_id=ClientOrderId(client) if client else None,
        side=one_of(row, "side", place, parse.SIDE),
        position_side=PositionSide.NET,
        reduce_only=False,
        order_type=order_type,
        status=one_of(row, "status", place, parse.STATUS),
        quantity=amount(row, "origQty", place) or filled,
        cum_filled=filled,
        price=None if order_type is OrderType.MARKET else positive(row, "price", place),
        average_price=_average(amount(row, "cummulativeQuoteQty", place, empty=ZERO), filled),
        ts_venue=milliseconds(row, "updateTime", place),
        ts_seen=seen,
        trigger=_trigger(row, place),
    )


def execution(
    row: Row, *, place: str, account: AccountId, instruments: InstrumentList, client: ClientOrderId | None
) -> Execution:
    """The fill in a row of ``myTrades``. `client`: the order's client order id, which these rows lack."""
    return Execution(
        venue=Venue.BINGX,
        account=account,
        symbol=_instrument(row, "symbol", place, instruments).symbol,
        trade_id=TradeId(text(row, "id", place)),
        venue_order_id=VenueOrderId(text(row, "orderId", place)),
        client_order_id=client,
        side=Side.BUY if flag(row, "isBuyer", place, default=False) else Side.SELL,
        quantity=amount(row, "qty", place),
        price=number(row, "price", place),
        fee=number(row, "commission", place, empty=ZERO),
        fee_currency=text(row, "commissionAsset", place),
        ts_venue=milliseconds(row, "time", place),
    )


def holding(
    row: Row, *, place: str, account: AccountId, instruments: InstrumentList, at: int
) -> PositionFact | None:
    """A coin of ``account/balance`` as what is held of its pair; None for coins without one. `at`: as
    `listings.mark`."""
    known = instruments.get(Venue.BINGX, f"{text(row, 'asset', place)}-{_QUOTE}{SPOT_MARK}")
    if known is None:
        return None
    return PositionFact(
        venue=Venue.BINGX,
        account=account,
        symbol=known.symbol,
        position_side=PositionSide.NET,
        quantity=amount(row, "free", place, empty=ZERO) + amount(row, "locked", place, empty=ZERO),
        entry_price=None,
        ts_venue=at,
    )


def mark(row: Row, *, place: str, instruments: InstrumentList) -> Mark | None:
    """A row of ``ticker/24hr``; None for one without a price and for what is not copied."""
    known = instruments.get(Venue.BINGX, text(row, "symbol", place) + SPOT_MARK)
    price = positive(row, "lastPrice", place)
    if known is None or price is None:
        return None
    return Mark(symbol=known.symbol, price=price, ts_venue=milliseconds(row, "closeTime", place))


def instrument(row: Row, *, place: str) -> Instrument | None:
    """A pair of ``common/symbols``; None for one that is not quoted in USDT or not open to the API.

    The least order is a value there (``minNotional``); in base coin it is a lot.
    """
    symbol = text(row, "symbol", place)
    base, _, quote = symbol.partition("-")
    sides = (flag(row, field, place, default=True) for field in ("apiStateBuy", "apiStateSell"))
    if quote != "USDT" or not all(sides) or text(row, "status", place) != "1":
        return None
    lot = _step(row, "stepSize", place)
    return Instrument(
        venue=Venue.BINGX,
        symbol=symbol + SPOT_MARK,
        kind=InstrumentKind.SPOT,
        base=base,
        quote=quote,
        settle=quote,
        contract_size=Decimal(1),
        lot=lot,
        minimum=lot,
        tick=_step(row, "tickSize", place),
        minimum_notional=amount(row, "minNotional", place, empty=ZERO),
    )


def _trigger(row: Row, place: str) -> Trigger | None:
    price = positive(row, "stopPrice", place)
    if row["type"] not in _WAITING or price is None:
        return None
    return Trigger(kind=TriggerKind.ENTRY, price=price)


def _step(row: Row, field: str, place: str) -> Decimal:
    step = positive(row, field, place)
    if step is None:
        raise UnreadableFrame(f"{place}.{field}: a step is above zero")
    return step


def _average(paid: Decimal, filled: Decimal) -> Decimal | None:
    return paid / filled if filled else None


def _instrument(row: Row, field: str, place: str, instruments: InstrumentList) -> Instrument:
    symbol = text(row, field, place)
    found = instruments.get(Venue.BINGX, symbol + SPOT_MARK)
    if found is None:
        raise UnreadableFrame(
            f"{place}.{field}: {symbol!r:.80} is no spot pair that we know; refresh the instrument list"
        )
    return found
