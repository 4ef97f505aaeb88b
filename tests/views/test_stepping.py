"""Stepping through a story: buttons and calls do the same, and the picture stays when buttons go."""

from pathlib import Path
from typing import Any

import pytest

from labkit.errors import LabError
from labkit.eventlog import Event, EventLog
from labkit.views.controls import GONE
from labkit.views.stepping import ROWS, STANDS_FOR, Stepping

GOLDEN = Path(__file__).parent / "golden"
EVENTS = EventLog.load(GOLDEN / "trace_failed.jsonl").after(0)


class Screen:
    """A display that keeps what it was given."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.updates: list[dict[str, str]] = []

    def display(self, obj: Any, **_: Any) -> None:
        self.shown.append(obj)

    def update(self, obj: Any, **_: Any) -> None:
        self.updates.append(obj)


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def stepping(screen: Screen) -> Stepping:
    return Stepping(EVENTS, screen)


def press(stepping: Stepping, name: str) -> None:
    """Click a button as the browser does."""
    (button,) = [b for b in stepping.inputs().children if b.description == name]
    button.click()


def test_it_begins_with_the_whole_story(stepping: Stepping) -> None:
    assert stepping.at == 0
    assert stepping.text.startswith("Client → HTTP API: POST /orders\n")
    assert len(stepping.text.splitlines()) == len(stepping) == 42


@pytest.mark.parametrize(
    ("start", "button", "end"),
    [
        (0, "Forward", 1),
        (0, "Back", 42),
        (0, "First", 1),
        (0, "Last", 42),
        (1, "Back", 1),
        (7, "Forward", 8),
        (7, "Back", 6),
        (7, "First", 1),
        (42, "Forward", 42),
    ],
)
def test_a_button_and_its_call_do_the_same(
    stepping: Stepping, start: int, button: str, end: int
) -> None:
    stepping.go(start)
    press(stepping, button)
    assert stepping.at == end
    stepping.go(start)
    getattr(stepping, button.lower())()
    assert stepping.at == end


def test_a_step_is_told_and_explained(stepping: Stepping) -> None:
    stepping.go(9)
    assert stepping.text.splitlines() == [
        "Step 9 of 42: HTTP API → Client: 202",
        "The client has its answer: the request is accepted, and the work is not done yet.",
    ]
    assert 'role="status"' in stepping.view.html
    assert f"the steps so far, {min(ROWS, 9)} of them." in stepping.view.html


def test_every_step_of_a_real_order_is_explained(stepping: Stepping) -> None:
    for number in range(1, len(stepping) + 1):
        stepping.go(number)
        said, means = stepping.text.splitlines()
        assert said.startswith(f"Step {number} of 42: ")
        assert means.endswith(".")


def test_a_step_changes_the_picture_that_is_shown_and_not_the_buttons(
    stepping: Stepping, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepping.forward()
    assert screen.updates == []  # nothing is shown yet
    outputs: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda obj, **_: outputs.append(obj))
    stepping._ipython_display_()
    buttons, gone = outputs
    assert buttons["text/plain"] == STANDS_FOR
    assert gone == {"text/plain": "", "text/html": GONE}
    (first,) = screen.shown
    assert first["text/plain"].startswith("Step 1 of 42")
    press(stepping, "Forward")
    assert [frame["text/plain"].splitlines()[0] for frame in screen.updates] == [
        "Step 2 of 42: HTTP API → Lambda: orders-place-order runs"
    ]
    assert "<img" in screen.updates[0]["text/html"]
    assert "widget" not in str(first.keys())


def test_what_is_only_stored_says_nothing_of_buttons_that_are_gone(
    stepping: Stepping, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda obj, **_: outputs.append(obj))
    monkeypatch.setenv("LABKIT_STILL", "1")
    stepping._ipython_display_()
    assert [output["text/plain"] for output in outputs] == [STANDS_FOR]


@pytest.mark.parametrize("number", [-1, 43])
def test_a_step_that_is_not_there_is_answered_with_those_that_are(
    stepping: Stepping, number: int
) -> None:
    with pytest.raises(LabError, match=f"no step {number}. There are steps 1 to 42; go\\(0\\)"):
        stepping.go(number)


def test_nothing_to_step_through_is_no_error() -> None:
    none: list[Event] = []
    stepping = Stepping(none)
    for move in (stepping.first, stepping.back, stepping.forward, stepping.last):
        move()
    assert stepping.text == "Nothing happened."
    with pytest.raises(LabError, match="There are no steps"):
        stepping.go(1)
