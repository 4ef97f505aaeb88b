"""With one exercise left out, exactly its check fails; anything else is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.course.proof.left_out import complaints
from labkit.lab import Lab, running
from tests.course.drafts import Draft


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return Draft(tmp_path)


@pytest.mark.parametrize("number", ["1.1", "1.2"])
def test_exactly_what_is_left_out_fails(draft: Draft, lab: Lab, number: str) -> None:
    assert list(complaints(draft.lesson, number, lab)) == []


def test_a_check_that_does_not_notice_is_told(draft: Draft, lab: Lab) -> None:
    draft.edit("exercises.md", 'check("1.1", greet)', 'check("1.1", "Hello, {}!".format)')
    line = draft.line("exercises.md", 'check("1.1"')
    assert list(complaints(draft.lesson, "1.1", lab)) == [
        f"l01_greeting/exercises.md:{line}: the check of 1.1, which is left out, passes."
    ]


def test_a_check_that_fails_for_another_reason_is_told(draft: Draft, lab: Lab) -> None:
    draft.edit("exercises.md", 'check("1.1", greet)', 'check("1.1", greeting)')
    (said,) = complaints(draft.lesson, "1.1", lab)
    assert said.endswith(
        "the check of 1.1, which is left out, fails with NameError: name 'greeting' is not defined."
    )


def test_an_exercise_that_leans_on_it_is_told(draft: Draft, lab: Lab) -> None:
    draft.edit("exercises.md", 'event = {"name": "Ada"}', 'event = {"name": greet("Ada").upper()}')
    (said,) = complaints(draft.lesson, "1.1", lab)
    line = draft.line("exercises.md", ".upper()")
    assert said.startswith(f"l01_greeting/exercises.md:{line}: a cell fails when 1.1 is left out: ")
