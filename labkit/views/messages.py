"""Messages over WebSocket connections, in both directions.  Pure: events in, a view out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from labkit.errors import LabError
from labkit.eventlog import Event
from labkit.steps import steps
from labkit.views import close_codes
from labkit.views.svg import Status, short
from labkit.views.view import LEFT, Page, Table, View, table

SHOWN = 50
"""Rows of a connection that are shown; of more, the newest."""

CONNECTIONS = 10
"""Connections that are shown, if none is named; of more, the newest."""

LINES = 12
"""Lines of a message that are shown."""

LETTERS = 100
"""Letters of one of its lines that are shown."""

IN = "→ to the API"
OUT = "← to the client"

_PRE = (
    'style="margin: 0; white-space: pre-wrap; text-align: left; background: none; color: inherit"'
)

_ERRORS = {
    "Forbidden": (
        "API Gateway found no route for the message: no route has its key, and there is no $default."
    ),
    "Internal server error": (
        "The integration of the route failed: the function raised an error, gave an answer that API "
        "Gateway cannot use, or has no permission for this API. Its log says more, or a warning in "
        'lab.show.last("WebSocket API"); the connection stays open.'
    ),
    "Endpoint request timed out": (
        "The integration took longer than API Gateway waits, 29 seconds at most. The function goes on; "
        "what it returns reaches nobody."
    ),
    "Too Many Requests": (
        "The message came while the rate and the burst of the stage or the route were used up."
    ),
    "Bad request body": "The message does not fit the model that the route asks for.",
}
"""What API Gateway sends to a client by itself, by its ``message``; and why.

