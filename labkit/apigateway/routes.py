r"""Which route handles a message: the route selection expression, as pure rules.

Source: "Create routes for WebSocket APIs" and "WebSocket selection expressions" in the Amazon API
Gateway developer guide:

- "A variable is prefixed with $", "Curly braces can be used to explicitly define variable
  boundaries", "Multiple variables are supported, but evaluation occurs only once", "A dollar sign
  can be escaped with \"
- "Non-JSON messages are directed to a $default route", and so is a message for which "no matching
  route is found".

Our choices, where AWS is silent: a value that is no string is taken as its JSON text (``5``,
``true``, ``{"a":1}``); ``null``, a missing member and a variable other than ``$request.body…`` give
the empty string; without braces a variable's name ends at the first character that is neither
letter, digit, ``_`` nor ``-``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Any, NoReturn

CONNECT = "$connect"
DISCONNECT = "$disconnect"
DEFAULT = "$default"

_LIFECYCLE = frozenset({CONNECT, DISCONNECT})
_VARIABLE = re.compile(r"\\\$|\$\{([^}]*)\}|\$([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)")
_MISSING = object()

Path = tuple[str, ...]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse).decode


def select(expression: str, message: str, keys: Container[str]) -> str | None:
    """The key of the route that handles a message.

    Args:
        expression: the API's ``RouteSelectionExpression``.
        message: the message's text.
        keys: the keys of the API's routes.

    Returns:
        A key out of ``keys``; never ``$connect`` or ``$disconnect``, which no message reaches.
        ``None`` if nothing matches and there is no ``$default``.
    """
    key = evaluate(expression, message)
    if key is not None and key not in _LIFECYCLE and key in keys:
        return key
    return DEFAULT if DEFAULT in keys else None


def evaluate(expression: str, message: str) -> str | None:
    """What a route selection expression gives for a message; ``None`` if it is not JSON."""
    try:
        body = _decode(message)
    except (ValueError, RecursionError):
        return None
    return "".join(
        part if isinstance(part, str) else _text(_member(body, part)) for part in _parts(expression)
    )


@lru_cache(maxsize=512)
def _parts(expression: str) -> tuple[str | Path | None, ...]:
    """An expression's pieces: text, the path of a member of the body, or ``None`` (unknown)."""
    parts: list[str | Path | None] = []
    end = 0
    for variable in _VARIABLE.finditer(expression):
        parts.append(expression[end : variable.start()])
        end = variable.end()
        if variable[0] == r"\$":
            parts.append("$")
            continue
        path = tuple((variable[1] or variable[2] or "").split("."))
        parts.append(path[2:] if path[:2] == ("request", "body") else None)
    parts.append(expression[end:])
    return tuple(part for part in parts if part != "")


def _member(body: Any, path: Path | None) -> Any:
    if path is None:
        return _MISSING
    for name in path:
        if not isinstance(body, Mapping):
            return _MISSING
        body = body.get(name, _MISSING)
    return body


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or value is _MISSING:
        return ""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
