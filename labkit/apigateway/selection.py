r"""Selection expressions: text with variables that choose a template, a model or a response.

Source: "WebSocket selection expressions" in the Amazon API Gateway developer guide: "A variable is
prefixed with $", "Curly braces can be used to explicitly define variable boundaries", "A dollar sign
can be escaped with \".

Our choices, where AWS is silent: a value that is no string is taken as its JSON text (``5``, ``true``,
``{"a":1}``); ``null`` and what is missing give the empty string; without braces a variable's name ends at
the first character that is neither letter, digit, ``_`` nor ``-``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from labkit.apigateway.json_path import MISSING

DEFAULT = "$default"
"""The key that counts where no other does."""

_VARIABLE = re.compile(r"\\\$|\$\{([^}]*)\}|\$([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)")

Path = tuple[str, ...]


@lru_cache(maxsize=512)
def parts(expression: str) -> tuple[str | Path, ...]:
    """An expression's pieces: text, and variables as the names in them."""
    found: list[str | Path] = []
    end = 0
    for variable in _VARIABLE.finditer(expression):
        found.append(expression[end : variable.start()])
        end = variable.end()
        if variable[0] == r"\$":
            found.append("$")
        else:
            found.append(tuple((variable[1] or variable[2] or "").split(".")))
    found.append(expression[end:])
    return tuple(part for part in found if part != "")


def text(value: Any) -> str:
    """A variable's value as it stands in the result."""
    if isinstance(value, str):
        return value
    if value is None or value is MISSING:
        return ""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def member(value: Any, path: Iterable[str]) -> Any:
    """What a path of names leads to; :data:`MISSING` if it leads nowhere."""
    for name in path:
        if not isinstance(value, Mapping):
            return MISSING
        value = value.get(name, MISSING)
    return value


def evaluate(expression: str, look_up: Callable[[Path], Any]) -> str:
    r"""What an expression gives.

    Args:
        expression: such as ``${request.body.kind}``, ``\$default`` or static text.
        look_up: the value of a variable, by the names in it.
    """
    return "".join(
        part if isinstance(part, str) else text(look_up(part)) for part in parts(expression)
    )


def chosen(choices: Mapping[str, Any], key: str) -> Any:
    r"""What stands under a key or, if nothing does, under ``$default``; ``None`` without either.

    A key between slashes is a regular expression, such as ``/2\d\d/``.
    """
    if key in choices:
        return choices[key]
    for pattern, choice in choices.items():
        inside = pattern[1:-1]
        if len(pattern) > 2 and pattern[0] == pattern[-1] == "/" and re.fullmatch(inside, key):
            return choice
    return choices.get(DEFAULT)
