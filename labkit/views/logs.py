"""What a function wrote, by invocation.  Pure: events in, a view out.

Lambda's own ``START``, ``END`` and ``REPORT`` lines say which invocation it was, how long it took and
whether it began with a cold start.  Here the head of each invocation says so, and below it stands what
the function itself wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from labkit.eventlog import Event
from labkit.views.svg import Status
from labkit.views.view import LEFT, STYLE, View, table

SHOWN = 50
"""Invocations that are shown; of more, the newest."""

NOTHING = "(it wrote nothing)"

_FOLDED = re.compile(r"(INIT_START|START RequestId:|END RequestId:|REPORT RequestId:)")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")
_PRE = (
    'style="margin: 0; white-space: pre-wrap; text-align: left; background: none; color: inherit"'
)


@dataclass(slots=True)
class Invocation:
    """One invocation of a function.

    Attributes:
        request: its request id.
        start: seconds since the epoch; ``None`` if a process has started and nothing is invoked yet.
        cold: whether a process was started for it.
        lines: pairs of milliseconds since the start, or ``None`` for what was written before it, and
            a text, which may have several lines.
        duration: in milliseconds; ``None`` while it runs.
        init: milliseconds of its cold start, if they are known.
        error: its error's type, or empty.
    """

    request: str = ""
    start: float | None = None
    cold: bool = False
    lines: list[tuple[float | None, str]] = field(default_factory=list)
    duration: float | None = None
    init: float | None = None
    error: str = ""

    @property
    def status(self) -> Status:
        """How it stands."""
        if self.start is None:
            return Status.OPEN
        if self.duration is None:
            return Status.RUNNING
        return Status.FAILED if self.error else Status.DONE

    @property
    def is_silent(self) -> bool:
        """Whether it is over and wrote nothing."""
        return self.duration is not None and not self.lines

    @property
    def ended(self) -> str:
        """How it stands in words that are the same in each run."""
        word = "starts" if self.start is None else self.status.word
        return f"{self.status.mark} {word}{f': {self.error}' if self.error else ''}"

    @property
    def measured(self) -> list[str]:
        """What differs from run to run."""
        parts = []
        if self.duration is not None:
            parts.append(f"{self.duration:.1f} ms")
        if self.cold:
            init = "" if self.init is None else f", init {self.init:.1f} ms"
            parts.append(f"cold start{init}")
        return [*parts, f"request {self.request}"] if self.request else parts


@dataclass(frozen=True, slots=True, repr=False)
class Logs(View):
    """A function's invocations with what they wrote.

    Attributes:
        function: its name.
        invocations: oldest first.
        others: the functions that have run, for whoever asks for another.
    """

    function: str
    invocations: Sequence[Invocation]
    others: Sequence[str]

    @property
    def text(self) -> str:
        """The twin: without times, ids and cold starts, which differ from run to run."""
        if not self.invocations:
            return self._nothing()
        lines = [self._caption()]
        for number, one in self._numbered():
            lines.append(f"Invocation {number}: {one.ended}")
            for _, text in one.lines:
                said = _TIME.sub("(time)", text)
                said = said.replace(one.request, "(request)") if one.request else said
                lines += [f"    {line}" for line in said.splitlines()]
            if one.is_silent:
                lines.append(f"    {NOTHING}")
        return "\n".join(lines)

    @property
    def html(self) -> str:
        """A table with a group of rows for each invocation."""
        if not self.invocations:
            return f'<div style="{STYLE}"><p>{escape(self._nothing())}</p></div>'
        rows = []
        for number, one in self._numbered():
            head = " · ".join([f"{number}", one.ended, *one.measured])
            rows.append(
                f'<tbody>\n<tr><th colspan="2" scope="rowgroup" {LEFT}>{escape(head)}</th></tr>'
            )
            for after, text in one.lines:
                when = "init" if after is None else f"{after:.1f} ms"
                rows.append(
                    f"<tr><td {LEFT}>{when}</td><td {LEFT}><pre {_PRE}>{escape(text)}</pre></td></tr>"
                )
            if one.is_silent:
                rows.append(f"<tr><td></td><td {LEFT}>{NOTHING}</td></tr>")
            rows.append("</tbody>")
        return table(self._caption(), ("After", "What it wrote"), "\n".join(rows))

    def _numbered(self) -> Iterator[tuple[int, Invocation]]:
        """The invocations that are shown, with their numbers from 1."""
        left_out = max(len(self.invocations) - SHOWN, 0)
        yield from enumerate(self.invocations[left_out:], left_out + 1)

    def _caption(self) -> str:
        left_out = len(self.invocations) - SHOWN
        more = f" (the newest {SHOWN}; {left_out} are left out)" if left_out > 0 else ""
        return f"What {self.function} wrote, by invocation{more}"

    def _nothing(self) -> str:
        known = f" Functions that have: {', '.join(self.others)}." if self.others else ""
        return f"No function {self.function!r} has run yet.{known}"


def logs(events: Iterable[Event], function: str) -> Logs:
    """What a function wrote.

    Args:
        events: of a log, in its order.
        function: its name.
    """
    found: list[Invocation] = []
    by_request: dict[str, Invocation] = {}
    starting: list[tuple[float | None, str]] = []
    others = set()
    for event in events:
        if not event.kind.startswith("function."):
            continue
        others.add(event["function"])
        if event["function"] != function:
            continue
        match event.kind:
            case "function.invoked":
                one = Invocation(event["request"], event.time, event["cold"])
                if one.cold:
                    # What a process writes while it starts belongs to the invocation it starts for.
                    one.lines, starting = starting, []
                found.append(one)
                by_request[event["request"]] = one
            case "function.log" if not _FOLDED.match(event["line"]):
                wrote = by_request.get(event["request"])
                if wrote is not None and wrote.start is not None:
                    wrote.lines.append(((event.time - wrote.start) * 1000, event["line"]))
                else:
                    starting.append((None, event["line"]))
            case "function.returned" if event["request"] in by_request:
                one = by_request[event["request"]]
                one.duration, one.init = event["durationMs"], event["initMs"]
                one.error = event["error"] or ""
            case _:
                pass
    if starting:
        found.append(Invocation(cold=True, lines=starting))
    return Logs(function, found, sorted(others))
