"""What the documents say of the code's own lists: settings and reasons, read from the code itself.

The same tables stand in docs/configuration.md and docs/reasons.md, from a mark to the end.
"""

import inspect
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from spider_common.domain.configuration import SubscriptionSettings
from spider_common.domain.drift import DRIFT_WORDS, DriftReason
from spider_common.domain.identifiers import Venue
from spider_common.domain.products import Account, Client, Limits, ProductSettings, Sizing
from spider_common.domain.quantities import canonical
from spider_common.domain.reasons import WORDS, Reason
from spider_common.settings import PREFIX, CommonSettings, IngestSettings, OmsSettings
from spider_common.telemetry.registry import (
    AWS_METRICS,
    ENVIRONMENT,
    INGEST,
    METRICS,
    NAMESPACE,
    OMS,
    SERVICE,
    VENUE,
    series,
)

FIELDS_BEGIN: Final = "<!-- from here to the end: spider config fields --markdown -->"
SETTINGS_BEGIN: Final = "<!-- from here to the end: spider settings --markdown -->"
REASONS_BEGIN: Final = "<!-- from here to the end: spider reasons --markdown -->"
METRICS_BEGIN: Final = "<!-- from here to the end: spider metrics --markdown -->"

RULES: Final[tuple[type[msgspec.Struct], ...]] = typing.get_args(Sizing)
SECTIONS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "Product": ProductSettings,
    "Client": Client,
    "Account": Account,
    "Subscription": SubscriptionSettings,
    "Limits": Limits,
}
SERVICES: Final[Mapping[str, type[CommonSettings]]] = {
    "Both services": CommonSettings,
    "Order service": OmsSettings,
    "Ingest service": IngestSettings,
}
_SPEAKERS: Final = {
    "domain/risk": ("limits",),
    "domain/control": ("planning", "sending"),
    "domain/journal": ("sending",),
    "domain": ("planning",),
    "oms/journal": ("planning",),
    "venues": ("the venue's client",),
    "": ("sending",),
}
"""By the first part of a file's path that fits, who says what stands in it."""
_ROOT: Final = Path(__file__).parents[2]


class Row(NamedTuple):
    """One setting."""

    field: str
    form: str
    default: str
    meaning: str


class Table(NamedTuple):
    """A table under a title, with what it is about."""

    title: str
    summary: str
    columns: Sequence[str]
    rows: list[list[str]]


def fields(form: type[msgspec.Struct]) -> list[Row]:
    """The settings of a type, with what its docstring and its bases' say of each: nothing, if they do not."""
    told, hints = meanings(form), typing.get_type_hints(form, include_extras=True)
    return [
        Row(
            field.name,
            _form(hints[field.name]),
            "required" if field.required else _shown(_default(field)),
            told.get(field.name, "").replace("``", "`"),
        )
        for field in msgspec.structs.fields(form)
    ]


def meanings(form: type) -> dict[str, str]:
    """What the ``Attributes`` of a type's docstring, and of its bases', say of each field."""
    found: dict[str, str] = {}
    for one in reversed(form.__mro__):
        _, _, section = inspect.cleandoc(one.__dict__.get("__doc__") or "").partition("Attributes:\n")
        names: list[str] = []
        for line in section.splitlines():
            entry = re.fullmatch(r"    (\w+(?:, \w+)*): (.*)", line)
            if entry:
                names = entry[1].split(", ")
                found |= dict.fromkeys(names, entry[2])
            elif line.startswith("     "):
                found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def fields_markdown() -> str:
    """The generated part of docs/configuration.md."""
    return "\n\n".join((FIELDS_BEGIN, *map(_section, field_tables()))) + "\n"


def field_tables() -> list[Table]:
    """One table for each type of item and what stands in them, one for rules, one for choices."""
    return [
        *(
            Table(
                title,
                _summary(form),
                ("setting", "type", "default", "meaning"),
                [[f"`{row.field}`", *row[1:]] for row in fields(form)],
            )
            for title, form in SECTIONS.items()
        ),
        Table(
            "Sizing",
            "How large an opening order is. Closes are proportional to what is held, whatever the rule.",
            ("`rule`", "meaning", "its settings"),
            [
                [f"`{rule.__struct_config__.tag}`", _summary(rule), "; ".join(map(_in_line, fields(rule)))]
                for rule in RULES
            ],
        ),
        Table(
            "Choices",
            "What settings of several values mean.",
            ("setting", "values", "meaning"),
            [
                [f"`{name}`", ", ".join(f"`{each.value}`" for each in choice), _summary(choice)]
                for name, choice in _choices().items()
            ],
        ),
    ]


def settings_markdown() -> str:
    """The generated part of docs/settings.md."""
    return "\n\n".join((SETTINGS_BEGIN, *map(_section, setting_tables()))) + "\n"


def setting_tables() -> list[Table]:
    """The variables of every service, then those that a service has beside them."""
    common = {row.field for row in fields(CommonSettings)}
    return [
        Table(
            title,
            _summary(form),
            ("variable", "type", "default", "meaning"),
            [
                [f"`{PREFIX}{row.field.upper()}`", *row[1:]]
                for row in fields(form)
                if form is CommonSettings or row.field not in common
            ],
        )
        for title, form in SERVICES.items()
    ]


