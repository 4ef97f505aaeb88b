"""A DynamoDB table: its items, and what changed last.  Pure: events and the time in, tables out.

The items are those that the log saw being written (``item.changed``); nobody is asked, so looking at a
table reads nothing from it.  As on AWS, an item whose time to live is over is there until DynamoDB gets
to deleting it, which may take days, and the local cloud never does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labkit.errors import LabError
from labkit.eventlog import Event
from labkit.views.svg import Status, short
from labkit.views.view import Page, Table

SHOWN = 50
"""Items that are shown; of more, those that changed last."""

CHANGES = 10
"""Changes that are told, at most."""

COLUMNS = 6
"""Attributes beside the key that have a column of their own, at most; the others share one."""

LETTERS = 40
"""Letters of a value that are shown, at most; a key is shown as a whole."""

HERE = Status.RUNNING.mark
"""Stands before the newest change."""

_MOMENTS = range(1_400_000_000, 2_200_000_000)
"""Numbers that are shown as times too, as seconds since the epoch: from 2014 to 2039."""

Item = Mapping[str, Mapping[str, Any]]
"""Attributes as DynamoDB JSON."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write of an item.

    Attributes:
        key: the item's key.
        time: seconds since the epoch.
        before: the item as it was, or ``None``.
        after: the item as it is now, or ``None``.
    """

    key: Item
    time: float
    before: Item | None
    after: Item | None

    @property
    def names(self) -> list[str]:
        """The attributes whose values are others now."""
        before, after = self.before or {}, self.after or {}
        names = dict.fromkeys([*before, *after])
        return [name for name in names if before.get(name) != after.get(name)]

    @property
    def words(self) -> str:
        """What sort of change it is, and of which attributes."""
        if self.after is None:
            return f"{Status.FAILED.mark} deleted"
        if self.before is None:
            return "new"
        return f"changed: {', '.join(self.names)}" if self.names else "written, nothing changed"

    @property
    def values(self) -> str:
        """Which values went and which came."""
        if self.after is None or self.before is None:
            return ""
        return "; ".join(
            f"{name}: {_or_none(self.before.get(name))} → {_or_none(self.after.get(name))}"
            for name in self.names
        )


@dataclass(slots=True)
class Contents:
    """What a table holds.

    Attributes:
        keys: the names of its key's attributes, the partition key first.
        ttl: the attribute that holds the time to live, or empty.
        items: by the values of their keys, with what was done to each last.
        gone: the one of them that the last change deleted, or ``None``.
        changes: all of them, oldest first.
    """

    keys: list[str] = field(default_factory=list)
    ttl: str = ""
    items: dict[tuple[str, ...], Change] = field(default_factory=dict)
    gone: tuple[str, ...] | None = None
    changes: list[Change] = field(default_factory=list)

    @property
    def attributes(self) -> list[str]:
        """The names of all attributes, those of the key first."""
        names = dict.fromkeys(self.keys)
        for change in self.items.values():
            names |= dict.fromkeys(change.after or change.before or {})
        return list(names)


def items(events: Iterable[Event], table: str, now: float) -> Page:
    """A table's items and its newest changes.

    Args:
        events: of a log, in its order.
        table: its name.
        now: seconds since the epoch.

    Raises:
        LabError: the log has no such table; the error lists those that it has.
    """
    told = list(events)
    found = _contents(told, table)
    rows = list(found.items.values())
    newest = {id(change) for change in sorted(rows, key=lambda change: change.time)[-SHOWN:]}
    shown = [change for change in rows if id(change) in newest]
    last = found.changes[-1] if found.changes else None
    keys, names = found.keys, found.attributes[len(found.keys) :]
    own, rest = names[:COLUMNS], names[COLUMNS:]
    cells = [
        [
            *(_cell(change, name, found.ttl, now) for name in keys),
            f"{HERE} {change.words}" if change is last else change.words,
            *(_cell(change, name, found.ttl, now) for name in own),
            *([_others(change, rest)] if rest else []),
        ]
        for change in shown
    ]
    there = sum(change.after is not None for change in rows)
    caption = _caption(table, there, len(rows) - len(shown), told)
    columns = [
        *(_head(name, found) for name in keys),
        "Last change",
        *(_head(name, found) for name in own),
        *(["Others"] if rest else []),
    ]
    changes = found.changes[-CHANGES:]
    tale = [
        (
            _clock(change.time),
            " / ".join(_plain(value) for value in change.key.values()),
            change.words,
            change.values,
        )
        for change in reversed(changes)
    ]
    return Page.of(
        [
            Table(
                caption, columns, cells, _twin(caption, shown, found.ttl, now), "It is empty.", True
            ),
            Table(
                _many(len(found.changes), "change") + ", newest first",
                ("When", "Item", "What", "From what to what"),
                tale,
                _many(len(found.changes), "change"),
                "Nothing was written yet.",
                True,
            ),
        ]
    )


def _contents(events: Sequence[Event], table: str) -> Contents:
    """Replay what was written to a table."""
    tables: dict[str, None] = {}
    found = Contents()
    for event in events:
        name = str(event.data.get("table") or "").rpartition("/")[2]  # it may be an ARN
        if not name or "account" in event.data:
            continue
        if event.kind == "aws.call" and event["status"] < 400:
            tables[name] = None
            if name != table:
                continue
            if event["operation"] in ("CreateTable", "DeleteTable"):
                found = Contents()
            elif ttl := event.get("ttl"):
                found.ttl = ttl.get("AttributeName", "") if ttl.get("Enabled") else ""
        elif event.kind == "item.changed":
            tables[name] = None
            if name == table:
                _apply(found, event)
    if table not in tables:
        known = ", ".join(repr(name) for name in tables) or "none yet"
        raise LabError(f"Nothing is known of a table {table!r}. Tables: {known}.")
    return found


def _apply(found: Contents, event: Event) -> None:
    key: Item = event["key"]
    name = tuple(str(content) for value in key.values() for content in value.values())
    known = found.items.get(name)
    change = Change(key, event.time, known.after if known else None, event["item"])
    found.keys = list(key)
    found.changes.append(change)
    # One that was deleted is shown until the next change, and one that comes back is new.
    if found.gone is not None:
        found.items.pop(found.gone, None)
    found.gone = name if change.after is None else None
    if change.after is not None or change.before is not None:
        found.items[name] = change


def _cell(change: Change, name: str, ttl: str, now: float) -> str:
    item = change.after if change.after is not None else change.before
    value = (item or change.key).get(name)
    if value is None:
        return ""
    said = _plain(value) if name in change.key else short(_plain(value), LETTERS)
    number = _number(value)
    if number is not None and number.is_integer() and int(number) in _MOMENTS:
        said += time.strftime(" (%Y-%m-%d %H:%M:%S UTC)", time.gmtime(number))
    if number is not None and name == ttl and _is_expired(change, ttl, now):
        said += f" {Status.FAILED.mark} expired {_ago(now - number)}, may still be read"
    return said


def _clock(moment: float) -> str:
    seconds = time.strftime("%H:%M:%S", time.gmtime(moment))
    return f"{seconds}.{int(moment * 1000) % 1000:03} UTC"


def _is_expired(change: Change, ttl: str, now: float) -> bool:
    """Whether an item's time to live is over."""
    number = _number((change.after or {}).get(ttl, {}))
    return number is not None and number <= now


