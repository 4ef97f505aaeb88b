"""The waterfall: every span has its place, and says what the log says."""

import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.eventlog import Event, EventLog
from labkit.views import svg
from labkit.views.svg import width
from labkit.views.trace import (
    CHART,
    FOOT,
    HEAD,
    ROW,
    Sort,
    Span,
    compared,
    draw,
    layout,
    quicker,
    spans,
    waterfall,
)

GOLDEN = Path(__file__).parent / "golden"
"""``trace_failed.jsonl`` is the log of an order whose DoWork was struck by a fault, as ``EventLog.save``
writes it.  ``trace_failed.svg`` is its waterfall, looked at by eye.  It is renewed by writing
``waterfall(…).svg`` there and looking at it again."""


@st.composite
def a_span(draw: Any) -> Span:
    start = draw(st.floats(0, 1e6))
    sort = draw(st.sampled_from(Sort))
    took = 0.0 if sort is Sort.MARK else draw(st.floats(0, 1e6))
    init = draw(st.floats(0, took)) if sort is Sort.FUNCTION else 0.0
    name = draw(st.text("abc <&>\"'", min_size=1, max_size=90))
    depth, over, failed = draw(st.tuples(st.integers(0, 20), st.booleans(), st.booleans()))
    return Span(sort, name, depth, start, start + took, init, over, failed)


STORIES = st.lists(a_span(), max_size=40)


@given(STORIES)
def test_words_bars_and_durations_stand_apart_and_within_the_frame(story: list[Span]) -> None:
    chart = layout(story)
    assert [bar.span for bar in chart.bars] == story
    assert all(below.y - above.y == ROW for above, below in pairwise(chart.bars))
    for bar in chart.bars:
        assert HEAD + ROW / 2 <= bar.y <= chart.height - FOOT - ROW / 2
        assert 0 < bar.label_x < chart.left - width(bar.label)
        assert chart.left - 1e-6 <= bar.x <= chart.left + CHART - bar.wide + 1e-6
        assert 0 <= bar.init <= bar.wide
        assert chart.took_x + width(bar.span.took) <= chart.width


@given(STORIES)
def test_ticks_are_round_rise_and_do_not_meet(story: list[Span]) -> None:
    ticks = layout(story).ticks
    assert ticks[0][1] == "0"
    assert 2 <= len(ticks) <= 7
    assert all(set(label) <= set("0123456789,.") for _, label in ticks)
    for (left, one), (right, other) in pairwise(ticks):
        assert left + width(one) / 2 < right - width(other) / 2
    digits = {label.replace(",", "").replace(".", "").strip("0")[:1] for _, label in ticks[1:2]}
    assert digits <= {"1", "2", "5"}


@given(STORIES)
def test_bars_are_as_long_as_what_they_show(story: list[Span]) -> None:
    chart = layout(story)
    longest = max([1.0, *(span.end for span in story)])
    for bar in chart.bars:
        exact = (bar.span.end - bar.span.start) / longest * CHART
        assert bar.wide == pytest.approx(exact, abs=2.001)


@given(STORIES)
def test_the_drawing_is_xml_with_every_label_and_the_same_each_time(story: list[Span]) -> None:
    chart = layout(story)
    drawn = svg.document(chart.width, chart.height, draw(chart))
    texts = [element.text or "" for element in ElementTree.fromstring(drawn).iter()]
    assert all(bar.label in texts for bar in chart.bars)
    assert drawn == svg.document(chart.width, chart.height, draw(layout(list(story))))


def failed_order() -> list[Event]:
    return EventLog.load(GOLDEN / "trace_failed.jsonl").after(0)


def test_the_recorded_order_is_drawn_as_it_was_looked_at() -> None:
    assert waterfall(failed_order()).svg == (GOLDEN / "trace_failed.svg").read_text("utf-8")


def test_spans_nest_by_cause_and_errors_are_marked() -> None:
    lines = waterfall(failed_order()).text.splitlines()
    assert lines[0] == "HTTP API POST /orders 202"
    assert lines[1] == "  Lambda orders-place-order"
    assert "    Step Functions execution SUCCEEDED" in lines
    work = lines.index("      state DoWork")
    assert lines[work + 3] == "        ✗ state DoWork failed: Lambda.InternalServerError"
    assert "  Lambda orders-connect" in lines[lines.index("WebSocket API handshake") :]
    assert lines[-4] == "connection closed: 1000"


