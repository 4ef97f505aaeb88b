"""The fields of a question: filled in, checked with a button, and answered in a widget."""

from pathlib import Path
from typing import Any

import pytest

from labkit.course import catalogue
from labkit.course.answer_fields import fields
from labkit.course.asking import mark
from labkit.course.journal import FILE, Journal
from tests.course.drafts import PACKAGE


class Form:
    """The fields of a question of the fixture, as a student uses them."""

    def __init__(self, number: str, work: Path, *, solved: bool = False) -> None:
        question = catalogue.question(number, PACKAGE)
        self.journal = Journal(work)
        _, *self.inputs, self._button, self._said = fields(
            question, lambda given: mark(question, given, self.journal), solved=solved
        ).children

    def check(self) -> str:
        self._button.click()
        return self.said

    @property
    def said(self) -> str:
        return str(self._said.value)

    @property
    def labels(self) -> list[str]:
        return [each.description for each in self.inputs]


def test_one_of_several_options(tmp_path: Path) -> None:
    form = Form("q1.2", tmp_path)
    (radio,) = form.inputs
    assert [label for label, _ in radio.options] == ["a\u2002a greeting", "b\u2002a farewell"]
    assert radio.value is None
    radio.value = "b"
    assert "✗ Not yet.<br>b: Hello is no farewell." in form.check()
    radio.value = "a"
    assert "✓ Right.<br>It greets whom <code>name</code> holds." in form.check()
    standing = form.journal.standing("q1.2")
    assert (standing.failed, bool(standing.solved)) == (1, True)


def test_several_options(tmp_path: Path) -> None:
    form = Form("q1.3", tmp_path)
    assert form.labels == ["a\u2002Hello", "b\u2002goodbye", "c\u2002Hi, and <welcome>"]
    form.inputs[0].value = form.inputs[1].value = True
    assert (
        "b: It is said when one leaves.<br>c belongs to it: It is said to friends." in form.check()
    )
    form.inputs[1].value = False
    form.inputs[2].value = True
    assert "✓ Right." in form.check()


def test_gaps(tmp_path: Path) -> None:
    form = Form("q1.1", tmp_path)
    assert form.labels == ["Gap 1", "Gap 2"]
    form.inputs[0].value = "Host"
    assert "Not counted: Question q1.1 has 2 gaps" in form.check()
    form.inputs[1].value = "door"
    assert "“door” in gap 2: A door says nothing." in form.check()
    form.inputs[1].value = "guest"
    assert "✓ Right." in form.check()
    assert form.journal.standing("q1.1").failed == 1


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("q1.1", "write something into each gap first."),
        ("q1.2", "choose an option first."),
        ("q1.3", "choose at least one option first."),
    ],
)
def test_without_a_choice_nothing_is_counted(number: str, said: str, tmp_path: Path) -> None:
    form = Form(number, tmp_path)
    assert f">Not counted: {said}<" in form.check()
    assert not (tmp_path / FILE).exists()


def test_nothing_is_printed_and_an_error_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[Any]
) -> None:
    (tmp_path / "file").write_text("no folder")
    form = Form("q1.2", tmp_path / "file")
    form.inputs[0].value = "a"
    said = form.check()
    assert "Not counted: Your progress cannot be written" in said
    assert 'role="alert"' in said
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_what_a_student_types_is_no_html(tmp_path: Path) -> None:
    form = Form("q1.1", tmp_path)
    form.inputs[0].value = form.inputs[1].value = "<img src=x>"
    assert "&lt;img src=x&gt;" in form.check()


def test_a_question_that_was_answered_before_says_so(tmp_path: Path) -> None:
    assert "right before" in Form("q1.2", tmp_path, solved=True).said
    assert Form("q1.2", tmp_path).said == ""
