"""A state machine as a diagram: any definition in Amazon States Language.  Pure.

Each state is a box; a Parallel or Map state is a box with the machines inside it.  A solid line goes to
the next state, with the rule of a Choice beside it; a dashed one is a Catch, with its errors.

Source: Amazon States Language specification.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from textwrap import wrap
from typing import Any

from labkit.errors import LabError
from labkit.views import svg
from labkit.views.choice_rule import in_words, query
from labkit.views.layers import Curve, Layout, Link, Place, Size, arrange
from labkit.views.picture import Picture
from labkit.views.svg import BROWN, FAINT, INK, LINE, PAPER, STRIPE, Status, short, width

MARGIN = 14
LINE_HIGH = 16
"""Height of a line of text, in pixels."""

PAD = 10
"""Room between a box's words and its border, in pixels."""

LETTERS = 40
"""Letters of a line in a box, at most; the twin has all of them."""

LABEL_LETTERS = 34
LABEL_LINES = 4
"""Size of a label beside a line; of a longer one the beginning is shown, and all in the twin."""

NOTE_LETTERS = 22
NOTE_LETTERS_OF_ERRORS = 38
"""Room in a box for how a state stands in an execution, and for the error of one that catches some."""

DOT = 30
"""Height of Start and End, in pixels."""

RETRY = "↻"
LEGEND = f"solid: next · dashed {Status.CAUGHT.mark}: Catch, with its errors · {RETRY}: Retry"


class End(Enum):
    """Where a state machine begins and ends."""

    START = "Start"
    END = "End"


class Way(Enum):
    """What leads from a state to another."""

    NEXT = "next"
    CHOICE = "choice"
    CATCH = "catch"


Node = str | End
"""A state's name, or where everything begins or ends."""


@dataclass(frozen=True, slots=True)
class Transition:
    """What may come after a state.

    Attributes:
        source: where it begins.
        target: where it leads.
        way: what leads there.
        words: under which condition, or after which errors; empty for what always comes next.
    """

    source: Node
    target: Node
    way: Way
    words: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A state with its place.

    Attributes:
        name: the state's.
        lines: what is written in it, the name first.
        place: where it stands, in pixels.
        panes: the frames of the machines inside it.
        has_note: whether there is room below its lines for how it stands in an execution.
    """

    name: str
    lines: tuple[str, ...]
    place: Place
    panes: tuple[Place, ...] = ()
    has_note: bool = False

    @property
    def letters(self) -> int:
        """How many letters of a note there is room for."""
        return int((self.place.wide - 2 * PAD) / svg.LETTER)


@dataclass(frozen=True, slots=True)
class Line:
    """A transition with its place.

    Attributes:
        transition: what it shows.
        curves: its pieces, the last of which points to the target.
        label: the lines of its label; may be empty.
        place: where the label stands.
    """

    transition: Transition
    curves: tuple[Curve, ...]
    label: tuple[str, ...]
    place: Place | None


@dataclass(frozen=True, slots=True)
class Graph:
    """A state machine laid out.

    Attributes:
        boxes: its states; one that is inside another comes after it.
        ends: where Start and End stand.
        lines: its transitions.
        width: of the whole, in pixels.
        height: of the whole, in pixels.
    """

    boxes: tuple[Box, ...]
    ends: tuple[tuple[End, Place], ...]
    lines: tuple[Line, ...]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Note:
    """How a state stands in an execution.

    Attributes:
        status: its status.
        words: what is written in its box, the mark first.
    """

    status: Status
    words: str


def state_graph(definition: str | Mapping[str, Any]) -> Picture:
    """The diagram of a state machine.

    Args:
        definition: in Amazon States Language, as JSON text or read.

    Raises:
        LabError: it is no definition; the message says what is missing.
    """
    machine = read(definition)
    states = dict(all_states(machine))
    alt = (
        f"State machine with {_count(len(states), 'state')}, which begins with "
        f"{machine['StartAt']}: {', '.join(states)}."
    )
    return Picture(draw(layout(machine)), alt, "\n".join(outline(machine)))


# -- what a definition says -------------------------------------------------------------------------


def read(definition: str | Mapping[str, Any]) -> dict[str, Any]:
    """A definition as data.

    Args:
        definition: as JSON text or read.

    Raises:
        LabError: it is no definition.
    """
    if isinstance(definition, str):
        try:
            machine = json.loads(definition)
        except ValueError as error:
            raise LabError(f"The definition is not JSON: {error}.") from None
    else:
        machine = dict(definition)
    _check(machine, "The definition")
    return dict(machine)


def _check(machine: Any, what: str) -> None:
    """Say what keeps a machine from being drawn."""
    if not isinstance(machine, Mapping):
        raise LabError(f"{what} is a JSON {type(machine).__name__}; a state machine is an object.")
    states = machine.get("States")
    if not isinstance(states, Mapping) or not states:
        raise LabError(f'{what} has no states: put them into "States", each under its name.')
    named = [("StartAt", machine.get("StartAt"))]
    for name, state in states.items():
        if not isinstance(state, Mapping):
            raise LabError(f"{what}: state {name} is not an object; it needs at least its Type.")
        for member in ("Choices", "Catch", "Retry", "Branches"):
            listed = state.get(member, [])
            if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
                raise LabError(f"{what}, state {name}: {member} is not a list of objects.")
        named += [(f"state {name}", step.target) for step in transitions(str(name), state)]
        for number, inner in enumerate(inside(state)):
            _check(inner, f"{what}, state {name}, branch {number + 1}")
    for where, target in named:
        if not isinstance(target, End) and target not in states:
            known = ", ".join(map(str, states))
            raise LabError(f"{what}: {where} leads to {target}, and the states are {known}.")


def inside(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The machines inside a Parallel or Map state; none in any other."""
    if state.get("Type") == "Parallel":
        return list(state.get("Branches") or ())
    if state.get("Type") == "Map":
        return [state[name] for name in ("ItemProcessor", "Iterator") if name in state]
    return []


