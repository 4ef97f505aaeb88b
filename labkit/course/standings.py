"""``progress``: where a student stands, as text, as a map and as a table."""

from __future__ import annotations

import argparse
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence

from labkit.course import catalogue
from labkit.course.catalogue import Lesson
from labkit.course.exercise import Exercise
from labkit.course.journal import Journal, Standing
from labkit.course.question import Question
from labkit.course.shown import STYLE, Shown
from labkit.jupyter import work_folder
from labkit.views import course_map
from labkit.views.course_map import Leg, Stop
from labkit.views.picture import Picture

Standings = Mapping[str, Standing]

LEFT = 'style="text-align: left"'
"""For words in a table, which JupyterLab puts to the right."""


def progress() -> None:
    """Show each lesson with its exercises and questions, what help was taken, and where to go on."""
    lessons, standings = catalogue.lessons(), Journal(work_folder()).standings()
    page = f"{as_map(lessons, standings).html}\n{as_page(lessons, standings)}"
    Shown(as_text(lessons, standings), page).show()


def as_map(lessons: Iterable[Lesson], standings: Standings) -> Picture:
    """The progress as a map of the course; arguments as for :func:`as_text`."""
    lessons = [lesson for lesson in lessons if lesson.exercises or lesson.questions]
    legs = [
        Leg(
            lesson.name.replace("_", " "),
            [_stop(exercise, _of(exercise, standings)) for exercise in lesson.exercises],
            sum(bool(_of(question, standings).solved) for question in lesson.questions),
            len(lesson.questions),
        )
        for lesson in lessons
    ]
    go_on = _next(lessons, standings)
    return course_map.course_map(legs, go_on.number if go_on else "")


def _stop(exercise: Exercise, standing: Standing) -> Stop:
    """An exercise on the map."""
    how = course_map.Standing.OPEN
    if standing.solved or standing.attempts:
        how = course_map.Standing.SOLVED if standing.solved else course_map.Standing.NOT_YET
    return Stop(exercise.number, how, standing.revealed)


def as_text(lessons: Iterable[Lesson], standings: Standings) -> str:
    """The progress as text.

    Args:
        lessons: all lessons; those with nothing to do are left out.
        standings: by the number of an exercise or a question.
    """
    lessons = [lesson for lesson in lessons if lesson.exercises or lesson.questions]
    titles = [exercise.title for lesson in lessons for exercise in lesson.exercises]
    width = max(map(len, titles), default=0)
    lines: list[str] = []
    for lesson in lessons:
        lines.append(f"{lesson.name}: {_counts(lesson, standings)}")
        for exercise in lesson.exercises:
            standing = _of(exercise, standings)
            row = f"  {exercise.number:5} {state(standing):7}  {exercise.title:{width}}  {_help(standing)}"
            lines.append(row.rstrip())
        lines += [
            f"  {question.number:5} {answered(_of(question, standings))}"
            for question in _tried(lesson, standings)
        ]
    return "\n".join([*lines, *_ending(lessons, standings)])


def as_page(lessons: Iterable[Lesson], standings: Standings) -> str:
    """The same as HTML: a table whose cells are words; arguments as for :func:`as_text`."""
    lessons = [lesson for lesson in lessons if lesson.exercises or lesson.questions]
    rows = [row for lesson in lessons for row in _rows(lesson, standings)]
    head = "".join(
        f'<th scope="col" {LEFT}>{name}</th>'
        for name in ("No.", "Exercise or question", "State", "Help")
    )
    return "\n".join(
        [
            f'<div style="{STYLE}">',
            "<table>",
            "<caption>Your progress</caption>",
            f"<thead><tr>{head}</tr></thead>",
            *rows,
            "</table>",
            *(f"<p>{html.escape(line)}</p>" for line in _ending(lessons, standings)),
            "</div>",
        ]
    )


def _rows(lesson: Lesson, standings: Standings) -> Iterator[str]:
    """The rows of a lesson in the table."""
    said = html.escape(f"{lesson.name}: {_counts(lesson, standings)}")
    yield "<tbody>"
    yield f'<tr><th colspan="4" scope="rowgroup" {LEFT}>{said}</th></tr>'
    for exercise in lesson.exercises:
        standing = _of(exercise, standings)
        yield _row(exercise.number, exercise.title, state(standing), _help(standing))
    for question in _tried(lesson, standings):
        yield _row(question.number, "question", answered(_of(question, standings)), "")
    yield "</tbody>"


def _tried(lesson: Lesson, standings: Standings) -> list[Question]:
    """The questions that were answered; how many are open says the lesson's own line."""
    return [
        question
        for question in lesson.questions
        if _of(question, standings).solved or _of(question, standings).failed
    ]


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td {LEFT}>{html.escape(cell)}</td>' for cell in cells)}</tr>"


# -- words ----------------------------------------------------------------------------------------


def state(standing: Standing) -> str:
    """How an exercise stands, in a word or two."""
    return "solved" if standing.solved else "not yet" if standing.attempts else "open"


def answered(standing: Standing) -> str:
    """How a question stands, in a few words."""
    tries = f"{standing.failed} wrong {'try' if standing.failed == 1 else 'tries'}"
    if standing.solved:
        return f"right, {tries}" if standing.failed else "right"
    return f"not yet, {tries}" if standing.failed else "open"


def _help(standing: Standing) -> str:
    """Which help was taken for an exercise."""
    parts = []
    if standing.taken:
        parts.append(f"{standing.taken} hint{'s' if standing.taken > 1 else ''}")
    if standing.revealed:
        parts.append("solution seen")
    return ", ".join(parts)


def _counts(lesson: Lesson, standings: Standings) -> str:
    parts = []
    for numbered, what in ((lesson.exercises, "exercise"), (lesson.questions, "question")):
        if numbered:
            parts.append(_done(numbered, what, standings))
    return ", ".join(parts)


def _done(numbered: Sequence[Exercise | Question], what: str, standings: Standings) -> str:
    done = sum(bool(_of(each, standings).solved) for each in numbered)
    right = "solved" if what == "exercise" else "right"
    return f"{done} of {len(numbered)} {what}{'' if len(numbered) == 1 else 's'} {right}"


def _ending(lessons: Sequence[Lesson], standings: Standings) -> list[str]:
    """How much is done in all, and what comes next."""
    exercises = [exercise for lesson in lessons for exercise in lesson.exercises]
    lines = [f"{_done(exercises, 'exercise', standings)}."]
    if go_on := _next(lessons, standings):
        lines.append(f"Go on with {go_on.number}: {go_on.title}")
    return lines


def _next(lessons: Sequence[Lesson], standings: Standings) -> Exercise | None:
    """The first exercise that is not solved."""
    exercises = (exercise for lesson in lessons for exercise in lesson.exercises)
    return next((e for e in exercises if not _of(e, standings).solved), None)


def _of(numbered: Exercise | Question, standings: Standings) -> Standing:
    return standings.get(numbered.number, Standing())


def main(arguments: Sequence[str]) -> int:
    """Run ``labkit progress``.

    Args:
        arguments: none.

    Returns:
        The exit status.
    """
    argparse.ArgumentParser(
        prog="labkit progress", description="Say where you stand in the course, and where to go on."
    ).parse_args(arguments)
    print(as_text(catalogue.lessons(), Journal(work_folder()).standings()))
    return 0
