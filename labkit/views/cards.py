"""What the lab's own objects show when they are the last line of a cell.

The objects themselves know nothing of views: ``Lab`` asks for :func:`lab_card`, and tells IPython that
the others look like their :func:`card`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Protocol

from labkit.eventlog import Event, EventLog, open_connections
from labkit.faults import Faults
from labkit.steps import steps
from labkit.timeline import outline
from labkit.views.fault_panel import faults_table
from labkit.views.svg import Status, short
from labkit.views.view import Table

NEWEST = 40
"""Steps of the log that are shown, at most."""

_LETTERS = 400
"""Letters of one member of an event's data that are shown, at most."""


class _Placed(Protocol):
    """The answer to an order, as the pattern's client gives it."""

    @property
    def order_id(self) -> str: ...
    @property
    def execution_arn(self) -> str: ...
    @property
    def websocket_url(self) -> str: ...


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
        ("Connections open", str(len(open_connections(told))) if is_running else "0"),
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


def order_card(placed: _Placed, events: Iterable[Event]) -> Table:
    """An order that was placed: how its execution stands, and who listens.

    Args:
        placed: the answer to the order.
        events: the log of the cloud that answered.
    """
    told = [e for e in events if e.get("execution") == placed.execution_arn]
    entered = [e["state"] for e in told if e.kind == "state.entered"]
    ended = next((e["status"] for e in told if e.kind == "execution.ended"), "")
    begun = any(e.kind == "execution.started" for e in told)
    rows = [
        ("Order", placed.order_id),
        ("Execution", placed.execution_arn),
        ("Status", _status(ended, begun)),
        ("States", " → ".join(entered) or "none yet"),
        ("Address to listen at", placed.websocket_url),
    ]
    return Table("An order", ("What", "How it is"), rows, repr(placed))


def system_card(system: Any) -> Table:
    """A system that was built: its parts by name.

    Args:
        system: a dataclass whose members are names, addresses or a mapping of functions.
    """
    rows = []
    for member in fields(system):
        value = getattr(system, member.name)
        said = ", ".join(map(str, value)) if isinstance(value, Mapping) else str(value)
        if said and member.name != "environment":
            rows.append((member.name, said))
    return Table("A system", ("Part", "Name or address"), rows, repr(system))


def _status(ended: str, begun: bool) -> str:
    if not ended:
        return f"{Status.RUNNING.mark} running" if begun else f"{Status.OPEN.mark} not begun"
    return f"{(Status.DONE if ended == 'SUCCEEDED' else Status.FAILED).mark} {ended}"


def card(shown: Event | EventLog | Faults) -> Table:
    """What one of the lab's own objects shows."""
    match shown:
        case Event():
            return event_card(shown)
        case EventLog():
            return log_card(shown)
    return faults_table(shown, shown.strikes())


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