def all_states(machine: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each state with its name; those inside a state come after it."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in inside(state):
            yield from all_states(inner)


def transitions(name: str, state: Mapping[str, Any]) -> list[Transition]:
    """What may come after a state, in the order of its definition.

    Args:
        name: the state's.
        state: its definition.
    """
    found: list[Transition] = []
    if state.get("Type") == "Choice":
        found = [
            Transition(name, str(rule.get("Next")), Way.CHOICE, in_words(rule))
            for rule in state.get("Choices") or ()
        ]
        if "Default" in state:
            found.append(Transition(name, str(state["Default"]), Way.CHOICE, "otherwise"))
    elif "Next" in state:
        found.append(Transition(name, str(state["Next"]), Way.NEXT))
    else:
        found.append(Transition(name, End.END, Way.NEXT))
    for catcher in state.get("Catch") or ():
        errors = ", ".join(map(str, catcher.get("ErrorEquals") or ()))
        found.append(Transition(name, str(catcher.get("Next")), Way.CATCH, errors))
    return found


def kind(state: Mapping[str, Any]) -> str:
    """A state's type, with what it does, waits for or goes through."""
    type_ = str(state.get("Type"))
    match type_:
        case "Task":
            return f"Task {_resource(state)}".rstrip()
        case "Wait":
            return f"Wait {_wait(state)}".rstrip()
        case "Fail":
            error = state.get("Error") or state.get("ErrorPath")
            return f"Fail {query(error)}" if error else "Fail"
        case "Map":
            items = query(state.get("Items") or state.get("ItemsPath") or "$")
            most = state.get("MaxConcurrency") or state.get("MaxConcurrencyPath")
            at_once = f", {query(most)} at a time" if most else ""
            processor = state.get("ItemProcessor") or {}
            mode = (processor.get("ProcessorConfig") or {}).get("Mode")
            which = "Distributed Map" if mode == "DISTRIBUTED" else "Map"
            source = "what is read" if "ItemReader" in state else items
            return f"{which} for each of {source}{at_once}"
    return type_


def _resource(state: Mapping[str, Any]) -> str:
    """What a Task calls: the end of its ARN, and the function's name."""
    parts = str(state.get("Resource", "")).split(":")
    if parts[2:3] == ["lambda"]:
        return f"Lambda {parts[6] if len(parts) > 6 else parts[-1]}"
    if parts[5:6] == ["activity"]:
        return f"activity {parts[-1]}"
    called = ":".join(parts[5:]) if len(parts) > 5 else parts[-1]
    given = state.get("Parameters") or state.get("Arguments")
    function = given.get("FunctionName") if isinstance(given, Mapping) else None
    if isinstance(function, str):
        name = function.split(":")[6] if function.count(":") > 5 else function
        return f"{called} {query(name)}"
    return called


def _wait(state: Mapping[str, Any]) -> str:
    for name in ("Seconds", "SecondsPath"):
        if name in state:
            return f"{query(state[name])} s"
    for name in ("Timestamp", "TimestampPath"):
        if name in state:
            return f"until {query(state[name])}"
    return ""


def retries(state: Mapping[str, Any]) -> list[str]:
    """What is tried again how often and after how long, a line for each retrier.

    Defaults are those of the specification: three attempts, one second, twice as long each time.
    """
    return [
        f"{RETRY} {_numbers(retrier)} on {', '.join(map(str, retrier.get('ErrorEquals') or ()))}"
        for retrier in state.get("Retry") or ()
    ]


def _numbers(retrier: Mapping[str, Any]) -> str:
    often = retrier.get("MaxAttempts", 3)
    if often == 0:
        return "never"
    rate = retrier.get("BackoffRate", 2.0)
    more = f" ×{rate:g}" if isinstance(rate, int | float) and rate != 1 else ""
    most = f" up to {retrier['MaxDelaySeconds']} s" if "MaxDelaySeconds" in retrier else ""
    return f"{often}×, {retrier.get('IntervalSeconds', 1)} s{more}{most}"


def outline(machine: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """A state machine in words: each state, and what comes after it.

    Args:
        machine: a definition that :func:`read` gave.
        indent: what stands before each line.
    """
    yield f"{indent}begins with {machine['StartAt']}"
    for name, state in machine["States"].items():
        yield f"{indent}{name}: {kind(state)}"
        for line in retries(state):
            yield f"{indent}  {line}"
        inner = inside(state)
        for number, each in enumerate(inner, 1):
            yield f"{indent}  branch {number}:" if len(inner) > 1 else f"{indent}  inside:"
            yield from outline(each, f"{indent}    ")
        for step in transitions(name, state):
            target = step.target.value if isinstance(step.target, End) else step.target
            if step.way is Way.CATCH:
                yield f"{indent}  {Status.CAUGHT.mark} {step.words} → {target}"
            elif step.words == "otherwise" or not step.words:
                yield f"{indent}  {step.words or 'then'} → {target}"
            else:
                yield f"{indent}  if {step.words} → {target}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


# -- where it stands --------------------------------------------------------------------------------


def layout(machine: Mapping[str, Any], *, noted: bool = False) -> Graph:
    """Give each state, each transition and each label its place.

    Args:
        machine: a definition that :func:`read` gave.
        noted: leave room for how each state stands in an execution.
    """
    inner = _machine(machine, noted, outermost=True)
    moved = _moved(inner, MARGIN, MARGIN)
    wide = max(inner.width, width(LEGEND)) + 2 * MARGIN
    return replace(moved, width=wide, height=inner.height + 2 * MARGIN + 2 * LINE_HIGH)


def _machine(machine: Mapping[str, Any], noted: bool, *, outermost: bool) -> Graph:
    """A machine whose left upper corner is 0, without a margin."""
    states: Mapping[str, Mapping[str, Any]] = machine["States"]
    contents = {
        name: [_machine(each, noted, outermost=False) for each in inside(state)]
        for name, state in states.items()
    }
    words = {name: _words(name, state) for name, state in states.items()}
    sizes: dict[Node, Size] = {}
    steps: list[Transition] = []
    if outermost:
        sizes[End.START] = _dot(End.START)
        steps.append(Transition(End.START, str(machine["StartAt"]), Way.NEXT))
    first = str(machine["StartAt"])
    for name in sorted(states, key=lambda each: each != first):
        sizes[name] = _size(words[name], contents[name], _note_letters(states[name], noted))
    if outermost:
        sizes[End.END] = _dot(End.END)
    for name, state in states.items():
        found = transitions(name, state)
        steps += merged(step for step in found if outermost or step.target is not End.END)
    if not any(step.target is End.END for step in steps):
        sizes.pop(End.END, None)
    labels = [_label(step) for step in steps]
    links = [
        Link(step.source, step.target, _label_size(label), step.way is Way.NEXT)
        for step, label in zip(steps, labels, strict=True)
    ]
    placed: Layout[Node] = arrange(sizes, links)
    boxes: list[Box] = []
    lines = [
        Line(step, route.curves, label, route.label)
        for step, label, route in zip(steps, labels, placed.routes, strict=True)
    ]
    ends = [(key, place) for key, place in placed.boxes.items() if isinstance(key, End)]
    for key, place in placed.boxes.items():
        if isinstance(key, End):
            continue
        panes, graphs = _panes(place, words[key], contents[key], noted)
        boxes.append(Box(key, words[key], place, panes, noted))
        for graph in graphs:
            boxes += graph.boxes
            lines += graph.lines
    return Graph(tuple(boxes), tuple(ends), tuple(lines), placed.width, placed.height)


def merged(steps: Iterator[Transition]) -> list[Transition]:
    """Transitions, those of one kind to one target put together: a line shows them once."""
    found: dict[tuple[Node, Way], Transition] = {}
    for step in steps:
        key = (step.target, step.way)
        before = found.get(key)
        joined = "; ".join([before.words, step.words]) if before else step.words
        found[key] = replace(step, words=joined)
    return list(found.values())


def _words(name: str, state: Mapping[str, Any]) -> tuple[str, ...]:
    lines = [name, kind(state), *retries(state)]
    return tuple(short(line, LETTERS) for line in lines)


def _note_letters(state: Mapping[str, Any], noted: bool) -> int:
    if not noted:
        return 0
    has_errors = any(name in state for name in ("Retry", "Catch")) or state.get("Type") == "Fail"
    return NOTE_LETTERS_OF_ERRORS if has_errors else NOTE_LETTERS


def _size(words: Sequence[str], contents: Sequence[Graph], note: int) -> Size:
    """The size of a box."""
    # A name is bold, which is wider.
    wide = max(1.1 * width(words[0]), *(width(line) for line in words[1:]), note * svg.LETTER)
    high = _head(words, bool(note))
    if contents:
        inner = sum(graph.width + 2 * PAD for graph in contents) + PAD * (len(contents) - 1)
        wide = max(wide, inner)
        high += max(graph.height for graph in contents) + 2 * PAD + PAD
    return Size(wide + 2 * PAD, high)


def _head(words: Sequence[str], noted: bool) -> float:
    """Height of a box's words."""
    return LINE_HIGH * (len(words) + noted) + PAD + 2


def _panes(
    place: Place, words: Sequence[str], contents: Sequence[Graph], noted: bool
) -> tuple[tuple[Place, ...], list[Graph]]:
    """The frames of what is inside a box, side by side in its middle, and the graphs in them."""
    if not contents:
        return (), []
    inner = sum(graph.width + 2 * PAD for graph in contents) + PAD * (len(contents) - 1)
    x = place.x + (place.wide - inner) / 2
    y = place.y + _head(words, noted)
    high = place.bottom - PAD - y
    panes, graphs = [], []
    for graph in contents:
        panes.append(Place(x, y, graph.width + 2 * PAD, high))
        graphs.append(_moved(graph, x + PAD, y + PAD))
        x += graph.width + 3 * PAD
    return tuple(panes), graphs


def _moved(graph: Graph, x: float, y: float) -> Graph:
    """The same, so much further to the right and down."""
    boxes = [
        replace(
            box,
            place=box.place.moved(x, y),
            panes=tuple(pane.moved(x, y) for pane in box.panes),
        )
        for box in graph.boxes
    ]
    lines = [
        replace(
            line,
            curves=tuple(curve.moved(x, y) for curve in line.curves),
            place=line.place.moved(x, y) if line.place else None,
        )
        for line in graph.lines
    ]
    ends = [(end, place.moved(x, y)) for end, place in graph.ends]
    return replace(graph, boxes=tuple(boxes), ends=tuple(ends), lines=tuple(lines))


def _dot(end: End) -> Size:
    return Size(width(end.value) + 2 * PAD, DOT)


def _label(step: Transition) -> tuple[str, ...]:
    """What is written beside a line, in lines."""
    if not step.words:
        return ()
    text = f"{Status.CAUGHT.mark} {step.words}" if step.way is Way.CATCH else step.words
    lines = wrap(text, LABEL_LETTERS, break_on_hyphens=False) or [text]
    if len(lines) > LABEL_LINES:
        lines = [
            *lines[: LABEL_LINES - 1],
            short(" ".join(lines[LABEL_LINES - 1 :]), LABEL_LETTERS),
        ]
    return tuple(lines)


def _label_size(label: Sequence[str]) -> Size | None:
    if not label:
        return None
    return Size(max(map(width, label)) + 4, LINE_HIGH * len(label) + 4)


# -- how it is drawn --------------------------------------------------------------------------------


def draw(
    graph: Graph,
    notes: Mapping[str, Note] | None = None,
    taken: Collection[tuple[Node, Node, bool]] | None = None,
) -> str:
    """The diagram as an SVG document; the same text for the same graph.

    Args:
        graph: what is drawn.
        notes: how states stand in an execution, by name.
        taken: the transitions that an execution took: source, target, and whether by a Catch.
            Without one, all are drawn alike.
    """
    parts = []
    for box in graph.boxes:
        parts += _box(box, (notes or {}).get(box.name))
    for end, place in graph.ends:
        middle = 'text-anchor="middle" font-weight="bold"'
        frame = f'stroke="{INK}" rx="{DOT / 2:g}"'
        parts.append(svg.rect(place.x, place.y, place.wide, place.high, fill=STRIPE, style=frame))
        parts.append(
            svg.text(place.x + place.wide / 2, place.y + DOT / 2 + 4, end.value, INK, middle)
        )
    for line in graph.lines:
        step = line.transition
        is_taken = taken and (step.source, step.target, step.way is Way.CATCH) in taken
        parts += _line(line, 2.6 if is_taken else 1.2, FAINT if taken and not is_taken else INK)
    legend = LEGEND
    if notes is not None:
        marks = " ".join(f"{status.mark} {status.word}" for status in Status)
        parts.append(
            svg.text(MARGIN, graph.height - 8 - LINE_HIGH, f"thick: the way taken · {marks}", FAINT)
        )
    parts.append(svg.text(MARGIN, graph.height - 8, legend, FAINT))
    return svg.document(graph.width, graph.height, parts)


def _box(box: Box, note: Note | None) -> list[str]:
    """A state's box, its words, and the frames of what is inside it."""
    place = box.place
    status = note.status if note else Status.OPEN
    ink = status.ink if note and status is not Status.OPEN else INK
    heavy = 2.4 if note and status is not Status.OPEN else 1.2
    style = f'stroke="{ink}" stroke-width="{heavy}" rx="6"'
    fill = status.fill if note else PAPER
    parts = [svg.rect(place.x, place.y, place.wide, place.high, fill=fill, style=style)]
    for pane in box.panes:
        frame = f'stroke="{LINE}" stroke-dasharray="2 3" rx="4"'
        parts.append(svg.rect(pane.x, pane.y, pane.wide, pane.high, fill=PAPER, style=frame))
    x, y = place.x + place.wide / 2, place.y + PAD / 2
    middle = 'text-anchor="middle"'
    for number, words in enumerate(box.lines):
        y += LINE_HIGH
        bold = ' font-weight="bold"' if number == 0 else ""
        parts.append(svg.text(x, y - 3, words, INK, middle + bold))
    if note:
        parts.append(svg.text(x, y + LINE_HIGH - 3, short(note.words, box.letters), ink, middle))
    return parts


def _line(line: Line, heavy: float, ink: str) -> list[str]:
    """A transition with its tip and its label."""
    is_catch = line.transition.way is Way.CATCH
    colour = BROWN if is_catch and ink == INK else ink
    style = f'stroke-width="{heavy}"' + (' stroke-dasharray="6 4"' if is_catch else "")
    parts = [svg.path(_data(line.curves), colour, style)]
    x, y = line.curves[-1].points[-1]
    parts.append(svg.polygon([(x, y), (x - 4.5, y - 9), (x + 4.5, y - 9)], fill=colour))
    if line.place:
        middle = line.place.x + line.place.wide / 2
        for number, words in enumerate(line.label, 1):
            at = line.place.y + LINE_HIGH * number - 2
            ink_of_label = BROWN if is_catch else INK
            parts.append(svg.text(middle, at, words, ink_of_label, 'text-anchor="middle"'))
    return parts


def _data(curves: Sequence[Curve]) -> str:
    """The pieces of a line as SVG's path data."""
    parts = []
    at: tuple[float, float] | None = None
    for curve in curves:
        one, two, three, four = curve.points
        if one != at:
            parts.append(f"M{_at(one)}")
        straight = (one, four) == (two, three)
        parts.append(f"L{_at(four)}" if straight else f"C{_at(two)} {_at(three)} {_at(four)}")
        at = four
    return "".join(parts)


def _at(point: tuple[float, float]) -> str:
    return f"{round(point[0], 1):g},{round(point[1], 1):g}"
