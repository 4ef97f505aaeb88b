"""A student's definition as text: is it JSON, and are its placeholders known?  No I/O.

A placeholder such as ``${DoWorkFunctionArn}`` stands for what has another name in each account; AWS SAM
calls that ``DefinitionSubstitutions``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.course.exercise import Attempt
from labkit.course.system import with_values

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


def filled_in(attempt: Attempt, answer: Any, values: Mapping[str, str]) -> str:
    """The definition with the values in the place of its placeholders.

    Args:
        attempt: whose diagnoses are given.
        answer: JSON text, or the same as Python data.
        values: what stands for each placeholder.

    Raises:
        NotYet: the answer is no JSON, no object, or has a placeholder that is not known.
    """
    text = json.dumps(answer) if isinstance(answer, Mapping) else answer
    if not isinstance(text, str):
        raise attempt.not_yet(
            "WRONG_KIND",
            did=f"the definition is {type(answer).__name__}: {str(answer)[:50]}",
            expected='a text with JSON: """{ … }"""',
        )
    try:
        machine = json.loads(text)
    except json.JSONDecodeError as error:
        place, why = _fault(text, error)
        raise attempt.not_yet("NOT_JSON", did=place, expected=why) from None
    if not isinstance(machine, dict):
        raise attempt.not_yet(
            "WRONG_KIND",
            did=f"the JSON is {type(machine).__name__}: {str(machine)[:50]}",
            expected="a JSON object with StartAt and States",
        )
    for state, member, value in _no_lists(machine):
        raise attempt.not_yet(
            "REFUSED",
            did=f"{member} of {state} is {json.dumps(value)[:60]}",
            expected="a list, between [ and ]",
        )
    for name in _PLACEHOLDER.findall(text):
        if name not in values:
            raise attempt.not_yet(
                "REFUSED",
                did=f"the placeholder ${{{name}}} stands for nothing",
                expected=f"one of {', '.join(values)}",
            )
    return with_values(text, values)


def _no_lists(machine: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """What should be a list and is none: the state, the member and its value."""
    states = machine.get("States")
    for name, state in states.items() if isinstance(states, dict) else ():
        for member in ("Choices", "Retry", "Catch"):
            if isinstance(state, dict) and not isinstance(state.get(member, []), list):
                yield name, member, state[member]


def _fault(text: str, error: json.JSONDecodeError) -> tuple[str, str]:
    """Where a text ceases to be JSON, and what is missing there."""
    lines = text.splitlines() or [""]
    number, column = error.lineno, error.colno
    before = text[: error.pos].rstrip()
    here = lines[min(number, len(lines)) - 1].strip()
    if error.msg.startswith("Expecting ',' delimiter"):
        why = "a comma between two members, after the line or value before"
    elif error.msg.startswith("Illegal trailing comma") or (
        before.endswith(",") and text[error.pos : error.pos + 1] in ("}", "]")
    ):
        why = "no comma after the last member, before } or ]"
    elif re.match(r"None|True|False", text[error.pos :]):
        why = "JSON's own words: null, true, false"
    elif here.startswith(("#", "//")):
        why = 'no comments; JSON has none. A state may have "Comment": "…"'
    elif "'" in here:
        why = 'names and texts in double quotes: "Next"'
    elif error.msg == "Extra data":
        why = "nothing after the last }; a brace is closed too early, or twice"
    else:
        why = f"JSON ({error.msg})"
    return f"line {number}, column {column} is no JSON: {here[:60]}", why
