"""The methods that values have in mapping templates, and the variables that a template sees.

A template's text, lists and maps are Java's, so they have Java's methods; known are those that AWS's
examples use.  ``$input``, ``$util``, ``$context`` and ``$stageVariables`` are described in "Variables for data
transformations" in the Amazon API Gateway developer guide.

Our choices, where AWS is silent: a path that leads nowhere is ``""`` for ``$input.json`` and nothing for
``$input.path``; text that is no JSON is one JSON string.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from labkit.apigateway.json_path import MISSING, find

__all__ = ["METHODS", "MISSING", "Entry", "Namespace", "variables"]


@dataclass(frozen=True, slots=True)
class Namespace:
    """A variable with members of its own, such as ``$util``."""

    name: str
    members: Mapping[str, Any]

    def known(self) -> str:
        """Its members' names, for an error."""
        return ", ".join(sorted(self.members))


@dataclass(frozen=True, slots=True)
class Entry:
    """One pair of a map's ``entrySet()``."""

    key: str
    value: Any
    name: str = "an entry of entrySet()"


Method = Callable[..., Any]

_TEXT: Mapping[str, Method] = {
    "contains": lambda text, part: part in text,
    "concat": lambda text, more: text + more,
    "endsWith": lambda text, part: text.endswith(part),
    "equals": lambda text, other: text == other,
    "equalsIgnoreCase": lambda text, other: text.lower() == str(other).lower(),
    "indexOf": lambda text, part: text.find(part),
    "isEmpty": lambda text: not text,
    "length": len,
    "matches": lambda text, pattern: re.fullmatch(pattern, text) is not None,
    "replace": lambda text, old, new: text.replace(old, new),
    "replaceAll": lambda text, pattern, new: re.sub(pattern, new.replace("$", "\\"), text),
    "split": lambda text, pattern: re.split(pattern, text),
    "startsWith": lambda text, part: text.startswith(part),
    "substring": lambda text, begin, end=None: text[begin:end],
    "toLowerCase": lambda text: text.lower(),
    "toString": lambda text: text,
    "toUpperCase": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
}


def _add(items: list[Any], item: Any) -> bool:
    items.append(item)
    return True


def _put(members: dict[str, Any], key: str, value: Any) -> Any:
    before = members.get(key)
    members[key] = value
    return before


_LIST: Mapping[str, Method] = {
    "add": _add,
    "addAll": lambda items, more: bool(more) and items.extend(more) is None,
    "contains": lambda items, item: item in items,
    "get": lambda items, index: items[index],
    "isEmpty": lambda items: not items,
    "size": len,
}

_MAP: Mapping[str, Method] = {
    "containsKey": lambda members, key: key in members,
    "entrySet": lambda members: [Entry(key, value) for key, value in members.items()],
    "get": lambda members, key: members.get(key, MISSING),
    "isEmpty": lambda members: not members,
    "keySet": list,
    "put": _put,
    "remove": lambda members, key: members.pop(key, None),
    "size": len,
    "values": lambda members: list(members.values()),
}

_ENTRY: Mapping[str, Method] = {
    "getKey": lambda entry: entry.key,
    "getValue": lambda entry: entry.value,
}

_ANY: Mapping[str, Method] = {
    "equals": lambda value, other: value == other,
    "toString": lambda value: json.dumps(value, separators=(",", ":")),
}

METHODS: tuple[tuple[type, Mapping[str, Method]], ...] = (
    (str, _TEXT),
    (list, _LIST),
    (dict, _MAP),
    (Entry, _ENTRY),
    (object, _ANY),
)
"""Each kind of value, and its methods by name; the first that fits counts."""


def _escape_java_script(text: Any) -> str:
    """Escaped by JavaScript's rules: quotes of both kinds, ``/``, and all that is not ASCII."""
    escaped = json.dumps(text if isinstance(text, str) else json.dumps(text))[1:-1]
    return escaped.replace("'", "\\'").replace("/", "\\/")


def _parse_json(text: Any) -> Any:
    return json.loads(text)


UTIL = Namespace(
    "$util",
    {
        "base64Decode": lambda text: base64.b64decode(text, validate=True).decode(),
        "base64Encode": lambda text: base64.b64encode(text.encode()).decode(),
        "escapeJavaScript": _escape_java_script,
        "parseJson": _parse_json,
        "urlDecode": unquote_plus,
        "urlEncode": quote_plus,
    },
)


def variables(
    body: str, context: Mapping[str, Any], stage_variables: Mapping[str, str]
) -> dict[str, Any]:
    """What a template sees.

    Args:
        body: the message, or the backend's answer.
        context: the members of ``$context``, as ``requestContext`` has them.
        stage_variables: the stage's variables.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = body

    def text_of(path: str) -> str:
        found = find(data, path)
        return '""' if found is MISSING else json.dumps(found, ensure_ascii=False)

    members = {"body": body, "json": text_of, "path": lambda path: find(data, path)}
    return {
        "input": Namespace("$input", members),
        "util": UTIL,
        "context": copy.deepcopy(dict(context)),
        "stageVariables": dict(stage_variables),
    }
