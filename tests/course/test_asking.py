"""A question is shown as text and HTML, answered by a call, and remembered."""

from pathlib import Path
from typing import Any

import nbformat
import pytest

import labkit.course
import labkit.course.quiz
from labkit.course import catalogue
from labkit.course.asking import ask, mark, told
from labkit.course.execute import execute
from labkit.course.exercise import CourseError
from labkit.course.journal import Journal
from labkit.course.question import Question
from labkit.course.question_page import as_page, as_text
from tests.course.drafts import PACKAGE
from tests.course.test_standings import Words

ROOT = Path(__file__).parents[2]


def question(number: str) -> Question:
    return catalogue.question(number, PACKAGE)


# -- found by number ------------------------------------------------------------------------------


def test_a_lesson_has_its_questions_in_order() -> None:
    lesson = catalogue.lesson(1, PACKAGE)
    assert [each.number for each in lesson.questions] == ["q1.1", "q1.2", "q1.3"]
    assert catalogue.lesson(0, PACKAGE).questions == ()


@pytest.mark.parametrize("number", ["q1.9", "1.2", "q", "Q7.1"])
def test_a_question_that_is_not_there_is_told_with_those_that_are(number: str) -> None:
    with pytest.raises(CourseError, match=rf"no question '{number}'\. Questions: q1\.1, q1\.2, q1"):
        question(number)


@pytest.mark.parametrize(
    ("numbers", "fault"),
    [(["q1.1", "q1.1"], "a question q1.1 twice"), (["q2.1"], "a question q2.1 of another lesson")],
    ids=["twice", "of another lesson"],
)
def test_a_number_that_is_not_one_questions_of_its_lesson_is_refused(
    numbers: list[str], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"lessons_with_{len(numbers)}"
    folder = tmp_path / name / "l01_one"
    folder.mkdir(parents=True)
    for path in (folder, folder.parent):
        (path / "__init__.py").touch()
    asked = ", ".join(
        f"choice({number!r}, '?', {{'a': '1', 'b': '2'}}, right='a', reasons={{'b': 'no'}}, why='yes')"
        for number in numbers
    )
    (folder / "quiz.py").write_text(
        f"from labkit.course.quiz import choice\nQUESTIONS = ({asked},)\n", "utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CourseError) as refused:
        catalogue.lessons(name)
    assert str(refused.value) == f"l01_one/quiz.py has {fault}."


def test_the_case_of_the_q_does_not_count() -> None:
    assert question("Q1.2").number == "q1.2"


def test_the_module_quiz_is_the_function_quiz_too() -> None:
    for called in (labkit.course.quiz, labkit.course.quiz.quiz):
        with pytest.raises(CourseError, match=r"There is no question 'q99\.1'"):
            called("q99.1")


# -- shown ----------------------------------------------------------------------------------------


def test_a_question_as_text() -> None:
    assert as_text(question("q1.2")).splitlines() == [
        "Question q1.2",
        "",
        "What does this say?",
        "",
        '    f"Hello,',
        "",
        '        {name}!"',
        "",
        "It is `Python`.",
        "",
        "  a  a greeting",
        "  b  a farewell",
        "",
        'To answer in a cell: answer("q1.2", "a"), with the letter of your choice.',
    ]


@pytest.mark.parametrize("number", ["q1.1", "q1.2", "q1.3"])
def test_the_page_has_the_words_of_the_text(number: str) -> None:
    page = Words(as_page(question(number)))
    assert "".join(page.words) == "".join(as_text(question(number)).replace("`", "").split())
    assert not page.tags & {"script", "style", "svg", "img", "input"}


def test_what_an_option_says_is_no_html() -> None:
    page = as_page(question("q1.3"))
    assert "Hi, and &lt;welcome&gt;" in page
    assert "<code>goodbye</code>" in page


def test_outside_of_a_notebook_the_text_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ask(question("q1.1"), Journal(tmp_path))
    assert capsys.readouterr().out == as_text(question("q1.1")) + "\n"


def test_a_notebook_stores_text_and_html_and_the_same_each_time(tmp_path: Path) -> None:
    source = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from labkit.course.asking import ask\n"
        "from labkit.course.catalogue import question\n"
        "from labkit.course.journal import Journal\n"
        f"for number in ('q1.1', 'q1.2', 'q1.3'):\n"
        f"    ask(question(number, {PACKAGE!r}), Journal(Path()))"
    )

    def run() -> list[Any]:
        cells = [nbformat.v4.new_code_cell(source, id="one")]
        built = execute(nbformat.v4.new_notebook(cells=cells), tmp_path, "notebooks/x.ipynb")
        return list(built.cells[0].outputs)

    first = run()
    Journal(tmp_path).add("q1.2", "solved", answer="a")
    assert run() == first
    assert [output.output_type for output in first] == ["display_data"] * 6
    for number, shown, fields in zip(
        ("q1.1", "q1.2", "q1.3"), first[::2], first[1::2], strict=True
    ):
        assert shown.data == {
            "text/plain": as_text(question(number)),
            "text/html": as_page(question(number)),
        }
        assert fields.data == {"text/plain": "(Fields to answer in, while the kernel runs.)"}


# -- answered -------------------------------------------------------------------------------------


def test_an_answer_is_told_with_its_reason_and_written_down(tmp_path: Path) -> None:
    asked, journal = question("q1.2"), Journal(tmp_path)
    wrong = mark(asked, ["b"], journal)
    assert told(asked, wrong) == "Question q1.2: not yet\n  b: Hello is no farewell."
    assert (journal.standing("q1.2").failed, journal.standing("q1.2").solved) == (1, "")
    right = mark(asked, ["a"], journal)
    assert told(asked, right) == "Question q1.2: right\n  It greets whom `name` holds."
    standing = journal.standing("q1.2")
    assert (standing.failed, standing.attempts, bool(standing.solved)) == (1, 2, True)


def test_what_is_no_answer_is_not_counted(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(CourseError, match="no option z"):
        mark(question("q1.2"), ["z"], journal)
    assert journal.standing("q1.2").attempts == 0


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Question:
    """A question of the course, in a work folder that is empty."""
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path))
    return next(each for lesson in catalogue.lessons() for each in lesson.questions)


FORMS = {
    "one by one": lambda given: given,
    "in a list": lambda given: [[*given]],
    "in a tuple": lambda given: [tuple(given)],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_the_call_takes_letters_one_by_one_and_in_a_list(
    form: Any, real: Question, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = getattr(real, "right", None) or [texts[0] for texts in real.answers]  # type: ignore[attr-defined]
    labkit.course.answer(real.number, *form(given))
    said = capsys.readouterr().out
    assert said.startswith(f"Question {real.number}: right\n")
    assert " ".join(said.split()).endswith(real.why)
    assert Journal(tmp_path).standing(real.number).solved
