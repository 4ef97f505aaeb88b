"""Changes of a state machine's JSON: a rule removed, a condition turned, a target moved.  No I/O.

JSON that is no state machine has only its values changed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

RULE, MEMBER, VALUE, TARGET, STATE = (
    "rule removed",
    "field removed",
    "value changed",
    "target moved",
    "state skipped",
)
KINDS = frozenset({RULE, MEMBER, VALUE, TARGET, STATE})

_RULES = ("Catch", "Retry", "Choices")
_TARGETS = ("Next", "Default", "StartAt")
_NEEDED = frozenset(
    {"StartAt", "States", "Type", "Next", "End", "Resource", "Default", "ErrorEquals", *_RULES}
)
"""Without one of these a definition is refused at once, or another rule is about it."""
_UNSEEN = frozenset(
    {
        "Comment",
        "QueryLanguage",
        "Version",
        "TimeoutSeconds",
        "HeartbeatSeconds",
        "IntervalSeconds",
        "BackoffRate",
        "MaxDelaySeconds",
        "JitterStrategy",
    }
)
"""What only a reader or a clock can tell apart."""

Path = tuple[str | int, ...]


def changes(data: Any, stub: Any = None) -> Iterator[tuple[str, str, str]]:
    """Kind, words and new text of each change.

    Args:
        data: the solution's JSON, parsed.
        stub: the stub's, parsed; what both have is given to the student and stays.
    """
    states = _at(data, ("States",))
    names = sorted(states) if isinstance(states, dict) else []
    for path, value in _walk(data):
        if not path or path[-1] in _UNSEEN or (stub is not None and _at(stub, path) == value):
            continue
        yield from _removed(data, path)
        yield from _changed(data, path, value, names)
    for name in names:
        if stub is None or _at(stub, ("States", name)) != _at(states, (name,)):
            yield from _skipped(data, name)


def _removed(data: Any, path: Path) -> Iterator[tuple[str, str, str]]:
    *above, last = path
    copied = copy.deepcopy(data)
    holder = _at(copied, tuple(above))
    if isinstance(last, int):
        if above and above[-1] in _RULES:
            del holder[last]
            if not holder:
                del _at(copied, tuple(above[:-1]))[above[-1]]
            yield RULE, f"without {_words(path)}", _text(copied)
    elif "States" in path and len(path) > 2 and last not in _NEEDED:
        del holder[last]
        yield MEMBER, f"without {_words(path)}", _text(copied)


def _changed(data: Any, path: Path, value: Any, names: list[str]) -> Iterator[tuple[str, str, str]]:
    kind = VALUE
    new: Any = None
    if isinstance(value, bool):
        new = not value
    elif path[-1] == "MaxAttempts":
        new = 0
    elif isinstance(value, int | float):
        new = value + 1
    elif path[-1] in _TARGETS:
        others = [name for name in names if name != value]
        kind, new = TARGET, others[0] if others else None
    elif isinstance(value, str) and path[-1] not in ("Type", "Resource"):
        new = _other_text(value)
    if new is None or new == value:
        return
    copied = copy.deepcopy(data)
    _at(copied, path[:-1])[path[-1]] = new
    old, other = json.dumps(value), json.dumps(new)
    yield kind, f"{old} became {other} at {_words(path)}", _text(copied)


def _other_text(text: str) -> str:
    """Another text of the same kind: JSONata stays JSONata, a path a path."""
    inner = text.strip()
    if inner.startswith("{%") and inner.endswith("%}"):
        return f"{{% $not({inner[2:-2].strip()}) %}}"
    return f"{text}_"


def _skipped(data: Any, name: str) -> Iterator[tuple[str, str, str]]:
    """Whatever goes to a state goes to the one after it."""
    following = data["States"][name].get("Next")
    if not following or following == name:
        return
    copied = copy.deepcopy(data)
    del copied["States"][name]
    for path, value in list(_walk(copied)):
        if value == name and path[-1] in _TARGETS:
            _at(copied, path[:-1])[path[-1]] = following
    yield STATE, f"without the state {name}", _text(copied)


def _walk(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, data
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _walk(value, (*path, key))


def _at(data: Any, path: Path) -> Any:
    """What stands at a path; ``None`` if nothing does."""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _words(path: Path) -> str:
    return ".".join(map(str, path))


def _text(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)
