"""The sequence diagram: everything has its place, whatever happened."""

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from labkit.eventlog import EventLog
from labkit.steps import Kind, Step
from labkit.trace import Trace
from labkit.views.sequence import HEAD, ROW, draw, layout, sequence, upto
from labkit.views.svg import width

NAMES = st.sampled_from(
    ["Client", "HTTP API", "Lambda", "DynamoDB", "WebSocket API", "s3", "events"]
)
STORIES = st.lists(
    st.builds(
        Step,
        seq=st.integers(1, 99),
        time=st.floats(1.7e9, 1.8e9),
        kind=st.sampled_from(Kind),
        source=NAMES,
        target=NAMES,
        what=st.text("abc <&>\"'", min_size=1, max_size=60),
        failed=st.booleans(),
    ),
    max_size=50,
)


@given(STORIES)
def test_each_step_has_a_row_of_its_own_within_the_frame(story: list[Step]) -> None:
    diagram = layout(story)
    assert [row.step for row in diagram.rows] == story
    assert all(below.y - above.y >= ROW for above, below in pairwise(diagram.rows))
    for row in diagram.rows:
        assert HEAD < row.y < diagram.height
        assert row.text_x >= 0
        assert row.text_x + row.text_width <= diagram.width


@given(STORIES)
def test_a_label_is_no_longer_than_its_arrow(story: list[Step]) -> None:
    for row in layout(story).rows:
        if row.start != row.end:
            assert row.text_width < abs(row.end - row.start)


@given(STORIES)
def test_names_do_not_meet(story: list[Step]) -> None:
    lines = layout(story).lines
    for (left, x), (right, y) in pairwise(lines.items()):
        assert x + width(left) / 2 < y - width(right) / 2


@given(STORIES)
def test_the_drawing_is_xml_with_every_label_and_the_same_each_time(story: list[Step]) -> None:
    diagram = layout(story)
    drawn = draw(diagram)
    texts = [element.text or "" for element in ElementTree.fromstring(drawn).iter() if element.text]
    assert all(any(step.what in text for text in texts) for step in story if step.what.strip())
    assert drawn == draw(layout(list(story)))


@given(STORIES.filter(bool), st.data(), st.integers(1, 20))
def test_a_part_ends_with_its_step_and_is_as_large_for_each(
    story: list[Step], data: st.DataObject, rows: int
) -> None:
    whole = layout(story)
    number = data.draw(st.integers(1, len(story)))
    part = upto(whole, number, rows)
    assert [row.step for row in part.rows] == story[max(number - rows, 0) : number]
    assert all(HEAD < row.y < part.height - ROW for row in part.rows)
    assert (part.width, part.lines) == (whole.width, whole.lines)
    assert part.height == upto(whole, 1, rows).height


def test_a_framed_step_has_a_frame_around_its_row_and_no_other_has() -> None:
    story = [Step(n, float(n), Kind.CALL, "Client", "HTTP API", "x") for n in (1, 2, 3)]
    diagram = layout(story)
    drawn = ElementTree.fromstring(draw(diagram, framed=2))
    frames = [box for box in drawn.iter() if box.get("stroke-width") == "2" and box.get("rx")]
    (frame,) = frames
    top, high = (float(frame.attrib[name]) for name in ("y", "height"))
    assert top < diagram.rows[1].y - 10 < diagram.rows[1].y < top + high
    assert "1000.0 ms" in draw(upto(diagram, 2, 1), begun=1.0)


def test_parties_stand_in_the_order_of_a_messages_way() -> None:
    def step(source: str, target: str) -> Step:
        return Step(1, 0.0, Kind.CALL, source, target, "x")

    story = [step("Lambda", "DynamoDB"), step("Client", "HTTP API"), step("Lambda", "S3")]
    assert list(layout(story).lines) == ["Client", "HTTP API", "Lambda", "DynamoDB", "S3"]


def test_an_error_is_marked_by_a_sign_and_not_by_colour_alone() -> None:
    failed = Step(1, 0.0, Kind.CALL, "Lambda", "DynamoDB", "PutItem failed with 400", failed=True)
    assert layout([failed]).rows[0].label == "✗ PutItem failed with 400"


def test_a_picture_has_words_and_a_twin() -> None:
    log = EventLog()
    began = log.append("http.request", Trace.new(), method="POST", path="/orders")
    log.append("http.response", Trace(began.trace or "", began.seq), status=202)
    picture = sequence(log.after())
    assert picture.text == "Client → HTTP API: POST /orders\n  HTTP API → Client: 202"
    assert "2 steps between Client, HTTP API" in picture.alt
    shown = picture._repr_mimebundle_()
    assert shown["text/plain"] == picture.text
    assert 'alt="Sequence diagram of 2 steps' in shown["text/html"]


def test_nothing_happened_is_said_too() -> None:
    picture = sequence([])
    assert picture.text == "Nothing happened."
    assert "nothing happened" in picture.alt
    ElementTree.fromstring(picture.svg)
