"""Fields of BingX's JSON, read strictly: a bad value is named by its place. PURE.

BingX sends a number as a JSON number in one endpoint and as text in the next; both are read, exactly.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

import msgspec

from spider_common.venues.outcomes import UnreadableFrame

Row = Mapping[str, object]
Known = TypeVar("Known")

_MS: Final = 1_000_000
_S: Final = 1_000_000_000
_MOST_DIGITS: Final = 40  # before or behind the point; a size or price has far fewer
_LATEST_MS: Final = 1 << 43  # a time beyond it (the year 2248) is no time in milliseconds
_DECODER: Final = msgspec.json.Decoder(Any, float_hook=Decimal)  # a float would lose digits of a size
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([+-])(\d\d):?(\d\d)", re.ASCII
)


def read_object(text: str | bytes, place: str) -> dict[str, object]:
    """The JSON object in a text; its numbers are int and Decimal.

    Raises:
        UnreadableFrame: it is none.
    """
    try:
        body = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ArithmeticError) as error:
        raise UnreadableFrame(f"{place}: not JSON: {error}") from error
    if not isinstance(body, dict):
        raise UnreadableFrame(f"{place}: not a JSON object")
    return body


def mapping(row: Row, field: str, place: str) -> Row:
    """A field that holds an object."""
    value = row.get(field)
    if not isinstance(value, dict):
        raise UnreadableFrame(f"{place}.{field}: {value!r:.80} is not an object")
    return value


def rows(row: Row, field: str, place: str) -> list[Row]:
    """A field that holds an array of objects. Null is BingX's empty array; a missing field is not."""
    value = row.get(field, "")
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise UnreadableFrame(f"{place}.{field}: not an array of objects")
    return value


def text(row: Row, field: str, place: str, *, default: str | None = None) -> str:
    """A text, or a whole number as text: order ids come as either."""
    value = row.get(field, default)
    if value is None:
        raise UnreadableFrame(f"{place}.{field}: missing; a row of this kind has it")
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise UnreadableFrame(f"{place}.{field}: {value!r:.80} is neither text nor a whole number")


def number(row: Row, field: str, place: str, *, empty: Decimal | None = None) -> Decimal:
    """A decimal; `empty` stands in where BingX sends an empty text or nothing."""
    value = row.get(field)
    if value in ("", None) and empty is not None:
        return empty
    if not isinstance(value, str | int | Decimal) or isinstance(value, bool):
        raise UnreadableFrame(f"{place}.{field}: {value!r:.80} is not a number")
    try:
        result = Decimal(value)
    except InvalidOperation:
        raise UnreadableFrame(f"{place}.{field}: {value!r:.80} is not a number") from None
    if not result.is_finite() or abs(result.adjusted()) > _MOST_DIGITS:
        raise UnreadableFrame(f"{place}.{field}: {value!r:.80} is not a number to count with")
    return result


def amount(row: Row, field: str, place: str, *, empty: Decimal | None = None) -> Decimal:
    """A decimal that is not below zero."""
    result = number(row, field, place, empty=empty)
    if result < 0:
        raise UnreadableFrame(f"{place}.{field}: {result} is below zero")
    return result


def positive(row: Row, field: str, place: str) -> Decimal | None:
    """A decimal above zero; None where BingX says zero or nothing, which is its "does not apply"."""
    return amount(row, field, place, empty=Decimal(0)) or None


def flag(row: Row, field: str, place: str, *, default: bool) -> bool:
    """A JSON boolean, or one as text."""
    value = row.get(field, default)
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    if value == "":
        return default
    raise UnreadableFrame(f"{place}.{field}: {value!r:.80} is neither true nor false")


def milliseconds(row: Row, field: str, place: str) -> int:
    """A Unix time in ms, as ns."""
    value = text(row, field, place)
    if not (value.isascii() and value.isdigit()) or len(value) > 15 or not 0 < int(value) < _LATEST_MS:
        raise UnreadableFrame(f"{place}.{field}: {value!r:.80} is not a time in milliseconds")
    return int(value) * _MS


def written_time(row: Row, field: str, place: str) -> int:
    """A time as ``2023-12-16T20:58:36.000+0800``, as Unix ns."""
    value = text(row, field, place)
    found = _TIME.fullmatch(value)
    if found is None:
        raise UnreadableFrame(
            f"{place}.{field}: {value!r:.80} is not a time such as 2023-12-16T20:58:36+0800"
        )
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = found.groups()[6:]
    in_range = year >= 1970 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24
    if not (in_range and minute < 60 and second < 61):
        raise UnreadableFrame(f"{place}.{field}: {value!r:.80} is no time of any calendar")
    zone = (int(zone_hours) * 60 + int(zone_minutes)) * 60 * (-1 if sign == "-" else 1)
    of_day = (hour * 60 + minute) * 60 + second
    return (_days(year, month, day) * 86_400 + of_day - zone) * _S + int((fraction or "0").ljust(9, "0"))


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the Gregorian calendar; years begin in March, so that leap days come last."""
    shifted = year - (month <= 2)
    era_years = shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400
    return era_years + (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - 719_468


def one_of(row: Row, field: str, place: str, known: Mapping[str, Known]) -> Known:
    """A field with a closed set of values."""
    value = text(row, field, place)
    if value not in known:
        raise UnreadableFrame(f"{place}.{field}: {value!r:.80} is none of {', '.join(filter(None, known))}")
    return known[value]