def test_times_are_those_of_the_log() -> None:
    events = [
        happened(1, 100.0, "http.request", None, method="POST", path="/orders"),
        happened(
            2, 100.050, "function.invoked", 1, function="place", request="r", cold=True
        ),
        happened(
            3, 100.070, "aws.call", 2, service="dynamodb", operation="GetItem", status=200,
            durationMs=5.0,
        ),
        happened(
            4, 100.080, "function.returned", 2, function="place", request="r", durationMs=30.0,
            initMs=40.0, error=None,
        ),
        happened(5, 100.090, "http.response", 1, status=502),
    ]  # fmt: skip
    request, function, call = spans(events)
    assert (request.name, request.failed, request.news) == ("HTTP API POST /orders 502", True, True)
    assert (request.start, request.end) == pytest.approx((0, 90), abs=1e-3)
    assert (function.start, function.end) == pytest.approx((10, 80), abs=1e-3)
    assert (function.init, function.took) == (40.0, "70 ms (init 40 ms)")
    assert (call.start, call.end) == pytest.approx((65, 70), abs=1e-3)
    assert [span.depth for span in (request, function, call)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("route", "name"),
    [
        ("GET /orders/{id}", "GET /orders/{id}"),
        ("$default", "GET /orders/7"),
        (None, "GET /orders/7"),
    ],
)
def test_a_request_is_called_by_its_route_which_is_the_same_in_each_run(
    route: str | None, name: str
) -> None:
    asked = happened(1, 1.0, "http.request", None, method="GET", path="/orders/7", route=route)
    assert waterfall([asked]).text == f"HTTP API {name}"


def test_what_is_not_over_says_so_far_and_lasts_until_now() -> None:
    events = [
        happened(1, 100.0, "http.request", None, method="GET", path="/"),
        happened(2, 100.2, "function.invoked", 1, function="slow", request="r", cold=False),
        happened(3, 100.5, "fault.applied", 2, fault=1, step="function.invoke", action="delay"),
    ]
    request, function, mark = spans(events)
    assert (request.took, function.took, mark.took) == ("▶ 500 ms so far", "▶ 300 ms so far", "")
    assert not request.news


def test_a_state_in_which_an_execution_fails_ends_with_it_and_is_marked() -> None:
    events = [
        happened(1, 1.0, "execution.started", None, execution="arn:x", name="x", machine="m"),
        happened(2, 1.1, "state.entered", 1, execution="arn:x", state="A", type="Task", input="{}"),
        happened(3, 1.3, "task.failed", 2, execution="arn:x", state="A", error="E", cause=""),
        happened(4, 1.4, "execution.ended", 2, execution="arn:x", status="FAILED", error="E"),
    ]
    assert [span.label for span in spans(events)] == [
        "✗ Step Functions execution FAILED",
        "✗ state A",
        "✗ state A failed: E",
    ]
    assert spans(events)[1].end == pytest.approx(400)


def test_the_client_that_has_its_last_news_sooner_is_the_quicker_one() -> None:
    def heard(at: float) -> list[Span]:
        return [Span(Sort.MARK, "Client gets type result", 0, at, at, news=True)]

    assert quicker(heard(120), heard(520)).endswith("the first was quicker by 400 ms.")
    assert quicker(heard(520), heard(120)).endswith("the second was quicker by 400 ms.")
    assert quicker(heard(52), heard(52.5)).endswith("no difference.")
    assert quicker([], heard(5)) == "The client of the first heard nothing."


def test_two_stories_stand_on_one_scale_one_below_the_other() -> None:
    events = failed_order()
    half = [Event(e.seq, e.time / 2, e.kind, e.trace, e.cause, e.data) for e in events]
    picture = compared(events, half)
    axes = [
        [t.get("x") for t in g.iter("{http://www.w3.org/2000/svg}text") if t.text == "100"]
        for g in ElementTree.fromstring(picture.svg).iter("{http://www.w3.org/2000/svg}g")
    ]
    assert len(axes) == 2
    assert axes[0] == axes[1] != []
    assert "the second was quicker by" in picture.alt
    assert picture.text.startswith("First:\nHTTP API POST /orders 202\n")
    assert "\n\nSecond:\nHTTP API POST /orders 202\n" in picture.text


@pytest.mark.parametrize("picture", [waterfall([]), compared([], [])])
def test_nothing_happened_is_said_too(picture: Any) -> None:
    assert "Nothing happened." in picture.text
    ElementTree.fromstring(picture.svg)


def happened(seq: int, time: float, kind: str, after: int | None, **data: Any) -> Event:
    return Event(seq, time, kind, "1-trace", after, data)
