"""``labkit build``: make the notebooks of their sources.

Every notebook is a function of the sources: building again writes the same bytes, and ``--check``
says where a notebook differs from what its sources give.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from labkit.course import catalogue, recording
from labkit.course.catalogue import Lesson
from labkit.course.execute import execute
from labkit.course.exercise import CourseError
from labkit.course.notebook import exercise_notebook, lesson_notebook, text
from labkit.course.refusals import refuse
from labkit.course.source import exercise_sources, read_cells

FOLDERS = ("notebooks", "exercises", "solutions")
"""Where notebooks lie, below the lab's folder."""

AT_ONCE = 2
"""Notebooks that run at the same time; each has a kernel and a cloud of its own."""

SHOWN = 20
"""Lines of a difference that are shown."""


@dataclass(frozen=True, slots=True)
class Target:
    """A notebook to build.

    Attributes:
        name: its path below the lab's folder, such as ``notebooks/01_websocket_api.ipynb``.
        notebook: its cells, not executed.
        executed: whether it is stored with its outputs.
        recording: the file with what its measured cells show.
    """

    name: str
    notebook: NotebookNode
    executed: bool
    recording: Path

    def build(self, root: Path) -> Built:
        """Execute it, if it is stored so.

        Args:
            root: the lab's folder.

        Raises:
            CourseError: a cell fails.
        """
        begun = time.monotonic()
        notebook = self.notebook
        if self.executed:
            path = root / self.name
            path.parent.mkdir(parents=True, exist_ok=True)
            notebook = execute(notebook, path.parent, self.name)
        return Built(self, notebook, time.monotonic() - begun)


@dataclass(frozen=True, slots=True)
class Built:
    """A notebook that was built.

    Attributes:
        target: what was to be built.
        notebook: with its outputs, of measured cells too.
        seconds: how long it took.
    """

    target: Target
    notebook: NotebookNode
    seconds: float

    def record(self) -> None:
        """Write down what its measured cells show."""
        path = self.target.recording
        recorded = recording.record(path, self._folder, self.notebook)
        if recorded:
            write(path, recorded)
        else:
            path.unlink(missing_ok=True)

    def text(self) -> str:
        """The text of its file, with measured cells as they were recorded.

        Raises:
            CourseError: a measured cell is not recorded.
        """
        if self.target.executed:
            recording.play(self.target.recording, self._folder, self.notebook, self.target.name)
        return text(self.notebook)

    @property
    def _folder(self) -> str:
        return self.target.name.partition("/")[0]


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Args:
        arguments: ``[--check | --record] [NN …]``.

    Returns:
        The exit status: 1 if ``--check`` found a difference or a notebook could not be built.
    """
    parser = argparse.ArgumentParser(
        prog="labkit build", description="Build the notebooks of the lessons' sources."
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--check", action="store_true", help="write nothing; say which notebooks differ, and how"
    )
    how.add_argument(
        "--record", action="store_true", help="record anew what measured cells show, then build"
    )
    parser.add_argument(
        "lesson", nargs="*", type=int, help="a lesson's number; all if none is given"
    )
    options = parser.parse_args(arguments)
    root = Path(__file__).resolve().parents[2]
    return run(
        catalogue.lessons(), root, options.lesson, check=options.check, record=options.record
    )


def run(
    lessons: Sequence[Lesson],
    root: Path,
    numbers: Sequence[int] = (),
    *,
    check: bool = False,
    record: bool = False,
    say: Callable[[str], None] = print,
) -> int:
    """Build the notebooks of lessons, or check them.

    Args:
        lessons: all lessons.
        root: the lab's folder.
        numbers: of the lessons to build; all of them if empty.
        check: write nothing, and say what differs.
        record: renew the recordings of measured cells first.
        say: gets the progress, line by line.

    Returns:
        The exit status.

    Raises:
        CourseError: there is no lesson of a number.
    """
    unknown = set(numbers) - {lesson.number for lesson in lessons}
    if unknown:
        there = ", ".join(lesson.name for lesson in lessons) or "none"
        raise CourseError(f"There is no lesson {min(unknown)}. Lessons: {there}.")
    chosen = [lesson for lesson in lessons if lesson.number in numbers or not numbers]
    problems = []
    to_build: list[Target] = []
    for lesson in chosen:
        try:
            refuse(lesson, lessons)
            to_build += targets(lesson)
        except CourseError as error:
            problems.append(str(error))
    with ThreadPoolExecutor(AT_ONCE) as workers:
        for target, future in [(each, workers.submit(each.build, root)) for each in to_build]:
            path = root / target.name
            try:
                built = future.result()
                if record:
                    built.record()
                new = built.text()
            except CourseError as error:
                problems.append(str(error))
                continue
            took = f" ({built.seconds:.1f} s)" if target.executed else ""
            if check:
                done, difference = compare(path, target.name, new)
                problems += difference
            else:
                done = "written" if write(path, new) else "unchanged"
            say(f"{target.name}: {done}{took}")
    if not numbers:
        for name in strays(lessons, root):
            problems.append(
                f"{name}: no lesson gives this notebook. Write its lesson or delete it."
            )
    for problem in problems:
        print(f"\n{problem}", file=sys.stderr)
    return 1 if problems else 0


def targets(lesson: Lesson) -> Iterator[Target]:
    """The notebooks of a lesson: its text, and if it has exercises, these unsolved and solved.

    Raises:
        CourseError: a source is malformed.
    """
    name = f"{lesson.name}.ipynb"
    cells = read_cells(lesson.folder / "lesson.md")
    recorded = lesson.folder / recording.FILE
    yield Target(f"notebooks/{name}", lesson_notebook(lesson, cells), True, recorded)
    if (lesson.folder / "exercises.md").is_file():
        cells = read_cells(lesson.folder / "exercises.md")
        sources = exercise_sources(lesson).values()
        for folder, solved in (("exercises", False), ("solutions", True)):
            notebook = exercise_notebook(lesson, cells, sources, solved=solved)
            yield Target(f"{folder}/{name}", notebook, solved, recorded)


def strays(lessons: Sequence[Lesson], root: Path) -> list[str]:
    """Notebooks in the lab's folders that no lesson gives."""
    names = {f"{lesson.name}.ipynb" for lesson in lessons}
    found = (path for folder in FOLDERS for path in sorted((root / folder).glob("*.ipynb")))
    return [f"{path.parent.name}/{path.name}" for path in found if path.name not in names]


def write(path: Path, new: str) -> bool:
    """Write a file, whole or not at all, if it changes.

    Returns:
        Whether it was written.
    """
    if path.is_file() and path.read_text("utf-8") == new:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(new, encoding="utf-8", newline="\n")
    part.replace(path)
    return True


def compare(path: Path, name: str, built: str) -> tuple[str, list[str]]:
    """Compare a notebook with what its sources give.

    Returns:
        How it stands, and the problem if it differs.
    """
    cure = f"Run: labkit build {path.name[:2]}"
    if not path.is_file():
        return "missing", [f"{name} is not there. {cure}"]
    there = path.read_text("utf-8")
    if there == built:
        return "as its sources give it", []
    lines = list(
        difflib.unified_diff(
            there.splitlines(), built.splitlines(), name, "built now", lineterm="", n=2
        )
    )
    more = len(lines) - SHOWN
    shown = lines[:SHOWN] + ([f"… and {more} lines more"] if more > 0 else [])
    return "differs", ["\n".join([f"{name} is not what its sources give. {cure}", *shown])]
