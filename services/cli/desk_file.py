"""A desk as people write it, in YAML or JSON, and what tells two of them apart."""

import difflib
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from services.cli.files import load
from services.cli.refusal import Refusal
from spider_common.domain.configuration import Desk, Item, Name, SubscriptionSettings, name_of
from spider_common.domain.products import (
    Account,
    Client,
    EquityPercent,
    EquityProportional,
    FixedNotional,
    FixedQuantity,
    FixedRatio,
    Limits,
    ProductSettings,
)
from spider_common.domain.quantities import canonical

FORMS: Final = (
    Desk,
    ProductSettings,
    Client,
    SubscriptionSettings,
    Account,
    Limits,
    FixedRatio,
    EquityProportional,
    FixedNotional,
    FixedQuantity,
    EquityPercent,
)
"""All that may stand in a file."""

_SHOWN: Final = "trading"
"""Written out also at its default: whether somebody trades is not left to be guessed."""


class Difference(NamedTuple):
    """A field of an item that is another; None: it is not there."""

    name: Name
    field: str
    before: Any
    after: Any
    is_new: bool


def load_desk(path: Path) -> Desk:
    """The items in a file.

    Raises:
        Refusal: it cannot be read, or a field in it is unknown, missing or out of range.
    """
    try:
        return load(path, Desk, told_in="docs/configuration.md")
    except Refusal as error:
        raise Refusal(f"{error}{_meant(str(error))}") from None


def to_yaml(desk: Desk) -> str:
    """The desk as a file that `load_desk` reads; settings at their default are left out."""
    import yaml  # noqa: PLC0415 brought by the commands that need it

    class ExactDumper(yaml.SafeDumper):
        """Writes amounts as plain digits, and indents lists."""

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 the library's signature
            super().increase_indent(flow, False)

    def amount(dumper: yaml.SafeDumper, number: Decimal) -> yaml.ScalarNode:
        text = canonical(number)
        return dumper.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in text else 'int'}", text)

    ExactDumper.add_representer(Decimal, amount)
    return str(yaml.dump(plain(desk), Dumper=ExactDumper, sort_keys=False, allow_unicode=True, width=100))


def plain(value: Any) -> Any:
    """Dicts, lists and scalars, Decimals among them, without what is at its default."""
    match value:
        case msgspec.Struct():
            config = value.__struct_config__
            found: dict[str, Any] = {config.tag_field: config.tag} if config.tag_field else {}
            for field in msgspec.structs.fields(type(value)):
                inner = getattr(value, field.name)
                if field.name == _SHOWN or field.required or inner != field.default:
                    found[field.name] = plain(inner)
            return {name: inner for name, inner in found.items() if inner not in ([], {})}
        case Mapping():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case Enum():
            return value.value
        case _:
            return value


def differences(before: Mapping[Name, Item], after: Desk) -> list[Difference]:
    """What storing the items of `after` over those of `before` would change, item by item, field by field."""
    return [
        Difference(name, field, was, now, name not in before)
        for item in after.items
        for name in (name_of(item),)
        for field, was, now in changed_fields(_fields(before.get(name)), _fields(item))
    ]


def changed_fields(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    """Path, value before and value after of each field that is another: ``sizing.ratio``. None: not there."""
    was, now = (dict(_leaves("", each)) for each in (before, after))
    return [
        (field, was.get(field), now.get(field))
        for field in dict.fromkeys((*was, *now))
        if was.get(field) != now.get(field)
    ]


def _fields(item: Item | None) -> Any:
    return {} if item is None else msgspec.to_builtins(item, builtin_types=(Decimal,))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case dict() if value:
            for name, inner in value.items():
                yield from _leaves(f"{path}.{name}" if path else name, inner)
        case list() | tuple() if value and isinstance(value[0], dict):
            for inner in value:
                rest = {name: field for name, field in inner.items() if name != "account"}
                yield from _leaves(f"{path}[{inner['account']}]", rest)
        case _:
            yield path, value


def _meant(error: str) -> str:
    """What a field that nobody knows may have been meant to be."""
    unknown = re.search("unknown field `([^`]+)`", error)
    if unknown is None:
        return ""
    fields = sorted({field.name for form in FORMS for field in msgspec.structs.fields(form)} | {"rule"})
    close = difflib.get_close_matches(unknown[1], fields, n=2)
    return f"; did you mean {' or '.join(close)}?" if close else ""
