"""A sequence diagram, step by step: the steps so far, the last one framed and explained.

Buttons of ipywidgets only take clicks.  What is seen is a picture in an output of its own, which a
notebook keeps when the buttons are gone: that of the whole story, until somebody steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from labkit.errors import LabError
from labkit.eventlog import Event
from labkit.steps import steps
from labkit.views.controls import Controls
from labkit.views.explanation import explain
from labkit.views.live import Display
from labkit.views.picture import Picture
from labkit.views.sequence import draw, layout, sequence, upto
from labkit.views.view import STYLE, View

ROWS = 14
"""Steps that are shown at once, so that buttons and picture stay in sight together."""

STANDS_FOR = "(Buttons to step through it, while the kernel runs.)"
"""The text of the output that holds the buttons, which a notebook keeps when they are gone."""


@dataclass(frozen=True, slots=True, repr=False)
class Moment(View):
    """What is seen at one step.

    Attributes:
        words: the step and what it means, a line each.
        picture: the steps so far.
    """

    words: tuple[str, ...]
    picture: Picture

    @property
    def text(self) -> str:
        """The words, and of the whole story all steps."""
        return "\n".join(self.words)

    @property
    def html(self) -> str:
        """The words above the picture; a screen reader reads them out when they change."""
        first, *more = self.words
        lines = [f"<strong>{escape(first)}</strong>", *map(escape, more)]
        return f'<div role="status" style="{STYLE}">{"<br>".join(lines)}</div>\n{self.picture.html}'


class Stepping(Controls):
    """Steps through a story, forwards and backwards.

    As the last line of a cell it shows buttons and a picture; a call changes the picture too.

    Args:
        events: the events of one execution, as :meth:`labkit.eventlog.EventLog.of` gives them.
        display: where the picture is shown; the cell's output if none.
    """

    stands_for = STANDS_FOR

    def __init__(self, events: Iterable[Event], display: Display | None = None) -> None:
        super().__init__(display)
        self._events = list(events)
        self._by_seq = {event.seq: event for event in self._events}
        self._story = steps(self._events)
        self._diagram = layout(self._story)
        self._at = 0

    @property
    def at(self) -> int:
        """The number of the step that is shown, from 1; 0 if it is the whole story."""
        return self._at

    def __len__(self) -> int:
        """How many steps there are."""
        return len(self._story)

    def first(self) -> None:
        """Go to the first step."""
        self.go(min(1, len(self)))

    def back(self) -> None:
        """Go one step back; from the whole story to its last step."""
        self.go(max(self._at - 1, 1) if self._at else len(self))

    def forward(self) -> None:
        """Go one step on; from the whole story to its first step."""
        self.go(min(self._at + 1, len(self)))

    def last(self) -> None:
        """Go to the last step."""
        self.go(len(self))

    def go(self, number: int) -> None:
        """Go to a step.

        Args:
            number: of the step, from 1; 0 for the whole story.

        Raises:
            LabError: there is no such step.
        """
        if not 0 <= number <= len(self):
            there = f"There are steps 1 to {len(self)}" if self._story else "There are no steps"
            raise LabError(f"There is no step {number}. {there}; go(0) shows the whole story.")
        self._at = number
        self.refresh()

    @property
    def view(self) -> View:
        """What is seen now."""
        if not self._at:
            return sequence(self._events)
        step = self._story[self._at - 1]
        said = f"Step {self._at} of {len(self)}: {step.sentence}"
        means = explain(self._by_seq[step.seq])
        part = upto(self._diagram, self._at, ROWS)
        drawing = draw(part, begun=self._story[0].time, framed=step.seq)
        alt = f"Sequence diagram of the steps so far, {len(part.rows)} of them. {said}."
        words = (said, means) if means else (said,)
        return Moment(words, Picture(drawing, alt, said))

    def inputs(self) -> Any:
        """The buttons, a widget; each does what the method of its name does."""
        import ipywidgets

        made = []
        for name, go in (
            ("First", self.first),
            ("Back", self.back),
            ("Forward", self.forward),
            ("Last", self.last),
        ):
            button = ipywidgets.Button(description=name, tooltip=f"{name} step of the story")
            button.on_click(lambda _, go=go: go())
            made.append(button)
        return ipywidgets.HBox(made)
