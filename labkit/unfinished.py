"""What has begun in the cloud and not ended, by its log.  No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from labkit.eventlog import Event

_BEGINS = {
    "frame.in": ("message", "connection"),
    "function.invoked": ("function", "request"),
    "connection.closed": ("$disconnect", "connection"),
    "execution.started": ("execution", "execution"),
}
"""By the kind of event: what begins, and the member that names it."""

_ENDS = {
    "message.handled": _BEGINS["frame.in"],
    "function.returned": _BEGINS["function.invoked"],
    "disconnect.handled": _BEGINS["connection.closed"],
    "execution.ended": _BEGINS["execution.started"],
}


class Unfinished:
    """Functions that run, messages and closed connections that are not handled, open executions.

    Args:
        events: what has happened so far.

    Attributes:
        seen: the sequence number of the newest event that was taken account of.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.seen = 0
        self._open: Counter[tuple[str, str]] = Counter()
        self.take(events)

    def take(self, events: Iterable[Event]) -> None:
        """Take account of more events.

        Args:
            events: newer ones, in order.
        """
        for event in events:
            self.seen = event.seq
            if event.kind in _BEGINS:
                what, member = _BEGINS[event.kind]
                self._open[what, event[member]] += 1
            elif event.kind in _ENDS:
                what, member = _ENDS[event.kind]
                if self._open[what, event[member]] > 1:
                    self._open[what, event[member]] -= 1
                else:
                    del self._open[what, event[member]]

    def __bool__(self) -> bool:
        return bool(self._open)

    def __str__(self) -> str:
        counts: Counter[str] = Counter()
        for (what, _), count in self._open.items():
            counts[what] += count
        return ", ".join(f"{count} × {what}" for what, count in sorted(counts.items()))
