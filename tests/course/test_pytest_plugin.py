"""The pytest plugin, seen from outside: pytest runs notebooks, and says what it must say."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from labkit.course import build, catalogue
from labkit.views.view import Table
from tests.course.drafts import PACKAGE

EXERCISES = "exercises/01_greeting.ipynb"
SOLUTIONS = "solutions/01_greeting.ipynb"
LESSON = "notebooks/01_greeting.ipynb"


@dataclass(frozen=True)
class Run:
    """A run of pytest: its status, what it printed, and the cells that failed."""

    status: int
    said: str

    @property
    def failed(self) -> list[str]:
        return re.findall(r"^FAILED (\S+::Cell \d+)", self.said, re.MULTILINE)

    @property
    def passed(self) -> int:
        found = re.search(r"(\d+) passed", self.said)
        return int(found[1]) if found else 0


@dataclass(frozen=True)
class Lab:
    """A lab's folder with the fixture's notebooks."""

    root: Path

    def pytest(self, *arguments: str, **environment: str) -> Run:
        command = [sys.executable, "-m", "pytest", "-p", "labkit.pytest_plugin", "--color=no", "-q"]
        plain = ["-p", "no:cacheprovider", "-p", "no:asyncio", "-c", os.devnull, "--rootdir=."]
        run = subprocess.run(
            [*command, *plain, *arguments],
            cwd=self.root,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        return Run(run.returncode, run.stdout + run.stderr)

    def change(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change a notebook; ``change`` gets its cells by their ids."""
        path = self.root / name
        notebook = nbformat.read(path, as_version=4)
        change({cell.id: cell for cell in notebook.cells})
        path.write_text(nbformat.writes(notebook), "utf-8")

    def notebook(self, name: str, *cells: dict[str, Any]) -> None:
        """Write a notebook of code cells that were run: each with ``source`` and what else it has."""
        made = nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_code_cell(id=f"c-{n}", **{"execution_count": n + 1, **cell})
                for n, cell in enumerate(cells)
            ]
        )
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(nbformat.writes(made), "utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built")
    assert build.run(catalogue.lessons(PACKAGE), root, say=lambda line: None) == 0
    return root


@pytest.fixture
def lab(built: Path, tmp_path: Path) -> Lab:
    shutil.copytree(built, tmp_path / "lab")
    return Lab(tmp_path / "lab")


def text(said: str) -> list[Any]:
    return [nbformat.v4.new_output("stream", text=said)]


# -- outputs --------------------------------------------------------------------------------------


def test_built_notebooks_pass_strictly(lab: Lab) -> None:
    run = lab.pytest("--nbval", "notebooks", "solutions")
    assert (run.status, run.failed) == (0, []), run.said
    # Every code cell of the two lessons and of the solutions.
    assert run.passed == 1 + 4 + 6


def test_a_notebook_with_a_wrong_output_fails(lab: Lab) -> None:
    path = lab.root / LESSON
    stored = path.read_text("utf-8")
    path.write_text(stored.replace('"to stdout\\n"', '"to nobody\\n"', 1), "utf-8")
    run = lab.pytest("--nbval", "notebooks")
    assert (run.status, run.failed) == (1, [f"{LESSON}::Cell 2"]), run.said


def test_what_differs_from_run_to_run_is_not_compared(lab: Lab) -> None:
    lab.notebook(
        LESSON,
        {"source": "print('took 1.25 ms')", "outputs": text("took 9.75 ms\n")},
        {"source": "print('took 2 steps')", "outputs": text("took 3 steps\n")},
    )
    assert lab.pytest("--nbval", LESSON).failed == [f"{LESSON}::Cell 1"]


LIVE = """
from labkit.eventlog import EventLog
from labkit.views.live import Gallery
from labkit.views.view import Table

log = EventLog()


def count():
    return Table("Events", ["How many"], [[str(len(log))]], f"{len(log)} events")


view = Gallery().show("count", log, count)
for _ in range(3):
    log.append("frame.in")
"""


