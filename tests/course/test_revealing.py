"""A solution is shown once it is solved, or once its hints are taken."""

from pathlib import Path

import pytest

from labkit.course import catalogue, hinting, revealing
from labkit.course.hinting import take
from labkit.course.journal import Journal
from labkit.course.revealing import uncover
from tests.course.drafts import PACKAGE

LESSON = catalogue.lesson(1, PACKAGE)
GREET, FAREWELL = LESSON.exercises

SOLUTION = """Exercise 1.1 Greet by name: a solution

def greet(name):
    return f"Hello, {name}!"

An f-string takes the name in where the braces are."""


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def test_before_the_hints_it_says_how_many_are_left(journal: Journal) -> None:
    journal.add("1.1", "not yet", diagnosis="NO_NAME")
    assert uncover(GREET, LESSON, journal) == (
        "Exercise 1.1 Greet by name is not solved, and 3 hints are left. "
        'hint("1.1") gives the next one.'
    )
    take(GREET, journal)
    take(GREET, journal)
    assert "1 hint is left" in uncover(GREET, LESSON, journal)
    assert not journal.standing("1.1").revealed


def test_after_the_third_hint_it_shows_the_solution_and_counts_it(journal: Journal) -> None:
    for _ in range(3):
        take(GREET, journal)
    assert uncover(GREET, LESSON, journal) == SOLUTION
    assert journal.standing("1.1").revealed


def test_hints_for_different_diagnoses_count_together(journal: Journal) -> None:
    for text in ("of one diagnosis", "of another", "and of a third"):
        journal.add("1.1", "hint", text=text)
    assert uncover(GREET, LESSON, journal) == SOLUTION


def test_once_solved_it_is_shown_and_costs_nothing(journal: Journal) -> None:
    journal.add("1.1", "solved", answer="")
    assert uncover(GREET, LESSON, journal) == SOLUTION
    assert not journal.standing("1.1").revealed


def test_a_handlers_cell_is_shown_as_it_is(journal: Journal) -> None:
    journal.add("1.2", "solved", answer="")
    lines = uncover(FAREWELL, LESSON, journal).splitlines()
    assert lines[2:4] == ["%%handler farewell", "def handler(event, context):"]
    assert "#: stub" not in "\n".join(lines)


def test_on_the_command_line_it_names_commands(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path))
    assert revealing.main(["3.3"]) == 0
    assert "3 hints are left. `labkit hint 3.3` gives the next one." in capsys.readouterr().out
    for _ in range(4):
        assert hinting.main(["3.3"]) == 0
    said = capsys.readouterr().out
    assert "You have read all its hints. `labkit reveal 3.3` shows the solution." in said
    assert 'hint("' not in said
