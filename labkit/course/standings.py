"""``progress``: where a student stands, as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from labkit.course import catalogue
from labkit.course.catalogue import Lesson
from labkit.course.journal import Journal, Standing
from labkit.jupyter import work_folder


def progress() -> None:
    """Print each lesson with its exercises: solved or not, attempts, hints; and where to go on."""
    print(table(catalogue.lessons(), Journal(work_folder()).standings()))


def table(lessons: Iterable[Lesson], standings: Mapping[str, Standing]) -> str:
    """The progress as text."""
    lines: list[str] = []
    following = ""
    solved = total = 0
    for lesson in lessons:
        if not lesson.exercises:
            continue
        done = sum(bool(standings.get(e.number, Standing()).solved) for e in lesson.exercises)
        solved, total = solved + done, total + len(lesson.exercises)
        lines.append(f"{lesson.name}: {done} of {len(lesson.exercises)} solved")
        for exercise in lesson.exercises:
            standing = standings.get(exercise.number, Standing())
            if not standing.solved and not following:
                following = f"{exercise.number} {exercise.title}"
            lines.append(
                f"  {exercise.number:5} {_state(standing):8}  {exercise.title}{_help(standing)}"
            )
    lines.append(f"{solved} of {total} exercises solved.")
    if following:
        lines.append(f"Go on with {following}.")
    return "\n".join(lines)


def _state(standing: Standing) -> str:
    return "solved" if standing.solved else "begun" if standing.attempts else "–"


def _help(standing: Standing) -> str:
    parts = []
    if standing.taken:
        parts.append(f"{standing.taken} hint{'s' if standing.taken > 1 else ''}")
    if standing.revealed:
        parts.append("solution seen")
    return f" ({', '.join(parts)})" if parts else ""
