"""What happened, reduced to steps: who did what to whom.  Pure: events in, steps out.

Everything that tells a story of the log reads it through here (:mod:`labkit.timeline` in words,
:mod:`labkit.views.sequence` as a picture), so that all of them tell the same one.

The log notes a call when it is answered, and what the call set off comes before it.  A reader
expects the call first, so three calls move to their effect: ``StartExecution`` and ``Invoke`` become
the start itself, and ``PostToConnection`` goes in front of the frame that it sent.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from labkit.eventlog import Event

CLIENT = "Client"
NOTEBOOK = "Notebook"
HTTP_API = "HTTP API"
WEBSOCKET_API = "WebSocket API"
LAMBDA = "Lambda"
STEP_FUNCTIONS = "Step Functions"
DYNAMODB = "DynamoDB"

_SERVICES = {
    "apigateway": "API Gateway",
    "apigatewaymanagementapi": WEBSOCKET_API,
    "dynamodb": DYNAMODB,
    "lambda": LAMBDA,
    "secretsmanager": "Secrets Manager",
    "states": STEP_FUNCTIONS,
}
"""Who answers a call, by the service's name in the log; any other service is called as it is there."""

_STRUCK = {
    "function.invoke": LAMBDA,
    "http.request": HTTP_API,
    "state.enter": STEP_FUNCTIONS,
    "state.wait": STEP_FUNCTIONS,
}
"""Where a fault strikes, by its step; calls name their service, and all else is the WebSocket API."""

_QUIET = frozenset(
    {
        "DescribeStateMachine",
        "DescribeStateMachineForExecution",
        "GetLogEvents",
        "ListStateMachines",
        "ListTables",
    }
)
"""Calls that a reader can do without: most of them are made to show something."""


