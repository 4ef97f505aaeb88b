"""A sequence diagram: who did what to whom, from top to bottom.  Pure: events in, a picture out.

Each party has a line of its own; each step has a row of its own, so labels never meet.  The lines
stand as far apart as the longest label between them needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from labkit.eventlog import Event
from labkit.steps import (
    CLIENT,
    DYNAMODB,
    HTTP_API,
    LAMBDA,
    NOTEBOOK,
    STEP_FUNCTIONS,
    WEBSOCKET_API,
    Kind,
    Step,
    steps,
)
from labkit.timeline import outline
from labkit.views import svg
from labkit.views.picture import Picture
from labkit.views.svg import BLUE, FAINT, INK, PAPER, PURPLE, RED, Status, width

ROW = 24
HEAD = 44
MARGIN = 12
TIMES = 74
"""Width of the column of times at the left."""

GAP = 96
"""Least distance of two lines."""

COLOURS = {Kind.MESSAGE: BLUE, Kind.STATE: PURPLE}
LEGEND = "solid: call · dashed: answer · thick: message over the WebSocket · box: state · ✗: error"
_ORDER = (CLIENT, HTTP_API, WEBSOCKET_API, NOTEBOOK, LAMBDA, STEP_FUNCTIONS, DYNAMODB)
"""From left to right, as a message goes; whoever else takes part stands to their right."""


@dataclass(frozen=True, slots=True)
class Row:
    """A step with its place.

    Attributes:
        step: the step.
        label: what is written.
        start: x of the line where it begins, in pixels.
        end: x of the line where it ends; the same for what happens at one place.
        y: of the arrow.
    """

    step: Step
    label: str
    start: float
    end: float
    y: float

    @property
    def text_x(self) -> float:
        """Where the label begins."""
        return min(self.start, self.end) + 8

    @property
    def text_width(self) -> float:
        """How wide the label is at most."""
        return width(self.label)


@dataclass(frozen=True, slots=True)
class Diagram:
    """A diagram laid out.

    Attributes:
        lines: x of each party's line, in pixels, by its name, from left to right.
        rows: the steps from top to bottom.
        width: of the whole, in pixels.
        height: of the whole, in pixels.
    """

    lines: dict[str, float]
    rows: tuple[Row, ...]
    width: float
    height: float


def sequence(events: Iterable[Event]) -> Picture:
    """The sequence diagram of a story.

    Args:
        events: the events of one execution, as :meth:`labkit.eventlog.EventLog.of` gives them.
    """
    told = list(events)
    story = steps(told)
    parties = list(layout(story).lines)
    alt = (
        f"Sequence diagram of {len(story)} steps between {', '.join(parties)}. "
        f"First: {story[0].sentence}. Last: {story[-1].sentence}."
        if story
        else "An empty sequence diagram: nothing happened."
    )
    return Picture(draw(layout(story)), alt, outline(told))


def layout(story: Sequence[Step]) -> Diagram:
    """Give each party a line and each step a row.

    Args:
        story: steps in the order of time.
    """
    present = list(dict.fromkeys(who for step in story for who in (step.source, step.target)))
    parties = sorted(present, key=lambda who: _ORDER.index(who) if who in _ORDER else len(_ORDER))
    order = {who: index for index, who in enumerate(parties)}
    places: list[float] = []
    for index, who in enumerate(parties):
        x = MARGIN + TIMES + width(who) / 2
        if index:
            heads = (width(parties[index - 1]) + width(who)) / 2 + 16
            x = places[-1] + max(GAP, heads)
        for step in story:
            first, last = sorted((order[step.source], order[step.target]))
            if first < last == index:
                x = max(x, places[first] + width(_label(step)) + 20)
        places.append(x)
    rows = tuple(
        Row(
            step,
            _label(step),
            places[order[step.source]],
            places[order[step.target]],
            HEAD + ROW * number,
        )
        for number, step in enumerate(story, 1)
    )
    right = [x + width(who) / 2 for who, x in zip(parties, places, strict=True)]
    right += [row.text_x + row.text_width + 8 for row in rows]
    return Diagram(
        dict(zip(parties, places, strict=True)),
        rows,
        max([*right, MARGIN + width(LEGEND)]) + MARGIN,
        HEAD + ROW * (len(rows) + 2),
    )


def upto(diagram: Diagram, number: int, rows: int) -> Diagram:
    """The part of a diagram that ends with a step, as high for each step of it.

    Args:
        diagram: the whole.
        number: of the step, from 1.
        rows: how many steps there is room for; earlier ones are left out.
    """
    room = min(rows, len(diagram.rows))
    first = max(number - room, 0)
    shown = tuple(replace(row, y=row.y - ROW * first) for row in diagram.rows[first:number])
    return replace(diagram, rows=shown, height=HEAD + ROW * (room + 2))


def draw(diagram: Diagram, *, begun: float | None = None, framed: int | None = None) -> str:
    """The diagram as an SVG document; the same text for the same diagram.

    Args:
        diagram: what is drawn.
        begun: the time that counts as 0, in seconds since the epoch; the first step's, if none.
        framed: the ``seq`` of a step that gets a frame.
    """
    parts = []
    end = diagram.height - ROW
    for who, x in diagram.lines.items():
        parts.append(
            svg.line(x, HEAD - 8, x, end, FAINT, 'stroke-width="1" stroke-dasharray="2 3"')
        )
        parts.append(svg.text(x, HEAD - 18, who, INK, 'text-anchor="middle" font-weight="bold"'))
    if begun is None:
        begun = diagram.rows[0].step.time if diagram.rows else 0.0
    for row in diagram.rows:
        if row.step.seq == framed:
            frame = f'stroke="{BLUE}" stroke-width="2" rx="4"'
            here = (2, row.y - ROW + 5, diagram.width - 4, ROW)
            parts.append(svg.rect(*here, fill=Status.RUNNING.fill, style=frame))
        after = f"{(row.step.time - begun) * 1000:.1f} ms"
        ink = INK if row.step.seq == framed else FAINT
        parts.append(svg.text(MARGIN + TIMES - 14, row.y, after, ink, 'text-anchor="end"'))
        parts += _row(row)
    parts.append(svg.text(MARGIN, diagram.height - 8, LEGEND, FAINT))
    return svg.document(diagram.width, diagram.height, parts)


def _label(step: Step) -> str:
    return f"✗ {step.what}" if step.failed else step.what


def _row(row: Row) -> list[str]:
    step = row.step
    colour = RED if step.failed else COLOURS.get(step.kind, INK)
    # A label hides the lines that it crosses, and no other label: each has a row of its own.
    frame = f'stroke="{colour}" rx="3"' if step.kind is Kind.STATE else ""
    behind = svg.rect(row.text_x - 2, row.y - 15, row.text_width + 4, 15, fill=PAPER, style=frame)
    if row.start == row.end:
        dot = svg.circle(row.start, row.y - 7, 3.5, fill=colour)
        return [behind, dot, svg.text(row.text_x, row.y - 3, row.label, colour)]
    style = {
        Kind.ANSWER: 'stroke-width="1.2" stroke-dasharray="5 3"',
        Kind.MESSAGE: 'stroke-width="2.6"',
    }.get(step.kind, 'stroke-width="1.2"')
    tip = row.end - 7 if row.end > row.start else row.end + 7
    head = [(row.end, row.y), (tip, row.y - 4), (tip, row.y + 4)]
    return [
        behind,
        svg.line(row.start, row.y, row.end, row.y, colour, style),
        svg.polygon(head, fill=colour),
        svg.text(row.text_x, row.y - 4, row.label, colour),
    ]
