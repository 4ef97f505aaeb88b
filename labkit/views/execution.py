"""An execution of a state machine: the diagram with how each state stands, and the history as a table.

It is what AWS's console shows on an execution's page.  The definition is asked of Step Functions, once;
all else is read from the log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import boto3
from botocore.exceptions import ClientError

from labkit.errors import LabError
from labkit.eventlog import Event
from labkit.views.picture import Picture
from labkit.views.state_graph import (
    Graph,
    Note,
    all_states,
    draw,
    inside,
    layout,
    read,
    state_graph,
)
from labkit.views.svg import Status, short
from labkit.views.view import LEFT, Page, Table, View, table
from labkit.views.visits import Attempt, Run, Visit, run_of

NEWEST = 200
"""Rows of the history that are shown, at most."""

LETTERS = 30
"""Letters of an input or output that are shown at once; of a longer one the rest is folded away."""

COLUMNS = (
    "Step",
    "State",
    "Type",
    "Status",
    "Attempt",
    "Started after",
    "Elapsed",
    "Input",
    "Output",
    "Error and cause",
)

_TEXT = f'{LEFT[:-1]}; min-width: 9em; overflow-wrap: anywhere"'
"""For cells that hold JSON or what is said of an error."""

_MARKS = {"RUNNING": Status.RUNNING, "SUCCEEDED": Status.DONE}


def execution_view(
    which: str | Mapping[str, Any], execution: str | None = None
) -> Callable[[list[Event]], View]:
    """How an execution is shown.

    Args:
        which: the ARN of a state machine or of an execution, whose definition Step Functions is asked
            for; or a definition, as JSON text or read.
        execution: the ARN or the name of the execution that is shown; the newest one if the ARN of a
            state machine is given, and none if a definition is.

    Returns:
        What makes the view of the log's events.

    Raises:
        LabError: there is no such state machine or execution; the message names those that there are.
    """
    is_arn = isinstance(which, str) and which.startswith("arn:")
    if isinstance(which, str) and not is_arn and not which.lstrip().startswith("{"):
        raise LabError(f"{which!r} is neither an ARN nor a definition. {_known()}")
    machine = read(_definition(str(which))) if is_arn else read(which)
    if not is_arn and execution is None:
        picture = state_graph(machine)
        return lambda events: picture
    graph = layout(machine, noted=True)
    wanted = execution or str(which)

    def view(events: list[Event]) -> View:
        arn = newest(events, wanted)
        run = run_of(events, arn) if arn else None
        return page(machine, graph, run, "" if run else _missing(events, wanted))

    return view


def newest(events: Sequence[Event], wanted: str) -> str | None:
    """The ARN of the newest execution that is meant.

    Args:
        events: the log.
        wanted: the ARN or the name of an execution, or the ARN of a state machine.
    """
    machine = wanted.split(":")
    of_machine = machine[5:6] == ["stateMachine"]
    for event in reversed(events):
        if event.kind == "execution.started":
            arn = str(event["execution"])
            parts = arn.split(":")
            if of_machine and (parts[3:5], parts[6]) == (machine[3:5], machine[6]):
                return arn
            if wanted in (arn, event["name"]):
                return arn
    return None


def page(machine: Mapping[str, Any], graph: Graph, run: Run | None, missing: str = "") -> Page:
    """The diagram and the history of an execution.

    Args:
        machine: its definition.
        graph: the same, laid out.
        run: what it has done; ``None`` if nothing.
        missing: what is said then.
    """
    stands = run.notes() if run else {}
    notes = {
        name: Note(*stands.get(name, (Status.OPEN, f"{Status.OPEN.mark} {Status.OPEN.word}")))
        for name, _ in all_states(machine)
    }
    told = [f"{name} {note.words[2:]}" for name, note in notes.items() if name in stands]
    said = f"The execution is {run.status}. {'; '.join(told)}." if run else missing
    picture = Picture(
        draw(graph, notes, run.ways if run else set()),
        f"State machine with {len(notes)} states. {said}",
        "\n".join(_twin(machine, notes, "")),
    )
    if run is None:
        return Page.of([picture, Table("Execution", COLUMNS, (), missing, missing)])
    return Page.of([picture, History(run)])


def _twin(machine: Mapping[str, Any], notes: Mapping[str, Note], indent: str) -> Iterable[str]:
    """The states in the order of the definition, with how each stands."""
    for name, state in machine["States"].items():
        note = notes[name]
        mark, _, words = note.words.partition(" ")
        yield f"{indent}{mark} {name}: {words}"
        for inner in inside(state):
            yield from _twin(inner, notes, f"{indent}  ")


@dataclass(frozen=True, slots=True, repr=False)
class History(View):
    """The history of an execution, a row for each attempt of each state."""

    run: Run

    @property
    def text(self) -> str:
        """How it stands, without times."""
        failed = f": {self.run.error}" if self.run.error else ""
        return f"Execution {self.run.status}{failed}"

    @property
    def html(self) -> str:
        """The table."""
        run = self.run
        attempts = [(visit, attempt) for visit in run.visits for attempt in visit.attempts]
        cut = max(len(attempts) - NEWEST, 0)
        left_out = f"; the newest {NEWEST} of {len(attempts):,} rows" if cut else ""
        mark = _MARKS.get(run.status, Status.FAILED).mark
        took = _ms((run.ended or run.now) - run.begun)
        so_far = "" if run.ended else " so far"
        error = f", {run.error}" if run.error else ""
        caption = f"Execution {run.name}: {mark} {run.status}{error}, {took}{so_far}{left_out}"
        body = "\n".join(
            f"<tr>{''.join(map(_cell, COLUMNS, _cells(run, number, *each)))}</tr>"
            for number, each in enumerate(attempts[cut:], cut + 1)
        )
        return table(caption, COLUMNS, f"<tbody>\n{body}\n</tbody>")


def _cell(column: str, content: str) -> str:
    """A cell, with room for texts, which wrap, so that all columns are seen."""
    style = _TEXT if column in COLUMNS[-3:] else LEFT
    return f"<td {style}>{content}</td>"


def _cells(run: Run, number: int, visit: Visit, attempt: Attempt) -> list[str]:
    """The cells of a row, as HTML."""
    is_last = attempt is visit.attempts[-1]
    took = (attempt.ended or run.now) - attempt.begun
    status = visit.status if is_last else Status.FAILED
    return [
        str(number),
        escape(_name(visit)),
        escape(visit.type),
        escape(f"{status.mark}\N{NO-BREAK SPACE}{visit.word if is_last else status.word}"),
        str(visit.attempts.index(attempt) + 1),
        _ms(attempt.begun - run.begun),
        _ms(took) + ("" if attempt.ended else " so far"),
        folded(visit.given) if attempt is visit.attempts[0] else "",
        folded(visit.output) if is_last else "",
        folded(": ".join(part for part in (attempt.error, attempt.cause) if part)),
    ]


def _name(visit: Visit) -> str:
    return visit.state if visit.iteration is None else f"{visit.state}, iteration {visit.iteration}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f}\N{NO-BREAK SPACE}ms"


def folded(text: str) -> str:
    """A text as HTML; of a long one the beginning, which unfolds to all of it."""
    if len(text) <= LETTERS:
        return escape(text)
    try:
        whole = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:  # the log keeps the beginning of what is very long
        whole = text
    style = "white-space: pre-wrap; overflow-wrap: anywhere; text-align: left"
    return (
        f"<details><summary>{escape(short(text, LETTERS))}</summary>"
        f'<pre style="{style}">{escape(whole)}</pre></details>'
    )


# -- what Step Functions is asked for ---------------------------------------------------------------


def _definition(arn: str) -> str:
    """The definition of a state machine, or that with which an execution runs."""
    parts = arn.split(":")
    states = boto3.client("stepfunctions", region_name=parts[3] if len(parts) > 3 else None)
    try:
        if parts[5:6] == ["execution"]:
            answer = states.describe_state_machine_for_execution(executionArn=arn)
        elif parts[5:6] == ["express"]:  # an Express execution is kept nowhere
            machine = ":".join([*parts[:5], "stateMachine", parts[6]])
            answer = states.describe_state_machine(stateMachineArn=machine)
        else:
            answer = states.describe_state_machine(stateMachineArn=arn)
    except ClientError as error:
        raise LabError(f"{error.response['Error']['Message']}. {_known()}") from None
    return str(answer["definition"])


def _known() -> str:
    """The state machines that there are, in a sentence."""
    machines = boto3.client("stepfunctions").list_state_machines()["stateMachines"]
    names = ", ".join(machine["stateMachineArn"] for machine in machines)
    return f"State machines that there are: {names or 'none'}."


def _missing(events: Sequence[Event], wanted: str) -> str:
    """That an execution has not begun, and which have."""
    begun = dict.fromkeys(e["name"] for e in events if e.kind == "execution.started")
    if wanted.split(":")[5:6] == ["stateMachine"]:
        return "No execution of this state machine has begun yet: StartExecution begins one."
    there = ", ".join(list(begun)[-10:]) or "none"
    return f"No execution {wanted} has begun yet. The newest in the log: {there}."
