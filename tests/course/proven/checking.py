"""``check`` for these exercises, which are not the course's."""

from typing import Any

from labkit.course import catalogue
from labkit.course.checking import judge


def check(number: str, *answer: Any) -> None:
    """Check an exercise, as ``labkit.course.check`` does; nothing is written down."""
    exercise = catalogue.exercise(number, "tests.course.proven")
    verdict = judge(exercise, *answer)
    if verdict is not None:
        raise verdict
    print(f"Exercise {exercise.number} {exercise.title}: solved")
