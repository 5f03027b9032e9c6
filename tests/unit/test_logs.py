"""Laws of logs: one JSON object a line, with the clock's time, and never a secret."""

import io
import json
import sys

import pytest

from spider_common.secret import Credentials, Secret
from spider_common.telemetry.logs import logger

TEXT = "hunter2-hunter2"


class Fixed:
    def now(self) -> int:
        return 1_700_000_000_123_456_789


def test_a_line_is_one_json_object() -> None:
    """Service, level, event, fields and the time of the clock in seconds."""
    lines: list[str] = []
    logger("oms", Fixed(), write=lines.append).info("copy", order="c1", requests=2)
    (line,) = lines
    assert "\n" not in line
    assert json.loads(line) == {
        "service": "oms",
        "level": "info",
        "event": "copy",
        "order": "c1",
        "requests": 2,
        "ts": "1700000000.123456",
    }


def test_a_level_keeps_what_is_below_it_out() -> None:
    """At warning, info is not written."""
    lines: list[str] = []
    log = logger("oms", Fixed(), write=lines.append, level="warning")
    log.info("small")
    log.warning("large")
    assert [json.loads(line)["event"] for line in lines] == ["large"]


def test_bound_fields_stay_with_their_logger() -> None:
    """Nothing is global: two loggers do not know of each other."""
    lines: list[str] = []
    log = logger("oms", Fixed(), write=lines.append)
    log.bind(account="a").info("one")
    log.info("two")
    assert ["account" in json.loads(line) for line in lines] == [True, False]


def test_lines_stay_lines() -> None:
    """Whatever a venue sends, a line break in it does not begin a line."""
    lines: list[str] = []
    logger("oms", Fixed(), write=lines.append).error("frame", frame='a\n{"event":"forged"}\r\u2028')
    (line,) = lines
    assert len(line.splitlines()) == 1


def _failure() -> None:
    credentials = Credentials(Secret(TEXT), Secret(TEXT), Secret(TEXT))
    raise ValueError(f"cannot use {credentials}")


def _log_everything(write: object) -> None:
    log = logger("oms", Fixed(), write=write)  # type: ignore[arg-type]  # list.append or None
    credentials = Credentials(Secret(TEXT), Secret(TEXT), Secret(TEXT))
    log.info("said", credentials=credentials, nested={"keys": [credentials]}, secret=Secret(TEXT))
    log.info(f"in the event {credentials}")  # noqa: G004 this is the mistake that must do no harm
    try:
        _failure()
    except ValueError:
        log.exception("failed")


def test_a_secret_is_not_logged() -> None:
    """As a field, nested, in the text, in an exception and its traceback."""
    lines: list[str] = []
    _log_everything(lines.append)
    assert len(lines) == 3
    assert all(TEXT not in line for line in lines)
    assert "Traceback" in lines[2]
    assert "***" in lines[0]


def test_a_secret_is_not_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """There tracebacks are for people; they do not list local variables."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    _log_everything(None)
    shown = terminal.getvalue()
    assert TEXT not in shown
    assert "Traceback" in shown
    assert "hunter2" not in shown
