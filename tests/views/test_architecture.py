"""The map of the parts: every box and line has its place, keeps it, and says what the log says."""

import xml.etree.ElementTree as ElementTree
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labkit.eventlog import Event, EventLog
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
)
from labkit.views.architecture import INSIDE, Box, Map, Wire, architecture, draw, layout
from labkit.views.parts import PATTERN, Move, Part, System, system
from labkit.views.svg import FONT, width

GOLDEN = Path(__file__).parent / "golden"
"""``trace_failed.jsonl`` is the log of an order whose DoWork was struck by a fault, as ``EventLog.save``
writes it.  ``architecture_failed.svg`` is its map, looked at by eye.  It is renewed by writing
``architecture(…).svg`` there and looking at it again."""

SERVICES = st.sampled_from([*PATTERN, NOTEBOOK, "Secrets Manager", "s3", "sqs"])
PLACES = st.tuples(SERVICES, st.sampled_from(["", *(f"orders-<{n}>" for n in range(INSIDE + 3))]))


@st.composite
def a_move(draw: Any) -> Move:
    source, target = draw(PLACES), draw(PLACES)
    what = draw(st.text("abc <&>\"'", min_size=1, max_size=90))
    time, failed = draw(st.tuples(st.floats(1.7e9, 1.8e9), st.booleans()))
    step = Step(1, time, Kind.CALL, source[0], target[0], what, failed=failed)
    return Move(step, source, target)


def a_system(moves: list[Move]) -> System:
    parts = {name: Part(name) for name in PATTERN}
    for move in moves:
        for name, within in (move.source, move.target):
            part = parts.setdefault(name, Part(name))
            for one in [part, *([part.inside.setdefault(within, Part(within))] if within else [])]:
                one.calls += 1
                one.at.append(move.step)
    return System(parts, moves)


SYSTEMS = st.lists(a_move(), max_size=60).map(a_system)
Rectangle = tuple[float, float, float, float]


def meet(one: Rectangle, other: Rectangle) -> bool:
    """Whether two rectangles (left, top, right, bottom) share more than an edge."""
    return (
        one[0] < other[2] - 1e-6
        and other[0] < one[2] - 1e-6
        and one[1] < other[3] - 1e-6
        and other[1] < one[3] - 1e-6
    )


def around(box: Box) -> Rectangle:
    return box.x, box.y, box.x + box.wide, box.y + box.high


def stretches(wire: Wire) -> list[Rectangle]:
    return [
        (min(a, c), min(b, d), max(a, c), max(b, d)) for (a, b), (c, d) in pairwise(wire.points)
    ]


def thick(line: Rectangle) -> Rectangle:
    return line[0] - 1, line[1] - 1, line[2] + 1, line[3] + 1


def words(wire: Wire) -> list[Rectangle]:
    """Where the two texts of a line stand."""
    (x, y), found = wire.points[0], []
    for text, base in zip(wire.labels, (y - 4, y + 13), strict=True):
        wide = width(text)
        left = x + 5 if wire.is_rightwards else x - 5 - wide
        if text:
            found.append((left, base - FONT + 2, left + wide, base + 2))
    return found


@given(SYSTEMS)
def test_boxes_stand_apart_and_within_the_frame_and_what_is_inside_fits(found: System) -> None:
    chart = layout(found)
    outer = [box for box in chart.boxes if not box.inner]
    inner = [box for box in chart.boxes if box.inner]
    assert len(outer) == len(found.parts)
    for boxes in (outer, inner):
        assert not any(meet(around(a), around(b)) for a, b in combinations(boxes, 2))
    for box in inner:
        assert any(
            o.x < box.x and box.x + box.wide < o.x + o.wide
            and o.y < box.y and box.y + box.high < o.y + o.high
            for o in outer
        )  # fmt: skip
    for box in chart.boxes:
        assert 0 < box.x < box.x + box.wide < chart.width
        assert 0 < box.y < box.y + box.high < chart.list_y - FONT
        assert all(7 + width(line) <= box.wide for line in box.lines)


