"""What a student gave to ``check`` as text; and as text that runs again by itself.

The answer to an exercise may become a part of the student's system, in another notebook and after a
restart.  So what is kept of a function is not only its own lines but what they need: its imports, the
functions that it calls, its clients of boto3 and its constants.
"""

from __future__ import annotations

import ast
import inspect
import json
import linecache
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from botocore.client import BaseClient


def own_text(answer: Any) -> str:
    """The text of an answer.

    Args:
        answer: what was given to ``check``.

    Returns:
        A function's own lines, a file's content, a text itself, plain data as Python or JSON; else an
        empty string.
    """
    if isinstance(answer, str):
        return answer
    if isinstance(answer, Path):
        return answer.read_text(encoding="utf-8")
    if isinstance(answer, Mapping):
        try:
            return json.dumps(answer)
        except (TypeError, ValueError):
            return ""
    if callable(answer):
        try:
            linecache.checkcache()
            return inspect.getsource(answer)
        except (OSError, TypeError):
            return ""
    return repr(answer) if isinstance(answer, list | tuple | int | float) else ""


def whole_text(answer: Any) -> str:
    """The text of an answer, with all that a function of a notebook needs to be run elsewhere.

    Args:
        answer: what was given to ``check``.
    """
    if isinstance(answer, FunctionType):
        try:
            return "\n\n\n".join(_pieces(answer, set()))
        except SyntaxError:  # a part of a line, such as a lambda
            pass
    return own_text(answer)


def _pieces(thing: Any, seen: set[int]) -> Iterator[str]:
    """What a function or class needs, and then its own lines."""
    seen.add(id(thing))
    text = textwrap.dedent(own_text(thing))
    if not text:
        return
    methods = [thing] if isinstance(thing, FunctionType) else [*vars(thing).values()]
    nodes = list(ast.walk(ast.parse(text)))
    named = [each for each in nodes if isinstance(each, ast.Name)]
    own = {each.id for each in named if isinstance(each.ctx, ast.Store)}
    own |= {each.arg for each in nodes if isinstance(each, ast.arg)}
    names = {each.id for each in named} - own
    around: dict[str, Any] = {}
    for method in methods:
        if isinstance(method, FunctionType):
            around |= method.__globals__ | _enclosed(method)
    for name in sorted(names & around.keys()):
        value = around[name]
        if isinstance(value, FunctionType | type) and value.__module__ == thing.__module__:
            if id(value) not in seen:
                yield from _pieces(value, seen)
        elif line := _binding(name, value):
            yield line
    yield text.rstrip()


def _enclosed(function: FunctionType) -> dict[str, Any]:
    """What a function has of the function that it was written in."""
    return dict(inspect.getclosurevars(function).nonlocals)


def _binding(name: str, value: Any) -> str:
    """A line that gives a name its value; empty if the value cannot be written."""
    if isinstance(value, ModuleType):
        imported = f"import {value.__name__}"
        return imported if value.__name__ == name else f"{imported} as {name}"
    if isinstance(value, BaseClient):
        return f"import boto3\n{name} = boto3.client({value.meta.service_model.service_name!r})"
    of, called = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if of and called and called.isidentifier():
        return f"from {of} import {called} as {name}"
    try:
        text = repr(value)
        return f"{name} = {text}" if ast.literal_eval(text) == value else ""
    except (ValueError, SyntaxError):
        return ""
