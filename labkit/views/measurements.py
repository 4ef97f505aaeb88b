"""How long and how often, as diagrams.  Pure: events in, a picture out.

matplotlib draws them; it is loaded when the first one is asked for.  Letters are drawn as shapes, so a
diagram looks the same on each machine, and nothing in it depends on the day or on chance.
"""

from __future__ import annotations

import io
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from labkit.eventlog import Event
from labkit.views import svg
from labkit.views.picture import Picture
from labkit.views.svg import BLUE, BROWN, FAINT, GREEN, INK, LINE, PAPER, PURPLE, width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 8.2
"""Width of a diagram, in inches of 96 pixels."""

DOTS = 300
"""Dots of one function, at most; of more invocations, as many are drawn, evenly spread."""

BINS = 30
"""Points of a line over time, at most."""

_WIDTHS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 3600)
"""Seconds that one point of a line may stand for."""

_SERIES = {
    "frame.in": ("messages in", BLUE, "-", "o"),
    "frame.out": ("messages out", PURPLE, "--", "s"),
    "function.invoked": ("invocations", GREEN, ":", "^"),
}
"""What is counted over time: its words, colour, line and marker."""


@dataclass(frozen=True, slots=True)
class Took:
    """How long one invocation took.

    Attributes:
        milliseconds: from its begin to its end, a cold start with it.
        cold: whether a process was started for it.
    """

    milliseconds: float
    cold: bool


def latency(events: Iterable[Event], function: str | None = None) -> Picture:
    """How long invocations took: a dot for each, a row for each function.

    Args:
        events: of a log.
        function: of this one only; of all, if none.
    """
    all_of_them = durations(events)
    chosen = (
        all_of_them if function is None else {n: t for n, t in all_of_them.items() if n == function}
    )
    if not chosen:
        known = f" Functions that have: {', '.join(all_of_them)}." if all_of_them else ""
        return _nothing(
            f"No function {f'{function!r} ' if function else ''}has returned yet.{known}"
        )
    rows = [f"{name}: {_invocations(took)}" for name, took in chosen.items()]
    sums = [f"{row}, {_summary(took)}" for row, took in zip(rows, chosen.values(), strict=True)]
    with _figure(1.1 + 0.62 * len(chosen)) as figure:
        _latency(figure.subplots(), chosen)
        drawing = _drawn(figure)
    alt = f"Latency of {'; '.join(sums)}. A dot is a warm invocation, a triangle a cold start."
    return Picture(drawing, alt, "\n".join(["Latency by function", *rows]))


def throughput(events: Iterable[Event]) -> Picture:
    """Messages and invocations a second, over time.

    Args:
        events: of a log.
    """
    counted = [event for event in events if event.kind in _SERIES]
    if not counted:
        return _nothing("No message was sent and no function has run yet.")
    wide, rates = per_second(counted)
    with _figure(3.4) as figure:
        axes = figure.subplots()
        for kind, (label, colour, line, marker) in _SERIES.items():
            middles = [(number + 0.5) * wide for number in range(len(rates[kind]))]
            axes.plot(
                middles, rates[kind], line, color=colour, marker=marker, markersize=5, label=label
            )
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(f"seconds since the first one; a point stands for {wide:g} s")
        axes.set_ylabel("a second")
        axes.legend(frameon=False, ncols=len(_SERIES), loc="lower left", bbox_to_anchor=(0, 1))
        drawing = _drawn(figure)
    totals = {kind: sum(event.kind == kind for event in counted) for kind in _SERIES}
    said = ", ".join(f"{_SERIES[kind][0]} {number}" for kind, number in totals.items())
    peaks = ", ".join(f"{_SERIES[kind][0]} {max(rates[kind]):.0f}" for kind in _SERIES)
    alt = (
        f"Throughput over {len(rates['frame.in']) * wide:g} s: {said}. At most, a second: {peaks}."
    )
    return Picture(drawing, alt, f"Throughput over time: {said}")


