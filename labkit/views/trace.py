"""One order as a waterfall: what took how long, and in what.  Pure: events in, a picture out.

Each thing that takes time is a span with a row of its own, below the one in which it happens, so words
and bars never meet: words stand at the left, bars between them and the durations at the right.  What
takes no time (a frame, a failure, a fault) is a mark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from labkit.eventlog import Event
from labkit.steps import CLIENT, STEP_FUNCTIONS, Kind, Step, nested, steps
from labkit.views import svg
from labkit.views.picture import Picture
from labkit.views.svg import (
    BLUE,
    BROWN,
    FAINT,
    GREEN,
    INK,
    LINE,
    PAPER,
    PURPLE,
    RED,
    STRIPE,
    Status,
    width,
)

ROW = 22
HEAD = 38
"""Height above the first row, where the axis stands, in pixels."""

FOOT = 30
"""Height below the last row, where the legend stands, in pixels."""

MARGIN = 12
INDENT = 14
CHART = 480
"""Width of the axis of time, in pixels."""

LETTERS = 64
"""A longer name is shortened in the drawing; the twin has all of it."""

LEAST = 2
"""Width of a bar that is shorter than a pixel or two, in pixels."""

_DEEPEST = 8
"""Levels of indentation, so that names do not run away to the right."""

_TICKS = 5
"""Parts of the axis, at most."""

NOTHING = "Nothing happened."


class Sort(Enum):
    """What a span is: how high its bar is in pixels, its colour, and its word in the legend."""

    REQUEST = (12, BLUE, "request")
    FUNCTION = (12, GREEN, "function")
    CALL = (5, BROWN, "call")
    STATE = (12, PURPLE, "state")
    MARK = (0, INK, "frame, failure or fault")

    def __init__(self, high: float, colour: str, word: str) -> None:
        self.high = high
        self.colour = colour
        self.word = word


@dataclass(frozen=True, slots=True)
class Span:
    """Something that takes time.

    Attributes:
        sort: what it is.
        name: what is written beside it; the same in each run.
        depth: in how many other spans it happens.
        start: milliseconds since the story began.
        end: of it, in the same milliseconds; so far, if it is not over.
        init: milliseconds at its beginning in which a function's new process started: a cold start.
        over: whether it has ended.
        failed: whether it is an error.
        news: whether the client hears something at its end.
    """

    sort: Sort
    name: str
    depth: int
    start: float
    end: float
    init: float = 0.0
    over: bool = True
    failed: bool = False
    news: bool = False

    @property
    def label(self) -> str:
        """The name with its mark."""
        return f"{Status.FAILED.mark} {self.name}" if self.failed else self.name

    @property
    def took(self) -> str:
        """How long it took, in words; nothing for what took no time or is not measured."""
        if not self.over:
            return f"{Status.RUNNING.mark} {_ms(self.end - self.start)} so far"
        if self.start == self.end:
            return ""
        init = f" (init {_ms(self.init)})" if self.init else ""
        return f"{_ms(self.end - self.start)}{init}"


@dataclass(frozen=True, slots=True)
class Bar:
    """A span with its place, in pixels.

    Attributes:
        span: the span.
        label: what is written at the left, no longer than there is room.
        label_x: where it begins.
        x: where the bar begins.
        init: how much of the bar is a cold start.
        wide: how wide the bar is, the cold start with it.
        y: the middle of the row.
    """

    span: Span
    label: str
    label_x: float
    x: float
    init: float
    wide: float
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A waterfall laid out.

    Attributes:
        bars: from top to bottom.
        ticks: pairs of an x in pixels and what is written there.
        left: x at which the axis begins, in pixels.
        width: of the whole, in pixels.
        height: of the whole, in pixels.
    """

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    left: float
    width: float
    height: float

    @property
    def took_x(self) -> float:
        """Where the durations begin."""
        return self.left + CHART + 10


def waterfall(events: Iterable[Event]) -> Picture:
    """The waterfall of a story.

    Args:
        events: the events of one execution, as :meth:`labkit.eventlog.EventLog.of` gives them.
    """
    told = spans(events)
    if not told:
        return Picture(_empty(), "An empty waterfall: nothing happened.", NOTHING)
    chart = layout(told)
    return Picture(
        svg.document(chart.width, chart.height, draw(chart)),
        f"Waterfall: {_sum(told)}.",
        twin(told),
    )


