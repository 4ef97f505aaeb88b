"""JSONPath as mapping templates and data mappings use it: members, indexes and ``[*]``.

Source: "Mapping template transformations" in the Amazon API Gateway developer guide, whose examples use
no more than this.  A path that uses more is refused, not misread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

MISSING = object()
"""What a path gives that leads nowhere."""

_EVERY = object()
_STEP = re.compile(
    r"\.(?P<name>[A-Za-z_][\w-]*)|\[(?P<index>-?\d+)\]|\[(?P<quote>['\"])(?P<quoted>.*?)(?P=quote)\]"
    r"|(?P<every>\[\*\]|\.\*)"
)


def find(data: Any, path: str) -> Any:
    """What a path leads to; :data:`MISSING` if it leads nowhere.

    Args:
        data: JSON data.
        path: such as ``$.order.items[0]['unit price']``; with ``[*]`` it gives a list.

    Raises:
        ValueError: the path is malformed or uses more than is known.
    """
    return _follow(data, _steps(path))


def _follow(value: Any, steps: tuple[Any, ...]) -> Any:
    for position, step in enumerate(steps):
        if step is _EVERY:
            inner = value.values() if isinstance(value, Mapping) else value
            if not isinstance(value, Mapping | list):
                return MISSING
            found = [_follow(each, steps[position + 1 :]) for each in inner]
            return [each for each in found if each is not MISSING]
        if isinstance(step, int):
            if not isinstance(value, list) or not -len(value) <= step < len(value):
                return MISSING
            value = value[step]
        elif isinstance(value, Mapping):
            value = value.get(step, MISSING)
        else:
            return MISSING
    return value


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[Any, ...]:
    if not path.startswith("$"):
        raise ValueError(f"the path {path!r} does not begin with $")
    steps: list[Any] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise ValueError(
                f"the path {path!r} has {path[at:]!r}, which the local cloud does not know: it knows "
                ".name, ['name'], [0] and [*]"
            )
        at = found.end()
        if found["every"]:
            steps.append(_EVERY)
        elif found["index"]:
            steps.append(int(found["index"]))
        else:
            steps.append(found["name"] or found["quoted"])
    return tuple(steps)
