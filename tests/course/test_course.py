"""What a student's notebook imports from ``labkit.course``."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import labkit.course
from labkit import cli
from labkit.course import catalogue


def test_no_module_hides_what_is_exported() -> None:
    """A submodule becomes an attribute of its package, and would be there instead of the function."""
    for module in pkgutil.iter_modules(labkit.course.__path__):
        importlib.import_module(f"labkit.course.{module.name}")
    uncalled = [
        name for name in labkit.course.__all__ if not callable(getattr(labkit.course, name))
    ]
    assert uncalled == []


def test_a_name_that_the_course_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'labkit\.course' has no attribute 'chekc'"):
        _ = labkit.course.chekc


def test_a_students_verbs_say_what_the_calls_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path))
    first = next(each for lesson in catalogue.lessons() for each in lesson.exercises)
    name = f"Exercise {first.number} {first.title}"

    def run(*words: str) -> str:
        assert cli.main(words) == 0
        return capsys.readouterr().out

    assert run("reveal", first.number).startswith(f"{name} is not solved, and 3 hints are left.")
    for level in (1, 2, 3):
        said = run("hint", first.number)
        assert said.startswith(f"{name}: hint {level} of 3\n")
        assert " ".join(first.hints[level - 1].split()) in " ".join(said.split())
    assert run("reveal", first.number).startswith(f"{name}: a solution\n\n")
    labkit.course.progress()
    shown = capsys.readouterr().out
    assert run("progress") == shown
    assert f"{first.title}  " in shown
    assert cli.main(["hint", "9.99"]) == 1
    assert "There is no exercise '9.99'" in capsys.readouterr().err


def test_what_only_some_calls_need_is_not_loaded_before() -> None:
    source = (
        "import sys\n"
        "from labkit import Lab\n"
        f"from labkit.course import {', '.join(labkit.course.__all__)}\n"
        "Lab.start().stop()\n"
        "print(*{'IPython', 'ipywidgets', 'jupytext', 'pytest'} & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
