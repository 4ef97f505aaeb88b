"""Mapping templates: the part of the Velocity Template Language that AWS's own examples use.

A template turns a message into what a backend wants, or a backend's answer into what the client gets.
Known are references (``$name``, ``${name}``, ``$!name``, members, calls, indexes), ``#set``, ``#if`` with
``#elseif`` and ``#else``, ``#foreach`` with ``$foreach`` (``index``, ``count``, ``hasNext``, ``first``,
``last``), comments, and in expressions text, numbers, lists, ranges, maps and the operators.  What is
not known raises :class:`TemplateProblem` with its line: a call that rendered as its own text, as in
Velocity, would reach a backend unseen.

Source: "Mapping template transformations" and "Variables for data transformations" in the Amazon API
Gateway developer guide; Velocity's user guide for the language.

Our choices: a member that is missing and ``null`` give nothing, ``$!`` or not; a name that was never
set stands for its own text, as in Velocity; objects and lists are written as JSON; blanks and line ends
stay as they are written.

Not emulated: ``#macro``, ``#parse``, ``#include``, ``#define``, ``#evaluate``, ``#break`` and ``#stop``, and
``$input.params()``, which WebSocket APIs have no parameters for.

Why no library: airspeed lets what it does not know stand in the text, lacks the methods of maps, and
reaches into Python's objects instead of Java's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from labkit.apigateway.template_methods import METHODS, MISSING, Entry, Namespace
from labkit.errors import LabError

LARGEST = 300 * 1024
"""Bytes of a template.  ("Maximum mapping template size: 300 KB")"""

MOST_ROUNDS = 1_000
"""Rounds of one ``#foreach``, as in REST APIs' quota ("#foreach loop iterations: 1,000")."""


class TemplateProblem(LabError):
    """A template cannot be rendered; the message says why and where."""


def render(source: str, variables: Mapping[str, Any]) -> str:
    """The text that a template gives.

    Args:
        source: the template.
        variables: what ``$name`` means: JSON data, or a :class:`Namespace` of functions.

    Raises:
        TemplateProblem: it is malformed, or uses what is not known.
    """
    try:
        return "".join(_run(_parsed(source), dict(variables)))
    except TemplateProblem:
        raise
    except RecursionError:
        raise TemplateProblem("the template is nested too deeply") from None
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise TemplateProblem(f"the template fails: {error}") from error


# -- the language as data -------------------------------------------------------------------------

Evaluate = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class _Reference:
    evaluate: Evaluate
    source: str


@dataclass(frozen=True, slots=True)
class _Set:
    name: str
    keys: tuple[Evaluate, ...]
    value: Evaluate


@dataclass(frozen=True, slots=True)
class _If:
    branches: tuple[tuple[Evaluate, tuple[Any, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Foreach:
    name: str
    items: Evaluate
    body: tuple[Any, ...]


class _Unset:
    """What a name means that was never set."""


UNSET = _Unset()


def _run(nodes: Sequence[Any], scope: dict[str, Any]) -> Iterator[str]:
    for node in nodes:
        match node:
            case str():
                yield node
            case _Reference():
                value = node.evaluate(scope)
                yield node.source if value is UNSET else written(value)
            case _Set():
                _assign(node, scope)
            case _If():
                for condition, body in node.branches:
                    if truth(condition(scope)):
                        yield from _run(body, scope)
                        break
            case _Foreach():
                yield from _repeat(node, scope)


def _assign(node: _Set, scope: dict[str, Any]) -> None:
    value = node.value(scope)
    if not node.keys:
        scope[node.name] = value
        return
    target = scope.get(node.name, UNSET)
    *path, last = (key(scope) for key in node.keys)
    for key in path:
        target = _member(target, key)
    in_list = isinstance(target, list) and isinstance(last, int) and last < len(target)
    if not (in_list or isinstance(target, dict)):
        raise TemplateProblem(f"#set: ${node.name} has no member {last!r} that can be set")
    target[last] = value


def _repeat(node: _Foreach, scope: dict[str, Any]) -> Iterator[str]:
    found = node.items(scope)
    items = list(found.values()) if isinstance(found, dict) else found
    if items is UNSET or items is None or items is MISSING:
        return
    if not isinstance(items, list):
        raise TemplateProblem(f"#foreach: {written(items)!r} is no list")
    if len(items) > MOST_ROUNDS:
        raise TemplateProblem(f"#foreach: {len(items)} items; {MOST_ROUNDS} are allowed")
    hidden = {name: scope.get(name, UNSET) for name in (node.name, "foreach", "velocityCount")}
    for index, item in enumerate(items):
        last = index == len(items) - 1
        scope[node.name] = item
        scope["velocityCount"] = index + 1
        scope["foreach"] = {
            "index": index,
            "count": index + 1,
            "hasNext": not last,
            "first": index == 0,
            "last": last,
        }
        yield from _run(node.body, scope)
    for name, value in hidden.items():
        if value is UNSET:
            scope.pop(name, None)
        else:
            scope[name] = value


def written(value: Any) -> str:
    """A value as it stands in the text."""
    if value is None or value is MISSING or value is UNSET:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Namespace | Entry):
        raise TemplateProblem(f"{value.name} stands alone; name one of its members")
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def truth(value: Any) -> bool:
    """Whether a condition holds: not for ``false`` and ``null``, and not for nothing."""
    return value is not None and value is not MISSING and value is not UNSET and value is not False


# -- reading --------------------------------------------------------------------------------------

_DIRECTIVE = re.compile(r"#(?:\{(?P<braced>[a-z]+)\}|(?P<plain>[a-z]+))")
_REFERENCE = re.compile(r"\$!?(?:\{\s*(?P<braced>[A-Za-z_][\w-]*)|(?P<plain>[A-Za-z_][\w-]*))")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>'(?:''|[^'])*'|\"(?:\"\"|\\.|[^\"\\])*\")"
    r"|(?P<word>[A-Za-z]+)|(?P<sign>\.\.|==|!=|<=|>=|&&|\|\||[-+*/%<>!()\[\]{},:]))"
)
_UNKNOWN = frozenset({"macro", "parse", "include", "define", "evaluate", "break", "stop"})
_WORDS = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "gt": ">",
    "le": "<=",
    "ge": ">=",
    "and": "&&",
    "or": "||",
}
_LITERALS = {"true": True, "false": False, "null": None}
_ENDS = frozenset({"end", "else", "elseif"})


