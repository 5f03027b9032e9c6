"""Which operations of AWS a service may come to call, read from the source.

From a service's `__main__` the imports are followed. In what they lead to a function counts as reachable
when anything reachable mentions its name, whoever it belongs to: so nothing is missed that is called by
name, and two methods of one name are both counted.
"""

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import botocore.session
from botocore import xform_name

_OURS: Final = ("services", "spider_common")
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


def operations(module: str) -> set[str]:
    """What is reached from a module: `dynamodb:TransactWriteItems`; and of its writes `Put` and `Delete`."""
    trees = _closure(module)
    functions: dict[str, list[tuple[ast.AST, frozenset[str]]]] = {}
    waiting: list[tuple[ast.AST, frozenset[str]]] = []
    for tree in trees:
        clients = frozenset(_clients(tree))
        waiting += [(each, clients) for each in _outside(tree)]
        for each in _functions(tree):
            if each.name.startswith("__"):
                waiting.append((each, clients))
            else:
                functions.setdefault(each.name, []).append((each, clients))
    found: set[str] = set()
    while waiting:
        node, clients = waiting.pop()
        for each in ast.walk(node):
            name = each.id if isinstance(each, ast.Name) else getattr(each, "attr", "")
            waiting += functions.pop(name, [])
            if isinstance(each, ast.Attribute) and _is_client(each.value):
                found |= {f"{client}:{_names(client)[name]}" for client in clients if name in _names(client)}
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Name):
                found |= {each.func.id} & {"Put", "Delete"}
    return found


def _is_client(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        node = node.func
    return ("client" in node.attr) if isinstance(node, ast.Attribute) else "client" in getattr(node, "id", "")


@cache
def _names(client: str) -> dict[str, str]:
    model = botocore.session.get_session().get_service_model(client)
    return {xform_name(each): each for each in model.operation_names}


def _clients(tree: ast.Module) -> Iterator[str]:
    """The services whose clients a module makes."""
    known = botocore.session.get_session().get_available_services()
    for each in ast.walk(tree):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == "client":
            for argument in each.args:
                if isinstance(argument, ast.Constant) and argument.value in known:
                    yield str(argument.value)


def _closure(start: str) -> list[ast.Module]:
    seen: dict[str, ast.Module] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in seen or name.partition(".")[0] not in _OURS:
            continue
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError:  # a name inside a module
            continue
        if spec is None or spec.origin is None:
            continue
        seen[name] = tree = ast.parse(Path(spec.origin).read_text())
        for each in ast.walk(tree):
            if isinstance(each, ast.Import):
                waiting += [alias.name for alias in each.names]
            elif isinstance(each, ast.ImportFrom) and each.module:
                waiting += [each.module, *(f"{each.module}.{alias.name}" for alias in each.names)]
    return list(seen.values())


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Those of a module and of its classes; what is within one belongs to it."""
    for each in ast.iter_child_nodes(tree):
        if isinstance(each, _FUNCTIONS):
            yield each
        else:
            yield from _functions(each)


def _outside(tree: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported."""
    for each in ast.iter_child_nodes(tree):
        if isinstance(each, (*_FUNCTIONS, ast.Import, ast.ImportFrom)):
            continue
        if isinstance(each, ast.ClassDef):
            yield from _outside(each)
        else:
            yield each
