"""Mutants: wrong answers made of the solution, by one change each.  No I/O.

A condition is negated, a comparison turned, a statement, an argument or a member dropped, a constant
changed, an expression of DynamoDB's dropped or changed; of a state machine see
:mod:`labkit.course.proof.asl_mutant`.  A check that lets a mutant pass does not look at what was
changed, or the change makes no difference: the lesson's ``survivors.md`` says which.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.course.proof import asl_mutant
from labkit.course.proof.form import Form, as_json, json_texts
from labkit.course.source import ExerciseSource

MOST = 12
"""Mutants of one exercise at most, spread over the kinds of change."""

FEW = 3
"""If fewer changes lie between a solution's markers, the rest of its cell is changed too."""

_SHOWN = 70
"""Characters of a statement that a mutant's name shows."""

_TURNED: Mapping[type[ast.AST], type[ast.AST]] = {
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_WORDS: Mapping[type[ast.AST], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.And: "and",
    ast.Or: "or",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
}
_TYPES = frozenset({"S", "N", "B", "M", "L", "BOOL", "NULL", "SS", "NS"})
"""How DynamoDB names the type of a value; boto3 itself refuses any other."""

_EXPRESSION = re.compile(r"(Condition|Filter|KeyCondition|Update|Projection)Expression")
_OTHER_EXPRESSIONS = (
    ("attribute_not_exists", "attribute_exists"),
    ("attribute_exists", "attribute_not_exists"),
    (" AND ", " OR "),
    (" OR ", " AND "),
    ("<", ">"),
    (">", "<"),
    ("=", "<>"),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed solution.

    Attributes:
        kind: what kind of change it is.
        name: the change in words; no other mutant of the exercise has it.
        code: the text of the answer cell.
    """

    kind: str
    name: str
    code: str


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of one node, which is made in a copy of the tree.

    Attributes:
        kind: what kind of change it is.
        said: the change in words.
        line: where it is made, in the cell below its magic.
        make: changes the copy of the node.
    """

    kind: str
    said: str
    line: int
    make: Callable[[Any], None]


def mutants(source: ExerciseSource, right: Iterable[str] = (), most: int = MOST) -> list[Mutant]:
    """Mutants of an exercise's solution: always the same for the same source.

    Args:
        source: the exercise.
        right: cells with other right answers, which no mutant may be.
        most: how many at most.
    """
    form = Form.of(source.solved)
    seen = {form.key, *(Form.of(cell).key for cell in right)}
    names: set[str] = set()
    kinds: dict[str, list[Mutant]] = {}
    for kind, name, code in _changed(form, source):
        key = Form.of(code).key
        if key in seen:
            continue
        seen.add(key)
        unique, count = name, 1
        while unique in names:
            count += 1
            unique = f"{name} ({count})"
        names.add(unique)
        kinds.setdefault(kind, []).append(Mutant(kind, unique, code))
    # One of each kind after the other; which of a kind does not depend on what else there is.
    for found in kinds.values():
        found.sort(key=lambda mutant: hashlib.sha256(mutant.name.encode()).digest(), reverse=True)
    chosen: list[Mutant] = []
    while len(chosen) < most and any(kinds.values()):
        for kind in sorted(kinds):
            if kinds[kind] and len(chosen) < most:
                chosen.append(kinds[kind].pop())
    return chosen


def _changed(form: Form, source: ExerciseSource) -> Iterator[tuple[str, str, str]]:
    """Kind, name and text of each change."""
    first = len(source.region.before) + 1 - bool(form.magic)
    lines = range(first, first + len(source.region.solution))
    stub, quiet = _json_of(source.stub), _quiet(form.tree)
    found = [
        (index, change)
        for index, node in enumerate(ast.walk(form.tree))
        for change in (*_changes(node, form, quiet), *_of_json(node, stub))
    ]
    inside = [each for each in found if each[1].line in lines or each[1].kind in asl_mutant.KINDS]
    for index, change in inside if len(inside) >= FEW else found:
        copied = copy.deepcopy(form.tree)
        change.make(next(each for n, each in enumerate(ast.walk(copied)) if n == index))
        yield change.kind, change.said, form.cell(ast.fix_missing_locations(copied))


def _changes(node: ast.AST, form: Form, quiet: set[int]) -> Iterator[_Change]:
    if id(node) in quiet:
        return
    yield from _statements(node, form, quiet)
    yield from _conditions(node, form)
    yield from _calls(node, form)
    yield from _constants(node, form)


def _statements(node: ast.AST, form: Form, quiet: set[int]) -> Iterator[_Change]:
    """Statements are dropped, and what is tried is done without a net."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if not isinstance(block, list):
            continue
        for place, statement in enumerate(block):
            if id(statement) in quiet or not isinstance(statement, _DROPPED):
                continue
            if _only_names(statement):
                continue
            yield _Change(
                "statement dropped",
                f"dropped: {_line(statement.lineno, form)}",
                statement.lineno,
                _replacing(name, place, lambda _: [ast.Pass()]),
            )
        for place, statement in enumerate(block):
            if isinstance(statement, ast.Try) and statement.handlers:
                yield _Change(
                    "handler dropped",
                    f"without its except: {_line(statement.body[0].lineno, form)}",
                    statement.lineno,
                    _replacing(name, place, lambda old: old.body),
                )


_DROPPED = (
    ast.Expr,
    ast.Assign,
    ast.AugAssign,
    ast.Return,
    ast.Raise,
    ast.Assert,
    ast.Delete,
    ast.If,
    ast.For,
    ast.Break,
    ast.Continue,
)


def _only_names(statement: ast.stmt) -> bool:
    """Whether it only gives names to values: without it, Python itself complains of the names."""
    return isinstance(statement, ast.Assign) and not any(
        isinstance(target, ast.Subscript | ast.Attribute) for target in statement.targets
    )


def _replacing(
    name: str, place: int, new: Callable[[Any], list[ast.stmt]]
) -> Callable[[Any], None]:
    def make(twin: Any) -> None:
        block = getattr(twin, name)
        block[place : place + 1] = new(block[place])

    return make


def _conditions(node: ast.AST, form: Form) -> Iterator[_Change]:
    """Conditions are negated, comparisons turned."""
    if isinstance(node, ast.If | ast.IfExp) or (
        isinstance(node, ast.While) and not isinstance(node.test, ast.Constant)
    ):
        said = f"negated: {_segment(node.test, form)}"
        yield _Change("condition negated", said, node.test.lineno, _negate_test)
    if isinstance(node, ast.comprehension):
        for place, test in enumerate(node.ifs):

            def make(twin: Any, place: int = place) -> None:
                twin.ifs[place] = _negated(twin.ifs[place])

            said = f"negated: {_segment(test, form)}"
            yield _Change("condition negated", said, test.lineno, make)
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            new = _TURNED[type(operator)]

            def turn(twin: Any, place: int = place, new: type[ast.AST] = new) -> None:
                twin.ops[place] = new()

            said = f"{_WORDS[type(operator)]} became {_WORDS[new]} in: {_segment(node, form)}"
            yield _Change("operator turned", said, node.lineno, turn)
    if isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in _TURNED:
        other = _TURNED[type(node.op)]

        def swap(twin: Any) -> None:
            twin.op = other()

        said = f"{_WORDS[type(node.op)]} became {_WORDS[other]} in: {_segment(node, form)}"
        yield _Change("operator turned", said, node.lineno, swap)


def _negate_test(twin: Any) -> None:
    twin.test = _negated(twin.test)


def _negated(test: ast.expr) -> ast.expr:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    return ast.UnaryOp(ast.Not(), test)


def _calls(node: ast.AST, form: Form) -> Iterator[_Change]:
    """Arguments and members are dropped; so are conditions, with the values that only they use."""
    if isinstance(node, ast.Call):
        for place, keyword in enumerate(node.keywords):
            said = f"without {keyword.arg or '**'} in: {_segment(node, form)}"
            if keyword.arg and _EXPRESSION.fullmatch(keyword.arg):

                def drop(twin: Any, place: int = place) -> None:
                    del twin.keywords[place]
                    _drop_unused_values(twin)

                yield _Change("expression changed", said, keyword.lineno, drop)
                yield from _other_expressions(place, keyword, form)
            else:
                yield _Change(
                    "argument dropped", said, keyword.lineno, _deleting("keywords", place)
                )
        if len(node.args) > 1:
            said = f"without {_segment(node.args[-1], form)} in: {_segment(node, form)}"
            yield _Change("argument dropped", said, node.args[-1].lineno, _deleting("args", -1))
    if isinstance(node, ast.Dict) and len(node.keys) > 1:
        for place, key in enumerate(node.keys):
            if key is None:
                continue

            def drop_member(twin: Any, place: int = place) -> None:
                del twin.keys[place], twin.values[place]

            said = f"without {_segment(key, form)} in: {_segment(node, form)}"
            yield _Change("member dropped", said, key.lineno, drop_member)


def _other_expressions(place: int, keyword: ast.keyword, form: Form) -> Iterator[_Change]:
    value = keyword.value
    if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
        return
    for old, new in _OTHER_EXPRESSIONS:
        if old not in value.value:
            continue
        text = value.value.replace(old, new, 1)

        def make(twin: Any, text: str = text) -> None:
            twin.keywords[place].value = ast.Constant(text)

        said = f"{keyword.arg}: {value.value!r} became {text!r}"
        yield _Change("expression changed", said, keyword.lineno, make)
        return


def _drop_unused_values(call: Any) -> None:
    """Take out names and values that no expression of a call uses; DynamoDB refuses such a call."""
    used = " ".join(
        ast.unparse(keyword.value)
        for keyword in call.keywords
        if keyword.arg and _EXPRESSION.fullmatch(keyword.arg)
    )
    for keyword in list(call.keywords):
        if keyword.arg not in ("ExpressionAttributeValues", "ExpressionAttributeNames"):
            continue
        if not isinstance(keyword.value, ast.Dict):
            continue
        pairs = [
            (key, value)
            for key, value in zip(keyword.value.keys, keyword.value.values, strict=True)
            if not isinstance(key, ast.Constant)
            or re.search(rf"{re.escape(str(key.value))}(?!\w)", used)
        ]
        keyword.value.keys = [key for key, _ in pairs]
        keyword.value.values = [value for _, value in pairs]
        if not pairs:
            call.keywords.remove(keyword)


def _deleting(name: str, place: int) -> Callable[[Any], None]:
    def make(twin: Any) -> None:
        del getattr(twin, name)[place]

    return make


def _constants(node: ast.AST, form: Form) -> Iterator[_Change]:
    """Constants are changed; JSON is left to its own rules."""
    if not isinstance(node, ast.Constant):
        return
    old = node.value
    new: Any
    if isinstance(old, bool):
        new = not old
    elif isinstance(old, int | float):
        new = old + 1
    elif isinstance(old, str) and old.strip() and old not in _TYPES and as_json(old) is None:
        new = f"{old}_"
    else:
        return

    def make(twin: Any) -> None:
        twin.value = new

    said = f"{_cut(repr(old))} became {_cut(repr(new))} in: {_line(node.lineno, form)}"
    yield _Change("constant changed", said, node.lineno, make)


def _of_json(node: ast.AST, stub: Any) -> Iterator[_Change]:
    """Changes of a text that is JSON."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return
    data = as_json(node.value)
    if data is None:
        return
    for kind, said, text in asl_mutant.changes(data, stub):

        def make(twin: Any, text: str = text) -> None:
            twin.value = text

        yield _Change(kind, said, node.lineno, make)


def _json_of(cell: str) -> Any:
    """The JSON text in a cell, parsed; ``None`` if there is not one."""
    try:
        found = json_texts(Form.of(cell).tree)
    except SyntaxError:
        return None
    return as_json(str(found[0].value)) if len(found) == 1 else None


# -- words ----------------------------------------------------------------------------------------


def _segment(node: ast.AST, form: Form) -> str:
    """A node as it is written, on one line."""
    return _cut(" ".join((ast.get_source_segment(form.body, node) or "").split()))


def _line(line: int, form: Form) -> str:
    """A line as it is written."""
    return _cut(" ".join(form.body.splitlines()[line - 1].split()))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _quiet(tree: ast.Module) -> set[int]:
    """The nodes of what nobody can check: docstrings, annotations, and words for people who read a log."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if _is_for_reading(node):
            found |= {id(each) for each in ast.walk(node)}
        elif isinstance(node, ast.Raise):
            found |= {id(each) for each in ast.walk(node)} - {id(node)}
        elif isinstance(node, ast.Assert) and node.msg is not None:
            found |= {id(each) for each in ast.walk(node.msg)}
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(annotation, ast.AST):
                found |= {id(each) for each in ast.walk(annotation)}
    return found


def _is_for_reading(node: ast.AST) -> bool:
    if not isinstance(node, ast.Expr):
        return False
    value = node.value
    if isinstance(value, ast.Constant):
        return True
    called = ast.unparse(value.func) if isinstance(value, ast.Call) else ""
    return called == "print" or bool(re.match(r"(log|logger|logging)\.", called))
