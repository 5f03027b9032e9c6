"""Runs the `spider` command in this process, and the files that its examples are."""

import json
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner, Result

from services.cli import app

ROOT = Path(__file__).parents[2]
FRAME = (ROOT / "examples/okx-frame.json").read_text().strip()
EVENT = ROOT / "examples/leader-event.json"
PRODUCT = ROOT / "examples/product.yaml"
EQUITIES = ROOT / "examples/equities.json"


def spider(*arguments: object, stdin: str | bytes = "") -> Result:
    """The outcome of one command; a traceback is never one."""
    result = CliRunner().invoke(app, [str(each) for each in arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def refused(*arguments: object, stdin: str | bytes = "") -> str:
    """The one line with which a command refuses its input; it has printed no result."""
    result = spider(*arguments, stdin=stdin)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def lines(result: Result) -> list[dict[str, Any]]:
    """The JSON lines on stdout."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def changed(path: Path, at: tuple[str | int, ...], value: object, into: Path) -> Path:
    """A copy of a JSON or YAML file with one field set."""
    content = yaml.safe_load(path.read_text())
    inner = content
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    into = into / path.name
    into.write_text(json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content))
    return into
