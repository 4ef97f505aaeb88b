"""The one seam through which things go wrong on purpose.

Checks, the fault panel and the seeded scheduler all use it.  A fault names a *step* of the cloud, an
*action*, what it *matches* there, and how often it strikes.  The cloud asks at each step; with no
fault set, asking costs one look at an empty tuple.

=====================  ==================================================  =========================
step                   context that ``match`` can name                     actions
=====================  ==================================================  =========================
``aws.call``           ``service``, ``operation``, ``table``               delay, throttle, error
``http.request``       ``api``, ``stage``, ``route``                       delay, error, throttle
``handshake``          ``api``, ``stage``                                  delay, error, throttle
``function.invoke``    ``function``                                        delay, throttle, error, kill,
                                                                           duplicate
``frame.in``           ``connection``, ``api``, ``route``                  drop, delay, duplicate
``frame.out``          ``connection``, ``api``                             drop, delay, duplicate
``management``         ``connection``, ``api``, ``operation``              delay, throttle, error
``connection``         ``connection``, ``api`` (on each frame in or out;   drop: the socket is cut
                       at once if ``match`` names the connection)
``state.enter``        ``state``, ``machine``                              delay, error
``state.wait``         ``state``, ``machine``, ``seconds`` that a Wait or  drop: it does not wait
                       a Retry is about to wait
=====================  ==================================================  =========================

:meth:`Faults.add` sets any of them.  The most common have a name: :meth:`Faults.drop_connection`,
:meth:`Faults.delay_function`, :meth:`Faults.delay_state`, :meth:`Faults.throttle_table`,
:meth:`Faults.notify_gone`, :meth:`Faults.notify_throttled`, :meth:`Faults.deliver_twice`,
:meth:`Faults.kill_function`.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from labkit.errors import LabError
from labkit.eventlog import Event, EventLog, open_connections
from labkit.trace import Trace

STEPS = frozenset(
    {
        "aws.call",
        "http.request",
        "handshake",
        "function.invoke",
        "frame.in",
        "frame.out",
        "management",
        "connection",
        "state.enter",
        "state.wait",
    }
)

_POST_TO_CONNECTION = "PostToConnection"

_ARRIVES = 1.0
"""Seconds in which what has happened in an attached cloud is in the log here as well."""


class Action(StrEnum):
    """What a fault does."""

    DROP = "drop"
    DELAY = "delay"
    THROTTLE = "throttle"
    ERROR = "error"
    DUPLICATE = "duplicate"
    KILL = "kill"


@dataclass(slots=True)
class Fault:
    """A fault that is set.

    Attributes:
        id: its number, for :meth:`Faults.clear`.
        step: where it strikes.
        action: what it does.
        match: the members of the step's context that must be equal for it to strike.
        times: how often it still strikes; ``None`` is always.
        seconds: how long a delay takes.
        status: the HTTP status of an error; 410 at ``management`` makes a connection look gone.
        code: AWS's error code of an error.
    """

    id: int
    step: str
    action: Action
    match: dict[str, Any] = field(default_factory=dict)
    times: int | None = 1
    seconds: float = 0.0
    status: int = 500
    code: str = "InternalServerError"

    def to_dict(self) -> dict[str, Any]:
        """The fault as JSON data."""
        return {
            "id": self.id,
            "step": self.step,
            "action": str(self.action),
            "match": self.match,
            "times": self.times,
            "seconds": self.seconds,
            "status": self.status,
            "code": self.code,
        }


class Faults:
    """The faults that are set.  Safe to use from any thread.

    Args:
        log: where ``fault.applied`` is written.

    Attributes:
        changes: how often a fault was set or taken back here so far.
    """

    def __init__(self, log: EventLog) -> None:
        self.changes = 0
        self._log = log
        self._faults: tuple[Fault, ...] = ()
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._watchers: tuple[Callable[[Fault], None], ...] = ()

    def watch(self, told: Callable[[Fault], None]) -> None:
        """Be told of each fault that is set from now on.

        Args:
            told: called with the fault, in the thread that sets it.
        """
        self._watchers = (*self._watchers, told)

    def add(
        self,
        step: str,
        action: str | Action,
        *,
        times: int | None = 1,
        seconds: float = 0.0,
        status: int = 500,
        code: str = "InternalServerError",
        **match: Any,
    ) -> Fault:
        """Set a fault.

        Args:
            step: where, from the module's table.
            action: what, from the module's table.
            times: how often it strikes; ``None`` is always.
            seconds: how long a delay takes.
            status: HTTP status of an error.
            code: AWS's error code of an error.
            match: what must be equal in the step's context, such as ``function="notify"``.

        Raises:
            ValueError: the step or the action is unknown; the message lists the known ones.
        """
        what = known(step, action)
        fault = Fault(next(self._ids), step, what, match, times, seconds, status, code)
        with self._lock:
            self._faults = (*self._faults, fault)
            self.changes += 1
        for told in self._watchers:
            told(fault)
        return fault

    def drop_connection(self, connection: str) -> Fault:
        """Cut a connection's socket at once, without a close frame, as when a network fails.

        The client sees close code 1006, and ``$disconnect`` runs.

        Args:
            connection: the connection's id.

        Raises:
            LabError: no such connection is open; the message lists the open ones.
        """
        try:
            self._log.wait(lambda event: _opens(event, connection), timeout=_ARRIVES)
        except TimeoutError:
            pass
        if connection not in (there := open_connections(self._log)):
            known = f"Open connections: {', '.join(there)}" if there else "No connection is open"
            raise LabError(f"No connection {connection!r} is open, so none was cut. {known}.")
        return self.add("connection", Action.DROP, connection=connection)

    def delay_function(self, function: str, seconds: float, *, times: int | None = 1) -> Fault:
        """Have a function begin later.

        Args:
            function: its name.
            seconds: how much later.
            times: how many invocations; ``None`` for all.
        """
        return self.add(
            "function.invoke", Action.DELAY, times=times, seconds=seconds, function=function
        )

    def delay_state(self, state: str, seconds: float, *, times: int | None = 1) -> Fault:
        """Have a state of a state machine begin later.

        Args:
            state: its name, such as ``DoWork``.
            seconds: how much later.
            times: how often; ``None`` is always.
        """
        return self.add("state.enter", Action.DELAY, times=times, seconds=seconds, state=state)

    def throttle_table(self, table: str, *, times: int | None = 1) -> Fault:
        """Have DynamoDB refuse calls on a table: ``ProvisionedThroughputExceededException``.

        AWS's SDKs try again by themselves, so a caller may see nothing but the time that it takes
        (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html).

        Args:
            table: its name.
            times: how many calls, each attempt counted; ``None`` for all.
        """
        return self.add("aws.call", Action.THROTTLE, times=times, service="dynamodb", table=table)

    def notify_gone(self, *, times: int | None = 1) -> Fault:
        """Have API Gateway answer ``GoneException`` (410) to ``PostToConnection``.

        Args:
            times: how many calls; ``None`` for all.
        """
        return self.add(
            "management", Action.ERROR, times=times, status=410, operation=_POST_TO_CONNECTION
        )

    def notify_throttled(self, *, times: int | None = 1) -> Fault:
        """Have API Gateway answer ``LimitExceededException`` (429) to ``PostToConnection``.

        Args:
            times: how many calls; ``None`` for all.
        """
        return self.add("management", Action.THROTTLE, times=times, operation=_POST_TO_CONNECTION)

    def deliver_twice(self, *, times: int | None = 1) -> Fault:
        """Have messages to clients arrive twice.

        Args:
            times: how many messages; ``None`` for all.
        """
        return self.add("frame.out", Action.DUPLICATE, times=times)

    def kill_function(self, function: str, *, times: int | None = 1) -> Fault:
        """Kill a function's process while it handles an event.

        Args:
            function: its name.
            times: how many invocations; ``None`` for all.
        """
        return self.add("function.invoke", Action.KILL, times=times, function=function)

    def clear(self, fault: Fault | int | None = None) -> None:
        """Take back one fault, or all of them."""
        number = fault.id if isinstance(fault, Fault) else fault
        with self._lock:
            self._faults = tuple(f for f in self._faults if number is not None and f.id != number)
            self.changes += 1

    def __iter__(self) -> Any:
        return iter(self._faults)

    def strikes(self, after: int = 0) -> list[Event]:
        """Each time that a fault has struck, as the log tells: ``fault.applied``, oldest first.

        Args:
            after: begin behind this event.
        """
        return [event for event in self._log.after(after) if event.kind == "fault.applied"]

    def strike(
        self, step: str, trace: Trace | None = None, /, *actions: Action, **context: Any
    ) -> Fault | None:
        """The fault that strikes here now, or ``None``; it is counted and logged.

        Args:
            step: the step that is about to be taken.
            trace: the trace it belongs to.
            actions: only faults with one of these actions; any if none is given.
            context: what is known at the step.
        """
        if not self._faults:
            return None
        with self._lock:
            for fault in self._faults:
                if (
                    fault.step == step
                    and (not actions or fault.action in actions)
                    and _matches(fault.match, context)
                ):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._faults = tuple(f for f in self._faults if f is not fault)
                    break
            else:
                return None
        self._log.append(
            "fault.applied", trace, fault=fault.id, step=step, action=str(fault.action), **context
        )
        return fault


def known(step: str, action: str | Action) -> Action:
    """The action, where there is such a step and such an action.

    Raises:
        ValueError: there is none; the message lists the known ones.
    """
    if step not in STEPS:
        raise ValueError(f"No step is called {step!r}. Steps: {', '.join(sorted(STEPS))}.")
    try:
        return Action(action)
    except ValueError:
        actions = ", ".join(Action)
        raise ValueError(f"No action is called {action!r}. Actions: {actions}.") from None


def _opens(event: Event, connection: str) -> bool:
    return event.kind == "connection.opened" and event["connection"] == connection


def _matches(match: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    return all(context.get(name) == value for name, value in match.items())
