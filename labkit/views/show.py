"""``lab.show``: all views, called in one way.

    lab.show.trace(order)                    a view of what has happened: a value, which the last line
                                             of a cell shows and ``print`` tells in words
    lab.show.trace(order, live=True)         shown at once, and again whenever something happens

Each method reads the event log and nothing else, unless it says so.  What a view needs to draw is
loaded when it is first shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from labkit.eventlog import EventLog
from labkit.faults import Faults
from labkit.views.live import Gallery, Live
from labkit.views.view import View


class Show:
    """The views of one cloud.

    Args:
        log: what happened.
        faults: what is to go wrong, for the fault panel.
    """

    def __init__(self, log: EventLog, faults: Faults) -> None:
        self._log = log
        self._faults = faults
        self._gallery = Gallery()

    def close(self) -> None:
        """End all live views; each keeps its last picture."""
        self._gallery.close()

    def _shown(self, name: str, draw: Callable[[], View], live: bool) -> View | Live:
        return self._gallery.show(name, self._log, draw) if live else draw()

    def architecture(self, order: str | None = None, *, live: bool = False) -> View | Live:
        """The pattern's parts as a map: what was called how often, and the message's last way.

        Args:
            order: the ARN or the name of an execution whose way is shown; all that happened, and the
                end of the last way, if none.
            live: follow what happens.
        """
        from labkit.views.architecture import ORDER, WAY, architecture

        def draw() -> View:
            if order is None:
                return architecture(self._log.after(0), WAY)
            return architecture(self._log.of(order), ORDER)

        return self._shown("architecture", draw, live)

    def last(self, part: str) -> View:
        """The last events at one part of the map.

        Args:
            part: ``"Client"``, ``"HTTP API"``, ``"WebSocket API"``, ``"Lambda"``,
                ``"Step Functions"``, ``"DynamoDB"``, another service that was used, or the name of
                a function, a table or a state machine.

        Raises:
            LabError: there is no such part; the error lists those that there are.
        """
        from labkit.views.parts import last

        return last(self._log.after(0), part)

    def sequence(self, order: str, *, live: bool = False) -> View | Live:
        """Who did what to whom, from top to bottom; arguments as for :meth:`trace`."""
        from labkit.views.sequence import sequence

        return self._shown("sequence", lambda: sequence(self._log.of(order)), live)

    def trace(self, order: str, *, live: bool = False) -> View | Live:
        """One order as a waterfall: what took how long, and in what.

        Args:
            order: the ARN or the name of its execution.
            live: follow what happens.
        """
        from labkit.views.trace import waterfall

        return self._shown("trace", lambda: waterfall(self._log.of(order)), live)

    def compare(self, first: str, second: str) -> View:
        """Two orders as waterfalls on one scale, one below the other: before and after, poll and push.

        Args:
            first: the ARN or the name of an execution.
            second: of another.
        """
        from labkit.views.trace import compared

        return compared(self._log.of(first), self._log.of(second))

    def steps(self, order: str) -> Any:
        """One order's sequence diagram, step by step, with buttons to go on and back.

        Args:
            order: the ARN or the name of its execution.

        Returns:
            A widget; its calls ``forward()``, ``back()`` and ``go(n)`` do what the buttons do.
        """
        from labkit.views.stepping import Stepping

        return Stepping(self._log.of(order))

    def connections(self, *, live: bool = False) -> View | Live:
        """The connections that are open and those that were: since when, last message, order, end.

        Args:
            live: follow what happens.
        """
        from labkit.views.connections import connections

        return self._shown(
            "connections", lambda: connections(self._log.after(0), time.time()), live
        )

    def messages(self, connection: str | None = None, *, live: bool = False) -> View | Live:
        """Messages in both directions, with time, size, route and content; how a connection ended.

        Args:
            connection: a connection's id; the newest of all if none.
            live: follow what happens.

        Raises:
            LabError: there is no such connection; the error lists those that there are.
        """
        from labkit.views.messages import messages

        def draw() -> View:
            return messages(self._log.after(0), connection)

        if live:
            draw()  # an id that nobody has is an error of this cell
        return self._shown("messages", draw, live)

    def state_machine(
        self, which: str | Mapping[str, Any], execution: str | None = None, *, live: bool = False
    ) -> View | Live:
        """A state machine as a diagram, with the states of an execution, and its history.

        Args:
            which: the ARN of a state machine or of an execution, whose definition Step Functions is
                asked for; or a definition, as JSON text or read.
            execution: the ARN or the name of the execution that is shown; the newest one if the ARN
                of a state machine is given.
            live: follow what happens.
        """
        from labkit.views.execution import execution_view

        view = execution_view(which, execution)
        return self._shown("state_machine", lambda: view(self._log.after(0)), live)

    def table(self, name: str, *, live: bool = False) -> View | Live:
        """The items of a DynamoDB table, expired ones marked, and what changed last.

        Nothing is read from the table: the log has what was written.

        Args:
            name: the table's.
            live: follow what happens.

        Raises:
            LabError: the log has no such table; the error lists those that it has.
        """
        from labkit.views.items import items

        def draw() -> View:
            return items(self._log.after(0), name, time.time())

        if live:
            draw()  # a name that nobody has is an error of this cell
        return self._shown(f"table {name}", draw, live)

    def logs(self, function: str, *, live: bool = False) -> View | Live:
        """What a function wrote, by invocation, with cold starts marked.

        Args:
            function: its name.
            live: follow what happens.
        """
        from labkit.views.logs import logs

        return self._shown(f"logs {function}", lambda: logs(self._log.after(0), function), live)

    def latency(self, function: str | None = None) -> View:
        """How long the invocations took, as a distribution.

        Args:
            function: of this one only; of all, each with its own line, if none.
        """
        from labkit.views.measurements import latency

        return latency(self._log.after(0), function)

    def throughput(self) -> View:
        """Messages and invocations a second, over time."""
        from labkit.views.measurements import throughput

        return throughput(self._log.after(0))

    def waiting(self, **orders: str) -> View:
        """Poll against push: when clients asked, when they were told, when the result was there.

        Args:
            orders: the ARN or the name of an execution by a word for how its client waits:
                ``waiting(polled=first, pushed=second)``.
        """
        from labkit.views.measurements import waiting

        return waiting({how: self._log.of(order) for how, order in orders.items()})

    def faults(self) -> Any:
        """The fault panel: buttons for what may go wrong, and what is set.

        Returns:
            A widget; each of its buttons is a call of ``lab.faults`` too.
        """
        from labkit.views.fault_panel import FaultPanel

        return FaultPanel(self._log, self._faults, self._gallery)
