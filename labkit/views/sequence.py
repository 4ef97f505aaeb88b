"""A sequence diagram: who did what to whom, from top to bottom.  Pure: events in, a picture out.

Each party has a line of its own; each step has a row of its own, so labels never meet.  The lines
stand as far apart as the longest label between them needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

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
from labkit.views.picture import Picture

FONT = 12
LETTER = 7.8
"""Width of a letter, in pixels: more than in any of the usual fonts, so that no text is cut off."""

ROW = 24
HEAD = 44
MARGIN = 12
TIMES = 74
"""Width of the column of times at the left."""

GAP = 96
"""Least distance of two lines."""

INK, FAINT, PAPER = "#1b1f24", "#595f69", "#ffffff"
COLOURS = {Kind.MESSAGE: "#0b4a8f", Kind.STATE: "#5a2d82"}
FAILED = "#9b1c1c"
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


def width(text: str) -> float:
    """How wide a text is at most, in pixels."""
    return LETTER * len(text)


def draw(diagram: Diagram) -> str:
    """The diagram as an SVG document; the same text for the same diagram."""
    wide, high = f"{diagram.width:g}", f"{diagram.height:g}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" '
        f'viewBox="0 0 {wide} {high}" font-family="system-ui, sans-serif" font-size="{FONT}">',
        f'<rect width="{wide}" height="{high}" rx="6" fill="{PAPER}"/>',
    ]
    end = diagram.height - ROW
    for who, x in diagram.lines.items():
        parts.append(_line(x, HEAD - 8, x, end, FAINT, 'stroke-width="1" stroke-dasharray="2 3"'))
        parts.append(_text(x, HEAD - 18, who, INK, 'text-anchor="middle" font-weight="bold"'))
    begun = diagram.rows[0].step.time if diagram.rows else 0.0
    for row in diagram.rows:
        after = f"{(row.step.time - begun) * 1000:.1f} ms"
        parts.append(_text(MARGIN + TIMES - 14, row.y, after, FAINT, 'text-anchor="end"'))
        parts += _row(row)
    parts.append(_text(MARGIN, diagram.height - 8, LEGEND, FAINT))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _label(step: Step) -> str:
    return f"✗ {step.what}" if step.failed else step.what


def _row(row: Row) -> list[str]:
    step = row.step
    colour = FAILED if step.failed else COLOURS.get(step.kind, INK)
    # A label hides the lines that it crosses, and no other label: each has a row of its own.
    paper = (
        f'<rect x="{row.text_x - 2:g}" y="{row.y - 15:g}" width="{row.text_width + 4:g}" '
        f'height="15" fill="{PAPER}"'
    )
    if row.start == row.end:
        frame = f' stroke="{colour}" rx="3"' if step.kind is Kind.STATE else ""
        dot = f'<circle cx="{row.start:g}" cy="{row.y - 7:g}" r="3.5" fill="{colour}"/>'
        return [f"{paper}{frame}/>", dot, _text(row.text_x, row.y - 3, row.label, colour)]
    style = {
        Kind.ANSWER: 'stroke-width="1.2" stroke-dasharray="5 3"',
        Kind.MESSAGE: 'stroke-width="2.6"',
    }.get(step.kind, 'stroke-width="1.2"')
    tip = row.end - 7 if row.end > row.start else row.end + 7
    head = f"{row.end:g},{row.y:g} {tip:g},{row.y - 4:g} {tip:g},{row.y + 4:g}"
    return [
        f"{paper}/>",
        _line(row.start, row.y, row.end, row.y, colour, style),
        f'<polygon points="{head}" fill="{colour}"/>',
        _text(row.text_x, row.y - 4, row.label, colour),
    ]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, style: str) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" {style}/>'


def _text(x: float, y: float, text: str, colour: str, style: str = "") -> str:
    extra = f" {style}" if style else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}"{extra}>{escape(text)}</text>'
