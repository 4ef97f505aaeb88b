"""Diagrams of what was measured: the numbers are the log's, and a drawing is the same each time."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.eventlog import Event
from labkit.views.measurements import (
    BINS,
    Wait,
    durations,
    latency,
    per_second,
    quantile,
    throughput,
    waiting,
    waits,
)


def happened(seq: int, time: float, kind: str, **data: Any) -> Event:
    return Event(seq, time, kind, None, None, data)


def returned(seq: int, function: str, ms: float, init: float | None = None) -> Event:
    return happened(
        seq, float(seq), "function.returned", function=function, durationMs=ms, initMs=init
    )


SIX = [
    returned(1, "slow", 300.0, 100.0),
    returned(2, "slow", 200.0),
    returned(3, "slow", 600.0),
    returned(4, "quick", 2.0),
    returned(5, "quick", 4.0),
    returned(6, "quick", 5.0),
]


def test_a_cold_start_counts_with_its_initialisation() -> None:
    took = durations(SIX)
    assert [one.milliseconds for one in took["slow"]] == [400.0, 200.0, 600.0]
    assert [one.cold for one in took["slow"]] == [True, False, False]


def test_the_words_have_the_numbers_and_the_twin_has_none_that_are_measured() -> None:
    picture = latency(SIX)
    assert "slow: 3 invocations, 1 cold, median 400.0 ms, at most 600.0 ms;" in picture.alt
    assert "quick: 3 invocations, 0 cold, median 4.0 ms, at most 5.0 ms." in picture.alt
    assert picture.text == "Latency by function\nslow: 3 invocations\nquick: 3 invocations"


def test_one_function_can_be_chosen() -> None:
    picture = latency(SIX, "quick")
    assert picture.text == "Latency by function\nquick: 3 invocations"
    assert "slow" not in picture.alt


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_the_least_value_that_enough_others_do_not_exceed(
    took: list[float], part: float
) -> None:
    value = quantile(took, part)
    assert sum(one <= value for one in took) >= part * len(took) - 1e-9
    assert sum(one < value for one in took) < part * len(took)


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=50))
def test_nothing_that_happened_is_lost_over_time(times: list[float]) -> None:
    events = [
        happened(n, 1e9 + at, "frame.out", connection="c") for n, at in enumerate(sorted(times))
    ]
    wide, rates = per_second(events)
    assert len(rates["frame.out"]) <= BINS
    assert sum(rates["frame.out"]) * wide == pytest.approx(len(times))
    assert sum(rates["frame.in"]) == 0


def test_throughput_says_how_much_and_how_often_at_most() -> None:
    events = [happened(n, 100 + n / 8, "frame.out") for n in range(20)]
    events.append(happened(21, 103.0, "function.invoked"))
    picture = throughput(events)
    assert picture.text == ("Throughput over time: messages in 0, messages out 20, invocations 1")
    assert "At most, a second: messages in 0, messages out 10, invocations 5." in picture.alt


@pytest.mark.parametrize("draw", [latency, throughput])
def test_a_drawing_is_the_same_each_time_in_pixels_and_in_itself(draw: Any) -> None:
    events = [*SIX, happened(7, 7.0, "frame.in"), happened(8, 8.0, "frame.out")]
    drawn = draw(events).svg
    assert drawn == draw(list(events)).svg
    root = ElementTree.fromstring(drawn)
    wide, high = (float(root.attrib[name]) for name in ("width", "height"))
    _, _, box_wide, box_high = map(float, root.attrib["viewBox"].split())
    assert wide / box_wide == pytest.approx(high / box_high)
    assert "<text" not in drawn
    links = [value for e in root.iter() for name, value in e.attrib.items() if "href" in name]
    assert all(link.startswith("#") for link in links)
    assert "<metadata" not in drawn


def test_no_setting_of_the_reader_changes_a_drawing_and_none_is_left_behind() -> None:
    import matplotlib

    before = latency(SIX).svg
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        assert latency(SIX).svg == before
        assert matplotlib.rcParams["font.size"] == 30


def test_matplotlib_is_loaded_when_a_diagram_is_asked_for() -> None:
    code = (
        "import sys; from labkit.views import measurements as m; assert 'matplotlib' not in sys.modules;"
        "m.latency([]); assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (latency([]), "No function has returned yet."),
        (
            latency(SIX, "swift"),
            "No function 'swift' has returned yet. Functions that have: slow, quick.",
        ),
        (throughput([]), "No message was sent and no function has run yet."),
    ],
)
def test_nothing_to_measure_is_said_too(picture: Any, said: str) -> None:
    assert picture.text == said
    ElementTree.fromstring(picture.svg)


def an_order(*, polled: bool) -> list[Event]:
    """An order whose result is stored after 300 ms; asked for twice, or pushed after 305 ms."""
    story = [
        happened(1, 10.0, "http.request", method="POST"),
        Event(2, 10.02, "http.response", None, 1, {"status": 202}),
        happened(3, 10.1, "item.changed", item={"order": {}}),
        happened(8, 10.3, "item.changed", item={"result": {}}),
    ]
    if not polled:
        return [*story, happened(9, 10.305, "frame.out", connection="c")]
    return [
        *story[:3],
        happened(4, 10.2, "http.request", method="GET"),
        Event(5, 10.21, "http.response", None, 4, {"status": 202}),
        story[3],
        happened(9, 10.4, "http.request", method="GET"),
        Event(10, 10.41, "http.response", None, 9, {"status": 200}),
    ]


def test_who_polls_asks_in_vain_and_hears_late_and_who_is_told_does_not_ask() -> None:
    polled, pushed = waits(an_order(polled=True)), waits(an_order(polled=False))
    assert polled.asked == pytest.approx([210, 410])
    assert polled.told == pushed.asked == ()
    assert polled.heard == pytest.approx(410)
    assert pushed.heard == pytest.approx(305)
    assert polled.stored == pushed.stored == pytest.approx(300)


def test_the_picture_of_waiting_says_what_it_cost() -> None:
    picture = waiting({"polled": an_order(polled=True), "pushed": an_order(polled=False)})
    assert picture.text == (
        "Poll or push\npolled: asks, is told 0 times\npushed: asks nothing, is told once"
    )
    assert "polled: 2 times asked, 0 times told, heard of the result 110 ms after" in picture.alt
    assert "pushed: 0 times asked, once told, heard of the result 5 ms after" in picture.alt
    ElementTree.fromstring(picture.html[picture.html.index("<img") :].partition(">")[0] + "/>")


@pytest.mark.parametrize(
    "story", [[], an_order(polled=True)[:1], an_order(polled=True)[:5]], ids=len
)
def test_a_result_that_is_not_there_yet_was_not_heard_of(story: list[Event]) -> None:
    assert waits(story).heard is None
    assert "yet" in waiting({"polled": story}).alt
    assert Wait((), (), None).words.endswith("not heard of the result yet")
