"""``reveal``: the solution of an exercise and why it is so, once there is nothing left to find out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from labkit.course import catalogue
from labkit.course.catalogue import Lesson
from labkit.course.exercise import Exercise
from labkit.course.hinting import CALL, COMMAND, upcoming
from labkit.course.journal import Journal, Standing
from labkit.course.verdict import HINTS
from labkit.jupyter import work_folder


def reveal(number: str) -> None:
    """Print the solution of an exercise that is solved, or whose hints were taken; it is counted.

    Args:
        number: the exercise's number, such as ``"3.2"``.

    Raises:
        CourseError: there is no such exercise.
    """
    print(_uncovered(number, CALL))


def _uncovered(number: str, call: str) -> str:
    exercise = catalogue.exercise(number)
    lesson = catalogue.lesson(exercise.position[0])
    return uncover(exercise, lesson, Journal(work_folder()), call)


def uncover(exercise: Exercise, lesson: Lesson, journal: Journal, call: str = CALL) -> str:
    """Show the solution and write down that it was shown, or say what comes before.

    Args:
        exercise: the exercise.
        lesson: its lesson.
        journal: says whether it is solved and which hints were taken.
        call: how to call for a hint, ``CALL`` or ``COMMAND`` of :mod:`labkit.course.hinting`.

    Returns:
        The solution and its explanation, or how many hints are left.
    """
    left = hints_before(exercise, journal.standing(exercise.number))
    if left:
        hints = "hint is" if left == 1 else "hints are"
        return (
            f"Exercise {exercise.number} {exercise.title} is not solved, and {left} {hints} left. "
            f"{call.format('hint', exercise.number)} gives the next one."
        )
    from labkit.course.source import exercise_sources

    source = exercise_sources(lesson)[exercise.number]
    journal.add(exercise.number, "revealed")
    why = [
        cell.source for cell in source.cells if "solution" in cell.tags and cell.kind == "markdown"
    ]
    head = f"Exercise {exercise.number} {exercise.title}: a solution"
    return "\n\n".join([head, source.solved.strip(), *why])


def hints_before(exercise: Exercise, standing: Standing) -> int:
    """How many hints a student must take before the solution is shown."""
    if standing.solved:
        return 0
    return max(0, min(HINTS - standing.taken, len(upcoming(exercise, standing))))


def main(arguments: Sequence[str]) -> int:
    """Run ``labkit reveal``.

    Args:
        arguments: the exercise's number.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="labkit reveal",
        description="Print the solution of an exercise that is solved, or whose three hints you have "
        "taken. It is counted.",
    )
    parser.add_argument("exercise", help="its number, such as 3.2")
    print(_uncovered(parser.parse_args(arguments).exercise, COMMAND))
    return 0
