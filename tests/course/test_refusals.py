"""What the build refuses, each with file and line and what to do."""

from pathlib import Path

import pytest

from labkit.course.exercise import CourseError, Kind
from labkit.course.refusals import refusals, refuse
from tests.course.drafts import Draft


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return Draft(tmp_path)


def refused(draft: Draft) -> list[str]:
    return list(refusals(draft.lesson, draft.lessons))


def only(draft: Draft) -> str:
    (found,) = refused(draft)
    return found


def test_the_fixture_is_not_refused(draft: Draft) -> None:
    for lesson in draft.lessons:
        refuse(lesson, draft.lessons)


def test_all_refusals_are_told_at_once(draft: Draft) -> None:
    draft.edit("lesson.md", "![a waving hand]", "![]")
    draft.edit("lesson.md", "### An error", "#### An error")
    with pytest.raises(CourseError) as caught:
        refuse(draft.lesson, draft.lessons)
    assert len(str(caught.value).splitlines()) == 2


def test_a_skipped_heading_level(draft: Draft) -> None:
    draft.edit("lesson.md", "### An error", "#### An error")
    line = draft.line("lesson.md", "#### An error")
    assert only(draft).startswith(
        f"l01_greeting/lesson.md:{line}: the heading 'An error' is of level 4"
    )


def test_a_file_without_a_title(draft: Draft) -> None:
    draft.edit("lesson.md", "# 01 Greeting", "## 01 Greeting")
    assert "lesson.md:1: the first heading '01 Greeting' is of level 2" in only(draft)


def test_a_second_title(draft: Draft) -> None:
    draft.edit("lesson.md", "## Run", "# Run")
    assert any("a second title 'Run'" in said for said in refused(draft))


@pytest.mark.parametrize(
    "picture", ["![](hand.svg)", "![ ](hand.svg)", '<img src="hand.svg">', '<img alt="" src="a">']
)
def test_a_picture_without_words(draft: Draft, picture: str) -> None:
    draft.edit("lesson.md", "![a waving hand](hand.svg)", picture)
    assert "lesson.md:3: a picture without alternative text" in only(draft)


@pytest.mark.parametrize("picture", ['<img src="a" alt="A hand.">', "`![](a.svg)`"])
def test_a_picture_with_words_or_in_code_is_fine(draft: Draft, picture: str) -> None:
    draft.edit("lesson.md", "![a waving hand](hand.svg)", picture)
    assert refused(draft) == []


def test_a_marker_outside_code(draft: Draft) -> None:
    draft.edit("lesson.md", '{"shown": "not run"}', "#: stub")
    line = draft.line("lesson.md", "#: stub")
    assert f"lesson.md:{line}: the marker '#: stub' stands in text" in only(draft)


def test_a_check_in_a_lesson(draft: Draft) -> None:
    draft.edit("lesson.md", "1 / 0", 'check("1.1", greet)')
    assert "an answer or check cell in a lesson's text" in only(draft)


# -- exercises ------------------------------------------------------------------------------------


def test_an_exercise_without_box_hints_and_check(draft: Draft) -> None:
    draft.edit("exercises.md", "## 1.2 Say", "## 1.3 Say")
    draft.edit("exercises.md", 'check("1.2"', 'check("1.3"')
    draft.edit("answers.md", "## 1.2", "## 1.3")
    said = refused(draft)
    line = draft.line("exercises.md", "## 1.3")
    assert f"exercises.md:{line}: exercise 1.3 has no box, hints and check." in said[0]
    assert "exercise 1.2 is not in exercises.md" in said[1]
    assert "checks.py:" in said[1]


def test_two_titles(draft: Draft) -> None:
    draft.change_exercise("1.2", title="Say good night")
    assert "exercise 1.2 is 'Say goodbye in a handler' here and 'Say good night'" in only(draft)


def test_exercises_out_of_order(draft: Draft) -> None:
    path = draft.folder / "exercises.md"
    text = path.read_text("utf-8")
    head, first, second = text.split("## 1.")
    path.write_text(f"{head}## 1.{second}\n## 1.{first}", "utf-8")
    line = draft.line("exercises.md", "## 1.1")
    assert f"exercises.md:{line}: exercise 1.1 comes after 1.2" in only(draft)


def test_a_prerequisite_that_comes_later(draft: Draft) -> None:
    draft.change_exercise("1.1", needs=("1.2",))
    assert "exercise 1.1 needs 1.2, which comes later" in only(draft)
    assert "checks.py:" in only(draft)


