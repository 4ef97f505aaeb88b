"""What happened, in words: a readable timeline, and the same without anything measured.  Pure."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.eventlog import Event
from labkit.steps import nested, steps

_DEEPEST = 6
"""Levels of indentation, so that lines do not run away to the right."""


def timeline(events: Iterable[Event]) -> str:
    """One line a step, in the order of time: milliseconds since the first one, who, and what.

    Args:
        events: the events of one execution, as :meth:`labkit.eventlog.EventLog.of` gives them.

    Returns:
        Lines, indented by how far a step is from the first cause in its chain.
    """
    story = steps(events)
    if not story:
        return "Nothing happened."
    depths: dict[int, int] = {}
    lines = []
    for step in story:
        depths[step.seq] = depths[step.parent] + 1 if step.parent in depths else 0
        after = (step.time - story[0].time) * 1000
        indent = "  " * min(depths[step.seq], _DEEPEST)
        measured = f" ({step.measured})" if step.measured else ""
        lines.append(f"{after:8.1f} ms  {indent}{step.sentence}{measured}")
    return "\n".join(lines)


def outline(events: Iterable[Event]) -> str:
    """One line a step, by cause instead of by time: each one is followed by what happens in it.

    Args:
        events: as for :func:`timeline`.

    Returns:
        Lines without times, ids and cold starts: the same for each run in which the same happens,
        also where branches overlap.
    """
    story = steps(events)
    if not story:
        return "Nothing happened."
    return "\n".join(
        f"{'  ' * min(depth, _DEEPEST)}{step.sentence}" for depth, step in nested(story)
    )
