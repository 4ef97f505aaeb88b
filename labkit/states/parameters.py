"""Which parameters of a task cannot be used to call the service.

Source: answers of AWS that were published, such as ``The Parameters '…' could not be used to start the
Task: [The value for the field 'Payload' must be a STRING]``.  No such answer is known to us for
objects and arrays; the words for them are our choice.  Not emulated: what is said of numbers and
booleans, and of a field that is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def problems(parameters: Mapping[str, Any], shape: Any) -> list[str]:
    """What is wrong with parameters.

    Args:
        parameters: as the call takes them.
        shape: botocore's shape of the operation's input.

    Returns:
        Sentences of AWS's; empty if nothing is wrong.
    """
    return list(_problems(parameters, shape, ""))


def _problems(value: Any, shape: Any, field: str) -> Iterator[str]:
    match shape.type_name, value:
        case "string", _ if not isinstance(value, str):
            yield f"The value for the field '{field}' must be a STRING"
        case "structure" | "map", _ if not isinstance(value, dict):
            yield f"The value for the field '{field}' must be an OBJECT"
        case "list", _ if not isinstance(value, list):
            yield f"The value for the field '{field}' must be an ARRAY"
        case "structure", _:
            for name in value.keys() & shape.members.keys():
                yield from _problems(value[name], shape.members[name], name)
        case "map", _:
            for name, inner in value.items():
                yield from _problems(inner, shape.value, name)
        case "list", _:
            for inner in value:
                yield from _problems(inner, shape.member, field)
