"""Lines are moved by buttons and by calls alike, and the list for the answer stays in the notebook."""

from typing import Any

import pytest

from labkit.course import arrange
from labkit.course.arranging import STANDS_FOR, Arrangement, lines
from labkit.course.exercise import CourseError
from labkit.views.controls import WIDGET
from tests.views.test_stepping import Screen

LINES = {"a": "third", "b": "first", "c": "second"}

TEXT = """# exercises

## 1.1 Other

| | line |
|---|---|
| a | `other()` |

## 1.2 Lines

| | line |
|---|---|
| a | `print("a | b")` |
| b | `made` | a value |

## 1.3 None

Text.
"""


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def arrangement(screen: Screen) -> Arrangement:
    return Arrangement(LINES, display=screen)


def press(arrangement: Arrangement, letter: str, name: str) -> None:
    """Choose a line and click a button, as the browser does."""
    chosen, buttons = arrangement.inputs().children
    chosen.value = letter
    (button,) = [each for each in buttons.children if each.description == name]
    button.click()


@pytest.mark.parametrize(
    ("letter", "button", "order"),
    [
        ("a", "Down", ["b", "a", "c"]),
        ("c", "Up", ["a", "c", "b"]),
        ("a", "Up", ["a", "b", "c"]),
        ("c", "Down", ["a", "b", "c"]),
    ],
)
def test_a_button_and_its_call_do_the_same(letter: str, button: str, order: list[str]) -> None:
    by_button, by_call = Arrangement(LINES), Arrangement(LINES)
    press(by_button, letter, button)
    getattr(by_call, button.lower())(letter)
    assert by_button.order == by_call.order == order


def test_the_line_that_was_moved_stays_chosen_so_that_it_can_be_moved_on(
    arrangement: Arrangement,
) -> None:
    chosen, buttons = arrangement.inputs().children
    chosen.value = "a"
    for _ in range(2):
        buttons.children[1].click()
    assert arrangement.order == ["b", "c", "a"]
    assert chosen.value == "a"


def test_what_is_shown_is_the_list_for_the_answer_and_the_lines_in_its_order(
    arrangement: Arrangement, screen: Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    arrangement._ipython_display_()
    capsys.readouterr()
    arrangement.move("a", 3)
    (kept,) = screen.updates
    assert kept["text/plain"] == 'order = ["b", "c", "a"]\n  b  first\n  c  second\n  a  third'
    assert "order = [&quot;b&quot;, &quot;c&quot;, &quot;a&quot;]" in kept["text/html"]
    assert WIDGET not in kept
    assert STANDS_FOR.startswith("(")


def test_it_begins_with_what_a_student_has_so_far() -> None:
    assert Arrangement(LINES, ["c"]).order == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("move", "said"),
    [
        (lambda a: a.up("x"), "There is no line 'x'. Lines: a, b, c."),
        (lambda a: a.move("a", 4), "There is no place 4. Places: 1 to 3."),
        (lambda a: a.move("a", 0), "There is no place 0. Places: 1 to 3."),
        (lambda _: Arrangement(LINES, ["a", "a"]), "comes twice in ['a', 'a']"),
        (lambda _: Arrangement(LINES, ["x"]), "There is no line 'x'"),
    ],
    ids=["letter", "place", "place 0", "twice", "unknown"],
)
def test_what_cannot_be_moved_is_told_and_moves_nothing(
    arrangement: Arrangement, move: Any, said: str
) -> None:
    with pytest.raises(CourseError) as told:
        move(arrangement)
    assert said in str(told.value)
    assert arrangement.order == ["a", "b", "c"]


def test_lines_are_read_from_the_table_of_the_exercises_own_task() -> None:
    assert lines(TEXT, "1.2") == {"a": 'print("a | b")', "b": "made: a value"}
    with pytest.raises(CourseError, match=r"Exercise 1\.3 has no lines to put in order"):
        lines(TEXT, "1.3")


@pytest.mark.parametrize(("number", "count"), [("1.3", 9), ("3.1", 9), ("5.7", 6)])
def test_the_courses_own_lines_can_be_arranged(number: str, count: int) -> None:
    assert len(arrange(number).order) == count


def test_an_exercise_that_is_not_there_is_told() -> None:
    with pytest.raises(CourseError, match=r"There is no exercise '9\.9'"):
        arrange("9.9")
