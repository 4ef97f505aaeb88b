"""The student's copies of the exercises, in the work folder; what a student wrote is never overwritten.

``exercises/`` belongs to the course and is replaced by a newer one; ``work/`` belongs to the student.
A copy that nobody has touched follows the course.  A touched one stays as it is, and single exercises
are brought back from the course by :meth:`Workbook.restore`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from labkit.course.exercise import CourseError
from labkit.course.notebook import text
from labkit.course.source import calls_of_check
from labkit.errors import EnvironmentProblem

COPIED = "copies.json"
"""Remembers, in the work folder, the digest of what was copied."""

KEPT = Path("answers") / "before-restore"
"""Where answers go that were replaced by a stub, below the work folder."""


class Workbook:
    """The exercises of a course and a student's copies of them.

    Args:
        exercises: the folder of the course's unsolved notebooks.
        work: the student's folder; made when something is written.
    """

    def __init__(self, exercises: Path, work: Path) -> None:
        self._exercises = exercises
        self._work = work

    def copy(self) -> list[str]:
        """Copy what is not there yet, and renew copies that nobody has touched.

        Returns:
            What was done, and which newer exercises were kept from a touched copy: a line each.

        Raises:
            EnvironmentProblem: the work folder cannot be written.
        """
        copied = self._copied()
        said = []
        for original in sorted(self._exercises.glob("*.ipynb")):
            name, newest = original.name, original.read_bytes()
            copy = self._work / name
            there = copy.read_bytes() if copy.is_file() else None
            if there is None:
                said.append(f"{self._named(copy)} is your copy of {original.parent.name}/{name}.")
            elif _digest(there) == copied.get(name) and there != newest:
                said.append(f"{self._named(copy)} was untouched and is the newer one now.")
            elif there != newest:
                if copied.get(name) != _digest(newest):
                    said.append(
                        f"{self._named(copy)} is yours and stays as it is. "
                        f"{original.parent.name}/{name} is newer; `labkit restore 3.2`, with the number "
                        "of an exercise, takes that one from it."
                    )
                    copied[name] = _digest(newest)  # said once
                continue
            if there != newest:
                _write(copy, newest)
            copied[name] = _digest(newest)
        if copied != self._copied():
            _write(self._work / COPIED, json.dumps(copied, indent=1, sort_keys=True).encode())
        return said

    def find(self, name: str) -> Path | None:
        """The student's copy of a notebook, if there is one.

        Args:
            name: the notebook's stem, such as ``01_websocket_api``.
        """
        path = self._work / f"{name}.ipynb"
        return path if path.is_file() else None

    def original(self, name: str) -> Path:
        """The course's unsolved notebook.

        Raises:
            CourseError: there is none; the message names those that there are.
        """
        path = self._exercises / f"{name}.ipynb"
        if not path.is_file():
            there = (
                ", ".join(sorted(path.stem for path in self._exercises.glob("*.ipynb"))) or "none"
            )
            raise CourseError(
                f"{self._exercises.name}/ has no {name}.ipynb. It has: {there}. A lesson without "
                "exercises has nothing to check or restore."
            )
        return path

    def stub(self, name: str, number: str) -> str:
        """The answer cell of an exercise as the course gives it.

        Raises:
            CourseError: the notebook or the exercise is not there.
        """
        return str(_answer(read(self.original(name)), number, name).source)

    def answer(self, name: str, number: str) -> str:
        """The answer cell of an exercise in the student's copy, as it was saved.

        Args:
            name: the notebook's stem.
            number: the exercise's number.

        Raises:
            CourseError: the notebook, the copy, the exercise or the cell is not there.
        """
        original = _answer(read(self.original(name)), number, name)
        path = self.find(name)
        if path is None:
            raise CourseError(
                f"There is no {self._named(self._work / name)}.ipynb to read the answer of {number} in. "
                "`labkit lab` makes your copies of the exercises."
            )
        found = _mine(read(path).cells, original, number)
        if found is None:
            raise CourseError(
                f"{self._named(path)} has no answer cell of exercise {number}. `labkit restore {number}` "
                "brings it back."
            )
        return str(found.source)

    def with_given_checks(self, name: str) -> NotebookNode | None:
        """The student's copy with its check cells as the course gives them; ``None`` without a copy.

        Args:
            name: the notebook's stem.

        Raises:
            CourseError: the notebook is not there, or the copy is no notebook.
        """
        given = {
            cell.metadata["labkit"]["exercise"]: cell
            for cell in read(self.original(name)).cells
            if cell.metadata.get("labkit", {}).get("role") == "check"
        }
        path = self.find(name)
        if path is None:
            return None
        notebook = read(path)
        for cell in notebook.cells:
            labkit = cell.metadata.get("labkit", {})
            called = [labkit["exercise"]] if labkit.get("role") == "check" else _calls(cell)
            for number in called:
                if number in given:
                    cell.source, cell.metadata = given[number].source, given[number].metadata
        return notebook

    def restore(self, name: str, number: str) -> list[str]:
        """Bring one exercise of the student's copy back to what the course gives.

        Its answer cell gets the stub; a cell of it that was deleted is put back in its place, and one
        that was changed gets its text.  Everything else stays, and what is replaced is kept.

        Args:
            name: the notebook's stem.
            number: the exercise's number.

        Returns:
            What was done, a line each.

        Raises:
            CourseError: the notebook, the copy or the exercise is not there, or the copy is no notebook.
            EnvironmentProblem: the work folder cannot be written.
        """
        original = read(self.original(name))
        _answer(original, number, name)
        path = self.find(name)
        if path is None:
            raise CourseError(
                f"There is no {self._named(self._work / name)}.ipynb to restore {number} in. `labkit lab` "
                "makes your copies of the exercises."
            )
        mine = read(path)
        replaced: list[str] = []
        done: list[str] = []
        for index, cell in enumerate(original.cells):
            if cell.metadata.get("labkit", {}).get("exercise") != number:
                continue
            found = _mine(mine.cells, cell, number)
            if found is None:
                place = _place(mine.cells, original.cells, index)
                mine.cells.insert(place, _fresh(cell, mine.cells))
                done.append(f"put the {_role(cell)} cell back, which was missing")
            elif found.source != cell.source:
                if cell.cell_type == "code":
                    replaced.append(found.source)
                done.append(f"gave the {_role(cell)} cell its first text")
                found.source = cell.source
                found.metadata["labkit"] = cell.metadata["labkit"]
            if found is not None and found.cell_type == "code":
                found.outputs, found.execution_count = [], None
        if not done:
            return [f"Exercise {number} in {self._named(path)} is as the course gives it."]
        said = [f"Exercise {number} in {self._named(path)}: {', '.join(done)}."]
        if replaced:
            kept = self._keep(number, replaced)
            said.append(f"What was there is kept in {self._named(kept)}.")
        _write(path, text(mine).encode())
        said.append("If it is open in JupyterLab, choose File > Reload Notebook from Disk.")
        return said

    def _keep(self, number: str, sources: Iterable[str]) -> Path:
        """Write replaced cells into a file that is not there yet."""
        folder = self._work / KEPT
        count = 1
        while (path := folder / f"{number}-{count}.txt").exists():
            count += 1
        _write(path, "\n\n\n".join(sources).encode() + b"\n")
        return path

    def _copied(self) -> dict[str, str]:
        try:
            said = json.loads((self._work / COPIED).read_bytes())
        except (OSError, ValueError):
            return {}  # then every copy that differs counts as touched
        return said if isinstance(said, dict) else {}

    def _named(self, path: Path) -> str:
        """A path from the work folder's own name on."""
        return path.relative_to(self._work.parent).as_posix()


