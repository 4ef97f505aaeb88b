"""``labkit check``: how each exercise of a student's notebook stands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from labkit.course import build, catalogue
from labkit.course.validation import Outcome, Record, reason, table
from tests.course.drafts import PACKAGE

LESSON = catalogue.lesson(1, PACKAGE)


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """The fixture's exercises as a student's copy."""
    (target,) = [each for each in build.targets(LESSON) if each.name.startswith("exercises/")]
    path = tmp_path / "work" / "01_greeting.ipynb"
    build.write(path, target.build(tmp_path).text())
    return path


def change(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    notebook = nbformat.read(path, as_version=4)
    change({cell.id: cell for cell in notebook.cells})
    path.write_text(nbformat.writes(notebook), "utf-8")


def run(path: Path, seconds: float = 60) -> Record:
    """Validate a notebook in a process of its own, as the command does."""
    source = (
        "import dataclasses, json, pathlib, sys\n"
        "from labkit.course.validation import validate\n"
        "print(json.dumps(dataclasses.asdict(validate(pathlib.Path(sys.argv[1]), seconds=float(sys.argv[2])))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, str(path), str(seconds)],
        env={**os.environ, "LABKIT_WORK": str(path.parent)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return Record({n: Outcome(**o) for n, o in told["outcomes"].items()}, told["others"])


def test_solved_and_not_yet_are_told_apart(notebook: Path) -> None:
    def answer(cells: dict[str, Any]) -> None:
        cells["answer-1-1"].source = "def greet(name):\n    return f'Hello, {name}!'"
        cells[
            "answer-1-2"
        ].source = "%%handler farewell\ndef handler(event, context):\n    return {}"

    change(notebook, answer)
    record = run(notebook)
    assert record.outcomes == {
        "1.1": Outcome("solved"),
        "1.2": Outcome("not yet", "[NO_STATUS] answer with a statusCode"),
    }
    assert record.others == []
    text, solved = table(LESSON.exercises, record)
    assert not solved
    assert text.splitlines()[-2:] == [
        "1 of 2 exercises solved.",
        "Go on with 1.2; `labkit hint 1.2` helps.",
    ]
    assert (notebook.parent / "handlers" / "farewell.py").is_file()


def test_an_answer_that_raises_is_named_beside_its_check(notebook: Path) -> None:
    def answer(cells: dict[str, Any]) -> None:
        cells["answer-1-1"].source = "def greet(name)\n    return name"

    change(notebook, answer)
    record = run(notebook)
    said = "your answer: SyntaxError: expected ':' (line 1)"
    assert record.outcomes["1.1"] == Outcome("not yet", said)
    assert record.others == []


def test_an_answer_that_raises_after_it_was_solved_is_told_of_too(notebook: Path) -> None:
    def answer(cells: dict[str, Any]) -> None:
        cells["answer-1-1"].source = "def greet(name):\n    return f'Hello, {name}!'\ngreet(1, 2)"

    change(notebook, answer)
    record = run(notebook)
    assert record.outcomes["1.1"] == Outcome("solved")
    (told,) = record.others
    assert told.startswith("the answer of 1.1: TypeError: greet() takes 1 positional")


def test_an_exercise_without_an_answer_is_open(notebook: Path) -> None:
    def answer(cells: dict[str, Any]) -> None:
        cells["check-1-1"].source = (
            "from labkit.course.verdict import NotYet\n"
            "said = {'did': 'nothing', 'expected': 'something', 'next_step': 'write'}\n"
            "raise NotYet(number='1.1', title='Greet', diagnosis='NOTHING_YET', **said)"
        )

    change(notebook, answer)
    assert run(notebook).outcomes["1.1"] == Outcome("open")


def test_what_comes_after_a_cell_that_does_not_end_is_not_reached(notebook: Path) -> None:
    def answer(cells: dict[str, Any]) -> None:
        cells["answer-1-2"].source = "import threading\nthreading.Event().wait()"

    change(notebook, answer)
    record = run(notebook, seconds=5)
    assert record.outcomes["1.1"].state == "not yet"
    said = "your answer: it did not end in time"
    assert record.outcomes["1.2"] == Outcome("not reached", said)
    assert record.others == []


def test_a_missing_check_is_not_reached() -> None:
    text, solved = table(LESSON.exercises, Record({"1.1": Outcome("solved")}))
    assert not solved
    first, second, last, _ = text.splitlines()
    assert first.split() == ["1.1", "Greet", "by", "name", "solved"]
    assert "1.2" in second
    assert "not reached" in second
    assert "labkit restore brings it" in second
    assert last == "1 of 2 exercises solved."


def test_all_solved_is_solved() -> None:
    record = Record({"1.1": Outcome("solved"), "1.2": Outcome("solved")})
    text, solved = table(LESSON.exercises, record)
    assert solved
    assert text.splitlines()[-1] == "2 of 2 exercises solved."


NOT_YET = """Exercise 4.2 broadcast: not yet                       [GONE_ABORTS]
  Did:      sent to c1 and c2; GoneException (410) for c3 ended the loop
  Expected: c1, c2 and c4 receive the message once, and c3's row is removed
  Next:     handle the 410 of one connection without stopping the others
  hint("4.2") gives hint 1 of 3"""


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        (
            "NotYet",
            NOT_YET,
            "[GONE_ABORTS] handle the 410 of one connection without stopping the others",
        ),
        ("ValueError", "one\ntwo", "ValueError: one"),
        ("SyntaxError", "invalid (1255499277.py, line 3)", "SyntaxError: invalid (line 3)"),
        ("KeyboardInterrupt", "", "KeyboardInterrupt"),
    ],
)
def test_a_reason_is_one_line(name: str, said: str, expected: str) -> None:
    assert reason(name, said) == expected
