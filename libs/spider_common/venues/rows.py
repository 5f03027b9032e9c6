"""Strict reading of the JSON that venues send. PURE. Whatever is wrong is named by its place.

A *row* is one JSON object; its *place* says where it stands, for errors: ``data[0]``. Every function here
raises UnreadableFrame, and nothing else, for a row that is not as the venue documents it.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from spider_common.venues.outcomes import UnreadableFrame

Row = Mapping[str, object]
Known = TypeVar("Known")

MAX_FRAME: Final = 1 << 20
"""Bytes of one frame; the venues' are far below."""
_MS: Final = 1_000_000
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,2})?")
_MILLISECONDS: Final = re.compile(r"[0-9]{1,13}")
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read_object(text: str | bytes, place: str) -> Row:
    """The JSON object in a frame or an answer; `place` names it: ``frame``."""
    if len(text) > MAX_FRAME:
        raise UnreadableFrame(f"{place}: {len(text)} long, more than the {MAX_FRAME} that any frame has")
    try:
        body = msgspec.json.decode(text)
    # the others are text that is no UTF-8 and nesting without an end
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UnreadableFrame(f"{place}: not JSON: {error}") from error
    if not isinstance(body, dict):
        raise UnreadableFrame(f"{place}: not a JSON object")
    return body


def child(row: Row, field: str, place: str) -> Row:
    """A field that is an object."""
    value = row.get(field)
    if not isinstance(value, dict):
        raise UnreadableFrame(f"{place}.{field}: not an object; a row of this kind has one")
    return value


def children(row: Row, field: str, place: str, *, null: bool = False) -> list[Row]:
    """A field that is an array of objects. `null`: the venue writes null, or nothing, for an empty one."""
    value = row.get(field)
    if null and value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise UnreadableFrame(f"{place}.{field}: not an array of objects")
    return value


def text(row: Row, field: str, place: str, *, default: str | None = None) -> str:
    """A field that the venue sends as a JSON string; `default` stands in for a missing one and null."""
    value = row.get(field)
    if value is None:
        value = default
    if value is None:
        raise UnreadableFrame(f"{place}.{field}: missing; a row of this kind has it")
    if not isinstance(value, str):
        raise UnreadableFrame(f"{place}.{field}: {value!r} is not a string, as the venue sends it")
    return value


def code(row: Row, field: str, place: str, *, default: str | None = None) -> str:
    """A code that the venue sends as a string or as an integer."""
    value = row.get(field)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text(row, field, place, default=default)


def identifier(row: Row, field: str, place: str) -> str:
    """An id that the venue gave. Ours are made of these, so nothing else may be in one."""
    value = text(row, field, place)
    if not _IDENTIFIER.fullmatch(value):
        raise UnreadableFrame(f"{place}.{field}: {value!r} is not an id of letters and digits")
    return value


def number(row: Row, field: str, place: str, *, empty: Decimal | None = None) -> Decimal:
    """A decimal in a string; `empty` stands in for an empty or missing one."""
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


def step(row: Row, field: str, place: str) -> Decimal:
    """A number that others are divided by."""
    result = number(row, field, place)
    if result <= 0:
        raise UnreadableFrame(f"{place}.{field}: {result} is not a step; it is above zero")
    return result


def optional_number(row: Row, field: str, place: str) -> Decimal | None:
    """A number, or None where the venue leaves it out or empty."""
    return number(row, field, place) if row.get(field) not in ("", None) else None


def milliseconds(row: Row, field: str, place: str) -> int:
    """A Unix time in ms, sent as a string or as an integer, as ns."""
    value = code(row, field, place)
    if not _MILLISECONDS.fullmatch(value):  # 13 digits last until the year 2286, and fit in ns into 64 bits
        raise UnreadableFrame(f"{place}.{field}: {value!r} is not a time in milliseconds")
    return int(value) * _MS


def one_of(
    row: Row, field: str, place: str, known: Mapping[str, Known], *, default: str | None = None
) -> Known:
    """A field with a closed set of values, in any case of letters."""
    value = text(row, field, place, default=default)
    found = known.get(value.lower())
    if found is None:
        raise UnreadableFrame(f"{place}.{field}: {value!r} is none of {', '.join(filter(None, known))}")
    return found
