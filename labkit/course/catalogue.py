"""The lessons, exercises and questions, found by number."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labkit.course.exercise import CourseError, Exercise
from labkit.course.question import Question

LESSONS = "labkit.course.lessons"
_FOLDER = re.compile(r"l(?P<number>\d\d)_(?P<slug>\w+)")


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson.

    Attributes:
        number: 0, 1, …
        slug: names it in file names.
        folder: where its sources lie.
        exercises: in order; empty if the lesson has none.
        questions: of its quiz, in order; empty if it has none.
    """

    number: int
    slug: str
    folder: Path
    exercises: tuple[Exercise, ...]
    questions: tuple[Question, ...] = ()

    @property
    def name(self) -> str:
        """The stem of its notebooks, such as ``01_websocket_api``."""
        return f"{self.number:02}_{self.slug}"


@functools.cache
def lessons(package: str = LESSONS) -> tuple[Lesson, ...]:
    """All lessons, in order.

    Args:
        package: the package that holds them.

    Raises:
        CourseError: two exercises or questions have one number, or one is in another lesson than its
            number says.
    """
    paths = [Path(path) for path in importlib.import_module(package).__path__]
    folders = sorted(
        (folder for path in paths for folder in path.iterdir() if _FOLDER.fullmatch(folder.name)),
        key=lambda folder: folder.name,
    )
    return tuple(_lesson(folder, package) for folder in folders)


def lesson(number: int, package: str = LESSONS) -> Lesson:
    """A lesson by its number.

    Raises:
        CourseError: there is none; the message names those that there are.
    """
    for each in lessons(package):
        if each.number == number:
            return each
    there = ", ".join(each.name for each in lessons(package)) or "none"
    raise CourseError(f"There is no lesson {number}. Lessons: {there}.")


def exercise(number: str, package: str = LESSONS) -> Exercise:
    """An exercise by its number, such as ``"1.3"``.

    Raises:
        CourseError: there is none; the message names those of the lesson.
    """
    wanted = str(number)
    exercises = [each for of in lessons(package) for each in of.exercises]
    for each in exercises:
        if each.number == wanted:
            return each
    near = wanted.partition(".")[0].lstrip("0")
    there = [each.number for each in exercises if each.number.startswith(f"{near}.")]
    said = ", ".join(there or [each.number for each in exercises]) or "none"
    raise CourseError(f"There is no exercise {wanted!r}. Exercises: {said}.")


def question(number: str, package: str = LESSONS) -> Question:
    """A question by its number, such as ``"q1.2"``.

    Raises:
        CourseError: there is none; the message names those of the lesson.
    """
    wanted = str(number).strip().lower()
    questions = [each for of in lessons(package) for each in of.questions]
    for each in questions:
        if each.number == wanted:
            return each
    near = wanted.removeprefix("q").partition(".")[0]
    there = [each.number for each in questions if each.number.startswith(f"q{near}.")]
    said = ", ".join(there or [each.number for each in questions]) or "none"
    raise CourseError(f"There is no question {str(number)!r}. Questions: {said}.")


def _lesson(folder: Path, package: str) -> Lesson:
    found = _FOLDER.fullmatch(folder.name)
    assert found is not None
    number = int(found["number"])
    exercises: tuple[Exercise, ...] = ()
    questions: tuple[Question, ...] = ()
    if (folder / "checks.py").is_file():
        module = importlib.import_module(f"{package}.{folder.name}.checks")
        exercises = tuple(
            sorted(
                (each for each in vars(module).values() if isinstance(each, Exercise)),
                key=lambda each: each.position,
            )
        )
    if (folder / "quiz.py").is_file():
        module = importlib.import_module(f"{package}.{folder.name}.quiz")
        questions = tuple(sorted(module.QUESTIONS, key=lambda each: each.position))
    _refuse_numbers(f"{folder.name}/checks.py has an exercise", number, exercises)
    _refuse_numbers(f"{folder.name}/quiz.py has a question", number, questions)
    return Lesson(number, found["slug"], folder, exercises, questions)


def _refuse_numbers(what: str, lesson: int, numbered: Iterable[Exercise | Question]) -> None:
    """Refuse a number that is there twice or of another lesson."""
    seen: set[str] = set()
    for each in numbered:
        if each.position[0] != lesson or each.number in seen:
            twice = "twice" if each.number in seen else "of another lesson"
            raise CourseError(f"{what} {each.number} {twice}.")
        seen.add(each.number)
