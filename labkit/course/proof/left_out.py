"""Leave one out: with all exercises of a lesson solved but one, exactly that one's check fails.

As ``pytest --nbval --labkit-leave-out`` does it, but in this process, which saves a kernel for each
exercise.  The checks above the one that is left out are passed over: what stands above them is the same as
in the solved notebook.
"""

from __future__ import annotations

from collections.abc import Iterator

from labkit.course.catalogue import Lesson
from labkit.course.proof.limit import Endless, limit
from labkit.course.proof.shell import Shell, named
from labkit.course.source import exercise_sources, place, read_cells
from labkit.course.verdict import NotYet
from labkit.lab import Lab

SECONDS = 60.0
"""For one cell, as in nbval."""


def complaints(lesson: Lesson, number: str, lab: Lab) -> Iterator[str]:
    """What fails that must not, and what must fail and does not.

    Args:
        lesson: the lesson.
        number: of the exercise that is left out.
        lab: the lab that runs.

    Raises:
        CourseError: a source is malformed.
    """
    path = lesson.folder / "exercises.md"
    cells = read_cells(path)
    sources = exercise_sources(lesson)
    owner = {cell.line: source for source in sources.values() for cell in source.cells}
    below = False
    with Shell(lab) as shell:
        shell.begin()
        for cell in cells:
            source = owner.get(cell.line)
            role = source.role(cell) if source else ""
            mine = source is not None and source.number == number
            below = below or mine
            if cell.kind != "code" or (role == "check" and not below):
                continue
            text = cell.source
            if source and role == "answer":
                text = source.stub if mine else source.solved
            with limit(SECONDS):
                error = shell.run(text)
            must_fail = mine and role == "check"
            if must_fail and not isinstance(error, NotYet):
                came = "passes" if error is None else f"fails with {named(error)}"
                yield f"{place(path, cell.line)}: the check of {number}, which is left out, {came}."
            elif error is not None and not must_fail and "raises-exception" not in cell.tags:
                yield (
                    f"{place(path, cell.line)}: a cell fails when {number} is left out: {named(error)}"
                )
            if isinstance(error, Endless):
                return
