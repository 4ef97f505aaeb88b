"""``hint``: the next hint for an exercise, chosen by what the last check found.

The hints are those of the last diagnosis, where it has some of its own, else the exercise's.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence

from labkit.course import catalogue
from labkit.course.exercise import Exercise
from labkit.course.journal import Journal, Standing
from labkit.course.verdict import HINTS
from labkit.jupyter import work_folder

CALL = '{}("{}")'
"""How a notebook calls for a hint or a solution: its verb and the exercise's number."""

COMMAND = "`labkit {} {}`"
"""The same on the command line."""


def hint(number: str) -> None:
    """Print the next hint for an exercise; it is counted.

    Args:
        number: the exercise's number, such as ``"3.2"``.

    Raises:
        CourseError: there is no such exercise.
    """
    print(take(catalogue.exercise(number), Journal(work_folder())))


def take(exercise: Exercise, journal: Journal, call: str = CALL) -> str:
    """Take the next hint, and write down that it was taken.

    Args:
        exercise: the exercise.
        journal: says what the last check found and which hints were taken.
        call: how to call what comes next, :data:`CALL` or :data:`COMMAND`.

    Returns:
        The hint as text.
    """
    number = exercise.number
    standing = journal.standing(number)
    following = upcoming(exercise, standing)
    level = following[0] if following else HINTS
    text = exercise.hint(level, _diagnosis(exercise, standing))
    if following:
        journal.add(number, "hint", level=level, text=text)
    solved = "; you have solved it" if standing.solved else ""
    lines = [
        f"Exercise {number} {exercise.title}: hint {level} of {HINTS}{solved}",
        textwrap.fill(
            text,
            88,
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,  # an ARN that is copied must be whole
            break_on_hyphens=False,
        ),
    ]
    if not following:
        revealing = call.format("reveal", number)
        lines.append(f"You have read all its hints. {revealing} shows the solution.")
    return "\n".join(lines)


def upcoming(exercise: Exercise, standing: Standing) -> list[int]:
    """The levels of the hints for the last diagnosis that are still unread, in order.

    A diagnosis with hints of its own begins at level 1; what was read already is passed over.
    """
    diagnosis = _diagnosis(exercise, standing)
    levels = range(1, HINTS + 1)
    return [level for level in levels if exercise.hint(level, diagnosis) not in standing.read]


def _diagnosis(exercise: Exercise, standing: Standing) -> str | None:
    """The last check's diagnosis, unless a newer course no longer has it."""
    return standing.diagnosis if standing.diagnosis in exercise.diagnoses else None


def main(arguments: Sequence[str]) -> int:
    """Run ``labkit hint``.

    Args:
        arguments: the exercise's number.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="labkit hint", description="Print the next hint for an exercise. It is counted."
    )
    parser.add_argument("exercise", help="its number, such as 3.2")
    exercise = catalogue.exercise(parser.parse_args(arguments).exercise)
    print(take(exercise, Journal(work_folder()), COMMAND))
    return 0
