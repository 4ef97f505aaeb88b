"""The event log: what happens in the cloud, in order, in one thread-safe place.

The cloud writes; views, checks, traces, tests and benchmarks only read.  Each event has a sequence
number, a time, a kind, the trace it belongs to, the event that caused it, and plain JSON data.

Kinds and what their data holds (all sizes in bytes, all durations in milliseconds):

======================  ===========================================================================
``aws.call``            ``service``, ``operation``, ``status``; ``table``, ``key`` and ``ttl`` (what
                        UpdateTimeToLive asks for) for DynamoDB; ``account`` if it is another than the
                        lab's own
``item.changed``        ``table``, ``key``; ``item``: all its attributes after that as DynamoDB JSON
                        (shortened), ``None`` if it is gone; ``account`` as for ``aws.call``
``http.request``        ``api``, ``stage``, ``method``, ``path``, ``route``
``http.response``       ``api``, ``status``, ``durationMs``; ``error`` if the gateway answers by itself
``handshake.request``   ``api``, ``stage``, ``connection``
``handshake.refused``   ``api``, ``stage``, ``connection``, ``status``, ``reason``
``connection.opened``   ``api``, ``stage``, ``connection``
``frame.in``            ``connection``, ``size``, ``body`` (shortened)
``route.selected``      ``connection``, ``route``
``message.handled``     ``connection``: nothing more will come of the message
``frame.out``           ``connection``, ``size``, ``body`` (shortened)
``connection.closed``   ``connection``, ``code``, ``reason``
``disconnect.handled``  ``connection``: ``$disconnect`` has run, if there is one
``function.started``    ``function``, ``pid``: a new process, which makes the next invocation cold
``function.invoked``    ``function``, ``request``, ``cold``
``function.log``        ``function``, ``request``, ``line``
``function.returned``   ``function``, ``request``, ``durationMs``, ``initMs``, ``error``
``function.ended``      ``function``, ``pid``, ``reason``: the process is gone
``execution.started``   ``execution`` (ARN), ``name``, ``machine``
``state.entered``       ``execution``, ``state``, ``type``, ``input``; ``iteration``, from 0, in a Map state
``state.exited``        ``execution``, ``state``, ``output``
``task.failed``         ``execution``, ``state``, ``error``, ``cause``
``state.retried``       ``execution``, ``state``, ``attempt`` (2 is the first retry), ``error``, ``cause``:
                        a Retry took the error, has waited, and the attempt begins
``state.caught``        ``execution``, ``state``, ``error``, ``cause``: a Catch took the error
``map.started``         ``execution``, ``state``, ``length``: how many items there are; 0 if they are
                        still to be read
``iteration.ended``     ``execution``, ``state`` (the Map state's), ``index``, ``status``
``execution.ended``     ``execution``, ``status``, ``error``
``fault.applied``       ``fault``, ``step``, ``action``
``cloud.warning``       ``message``: something is used that the local cloud does not emulate
``cloud.error``         ``message``, ``detail``: the cloud itself is at fault
======================  ===========================================================================
"""

from __future__ import annotations

import json
import marshal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.trace import Trace

BODY_SHOWN = 2_000
"""Characters of a message's body that the log keeps."""

ITEM_SHOWN = 2_000
"""Bytes of an item, about, that the log keeps as they are; of a larger one it keeps less."""

