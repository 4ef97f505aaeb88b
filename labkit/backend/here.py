"""What the thread at work knows: which call it answers, or which execution it runs and where it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labkit.states.progress import Progress
from labkit.trace import Trace
from labkit.wire import Headers

caller: ContextVar[Trace | None] = ContextVar("caller", default=None)
"""The trace of the AWS call that this thread answers."""

trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""In an execution's thread: its trace, with the event that causes what comes next."""

entered: ContextVar[Trace | None] = ContextVar("entered", default=None)
"""The same, with the event by which the present state was entered."""

iteration: ContextVar[Iteration | None] = ContextVar("iteration", default=None)
"""In the thread of a Map state's iterations: the one that it works on."""

resumption: ContextVar[Resumption | None] = ContextVar("resumption", default=None)
"""In an execution's thread: how it goes on, if it is redriven."""

progress: ContextVar[Progress | None] = ContextVar("progress", default=None)
"""In an execution's thread: how far the states have come that it works on."""

answered: ContextVar[tuple[int, Headers] | None] = ContextVar("answered", default=None)
"""In an execution's thread: status and headers of the last answer to a call."""

state: ContextVar[str] = ContextVar("state", default="")
"""The present state's name."""


@dataclass(frozen=True, slots=True)
class Iteration:
    """One of a Map state's iterations.

    Attributes:
        name: the Map state's.
        index: of the item, from 0.
        cause: the trace with the event by which the Map state was entered.
    """

    name: str
    index: int
    cause: Trace | None


def iterate(details: Mapping[str, Any]) -> None:
    """Note that this thread begins an iteration.  It may have worked on another one before."""
    started = details["mapIterationStartedEventDetails"]
    before = iteration.get()
    is_next = before is not None and before.name == started["name"]
    cause = before.cause if before and is_next else entered.get()
    iteration.set(Iteration(started["name"], started["index"], cause))
    trace.set(cause)


@dataclass(frozen=True, slots=True)
class Resumption:
    """How an execution goes on that is redriven.

    Attributes:
        count: how often it has been redriven, this time included.
        date: when.
        before: the environment in which it ended, with its history and its progress.
    """

    count: int
    date: datetime
    before: Any
