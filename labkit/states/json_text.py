"""JSON text as Step Functions reads it: that of RFC 8259, where Python's reader takes more.

Our choices: how deeply it may be nested, because the interpreter copies values with a call for each
level; and that half of a surrogate pair is refused, which no service could store.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NoReturn

DEEPEST = 200
"""Arrays and objects that may lie within one another."""

_SURROGATE = re.compile(r"\\u[dD][89abABcdefCDEF]")


class Object(dict[str, Any]):
    """A JSON object, which may have a name twice; as in any reader, the last one counts.

    Attributes:
        twice: the names that it has more than once.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice: list[str] = []
        if len(self) < len(pairs):  # seldom, and every input of an execution is read like this
            counts = Counter(name for name, _ in pairs)
            self.twice = [name for name, count in counts.items() if count > 1]


def parse(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is not JSON (``NaN`` and ``Infinity`` are not), not Unicode, or nested too deeply.
    """
    text.encode()  # refuses half of a surrogate pair
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=Object)
    except RecursionError:
        raise _too_deep() from None
    if _SURROGATE.search(text):
        json.dumps(
            value, ensure_ascii=False
        ).encode()  # refuses half a pair that is written as \\ud83d
    if text.count("[") + text.count("{") > DEEPEST and _depth(value) > DEEPEST:
        raise _too_deep()
    return value


def _depth(value: Any) -> int:
    """How many arrays and objects lie within one another."""
    level, depth = [value], 0
    while level := [inner for inner in level if isinstance(inner, list | dict)]:
        depth += 1
        level = [
            member
            for inner in level
            for member in (inner.values() if isinstance(inner, dict) else inner)
        ]
    return depth


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {DEEPEST} levels deep")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
