"""Hints: three levels, chosen by the last diagnosis, none of them given twice."""

import dataclasses
from pathlib import Path

import pytest

from labkit.course.checking import note
from labkit.course.exercise import Attempt, Diagnosis, Exercise, Kind, exercise
from labkit.course.hinting import take, upcoming
from labkit.course.journal import Journal
from labkit.course.verdict import NotYet
from tests.course.fixture.checking import no_sandbox


@exercise(
    "1.1",
    "Double",
    kind=Kind.FILL_IN,
    difficulty=1,
    minutes=1,
    hints=("What is twice?", "Multiplication.", "x * 2"),
    diagnoses={
        "NOTHING": "return something",
        "ZERO": "start with x",
        "HALF": Diagnosis("multiply", hints=("Is / what you want?", "* is its opposite.")),
    },
)
def double(attempt: Attempt) -> None:
    raise NotImplementedError


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def hint(journal: Journal, exercise: Exercise = double) -> list[str]:
    return take(exercise, journal).splitlines()


def test_without_a_check_the_exercises_own_hints_come_in_order(journal: Journal) -> None:
    assert hint(journal) == ["Exercise 1.1 Double: hint 1 of 3", "  What is twice?"]
    assert hint(journal) == ["Exercise 1.1 Double: hint 2 of 3", "  Multiplication."]
    assert hint(journal) == ["Exercise 1.1 Double: hint 3 of 3", "  x * 2"]


def test_the_fourth_call_repeats_the_third_and_names_reveal(journal: Journal) -> None:
    third = [hint(journal) for _ in range(3)][-1]
    *fourth, last = hint(journal)
    assert fourth == third
    assert last == 'You have read all its hints. reveal("1.1") shows the solution.'
    assert hint(journal)[-1] == last
    assert journal.standing("1.1").taken == 3
    assert len([*journal.lines()]) == 3


def test_a_diagnosis_with_hints_of_its_own_begins_with_them(journal: Journal) -> None:
    hint(journal)
    hint(journal)
    journal.add("1.1", "not yet", diagnosis="HALF")
    assert hint(journal) == ["Exercise 1.1 Double: hint 1 of 3", "  Is / what you want?"]
    assert hint(journal)[1] == "  * is its opposite."
    assert hint(journal) == ["Exercise 1.1 Double: hint 3 of 3", "  x * 2"]


def test_another_diagnosis_without_hints_of_its_own_repeats_none(journal: Journal) -> None:
    journal.add("1.1", "not yet", diagnosis="NOTHING")
    hint(journal)
    journal.add("1.1", "not yet", diagnosis="ZERO")
    assert hint(journal)[0] == "Exercise 1.1 Double: hint 2 of 3"


@pytest.mark.parametrize("diagnosis", ["NOTHING_YET", "WAS_THERE_IN_AN_OLDER_COURSE"])
def test_a_diagnosis_that_the_exercise_does_not_list_gets_its_hints(
    journal: Journal, diagnosis: str
) -> None:
    journal.add("1.1", "not yet", diagnosis=diagnosis)
    assert hint(journal)[1] == "  What is twice?"


def test_after_it_is_solved_a_hint_says_so_and_is_given(journal: Journal) -> None:
    journal.add("1.1", "not yet", diagnosis="HALF")
    journal.add("1.1", "solved", answer="")
    assert hint(journal) == [
        "Exercise 1.1 Double: hint 1 of 3; you have solved it",
        "  What is twice?",
    ]


def test_what_comes_next_is_known_without_taking_it(journal: Journal) -> None:
    assert upcoming(double, journal.standing("1.1")) == [1, 2, 3]
    hint(journal)
    assert upcoming(double, journal.standing("1.1")) == [2, 3]
    assert journal.standing("1.1").taken == 1


def test_a_check_writes_down_what_it_found_and_tells_the_next_hint(journal: Journal) -> None:
    attempt = Attempt(double, no_sandbox, 1)

    def said() -> str:
        verdict = attempt.not_yet("ZERO", did="gave 0", expected="8")
        with pytest.raises(NotYet) as raised:
            note(double, verdict, [], journal)
        assert raised.value is verdict
        return str(verdict).splitlines()[-1]

    assert said() == '  hint("1.1") gives hint 1 of 3'
    hint(journal)
    assert said() == '  hint("1.1") gives hint 2 of 3'
    hint(journal)
    hint(journal)
    assert said() == '  hint("1.1") repeats hint 3 of 3; reveal("1.1") shows the solution'
    assert journal.standing("1.1").diagnosis == "ZERO"
    note(double, None, ["return 2 * x"], journal)
    standing = journal.standing("1.1")
    assert (standing.failed, standing.answer, bool(standing.solved)) == (3, "return 2 * x", True)


def test_a_long_piece_of_code_stays_whole(journal: Journal) -> None:
    """A student copies an ARN out of a hint."""
    arn = "arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations-and-more"
    long = dataclasses.replace(double, hints=(f"Which one is it? Perhaps {arn}", "It is.", "x"))
    assert hint(journal, long)[-1] == f"  {arn}"
