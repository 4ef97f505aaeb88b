"""The student's copies: nothing a student wrote is ever lost, and one exercise can begin anew."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from labkit.course import build, catalogue
from labkit.course.exercise import CourseError
from labkit.course.restoring import offer
from labkit.course.workbook import Workbook
from labkit.errors import EnvironmentProblem
from tests.course.drafts import PACKAGE

NAME = "01_greeting"
STUB = "def greet(name):\n    ...  # a greeting"
MINE = "def greet(name):\n    return 'mine'"
Cells = dict[str, Any]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture's exercises; building them runs no kernel."""
    root = tmp_path_factory.mktemp("built")
    (target,) = [
        target
        for target in build.targets(catalogue.lesson(1, PACKAGE))
        if target.name.startswith("exercises/")
    ]
    build.write(root / target.name, target.build(root).text())
    return root / "exercises"


class Student:
    """The course's exercises, a student's work folder, and what the student does in it."""

    def __init__(self, root: Path) -> None:
        self.exercises, self.work = root / "exercises", root / "work"
        self.workbook = Workbook(self.exercises, self.work)

    @property
    def path(self) -> Path:
        return self.work / f"{NAME}.ipynb"

    def change(self, change: Callable[[list[Any]], None], path: Path | None = None) -> None:
        notebook = nbformat.read(path or self.path, as_version=4)
        change(notebook.cells)
        (path or self.path).write_text(nbformat.writes(notebook), "utf-8")

    def edit(self, name: str, source: str) -> None:
        """Give a cell another text."""

        def change(cells: list[Any]) -> None:
            (cell,) = [cell for cell in cells if cell.id == name]
            cell.source = source

        self.change(change)

    def delete(self, *names: str) -> None:
        self.change(lambda cells: keep(cells, [cell for cell in cells if cell.id not in names]))

    @property
    def cells(self) -> list[Any]:
        return list(nbformat.read(self.path, as_version=4).cells)

    @property
    def ids(self) -> list[str]:
        return [cell.id for cell in self.cells]

    def source(self, name: str) -> str:
        (found,) = [cell.source for cell in self.cells if cell.id == name]
        return str(found)

    @property
    def kept(self) -> list[str]:
        folder = self.work / "answers" / "before-restore"
        return [path.read_text("utf-8") for path in sorted(folder.glob("*"))]


def keep(cells: list[Any], kept: list[Any]) -> None:
    cells[:] = kept


@pytest.fixture
def student(built: Path, tmp_path: Path) -> Student:
    shutil.copytree(built, tmp_path / "exercises")
    made = Student(tmp_path)
    made.workbook.copy()
    return made


def renew(student: Student) -> bytes:
    """The course brings a newer version of the exercises."""

    def change(cells: list[Any]) -> None:
        cells[-1].source = "A newer end."

    path = student.exercises / f"{NAME}.ipynb"
    student.change(change, path)
    return path.read_bytes()


# -- copies ---------------------------------------------------------------------------------------


def test_what_is_not_there_is_copied(built: Path, tmp_path: Path) -> None:
    book = Workbook(built, tmp_path / "work")
    assert book.find(NAME) is None
    assert book.copy() == [f"work/{NAME}.ipynb is your copy of exercises/{NAME}.ipynb."]
    copy = book.find(NAME)
    assert copy is not None
    assert copy.read_bytes() == (built / f"{NAME}.ipynb").read_bytes()


def test_a_second_copy_does_and_says_nothing(student: Student) -> None:
    before = student.path.stat().st_mtime_ns
    assert student.workbook.copy() == []
    assert student.path.stat().st_mtime_ns == before


def test_what_a_student_wrote_stays(student: Student) -> None:
    student.edit("answer-1-1", MINE)
    before = student.path.read_bytes()
    assert student.workbook.copy() == []
    renew(student)
    (said,) = student.workbook.copy()
    assert "is yours and stays as it is" in said
    assert "exercises/01_greeting.ipynb is newer" in said
    assert student.path.read_bytes() == before
    assert student.workbook.copy() == []  # said once


def test_a_newer_version_replaces_what_nobody_touched(student: Student) -> None:
    newest = renew(student)
    assert student.workbook.copy() == [f"work/{NAME}.ipynb was untouched and is the newer one now."]
    assert student.path.read_bytes() == newest
    assert student.workbook.copy() == []


def test_a_touched_copy_stays_through_two_newer_versions(student: Student) -> None:
    student.edit("answer-1-1", MINE)
    before = student.path.read_bytes()
    renew(student)
    student.workbook.copy()
    path = student.exercises / f"{NAME}.ipynb"
    path.write_bytes(path.read_bytes() + b"\n")
    assert len(student.workbook.copy()) == 1
    assert student.path.read_bytes() == before


@pytest.mark.parametrize("memory", [None, b"", b"{", b"[]"])
def test_without_its_memory_a_copy_that_differs_counts_as_touched(
    student: Student, memory: bytes | None
) -> None:
    before = student.path.read_bytes()
    renew(student)
    if memory is None:
        (student.work / "copies.json").unlink()
    else:
        (student.work / "copies.json").write_bytes(memory)
    student.workbook.copy()
    assert student.path.read_bytes() == before