def waiting(orders: Mapping[str, Iterable[Event]]) -> Picture:
    """Poll against push: when each client asked, when it was told, and when its result was stored.

    Args:
        orders: by a word for how its client waits, the events of an order, as
            :meth:`labkit.eventlog.EventLog.of` gives them.
    """
    waited = {how: waits(events) for how, events in orders.items()}
    if not any(wait.asked or wait.told for wait in waited.values()):
        return _nothing("No client has asked or was told anything yet.")
    with _figure(1.1 + 0.62 * len(waited)) as figure:
        _waiting(figure.subplots(), waited)
        drawing = _drawn(figure)
    said = "; ".join(f"{how}: {wait.words}" for how, wait in waited.items())
    twin = [
        f"{how}: {'asks' if wait.asked else 'asks nothing'}, is told {_times(len(wait.told))}"
        for how, wait in waited.items()
    ]
    return Picture(drawing, f"Poll or push. {said}.", "\n".join(["Poll or push", *twin]))


# -- what is measured -------------------------------------------------------------------------------


def durations(events: Iterable[Event]) -> dict[str, list[Took]]:
    """How long each invocation took that is over, by the function's name, in the order of the log.

    Args:
        events: of a log.
    """
    found: dict[str, list[Took]] = defaultdict(list)
    for event in events:
        if event.kind == "function.returned":
            init = event["initMs"]
            found[event["function"]].append(
                Took(event["durationMs"] + (init or 0.0), init is not None)
            )
    return dict(found)


@dataclass(frozen=True, slots=True)
class Wait:
    """How a client waited for a result; times in milliseconds since it placed its order.

    Attributes:
        asked: when each of its questions was answered.
        told: when each message was sent to it.
        stored: when the result was in the table; ``None`` if it never was.
    """

    asked: tuple[float, ...]
    told: tuple[float, ...]
    stored: float | None

    @property
    def heard(self) -> float | None:
        """When it heard of the result, whichever way; ``None`` if it has not."""
        after = [at for at in (*self.asked, *self.told) if self.stored and at >= self.stored]
        return min(after, default=None)

    @property
    def words(self) -> str:
        """What it cost, and how late the client heard of the result."""
        cost = f"{_times(len(self.asked))} asked, {_times(len(self.told))} told"
        if self.heard is None or self.stored is None:
            return f"{cost}, not heard of the result yet"
        return f"{cost}, heard of the result {self.heard - self.stored:.0f} ms after it was stored"


def waits(events: Iterable[Event]) -> Wait:
    """How the client of an order waited for its result.

    Args:
        events: of the order.
    """
    told = list(events)
    begun = told[0].time if told else 0.0
    _placed, *questions = [e.seq for e in told if e.kind == "http.request"] or [0]
    stored = [e for e in told if e.kind == "item.changed" and "result" in (e["item"] or {})]

    def after(those: Iterable[Event]) -> tuple[float, ...]:
        return tuple((one.time - begun) * 1000 for one in those)

    return Wait(
        after(e for e in told if e.kind == "http.response" and e.cause in questions),
        after(e for e in told if e.kind == "frame.out"),
        next(iter(after(stored)), None),
    )


def quantile(took: Sequence[float], part: float) -> float:
    """The value within which this part of all values lies, by nearest rank.

    Args:
        took: the values; at least one.
        part: from 0 to 1.
    """
    return sorted(took)[max(math.ceil(part * len(took)), 1) - 1]


def per_second(events: Sequence[Event]) -> tuple[float, dict[str, list[float]]]:
    """How often something happened, over time.

    Args:
        events: at least one, of the kinds that are counted.

    Returns:
        How many seconds a point stands for, and for each kind its points: how often a second.
    """
    first = events[0].time
    lasted = events[-1].time - first
    wide = next((w for w in _WIDTHS if lasted / w < BINS), lasted / BINS * 1.01)
    points = int(lasted / wide) + 1
    counts: dict[str, list[float]] = {kind: [0.0] * points for kind in _SERIES}
    for event in events:
        counts[event.kind][int((event.time - first) / wide)] += 1 / wide
    return wide, counts


def _invocations(took: Sequence[Took]) -> str:
    return f"{len(took)} invocation{'' if len(took) == 1 else 's'}"


def _summary(took: Sequence[Took]) -> str:
    values = [one.milliseconds for one in took]
    cold = sum(one.cold for one in took)
    said = f"{cold} cold, median {median(values):.1f} ms, at most {max(values):.1f} ms"
    return f"{said}, 95 in 100 within {quantile(values, 0.95):.1f} ms" if len(took) >= 20 else said


