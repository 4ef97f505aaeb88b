"""``survivors.md``: the mutants of a lesson that pass, each with the reason why that is right.

    ## 1.2

    - `2 became 3 in: TWO_HOURS = 2 * 3600`: any time of some hours will do.

A mutant that passes and is not in it is a hole in the check; one that is in it and does not pass, or
is no mutant any more, is out of date.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from labkit.course.exercise import CourseError
from labkit.course.source import ExerciseSource, place

FILE = "survivors.md"

_EXERCISE = re.compile(r"##\s+(?P<number>\d{1,2}\.\d{1,2})\b.*")
_ENTRY = re.compile(r"-\s+(?P<ticks>`+)\s?(?P<name>.+?)\s?(?P=ticks):\s+(?P<reason>\S.*)")

Listed = Mapping[str, Mapping[str, str]]
"""By the exercise's number: where a mutant is listed, by its name."""


def read(folder: Path) -> Listed:
    """The survivors that a lesson lists.

    Args:
        folder: the lesson's.

    Raises:
        CourseError: a line is malformed.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    found: dict[str, dict[str, str]] = {}
    exercise: dict[str, str] | None = None
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if heading := _EXERCISE.fullmatch(line):
            exercise = found.setdefault(heading["number"], {})
        elif line.startswith("-"):
            entry = _ENTRY.fullmatch(line)
            if entry is None or exercise is None:
                raise CourseError(
                    f"{place(path, number)}: {line!r} is no survivor. Write '- `its name`: the reason' "
                    "below the exercise's '## number'."
                )
            exercise[entry["name"]] = place(path, number)
    return found


def differences(
    source: ExerciseSource, listed: Listed, survived: Collection[str], all_: Collection[str]
) -> Iterator[str]:
    """Where the list and what survived differ.

    Args:
        source: the exercise.
        listed: as the lesson lists them.
        survived: the names of the exercise's mutants that pass.
        all_: the names of all its mutants.
    """
    number, here = source.number, place(source.path, source.line)
    known = listed.get(number, {})
    for name in survived:
        if name not in known:
            yield (
                f"{here}: a mutant passes: {name}\n      Let the check notice it, or write the reason into "
                f"{FILE}, below '## {number}':\n      - {quoted(name)}: "
            )
    for name, where in known.items():
        if name not in survived:
            what = "is rejected now" if name in all_ else "is no mutant any more"
            yield f"{where}: {name} {what}. Take the line out."


def quoted(name: str) -> str:
    """A name between backticks, whatever is in it."""
    ticks = "`"
    while ticks in name:
        ticks += "`"
    space = " " if len(ticks) > 1 else ""
    return f"{ticks}{space}{name}{space}{ticks}"