def test_a_work_folder_that_cannot_be_written_is_named(built: Path, tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file", "utf-8")
    with pytest.raises(EnvironmentProblem, match=r"work/01_greeting\.ipynb cannot be written"):
        Workbook(built, tmp_path / "work").copy()


# -- restore --------------------------------------------------------------------------------------


def test_a_restored_exercise_has_its_stub_and_the_answer_is_kept(student: Student) -> None:
    student.edit("answer-1-1", MINE)
    student.edit("answer-1-2", "another")
    said = student.workbook.restore(NAME, "1.1")
    assert student.source("answer-1-1") == STUB
    assert student.source("answer-1-2") == "another"
    assert student.kept == [MINE + "\n"]
    assert "What was there is kept in work/answers/before-restore/1.1-1.txt." in said


def test_each_restored_answer_is_kept_for_itself(student: Student) -> None:
    for number in range(3):
        student.edit("answer-1-1", f"answer {number}")
        student.workbook.restore(NAME, "1.1")
    assert student.kept == ["answer 0\n", "answer 1\n", "answer 2\n"]


def test_outputs_go_with_the_answer(student: Student) -> None:
    def run(cells: list[Any]) -> None:
        for cell in cells:
            if cell.cell_type == "code":
                cell.execution_count = 7
                cell.outputs = [nbformat.v4.new_output("stream", text="x")]

    student.change(run)
    student.edit("answer-1-1", MINE)
    student.workbook.restore(NAME, "1.1")
    counts = {cell.id: cell.get("execution_count") for cell in student.cells}
    assert (counts["answer-1-1"], counts["check-1-1"]) == (None, None)
    assert counts["answer-1-2"] == 7


def test_an_exercise_that_is_as_it_was_is_left_alone(student: Student) -> None:
    before = student.path.read_bytes()
    (said,) = student.workbook.restore(NAME, "1.1")
    assert "is as the course gives it" in said
    assert (student.path.read_bytes(), student.kept) == (before, [])


@pytest.mark.parametrize(
    "deleted",
    [
        ["answer-1-2"],
        ["check-1-2"],
        ["answer-1-2", "check-1-2"],
        ["task-1-2", "given-1-2", "task-1-2-2", "answer-1-2", "check-1-2"],
    ],
)
def test_deleted_cells_are_put_back_in_their_place(student: Student, deleted: list[str]) -> None:
    before = student.ids
    student.delete(*deleted)
    assert student.ids != before
    student.workbook.restore(NAME, "1.2")
    assert student.ids == before
    assert student.source("answer-1-2").startswith("%%handler farewell")


def test_a_copied_answer_is_not_mistaken_for_the_first(student: Student) -> None:
    def copy(cells: list[Any]) -> None:
        index = [cell.id for cell in cells].index("answer-1-1")
        copied = nbformat.from_dict({**cells[index], "id": "copied", "source": "my notes"})
        cells.insert(0, copied)
        cells[index + 1].source = MINE

    student.change(copy)
    student.workbook.restore(NAME, "1.1")
    assert student.source("answer-1-1") == STUB
    assert student.source("copied") == "my notes"


def test_cells_that_lost_their_metadata_are_found_by_the_check(student: Student) -> None:
    def lose(cells: list[Any]) -> None:
        for number, cell in enumerate(cells):
            cell.metadata = nbformat.from_dict({})
            cell.id = f"lost-{number}"
            if cell.source == STUB:
                cell.source = MINE

    student.change(lose)
    before = len(student.cells)
    student.workbook.restore(NAME, "1.1")
    assert len(student.cells) == before
    sources = [cell.source for cell in student.cells if cell.cell_type == "code"]
    assert sources.count(STUB) == 1
    assert sources.index(STUB) + 1 == sources.index('check("1.1", greet)')
    assert student.kept == [MINE + "\n"]


def test_an_answer_whose_place_is_only_known_by_its_check_is_put_above_it(student: Student) -> None:
    def lose(cells: list[Any]) -> None:
        keep(cells, [cell for cell in cells if 'check("1.1"' in cell.source])
        cells[0].metadata = nbformat.from_dict({})
        cells[0].id = "lost"

    student.change(lose)
    student.workbook.restore(NAME, "1.1")
    code = [cell.source for cell in student.cells if cell.cell_type == "code"]
    assert code == [STUB, 'check("1.1", greet)']


def test_a_changed_check_is_mended(student: Student) -> None:
    student.edit("check-1-1", '# check("1.1", greet)')
    student.workbook.restore(NAME, "1.1")
    assert student.source("check-1-1") == 'check("1.1", greet)'


def test_what_cannot_be_restored_is_named(student: Student) -> None:
    with pytest.raises(CourseError, match=r"01_greeting has no exercise 1\.9\. It has: 1\.1, 1\.2"):
        student.workbook.restore(NAME, "1.9")
    with pytest.raises(CourseError, match=r"exercises/ has no 07_more\.ipynb. It has: 01_greeting"):
        student.workbook.restore("07_more", "7.1")
    student.path.write_text("{", "utf-8")
    with pytest.raises(CourseError, match=r"work/01_greeting\.ipynb cannot be read as a notebook"):
        student.workbook.restore(NAME, "1.1")
    student.path.unlink()
    with pytest.raises(CourseError, match=r"no work/01_greeting\.ipynb to restore"):
        student.workbook.restore(NAME, "1.1")


# -- in a notebook --------------------------------------------------------------------------------


class Shell:
    """A notebook's shell that notes down the next cell."""

    def __init__(self) -> None:
        self.cells: list[tuple[str, bool]] = []

    def set_next_input(self, text: str, replace: bool = False) -> None:
        self.cells.append((text, replace))


def test_in_an_open_notebook_the_stub_comes_into_a_new_cell(student: Student) -> None:
    student.edit("answer-1-1", MINE)
    before = student.path.read_bytes()
    shell = Shell()
    offer(NAME, "1.1", student.workbook, shell)
    assert shell.cells == [(STUB, False)]
    assert student.path.read_bytes() == before


def test_outside_a_notebook_the_command_is_named(student: Student) -> None:
    with pytest.raises(CourseError, match=r"run: labkit restore 1\.1"):
        offer(NAME, "1.1", student.workbook, None)