def test_a_live_view_is_compared_as_it_is_at_the_end_of_its_cell(lab: Lab) -> None:
    def shown(count: int) -> list[Any]:
        view = Table("Events", ["How many"], [[str(count)]], f"{count} events")
        data = {"text/plain": view.text, "text/html": view.html}
        return [nbformat.v4.new_output("display_data", data=data)]

    for name, count in (("right", 3), ("wrong", 2)):
        lab.notebook(f"{name}.ipynb", {"source": LIVE, "outputs": shown(count)})
    run = lab.pytest("--nbval", "right.ipynb", "wrong.ipynb")
    assert (run.passed, run.failed) == (1, ["wrong.ipynb::Cell 0"]), run.said


def test_nbval_compares_as_the_course_relies_on(lab: Lab) -> None:
    """Strictly: cells that were run.  Laxly: marked cells; and it misses an error that never came."""
    wrong = text("wrong\n")
    lab.notebook(
        "facts.ipynb",
        {"source": "print(1)", "outputs": wrong},
        {"source": "print(2)", "outputs": [], "execution_count": None},
        {"source": "# NBVAL_CHECK_OUTPUT\nprint(3)", "outputs": wrong},
        {"source": "4", "outputs": [], "metadata": {"tags": ["raises-exception"]}},
    )
    strict, lax = lab.pytest("--nbval", "facts.ipynb"), lab.pytest("--nbval-lax", "facts.ipynb")
    assert strict.failed == [f"facts.ipynb::Cell {n}" for n in (0, 2, 3)]
    assert lax.failed == ["facts.ipynb::Cell 2"]


# -- unsolved -------------------------------------------------------------------------------------


def test_without_an_option_an_unsolved_exercise_fails(lab: Lab) -> None:
    run = lab.pytest("--nbval-lax", "exercises")
    assert (run.status, run.failed) == (1, [f"{EXERCISES}::Cell 2", f"{EXERCISES}::Cell 5"])


def test_unsolved_exercises_fail_at_their_checks_and_nowhere_else(lab: Lab) -> None:
    run = lab.pytest("--nbval-lax", "--labkit-unsolved", "exercises")
    assert (run.status, run.failed, run.passed) == (0, [], 6), run.said


def test_an_exercise_that_is_solved_as_shipped_is_an_error(lab: Lab) -> None:
    def solve(cells: dict[str, Any]) -> None:
        cells["answer-1-1"].source = "def greet(name):\n    return f'Hello, {name}!'"
        # nbval alone would call this cell fine, whether it raises or not.
        cells["check-1-1"].metadata.tags = ["raises-exception"]

    lab.change(EXERCISES, solve)
    run = lab.pytest("--nbval-lax", "--labkit-unsolved", "exercises")
    assert (run.status, run.failed) == (1, [f"{EXERCISES}::Cell 2"])
    assert "Exercise 1.1 is solved as it is" in run.said


def test_an_exercise_that_fails_for_another_reason_is_an_error(lab: Lab) -> None:
    def spoil(cells: dict[str, Any]) -> None:
        cells["answer-1-1"].source = "def greet(person):\n    return person"
        cells["check-1-1"].source = 'check("1.1", greeting)'
        cells["given-1-2"].source = "no_event"

    lab.change(EXERCISES, spoil)
    run = lab.pytest("--nbval-lax", "--labkit-unsolved", "exercises")
    assert (run.status, run.failed) == (1, [f"{EXERCISES}::Cell 2", f"{EXERCISES}::Cell 3"])
    assert "Exercise 1.1 must fail with NotYet, and failed with: NameError" in run.said
    assert "name 'greeting' is not defined" in run.said


def test_a_notebook_in_which_nothing_can_fail_is_refused(lab: Lab) -> None:
    run = lab.pytest("--nbval-lax", "--labkit-unsolved", "notebooks/00_welcome.ipynb", EXERCISES)
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert "--labkit-unsolved: no check cell in 00_welcome.ipynb" in run.said


# -- leave one out --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["1.1", "1.2"])
def test_with_one_left_out_exactly_that_one_fails(lab: Lab, number: str) -> None:
    run = lab.pytest("--nbval", "--labkit-leave-out", number, "solutions")
    assert (run.status, run.failed, run.passed) == (0, [], 6), run.said