def reasons_markdown() -> str:
    """The generated part of docs/reasons.md."""
    return "\n\n".join((REASONS_BEGIN, *map(_section, reason_tables()))) + "\n"


def reason_tables() -> list[Table]:
    """Every reason and what it means: of a copy that was not made, and of drift."""
    copies = [[f"`{each}`", WORDS[each], ", ".join(said_by(each))] for each in Reason]
    drifts = [[f"`{each}`", DRIFT_WORDS[each], _yes(each.is_alarming)] for each in DriftReason]
    return [
        Table("Copies", "Why a copy was skipped or denied.", ("code", "meaning", "said by"), copies),
        Table("Drift", "Why a position is not where it should be.", ("code", "meaning", "alarming"), drifts),
    ]


def metrics_markdown() -> str:
    """The generated part of docs/metrics.md."""
    return "\n\n".join((METRICS_BEGIN, *map(_section, metric_tables()))) + "\n"


def metric_tables() -> list[Table]:
    """Every metric that the services emit, and those of AWS that alarms and dashboards read."""
    ours = [
        [f"`{each.name}`", each.kind, each.unit, ", ".join(each.services), _yes(each.by_venue), each.says]
        for each in METRICS
    ]
    of_each = ", ".join(f"{series(each, venues=len(Venue))} of {each}" for each in (OMS, INGEST))
    theirs = [
        [f"`{each.namespace}`", f"`{each.name}`", ", ".join(each.by), each.says] for each in AWS_METRICS
    ]
    return [
        Table(
            "Ours",
            f"In the namespace `{NAMESPACE}`, with the dimensions `{ENVIRONMENT}` and `{SERVICE}`; by venue, "
            f"with `{VENUE}` too: counters and distributions beside the whole, gauges instead of it. Time "
            f"series in an environment: {of_each}.",
            ("metric", "kind", "unit", "services", "by venue", "what it tells"),
            ours,
        ),
        Table(
            "Those of AWS",
            "What AWS measures of queues, tables, tasks, cache, network and balancer is not measured twice.",
            ("namespace", "metric", "dimensions", "what it tells"),
            theirs,
        ),
    ]


def said_by(reason: Reason) -> list[str]:
    """The parts of the product that give a reason, by the files that name it."""
    named = re.compile(rf"\bReason\.{reason.name}\b")
    sources = [*_ROOT.glob("libs/spider_common/**/*.py"), *_ROOT.glob("services/oms/*.py")]
    told = (
        next(speakers for part, speakers in _SPEAKERS.items() if part in str(path.relative_to(_ROOT)))
        for path in sources
        if path.name != "reasons.py" and named.search(path.read_text())
    )
    return sorted({speaker for speakers in told for speaker in speakers})


def _section(one: Table) -> str:
    return f"## {one.title}\n\n{one.summary}\n\n{_table(one)}"


def _table(one: Table) -> str:
    return "\n".join(_line(cells) for cells in (one.columns, ["---"] * len(one.columns), *one.rows))


def _summary(form: type) -> str:
    return " ".join(inspect.cleandoc(form.__doc__ or "").partition("\n\nAttributes:")[0].split())


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _in_line(row: Row) -> str:
    return f"`{row.field}`: {row.form}, {row.default}: {row.meaning.rstrip('.')}"


def _choices() -> dict[str, type[Enum]]:
    """The enumerations that settings are of, by setting."""
    return {
        name: hint
        for form in SECTIONS.values()
        for name, hint in typing.get_type_hints(form).items()
        if isinstance(hint, type) and issubclass(hint, Enum) and hint is not Venue
    }


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def _form(hint: Any) -> str:
    """A type in words."""
    inner = typing.get_args(hint)
    match typing.get_origin(hint):
        case types.UnionType | typing.Union if set(inner) == set(RULES):
            return "a rule, see Sizing"
        case types.UnionType | typing.Union:
            return " or ".join(_form(each) for each in inner if each is not types.NoneType)
        case typing.Literal:
            return " or ".join(f"`{each}`" for each in inner)
        case typing.Annotated:
            return _form(inner[0]) + "".join(_bounds(each) for each in inner[1:])
        case origin if origin is tuple:
            return f"list of {_form(inner[0])}"
        case origin if isinstance(origin, type) and issubclass(origin, Mapping):
            return f"{_form(inner[0])} to {_form(inner[1])}"
    base = getattr(hint, "__supertype__", hint)
    names = {Decimal: "amount", int: "whole number", bool: "true or false", str: "text"}
    if base in names:
        return names[base]
    if issubclass(base, Enum):
        return " or ".join(f"`{each.value}`" for each in base)
    return str({value: f"see {name}" for name, value in SECTIONS.items()}[base])


def _bounds(meta: msgspec.Meta) -> str:
    told = ((", above", meta.gt), (", at least", meta.ge), (", at most", meta.le))
    return "".join(f"{words} {bound}" for words, bound in told if bound is not None)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case Decimal():
            return canonical(value)
        case Enum():
            return f"`{value.value}`"
        case msgspec.Struct():
            return "none" if value == type(value)() else msgspec.json.encode(value).decode()
        case _:
            return str(value) if value else "none"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
