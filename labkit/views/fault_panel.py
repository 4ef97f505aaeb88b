"""The fault panel: what may go wrong, to choose and press, and what is set, as a table.

The widgets only take input; each button makes the call that is written beside it, and nothing is
printed.  What is set is a table in an output of its own, which follows what happens, and which a notebook
keeps when the widgets are gone.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from labkit.errors import LabError
from labkit.eventlog import Event, EventLog
from labkit.faults import Fault, Faults
from labkit.views.controls import Controls, show_inputs
from labkit.views.live import Gallery
from labkit.views.view import STYLE, Table

STANDS_FOR = "(Buttons for what may go wrong, while the kernel runs.)"
"""The text of the output that holds the buttons, which a notebook keeps when they are gone."""

_DIFFERS = frozenset({"connection", "api"})
"""What a fault matches that is another in each run."""

_TOLD = ("fault", "step", "action")
"""What each ``fault.applied`` says; the rest is what was known at the step."""


def faults_table(faults: Iterable[Fault], strikes: Iterable[Event]) -> Table:
    """The faults that are set, and how often each struck and still strikes.

    Args:
        faults: the faults that are set.
        strikes: each time that a fault has struck; of a fault that is not set any more it is told what
            it did.
    """
    struck = list(strikes)
    count = Counter(event["fault"] for event in struck)
    there = list(faults)
    rows = {f.id: (_said(f), str(count[f.id]), _left(f.times)) for f in there}
    lines = [f"{_said(fault, _DIFFERS)}: strikes {_left(fault.times)}" for fault in there]
    over = {event["fault"]: event for event in struck if event["fault"] not in rows}
    for number, event in over.items():
        rows[number] = (_did(event), str(count[number]), "no more")
    lines += sorted(
        {f"{event['action']} at {event['step']}: has struck" for event in over.values()}
    )
    nothing = "No fault is set."
    return Table(
        "Faults",
        ("Number", "What goes wrong", "Has struck", "Still strikes"),
        [(str(number), *rows[number]) for number in sorted(rows)],
        "\n".join(lines) or nothing,
        nothing,
    )


def _said(fault: Fault, without: frozenset[str] = frozenset()) -> str:
    facts = [f"{name} {value}" for name, value in fault.match.items() if name not in without]
    match fault.action:
        case "delay":
            facts.append(f"{fault.seconds:g} s")
        case "error":
            facts.append(f"status {fault.status}")
    return f"{fault.action} at {fault.step}" + (f" ({', '.join(facts)})" if facts else "")


def _did(event: Event) -> str:
    facts = [f"{name} {value}" for name, value in event.data.items() if name not in _TOLD and value]
    return f"{event['action']} at {event['step']}" + (f" ({', '.join(facts)})" if facts else "")


def _left(times: int | None) -> str:
    match times:
        case None:
            return "always"
        case 1:
            return "once"
    return f"{times} times"


class _Places:
    """Where something may go wrong, as the log has told so far.

    Attributes:
        connections: the ids of those that are open, oldest first.
        functions: the names of those that have run.
        states: the names of those that were entered.
        tables: the names of those that were used.
        struck: the number of the last event that tells of a fault that has struck.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._last = 0
        self.struck = 0
        self.connections: list[str] = []
        self.functions: list[str] = []
        self.states: list[str] = []
        self.tables: list[str] = []

    def look(self) -> None:
        """Read on in the log."""
        for event in self._log.after(self._last):
            self._last = event.seq
            match event.kind:
                case "connection.opened":
                    self.connections.append(event["connection"])
                case "connection.closed" if event["connection"] in self.connections:
                    self.connections.remove(event["connection"])
                case "function.invoked":
                    _note(self.functions, event["function"])
                case "state.entered":
                    _note(self.states, event["state"])
                case "fault.applied":
                    self.struck = event.seq
                case "aws.call" if table := event.get("table"):
                    _note(self.tables, table)


def _note(names: list[str], name: str) -> None:
    if name not in names:
        names.append(name)


