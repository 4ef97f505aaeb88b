"""What an answer cell means, apart from how it is written.  No I/O."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager


@dataclass(frozen=True, slots=True)
class Form:
    """A cell taken apart.

    Attributes:
        magic: the cell magic's line, such as ``%%handler connect``; empty if there is none.
        body: the text below it.
        tree: that as Python.
    """

    magic: str
    body: str
    tree: ast.Module

    @classmethod
    def of(cls, cell: str) -> Form:
        """Read a cell.

        Raises:
            SyntaxError: it is not Python.
        """
        magic, body = "", cell
        if cell.lstrip().startswith("%%"):
            magic, _, body = cell.lstrip().partition("\n")
        else:
            body = TransformerManager().transform_cell(cell)
        return cls(magic.strip(), body, ast.parse(body))

    def cell(self, tree: ast.Module) -> str:
        """The text of a cell with other Python below the magic."""
        return "\n".join(filter(None, [self.magic, ast.unparse(tree)]))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is done: no statement, or a function without any."""
        bodies = [self.tree.body] + [
            node.body
            for node in ast.walk(self.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        return any(all(map(_does_nothing, body)) for body in bodies)

    @property
    def key(self) -> str:
        """The same for two cells that differ only in blanks, comments, docstrings or the layout of JSON."""
        tree = _Plain().visit(ast.parse(ast.unparse(self.tree)))
        return f"{self.magic}\n{ast.dump(tree)}"


def as_json(text: str) -> Any:
    """The object or list that a text is the JSON of; ``None`` if it is anything else."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def json_texts(tree: ast.Module) -> list[ast.Constant]:
    """The texts in a cell that are JSON."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and as_json(node.value) is not None
    ]


def with_json(solved: str, answer: str) -> str:
    """The cell of an answer that may be JSON alone, which then stands in the place of the solution's.

    Args:
        solved: the cell with the solution.
        answer: the text of the answer.
    """
    if as_json(answer) is None:
        return answer
    form = Form.of(solved)
    found = json_texts(form.tree)
    if len(found) != 1:
        return answer
    found[0].value = answer
    return form.cell(form.tree)


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Return):
        value = statement.value
        return value is None or (isinstance(value, ast.Constant) and value.value is None)
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass)


class _Plain(ast.NodeTransformer):
    """Takes docstrings out, and gives JSON in texts one layout."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        data = as_json(node.value) if isinstance(node.value, str) else None
        return node if data is None else ast.Constant(json.dumps(data))

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return ast.Pass()
        return self.generic_visit(node)
