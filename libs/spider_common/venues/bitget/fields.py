"""What Bitget's rows call things, whether they are of swaps or of spot. PURE."""

from typing import Final

from spider_common.domain.identifiers import ClientOrderId, Venue
from spider_common.domain.instruments import Instrument, InstrumentList
from spider_common.domain.orders import OrderStatus, OrderType, Side
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.rows import Row, one_of, text

STATUS: Final = {
    "live": OrderStatus.LIVE,
    "new": OrderStatus.LIVE,
    "init": OrderStatus.LIVE,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "cancelled": OrderStatus.CANCELED,
}
PLAN_STATUS: Final = {
    "live": OrderStatus.LIVE,
    "not_trigger": OrderStatus.LIVE,
    "executing": OrderStatus.LIVE,
    "executed": OrderStatus.TRIGGERED,
    "fail_execute": OrderStatus.CANCELED,
    "fail_trigger": OrderStatus.CANCELED,
    "cancelled": OrderStatus.CANCELED,
    "canceled": OrderStatus.CANCELED,
}
SIDE: Final = {"buy": Side.BUY, "sell": Side.SELL}
KIND: Final = {"market": OrderType.MARKET, "limit": OrderType.LIMIT}
_FORCE: Final = {
    "": OrderType.LIMIT,
    "gtc": OrderType.LIMIT,
    "normal": OrderType.LIMIT,
    "post_only": OrderType.POST_ONLY,
    "ioc": OrderType.IOC,
    "fok": OrderType.FOK,
}


def order_type(row: Row, place: str) -> OrderType:
    """A limit order's ``force`` tells which one it is; spot listings leave it out."""
    kind = one_of(row, "orderType", place, KIND)
    return one_of(row, "force", place, _FORCE, default="") if kind is OrderType.LIMIT else kind


def client_order_id(row: Row, place: str) -> ClientOrderId | None:
    """The documentation writes its name in two ways."""
    told = text(row, "clientOid", place, default="") or text(row, "clientOId", place, default="")
    return ClientOrderId(told) if told else None


def known_instrument(
    row: Row, field: str, place: str, instruments: InstrumentList, *, mark: str = ""
) -> Instrument:
    """The instrument that a row names; `mark` follows the names of spot instruments in our list."""
    symbol = text(row, field, place).upper()  # the documentation shows some in lower case
    found = instruments.get(Venue.BITGET, symbol + mark)
    if found is None:
        raise UnreadableFrame(
            f"{place}.{field}: {symbol!r} is no instrument we know; refresh the instrument list"
        )
    return found