def _number(value: Mapping[str, Any]) -> float | None:
    """A number's value; ``None`` for what is none, or was cut."""
    try:
        return float(value["N"]) if "N" in value else None
    except ValueError:
        return None


def _others(change: Change, names: Sequence[str]) -> str:
    item = change.after or change.before or {}
    return short("; ".join(f"{n}: {_plain(item[n])}" for n in names if n in item), 2 * LETTERS)


def _or_none(value: Mapping[str, Any] | None) -> str:
    return "(none)" if value is None else short(_plain(value), LETTERS)


def _plain(value: Mapping[str, Any]) -> str:
    """A value as one reads it: a text as it is, everything else as JSON."""
    kind, content = next(iter(value.items()))
    return str(content) if kind == "S" else _json(value)


def _json(value: Mapping[str, Any]) -> str:
    """A value of DynamoDB JSON as plain JSON; sets stand in braces, and numbers have all their digits."""
    kind, content = next(iter(value.items()))
    match kind:
        case "M":
            members = (
                f"{json.dumps(k, ensure_ascii=False)}: {_json(v)}" for k, v in content.items()
            )
            return f"{{{', '.join(members)}}}"
        case "L":
            return f"[{', '.join(_json(one) for one in content)}]"
        case "NS":
            return f"{{{', '.join(content)}}}"
        case "SS" | "BS":
            return f"{{{', '.join(json.dumps(one, ensure_ascii=False) for one in content)}}}"
        case "N":
            return str(content)
        case "NULL":
            return "null"
    return json.dumps(content, ensure_ascii=False)


def _head(name: str, found: Contents) -> str:
    roles = ["partition key", "sort key"]
    if name in found.keys:
        return f"{name} ({roles[min(found.keys.index(name), 1)]})"
    return f"{name} (time to live)" if name == found.ttl else name


def _caption(table: str, there: int, left_out: int, events: Sequence[Event]) -> str:
    said = f"Table {table}: {_many(there, 'item')}"
    if left_out > 0:
        said += f" (the {SHOWN} that changed last are shown)"
    if events and events[0].seq > 1:
        said += "; what was written before the log begins is not here"
    return said


def _twin(caption: str, shown: Sequence[Change], ttl: str, now: float) -> str:
    """Names and kinds of changes; values differ from run to run."""
    lines = [caption]
    for change in shown:
        over = "; expired" if _is_expired(change, ttl, now) else ""
        lines.append(f"  {', '.join(change.after or change.key)} ({change.words}{over})")
    return "\n".join(lines)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _ago(seconds: float) -> str:
    for unit, size in (("day", 86_400), ("hour", 3_600), ("min", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 and unit != 'min' else ''} ago"
    return f"{int(seconds)} s ago"