@lru_cache(maxsize=256)
def _parsed(source: str) -> tuple[Any, ...]:
    if len(source.encode()) > LARGEST:
        raise TemplateProblem(f"the template has more than {LARGEST} bytes")
    reader = _Reader(source)
    nodes, end = reader.block()
    if end:
        raise reader.problem(f"#{end} belongs to no #if or #foreach")
    return nodes


class _Reader:
    """Reads a template from front to back."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0

    def problem(self, what: str) -> TemplateProblem:
        line = self._source.count("\n", 0, self._at) + 1
        return TemplateProblem(f"line {line} of the template: {what}")

    def block(self, inner: bool = False) -> tuple[tuple[Any, ...], str]:
        """Text and directives up to the one that ends them, and its name."""
        source, nodes = self._source, list[Any]()
        while self._at < len(source):
            special = re.compile(r"[#$\\]").search(source, self._at)
            if special is None:
                nodes.append(source[self._at :])
                self._at = len(source)
                break
            if special.start() > self._at:
                nodes.append(source[self._at : special.start()])
                self._at = special.start()
            if source[self._at] == "\\":
                escaped = source[self._at + 1 : self._at + 2]
                nodes.append(escaped if escaped in ("$", "#") else "\\")
                self._at += 2 if escaped in ("$", "#") else 1
            elif source.startswith("##", self._at):
                end = source.find("\n", self._at)
                self._at = len(source) if end < 0 else end + 1
            elif source.startswith("#*", self._at):
                end = source.find("*#", self._at)
                if end < 0:
                    raise self.problem("a comment #* has no *#")
                self._at = end + 2
            elif source[self._at] == "$":
                nodes.append(self._reference_or_text())
            else:
                directive = _DIRECTIVE.match(source, self._at)
                name = (directive["braced"] or directive["plain"]) if directive else ""
                if directive and name in _ENDS:
                    self._at = directive.end()
                    return tuple(nodes), name
                if directive and name in ("set", "if", "foreach"):
                    self._at = directive.end()
                    nodes.append(getattr(self, f"_{name}")())
                elif name in _UNKNOWN:
                    raise self.problem(f"the local cloud does not know #{name}")
                else:
                    nodes.append("#")
                    self._at += 1
        if inner:
            raise self.problem("an #if or #foreach has no #end")
        return tuple(nodes), ""

    # directives

    def _set(self) -> _Set:
        self._expect("(")
        found = _REFERENCE.match(self._source, self._skip())
        if found is None:
            raise self.problem("#set($name = value) needs a name")
        self._at = found.end()
        keys = self._path(assigned=True)
        if found["braced"]:
            self._expect("}")
        if self._source[self._skip() : self._at + 1] != "=":
            raise self.problem("#set($name = value) needs a =")
        self._at += 1
        value = self._expression()
        self._expect(")")
        return _Set(found["braced"] or found["plain"], tuple(keys), value)

    def _if(self) -> _If:
        branches = []
        name = "if"
        while name != "end":
            condition: Evaluate = lambda scope: True  # noqa: E731 - what #else means
            if name != "else":
                self._expect("(")
                condition = self._expression()
                self._expect(")")
            body, name = self.block(inner=True)
            branches.append((condition, body))
        return _If(tuple(branches))

    def _foreach(self) -> _Foreach:
        self._expect("(")
        found = _REFERENCE.match(self._source, self._skip())
        if found is None:
            raise self.problem("#foreach($item in $list) needs a name")
        self._at = found.end() + (
            self._source[found.end() :].startswith("}") and bool(found["braced"])
        )
        word = _TOKEN.match(self._source, self._at)
        if word is None or word["word"] != "in":
            raise self.problem("#foreach($item in $list) needs an 'in'")
        self._at = word.end()
        items = self._expression()
        self._expect(")")
        body, end = self.block(inner=True)
        if end != "end":
            raise self.problem(f"#{end} stands in a #foreach")
        return _Foreach(found["braced"] or found["plain"], items, body)

    # references

    def _reference_or_text(self) -> _Reference | str:
        begin = self._at
        if _REFERENCE.match(self._source, begin) is None:
            self._at += 1
            return "$"
        evaluate = self._reference()
        return _Reference(evaluate, self._source[begin : self._at])

    def _reference(self) -> Evaluate:
        found = _REFERENCE.match(self._source, self._at)
        if found is None:
            raise self.problem("a $ has no name")
        name = found["braced"] or found["plain"]
        self._at = found.end()
        steps = self._path()
        if found["braced"]:
            self._expect("}")

        def evaluate(scope: dict[str, Any]) -> Any:
            value = scope.get(name, UNSET)
            for step in steps:
                value = step(value, scope)
            return value

        return evaluate

    def _path(self, assigned: bool = False) -> list[Any]:
        """What follows a name: ``.member``, ``.call(…)`` and ``[…]``."""
        source, steps = self._source, list[Any]()
        while True:
            if member := re.compile(r"\.([A-Za-z_][\w-]*)").match(source, self._at):
                self._at = member.end()
                if source.startswith("(", self._at) and not assigned:
                    self._at += 1
                    steps.append(self._call(member[1]))
                elif assigned:
                    steps.append(lambda scope, key=member[1]: key)
                else:
                    steps.append(lambda value, scope, key=member[1]: _member(value, key))
            elif source.startswith("[", self._at):
                self._at += 1
                key = self._expression()
                self._expect("]")
                if assigned:
                    steps.append(key)
                else:
                    steps.append(lambda value, scope, key=key: _member(value, key(scope)))
            else:
                return steps

    def _call(self, name: str) -> Callable[[Any, dict[str, Any]], Any]:
        problem = self.problem(f"there is no method {name}() here")
        arguments = self._list(")")

        def call(value: Any, scope: dict[str, Any]) -> Any:
            if value is None or value is MISSING or value is UNSET:
                return MISSING
            given = [argument(scope) for argument in arguments]
            function = method(value, name)
            if function is None:
                raise problem
            return function(*(None if g is MISSING or g is UNSET else g for g in given))

        return call

    # expressions

    def _expression(self, level: int = 0) -> Evaluate:
        if level == len(_LEVELS):
            return self._operand()
        left = self._expression(level + 1)
        while (sign := self._peek()) in _LEVELS[level]:
            self._take()
            right = self._expression(level + 1)
            left = _binary(sign, left, right)
        return left

    def _operand(self) -> Evaluate:
        if self._source.startswith("$", self._skip()):
            return self._reference()
        token = _TOKEN.match(self._source, self._at)
        if token is None:
            raise self.problem(f"this is no expression: {self._source[self._at :][:20]!r}")
        self._at = token.end()
        sign = token["sign"]
        if token["number"]:
            number = float(token["number"]) if "." in token["number"] else int(token["number"])
            return lambda scope: number
        if token["text"]:
            return self._text(token["text"])
        if token["word"] == "not" or sign == "!":
            operand = self._operand()
            return lambda scope: not truth(operand(scope))
        if token["word"] in _LITERALS:
            literal = _LITERALS[token["word"]]
            return lambda scope: literal
        if sign == "-":
            operand = self._operand()
            return lambda scope: -operand(scope)
        if sign == "(":
            inner = self._expression()
            self._expect(")")
            return inner
        if sign == "[":
            return self._list_or_range()
        if sign == "{":
            return self._map()
        raise self.problem(f"this is no expression: {token[0].strip()!r}")

    def _text(self, literal: str) -> Evaluate:
        if literal[0] == "'":
            plain = literal[1:-1].replace("''", "'")
            return lambda scope: plain
        inner = literal[1:-1].replace('""', '"')
        if "$" not in inner and "#" not in inner:
            return lambda scope: inner
        nodes = _parsed(inner)
        return lambda scope: "".join(_run(nodes, scope))

    def _list_or_range(self) -> Evaluate:
        if self._peek() == "]":
            self._take()
            return lambda scope: []
        first = self._expression()
        if self._peek() == "..":
            self._take()
            last = self._expression()
            self._expect("]")
            return lambda scope: _range(first(scope), last(scope))
        items = [first]
        if self._peek() == ",":
            self._take()
            items += self._list("]")
        else:
            self._expect("]")
        return lambda scope: [item(scope) for item in items]

    def _list(self, end: str) -> list[Evaluate]:
        """Expressions with commas between them, up to a sign."""
        items = list[Evaluate]()
        if self._peek() == end:
            self._take()
            return items
        while True:
            items.append(self._expression())
            if self._peek() != ",":
                self._expect(end)
                return items
            self._take()

    def _map(self) -> Evaluate:
        pairs = list[tuple[Evaluate, Evaluate]]()
        while self._peek() != "}":
            if pairs:
                self._expect(",")
            key = self._expression()
            self._expect(":")
            pairs.append((key, self._expression()))
        self._take()
        return lambda scope: {written(key(scope)): value(scope) for key, value in pairs}

    # tokens

    def _skip(self) -> int:
        while self._at < len(self._source) and self._source[self._at].isspace():
            self._at += 1
        return self._at

    def _peek(self) -> str:
        token = _TOKEN.match(self._source, self._at)
        if token is None:
            return ""
        return _WORDS.get(token["word"] or "", token["sign"] or "")

    def _take(self) -> None:
        token = _TOKEN.match(self._source, self._at)
        assert token is not None
        self._at = token.end()

    def _expect(self, sign: str) -> None:
        if not self._source.startswith(sign, self._skip()):
            found = self._source[self._at :][:20]
            raise self.problem(f"expected {sign!r}, found {found!r}")
        self._at += len(sign)


_LEVELS = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"==", "!="}),
    frozenset({"<", ">", "<=", ">="}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)


def _binary(sign: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if sign == "||":
        return lambda scope: truth(left(scope)) or truth(right(scope))
    if sign == "&&":
        return lambda scope: truth(left(scope)) and truth(right(scope))
    return lambda scope: _computed(sign, left(scope), right(scope))


def _computed(sign: str, left: Any, right: Any) -> Any:
    left, right = (None if v is MISSING or v is UNSET else v for v in (left, right))
    if sign in ("==", "!="):
        return (_same(left, right)) is (sign == "==")
    if sign == "+" and (isinstance(left, str) or isinstance(right, str)):
        return written(left) + written(right)
    for value in (left, right):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TemplateProblem(f"{sign} needs numbers, not {written(value)!r}")
    match sign:
        case "<":
            return left < right
        case ">":
            return left > right
        case "<=":
            return left <= right
        case ">=":
            return left >= right
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    if right == 0:
        return None  # Velocity: division by zero gives null
    whole = isinstance(left, int) and isinstance(right, int)
    if sign == "/":
        return int(left / right) if whole else left / right
    return left - right * int(left / right)


def _same(left: Any, right: Any) -> bool:
    """Velocity compares values of different kinds as text."""
    if left is None or right is None:
        return left is right
    number = (int, float)
    if isinstance(left, number) and isinstance(right, number):
        return bool(left == right)
    return written(left) == written(right) if type(left) is not type(right) else bool(left == right)


def _range(first: Any, last: Any) -> list[int]:
    if not isinstance(first, int) or not isinstance(last, int):
        raise TemplateProblem("a range has whole numbers at its ends, as in [1..3]")
    if abs(last - first) >= MOST_ROUNDS:
        raise TemplateProblem(f"a range has at most {MOST_ROUNDS} numbers")
    return list(range(first, last + 1)) if first <= last else list(range(first, last - 1, -1))


def _member(value: Any, key: Any) -> Any:
    if isinstance(value, Namespace):
        found = value.members.get(key, MISSING)
        if found is MISSING or callable(found):
            raise TemplateProblem(f"{value.name} has no member {key}; it has {value.known()}")
        return found
    if isinstance(value, Entry):
        return {"key": value.key, "value": value.value}.get(key, MISSING)
    if isinstance(value, Mapping):
        return value.get(key, MISSING)
    if isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return MISSING


def method(value: Any, name: str) -> Callable[..., Any] | None:
    """A method of a value, ready to be called; ``None`` if it has none of this name."""
    if isinstance(value, Namespace):
        found: Callable[..., Any] | None = value.members.get(name)
        if not callable(found):
            raise TemplateProblem(f"{value.name} has no method {name}(); it has {value.known()}")
        return found
    for kind, methods in METHODS:
        if isinstance(value, kind) and name in methods:
            function = methods[name]
            return lambda *given: function(value, *given)
    return None
