"""What docs/instructors.md shows works as it stands there."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from labkit.course import catalogue
from labkit.course.proof import command
from labkit.course.refusals import refuse
from labkit.lab import Lab, running

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "instructors.md").read_text("utf-8")
EXAMPLE = re.compile(
    r"<!-- example: (?P<name>\S+) -->\n(?P<fence>`{3,})\w+\n(?P<text>.*?)\n(?P=fence)\n", re.DOTALL
)
LESSON = "class_with_one_exercise"


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[catalogue.Lesson]:
    """A lesson that has the document's exercise and nothing else."""
    folder = tmp_path / LESSON / "l01_frames"
    folder.mkdir(parents=True)
    for each in (folder.parent, folder):
        (each / "__init__.py").write_text("")
    for found in EXAMPLE.finditer(TEXT):
        (folder / found["name"]).write_text(found["text"] + "\n", "utf-8")
    (folder / "lesson.md").write_text("# 01 Frames\n", "utf-8")
    exercises = folder / "exercises.md"
    exercises.write_text(f"# 01 Frames: exercises\n\n{exercises.read_text('utf-8')}", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield catalogue.lessons(LESSON)[0]
    for name in [name for name in sys.modules if name.partition(".")[0] == LESSON]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


def test_the_example_has_its_three_pieces() -> None:
    assert [found["name"] for found in EXAMPLE.finditer(TEXT)] == [
        "exercises.md",
        "checks.py",
        "answers.md",
    ]


def test_the_build_takes_the_example(lesson: catalogue.Lesson) -> None:
    refuse(lesson, [lesson])


def test_the_example_is_proven(lesson: catalogue.Lesson, lab: Lab) -> None:
    proof = command.prove(lesson, "1.1", lab, mutants=True)
    assert not proof.failures, "\n".join(proof.failures)


def test_the_table_of_lessons_names_each_of_them_with_its_minutes() -> None:
    for each in catalogue.lessons():
        (row,) = re.findall(rf"^\| {each.number:02} [^|]*\| (\d+) \|", TEXT, re.MULTILINE)
        lesson = (each.folder / "lesson.md").read_text("utf-8")
        read = re.search(r"about (\d+) minutes", lesson)
        assert read, f"{each.name} does not say how long it takes"
        exercises = sum(exercise.minutes for exercise in each.exercises)
        assert abs(int(row) - int(read[1]) - exercises) <= 10, (each.name, row, read[1], exercises)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("folder", "status"), [("solutions", 0), ("exercises", 1)])
def test_the_workflow_checks_what_was_handed_in(tmp_path: Path, folder: str, status: int) -> None:
    """Its last command, as it stands there, in a class's repository."""
    workflow = yaml.safe_load(
        (DOCS / "class-repository" / "check-exercises.yml").read_text("utf-8")
    )
    script = workflow["jobs"]["check"]["steps"][-1]["run"]
    assert script.startswith("lab/.venv/bin/python -m pytest")
    (tmp_path / "work").mkdir()
    shutil.copy(DOCS.parent / folder / "01_websocket_api.ipynb", tmp_path / "work")
    run = subprocess.run(
        ["bash", "-e", "-c", script.replace("lab/.venv/bin/python", shlex.quote(sys.executable))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == status, run.stdout + run.stderr
    number = len(catalogue.lesson(1).exercises)
    assert (f"{number} failed" in run.stdout) == bool(status), run.stdout
