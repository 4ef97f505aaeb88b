"""Which executions a state machine keeps.

AWS keeps the history of an execution "for up to 90 days" after it has ended (Step Functions service quotas).
Here it is the number that is bounded (our choice): each history takes some 50 KB of memory, and nobody
looks at the one before the last thousand.  An execution that runs is always kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

KEPT = 1_000
"""Executions of a state machine that have ended and are kept."""

SLACK = 100
"""More than these must be too many before any is let go, so that it is not looked at each time."""

T = TypeVar("T")


def kept(executions: Sequence[T], has_ended: Callable[[T], bool]) -> list[T]:
    """The executions that are kept, in their order.

    Args:
        executions: the oldest first.
        has_ended: whether an execution is over.
    """
    over = [one for one in executions if has_ended(one)]
    if len(over) <= KEPT + SLACK:
        return list(executions)
    old = {id(one) for one in over[:-KEPT]}
    return [one for one in executions if id(one) not in old]
