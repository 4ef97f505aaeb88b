"""The notebooks are what their sources give, and run as they must: a class for each lesson."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.course import build, catalogue
from labkit.course.catalogue import Lesson
from labkit.course.exercise import Exercise
from labkit.course.proof.left_out import complaints
from labkit.lab import Lab, running

ROOT = Path(__file__).parent.parent
LESSONS = catalogue.lessons()
SECONDS = 170
"""For the notebooks of a lesson, each with a kernel and a cloud of its own, on a machine that is busy."""

pytestmark = pytest.mark.timeout(SECONDS + 10)


def nbval(*arguments: str) -> str:
    """Run notebooks as an instructor does; what pytest says, unless they pass, else nothing."""
    plain = ["-p", "no:cacheprovider", "-p", "no:asyncio", "-c", os.devnull, "--rootdir=."]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--color=no", *plain, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return run.stdout + run.stderr if run.returncode else ""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


class OfEveryLesson:
    """What holds for the notebooks of a lesson."""

    lesson: Lesson

    def test_the_notebooks_are_what_their_sources_give(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status = build.run(LESSONS, ROOT, [self.lesson.number], check=True)
        assert status == 0, capsys.readouterr().err

    def test_outputs_are_those_that_are_stored(self) -> None:
        there = [f"{folder}/{self.lesson.name}.ipynb" for folder in ("notebooks", "solutions")]
        assert nbval("--nbval", *(name for name in there if (ROOT / name).is_file())) == ""


class OfALessonWithExercises(OfEveryLesson):
    """What holds for the notebooks of a lesson with exercises."""

    def test_an_unsolved_notebook_fails_at_its_checks_and_nowhere_else(self) -> None:
        name = f"exercises/{self.lesson.name}.ipynb"
        assert nbval("--nbval-lax", "--labkit-unsolved", name) == ""

    def test_with_one_left_out_exactly_that_one_fails(self, exercise: Exercise, lab: Lab) -> None:
        assert list(complaints(self.lesson, exercise.number, lab)) == []

    def test_the_last_exercise_is_a_make(self) -> None:
        assert self.lesson.exercises[-1].kind.value == "make"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Leave out each exercise of a class's lesson."""
    if "exercise" in metafunc.fixturenames:
        exercises = metafunc.cls.lesson.exercises
        metafunc.parametrize("exercise", exercises, ids=lambda exercise: exercise.number)


for lesson in LESSONS:
    name = f"TestLesson{lesson.number:02}"
    kind = OfALessonWithExercises if lesson.exercises else OfEveryLesson
    globals()[name] = type(name, (kind,), {"lesson": lesson})


def test_nbval_leaves_an_exercise_out_as_the_tests_above_do() -> None:
    """In a kernel of its own; tests/course/test_pytest_plugin.py shows that it can fail."""
    lesson = next(lesson for lesson in LESSONS if lesson.exercises)
    number = lesson.exercises[0].number
    assert nbval("--nbval", f"--labkit-leave-out={number}", f"solutions/{lesson.name}.ipynb") == ""


def test_a_wrong_output_is_noticed() -> None:
    """Whatever lets this notebook pass, such as a plugin that is not loaded, lets all of them pass."""
    said = nbval("--nbval", "tests/notebooks/wrong_output.ipynb")
    assert "FAILED tests/notebooks/wrong_output.ipynb::Cell 1" in said
    assert "1 failed, 1 passed" in said


def test_an_unsolved_notebook_in_which_nothing_fails_is_noticed() -> None:
    said = nbval("--nbval-lax", "--labkit-unsolved", "tests/notebooks/wrong_output.ipynb")
    assert "no check cell in wrong_output.ipynb" in said


def test_every_notebook_has_a_lesson() -> None:
    assert build.strays(LESSONS, ROOT) == []
    assert LESSONS[0].name == "00_start_here"
