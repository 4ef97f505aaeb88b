"""What measured cells showed once: a lesson's recording, which is built in whatever a new run measures.

A measured or live cell, tagged ``nbval-ignore-output``, shows other numbers in each run.  The notebooks
hold what it showed when ``labkit build --record`` was run, so that building again gives the same bytes.
A recording belongs to the text of its cell: a changed cell has none, and must be recorded again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from labkit.course.exercise import CourseError

FILE = "recording.json"
"""In a lesson's folder: for each notebook, a list of cells, each with its text and its outputs."""

MEASURED = "nbval-ignore-output"
"""The tag of cells whose output is measured or live, so that no two runs agree."""


def is_measured(cell: NotebookNode) -> bool:
    """Whether a cell is code whose output differs from run to run."""
    return cell.cell_type == "code" and MEASURED in cell.metadata.get("tags", ())


def record(path: Path, folder: str, notebook: NotebookNode) -> str:
    """A recording with what a notebook's measured cells show now.

    Args:
        path: the recording's file; what it has of other notebooks stays.
        folder: which notebook: ``notebooks`` or ``solutions``.
        notebook: executed.

    Returns:
        The file's new text; empty if no notebook of the lesson has a measured cell.
    """
    recorded = _read(path)
    cells = [
        {"source": cell.source, "outputs": cell.outputs}
        for cell in notebook.cells
        if is_measured(cell)
    ]
    recorded.pop(folder, None)
    if cells:
        recorded[folder] = cells
    return (
        json.dumps(recorded, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        if recorded
        else ""
    )


def play(path: Path, folder: str, notebook: NotebookNode, name: str) -> None:
    """Give a notebook's measured cells the outputs that were recorded.

    Args:
        path: the recording's file.
        folder: which notebook: ``notebooks`` or ``solutions``.
        notebook: executed; it is changed.
        name: names the notebook in messages.

    Raises:
        CourseError: a measured cell shows something, and its text is not in the recording.
    """
    recorded = {cell["source"]: cell["outputs"] for cell in _read(path).get(folder, ())}
    for cell in filter(is_measured, notebook.cells):
        if cell.source in recorded:
            cell.outputs = [_output(output, cell) for output in recorded[cell.source]]
        elif cell.outputs:
            raise CourseError(
                f"{name}: the cell that begins with {cell.source.splitlines()[0]!r} is measured, and what "
                f"it shows is not recorded. Run: labkit build --record {name.rpartition('/')[2][:2]}"
            )


def _output(output: dict[str, Any], cell: NotebookNode) -> NotebookNode:
    made: NotebookNode = nbformat.from_dict(output)
    if "execution_count" in made:
        made.execution_count = cell.execution_count
    return made


def _read(path: Path) -> dict[str, Any]:
    try:
        recorded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise CourseError(
            f"{path.parent.name}/{path.name} is no JSON: {error}. Delete it and record anew."
        ) from error
    return recorded
