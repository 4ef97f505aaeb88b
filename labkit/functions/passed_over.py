"""What a function's configuration asks for that the local cloud passes over, as a pure rule.

Source: ``CreateFunction``, ``UpdateFunctionConfiguration``, ``PutFunctionEventInvokeConfig``,
``PutProvisionedConcurrencyConfig`` and ``CreateAlias`` in the AWS Lambda API reference; the names are AWS's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_INSTEAD: Mapping[str, str] = {
    "Layers": "nothing of a layer can be imported. Put it into the function's package",
    "DeadLetterConfig": "an asynchronous invocation that fails for good is only in the log",
    "DestinationConfig": "what an asynchronous invocation gives goes nowhere",
    "MaximumEventAgeInSeconds": "an event that waits is kept for six hours",
    "MaximumRetryAttempts": "an asynchronous invocation that fails is tried twice more",
    "ProvisionedConcurrentExecutions": "no process is started before it is needed",
    "RoutingConfig": "each invocation of the alias runs its FunctionVersion",
    "SnapStart": "each new process initialises the function",
}
_NOTHING: Mapping[str, Any] = {"SnapStart": {"ApplyOn": "None"}}


def passed_over(wish: Mapping[str, Any]) -> Iterator[str]:
    """Each member that has no effect, in a sentence.

    Args:
        wish: the members of a call that creates or configures a function.
    """
    for member, instead in _INSTEAD.items():
        value = wish.get(member)
        if value not in (None, {}, [], _NOTHING.get(member)):
            yield f"The local cloud passes over {member}: {instead}."
