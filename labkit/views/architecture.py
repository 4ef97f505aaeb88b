"""The parts of the system as a map: what was called how often, and the last way of a message.

Pure: events in, a picture out.  Nothing jumps while it lives: a part has its column, the calls of the
pattern have their places in it before they are made, and what comes later is added below.  Between two
columns runs a gutter.  A line goes from a box into the gutter beside it, along a track of its own there,
and into the box at the gutter's other side; one that goes farther crosses the columns in a lane above
all boxes.  So no line crosses a box, and no two lines share a stretch.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from labkit.eventlog import Event
from labkit.steps import (
    CLIENT,
    DYNAMODB,
    HTTP_API,
    LAMBDA,
    NOTEBOOK,
    STEP_FUNCTIONS,
    WEBSOCKET_API,
)
from labkit.views import svg
from labkit.views.parts import Move, Part, System, system
from labkit.views.picture import Picture
from labkit.views.svg import BLUE, FAINT, INK, LETTER, LINE, PAPER, RED, STRIPE, Status, short

WAY = 10
"""Moves that are lit and numbered, unless more are asked for."""

ORDER = 40
"""Moves of one order that are."""

INSIDE = 12
"""Functions, tables or state machines that are shown in one part, at most."""

PORT = 32
"""Distance of two lines at one side of a box, in pixels; the words of each stand in it."""

LETTERS = 5
"""Letters beside a line."""

ZONE = LETTERS * LETTER + 8
"""Width of the strip beside a box where the words of its lines stand, in pixels."""

TRACK = 7
"""Distance of two tracks in a gutter, and of two lanes."""

TRACKS = 5
"""Tracks that a gutter has at least."""

LANES = 3
"""Lanes that there are at least."""

MARGIN = 12
GAP = 18
"""Distance of two boxes, one below the other."""

TEXT = 15
"""Height of a line of text."""

HEAD = 3 * TEXT + 10
"""Height of a box that holds no other."""

HERE = Status.RUNNING.mark

ROW = 19
"""Height of a row of the list below the map."""

LEGEND = f"thick and numbered: the last way, told below · {HERE}: where it ends · ✗: error"

_COLUMNS = (
    (CLIENT, NOTEBOOK),
    (HTTP_API, WEBSOCKET_API),
    (LAMBDA,),
    (STEP_FUNCTIONS, DYNAMODB),
)
"""From left to right and from top to bottom; whatever else is used stands below the last column."""

_WIDTHS = (132, 156, 196, 196)

_PAIRS = (
    (CLIENT, HTTP_API),
    (HTTP_API, CLIENT),
    (CLIENT, WEBSOCKET_API),
    (WEBSOCKET_API, CLIENT),
    (HTTP_API, LAMBDA),
    (WEBSOCKET_API, LAMBDA),
    (LAMBDA, WEBSOCKET_API),
    (STEP_FUNCTIONS, WEBSOCKET_API),
    (LAMBDA, STEP_FUNCTIONS),
    (STEP_FUNCTIONS, LAMBDA),
    (LAMBDA, DYNAMODB),
    (STEP_FUNCTIONS, DYNAMODB),
)
"""The calls of the pattern, whose places are kept for them."""

Point = tuple[float, float]
Pair = tuple[str, str]
End = tuple[Pair, bool]
"""A line's end: where it begins, or where it arrives."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part, or something in one.

    Attributes:
        x: of its left side, in pixels.
        y: of its top, in pixels.
        wide: its width, in pixels.
        high: its height, in pixels.
        lines: what is written in it, from the top.
        inner: whether it stands in the box of a part.
        lit: whether the last way leads there.
        failed: whether the last that happened there was an error.
    """

    x: float
    y: float
    wide: float
    high: float
    lines: tuple[str, ...]
    inner: bool = False
    lit: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class _Lit:
    """Where the last way leads: all its places, and the one where it ends."""

    places: frozenset[tuple[str, str]]
    end: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class _Route:
    """Which sides and gutters a line uses.

    Attributes:
        out: the part where it begins, and whether it leaves at the right side.
        into: the part where it arrives, and whether at the right side.
        first: the gutter that it leaves into; a gutter has the number of the column to its left.
        second: the gutter that it arrives from.
    """

    out: tuple[str, bool]
    into: tuple[str, bool]
    first: int
    second: int

    @property
    def is_far(self) -> bool:
        """Whether it needs a lane."""
        return self.first != self.second


@dataclass(frozen=True, slots=True)
class Wire:
    """The calls and messages from one part to another.

    Attributes:
        pair: the names of the two.
        points: its corners, from the box where it begins to the one where it ends.
        count: how many there were.
        numbers: those of them that belong to the last way, by their place in it.
        failed: whether the last of these failed.
    """

    pair: tuple[str, str]
    points: tuple[Point, ...]
    count: int
    numbers: tuple[int, ...] = ()
    failed: bool = False

    @property
    def labels(self) -> tuple[str, str]:
        """What stands above its beginning and below it."""
        count = str(self.count) if self.count < 100_000 else f"{self.count // 1000}k"
        listed = " ".join(str(number) for number in self.numbers)
        if len(listed) > LETTERS:
            listed = f"{self.numbers[0]}…{self.numbers[-1]}"
        return count, listed

    @property
    def is_rightwards(self) -> bool:
        """Whether it leaves its box at the right."""
        return self.points[1][0] > self.points[0][0]


@dataclass(frozen=True, slots=True)
class Map:
    """A map laid out.

    Attributes:
        boxes: those of the parts first.
        wires: in a fixed order.
        rows: the last way in words, with milliseconds since its first move.
        list_y: where the list of these begins, in pixels.
        width: of the whole, in pixels.
        height: of the whole, in pixels.
    """

    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    rows: tuple[tuple[str, str], ...]
    list_y: float
    width: float
    height: float


def architecture(events: Iterable[Event], way: int = WAY) -> Picture:
    """The map of the parts.

    Args:
        events: of a log, in its order; all of them, or those of one execution.
        way: how many of the last moves are lit and numbered.
    """
    found = system(events)
    chart = layout(found, way)
    return Picture(draw(chart), _alt(found), _twin(found))


def layout(found: System, way: int = WAY) -> Map:
    """Give each part its box and each pair of parts its line.

    Args:
        found: the parts and what passed between them.
        way: how many of the last moves are lit.
    """
    lit = list(enumerate(found.moves[-way:] if way else [], 1))
    shown = _Lit(
        frozenset(place for _, move in lit for place in (move.source, move.target)),
        lit[-1][1].target if lit else None,
    )
    counts = Counter(move.pair for move in found.moves)
    columns = _columns(found.parts)
    routes = _routes(dict.fromkeys([*_PAIRS, *counts]), columns)
    ports: dict[tuple[str, bool], list[End]] = defaultdict(list)
    tracks: dict[int, list[End]] = defaultdict(list)
    lanes = [pair for pair, route in routes.items() if route.is_far]
    for pair, route in routes.items():
        ports[route.out].append((pair, True))
        ports[route.into].append((pair, False))
        tracks[route.first].append((pair, True))
        tracks[route.second] += [(pair, False)] * route.is_far

    top: float = MARGIN + TRACK * (max(len(lanes), LANES) + 1)
    boxes: list[Box] = []
    inner: list[Box] = []
    at: dict[End, Point] = {}
    track: dict[End, float] = {}
    x: float = MARGIN
    bottom = top
    for index, (names, wide) in enumerate(zip(columns, _WIDTHS, strict=True)):
        y = top
        for name in names:
            part = found.parts[name]
            high = _height(part)
            for right in (False, True):
                # Lines at left sides run between those at right sides, so that no two meet.
                port = math.ceil((y + PORT / 2) / PORT) * PORT + (0 if right else PORT / 2)
                for end in ports[name, right]:
                    at[end] = x + wide * right, port
                    port += PORT
                    high = max(high, port - PORT / 2 - y)
            boxes.append(_box(part, x, y, wide, high, name, shown))
            inner += _inside(part, boxes[-1], shown)
            y += high + GAP
        bottom = max(bottom, y)
        x += wide + ZONE
        for end in tracks[index]:
            track[end] = x + TRACK * (len(track.keys() & tracks[index]) + 0.5)
        x += TRACK * max(len(tracks[index]), TRACKS) + ZONE
    last = len(columns) - 1
    width = x - ZONE - TRACK * (max(len(tracks[last]), TRACKS) - len(tracks[last])) + MARGIN

    wires = []
    for pair, route in routes.items():
        if not counts[pair]:
            continue
        begin, arrival = at[pair, True], at[pair, False]
        turn = track[pair, True]
        corners = [(turn, begin[1]), (turn, arrival[1])]
        if route.is_far:
            lane = MARGIN + TRACK * lanes.index(pair)
            back = track[pair, False]
            corners = [(turn, begin[1]), (turn, lane), (back, lane), (back, arrival[1])]
        mine = [(number, move) for number, move in lit if move.pair == pair]
        numbers = tuple(number for number, _ in mine)
        failed = bool(mine) and mine[-1][1].step.failed
        wires.append(Wire(pair, (begin, *corners, arrival), counts[pair], numbers, failed))

    rows = tuple(_row(number, move, lit[0][1], width) for number, move in lit)
    list_y = bottom + TEXT
    height = list_y + ROW * math.ceil(len(rows) / 2) + MARGIN
    return Map((*boxes, *inner), tuple(wires), rows, list_y, width, height)


def draw(chart: Map) -> str:
    """The map as an SVG document; the same text for the same map."""
    parts: list[str] = []
    for box in chart.boxes:
        parts += _drawn(box)
    for wire in sorted(chart.wires, key=lambda wire: bool(wire.numbers)):
        parts += _wired(wire)
    parts.append(svg.text(MARGIN, chart.list_y, LEGEND, FAINT))
    half = math.ceil(len(chart.rows) / 2)
    middle = chart.width / 2
    for index, (said, after) in enumerate(chart.rows):
        x = MARGIN + (index // half) * middle
        y = chart.list_y + ROW * (index % half + 1)
        parts.append(svg.text(x, y, said, RED if Status.FAILED.mark in said else INK))
        right = x + middle - 2 * MARGIN
        parts.append(svg.text(right, y, after, FAINT, 'text-anchor="end"'))
    return svg.document(chart.width, chart.height, parts)


def _columns(parts: Iterable[str]) -> list[list[str]]:
    """The names in each column, from the top."""
    there = list(parts)
    columns = [[name for name in names if name in there] for names in _COLUMNS]
    known = {name for names in _COLUMNS for name in names}
    columns[-1] += [name for name in there if name not in known]
    return columns


def _routes(pairs: Iterable[Pair], columns: list[list[str]]) -> dict[Pair, _Route]:
    column = {name: index for index, names in enumerate(columns) for name in names}
    routes = {}
    for source, target in pairs:
        here, there = column[source], column[target]
        # Within a column it leaves and arrives at the right.
        out, into = here <= there, here >= there
        first, second = here - (not out), there - (not into)
        routes[source, target] = _Route((source, out), (target, into), first, second)
    return routes


def _height(part: Part) -> float:
    shown = min(len(part.inside), INSIDE)
    more = TEXT if len(part.inside) > INSIDE else 0
    return HEAD + shown * (HEAD + 6) + more + (4 if shown else 0)


def _box(
    part: Part,
    x: float,
    y: float,
    wide: float,
    high: float,
    owner: str,
    way: _Lit,
) -> Box:
    letters = int((wide - 14) / LETTER)
    counters = ", ".join(part.counters)
    if part.cold:
        counters = ", ".join([part.counters[0], f"{part.cold} cold", *part.counters[1:]])
    inner = owner != part.name
    place = (owner, part.name if inner else "")
    lit = place in way.places if inner else any(name == owner for name, _ in way.places)
    failed = bool(part.at) and part.at[-1].failed
    name = f"{HERE} {part.name}" if place == way.end else part.name
    lines = tuple(short(said, letters) for said in (name, counters, part.last))
    return Box(x, y, wide, high, lines, inner, lit, failed)


def _inside(part: Part, around: Box, way: _Lit) -> Iterator[Box]:
    for number, one in enumerate(list(part.inside.values())[:INSIDE]):
        y = around.y + HEAD + number * (HEAD + 6)
        yield _box(one, around.x + 6, y, around.wide - 12, HEAD, part.name, way)
    if (left_out := len(part.inside) - INSIDE) > 0:
        y = around.y + HEAD + INSIDE * (HEAD + 6)
        said = (f"… and {left_out} more",)
        yield Box(around.x + 6, y, around.wide - 12, TEXT, said, inner=True)


def _row(number: int, move: Move, first: Move, wide: float) -> tuple[str, str]:
    after = f"{(move.step.time - first.step.time) * 1000:,.1f} ms"
    letters = int((wide / 2 - 3 * MARGIN) / LETTER) - len(after) - 1
    return short(f"{number}  {move.sentence}", letters), after


def _drawn(box: Box) -> list[str]:
    edge, thick = (BLUE, 2.5) if box.lit else (LINE, 1)
    fill = Status.RUNNING.fill if box.lit and box.inner else STRIPE if box.inner else PAPER
    parts = [
        svg.rect(
            box.x,
            box.y,
            box.wide,
            box.high,
            fill=fill,
            style=f'stroke="{edge}" stroke-width="{thick:g}" rx="5"',
        )
    ]
    for number, said in enumerate(box.lines):
        colour = RED if box.failed and number == 2 else INK if number == 0 else FAINT
        bold = 'font-weight="bold"' if number == 0 and not box.inner else ""
        parts.append(svg.text(box.x + 7, box.y + TEXT * (number + 1) + 1, said, colour, bold))
    return parts


def _wired(wire: Wire) -> list[str]:
    lit = bool(wire.numbers)
    colour = RED if wire.failed else BLUE if lit else FAINT
    thick = 3 if lit else 1.2
    corners = " L ".join(f"{x:g} {y:g}" for x, y in wire.points)
    parts = [svg.path(f"M {corners}", colour, f'stroke-width="{thick:g}" stroke-linejoin="round"')]
    (before, _), (x, y) = wire.points[-2:]
    back = 8 if x < before else -8
    parts.append(svg.polygon([(x, y), (x + back, y - 5), (x + back, y + 5)], fill=colour))
    (x, y), count_and_numbers = wire.points[0], wire.labels
    x += 5 if wire.is_rightwards else -5
    anchor = "" if wire.is_rightwards else 'text-anchor="end"'
    bold = f'{anchor} font-weight="bold"'.strip()
    parts.append(svg.text(x, y - 4, count_and_numbers[0], FAINT, anchor))
    if lit:
        parts.append(svg.text(x, y + 13, count_and_numbers[1], colour, bold))
    return parts


def _alt(found: System) -> str:
    if not found.moves:
        return f"Map of the parts {', '.join(found.parts)}: nothing has passed between them yet."
    wrong = [f"{part.errors} at {name}" for name, part in found.parts.items() if part.errors]
    errors = f" Errors: {', '.join(wrong)}." if wrong else ""
    return (
        f"Map of the parts {', '.join(found.parts)} with {len(found.moves)} calls and messages "
        f"between them. The last: {found.moves[-1].sentence}.{errors}"
    )


def _twin(found: System) -> str:
    """What is the same in each run: parts and counts in a fixed order, and no way, which races."""
    lines = []
    for name, part in found.parts.items():
        lines.append(f"{name}: {', '.join(part.counters)}")
        lines += [
            f"  {within}: {', '.join(part.inside[within].counters)}"
            for within in sorted(part.inside)
        ]
    counts = Counter(move.pair for move in found.moves)
    lines += [f"{one} → {other}: {count}" for (one, other), count in sorted(counts.items())]
    return "\n".join(lines)