def compared(first: Iterable[Event], second: Iterable[Event]) -> Picture:
    """Two stories on one scale, one below the other, and which client heard the last news sooner.

    Args:
        first: the events of one execution.
        second: of another.
    """
    stories = {"First": spans(first), "Second": spans(second)}
    verdict = quicker(*stories.values())
    said = {name: f"{name}: {_sum(story)}" for name, story in stories.items()}
    longest = max((span.end for story in stories.values() for span in story), default=0.0)
    room = max(map(_room, stories.values()))
    charts = {name: layout(story, longest, room) for name, story in stories.items() if story}
    # Bold letters are wider than others.
    wide = MARGIN * 2 + 1.1 * max(map(width, (verdict, *said.values())))
    wide = max([wide, *(chart.width for chart in charts.values())])
    parts = [svg.text(MARGIN, 24, verdict, INK, 'font-weight="bold"')]
    high = 40.0
    for name, words in said.items():
        parts.append(svg.text(MARGIN, high + 14, words, INK, 'font-weight="bold"'))
        high += 30
        if chart := charts.get(name):
            drawn = "\n".join(draw(replace(chart, width=wide)))
            parts.append(f'<g transform="translate(0 {high - 8:g})">\n{drawn}\n</g>')
            high += chart.height
    alt = f"Two waterfalls on one scale. {verdict} {'. '.join(said.values())}."
    text = "\n\n".join(f"{name}:\n{twin(story)}" for name, story in stories.items())
    return Picture(svg.document(wide, high, parts), alt, text)


# -- what is shown ----------------------------------------------------------------------------------


def spans(events: Iterable[Event]) -> list[Span]:
    """What took time in a story, by cause: each span is followed by those that happen in it.

    Args:
        events: as for :func:`waterfall`.
    """
    told = list(events)
    by_seq = {event.seq: event for event in told}
    ends = _ends(told)
    last = told[-1].time if told else 0.0
    inner: dict[int | None, int] = {}
    found: list[tuple[Span, float, float]] = []
    for _, step in nested(steps(told)):
        depth = inner.get(step.parent, 0)
        event = by_seq[step.seq]
        if not _is_shown(step, event):
            inner[step.seq] = depth
            continue
        inner[step.seq] = depth + 1
        start, end = _times(step, event, ends.get(step.seq), last)
        found.append((_span(step, event, ends.get(step.seq), depth), start, end))
    begun = min((start for _, start, _ in found), default=0.0)
    return [_placed(span, start - begun, end - begun) for span, start, end in found]


def quicker(first: Sequence[Span], second: Sequence[Span]) -> str:
    """Which of two clients had its last news (a message, or an answer) sooner, and by how much.

    Args:
        first: the spans of a story.
        second: of another.
    """
    heard = [max((s.end for s in story if s.news), default=None) for story in (first, second)]
    silent = [n for n, at in zip(("first", "second"), heard, strict=True) if at is None]
    if silent:
        return f"The client of the {' and of the '.join(silent)} heard nothing."
    one, other = heard[0] or 0.0, heard[1] or 0.0
    said = f"The client's last news came after {_ms(one)} and after {_ms(other)}"
    if abs(one - other) < 1:
        return f"{said}: no difference."
    which = "first" if one < other else "second"
    return f"{said}: the {which} was quicker by {_ms(abs(one - other))}."


def twin(story: Sequence[Span]) -> str:
    """The names of spans, indented by what happens in what; nothing that was measured.

    Args:
        story: the spans.
    """
    return "\n".join("  " * span.depth + span.label for span in story) or NOTHING


_ENDED_BY = {
    "http.request": ("http.response",),
    "handshake.request": ("connection.opened", "handshake.refused"),
    "frame.in": ("message.handled",),
    "function.invoked": ("function.returned",),
    "state.entered": ("state.exited",),
}
"""Which event ends what another began; an execution's end names the execution instead."""


def _ends(events: Sequence[Event]) -> dict[int, Event]:
    """The event that ends what another began, by the other's number."""
    begun = {event.seq: _ENDED_BY.get(event.kind, ()) for event in events}
    runs = {e["execution"]: e.seq for e in events if e.kind == "execution.started"}
    entered = {e.seq: e["execution"] for e in events if e.kind == "state.entered"}
    ends: dict[int, Event] = {}
    for event in events:
        if event.cause is not None and event.kind in begun.get(event.cause, ()):
            ends[event.cause] = event
        elif event.kind == "execution.ended":
            # A state in which an execution fails is not left.
            stuck = [seq for seq, run in entered.items() if run == event["execution"]]
            for seq in [*stuck, runs.get(event["execution"], 0)]:
                ends.setdefault(seq, event)
    return ends


