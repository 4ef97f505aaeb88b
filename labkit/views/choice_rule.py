"""When a Choice state takes a way: its rule in words.  Pure.

Source: Amazon States Language specification, "Choice State": JSONPath's data-test expressions and
JSONata's ``Condition``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_NUMBERS = {
    "Equals": "=",
    "LessThan": "<",
    "LessThanEquals": "≤",
    "GreaterThan": ">",
    "GreaterThanEquals": "≥",
}
_MOMENTS = {
    "Equals": "is at",
    "LessThan": "is before",
    "LessThanEquals": "is at or before",
    "GreaterThan": "is after",
    "GreaterThanEquals": "is at or after",
}
_KINDS = {
    "IsBoolean": "a boolean",
    "IsNull": "null",
    "IsNumeric": "a number",
    "IsPresent": "present",
    "IsString": "a string",
    "IsTimestamp": "a timestamp",
}

_WORDS = {
    "BooleanEquals": "=",
    "StringMatches": "matches",
    **{f"Numeric{name}": sign for name, sign in _NUMBERS.items()},
    **{f"String{name}": sign for name, sign in _NUMBERS.items()},
    **{f"Timestamp{name}": words for name, words in _MOMENTS.items()},
}


def in_words(rule: Mapping[str, Any]) -> str:
    """A rule of a Choice state in words.

    Args:
        rule: a member of ``Choices``, or a rule inside ``And``, ``Or`` or ``Not``.

    Returns:
        Such as ``$.total > 100 and $.coupon is present``; a rule that has no meaning as JSON text.
    """
    return _said(rule, nested=False)


def query(text: Any) -> str:
    """A value of a definition as text; of a JSONata string, ``{% $x + 1 %}``, what is in it."""
    if not isinstance(text, str):
        return json.dumps(text, ensure_ascii=False)
    inner = text.strip()
    is_query = inner.startswith("{%") and inner.endswith("%}")
    return " ".join(inner[2:-2].split()) if is_query else text


def _said(rule: Mapping[str, Any], *, nested: bool) -> str:
    if "Condition" in rule:
        return query(rule["Condition"])
    for name in ("And", "Or"):
        if isinstance(rule.get(name), list):
            words = f" {name.lower()} ".join(_said(part, nested=True) for part in rule[name])
            return f"({words})" if nested and len(rule[name]) > 1 else words
    if isinstance(rule.get("Not"), Mapping):
        return f"not ({_said(rule['Not'], nested=False)})"
    for name, value in rule.items():
        if name in _KINDS and isinstance(value, bool):
            return f"{rule.get('Variable')} is {'' if value else 'not '}{_KINDS[name]}"
        if (sign := _WORDS.get(name.removesuffix("Path"))) is not None:
            other = str(value) if name.endswith("Path") else json.dumps(value, ensure_ascii=False)
            return f"{rule.get('Variable')} {sign} {other}"
    told = {name: value for name, value in rule.items() if name not in ("Next", "Comment")}
    return json.dumps(told, ensure_ascii=False)
