"""What the lab's own objects show when they are the last line of a cell.

The objects themselves know nothing of views: :func:`register` tells IPython how an event and the log
look, and ``Lab`` asks for :func:`lab_card`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from labkit.eventlog import Event, EventLog
from labkit.faults import Faults
from labkit.steps import steps
from labkit.timeline import outline
from labkit.views.fault_panel import faults_table
from labkit.views.svg import Status, short
from labkit.views.view import Table, View

NEWEST = 40
"""Steps of the log that are shown, at most."""

_LETTERS = 400
"""Letters of one member of an event's data that are shown, at most."""


def lab_card(name: str, endpoint: str, is_running: bool, events: Iterable[Event]) -> Table:
    """A lab: where it is, whether it runs, and what has happened in it.

    Args:
        name: the text that stands for it.
        endpoint: its address.
        is_running: whether it runs.
        events: its log.
    """
    told = list(events)
    functions = dict.fromkeys(e["function"] for e in told if e.kind == "function.invoked")
    closed = {e["connection"] for e in told if e.kind == "connection.closed"}
    opened = [e["connection"] for e in told if e.kind == "connection.opened"]
    state = (
        f"{Status.DONE.mark} running"
        if is_running
        else f"{Status.OPEN.mark} stopped; Lab.start() starts one"
    )
    rows = [
        ("State", state),
        ("Address", endpoint),
        ("Functions that have run", ", ".join(functions) or "none"),
        ("Executions started", str(sum(e.kind == "execution.started" for e in told))),
        ("Connections open", str(sum(one not in closed for one in opened)) if is_running else "0"),
        ("Events in the log", f"{len(told):,}"),
    ]
    return Table("The lab", ("What", "How it is"), rows, name)


def log_card(events: Iterable[Event]) -> Table:
    """The log: its newest steps, with who did what to whom.

    Args:
        events: the log, in its order.
    """
    told = list(events)
    story = steps(told)
    shown = story[-NEWEST:]
    left_out = len(story) - len(shown)
    more = f" (the newest {NEWEST} of {len(story):,} steps)" if left_out else ""
    rows = [
        (
            f"{(step.time - story[0].time) * 1000:,.1f} ms",
            f"{Status.FAILED.mark} {step.sentence}" if step.failed else step.sentence,
            step.measured,
        )
        for step in shown
    ]
    lines = outline(told).splitlines()
    cut = [f"({len(lines) - NEWEST:,} lines before these are left out)"] * (len(lines) > NEWEST)
    twin = "\n".join([*cut, *lines[-NEWEST:]])
    caption = f"What happened{more}"
    return Table(caption, ("After", "What", "Measured"), rows, twin, "Nothing happened.")


def event_card(event: Event) -> Table:
    """One event with its data.

    Args:
        event: the event.
    """
    rows = [
        ("cause", f"event {event.cause}" if event.cause is not None else "none"),
        ("trace", event.trace or "none"),
        *((name, short(_said(value), _LETTERS)) for name, value in event.data.items()),
    ]
    return Table(f"Event {event.seq}: {event.kind}", ("Member", "Value"), rows, repr(event))


def register(formatter: Any) -> None:
    """Tell IPython how the log, an event and the faults look as the last line of a cell.

    Args:
        formatter: IPython's formatter of MIME bundles.
    """
    formatter.for_type(Event, lambda event, **_: _bundle(event_card(event)))
    formatter.for_type(Faults, lambda faults, **_: _bundle(faults_table(faults)))
    formatter.for_type(EventLog, lambda log, **_: _bundle(log_card(log)))


def _bundle(view: View) -> dict[str, str]:
    return view._repr_mimebundle_()


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