@given(SYSTEMS)
def test_no_line_crosses_a_box_or_shares_a_stretch_with_another(found: System) -> None:
    chart = layout(found)
    boxes = [around(box) for box in chart.boxes]
    lines = [thick(line) for wire in chart.wires for line in stretches(wire)]
    for wire in chart.wires:
        for line in stretches(wire):
            inside = (line[0] - 0.5, line[1] - 0.5, line[2] + 0.5, line[3] + 0.5)
            crossed = [box for box in boxes if meet(inside, shrunk(box))]
            assert crossed == []
            assert 0 < line[0] <= line[2] < chart.width
            assert 0 < line[1] <= line[3] < chart.height
    for one, other in combinations(chart.wires, 2):
        for a in stretches(one):
            for b in stretches(other):
                if (a[0] == a[2]) == (b[0] == b[2]):  # both go the same way
                    assert not meet(thick(a), thick(b))
    assert len(lines) >= 3 * len(chart.wires)


def shrunk(box: Rectangle) -> Rectangle:
    return box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1


@given(SYSTEMS, st.integers(0, 60))
def test_the_words_of_a_line_meet_no_box_no_line_and_no_other_words(
    found: System, way: int
) -> None:
    chart = layout(found, way)
    boxes = [around(box) for box in chart.boxes]
    lines = [line for wire in chart.wires for line in stretches(wire)]
    labels = [label for wire in chart.wires for label in words(wire)]
    for label in labels:
        assert not any(meet(label, box) for box in boxes)
        assert not any(meet(label, (a, b - 0.5, c, d + 0.5)) for a, b, c, d in lines)
    assert not any(meet(a, b) for a, b in combinations(labels, 2))


@given(SYSTEMS, st.integers(0, 60))
def test_the_drawing_is_xml_with_all_words_and_the_same_each_time(found: System, way: int) -> None:
    chart = layout(found, way)
    drawn = draw(chart)
    texts = [element.text or "" for element in ElementTree.fromstring(drawn).iter()]
    assert all(line in texts for box in chart.boxes for line in box.lines)
    assert all(text in texts for text, _ in chart.rows)
    assert len(chart.rows) == min(way, len(found.moves))
    assert sum(len(wire.numbers) for wire in chart.wires) == len(chart.rows)
    assert sum(wire.count for wire in chart.wires) == len(found.moves)
    assert drawn == draw(layout(found, way))


@given(SYSTEMS)
def test_the_rows_of_the_list_do_not_meet(found: System) -> None:
    chart = layout(found)
    for said, after in chart.rows:
        assert 12 + width(said) + width(after) < chart.width / 2 - 12


def places(chart: Map) -> dict[str, Any]:
    boxes = {box.lines[0].removeprefix("▶ "): (box.x, box.y) for box in chart.boxes}
    return boxes | {"→".join(wire.pair): wire.points for wire in chart.wires}


CALLS = st.sampled_from(
    [
        (CLIENT, HTTP_API),
        (HTTP_API, LAMBDA),
        (LAMBDA, DYNAMODB),
        (LAMBDA, STEP_FUNCTIONS),
        (STEP_FUNCTIONS, WEBSOCKET_API),
        (WEBSOCKET_API, CLIENT),
    ]
)


@given(st.lists(CALLS, max_size=12))
def test_nothing_jumps_while_the_calls_of_the_pattern_are_made(
    pairs: list[tuple[str, str]],
) -> None:
    step = Step(1, 0.0, Kind.CALL, CLIENT, HTTP_API, "x")
    moves = [Move(step, (source, ""), (target, "")) for source, target in pairs]
    before: dict[str, Any] = {}
    for number in range(len(moves) + 1):
        now = places(layout(a_system(moves[:number])))
        assert before.items() <= now.items()
        before = now


def failed_order() -> list[Event]:
    return EventLog.load(GOLDEN / "trace_failed.jsonl").after(0)


