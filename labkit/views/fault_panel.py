"""The fault panel: what may go wrong, to choose and press, and what is set, as a table.

The widgets only take input; each button makes the call that is written beside it, and nothing is
printed.  What is set is a table in an output of its own, which a notebook keeps when they are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from labkit.errors import LabError
from labkit.eventlog import Event, EventLog, open_connections
from labkit.faults import Fault, Faults
from labkit.views.controls import Controls
from labkit.views.live import Display
from labkit.views.view import STYLE, Table, View

STANDS_FOR = "(Buttons for what may go wrong, while the kernel runs.)"
"""The text of the output that holds the buttons, which a notebook keeps when they are gone."""

_DIFFERS = frozenset({"connection", "api"})
"""What a fault matches that is another in each run."""


def faults_table(faults: Faults) -> Table:
    """The faults that are set, and how often each struck and still strikes.

    Args:
        faults: the faults.
    """
    there = list(faults)
    rows = [
        (str(fault.id), _said(fault), str(faults.struck(fault)), _left(fault.times))
        for fault in there
    ]
    lines = [f"{_said(fault, _DIFFERS)}: strikes {_left(fault.times)}" for fault in there]
    nothing = "No fault is set."
    return Table(
        "Faults that are set",
        ("Number", "What goes wrong", "Has struck", "Still strikes"),
        rows,
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


def _left(times: int | None) -> str:
    match times:
        case None:
            return "always"
        case 1:
            return "once"
    return f"{times} times"


class FaultPanel(Controls):
    """Buttons for what may go wrong, and what is set.

    Args:
        log: tells which connections, functions and tables there are, and what struck.
        faults: what is to go wrong.
        display: where the table is shown; the cell's output if none.
    """

    stands_for = STANDS_FOR

    def __init__(self, log: EventLog, faults: Faults, display: Display | None = None) -> None:
        super().__init__(display)
        self._log = log
        self._faults = faults

    @property
    def view(self) -> View:
        """What is set now."""
        return faults_table(self._faults)

    def inputs(self) -> Any:
        """Fields to choose in and buttons, a widget."""
        import ipywidgets

        wide = {"description_width": "7em"}
        connection = ipywidgets.Dropdown(description="Connection", style=wide)
        function = ipywidgets.Dropdown(description="Function", style=wide)
        table = ipywidgets.Dropdown(description="Table", style=wide)
        seconds = ipywidgets.BoundedFloatText(
            value=1, min=0, max=60, description="Seconds", style=wide
        )
        said = ipywidgets.HTML()

        def look() -> None:
            events = self._log.after(0)
            for field, there in (
                (connection, open_connections(events)),
                (function, _names(events, "function.invoked", "function")),
                (table, _names(events, "aws.call", "table")),
            ):
                chosen = field.value
                field.options = there
                if there:
                    field.value = chosen if chosen in there else there[-1]
            self.refresh()

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
                look()

            for field in fields:
                field.observe(write, "value")
            write()
            button.on_click(press)
            return ipywidgets.HBox([button, told])

        again = ipywidgets.Button(
            description="Look again", tooltip="Show what there is and what is set by now"
        )
        again.on_click(lambda _: look())
        box = ipywidgets.VBox(
            [
                connection,
                row("Drop connection", "drop_connection", connection),
                function,
                seconds,
                row("Delay function", "delay_function", function, seconds),
                row("Kill function", "kill_function", function),
                table,
                row("Throttle table", "throttle_table", table),
                row("Answer 410", "notify_gone"),
                row("Answer 429", "notify_throttled"),
                row("Deliver twice", "deliver_twice"),
                row("Take all back", "clear"),
                again,
                said,
            ]
        )
        look()
        return box


def _outcome(made: str, call: Callable[..., Any], fields: Iterable[Any]) -> str:
    try:
        call(*(field.value for field in fields))
    except LabError as error:
        return f"Not done: {error}"
    return f"Done: {made}"


def _status(text: str) -> str:
    """What is said to a press; a screen reader reads it out when it appears."""
    return f'<div role="status" style="{STYLE}">{escape(text)}</div>'


def _names(events: list[Event], kind: str, member: str) -> list[str]:
    """The values of a member of events of one kind, each once, in their order."""
    found = (event.data.get(member) for event in events if event.kind == kind)
    return list(dict.fromkeys(name for name in found if name))
