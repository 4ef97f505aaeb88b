"""How a state machine names the members of a service's requests and answers.

Source: AWS Step Functions developer guide, "Integrating services with Step Functions": "Parameters in Step
Functions are expressed in PascalCase, even if the native service API is in camelCase".  botocore has the
names of the service's own API, so ``StateMachineArn`` is its ``stateMachineArn``.

Not verified: names with several capitals, such as ``DBInstances``, are left as botocore has them; a time is
text (``2026-11-24T08:00:00.000Z``) in the answer of an AWS SDK integration, and milliseconds since the epoch
in that of an optimised one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from labkit.states.timestamp import timestamp


def as_service(data: Any, shape: Any) -> Any:
    """A task's parameters with the service's own names.

    Args:
        data: the parameters, or a part of them.
        shape: botocore's shape of them; ``None`` for a call that takes nothing.

    Returns:
        The same in a new object; what the shape does not know stays as it is.
    """
    return _named(data, shape, lambda name: (_pascal(name), name), str)


def as_states(data: Any, shape: Any, *, sdk: bool) -> Any:
    """A service's answer with the names and times that a state machine sees.

    Args:
        data: the answer, or a part of it.
        shape: botocore's shape of it; ``None`` for a call that answers nothing.
        sdk: whether the task is an AWS SDK integration.
    """
    return _named(
        data, shape, lambda name: (name, _pascal(name)), timestamp if sdk else _milliseconds
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _pascal(name: str) -> str:
    return name[:1].upper() + name[1:]


def _named(
    data: Any,
    shape: Any,
    pair: Callable[[str], tuple[str, str]],
    told: Callable[[datetime], str | int],
) -> Any:
    """The data with other names: ``pair`` gives a member's before and after, ``told`` tells a time."""
    if isinstance(data, datetime):
        return told(data)
    if shape is None:
        return data
    if shape.type_name == "structure" and isinstance(data, dict):
        members = {
            before: (after, name) for name in shape.members for before, after in [pair(name)]
        }
        named = {}
        for key, value in data.items():
            after, name = members.get(key, (key, ""))
            named[after] = _named(value, shape.members.get(name), pair, told)
        return named
    if shape.type_name == "list" and isinstance(data, list):
        return [_named(each, shape.member, pair, told) for each in data]
    if shape.type_name == "map" and isinstance(data, dict):
        return {key: _named(value, shape.value, pair, told) for key, value in data.items()}
    return data