def test_the_recorded_order_is_drawn_as_it_was_looked_at() -> None:
    drawn = architecture(failed_order(), 30).svg
    assert drawn == (GOLDEN / "architecture_failed.svg").read_text("utf-8")


def test_the_twin_counts_what_was_called_and_by_whom() -> None:
    lines = architecture(failed_order()).text.splitlines()
    assert lines[:4] == [
        "Client: sent 3, got 3",
        "HTTP API: 1 call",
        "WebSocket API: 3 calls",
        "Lambda: 6 calls, ✗ 1",
    ]
    assert "  orders-release-stock: 1 call" in lines
    assert "  orders-work: 1 call, ✗ 1" in lines
    assert "Step Functions → WebSocket API: 1" in lines
    assert "Lambda → Step Functions: 1" in lines
    assert not any("cold" in line for line in lines)


def test_the_last_way_is_numbered_and_told_in_words() -> None:
    chart = layout(system(three()), 2)
    assert [said for said, _ in chart.rows] == [
        "1  f → t: GetItem ✗ 400",
        "2  HTTP API → Client: ✗ 500",
    ]
    assert [after for _, after in chart.rows] == ["0.0 ms", "1,500.0 ms"]
    numbered = {wire.pair: (wire.numbers, wire.failed) for wire in chart.wires if wire.numbers}
    assert numbered == {(LAMBDA, DYNAMODB): ((1,), True), (HTTP_API, CLIENT): ((2,), True)}
    lit = {box.lines[0] for box in chart.boxes if box.lit}
    assert lit == {"▶ Client", HTTP_API, LAMBDA, DYNAMODB, "f", "t"}


def three() -> list[Event]:
    return [
        happened(1, 10.0, "http.request", None, method="GET", path="/"),
        happened(2, 10.1, "function.invoked", 1, function="f", request="r", cold=True),
        happened(
            3, 10.5, "aws.call", 2, service="dynamodb", operation="GetItem", status=400, table="t"
        ),
        happened(
            4, 11.0, "function.returned", 2, function="f", request="r", durationMs=1.0, initMs=None,
            error=None,
        ),
        happened(5, 12.0, "http.response", 1, api="a", status=500, durationMs=1.0),
    ]  # fmt: skip


def test_a_box_says_what_was_counted_and_what_happened_last() -> None:
    boxes = {box.lines[0]: box for box in layout(system(three())).boxes}
    assert boxes["f"].lines == ("f", "1 call, 1 cold", "is done")
    assert boxes["t"].lines == ("t", "1 call, ✗ 1", "GetItem ✗ 400")
    assert boxes["t"].failed
    assert boxes[HTTP_API].lines == (HTTP_API, "1 call, ✗ 1", "✗ 500")
    assert boxes["WebSocket API"].lines[2] == "○ nothing yet"


def test_a_way_many_times_through_one_line_shows_its_first_and_its_last_number() -> None:
    wire = Wire((LAMBDA, DYNAMODB), ((0, 0), (1, 0)), 123_456, (2, 3, 4, 17))
    assert wire.labels == ("123k", "2…17")
    assert Wire(wire.pair, wire.points, 4, (1, 3, 9)).labels == ("4", "1 3 9")


def test_the_sentence_for_the_picture_names_the_last_move_and_the_errors() -> None:
    assert architecture(three()).alt == (
        "Map of the parts Client, HTTP API, WebSocket API, Lambda, Step Functions, DynamoDB with "
        "4 calls and messages between them. The last: HTTP API → Client: ✗ 500. "
        "Errors: 1 at HTTP API, 1 at DynamoDB."
    )


def test_nothing_happened_is_said_too() -> None:
    picture = architecture([])
    assert "nothing has passed between them yet" in picture.alt
    assert picture.text.startswith("Client: sent 0, got 0\nHTTP API: 0 calls")
    ElementTree.fromstring(picture.svg)


def happened(seq: int, time: float, kind: str, after: int | None, **data: Any) -> Event:
    return Event(seq, time, kind, "1-trace", after, data)
