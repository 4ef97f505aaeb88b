"""``arrange``: move the lines of an exercise about, with buttons or by calls.

An answer is a list in a cell, because a notebook keeps that.  So what is shown is the lines in the order
so far, and above them that list, to be copied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from labkit.course import catalogue
from labkit.course.exercise import CourseError
from labkit.views.controls import Controls
from labkit.views.live import Display
from labkit.views.view import Table, View

STANDS_FOR = "(Buttons to move the lines, while the kernel runs.)"
"""The text of the output that holds the inputs, which a notebook keeps when they are gone."""

_ROW = re.compile(r"\| *([a-z]) *\| *(.+?) *\|")


def arrange(number: str, order: Sequence[str] = ()) -> Arrangement:
    """Move the lines of an exercise about; as the last line of a cell it shows itself.

    Args:
        number: the exercise's number, such as ``"1.3"``.
        order: letters to begin with; lines that are not named come after them.

    Raises:
        CourseError: there is no such exercise, or it has no lines to put in order, or a letter is none
            of its lines or comes twice.
    """
    found = catalogue.exercise(number)
    folder = catalogue.lesson(int(found.number.partition(".")[0])).folder
    text = (folder / "exercises.md").read_text(encoding="utf-8")
    return Arrangement(lines(text, found.number), order)


def lines(text: str, number: str) -> dict[str, str]:
    """The lines of an exercise by their letters, from the table in its task.

    Args:
        text: the lesson's ``exercises.md``.
        number: the exercise's number.

    Raises:
        CourseError: its task has no table of lettered lines.
    """
    _, _, after = text.partition(f"\n## {number} ")
    rows = map(_ROW.fullmatch, after.partition("\n## ")[0].splitlines())
    found = {row[1]: row[2].replace("` | ", ": ").replace("`", "") for row in rows if row}
    if not found:
        raise CourseError(f"Exercise {number} has no lines to put in order.")
    return found


class Arrangement(Controls):
    """Lines in an order that changes.

    Args:
        lines: the lines by their letters.
        order: letters to begin with; lines that are not named come after them.
        display: where they are shown; the cell's output if none.

    Raises:
        CourseError: a letter is none of the lines, or comes twice.
    """

    stands_for = STANDS_FOR

    def __init__(
        self, lines: Mapping[str, str], order: Sequence[str] = (), display: Display | None = None
    ) -> None:
        super().__init__(display)
        self._lines = dict(lines)
        for letter in order:
            self._known(letter)
        if len(set(order)) < len(order):
            raise CourseError(f"A line comes once, and one comes twice in {list(order)}.")
        self._order = [*order, *(letter for letter in lines if letter not in order)]

    @property
    def order(self) -> list[str]:
        """The letters in the order so far."""
        return list(self._order)

    def up(self, letter: str) -> None:
        """Move a line one place up; the first one stays.

        Args:
            letter: the line's.

        Raises:
            CourseError: there is no such line.
        """
        self.move(letter, max(1, self._place(letter) - 1))

    def down(self, letter: str) -> None:
        """Move a line one place down; the last one stays.

        Args:
            letter: the line's.

        Raises:
            CourseError: there is no such line.
        """
        self.move(letter, min(len(self._order), self._place(letter) + 1))

    def move(self, letter: str, place: int) -> None:
        """Move a line to a place.

        Args:
            letter: the line's.
            place: from 1.

        Raises:
            CourseError: there is no such line, or no such place.
        """
        self._known(letter)
        if not 1 <= place <= len(self._order):
            raise CourseError(f"There is no place {place}. Places: 1 to {len(self._order)}.")
        self._order.remove(letter)
        self._order.insert(place - 1, letter)
        self.refresh()

    @property
    def view(self) -> View:
        """The list, and the lines in its order."""
        letters = ", ".join(f'"{letter}"' for letter in self._order)
        assignment = f"order = [{letters}]"
        rows = [(letter, self._lines[letter]) for letter in self._order]
        twin = "\n".join([assignment, *(f"  {letter}  {line}" for letter, line in rows)])
        return Table(f"For the next cell: {assignment}", ("letter", "line"), rows, twin)

    def inputs(self) -> Any:
        """A choice of a line, and buttons that move it."""
        import ipywidgets

        chosen = ipywidgets.Dropdown(
            options=[(f"{letter}  {line}", letter) for letter, line in self._lines.items()],
            description="Line",
            layout=ipywidgets.Layout(width="min(46em, 100%)"),
        )
        buttons = []
        for name, move in (("Up", self.up), ("Down", self.down)):
            button = ipywidgets.Button(
                description=name, tooltip=f"Move the chosen line {name.lower()}"
            )
            button.on_click(lambda _, move=move: move(chosen.value))
            buttons.append(button)
        return ipywidgets.VBox([chosen, ipywidgets.HBox(buttons)])

    def _place(self, letter: str) -> int:
        self._known(letter)
        return self._order.index(letter) + 1

    def _known(self, letter: str) -> None:
        if letter not in self._lines:
            raise CourseError(f"There is no line {letter!r}. Lines: {', '.join(self._lines)}.")
