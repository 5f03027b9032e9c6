"""What the documents name exists: `path::symbol` in backticks, and the files that links lead to."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SYMBOL = re.compile(r"`([\w./-]+\.py)::([\w.]+)`")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)(?:#[^)\s]*)?\)")


def names_defined(body: list[ast.stmt]) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Each name that `body` defines, with the statements inside it: functions, classes, assignments."""
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield statement.name, statement.body
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, []
            case ast.Assign(targets=targets):
                for target in targets:
                    yield from ((node.id, []) for node in ast.walk(target) if isinstance(node, ast.Name))


def is_defined(source: str, symbol: str) -> bool:
    """Whether `symbol`, dotted for what stands in a class, is defined in the module text `source`."""
    body = ast.parse(source).body
    for part in symbol.split("."):
        inside = dict(names_defined(body))
        if part not in inside:
            return False
        body = inside[part]
    return True


@pytest.mark.parametrize(
    ("symbol", "there"),
    [
        ("LIMIT", True),
        ("first", True),
        ("Order", True),
        ("Order.price", True),
        ("Order.cancel", True),
        ("Order.amend", False),
        ("cancel", False),
        ("absent", False),
    ],
)
def test_a_symbol_is_found_where_it_is_defined_and_nowhere_else(symbol, there):
    """The check itself: functions, classes, constants, fields and methods are found, nothing else is."""
    order = "class Order:\n    price: int\n    async def cancel(self): ...\n"
    assert is_defined(f"LIMIT: int = 1\nfirst, second = 1, 2\n{order}", symbol) is there


def test_every_symbol_that_the_documents_name_exists():
    """A reader who follows `path::symbol` finds it."""
    missing = [
        f"{document.relative_to(ROOT)}: `{path}::{symbol}`"
        for document in DOCUMENTS
        for path, symbol in SYMBOL.findall(document.read_text())
        if not (ROOT / path).is_file() or not is_defined((ROOT / path).read_text(), symbol)
    ]
    assert missing == []


def test_every_relative_link_leads_to_a_file():
    """A link in a document leads to a file or folder of this repository."""
    missing = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in DOCUMENTS
        for link in LINK.findall(document.read_text())
        if not (document.parent / link).exists()
    ]
    assert missing == []