def _is_shown(step: Step, event: Event) -> bool:
    """Whether a step has a row; answers and ends are the ends of rows, and a route says a frame's name."""
    if step.kind is Kind.ANSWER:
        return False
    return event.kind not in ("route.selected", "execution.ended")


def _times(step: Step, event: Event, end: Event | None, last: float) -> tuple[float, float]:
    """When a step begins and ends, in seconds since the epoch."""
    if event.kind == "aws.call":
        # The log notes a call when it is answered.
        return event.time - event.get("durationMs", 0.0) / 1000, event.time
    if event.kind == "function.invoked":
        init = (end.get("initMs") or 0.0) / 1000 if end else 0.0
        return event.time - init, end.time if end else last
    if event.kind in _ENDED_BY or event.kind == "execution.started":
        return event.time, end.time if end else last
    return step.time, step.time


def _span(step: Step, event: Event, end: Event | None, depth: int) -> Span:
    """The span of a step, without its times."""
    over = end is not None
    match event.kind:
        case "http.request":
            status = f" {end['status']}" if end else ""
            failed = bool(end and end["status"] >= 400)
            # A route's key is the same in each run; a path may hold an id.
            route = event.get("route") or "$default"
            asked = step.what if route == "$default" else route
            sort, name = Sort.REQUEST, f"{step.target} {asked}{status}"
        case "handshake.request":
            failed = bool(end and end.kind == "handshake.refused")
            refused = f" refused with {end['status']}" if end and failed else ""
            sort, name = Sort.REQUEST, f"{step.target} handshake{refused}"
        case "frame.in":
            sort, name, failed = Sort.REQUEST, f"{step.source} sends {step.what}", False
        case "function.invoked":
            error = end.get("error") if end else None
            failed = bool(error)
            sort, name = Sort.FUNCTION, f"{step.target} {event['function']}"
            name += f": {error}" if error else ""
        case "state.entered":
            failed = bool(end and end.kind == "execution.ended" and end["status"] != "SUCCEEDED")
            sort, name = Sort.STATE, f"state {step.what}"
        case "execution.started":
            status = f" {end['status']}" if end else ""
            failed = bool(end and end["status"] != "SUCCEEDED")
            sort, name = Sort.STATE, f"{STEP_FUNCTIONS} execution{status}"
        case "aws.call":
            over, failed = True, step.failed
            sort, name = Sort.CALL, f"{step.target} {step.what}"
        case _:
            over, failed = True, step.failed
            to_client = step.kind is Kind.MESSAGE and step.target == CLIENT
            sort, name = Sort.MARK, f"{CLIENT} gets {step.what}" if to_client else step.what
    news = event.kind in ("http.request", "frame.out") and over
    init = (end.get("initMs") or 0.0) if end and event.kind == "function.invoked" else 0.0
    return Span(sort, name, depth, 0.0, 0.0, init, over, failed, news)


def _placed(span: Span, start: float, end: float) -> Span:
    """The span between two moments, in seconds since the story began."""
    return replace(span, start=start * 1000, end=end * 1000)


def _sum(story: Sequence[Span]) -> str:
    """A story in one line: how much there was of what, and how long it took."""
    if not story:
        return "nothing happened"
    counts = [
        _count(sum(span.sort is sort for span in story), sort.word)
        for sort in (Sort.REQUEST, Sort.FUNCTION, Sort.CALL, Sort.STATE)
    ]
    cold = sum(span.init > 0 for span in story)
    counts[1] += f" ({cold} cold)" if cold else ""
    failed = sum(span.failed for span in story)
    counts.append(f"{Status.FAILED.mark} {_count(failed, 'error')}" if failed else "no error")
    return f"{', '.join(counts)}, in {_ms(max(span.end for span in story))}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _ms(milliseconds: float) -> str:
    """A duration in words: two digits of it count below 10 ms."""
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:,.0f} ms"


# -- where it stands --------------------------------------------------------------------------------


def layout(story: Sequence[Span], longest: float = 0.0, room: float = 0.0) -> Chart:
    """Give each span a row, and the axis its ticks.

    Args:
        story: the spans, from top to bottom.
        longest: milliseconds that the axis shows at least; it shows one anyway.
        room: width for the names, in pixels, at least.
    """
    longest = max([1.0, longest, *(span.end for span in story)])
    left = MARGIN + max(room, _room(story)) + 12
    scale = CHART / longest
    bars = tuple(_bar(span, number, left, scale) for number, span in enumerate(story))
    ticks = tuple((left + at * scale, f"{at:,.10g}") for at in _ticks(longest))
    took = max((width(span.took) for span in story), default=0.0)
    legend = MARGIN + sum(width(word) + 44 for word, _, _ in _legend())
    right = max(left + CHART + 10 + took + MARGIN, legend)
    return Chart(bars, ticks, left, right, HEAD + ROW * len(story) + FOOT)


