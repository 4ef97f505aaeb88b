"""Which route handles a message: the route selection expression, as pure rules.

Source: "Create routes for WebSocket APIs" and "WebSocket selection expressions" in the Amazon API
Gateway developer guide:

- "Multiple variables are supported, but evaluation occurs only once"; see
  :mod:`labkit.apigateway.selection`.
- "Non-JSON messages are directed to a $default route", and so is a message for which "no matching
  route is found".

Our choice, where AWS is silent: a variable other than ``$request.body…`` gives the empty string.
"""

from __future__ import annotations

import json
from collections.abc import Container
from typing import NoReturn

from labkit.apigateway import selection

CONNECT = "$connect"
DISCONNECT = "$disconnect"
DEFAULT = "$default"

_LIFECYCLE = frozenset({CONNECT, DISCONNECT})
_BODY = ("request", "body")


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
    return selection.evaluate(
        expression,
        lambda path: selection.member(body, path[2:]) if path[:2] == _BODY else None,
    )
