"""The parts of the system and what passed between them.  Pure: events in, parts and moves out.

Steps (:mod:`labkit.steps`) say which service acts on which.  A map also wants the function, the table
and the state machine in it, and how often: that is what is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from labkit.errors import LabError
from labkit.eventlog import Event, open_connections
from labkit.steps import (
    CLIENT,
    DYNAMODB,
    HTTP_API,
    LAMBDA,
    NOTEBOOK,
    STEP_FUNCTIONS,
    WEBSOCKET_API,
    Kind,
    Step,
    steps,
)
from labkit.views.svg import Status
from labkit.views.view import Table

PATTERN = (CLIENT, HTTP_API, WEBSOCKET_API, LAMBDA, STEP_FUNCTIONS, DYNAMODB)
"""The pattern's parts; they are there before anything has happened."""

NEWEST = 20
"""Events at a part that are told, at most."""

_USES = frozenset(
    {
        "BatchExecuteStatement",
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteConnection",
        "DeleteItem",
        "ExecuteStatement",
        "ExecuteTransaction",
        "GetConnection",
        "GetItem",
        "Invoke",
        "PostToConnection",
        "PutItem",
        "Query",
        "RedriveExecution",
        "Scan",
        "SendTaskFailure",
        "SendTaskHeartbeat",
        "SendTaskSuccess",
        "StartExecution",
        "StartSyncExecution",
        "StopExecution",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)
"""Calls with which a notebook uses the system.  With all others it builds one, and no message goes there."""


_OUTSIDE = frozenset({CLIENT, NOTEBOOK})
"""Who is no service: what happens there is what they send and get."""

Place = tuple[str, str]
"""A part, and what in it, or empty."""


@dataclass(slots=True)
class Part:
    """One part, or a function, a table or a state machine in one.

    Attributes:
        name: a service's, or its own.
        calls: how many calls and messages came to it.
        sent: how many it sent, answers to the client included.
        errors: how many steps failed there.
        cold: how many cold starts it had.
        running: executions that have not ended.
        open: connections that are open.
        at: the steps that happened there, oldest first.
        inside: the functions, tables or state machines in it, by name, in the order of appearance.
    """

    name: str
    calls: int = 0
    sent: int = 0
    errors: int = 0
    cold: int = 0
    running: int = 0
    open: int = 0
    at: list[Step] = field(default_factory=list)
    inside: dict[str, Part] = field(default_factory=dict)

    @property
    def counters(self) -> list[str]:
        """What was counted, in words that are the same in each run."""
        if self.name in _OUTSIDE:
            said = [f"sent {self.sent}", f"got {self.calls}"]
        else:
            said = [_many(self.calls, "call")]
        said += [f"{self.open} open"] if self.open else []
        said += [f"{self.running} running"] if self.running > 0 else []
        return said + ([f"{Status.FAILED.mark} {self.errors}"] if self.errors else [])

    @property
    def last(self) -> str:
        """The last that happened there, with its mark."""
        if not self.at:
            return f"{Status.OPEN.mark} nothing yet"
        step = self.at[-1]
        what = _of(self.name, step)
        if step.kind is Kind.STATE:
            return f"state {what}"
        if self.name in _OUTSIDE:
            return f"{'sent' if step.source == self.name else 'got'} {what}"
        return what


@dataclass(frozen=True, slots=True)
class Move:
    """A step from one part to another.

    Attributes:
        step: the step.
        source: whose it is.
        target: where it goes.
    """

    step: Step
    source: Place
    target: Place

    @property
    def pair(self) -> tuple[str, str]:
        """The two parts."""
        return self.source[0], self.target[0]

    @property
    def sentence(self) -> str:
        """What happened, between functions, tables and state machines where they are known."""
        source, target = (within or name for name, within in (self.source, self.target))
        return f"{source} → {target}: {_of(target, self.step)}"


@dataclass(slots=True)
class System:
    """All parts, and what passed between them.

    Attributes:
        parts: by name; those of the pattern first.
        moves: in the order of time.
    """

    parts: dict[str, Part]
    moves: list[Move]

    def named(self, name: str) -> Part:
        """A part, or a function, a table or a state machine in one.

        Raises:
            LabError: there is none of this name; the error lists those that there are.
        """
        for known, part in self._all():
            if known == name:
                return part
        known = ", ".join(repr(one) for one, _ in self._all())
        raise LabError(f"There is no part {name!r} on the map. There are: {known}.")

    def _all(self) -> Iterator[tuple[str, Part]]:
        yield from self.parts.items()
        for part in self.parts.values():
            yield from part.inside.items()


def system(events: Iterable[Event]) -> System:
    """The parts of a system as its log shows them.

    Args:
        events: of a log, in its order.
    """
    told = list(events)
    by_seq = {event.seq: event for event in told}
    parts = {name: Part(name) for name in PATTERN}
    found: dict[Place, list[Part]] = {}
    moves: list[Move] = []
    places: dict[int | None, Place] = {}

    def at(place: Place) -> list[Part]:
        """The part, and what is meant in it."""
        if place not in found:
            name, within = place
            part = parts.setdefault(name, Part(name))
            inner = [part.inside.setdefault(within, Part(within))] if within else []
            found[place] = [part, *inner]
        return found[place]

    for step in steps(told):
        event = by_seq[step.seq]
        target = step.target, _within(event, step.target)
        is_answer = step.kind is Kind.ANSWER
        if is_answer:
            source = step.source, _within(event, step.source)
        else:
            source = places.get(step.parent, ("", ""))
            if source[0] != step.source:
                source = step.source, ""
        places[step.seq] = target
        builds = (
            step.source == NOTEBOOK and event.kind == "aws.call" and event["operation"] not in _USES
        )
        if builds and step.target not in parts:
            continue
        here = at(source if is_answer else target)
        if not builds and _is_move(step):
            moves.append(Move(step, source, target))
            for one in at(source):
                one.sent += 1
            for one in at(target):
                one.calls += 1
            for one in at(source) + at(target):
                if one.name in _OUTSIDE:
                    one.at.append(step)
        for one in here:
            if one.name not in _OUTSIDE:
                one.at.append(step)
            one.errors += step.failed
            if event.kind == "function.invoked":
                one.cold += bool(event["cold"])
            elif event.kind == "execution.started":
                one.running += 1
            elif event.kind == "execution.ended":
                one.running -= 1
    parts[WEBSOCKET_API].open = len(open_connections(told))
    return System(parts, moves)


def last(events: Iterable[Event], part: str) -> Table:
    """The last events at a part of the system.

    Args:
        events: of a log, in its order.
        part: a service as the map calls it, or the name of a function, a table or a state machine.

    Raises:
        LabError: there is no such part; the error lists those that there are.
    """
    found = system(events).named(part)
    shown = found.at[-NEWEST:]
    left_out = len(found.at) - len(shown)
    rows = [
        (
            f"{(step.time - shown[0].time) * 1000:,.1f} ms",
            f"{Status.FAILED.mark} {step.sentence}" if step.failed else step.sentence,
            step.measured,
        )
        for step in shown
    ]
    more = f" (the newest {NEWEST} of {len(found.at):,})" if left_out else ""
    caption = f"What happened at {part}{more}"
    lines = [f"{caption}: {', '.join(found.counters)}"]
    lines += [f"  {row[1]}" for row in rows] or ["  Nothing yet."]
    return Table(caption, ("After", "What", "Measured"), rows, "\n".join(lines))


def _is_move(step: Step) -> bool:
    """Whether a step goes from part to part; an answer does only if it goes to the client."""
    return step.source != step.target and (step.kind is not Kind.ANSWER or step.target == CLIENT)


def _within(event: Event, part: str) -> str:
    """The function, the table or the state machine that an event is at, or empty."""
    match part:
        case "Lambda":
            return str(event.get("function") or "")
        case "DynamoDB":
            return str(event.get("table") or "").rpartition("/")[2]  # it may be an ARN
        case "Step Functions":
            arn = str(event.get("execution") or "")
            return str(event.get("machine") or (arn.split(":")[6] if arn else ""))
    return ""


def _of(name: str, step: Step) -> str:
    """What a step says, without the name of what it is said of; short, and with a mark if it failed."""
    what = step.what.removeprefix(f"{name} ").replace(f" on {name}", "")
    if not step.failed:
        return what
    call, failed, status = what.rpartition(" failed with ")
    return f"{call} {Status.FAILED.mark} {status}" if failed else f"{Status.FAILED.mark} {what}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
