"""Threads, waits and time of an execution that can be stopped at once.

An interpreter of the States Language waits in many places: for a Wait state, between retries, for a
task's time-out, for a heartbeat, for its own threads.  They all wait with the primitives of this
module instead of Python's.  Each knows the execution that it works for from a context variable that
:class:`Thread` passes on; it measures time by the cloud's clock, and it raises :class:`Stopped` as
soon as the execution is stopped.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from labkit.clock import Clock
from labkit.states import express
from labkit.trace import Trace


class Stopped(BaseException):
    """The execution is over; whatever works for it ends here.

    No ``Exception``, so that it passes handlers which turn exceptions into failed states.
    """


class Run:
    """One execution while it runs.

    Args:
        arn: the execution's ARN.
        machine: the state machine's name.
        clock: how fast its timers run.
        trace: the trace it belongs to, with the event that caused it.
        failed: told of an exception that ends one of its threads.

    Attributes:
        begun: set when its first state is entered.
        ended: set when its last event is written.
        done: set when its status is final.
        outcome: its final status and error, once its last event is written.
    """

    def __init__(
        self,
        arn: str,
        machine: str,
        clock: Clock,
        trace: Trace,
        failed: Callable[[BaseException], None],
    ) -> None:
        self.arn = arn
        self.machine = machine
        self.clock = clock
        self.trace = trace
        self.failed = failed
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.done = threading.Event()
        self.outcome: tuple[str, str | None] = ("ABORTED", None)
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self._waiting: set[threading.Condition] = set()

    @property
    def name(self) -> str:
        """The execution's name."""
        return express.execution_name(self.arn)

    @property
    def stopped(self) -> bool:
        """Whether its threads are to end."""
        return self._stopped

    @property
    def threads(self) -> list[threading.Thread]:
        """Its threads that have begun and not ended."""
        with self._lock:
            return list(self._threads)

    def begins(self, thread: threading.Thread) -> None:
        """Note that one of its threads begins."""
        with self._lock:
            self._threads.add(thread)

    def ends(self, thread: threading.Thread) -> None:
        """Note that one of its threads ends."""
        with self._lock:
            self._threads.discard(thread)

    def stop(self) -> None:
        """Have everything that waits for the execution raise :class:`Stopped`, now and later."""
        with self._lock:
            self._stopped = True
            waiting = list(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()

    def wait(
        self,
        condition: threading.Condition,
        predicate: Callable[[], bool],
        seconds: float | None,
    ) -> bool:
        """Wait until the predicate holds; the condition is held by the caller.

        Args:
            condition: notified when the predicate may have changed.
            predicate: what is waited for.
            seconds: AWS seconds to wait at most; ``None`` waits for ever.

        Returns:
            Whether the predicate holds.

        Raises:
            Stopped: the execution was stopped.
        """
        with self._lock:
            self._waiting.add(condition)
        try:
            timeout = None if seconds is None else self.clock.real(seconds)
            held = condition.wait_for(lambda: predicate() or self._stopped, timeout)
        finally:
            with self._lock:
                self._waiting.discard(condition)
        if self._stopped:
            raise Stopped
        return held


current: ContextVar[Run | None] = ContextVar("current", default=None)
"""The execution that this thread works for."""


class Event:
    """``threading.Event`` for an execution's threads."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._set = False

    def is_set(self) -> bool:
        """Whether it has been set and not cleared since."""
        return self._set

    def set(self) -> None:
        """Wake up those who wait."""
        with self._condition:
            self._set = True
            self._condition.notify_all()

    def clear(self) -> None:
        """Have the next ``wait`` wait again."""
        with self._condition:
            self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, or so many AWS seconds.

        Returns:
            Whether it is set.

        Raises:
            Stopped: the execution was stopped.
        """
        run = current.get()
        with self._condition:
            if run is None:
                return self._condition.wait_for(self.is_set, timeout)
            return run.wait(self._condition, self.is_set, timeout)


def pause(seconds: float) -> None:
    """Wait so many AWS seconds; :class:`Stopped` if the execution is stopped."""
    if seconds > 0:
        Event().wait(seconds)


class Thread(threading.Thread):
    """``threading.Thread`` for an execution's threads: a daemon that has a name, belongs to the
    execution of the thread that made it, and tells the execution if it fails.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        run = current.get()
        kwargs["name"] = f"labkit-execution-{run.name}" if run else "labkit-execution"
        kwargs["daemon"] = True
        super().__init__(*args, **kwargs)
        self._run = run
        self._context = contextvars.copy_context()

    def run(self) -> None:
        """Do the work."""
        if self._run:
            self._run.begins(self)
        try:
            self._context.run(super().run)
        except Stopped:
            pass
        except Exception as error:
            if self._run is None:
                raise
            self._run.failed(error)
        finally:
            if self._run:
                self._run.ends(self)

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, or so many AWS seconds."""
        if timeout is not None and self._run is not None:
            timeout = self._run.clock.real(timeout)
        super().join(timeout)