def _bar(span: Span, number: int, left: float, scale: float) -> Bar:
    wide = max((span.end - span.start) * scale, 0 if span.sort is Sort.MARK else LEAST)
    # A bar that is wider than it took time does not leave the chart.
    x = min(left + span.start * scale, left + CHART - wide)
    indent = INDENT * min(span.depth, _DEEPEST)
    init = min(span.init * scale, wide)
    label = svg.short(span.label, LETTERS)
    return Bar(span, label, MARGIN + indent, x, init, wide, HEAD + ROW * (number + 0.5))


def _room(story: Sequence[Span]) -> float:
    """How much width the names need, in pixels."""
    return max(
        (
            INDENT * min(span.depth, _DEEPEST) + width(svg.short(span.label, LETTERS))
            for span in story
        ),
        default=0.0,
    )


def _ticks(longest: float) -> list[float]:
    """Round numbers from 0 to the longest: 1, 2 or 5 times a power of ten apart."""
    rough = longest / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    return [round(step * number, 9) for number in range(math.floor(longest / step + 1e-9) + 1)]


# -- how it is drawn --------------------------------------------------------------------------------


def draw(chart: Chart) -> list[str]:
    """The elements of the drawing; the same texts for the same chart."""
    bottom = chart.height - FOOT
    parts = []
    for number, bar in enumerate(chart.bars):
        if number % 2 == 0:
            parts.append(svg.rect(0, bar.y - ROW / 2, chart.width, ROW, fill=STRIPE))
    for x, label in chart.ticks:
        parts.append(svg.line(x, HEAD - 6, x, bottom, LINE, 'stroke-dasharray="1 3"'))
        parts.append(svg.text(x, HEAD - 12, label, FAINT, 'text-anchor="middle"'))
    parts.append(svg.text(chart.left - 14, HEAD - 12, "ms", FAINT, 'text-anchor="end"'))
    for bar in chart.bars:
        ink = RED if bar.span.failed else INK
        parts.append(svg.text(bar.label_x, bar.y + 4, bar.label, ink))
        parts += _shape(bar)
        parts.append(svg.text(chart.took_x, bar.y + 4, bar.span.took))
    x = MARGIN + 0.0
    for word, sort, init in _legend():
        span = Span(sort, word, 0, 0, 0, init)
        parts += _shape(Bar(span, "", 0, x, init, 0 if sort is Sort.MARK else 22, bottom + 16))
        parts.append(svg.text(x + 28, bottom + 20, word, FAINT))
        x += width(word) + 44
    return parts


def _legend() -> list[tuple[str, Sort, float]]:
    """What a bar's shape says: the word, the sort, and pixels of a cold start."""
    words = [(sort.word, sort, 0.0) for sort in Sort]
    words.insert(2, ("its cold start (init)", Sort.FUNCTION, 22.0))
    return words


def _shape(bar: Bar) -> list[str]:
    """A bar, or the diamond of a mark."""
    span = bar.span
    colour = RED if span.failed else span.sort.colour
    if span.sort is Sort.MARK:
        x, y = bar.x, bar.y
        return [svg.polygon([(x, y - 6), (x + 5, y), (x, y + 6), (x - 5, y)], fill=colour)]
    top, high = bar.y - span.sort.high / 2, span.sort.high
    stroke = f'stroke="{colour}" stroke-width="1.5"'
    if span.sort is Sort.STATE:
        fill = Status.FAILED.fill if span.failed else PAPER
        return [svg.rect(bar.x, top, bar.wide, high, fill=fill, style=stroke)]
    if not span.over:
        stroke += ' stroke-dasharray="3 2"'
        return [svg.rect(bar.x, top, bar.wide, high, fill=Status.RUNNING.fill, style=stroke)]
    parts = [svg.rect(bar.x + bar.init, top, bar.wide - bar.init, high, fill=colour)]
    if bar.init:
        parts.append(svg.rect(bar.x, top, bar.init, high, fill=PAPER, style=stroke))
        stripes = range(4, max(int(bar.init), 4), 5)
        parts += [svg.line(bar.x + at, top, bar.x + at - 4, top + high, colour) for at in stripes]
    return parts


def _empty() -> str:
    wide = MARGIN * 2 + width(NOTHING)
    return svg.document(wide, 40, [svg.text(MARGIN, 25, NOTHING)])
