"""JSONata as Step Functions has it.

``{% %}`` expressions see ``$states`` and the execution's variables, and no input: ``$`` and ``$$``
mean nothing at the top level.  Besides JSONata's own functions there are ``$partition``, ``$range``,
``$hash``, ``$random``, ``$uuid`` and ``$parse``; ``$eval`` is not supported.

Source: AWS Step Functions developer guide, "Transforming data with JSONata in Step Functions".
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import jsonata

_HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384",
           "SHA-512": "sha512"}  # fmt: skip


class JsonataError(Exception):
    """An expression cannot be evaluated; the message is for ``States.QueryEvaluationError``."""


def evaluate(expression: str, states: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    """The value of an expression.

    Args:
        expression: without ``{%`` and ``%}``.
        states: what ``$states`` is: ``input``, ``context``, ``result``, ``errorOutput``.
        variables: the execution's variables, by name without ``$``.

    Returns:
        Plain JSON data.

    Raises:
        JsonataError: the expression is wrong, or its value is undefined or no JSON.
    """
    bindings = dict(variables)
    bindings["states"] = dict(states)
    value = _run(expression, bindings)
    if value is None and not _run(f"$exists({expression}\n)", bindings):
        raise JsonataError(f"The JSONata expression '{expression}' returned nothing (undefined).")
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        message = f"The JSONata expression '{expression}' returned an unsupported result type."
        raise JsonataError(message) from None


def _run(expression: str, bindings: Mapping[str, Any]) -> Any:
    try:
        program = jsonata.Jsonata(expression)
        frame = program.create_frame()
        for name, value in bindings.items():
            frame.bind(name, value)
        for name, function in FUNCTIONS.items():
            if name not in bindings:
                program.register_lambda(name, function)
        return program.evaluate(None, frame)
    except Exception as error:  # the engine raises its own and Python's
        message = f"The JSONata expression '{expression}' threw an error: {error}"
        raise JsonataError(message) from error


def _partition(array: list[Any], size: float) -> list[list[Any]]:
    step = int(size)
    return [list(array[start : start + step]) for start in range(0, len(array), step)]


def _range(first: int, last: int, step: int) -> list[int]:
    values = list(range(first, last + (1 if step > 0 else -1), step))
    if len(values) > 1000:
        raise ValueError("$range makes at most 1000 values")
    return values


def _hash(value: str, algorithm: str) -> str:
    return hashlib.new(_HASHES[algorithm], value.encode("utf-8", "replace")).hexdigest()


def _random(seed: int | None = None) -> float:
    return random.Random(seed).random()


def _uuid() -> str:
    return str(uuid.uuid4())


def _eval(*_: Any) -> Any:
    raise ValueError("$eval is not supported; $parse reads JSON")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "partition": _partition,
    "range": _range,
    "hash": _hash,
    "random": _random,
    "uuid": _uuid,
    "parse": json.loads,
    "eval": _eval,
}
"""What Step Functions adds to JSONata, and the one function that it takes away."""