class Kind(StrEnum):
    """What sort of step it is."""

    CALL = "call"
    ANSWER = "answer"
    MESSAGE = "message"
    STATE = "state"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        seq: the sequence number, in the log, of the event that it is made of.
        time: seconds since the epoch.
        kind: a call, its answer, a message over a WebSocket, a state, or something to note.
        source: who acts.
        target: on whom; the same as ``source`` for what happens at one place.
        what: the step in words that are the same in each run.
        measured: what differs from run to run: an id, a duration, a cold start; may be empty.
        parent: ``seq`` of the step in which this one happens, or ``None``.
        failed: whether it is an error.
    """

    seq: int
    time: float
    kind: Kind
    source: str
    target: str
    what: str
    measured: str = ""
    parent: int | None = None
    failed: bool = False

    @property
    def sentence(self) -> str:
        """Who does what to whom, without what differs from run to run."""
        who = self.source if self.source == self.target else f"{self.source} → {self.target}"
        return f"{who}: {'state ' if self.kind is Kind.STATE else ''}{self.what}"


def steps(events: Iterable[Event]) -> list[Step]:
    """The steps of a story.

    Args:
        events: some of a log's events in its order, as :meth:`labkit.eventlog.EventLog.of` gives
            those of one execution.

    Returns:
        The steps in the order of time.
    """
    told = list(events)
    moved = _moved(told)
    calls = {event.seq for event, _ in moved}
    posts = {effect.seq: call for call, effect in moved if effect.kind == "frame.out"}
    story: dict[int, Step] = {}
    # The step in which an event's own effects happen.
    within: dict[int, int | None] = {}
    for event in told:
        if event.seq in calls:
            within[event.seq] = _parent(event, within)
            continue
        if post := posts.get(event.seq):
            step = _step(post, _parent(event, within), story, event.time)
            story[post.seq] = step
            story[event.seq] = _step(event, post.seq, story)
            within[event.seq] = event.seq
            continue
        parent = _parent(event, within)
        if event.kind == "state.exited":
            # What follows a state follows beside it, not inside it.
            state = story.get(parent) if parent is not None else None
            within[event.seq] = state.parent if state else None
        elif _tells(event):
            story[event.seq] = _step(event, parent, story)
            within[event.seq] = event.seq
        else:
            within[event.seq] = parent
    return list(story.values())


def nested(story: Sequence[Step]) -> Iterator[tuple[int, Step]]:
    """The steps by cause instead of by time: each one is followed by those that happen in it.

    Branches that run at the same time interleave differently in each run; in this order they do not.

    Returns:
        Pairs of a depth, from 0, and a step.
    """
    known = {step.seq for step in story}
    children: dict[int | None, list[Step]] = defaultdict(list)
    for step in story:
        children[step.parent if step.parent in known else None].append(step)
    waiting = [(0, step) for step in reversed(children[None])]
    while waiting:
        depth, step = waiting.pop()
        yield depth, step
        waiting.extend((depth + 1, child) for child in reversed(children[step.seq]))


def _moved(events: Sequence[Event]) -> list[tuple[Event, Event]]:
    """Calls that are told where their effect is: pairs of the call and the effect before it."""
    effects: dict[tuple[object, ...], list[Event]] = defaultdict(list)
    pairs = []
    for event in events:
        match event.kind:
            case "execution.started":
                effects["StartExecution", event.cause].append(event)
            case "function.invoked":
                effects["Invoke", event.cause].append(event)
            case "frame.out":
                effects["PostToConnection", event.cause, event["connection"]].append(event)
            case "aws.call" if event["status"] < 400:
                key: tuple[object, ...] = (event["operation"], event.cause)
                if "connection" in event.data:
                    key += (event["connection"],)
                if effects[key]:
                    pairs.append((event, effects[key].pop(0)))
    return pairs


def _parent(event: Event, within: dict[int, int | None]) -> int | None:
    return within.get(event.cause) if event.cause is not None else None


def _tells(event: Event) -> bool:
    """Whether an event is a step, rather than a detail of one."""
    if event.kind == "aws.call":
        return event["operation"] not in _QUIET
    return event.kind in _TOLD


_TOLD = frozenset(
    {
        "http.request",
        "http.response",
        "handshake.request",
        "handshake.refused",
        "connection.opened",
        "connection.closed",
        "frame.in",
        "frame.out",
        "route.selected",
        "function.invoked",
        "function.returned",
        "execution.started",
        "state.entered",
        "task.failed",
        "execution.ended",
        "fault.applied",
        "cloud.warning",
    }
)


def _step(
    event: Event, parent: int | None, story: dict[int, Step], time: float | None = None
) -> Step:
    cause = story.get(parent) if parent is not None else None
    kind, source, target, what, measured, failed = _meaning(event, cause)
    moment = event.time if time is None else time
    return Step(event.seq, moment, kind, source, target, what, measured, parent, failed)


def _meaning(event: Event, cause: Step | None) -> tuple[Kind, str, str, str, str, bool]:
    """What an event says: its kind, who, on whom, what, what was measured, and whether it failed."""
    data = event.data
    caller = cause.target if cause else NOTEBOOK
    match event.kind:
        case "http.request":
            return Kind.CALL, CLIENT, HTTP_API, f"{data['method']} {data['path']}", "", False
        case "http.response":
            status = data["status"]
            return Kind.ANSWER, HTTP_API, CLIENT, str(status), "", status >= 400
        case "handshake.request":
            return Kind.CALL, CLIENT, WEBSOCKET_API, "handshake", "", False
        case "handshake.refused":
            refused = f"refused with {data['status']}"
            return Kind.ANSWER, WEBSOCKET_API, CLIENT, refused, "", True
        case "connection.opened":
            connection = data["connection"]
            return Kind.ANSWER, WEBSOCKET_API, CLIENT, "connection is open", connection, False
        case "connection.closed":
            closed = f"connection closed: {data['code']} {data['reason']}".rstrip()
            return Kind.NOTE, WEBSOCKET_API, WEBSOCKET_API, closed, "", False
        case "frame.in":
            gist, body = _gist(data["body"], data["size"]), _start(data["body"])
            return Kind.MESSAGE, CLIENT, WEBSOCKET_API, gist, body, False
        case "frame.out":
            gist, body = _gist(data["body"], data["size"]), _start(data["body"])
            return Kind.MESSAGE, WEBSOCKET_API, CLIENT, gist, body, False
        case "route.selected":
            return Kind.NOTE, WEBSOCKET_API, WEBSOCKET_API, f"route {data['route']}", "", False
        case "function.invoked":
            cold = "cold" if data["cold"] else ""
            return Kind.CALL, caller, LAMBDA, f"{data['function']} runs", cold, False
        case "function.returned":
            back = cause.source if cause else NOTEBOOK
            done = f"failed: {data['error']}" if data.get("error") else "is done"
            took = f"{data['durationMs']:.1f} ms"
            failed = bool(data.get("error"))
            return Kind.ANSWER, LAMBDA, back, f"{data['function']} {done}", took, failed
        case "aws.call":
            table = f" on {data['table']}" if data.get("table") else ""
            failed = data["status"] >= 400
            status = f" failed with {data['status']}" if failed else ""
            service = _SERVICES.get(data["service"], data["service"])
            return Kind.CALL, caller, service, f"{data['operation']}{table}{status}", "", failed
        case "execution.started":
            return Kind.CALL, caller, STEP_FUNCTIONS, "StartExecution", data["name"], False
        case "state.entered":
            return Kind.STATE, STEP_FUNCTIONS, STEP_FUNCTIONS, data["state"], "", False
        case "task.failed":
            failure = f"state {data['state']} failed: {data['error']}"
            return Kind.NOTE, STEP_FUNCTIONS, STEP_FUNCTIONS, failure, "", True
        case "execution.ended":
            status = data["status"]
            ended = f"execution {status}"
            return Kind.NOTE, STEP_FUNCTIONS, STEP_FUNCTIONS, ended, "", status != "SUCCEEDED"
        case "fault.applied":
            where = _struck(event)
            return Kind.NOTE, where, where, f"fault: {data['action']} at {data['step']}", "", False
        case "cloud.warning":
            return Kind.NOTE, caller, caller, "warning", str(data["message"]), False
        case other:
            raise AssertionError(f"{other} is in _TOLD, and nothing here says what it means")


def _struck(fault: Event) -> str:
    if fault["step"] == "aws.call":
        return _SERVICES.get(fault["service"], str(fault["service"]))
    return _STRUCK.get(fault["step"], WEBSOCKET_API)


def _gist(body: str, size: int) -> str:
    """A message in a word or two: what it calls its action or its type, else its size."""
    try:
        message = json.loads(body)
    except ValueError:
        message = None
    if isinstance(message, dict):
        for name in ("action", "type"):
            if isinstance(message.get(name), str):
                return f"{name} {_start(message[name], 24)}"
    return f"{size} bytes"


def _start(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
