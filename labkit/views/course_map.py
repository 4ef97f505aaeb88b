"""The course as a map: a row for each lesson, a box for each exercise.  Pure: data in, a picture out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from labkit.views import svg
from labkit.views.picture import Picture
from labkit.views.svg import BLUE, FAINT, INK, PAPER, Status, width

ROW = 36
"""Height of a row of boxes, in pixels."""

BOX = 24
"""Height of a box, in pixels."""

MARGIN = 14
GAP = 8
INSIDE = 16
"""Width of a box beyond its words, in pixels."""

A_ROW = 9
"""Boxes in a row; more go on below."""

EMPTY = "This course has nothing to do yet."
LEGEND = "○ open   ◐ not yet   ✓ solved   (seen): with the solution   ▶ thick frame: go on here"


class Standing(Enum):
    """How an exercise stands: its mark, its colour, and a pale one to fill."""

    OPEN = ("○", INK, PAPER)
    NOT_YET = ("◐", Status.CAUGHT.ink, Status.CAUGHT.fill)
    SOLVED = ("✓", Status.DONE.ink, Status.DONE.fill)

    def __init__(self, mark: str, ink: str, fill: str) -> None:
        self.mark = mark
        self.ink = ink
        self.fill = fill


@dataclass(frozen=True, slots=True)
class Stop:
    """One exercise on the map.

    Attributes:
        number: such as ``1.3``.
        standing: how it stands.
        seen: whether the solution was shown before it was solved.
    """

    number: str
    standing: Standing
    seen: bool = False


@dataclass(frozen=True, slots=True)
class Leg:
    """One lesson on the map.

    Attributes:
        name: such as ``01 websocket api``.
        stops: its exercises, in order.
        right: how many of its questions are answered right.
        questions: how many it has.
    """

    name: str
    stops: Sequence[Stop]
    right: int = 0
    questions: int = 0

    @property
    def is_done(self) -> bool:
        """Whether all exercises are solved; all questions, if there are none."""
        solved = all(stop.standing is Standing.SOLVED for stop in self.stops)
        return solved if self.stops else self.right == self.questions

    @property
    def said(self) -> str:
        """How it stands in words."""
        solved = sum(stop.standing is Standing.SOLVED for stop in self.stops)
        parts = [f"{solved} of {len(self.stops)} solved"] if self.stops else []
        if self.questions:
            parts.append(f"{self.right} of {self.questions} questions right")
        return f"{self.name}: {', '.join(parts) or 'nothing to do'}"


@dataclass(frozen=True, slots=True)
class Box:
    """Something on the map with its place, in pixels.

    Attributes:
        label: what is written in it.
        standing: how it is coloured.
        x: its left side.
        y: its top.
        is_next: whether to go on here.
    """

    label: str
    standing: Standing
    x: float
    y: float
    is_next: bool = False

    @property
    def wide(self) -> float:
        """Its width."""
        return width(self.label) + INSIDE


@dataclass(frozen=True, slots=True)
class Map:
    """A map laid out.

    Attributes:
        legs: pairs of a lesson and the y of its first row's middle, in pixels.
        boxes: all of them.
        width: of the whole, in pixels.
        height: of the whole, in pixels.
    """

    legs: tuple[tuple[Leg, float], ...]
    boxes: tuple[Box, ...]
    width: float
    height: float


def course_map(legs: Sequence[Leg], go_on: str = "") -> Picture:
    """The map of a course.

    Args:
        legs: the lessons, in order.
        go_on: the number of the exercise that comes next; empty if there is none.
    """
    if not legs:
        drawing = svg.document(MARGIN * 2 + width(EMPTY), 40, [svg.text(MARGIN, 25, EMPTY)])
        return Picture(drawing, EMPTY, EMPTY)
    end = f"Go on with {go_on}." if go_on else "All is solved: the certificate is yours."
    said = [leg.said for leg in legs]
    return Picture(
        draw(layout(legs, go_on)),
        f"Map of the course. {'; '.join(said)}. {end}",
        "\n".join([*said, end]),
    )


def layout(legs: Sequence[Leg], go_on: str = "") -> Map:
    """Give each lesson its rows, and each exercise its box.

    Args:
        legs: the lessons, in order.
        go_on: the number of the exercise that comes next; empty if there is none.
    """
    left = MARGIN * 2 + 14 + max((width(leg.name) for leg in legs), default=0.0)
    y = float(MARGIN)
    placed: list[tuple[Leg, float]] = []
    boxes: list[Box] = []
    for leg in legs:
        placed.append((leg, y + ROW / 2))
        contents = [_stop(stop, stop.number == go_on) for stop in leg.stops]
        if leg.questions:
            full = Standing.SOLVED if leg.right == leg.questions else Standing.OPEN
            questions = f"{full.mark} {leg.right} of {leg.questions} questions"
            contents.append((questions, full, False))
        x = left
        for number, (label, standing, is_next) in enumerate(contents):
            if number and number % A_ROW == 0:
                x, y = left, y + ROW
            box = Box(label, standing, x, y + (ROW - BOX) / 2, is_next)
            boxes.append(box)
            x += box.wide + GAP
        y += ROW
    done = Standing.OPEN if go_on else Standing.SOLVED
    certificate = f"{done.mark} certificate{'' if go_on else ': call certificate()'}"
    boxes.append(Box(certificate, done, left, y + (ROW - BOX) / 2))
    right = max(MARGIN + width(LEGEND), *(box.x + box.wide for box in boxes))
    return Map(tuple(placed), tuple(boxes), right + MARGIN, y + ROW + 34)


def _stop(stop: Stop, is_next: bool) -> tuple[str, Standing, bool]:
    """What is written in an exercise's box, how it is coloured, and whether it comes next."""
    label = f"{stop.number} {stop.standing.mark}{' (seen)' if stop.seen else ''}"
    return (f"▶ {label}" if is_next else label), stop.standing, is_next


def draw(course: Map) -> str:
    """The map as an SVG document; the same text for the same map."""
    x = MARGIN + 5
    end = course.boxes[-1].y + BOX / 2
    way = [y for _, y in course.legs] + [end]
    parts = [svg.line(x, way[0], x, end, FAINT, 'stroke-width="2"')]
    for leg, y in course.legs:
        fill = Standing.SOLVED.ink if leg.is_done else PAPER
        ring = f'stroke="{Standing.SOLVED.ink if leg.is_done else FAINT}" stroke-width="2"'
        parts.append(svg.circle(x, y, 5, fill=fill, style=ring))
        parts.append(svg.text(x + 14, y + 4, leg.name, INK))
    parts.append(svg.line(x, end, course.boxes[-1].x, end, FAINT, 'stroke-width="2"'))
    for box in course.boxes:
        frame = (
            f'stroke="{BLUE}" stroke-width="3"' if box.is_next else f'stroke="{box.standing.ink}"'
        )
        fill = box.standing.fill
        parts.append(svg.rect(box.x, box.y, box.wide, BOX, fill=fill, style=f'{frame} rx="5"'))
        middle = 'text-anchor="middle"'
        parts.append(
            svg.text(box.x + box.wide / 2, box.y + 16, box.label, box.standing.ink, middle)
        )
    parts.append(svg.text(MARGIN, course.height - 12, LEGEND, FAINT, 'xml:space="preserve"'))
    return svg.document(course.width, course.height, parts)
