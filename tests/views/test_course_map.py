"""The map of the course: every exercise has its box, and shows how it stands without its colour."""

import xml.etree.ElementTree as ElementTree
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from labkit.views.course_map import BOX, Leg, Standing, Stop, course_map, draw, layout
from labkit.views.svg import width

STOPS = st.lists(
    st.builds(
        Stop,
        number=st.from_regex(r"[0-9]{1,2}\.[0-9]{1,2}", fullmatch=True),
        standing=st.sampled_from(Standing),
        seen=st.booleans(),
    ),
    max_size=20,
)
LEGS = st.lists(
    st.builds(
        Leg,
        name=st.text("abc <&>", min_size=1, max_size=40),
        stops=STOPS,
        right=st.integers(0, 9),
        questions=st.integers(0, 9),
    ),
    max_size=12,
)
COURSE = [
    Leg(
        "01 sockets", [Stop("1.1", Standing.SOLVED), Stop("1.2", Standing.SOLVED, seen=True)], 1, 2
    ),
    Leg("02 tables", [Stop("2.1", Standing.NOT_YET), Stop("2.2", Standing.OPEN)]),
]


@given(LEGS)
def test_boxes_and_names_stand_apart_and_within_the_frame(legs: list[Leg]) -> None:
    course = layout(legs)
    for one, other in combinations(course.boxes, 2):
        beside = one.x + one.wide < other.x or other.x + other.wide < one.x
        below = abs(one.y - other.y) > BOX
        assert beside or below
    left = min(box.x for box in course.boxes)
    for leg, y in course.legs:
        assert 14 + 5 + 14 + width(leg.name) < left
        assert 0 < y < course.height
    for box in course.boxes:
        assert box.x + box.wide < course.width
        assert 0 < box.y < course.height - BOX - 20


@given(LEGS)
def test_the_drawing_is_xml_with_every_label_and_the_same_each_time(legs: list[Leg]) -> None:
    course = layout(legs)
    drawn = draw(course)
    texts = [element.text or "" for element in ElementTree.fromstring(drawn).iter()]
    assert {leg.name for leg in legs} | {box.label for box in course.boxes} <= set(texts)
    assert drawn == draw(layout(list(legs)))


def test_every_standing_has_a_mark_of_its_own_and_one_box_says_go_on() -> None:
    labels = [box.label for box in layout(COURSE, "2.1").boxes]
    assert labels == [
        "1.1 ✓",
        "1.2 ✓ (seen)",
        "○ 1 of 2 questions",
        "▶ 2.1 ◐",
        "2.2 ○",
        "○ certificate",
    ]
    assert len({standing.mark for standing in Standing}) == len(Standing)


def test_the_map_in_words() -> None:
    picture = course_map(COURSE, "2.1")
    assert picture.text.splitlines() == [
        "01 sockets: 2 of 2 solved, 1 of 2 questions right",
        "02 tables: 0 of 2 solved",
        "Go on with 2.1.",
    ]
    assert picture.alt.startswith("Map of the course. 01 sockets: 2 of 2 solved")


def test_a_lesson_is_done_when_its_exercises_are_and_one_without_when_its_questions_are() -> None:
    assert [leg.is_done for leg in COURSE] == [True, False]
    assert [Leg("00", [], right, 2).is_done for right in (0, 2)] == [False, True]


def test_at_the_end_stands_the_certificate() -> None:
    assert layout(COURSE[:1]).boxes[-1].label == "✓ certificate: call certificate()"
    assert course_map(COURSE[:1]).text.endswith("All is solved: the certificate is yours.")


def test_a_course_without_lessons_is_said_too() -> None:
    assert course_map([]).text == "This course has nothing to do yet."
    ElementTree.fromstring(course_map([]).svg)
