"""Cells become notebooks: ids, boxes, roles, and a text that is the same for the same cells.  No I/O.

Ids stay when other exercises change: the answer cell of 1.3 is ``answer-1-3`` and its check cell
``check-1-3``, its other cells are ``task-1-3``, ``task-1-3-2``, ``given-1-3`` and so on, and the cells
outside exercises are ``01-1``, ``01-2``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import nbformat
from nbformat import NotebookNode

from labkit.course.catalogue import Lesson
from labkit.course.exercise import Exercise
from labkit.course.source import Cell, ExerciseSource

SOLUTION = "solution"
"""The tag of cells that only ``solutions/`` has."""


def lesson_notebook(lesson: Lesson, cells: Iterable[Cell]) -> NotebookNode:
    """A lesson's notebook, not executed.

    Args:
        lesson: the lesson.
        cells: of its ``lesson.md``.
    """
    built = [
        _cell(cell, cell.source, f"{lesson.number:02}-{count}")
        for count, cell in enumerate(cells, 1)
    ]
    return _notebook(built)


def exercise_notebook(
    lesson: Lesson,
    cells: Sequence[Cell],
    sources: Iterable[ExerciseSource],
    *,
    solved: bool,
) -> NotebookNode:
    """A lesson's exercises, not executed.

    Args:
        lesson: the lesson, with the exercises' boxes.
        cells: all cells of its ``exercises.md``.
        sources: the exercises among them.
        solved: with the solutions, or with the stubs.
    """
    owner = {cell.line: source for source in sources for cell in source.cells}
    exercises = {each.number: each for each in lesson.exercises}
    counts: Counter[str] = Counter()
    built = []
    for cell in cells:
        only_solved = SOLUTION in cell.tags
        source = owner.get(cell.line)
        if source is None:
            stem = f"{'why-' if only_solved else ''}{lesson.number:02}"
            text, labkit = cell.source, {}
        else:
            role = source.role(cell)
            text = cell.source
            if role == "answer":
                text = source.solved if solved else source.stub
            elif cell.line == source.line:
                text = _with_box(text, exercises[source.number])
            stem = f"{'why' if only_solved else role}-{source.number.replace('.', '-')}"
            labkit = {"exercise": source.number, "role": role}
        if only_solved and not solved:
            continue
        counts[stem] += 1
        first = source is not None and counts[stem] == 1
        built.append(_cell(cell, text, stem if first else f"{stem}-{counts[stem]}", labkit))
    return _notebook(built)


def box(exercise: Exercise) -> str:
    """What stands under an exercise's heading, as Markdown; in words, so that nothing is colour alone."""
    facts = [
        f"Difficulty {exercise.difficulty} of 5",
        f"about {exercise.minutes} minute{'s' * (exercise.minutes != 1)}",
        *([f"needs {', '.join(exercise.needs)}"] if exercise.needs else []),
        exercise.kind.value,
    ]
    return f'> {" · ".join(facts)}  \n> `hint("{exercise.number}")` helps.'


def text(notebook: NotebookNode) -> str:
    """A notebook's file: the same text for the same notebook, whatever wrote it."""
    written: str = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    return re.sub(r"\n*\Z", "\n", written)


def _with_box(text: str, exercise: Exercise) -> str:
    heading, _, rest = text.partition("\n")
    return "\n\n".join(part for part in (heading, box(exercise), rest.strip("\n")) if part)


def _cell(cell: Cell, text: str, name: str, labkit: dict[str, str] | None = None) -> NotebookNode:
    tags = [tag for tag in cell.tags if tag != SOLUTION]
    metadata: dict[str, Any] = {"labkit": labkit} if labkit else {}
    if tags:
        metadata["tags"] = tags
    made: NotebookNode
    if cell.kind == "code":
        made = nbformat.v4.new_code_cell(text, id=name, metadata=metadata)
    else:
        made = nbformat.v4.new_markdown_cell(text, id=name, metadata=metadata)
    return made


def _notebook(cells: list[NotebookNode]) -> NotebookNode:
    # No more than JupyterLab needs to start a kernel: what it adds itself differs between versions.
    metadata = {
        "kernelspec": {
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    made: NotebookNode = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    made.nbformat_minor = 5
    return made