class FaultPanel(Controls):
    """Buttons for what may go wrong, and what is set.

    Args:
        log: tells which connections, functions, states and tables there are, and what struck.
        faults: what is to go wrong.
        gallery: where the table is shown, which follows what happens.
    """

    stands_for = STANDS_FOR

    def __init__(self, log: EventLog, faults: Faults, gallery: Gallery | None = None) -> None:
        super().__init__()
        self._log = log
        self._faults = faults
        self._gallery = gallery or Gallery()
        self._begun = log.last
        self._places = _Places(log)
        self._fill: Callable[[list[Fault]], None] = lambda _: None
        self._filling = threading.Lock()  # a thread follows the log, and another takes the presses
        self._drawn: tuple[int, int] | None = None
        self._there: list[Fault] = []
        self._table = faults_table((), ())

    @property
    def view(self) -> Table:
        """What is set now, and what has struck since the panel was made."""
        return self._told(list(self._faults))

    def _told(self, there: list[Fault]) -> Table:
        set_now = {fault.id for fault in there}
        strikes = self._faults.strikes()
        told = [e for e in strikes if e["fault"] in set_now or e.seq > self._begun]
        return faults_table(there, told)

    def version(self) -> tuple[int, int]:
        """What is another whenever there may be something new to see."""
        return self._log.last, self._faults.changes

    def draw(self) -> Table:
        """What is to be seen now; the fields offer what there is by now too.

        Attached, what is set is asked for over HTTP: only when that may have changed.
        """
        with self._filling:
            self._places.look()
            now = (self._faults.changes, self._places.struck)
            if now != self._drawn:
                self._there = list(self._faults)
                self._table = self._told(self._there)
                self._drawn = now
            self._fill(self._there)
            return self._table

    def _ipython_display_(self) -> None:
        show_inputs(self.inputs(), self.stands_for)
        self._gallery.show("faults", self._log, self.draw, self.version)

    def inputs(self) -> Any:
        """Fields to choose in and buttons, a widget."""
        import ipywidgets

        wide = {"description_width": "7em"}

        def choice(description: str) -> Any:
            return ipywidgets.Dropdown(description=description, style=wide)

        connection, function, state = choice("Connection"), choice("Function"), choice("State")
        table, fault = choice("Table"), choice("Fault")
        seconds = ipywidgets.BoundedFloatText(
            value=1, min=0, max=60, description="Seconds", style=wide
        )
        said = ipywidgets.HTML()

        def fill(there: list[Fault]) -> None:
            _offer(connection, self._places.connections)
            _offer(function, self._places.functions)
            _offer(state, self._places.states)
            _offer(table, self._places.tables)
            _offer(fault, [(f"{each.id}: {_said(each)}", each.id) for each in there])

        def row(label: str, call: str, *fields: Any) -> Any:
            button = ipywidgets.Button(description=label, tooltip=f"{label}: lab.faults.{call}(…)")
            told = ipywidgets.HTML()

            def written() -> str:
                given = ("…" if field.value is None else repr(field.value) for field in fields)
                return f"lab.faults.{call}({', '.join(given)})"

            def write(_: Any = None) -> None:
                told.value = f'<code style="{STYLE}">{escape(written())}</code>'

            def press(_: Any) -> None:
                lacking = [field.description.lower() for field in fields if field.value is None]
                if lacking:
                    said.value = _status(f"Nothing was done: there is no {lacking[0]} yet.")
                    return
                made = written()
                said.value = _status(_outcome(made, getattr(self._faults, call), fields))
                self.draw()

            for field in fields:
                field.observe(write, "value")
            write()
            button.on_click(press)
            return ipywidgets.HBox([button, told])

        box = ipywidgets.VBox(
            [
                connection,
                row("Drop connection", "drop_connection", connection),
                seconds,
                function,
                row("Delay function", "delay_function", function, seconds),
                row("Kill function", "kill_function", function),
                state,
                row("Delay state", "delay_state", state, seconds),
                table,
                row("Throttle table", "throttle_table", table),
                row("Answer 410", "notify_gone"),
                row("Answer 429", "notify_throttled"),
                row("Deliver twice", "deliver_twice"),
                fault,
                row("Take back", "clear", fault),
                row("Take all back", "clear"),
                said,
            ]
        )
        self._fill = fill
        self.draw()
        return box


def _offer(field: Any, there: list[Any]) -> None:
    """Offer what there is; what is chosen stays chosen as long as it is there."""
    options = tuple(there)
    if field.options == options:
        return
    values = [each[1] if isinstance(each, tuple) else each for each in options]
    chosen = field.value
    field.options = options
    if values:
        field.value = chosen if chosen in values else values[-1]


def _outcome(made: str, call: Callable[..., Any], fields: Iterable[Any]) -> str:
    try:
        call(*(field.value for field in fields))
    except LabError as error:
        return f"Not done: {error}"
    return f"Done: {made}"


def _status(text: str) -> str:
    """What is said to a press; a screen reader reads it out when it appears."""
    return f'<div role="status" style="{STYLE}">{escape(text)}</div>'
