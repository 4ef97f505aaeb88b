"""``RedriveExecution``: which executions can go on, and which cannot.

An execution "continues the failed execution from the unsuccessful step and uses the same input", under
the same ARN, with the definition that it began with, and its history goes on.  From where is
:mod:`labkit.states.progress`.

Source: AWS Step Functions API reference, ``RedriveExecution`` and ``DescribeExecution``; developer
guide, "Restarting state machine executions with redrive".  The message of ``ExecutionNotRedrivable`` is
captured.  Not verified: that the state is entered again in the history.

Not emulated: the period of 14 days; ``clientToken``.
"""

from __future__ import annotations

REDRIVABLE = frozenset({"FAILED", "ABORTED", "TIMED_OUT"})


def status_of(status: str) -> dict[str, str]:
    """``redriveStatus`` of an execution, with the reason if it cannot be redriven.

    Args:
        status: the execution's status.
    """
    if status in REDRIVABLE:
        return {"redriveStatus": "REDRIVABLE"}
    reason = f"Execution is {status} and cannot be redriven"
    return {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}