def read(path: Path) -> NotebookNode:
    """A notebook.

    Raises:
        CourseError: the file is no notebook.
    """
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)
    except (OSError, ValueError, AttributeError, nbformat.reader.NotJSONError) as error:
        raise CourseError(
            f"{path.parent.name}/{path.name} cannot be read as a notebook: {str(error)[:100]}. Move it "
            "aside; `labkit lab` then makes a new copy."
        ) from error
    return notebook


def _answer(notebook: NotebookNode, number: str, name: str) -> NotebookNode:
    numbers = []
    cells: list[NotebookNode] = notebook.cells
    for cell in cells:
        labkit: Mapping[str, str] = cell.metadata.get("labkit", {})
        if labkit.get("role") == "answer":
            if labkit["exercise"] == number:
                return cell
            numbers.append(labkit["exercise"])
    raise CourseError(f"{name} has no exercise {number}. It has: {', '.join(numbers) or 'none'}.")


def _mine(cells: list[NotebookNode], wanted: NotebookNode, number: str) -> NotebookNode | None:
    """The student's cell that was once a given one, although it may have been moved or copied."""
    same = [cell for cell in cells if cell.metadata.get("labkit") == wanted.metadata["labkit"]]
    for cell in same:
        if cell.get("id") == wanted.id:
            return cell
    role = _role(wanted)
    if same and role in ("answer", "check"):
        return same[0]
    for cell in cells:
        if "labkit" not in cell.metadata and cell.source == wanted.source:
            return cell
    bare = [n for n, cell in enumerate(cells) if number in _calls(cell)]
    if role == "check" and bare:
        return cells[bare[0]]
    # Without any metadata, the answer is the code above the check.
    if role == "answer" and bare and bare[0] > 0:
        above = cells[bare[0] - 1]
        if above.cell_type == "code" and "labkit" not in above.metadata and not _calls(above):
            return above
    return None


def _calls(cell: NotebookNode) -> list[str]:
    """The exercises that a cell checks."""
    return calls_of_check(cell.source) if cell.cell_type == "code" else []


def _place(cells: list[NotebookNode], original: list[NotebookNode], index: int) -> int:
    """Where a missing cell belongs: an answer above its check, and any other after the nearest cell
    that came before it and is still there.
    """
    labkit = original[index].metadata["labkit"]
    if labkit["role"] == "answer":
        for place, cell in enumerate(cells):
            if labkit["exercise"] in _calls(cell):
                return place
    for earlier in reversed(original[:index]):
        for place, cell in enumerate(cells):
            if cell.get("id") == earlier.id:
                return place + 1
    return 0


def _fresh(cell: NotebookNode, cells: list[NotebookNode]) -> NotebookNode:
    """A copy of a cell with an id that no other cell has."""
    made = NotebookNode(cell.copy())
    taken = {other.get("id") for other in cells}
    count = 2
    while made.id in taken:
        made.id = f"{cell.id}-{count}"
        count += 1
    return made


def _role(cell: NotebookNode) -> str:
    return str(cell.metadata["labkit"]["role"])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_bytes(content)
        new.replace(path)
    except OSError as error:
        raise EnvironmentProblem(
            f"{path} cannot be written: {error.strerror}. Make its folder writable, or free room."
        ) from error
