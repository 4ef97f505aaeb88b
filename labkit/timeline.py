"""A readable timeline of one execution, from the event log.  Pure: events in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labkit.eventlog import Event

_QUIET = frozenset({"GetLogEvents", "ListTables"})


def timeline(events: Iterable[Event]) -> str:
    """One line an event: milliseconds since the first one, who, and what.

    Args:
        events: the events of one execution, as :meth:`labkit.eventlog.EventLog.of` gives them.

    Returns:
        Lines, indented by how far an event is from the first cause in its chain.
    """
    told = list(events)
    if not told:
        return "Nothing happened."
    start = told[0].time
    depths: dict[int, int] = {}
    lines = []
    for event in told:
        depths[event.seq] = min(depths[event.cause] + 1, 6) if event.cause in depths else 0
        sentence = "".join(_sentences(event))
        if sentence:
            lines.append(
                f"{(event.time - start) * 1000:8.1f} ms  {'  ' * depths[event.seq]}{sentence}"
            )
    return "\n".join(lines)


def _sentences(event: Event) -> Iterator[str]:
    """What happened, in words; nothing for events that a reader of a timeline can do without."""
    data = event.data
    match event.kind:
        case "http.request":
            yield f"client → HTTP API: {data['method']} {data['path']}"
        case "http.response":
            yield f"HTTP API → client: {data['status']}"
        case "handshake.request":
            yield "client → WebSocket API: handshake"
        case "handshake.refused":
            yield f"WebSocket API → client: refused with {data['status']}"
        case "connection.opened":
            yield f"WebSocket API → client: connection {data['connection']} is open"
        case "connection.closed":
            yield f"connection closed: {data['code']} {data['reason']}".rstrip()
        case "frame.in":
            yield f"client → WebSocket API: {_start(data['body'])}"
        case "frame.out":
            yield f"WebSocket API → client: {_start(data['body'])}"
        case "route.selected":
            yield f"route {data['route']}"
        case "function.invoked":
            yield f"function {data['function']} runs{' (cold)' if data['cold'] else ''}"
        case "function.returned":
            error = f", failed: {data['error']}" if data.get("error") else ""
            yield f"function {data['function']} is done ({data['durationMs']:.1f} ms){error}"
        case "aws.call" if data["operation"] not in _QUIET:
            table = f" on {data['table']}" if data.get("table") else ""
            yield f"{data['service']}: {data['operation']}{table} → {data['status']}"
        case "execution.started":
            yield f"Step Functions: execution {data['name']} begins"
        case "state.entered":
            yield f"state {data['state']}"
        case "task.failed":
            yield f"state {data['state']} failed: {data['error']}"
        case "execution.ended":
            yield f"Step Functions: execution {data['status']}"
        case "fault.applied":
            yield f"fault: {data['action']} at {data['step']}"


def _start(body: str) -> str:
    return body if len(body) <= 60 else body[:59] + "…"
