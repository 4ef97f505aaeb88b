"""What the build refuses: rules for sources that would make a bad lesson.  No output.

Each refusal names file and line, says what is wrong, and what to do.  Malformed sources do not get
here: :mod:`labkit.course.source` refuses them while it reads.
"""

from __future__ import annotations

import builtins
import inspect
import keyword
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import labkit
import labkit.course
from labkit.course.catalogue import Lesson
from labkit.course.exercise import CourseError, Exercise, Kind
from labkit.course.notebook import SOLUTION
from labkit.course.source import (
    Answer,
    Cell,
    ExerciseSource,
    exercise_sources,
    place,
    prose,
    read_cells,
)
from labkit.course.source import answers as read_answers

MINE = 16
"""A solution's line of so many characters is the solution's own; a shorter one may stand anywhere."""

_CODE_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\(")
_IMG = re.compile(r"<img\b(?P<attributes>[^>]*)>", re.IGNORECASE)
_ALT = re.compile(r"\balt\s*=\s*(?:\"[^\"]*[^\"\s][^\"]*\"|'[^']*[^'\s][^']*')", re.IGNORECASE)
_CALL = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\.\w+)*\(.*\)")
_SNAKE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
_WORD = re.compile(r"[A-Za-z_]\w*")


def refuse(lesson: Lesson, lessons: Sequence[Lesson]) -> None:
    """Refuse a lesson that is not as a lesson must be.

    Args:
        lesson: the lesson.
        lessons: all lessons, which the exercises' prerequisites are looked up in.

    Raises:
        CourseError: it lists everything that is refused.
    """
    found = list(refusals(lesson, lessons))
    if found:
        raise CourseError("\n".join(found))


def refusals(lesson: Lesson, lessons: Sequence[Lesson]) -> Iterator[str]:
    """What is wrong with a lesson's sources; arguments as for :func:`refuse`.

    Raises:
        CourseError: a source cannot be read at all.
    """
    text = lesson.folder / "lesson.md"
    cells = read_cells(text)
    yield from _about_text(text, cells)
    for cell in cells:
        if cell.has_marker or cell.checks:
            yield (
                f"{place(text, cell.line)}: an answer or check cell in a lesson's text. Exercises "
                "stand in exercises.md."
            )
    path = lesson.folder / "exercises.md"
    sources = exercise_sources(lesson)
    if path.is_file():
        yield from _about_text(path, read_cells(path))
    yield from _about_boxes(lesson, sources, lessons)
    yield from _about_answers(lesson, sources, read_answers(lesson))
    known: set[str] = set()
    for source in sources.values():
        exercise = next((each for each in lesson.exercises if each.number == source.number), None)
        known |= _known(source, exercise)
        yield from _left_over(source, exercise)
        yield from _unknown_names(source, known)


# -- text -----------------------------------------------------------------------------------------


def _about_text(path: Path, cells: Iterable[Cell]) -> Iterator[str]:
    """Headings in order, pictures with words, and no marker outside code."""
    last = 0
    for cell in cells:
        if cell.kind == "code":
            continue
        for level, heading, line in cell.headings:
            if level > last + 1:
                yield (
                    f"{place(path, line)}: the heading {heading!r} is of level {level}, and the one "
                    f"before it of level {last}. Write {'#' * (last + 1)}, so that no level is skipped."
                    if last
                    else f"{place(path, line)}: the first heading {heading!r} is of level {level}. "
                    "Begin the file with its title, after one '#'."
                )
            elif level == 1 and last:
                yield (
                    f"{place(path, line)}: a second title {heading!r}. A notebook has one; write ##."
                )
            last = level
        for line, text in prose(cell):
            shown = _CODE_SPAN.sub("", text)
            empty = any(not found["alt"].strip() for found in _IMAGE.finditer(shown))
            if empty or any(not _ALT.search(found["attributes"]) for found in _IMG.finditer(shown)):
                yield (
                    f"{place(path, line)}: a picture without alternative text. Say in words what it "
                    "shows: ![a client and a server, joined by an arrow](…)."
                )
        for line, text in enumerate(cell.source.splitlines(), cell.line):
            if re.fullmatch(r"\s*#:\s*(solution|stub|end)\s*", text):
                yield (
                    f"{place(path, line)}: the marker {text.strip()!r} stands in text, where it does "
                    "nothing. Put it into a ```python fence."
                )


# -- exercises ------------------------------------------------------------------------------------


