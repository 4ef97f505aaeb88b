"""Which tests say that they prove which behaviour, read from the tests' source.

A test says so with ``@pytest.mark.behaviour("websocket.close.idle")``, with one id or several, written
out.  Nothing is imported, so that the table of all behaviours is made in a moment.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fidelity.behaviours import FOLDER

TESTS = FOLDER.parent
MARKER = "behaviour"


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """A test that proves a behaviour.

    Attributes:
        file: below the folder of tests, such as ``apigateway/test_routes.py``.
        test: the test's name.
        behaviour: the behaviour's id.
    """

    file: str
    test: str
    behaviour: str


def claims(folder: Path = TESTS) -> list[Claim]:
    """All claims, in the order of their files and lines."""
    return [
        Claim(path.relative_to(folder).as_posix(), function.name, behaviour)
        for path in sorted(folder.rglob("test_*.py"))
        for function in _tests(ast.parse(path.read_text("utf-8")))
        for behaviour in _behaviours(function)
    ]


def _tests(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test"
        ):
            yield node


def _behaviours(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        if (
            isinstance(decorator, ast.Call)
            and ast.unparse(decorator.func) == f"pytest.mark.{MARKER}"
        ):
            for argument in decorator.args:
                yield ast.literal_eval(argument)