def test_a_prerequisite_that_does_not_exist(draft: Draft) -> None:
    draft.change_exercise("1.2", needs=("0.7",))
    assert "exercise 1.2 needs 0.7, which does not exist" in only(draft)


def test_an_exercise_without_wrong_answers(draft: Draft) -> None:
    path = draft.folder / "answers.md"
    path.write_text(path.read_text("utf-8").partition("## 1.2")[0], "utf-8")
    line = draft.line("exercises.md", "## 1.2")
    assert f"exercises.md:{line}: exercise 1.2 has no wrong answers" in only(draft)


def test_a_diagnosis_that_the_exercise_does_not_have(draft: Draft) -> None:
    draft.edit("answers.md", "wrong RUDE", "wrong IMPOLITE")
    line = draft.line("answers.md", "IMPOLITE")
    assert only(draft).startswith(f"l01_greeting/answers.md:{line}: ")
    assert "has no diagnosis 'IMPOLITE'" in only(draft)


# -- solutions left over --------------------------------------------------------------------------


def test_a_line_of_the_solution_in_the_task(draft: Draft) -> None:
    draft.edit("exercises.md", "It answers with", '`return {"statusCode": 200, "body": words}` and')
    line = draft.line("exercises.md", "### Your handler") + 2
    assert f"exercises.md:{line}: a line of the solution of exercise 1.2" in only(draft)


def test_a_line_of_the_solution_in_a_given_cell(draft: Draft) -> None:
    draft.edit("exercises.md", 'event = {"name": "Ada"}', "words = f\"Goodbye, {event['name']}\"")
    assert "a line of the solution of exercise 1.2" in only(draft)


def test_a_line_that_solution_and_stub_share_is_not_left_over(draft: Draft) -> None:
    draft.edit("exercises.md", 'event = {"name": "Ada"}', "words = f\"Goodbye, {event['name']}\"")
    draft.edit("exercises.md", "    ...\n", "    words = f\"Goodbye, {event['name']}\"\n    ...\n")
    assert refused(draft) == []


def test_a_line_of_the_solution_may_stand_where_only_the_solutions_show_it(draft: Draft) -> None:
    draft.edit("exercises.md", "An f-string takes", '`return f"Hello, {name}!"` takes')
    assert refused(draft) == []


@pytest.mark.parametrize("kind", [Kind.ORDER_LINES, Kind.FIND_THE_FAULT])
def test_lines_are_given_on_purpose_where_they_are_put_in_order_or_mended(
    draft: Draft, kind: Kind
) -> None:
    draft.change_exercise("1.2", kind=kind)
    draft.edit("exercises.md", 'event = {"name": "Ada"}', "words = f\"Goodbye, {event['name']}\"")
    assert refused(draft) == []


# -- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("span", ["say_hello", "hello(name)", "hello()", "shop.hello(name)"])
def test_a_name_that_nothing_knows(draft: Draft, span: str) -> None:
    draft.edit("exercises.md", "`greet(name)`", f"`{span}`")
    line = draft.line("exercises.md", span)
    assert f"exercises.md:{line}: exercise 1.1 speaks of `{span}`" in only(draft)


@pytest.mark.parametrize(
    "span",
    [
        "greet(name)",  # the stub
        "handler_file",  # the set-up cell
        "not_yet",  # the check
        "print(name)",  # Python
        "json.dumps(name)",  # its library
        "put_item(...)",  # boto3
        "dynamodb_table",  # unknown, but see below
    ],
)
def test_a_name_that_something_knows(draft: Draft, span: str) -> None:
    draft.edit("exercises.md", "`greet(name)`", f"`{span}`")
    draft.edit("exercises.md", "    ...  # a greeting", "    ...  # a greeting, see dynamodb_table")
    assert refused(draft) == []


@pytest.mark.parametrize(
    "span", ["connectionId", "Notify", '"order_id"', "$default", "a_b = 1", "v"]
)
def test_what_need_not_be_a_name_of_pythons_is_let_alone(draft: Draft, span: str) -> None:
    draft.edit("exercises.md", "`greet(name)`", f"`{span}`")
    assert refused(draft) == []


def test_a_name_from_an_earlier_exercise_is_known(draft: Draft) -> None:
    draft.edit("exercises.md", "The handler gets", "`greet(name)` is there. The handler gets")
    assert refused(draft) == []


def test_a_name_from_a_later_exercise_is_not(draft: Draft) -> None:
    draft.edit("exercises.md", 'event = {"name": "Ada"}', "new_event = 1")
    draft.edit("exercises.md", "`greet(name)`", "`new_event`")
    assert "speaks of `new_event`" in only(draft)
