"""The generated documents say what the code says: of every setting, every reason and every metric."""

import json
from enum import StrEnum
from pathlib import Path

import msgspec
import pytest

from services.cli import documents
from spider_common.domain.drift import DRIFT_WORDS, DriftReason
from spider_common.domain.reasons import WORDS, Reason
from spider_common.telemetry.registry import AWS_METRICS, METRICS
from tests.unit.spider_command import ROOT, lines, spider

DOCS = ROOT / "docs"
FORMS = [*documents.SECTIONS.values(), *documents.RULES, *documents.SERVICES.values()]


@pytest.mark.parametrize(
    ("path", "begin", "command"),
    [
        (DOCS / "configuration.md", documents.FIELDS_BEGIN, ("config", "fields")),
        (DOCS / "settings.md", documents.SETTINGS_BEGIN, ("settings",)),
        (DOCS / "reasons.md", documents.REASONS_BEGIN, ("reasons",)),
        (DOCS / "metrics.md", documents.METRICS_BEGIN, ("metrics",)),
    ],
)
def test_the_document_is_in_step(path: Path, begin: str, command: tuple[str, ...]) -> None:
    """Its generated part is what the command prints with --markdown now: `make docs`."""
    _, mark, generated = path.read_text().partition(begin)
    assert mark + generated == spider(*command, "--markdown").stdout


@pytest.mark.parametrize("form", FORMS)
def test_every_setting_is_explained(form: type[msgspec.Struct]) -> None:
    """Law: each field of each type has a meaning in its docstring's Attributes."""
    assert [row.field for row in documents.fields(form) if not row.meaning] == []


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_explained_that_is_not_there(form: type[msgspec.Struct]) -> None:
    """Law: an explanation of a field that has gone goes with it."""
    assert documents.meanings(form).keys() <= {field.name for field in msgspec.structs.fields(form)}


def test_every_type_that_a_desk_holds_is_there() -> None:
    """Law: from the desk down, each type of its settings has a table."""
    known = {*documents.SECTIONS.values(), *documents.RULES}
    seen: set[object] = set()

    def walk(info: object) -> None:
        match info:
            case msgspec.inspect.StructType(cls=cls, fields=fields):
                if cls not in seen:
                    seen.add(cls)
                    for field in fields:
                        walk(field.type)
            case msgspec.inspect.UnionType(types=types):
                for each in types:
                    walk(each)
            case msgspec.inspect.VarTupleType(item_type=item):
                walk(item)

    from spider_common.domain.configuration import Desk

    walk(msgspec.inspect.type_info(Desk))
    assert seen - {Desk} == known


def test_every_choice_is_explained() -> None:
    """Law: an enumeration that a setting is of says what its values mean."""
    (choices,) = [each for each in documents.field_tables() if each.title == "Choices"]
    assert all(meaning and meaning != (StrEnum.__doc__ or "") for *_, meaning in choices.rows)


def test_every_reason_is_explained_and_given_by_somebody() -> None:
    """Law: each code has words, and is named where it is decided."""
    assert WORDS.keys() == set(Reason)
    assert DRIFT_WORDS.keys() == set(DriftReason)
    assert [reason for reason in Reason if not documents.said_by(reason)] == []


def test_the_lists_are_shown() -> None:
    """As tables and as JSON, each entry once."""
    told_codes = [line["code"] for line in lines(spider("reasons", "--json"))]
    assert sorted(told_codes) == sorted([*Reason, *DriftReason])
    table = spider("reasons").stdout
    assert all(f"`{reason}`" in table for reason in Reason)
    assert "`SPIDER_LEASE_MS`" in spider("settings").stdout
    measured = [line["name"] for line in lines(spider("metrics", "--json"))]
    assert measured == [each.name for each in (*METRICS, *AWS_METRICS)]
    assert "`CopyLatency`" in spider("metrics").stdout
    assert json.loads(spider("settings", "--json").stdout).keys() == documents.SERVICES.keys()
    told = json.loads(spider("config", "fields", "--json").stdout)
    assert told.keys() == documents.SECTIONS.keys()
    assert "max_drawdown" in spider("config", "fields").stdout