VALUE_SHOWN = 100
"""Characters that it keeps of a string in a larger one."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        seq: position in the log, from 1.
        time: seconds since the epoch; never runs backwards within one log.
        kind: one of the kinds in the module's table.
        trace: X-Ray root of the trace it belongs to, or ``None``.
        cause: ``seq`` of the event that caused this one, or ``None``.
        data: JSON data, by kind.
    """

    seq: int
    time: float
    kind: str
    trace: str | None
    cause: int | None
    data: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def get(self, name: str, default: Any = None) -> Any:
        """A member of the data, or the default."""
        return self.data.get(name, default)

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON data; :meth:`from_dict` reads it."""
        return {
            "seq": self.seq,
            "time": self.time,
            "kind": self.kind,
            "trace": self.trace,
            "cause": self.cause,
            "data": self.data,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Event:
        """The event that :meth:`to_dict` wrote."""
        return cls(
            record["seq"],
            record["time"],
            record["kind"],
            record["trace"],
            record["cause"],
            record["data"],
        )


class EventLog:
    """An append-only log that any thread may write to and read from.

    Args:
        capacity: how many events are kept; the oldest go first.
    """

    def __init__(self, capacity: int = 200_000) -> None:
        self._events: deque[Event] = deque(maxlen=capacity)
        self._last = 0
        self._changed = threading.Condition()
        self._waiting = 0
        self._subscribers: tuple[Callable[[Event], None], ...] = ()
        self._epoch = time.time() - time.perf_counter()

    def append(self, kind: str, trace: Trace | None = None, **data: Any) -> Event:
        """Write an event.

        Args:
            kind: see the module's table.
            trace: the trace it belongs to, with the event that caused it.
            data: JSON data.

        Returns:
            The event; pass ``trace.after(event.seq)`` on to what it causes.
        """
        root, cause = (trace.root, trace.cause) if trace else (None, None)
        with self._changed:
            self._last += 1
            now = self._epoch + time.perf_counter()
            event = Event(self._last, now, kind, root, cause, data)
            self._events.append(event)
            if self._waiting:
                self._changed.notify_all()
        for tell in self._subscribers:
            tell(event)
        return event

    def restore(self, events: Iterable[Event]) -> None:
        """Append events that another log gave out, as they are (attached labs, saved logs)."""
        for event in events:
            with self._changed:
                self._last = max(self._last, event.seq)
                self._events.append(event)
                if self._waiting:
                    self._changed.notify_all()
            for tell in self._subscribers:
                tell(event)

    @property
    def last(self) -> int:
        """The sequence number of the newest event; 0 in an empty log."""
        return self._last

    def after(self, seq: int = 0) -> list[Event]:
        """All events that are kept and newer than ``seq``, oldest first."""
        with self._changed:
            newer: list[Event] = []
            for event in reversed(self._events):
                if event.seq <= seq:
                    break
                newer.append(event)
        newer.reverse()
        return newer

    def __iter__(self) -> Iterator[Event]:
        return iter(self.after(0))

    def __len__(self) -> int:
        return len(self._events)

    def wait(
        self, condition: Callable[[Event], bool], *, after: int = 0, timeout: float = 10.0
    ) -> Event:
        """The first event newer than ``after`` that meets the condition, waiting for it if need be.

        Args:
            condition: called with each event, in order.
            after: begin behind this sequence number.
            timeout: seconds to wait at most.

        Raises:
            TimeoutError: no such event came in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            seen = after
            for event in self.after(after):
                if condition(event):
                    return event
                seen = event.seq
            after = seen
            with self._changed:
                if self._last > after:
                    continue
                remaining = deadline - time.monotonic()
                self._waiting += 1
                try:
                    if remaining <= 0 or not self._changed.wait(remaining):
                        raise TimeoutError(f"no such event within {timeout:g} s")
                finally:
                    self._waiting -= 1

    def subscribe(self, tell: Callable[[Event], None]) -> Callable[[], None]:
        """Have ``tell`` called with every new event, in the thread that writes it.

        ``tell`` must return at once and must not raise.

        Returns:
            A function that ends the subscription.
        """
        self._subscribers = (*self._subscribers, tell)

        def end() -> None:
            self._subscribers = tuple(s for s in self._subscribers if s is not tell)

        return end

    def wait_until(self, holds: Callable[[], bool], *, timeout: float = 10.0) -> None:
        """Wait until something holds; it is looked at again whenever something was written.

        Args:
            holds: says whether it does.
            timeout: seconds to wait at most.

        Raises:
            TimeoutError: it did not in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            seen = self.last
            if holds():
                return
            left = max(0.0, deadline - time.monotonic())
            self.wait(lambda _: True, after=seen, timeout=left)

    def of(self, execution: str) -> list[Event]:
        """All events that belong to an execution, oldest first.

        Args:
            execution: an execution's ARN or its name.

        Returns:
            The events of every trace in which the execution takes part or its item is read or
            written by key, and of every trace of a connection that was sent something in one of
            these (its handshake, its messages).
        """
        events = self.after(0)
        name = execution.rsplit(":", 1)[-1]
        traces = {e.trace for e in events if e.trace and name in executions(e)}
        connections = {
            e.data["connection"] for e in events if e.kind == "frame.out" and e.trace in traces
        }
        joined = {e.trace for e in events if e.data.get("connection") in connections}
        return [
            e
            for e in events
            if e.trace in traces
            or (e.trace and e.trace in joined)
            or e.data.get("connection") in connections
        ]

    def save(self, path: Path) -> None:
        """Write the log to a file, one JSON object a line; :meth:`load` reads it."""
        path.write_text("".join(json.dumps(e.to_dict()) + "\n" for e in self), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> EventLog:
        """The log that :meth:`save` wrote."""
        log = cls()
        lines = path.read_text(encoding="utf-8").splitlines()
        log.restore(Event.from_dict(json.loads(line)) for line in lines)
        return log


def executions(event: Event) -> list[str]:
    """The names of executions that an event speaks of: its own, or a value of an item's key."""
    names = [str(event.data.get("execution", "")).rsplit(":", 1)[-1]]
    for value in (event.data.get("key") or {}).values():
        names += [text for text in value.values() if isinstance(text, str)]
    return names


