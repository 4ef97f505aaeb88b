"""What has begun in the cloud and not ended, by its log.  No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from labkit.eventlog import Event

_BEGINS = {
    "function.invoked": ("request", "function"),
    "connection.closed": ("connection", "$disconnect"),
    "execution.started": ("execution", "execution"),
}
"""By the kind of event: the member that names what begins, and what that is."""

_ENDS = {
    "function.returned": ("request", "function"),
    "disconnect.handled": ("connection", "$disconnect"),
    "execution.ended": ("execution", "execution"),
}


class Unfinished:
    """Functions that run, messages and closed connections that are not handled, open executions.

    Args:
        events: what has happened so far.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._open: set[tuple[str, str]] = set()
        self._messages: Counter[str] = Counter()
        self.take(events)

    def take(self, events: Iterable[Event]) -> None:
        """Take account of more events.

        Args:
            events: newer ones, in order.
        """
        for event in events:
            match event.kind:
                case "frame.in":
                    self._messages[event["connection"]] += 1
                case "message.handled":
                    self._messages[event["connection"]] -= 1
                case kind if kind in _BEGINS:
                    member, what = _BEGINS[kind]
                    self._open.add((what, event[member]))
                case kind if kind in _ENDS:
                    member, what = _ENDS[kind]
                    self._open.discard((what, event[member]))

    def __bool__(self) -> bool:
        return bool(self._open) or any(count > 0 for count in self._messages.values())

    def __str__(self) -> str:
        counts = Counter(what for what, _ in self._open)
        counts["message"] = sum(count for count in self._messages.values() if count > 0)
        return ", ".join(f"{count} × {what}" for what, count in sorted(counts.items()) if count)