# -- how it is drawn --------------------------------------------------------------------------------


def _latency(axes: Axes, chosen: Mapping[str, Sequence[Took]]) -> None:
    """A row of dots for each function, its median a line."""
    values = [one.milliseconds for took in chosen.values() for one in took]
    if min(values) > 0 and max(values) / min(values) > 50:
        axes.set_xscale("log")
    else:
        axes.set_xlim(0, max(values) * 1.08 or 1)
    names = []
    for row, (name, took) in enumerate(chosen.items()):
        shown = sorted(took, key=lambda one: one.milliseconds)
        if len(shown) > DOTS:
            shown = [shown[at * len(shown) // DOTS] for at in range(DOTS)]
        for cold, colour, marker in ((False, BLUE, "o"), (True, BROWN, "^")):
            # Spread over the row, always in the same way, so that dots do not hide each other.
            dots = [
                (one.milliseconds, row + 0.1 + 0.25 * ((number * 0.618) % 1))
                for number, one in enumerate(shown)
                if one.cold is cold
            ]
            axes.plot(
                [x for x, _ in dots],
                [y for _, y in dots],
                marker,
                color=colour,
                markersize=6,
                markeredgecolor=PAPER,
                markeredgewidth=0.5,
            )
        middle = median(one.milliseconds for one in took)
        axes.plot([middle, middle], [row - 0.02, row + 0.47], color=INK, linewidth=2)
        # Beside the row, where no dot can be.
        names.append(f"{name}\nmedian {middle:.1f} ms")
    axes.set_yticks([row + 0.225 for row in range(len(chosen))], names)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(len(chosen) - 0.4, -0.15)
    axes.set_xlabel("ms, a cold start's initialisation with it    ● warm   ▲ cold start   | median")


def _waiting(axes: Axes, waited: Mapping[str, Wait]) -> None:
    """A row for each client: its questions, what it was told, and the result's line."""
    names = []
    for row, (how, wait) in enumerate(waited.items()):
        middle = row + 0.225
        vain = [at for at in wait.asked if at != wait.heard]
        heard = [at for at in wait.asked if at == wait.heard]
        axes.plot(vain, [middle] * len(vain), "o", color=BLUE, markerfacecolor=PAPER, markersize=7)
        axes.plot(heard, [middle] * len(heard), "o", color=BLUE, markersize=7)
        axes.plot(wait.told, [middle] * len(wait.told), "^", color=GREEN, markersize=7)
        late = "not heard yet"
        if wait.stored is not None:
            axes.plot([wait.stored] * 2, [row - 0.02, row + 0.47], color=INK, linewidth=2)
            if wait.heard is not None:
                late = f"heard {wait.heard - wait.stored:.0f} ms after"
        names.append(f"{how}\n{late}")
    axes.set_yticks([row + 0.225 for row in range(len(waited))], names)
    axes.set_xlim(left=0)
    axes.set_ylim(len(waited) - 0.4, -0.15)
    axes.set_xlabel(
        "ms since the order    ○ asked in vain   ● asked and heard   ▲ told   | result stored"
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


@contextmanager
def _figure(high: float) -> Iterator[Figure]:
    """An empty diagram, with settings that are the same everywhere; ``high`` in inches."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": "labkit",
                "svg.fonttype": "path",
                "font.size": 9,
                "text.color": INK,
                "axes.labelcolor": INK,
                "axes.edgecolor": FAINT,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "grid.color": LINE,
                "grid.linestyle": ":",
                "xtick.color": INK,
                "ytick.color": INK,
                "figure.facecolor": PAPER,
            }
        )
        yield Figure(figsize=(WIDE, high), dpi=96, layout="constrained")


def _drawn(figure: Figure) -> str:
    """The diagram as an SVG document whose size is in pixels, and which is the same each time."""
    file = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=metadata)
    text = file.getvalue()
    text = text[text.index("<svg ") :]
    wide, high = (float(inches) * 96 for inches in figure.get_size_inches())
    size = f'width="{wide:g}" height="{high:g}"'
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', size, text, count=1)


def _nothing(sentence: str) -> Picture:
    drawing = svg.document(24 + width(sentence), 40, [svg.text(12, 25, sentence)])
    return Picture(drawing, sentence, sentence)
