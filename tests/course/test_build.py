"""The build writes what the sources give, the same each time, and says what differs."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from labkit.course import build
from labkit.course.exercise import CourseError
from tests.course.drafts import Draft

NAMES = [
    "notebooks/00_welcome.ipynb",
    "notebooks/01_greeting.ipynb",
    "exercises/01_greeting.ipynb",
    "solutions/01_greeting.ipynb",
]


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return Draft(tmp_path / "sources")


class Build:
    """A build into a folder, and what it said."""

    def __init__(self, draft: Draft, root: Path) -> None:
        self.draft, self.root = draft, root
        self.said: list[str] = []

    def __call__(self, *numbers: int, check: bool = False, record: bool = False) -> int:
        self.said = []
        return build.run(
            self.draft.lessons,
            self.root,
            numbers,
            check=check,
            record=record,
            say=self.said.append,
        )

    def output(self, name: str, cell: str) -> str:
        """What a cell of a built notebook has printed."""
        cells = nbformat.read(self.root / name, as_version=4).cells
        (found,) = [each for each in cells if each.id == cell]
        return "".join(output.text for output in found.outputs)

    def states(self) -> dict[str, str]:
        """What was said of each notebook, without the time it took."""
        return {
            name: done.partition(" (")[0]
            for name, _, done in (line.partition(": ") for line in self.said)
        }


@pytest.fixture
def built(draft: Draft, tmp_path: Path) -> Build:
    return Build(draft, tmp_path / "lab")


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_second_build_writes_the_same_bytes(built: Build, tmp_path: Path) -> None:
    assert built() == 0
    assert built.states() == dict.fromkeys(NAMES, "written")
    first = files(built.root)
    assert sorted(first) == sorted(NAMES)
    again = Build(built.draft, tmp_path / "another lab")
    assert again() == 0
    assert files(again.root) == first
    assert built(check=True) == 0
    assert built.states() == dict.fromkeys(NAMES, "as its sources give it")


def test_exercises_have_no_outputs_and_solutions_have(built: Build) -> None:
    assert built(1) == 0
    exercises = (built.root / "exercises/01_greeting.ipynb").read_text("utf-8")
    assert '"output_type"' not in exercises
    assert '"execution_count": 1' not in exercises
    solutions = (built.root / "solutions/01_greeting.ipynb").read_text("utf-8")
    assert "Exercise 1.2 Say goodbye in a handler: solved" in solutions
    assert "work/handlers/farewell.py" in solutions


def test_only_what_is_asked_for_is_built(built: Build) -> None:
    assert built(0) == 0
    assert list(built.states()) == NAMES[:1]


def test_an_unchanged_notebook_is_not_written_again(built: Build) -> None:
    built(0)
    before = (built.root / NAMES[0]).stat().st_mtime_ns
    built(0)
    assert built.states() == {NAMES[0]: "unchanged"}
    assert (built.root / NAMES[0]).stat().st_mtime_ns == before


def test_a_check_says_what_differs_and_writes_nothing(
    built: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    built(0)
    path = built.root / NAMES[0]
    path.write_text(path.read_text("utf-8").replace('"welcome\\n"', '"farewell\\n"'), "utf-8")
    before = files(built.root)
    assert built(0, check=True) == 1
    assert built.states() == {NAMES[0]: "differs"}
    told = capsys.readouterr().err
    assert "notebooks/00_welcome.ipynb is not what its sources give. Run: labkit build 00" in told
    assert '-      "farewell\\n"' in told
    assert '+      "welcome\\n"' in told
    assert files(built.root) == before


def test_a_long_difference_is_cut(built: Build, capsys: pytest.CaptureFixture[str]) -> None:
    built(0)
    (built.root / NAMES[0]).write_text("\n".join(map(str, range(100))), "utf-8")
    built(0, check=True)
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == build.SHOWN + 2
    assert told[-1].startswith("… and ")


def test_a_check_misses_a_notebook(built: Build, capsys: pytest.CaptureFixture[str]) -> None:
    assert built(0, check=True) == 1
    assert "notebooks/00_welcome.ipynb is not there" in capsys.readouterr().err
    assert files(built.root) == {}


def test_a_notebook_without_a_lesson_is_named(
    built: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    built()
    (built.root / "exercises" / "09_old.ipynb").write_text("{}", "utf-8")
    assert built(check=True) == 1
    assert "exercises/09_old.ipynb: no lesson gives this notebook" in capsys.readouterr().err


def test_one_refused_lesson_does_not_keep_the_others_from_being_built(
    built: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    built.draft.edit("lesson.md", "![a waving hand]", "![]")
    assert built() == 1
    assert list(built.states()) == NAMES[:1]
    assert "lesson.md:3: a picture without alternative text" in capsys.readouterr().err


def test_a_lesson_whose_cell_fails_is_named_and_not_written(
    built: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    built.draft.edit("exercises.md", 'check("1.2", handler_file("farewell"))', 'check("1.2", None)')
    assert built(1) == 1
    told = capsys.readouterr().err
    assert "solutions/01_greeting.ipynb: a cell raised " in told
    assert 'check("1.2", None)' in told
    assert "solutions/01_greeting.ipynb" not in files(built.root)


def test_an_unknown_lesson_is_named(built: Build) -> None:
    with pytest.raises(CourseError, match=r"no lesson 7\. Lessons: 00_welcome, 01_greeting"):
        built(7)


# -- measured cells -------------------------------------------------------------------------------

MEASURED = "01-4"


def test_a_measured_cell_shows_what_was_recorded(built: Build) -> None:
    recorded = (built.draft.folder / "recording.json").read_text("utf-8")
    assert built(1) == 0
    shown = built.output("notebooks/01_greeting.ipynb", MEASURED)
    (cell,) = json.loads(recorded)["notebooks"]
    assert shown == cell["outputs"][0]["text"]
    assert re.fullmatch(r"\d+\.\d+ \d+\n", shown)


def test_recording_renews_what_a_measured_cell_shows(built: Build) -> None:
    assert built(1) == 0
    before = built.output("notebooks/01_greeting.ipynb", MEASURED)
    assert built(1, record=True) == 0
    after = built.output("notebooks/01_greeting.ipynb", MEASURED)
    assert after != before  # seconds since the machine began, and a process's number
    assert built(1, check=True) == 0


def test_a_measured_cell_that_was_changed_must_be_recorded_again(
    built: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    built.draft.edit("lesson.md", "print(time.perf_counter(), os.getpid())", "print(os.getpid())")
    assert built(1) == 1
    told = capsys.readouterr().err
    assert "notebooks/01_greeting.ipynb: the cell that begins with 'print(os.getpid())'" in told
    assert "Run: labkit build --record 01" in told
    assert built(1, record=True) == 0


def test_a_lesson_without_measured_cells_needs_no_recording(built: Build) -> None:
    built.draft.edit("lesson.md", 'python tags=["nbval-ignore-output"]', "python")
    built.draft.edit("lesson.md", "print(time.perf_counter(), os.getpid())", "print('none')")
    assert built(1, record=True) == 0
    assert not (built.draft.folder / "recording.json").exists()