def test_a_check_that_does_not_notice_what_is_left_out_is_an_error(lab: Lab) -> None:
    def blind(cells: dict[str, Any]) -> None:
        cells["check-1-1"].source = "print('Exercise 1.1 Greet by name: solved')"

    lab.change(SOLUTIONS, blind)
    run = lab.pytest("--nbval", "--labkit-leave-out", "1.1", "solutions")
    assert (run.status, run.failed) == (1, [f"{SOLUTIONS}::Cell 2"])
    assert "Exercise 1.1 is solved as it is" in run.said


def test_an_exercise_that_leans_on_the_one_left_out_is_an_error(lab: Lab) -> None:
    def lean(cells: dict[str, Any]) -> None:
        cells["given-1-2"].source = "event = {'name': greet('Ada').upper()}"

    lab.change(SOLUTIONS, lean)
    run = lab.pytest("--nbval", "--labkit-leave-out", "1.1", "solutions")
    assert (run.status, run.failed) == (1, [f"{SOLUTIONS}::Cell 3"])


def test_an_exercise_that_is_nowhere_cannot_be_left_out(lab: Lab) -> None:
    run = lab.pytest("--nbval", "--labkit-leave-out", "1.7", "solutions")
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert "no notebook here has an exercise 1.7" in run.said


def test_without_the_stub_nothing_can_be_left_out(lab: Lab) -> None:
    (lab.root / EXERCISES).unlink()
    run = lab.pytest("--nbval", "--labkit-leave-out", "1.1", "solutions")
    assert run.status != 0
    assert "exercises/01_greeting.ipynb has no stub of 1.1. Run: labkit build." in run.said


# -- surroundings ---------------------------------------------------------------------------------


def test_only_a_students_copy_works_in_the_students_folder(lab: Lab) -> None:
    """All others start from nothing, each for itself, and join no running cloud."""
    alone = (
        "import os, pathlib\n"
        "work = pathlib.Path(os.environ['LABKIT_WORK'])\n"
        "assert list(work.iterdir()) == []\n"
        "(work / 'mine').touch()\n"
        "assert 'LABKIT_ENDPOINT' not in os.environ"
    )
    folders = ("notebooks", "exercises", "solutions", "handed-in")
    others = [f"{folder}/x.ipynb" for folder in folders]
    for name in others:
        lab.notebook(name, {"source": alone})
    work = str(lab.root / "mine")
    students = f"import os\nassert os.environ['LABKIT_WORK'] == {work!r}, os.environ['LABKIT_WORK']"
    lab.notebook("mine/x.ipynb", {"source": students})
    where = {"LABKIT_WORK": work, "LABKIT_ENDPOINT": "http://127.0.0.1:9"}
    run = lab.pytest("--nbval", *others, "mine/x.ipynb", **where)
    assert (run.status, run.passed) == (0, 5), run.said


@pytest.mark.parametrize("option", ["--labkit-unsolved", "--labkit-leave-out=1.1"])
def test_the_options_need_nbval(lab: Lab, option: str) -> None:
    run = lab.pytest(option)
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert "add --nbval or --nbval-lax" in run.said


SHOW = """
import json, sys
def pytest_collection_finish(session):
    option = session.config.option
    sys.stderr.write(json.dumps([option.nbval_current_env, option.nbval_cell_timeout]))
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--nbval"], [True, 60]),
        (["--nbval", "--nbval-cell-timeout=7", "--nbval-kernel-name=python3"], [False, 7]),
    ],
)
def test_nbvals_options_have_defaults_that_suit(
    lab: Lab, options: list[str], expected: list[object]
) -> None:
    (lab.root / "show.py").write_text(SHOW, "utf-8")
    run = lab.pytest(*options, "--collect-only", "-p", "show", LESSON, PYTHONPATH=".")
    assert json.loads(run.said[run.said.rindex("[") : run.said.rindex("]") + 1]) == expected


def test_a_run_without_notebooks_imports_nothing_for_them() -> None:
    source = (
        "import sys, pytest, labkit.pytest_plugin\n"
        "loaded = [n for n in ('nbformat', 'nbval', 'labkit.course', 'boto3') if n in sys.modules]\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=30, check=False
    )
    assert run.returncode == 0, run.stderr
