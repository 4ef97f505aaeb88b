"""Which error a ``Retry`` or ``Catch`` matches.

Source: AWS Step Functions developer guide, "Handling errors in Step Functions workflows".
"""

from __future__ import annotations

from collections.abc import Iterable

ALL = "States.ALL"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
RUNTIME = "States.Runtime"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"

LARGEST_PAYLOAD = 262_144
"""Bytes of UTF-8 that a state's input or output may have."""

_TERMINAL = frozenset({DATA_LIMIT_EXCEEDED, RUNTIME})


def matches(error_equals: Iterable[str], *names: str) -> bool:
    """Whether a retrier or catcher is meant for an error.

    Args:
        error_equals: the ``ErrorEquals`` field.
        names: the error's name; a missed heartbeat has two, ``States.HeartbeatTimeout`` and
            ``States.Timeout``, since "a Task state either ran longer than the TimeoutSeconds value,
            or failed to send a heartbeat".

    Returns:
        True if a name is in the field; for ``States.ALL`` unless the error is
        ``States.DataLimitExceeded`` or ``States.Runtime``, which that one cannot catch; and for
        ``States.TaskFailed``, "any known error name except for ``States.Timeout``".
    """
    wanted = frozenset(error_equals)
    if wanted.intersection(names):
        return True
    if _TERMINAL.intersection(names):
        return False
    return ALL in wanted or (TASK_FAILED in wanted and TIMEOUT not in names)