def _about_boxes(
    lesson: Lesson, sources: Mapping[str, ExerciseSource], lessons: Sequence[Lesson]
) -> Iterator[str]:
    """Each exercise stands in exercises.md and in checks.py, under one title, after what it needs."""
    exercises = {exercise.number: exercise for exercise in lesson.exercises}
    everywhere = {exercise.number for each in lessons for exercise in each.exercises}
    for number, source in sources.items():
        here = place(source.path, source.line)
        if number not in exercises:
            there = ", ".join(exercises) or "none"
            yield (
                f"{here}: exercise {number} has no box, hints and check. Write them in checks.py, "
                f"after @exercise({number!r}, …). It has: {there}."
            )
        elif exercises[number].title != source.title:
            yield (
                f"{here}: exercise {number} is {source.title!r} here and {exercises[number].title!r} "
                "in checks.py. Give it one title."
            )
    before: list[str] = []
    for number, source in sources.items():
        later = [other for other in before if _position(other) > _position(number)]
        if later:
            yield (
                f"{place(source.path, source.line)}: exercise {number} comes after {later[0]}. Put the "
                "exercises in the order of their numbers."
            )
        before.append(number)
    for number, exercise in exercises.items():
        code = exercise.check.__code__
        here = place(Path(code.co_filename), code.co_firstlineno)
        if number not in sources:
            yield (
                f"{here}: exercise {number} is not in exercises.md. Write it there, after "
                f"'## {number} {exercise.title}'."
            )
        for needed in exercise.needs:
            if needed not in everywhere:
                yield (
                    f"{here}: exercise {number} needs {needed}, which does not exist. Exercises are "
                    f"named by number; before it come: {', '.join(sorted(everywhere, key=_position))}."
                )
            elif _position(needed) >= _position(number):
                yield (
                    f"{here}: exercise {number} needs {needed}, which comes later. Let it need what "
                    "comes before it, or change the order."
                )


def _about_answers(
    lesson: Lesson, sources: Mapping[str, ExerciseSource], answers: Sequence[Answer]
) -> Iterator[str]:
    """Each exercise has wrong answers, with diagnoses that it knows."""
    exercises = {exercise.number: exercise for exercise in lesson.exercises}
    for number, source in sources.items():
        if not any(answer.wrong for answer in answers if answer.exercise == number):
            yield (
                f"{place(source.path, source.line)}: exercise {number} has no wrong answers. Write at "
                f"least five mistakes that people make into answers.md, below '## {number}'."
            )
    for answer in answers:
        if answer.wrong and answer.exercise in exercises:
            try:
                exercises[answer.exercise].diagnosis(answer.wrong)
            except CourseError as error:
                yield f"{place(answer.path, answer.line)}: {error}"


def _position(number: str) -> tuple[int, int]:
    lesson, _, exercise = number.partition(".")
    return int(lesson), int(exercise)


# -- solutions left over --------------------------------------------------------------------------


def _left_over(source: ExerciseSource, exercise: Exercise | None) -> Iterator[str]:
    """Lines of the solution that the unsolved exercise shows.

    Where lines are put in order or a fault is mended, the lines are given on purpose.
    """
    if exercise and exercise.kind in (Kind.ORDER_LINES, Kind.FIND_THE_FAULT):
        return
    shared = {line.strip() for line in source.stub.splitlines()}
    lines = {line.strip().rstrip(",") for line in source.region.solution} - shared
    own = {line for line in lines if len(line) >= MINE and len(_WORD.findall(line)) > 1}
    for cell in source.cells:
        if cell.has_marker or SOLUTION in cell.tags:
            continue
        for number, text in enumerate(cell.source.splitlines(), cell.line):
            for line in own:
                if line in text if cell.kind == "markdown" else line == text.strip().rstrip(","):
                    yield (
                        f"{place(source.path, number)}: a line of the solution of exercise "
                        f"{source.number} stands in the exercise: {line!r}. Take it out, or tag the "
                        f"cell {SOLUTION!r}, so that only solutions/ shows it."
                    )


# -- names ----------------------------------------------------------------------------------------


def _unknown_names(source: ExerciseSource, known: set[str]) -> Iterator[str]:
    """Names in the instructions that a student finds nowhere.

    Only what can be nothing but a name of Python's is looked at: a call, such as ``route(event)``, or
    several words joined by ``_``.  A name in quotes, ``"order_id"``, is data.
    """
    for cell in source.cells:
        if cell.kind == "code" or SOLUTION in cell.tags:
            continue
        for number, text in prose(cell):
            for span in _CODE_SPAN.findall(text):
                call = _CALL.fullmatch(span)
                name = call["name"] if call else span if _SNAKE.fullmatch(span) else ""
                if name and name not in known and name not in _python() and name not in _boto3():
                    yield (
                        f"{place(source.path, number)}: exercise {source.number} speaks of `{span}`, but "
                        f"{name!r} is in no stub, given cell or check so far. Use the name that is "
                        'there, or write data in quotes: `"order_id"`.'
                    )


def _known(source: ExerciseSource, exercise: Exercise | None) -> set[str]:
    """The words of all that a student can see or use in an exercise, and of its check."""
    texts = [source.stub, source.check, *source.given, *source.setup]
    if exercise:
        module = inspect.getmodule(exercise.check)
        texts.append(inspect.getsource(module) if module else "")
    return {word for text in texts for word in _WORD.findall(text)}


@cache
def _python() -> frozenset[str]:
    """Names that need no telling: Python's own, and the lab's."""
    ours = (*labkit.__all__, *labkit.course.__all__)
    return frozenset({*dir(builtins), *keyword.kwlist, *sys.stdlib_module_names, *ours})


@cache
def _boto3() -> frozenset[str]:
    """The methods of boto3's clients for the services that the lessons use."""
    import botocore.session
    from botocore import xform_name

    session = botocore.session.Session()
    services = ("apigatewayv2", "apigatewaymanagementapi", "dynamodb", "iam", "lambda", "logs")
    models = [session.get_service_model(service) for service in (*services, "stepfunctions")]
    return frozenset(xform_name(name) for model in models for name in model.operation_names)
