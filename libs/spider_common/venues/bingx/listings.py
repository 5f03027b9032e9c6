"""BingX's lists of swaps and of their marks. PURE. Those of spot pairs are read in `spot`.

Source: https://bingx-api.github.io/docs-v3/#/en/Swap/Market%20Data.
"""

from decimal import Decimal
from typing import Final

from spider_common.domain.identifiers import Venue
from spider_common.domain.instruments import Instrument, InstrumentKind, InstrumentList, Mark
from spider_common.domain.quantities import ZERO
from spider_common.venues.bingx.fields import Row, amount, flag, positive, text
from spider_common.venues.outcomes import UnreadableFrame

_MOST_DIGITS: Final = 18  # behind the point of a step


def instrument(row: Row, *, place: str) -> Instrument | None:
    """A swap of ``quote/contracts``; None for one that is not settled in USDT or not open to the API."""
    symbol = text(row, "symbol", place)
    settle = text(row, "currency", place)
    open_to_api = flag(row, "apiStateOpen", place, default=True) and text(row, "status", place) == "1"
    if settle != "USDT" or not open_to_api:
        return None
    lot, tick = _step(row, "quantityPrecision", place), _step(row, "pricePrecision", place)
    return Instrument(
        venue=Venue.BINGX,
        symbol=symbol,
        kind=InstrumentKind.SWAP,
        base=text(row, "asset", place),
        quote="USDT",
        settle=settle,
        contract_size=Decimal(1),
        lot=lot,
        minimum=max(amount(row, "tradeMinQuantity", place), lot),
        tick=tick,
        minimum_notional=amount(row, "tradeMinUSDT", place, empty=ZERO),
    )


def mark(row: Row, *, place: str, instruments: InstrumentList, at: int) -> Mark | None:
    """A row of ``quote/premiumIndex``; None for one without a price and for what is not copied.

    Args:
        at: the venue's time of the answer, Unix ns: the rows have none of their own.
    """
    known = instruments.get(Venue.BINGX, text(row, "symbol", place))
    price = positive(row, "markPrice", place)
    return None if known is None or price is None else Mark(symbol=known.symbol, price=price, ts_venue=at)


def _step(row: Row, field: str, place: str) -> Decimal:
    """Digits behind the point, as the smallest step."""
    digits = text(row, field, place)
    if not (digits.isascii() and digits.isdigit()) or int(digits[:3]) > _MOST_DIGITS:
        raise UnreadableFrame(f"{place}.{field}: {digits!r:.80} is not a number of digits")
    return Decimal(1).scaleb(-int(digits))
