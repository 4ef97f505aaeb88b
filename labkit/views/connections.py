"""The connections that are open, and those that were.  Pure: events and the time in, tables out."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from labkit.eventlog import Event, executions
from labkit.steps import steps
from labkit.views import close_codes
from labkit.views.view import Page, Table

SHOWN = 50
"""Rows of each table, at most; of more, the newest."""


@dataclass(slots=True)
class Connection:
    """One connection, or an attempt at one.

    Attributes:
        id: its id.
        stage: of the API that it was made to.
        asked: when the handshake came, in seconds since the epoch.
        opened: when it was open; ``None`` if it never was.
        ended: when it was over, or ``None``.
        code: of the close frame, or the status of the refusal.
        reason: the text of either.
        route: the one that its last message took, or empty.
        frame: the event of the last message, or ``None``.
        orders: the executions in whose traces it takes part.
    """

    id: str
    stage: str = ""
    asked: float = 0.0
    opened: float | None = None
    ended: float | None = None
    code: int = 0
    reason: str = ""
    route: str = ""
    frame: Event | None = None
    orders: list[str] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it is."""
        return self.opened is not None and self.ended is None

    @property
    def message(self) -> str:
        """The last message in a few words, with its way; empty if there was none."""
        if self.frame is None:
            return ""
        way = "→ from the client" if self.frame.kind == "frame.in" else "← to the client"
        return f"{way}: {steps([self.frame])[0].what}"


def connections(events: Iterable[Event], now: float) -> Page:
    """The connections that are open first, then those that have ended.

    Args:
        events: of a log, in its order.
        now: seconds since the epoch.
    """
    found = _found(list(events))
    live = [one for one in found if one.is_open]
    over = [one for one in found if one.ended is not None]
    rows = [
        (
            one.id,
            one.stage,
            _clock(one.opened or one.asked),
            _span(now - (one.opened or one.asked)),
            one.route or "none yet",
            _last(one, now),
            _orders(one),
        )
        for one in live[-SHOWN:]
    ]
    ended = [
        (
            one.id,
            one.stage,
            _span((one.ended or 0) - one.opened) if one.opened is not None else "never open",
            _how(one),
            _why(one),
            one.route or "none",
            _orders(one),
        )
        for one in over[-SHOWN:]
    ]
    open_columns = (
        "Connection", "Stage", "Since", "For", "Last route", "Last message", "Order",
    )  # fmt: skip
    ended_columns = (
        "Connection", "Stage", "Was open", "Ended with", "Which means", "Last route", "Order",
    )  # fmt: skip
    caption = _caption("open connection", live)
    was = _caption("ended connection", over)
    return Page.of(
        [
            Table(
                caption, open_columns, rows, _twin(caption, live), "No connection is open.", True
            ),
            Table(was, ended_columns, ended, _twin(was, over), "None has ended.", True),
        ]
    )


def _found(events: Sequence[Event]) -> list[Connection]:
    """The connections of a log in the order of their handshakes."""
    by_id: dict[str, Connection] = {}
    traces: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if "connection" not in event.data or event.kind == "aws.call":
            continue
        one = by_id.setdefault(event["connection"], Connection(event["connection"]))
        one.asked = one.asked or event.time
        if event.trace:
            traces[one.id].add(event.trace)
        match event.kind:
            case "handshake.request":
                one.stage = event["stage"]
            case "handshake.refused":
                one.ended, one.code, one.reason = event.time, event["status"], event["reason"]
            case "connection.opened":
                one.opened, one.stage = event.time, event["stage"]
            case "connection.closed":
                one.ended, one.code, one.reason = event.time, event["code"], event["reason"]
            case "route.selected":
                one.route = event["route"]
            case "frame.in" | "frame.out":
                one.frame = event
            case _:
                pass
    orders = _executions(events)
    for one in by_id.values():
        names = [name for trace in sorted(traces[one.id]) for name in orders[trace]]
        one.orders = list(dict.fromkeys(names))
    return list(by_id.values())


def _executions(events: Sequence[Event]) -> dict[str, list[str]]:
    """The names of the executions that take part in a trace or whose items are touched in it."""
    names = {str(event["name"]) for event in events if event.kind == "execution.started"}
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for event in events:
        if not event.trace:
            continue
        for name in executions(event):
            if name in names:
                found[event.trace][name] = None
    return defaultdict(list, {trace: list(those) for trace, those in found.items()})


def _last(one: Connection, now: float) -> str:
    if one.frame is None:
        return "none yet"
    return f"{one.message}, {_span(now - one.frame.time)} ago"


def _orders(one: Connection) -> str:
    return ", ".join(one.orders) or "none known"


def _how(one: Connection) -> str:
    if one.opened is None:
        return f"✗ refused: {one.code}"
    return f"{one.code} {close_codes.name(one.code)}" + (f", {one.reason!r}" if one.reason else "")


def _why(one: Connection) -> str:
    return one.reason if one.opened is None else close_codes.meaning(one.code, one.reason)


def _caption(what: str, those: Sequence[Connection]) -> str:
    count = f"{len(those):,} {what}{'' if len(those) == 1 else 's'}"
    return f"{count} (the newest {SHOWN} are shown)" if len(those) > SHOWN else count


def _twin(caption: str, those: Sequence[Connection]) -> str:
    """Without ids and times, which differ from run to run; what an end means is said once, below."""
    lines = [caption]
    for one in those[-SHOWN:]:
        said = [f"stage {one.stage}", f"last route {one.route}" if one.route else "no route"]
        said += [one.message] if one.message else ["no message"]
        said += [_how(one)] if one.ended is not None else []
        lines.append(f"  {'; '.join(said)}")
    means = {_how(one): _why(one) for one in those[-SHOWN:] if one.ended and one.opened}
    return "\n".join(lines + [f"  {how}: {why}" for how, why in means.items()])


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S UTC", time.gmtime(moment))


def _span(seconds: float) -> str:
    """A length of time in words, as exact as one wants to know it."""
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