Source: "Set up WebSocket API routes and integrations", "Data mapping" and "Throttling" in the Amazon API
Gateway developer guide.
"""

_REFUSED = {
    400: "the request was malformed, or the function of $connect said so",
    401: "the authorizer got nothing to know the client by, or the function of $connect said so",
    403: "the authorizer or the function of $connect denied it, or there is no such stage",
    429: "too many connections were opened at once",
    500: "the integration of $connect or the authorizer failed",
    502: "the function of $connect raised an error or answered out of form",
    504: "the integration of $connect took too long",
}
"""What a status in the place of a WebSocket says."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row.

    Attributes:
        after: milliseconds since the connection's first.
        what: direction or occasion, with its mark.
        gist: what it is in a few words that are the same in each run.
        size: in bytes, or ``None`` for what is no message.
        route: of a message from the client, or empty.
        content: the message itself, over several lines; or empty.
        why: an explanation; or empty.
    """

    after: float
    what: str
    gist: str
    size: int | None = None
    route: str = ""
    content: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Conversation(View):
    """What passed over one connection.

    Attributes:
        connection: its id.
        number: the how many-th of the log it is, from 1; in the twin it stands for the id.
        entries: the newest :data:`SHOWN`, oldest first.
        left_out: how many came before these.
    """

    connection: str
    number: int
    entries: Sequence[Entry]
    left_out: int = 0

    @property
    def text(self) -> str:
        """The twin: without times, ids and contents, which differ from run to run."""
        lines = [self._caption(f"connection {self.number}")]
        for one in self.entries:
            route = f" (route {one.route})" if one.route else ""
            lines.append(f"  {one.what}: {one.gist}{route}" if one.gist else f"  {one.what}")
            lines += [f"    {one.why}"] if one.why else []
        return "\n".join(lines)

    @property
    def html(self) -> str:
        """A table with a row for each message."""
        rows = []
        for one in self.entries:
            size = "" if one.size is None else f"{one.size:,} bytes"
            cells = [f"{one.after:,.1f} ms", one.what, size, one.route]
            said = f"<pre {_PRE}>{escape(one.content)}</pre>" if one.content else escape(one.gist)
            said += f"<div>{escape(one.why)}</div>" if one.why else ""
            plain = "".join(f"<td {LEFT}>{escape(cell)}</td>" for cell in cells)
            rows.append(f"<tr>{plain}<td {LEFT}>{said}</td></tr>")
        body = "<tbody>\n" + "\n".join(rows) + "\n</tbody>"
        caption = self._caption(f"connection {self.connection}")
        return table(caption, ("After", "Direction", "Size", "Route", "Content"), body)

    def _caption(self, who: str) -> str:
        more = f" (the newest {SHOWN}; {self.left_out:,} are left out)" if self.left_out else ""
        return f"Messages of {who}{more}"


def messages(events: Iterable[Event], connection: str | None = None) -> Page:
    """Messages in both directions, and how a connection began and ended.

    Args:
        events: of a log, in its order.
        connection: a connection's id; the newest of all if none.

    Raises:
        LabError: there is no such connection; the error lists those that there are.
    """
    told = [event for event in events if "connection" in event.data]
    routes = {e.cause: str(e["route"]) for e in told if e.kind == "route.selected"}
    of: dict[str, list[Event]] = {}
    for event in told:
        if event.kind in _KINDS:
            of.setdefault(event["connection"], []).append(event)
    if connection is not None and connection not in of:
        known = ", ".join(repr(one) for one in of) or "none yet"
        raise LabError(f"There is no connection {connection!r}. Connections: {known}.")
    numbers = {one: number for number, one in enumerate(of, 1)}
    shown = [connection] if connection is not None else list(of)[-CONNECTIONS:]
    parts: list[View] = [
        Conversation(
            one,
            numbers[one],
            [_entry(e, of[one][0], routes) for e in of[one][-SHOWN:]],
            max(len(of[one]) - SHOWN, 0),
        )
        for one in shown
    ]
    if not parts:
        parts = [_said("No connection has been asked for yet.")]
    elif len(of) > len(shown) and connection is None:
        parts.insert(0, _said(f"The newest {CONNECTIONS} of {len(of):,} connections."))
    return Page.of(parts)


def _said(sentence: str) -> Table:
    return Table("Messages", (), (), f"Messages: {sentence}", sentence)


_KINDS = frozenset(
    {
        "handshake.request",
        "handshake.refused",
        "connection.opened",
        "frame.in",
        "frame.out",
        "connection.closed",
    }
)


def _entry(event: Event, first: Event, routes: dict[int | None, str]) -> Entry:
    after = (event.time - first.time) * 1000
    data = event.data
    match event.kind:
        case "frame.in" | "frame.out":
            message = _decoded(data["body"])
            (step,) = steps([event])
            out = event.kind == "frame.out"
            wrong = _error(message) if out else ""
            what = (f"{Status.FAILED.mark} " if wrong else "") + (OUT if out else IN)
            route = "" if out else routes.get(event.seq, "")
            content = _pretty(message, data["body"])
            gist = f"error {message['message']}" if wrong else step.what
            return Entry(after, what, gist, data["size"], route, content, wrong)
        case "connection.closed":
            code, reason = data["code"], data["reason"]
            said = f"{code} {close_codes.name(code)}" + (f", {reason!r}" if reason else "")
            why = close_codes.meaning(code, reason)
            return Entry(after, f"{Status.DONE.mark} closed", said, why=why)
        case "handshake.refused":
            status = data["status"]
            why = _REFUSED.get(status, "")
            said = f"{status}" + (f": {data['reason']}" if data["reason"] else "")
            why = f"With {status}: {why}." if why else ""
            return Entry(after, f"{Status.FAILED.mark} handshake refused", said, why=why)
        case "connection.opened":
            return Entry(after, f"{Status.DONE.mark} open", f"stage {data['stage']}")
    return Entry(after, f"{Status.OPEN.mark} handshake", f"stage {data['stage']}")


def _decoded(body: str) -> Any:
    """A message's JSON; ``None`` if it is none, or was too long for the log."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def _error(message: Any) -> str:
    """Why API Gateway sent a message by itself; empty if it did not."""
    if not isinstance(message, dict) or "connectionId" not in message:
        return ""
    if not {"requestId", "messageId"} & message.keys():
        return ""
    return _ERRORS.get(str(message.get("message")), "")


def _pretty(message: Any, body: str) -> str:
    if isinstance(message, dict | list):
        body = json.dumps(message, indent=2, ensure_ascii=False)
    lines = body.splitlines() or [""]
    cut = [short(line, LETTERS) for line in lines[:LINES]]
    more = len(lines) - LINES
    return "\n".join([*cut, *([f"… and {more} lines more"] if more > 0 else [])])