def open_connections(events: Iterable[Event]) -> list[str]:
    """The ids of the connections that were opened and not closed, oldest first."""
    there: dict[str, None] = {}
    for event in events:
        if event.kind == "connection.opened":
            there[event["connection"]] = None
        elif event.kind == "connection.closed":
            there.pop(event["connection"], None)
    return list(there)


def shorten(body: str) -> str:
    """A message's body as the log keeps it."""
    return body if len(body) <= BODY_SHOWN else body[:BODY_SHOWN] + "…"


def item_copy(item: dict[str, Any]) -> dict[str, Any]:
    """An item as the log keeps it; nothing that changes the item later changes the copy.

    Args:
        item: its attributes as DynamoDB JSON.

    Returns:
        All of it if that is no more than :data:`ITEM_SHOWN` bytes.  Of a larger one strings are cut,
        and lists, sets and maps hold no more than fits; ``…`` stands for what is left out.
    """
    # Every write pays for this, and nothing in the standard library copies plain data faster.
    data = marshal.dumps(item)
    if len(data) > ITEM_SHOWN:
        return _cut_item(item)
    copied: dict[str, Any] = marshal.loads(data)
    return copied


def _cut_item(item: Mapping[str, Any]) -> dict[str, Any]:
    room = ITEM_SHOWN

    def cut(value: Mapping[str, Any]) -> dict[str, Any]:
        nonlocal room
        kind, content = next(iter(value.items()))
        room -= 10  # the braces, the quotes and the type
        if isinstance(content, str):
            most = VALUE_SHOWN if room > 0 else 0
            room -= min(len(content), most)
            return {kind: content if len(content) <= most else content[:most] + "…"}
        if isinstance(content, list):
            kept: list[Any] = []
            for one in content:
                if room <= 0:
                    kept.append({"S": "…"} if kind == "L" else "…")
                    break
                kept.append(cut(one) if kind == "L" else cut({"S": one})["S"])
            return {kind: kept}
        if isinstance(content, dict):
            members: dict[str, Any] = {}
            for name, one in content.items():
                room -= len(name)
                if room <= 0:
                    members["…"] = {"S": "…"}
                    break
                members[name] = cut(one)
            return {kind: members}
        return {kind: content}

    return {name: cut(value) for name, value in item.items()}
