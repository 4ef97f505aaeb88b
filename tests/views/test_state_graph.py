"""The diagram of a state machine: every state, every transition, nothing upon anything else."""

import json
import time
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabError
from labkit.states.definition import problems
from labkit.views.layers import Curve, Place
from labkit.views.state_graph import (
    End,
    Graph,
    Note,
    Way,
    all_states,
    draw,
    kind,
    layout,
    outline,
    read,
    retries,
    state_graph,
    transitions,
)
from labkit.views.svg import LETTER, Status, width

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
"""``state_graph_*.svg`` are the diagrams of the definitions of the same name, looked at by eye.  They are
renewed by writing ``state_graph(…).svg`` there and looking at them again."""

PATTERN = HERE.parent.parent / "labkit" / "pattern" / "state_machine.asl.json"
DEFINITIONS = [*sorted((HERE / "definitions").glob("*.json")), PATTERN]

TEXTS = st.text("abc <&>\"'$.", min_size=1, max_size=50)


@st.composite
def machines(draw: st.DrawFn, prefix: str = "", depth: int = 2) -> dict[str, Any]:
    """Any definition, with loops, states that nothing leads to, and states within states."""
    count = draw(st.integers(1, 9 if depth == 2 else 3))
    names = [f"{prefix}{number}{draw(TEXTS)}" for number in range(count)]
    return {
        "StartAt": names[0],
        "States": {name: draw(a_state(name, names, depth)) for name in names},
    }


@st.composite
def a_state(draw: st.DrawFn, name: str, names: list[str], depth: int) -> dict[str, Any]:
    types = ["Task", "Pass", "Wait", "Succeed", "Fail", "Choice"]
    type_ = draw(st.sampled_from([*types, "Parallel", "Map"] if depth else types))
    state: dict[str, Any] = {"Type": type_}
    target = st.sampled_from(names)
    if type_ == "Choice":
        rule = st.builds(lambda to, text: {"Condition": text, "Next": to}, target, TEXTS)
        state["Choices"] = draw(st.lists(rule, min_size=1, max_size=4))
        if draw(st.booleans()):
            state["Default"] = draw(target)
    elif type_ not in ("Succeed", "Fail"):
        state |= draw(st.just({"End": True}) | target.map(lambda to: {"Next": to}))
    if type_ in ("Task", "Parallel", "Map"):
        catcher = st.builds(lambda to, text: {"ErrorEquals": [text], "Next": to}, target, TEXTS)
        state["Catch"] = draw(st.lists(catcher, max_size=3))
        retrier = st.builds(lambda text: {"ErrorEquals": [text]}, TEXTS)
        state["Retry"] = draw(st.lists(retrier, max_size=2))
    if type_ == "Parallel":
        count = draw(st.integers(1, 3))
        state["Branches"] = [draw(machines(f"{name[:6]}{n}/", depth - 1)) for n in range(count)]
    if type_ == "Map":
        state["ItemProcessor"] = draw(machines(f"{name[:6]}*/", depth - 1))
    return state


def recorded() -> list[Any]:
    return [
        pytest.param(json.loads(path.read_text("utf-8")), id=path.name.split(".")[0])
        for path in DEFINITIONS
    ]


def around(curve: Curve) -> Place:
    """The box around a curve's points, which the curve does not leave."""
    xs, ys = zip(*curve.points, strict=True)
    return Place(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def meet(one: Place, other: Place) -> bool:
    """Whether two places have some of their insides in common."""
    near = 1e-6
    return (
        one.x < other.right - near
        and other.x < one.right - near
        and one.y < other.bottom - near
        and other.y < one.bottom - near
    )


def check(graph: Graph) -> None:
    """Nothing meets anything, and everything is where it belongs."""
    for box in graph.boxes:
        for pane in box.panes:
            assert box.place.x <= pane.x <= pane.right <= box.place.right + 1e-6
            assert box.place.y <= pane.y <= pane.bottom <= box.place.bottom
        for one, other in combinations(box.panes, 2):
            assert not meet(one, other)
        words = [1.1 * width(box.lines[0]), *map(width, box.lines[1:])]
        assert max(words) <= box.place.wide
        assert not box.has_note or box.letters >= 20

    def is_beside(place: Any, box: Any) -> bool:
        """Whether a place does not meet a box, or is in one of its panes as a whole."""
        return not meet(place, box.place) or any(
            pane.x <= place.x
            and place.right <= pane.right + 1e-6
            and pane.y <= place.y
            and place.bottom <= pane.bottom + 1e-6
            for pane in box.panes
        )

    for one, other in combinations(graph.boxes, 2):
        assert is_beside(other.place, one) or is_beside(one.place, other)
    ends = [place for _, place in graph.ends]
    labels = [line.place for line in graph.lines if line.place]
    pieces = [around(curve) for line in graph.lines for curve in line.curves]
    for one, other in combinations([*labels, *ends], 2):
        assert not meet(one, other)
    for place in [*labels, *ends, *pieces]:
        assert all(is_beside(place, box) for box in graph.boxes)
        assert 0 <= place.x <= place.right <= graph.width
        assert 0 <= place.y <= place.bottom <= graph.height
    for piece in pieces:
        assert not any(meet(piece, label) for label in [*labels, *ends])
    for line in graph.lines:
        assert (line.place is None) == (not line.label)
        if line.place:
            assert max(map(width, line.label)) <= line.place.wide


@settings(max_examples=40)
@given(machines(), st.booleans())
def test_nothing_meets_anything_in_any_state_machine(machine: dict[str, Any], noted: bool) -> None:
    check(layout(read(machine), noted=noted))


@pytest.mark.parametrize("machine", recorded())
@pytest.mark.parametrize("noted", [False, True])
def test_nothing_meets_anything_in_those_of_the_examples(
    machine: dict[str, Any], noted: bool
) -> None:
    check(layout(read(machine), noted=noted))


@pytest.mark.parametrize("machine", recorded())
def test_the_examples_are_definitions_that_aws_takes(machine: dict[str, Any]) -> None:
    assert problems(json.dumps(machine)) == []


def test_the_examples_have_each_type_of_state() -> None:
    types = {
        state["Type"]
        for path in DEFINITIONS
        for _, state in all_states(json.loads(path.read_text("utf-8")))
    }
    assert types == {"Task", "Pass", "Wait", "Succeed", "Fail", "Choice", "Parallel", "Map"}


@settings(max_examples=40)
@given(machines())
def test_every_state_has_a_box_and_every_transition_a_line(machine: dict[str, Any]) -> None:
    graph = layout(machine)
    states = list(all_states(machine))
    assert sorted(box.name for box in graph.boxes) == sorted(name for name, _ in states)
    drawn = {
        (line.transition.source, line.transition.target, line.transition.way)
        for line in graph.lines
    }
    asked = {
        (step.source, step.target, step.way)
        for name, state in states
        for step in transitions(name, state)
        if step.target is not End.END or name in machine["States"]
    }
    assert drawn == asked | {(End.START, machine["StartAt"], Way.NEXT)}


@settings(max_examples=40)
@given(machines())
def test_the_drawing_is_xml_with_every_word_and_the_same_each_time(machine: dict[str, Any]) -> None:
    graph = layout(machine)
    drawn = draw(graph)
    texts = [element.text or "" for element in ElementTree.fromstring(drawn).iter()]
    for words in [*(box.lines for box in graph.boxes), *(line.label for line in graph.lines)]:
        assert all(line in texts for line in words)
    assert drawn == draw(layout(json.loads(json.dumps(machine))))
    twin = "\n".join(outline(machine))
    for name, state in all_states(machine):
        assert f"{name}: {kind(state)}" in twin
        assert all(step.words in twin for step in transitions(name, state))


@pytest.mark.parametrize("name", ["catches", "job_poller", "map", "parallel"])
def test_the_diagram_is_drawn_as_it_was_looked_at(name: str) -> None:
    definition = (HERE / "definitions" / f"{name}.json").read_text("utf-8")
    assert state_graph(definition).svg == (GOLDEN / f"state_graph_{name}.svg").read_text("utf-8")


def test_fifty_states_are_laid_out_in_less_than_fifty_milliseconds() -> None:
    states: dict[str, Any] = {}
    for number in range(50):
        last = number == 49
        states[f"State{number}"] = {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": f"State{min(number + 5, 49)}"}],
            **({"End": True} if last else {"Next": f"State{number + 1}"}),
        }
        if number % 7 == 3:
            states[f"State{number}"] = {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $a %}", "Next": f"State{max(number - 6, 0)}"}],
                "Default": f"State{number + 1}",
            }
    machine = {"StartAt": "State0", "States": states}
    took = []
    for _ in range(5):
        began = time.process_time()
        layout(machine)
        took.append(time.process_time() - began)
    assert min(took) < 0.05
    check(layout(machine))


def test_what_a_task_calls_is_said_in_short() -> None:
    def task(resource: str, **more: Any) -> str:
        return kind({"Type": "Task", "Resource": resource, **more})

    arn = "arn:aws:lambda:us-east-1:123456789012:function:work"
    assert task(arn) == "Task Lambda work"
    assert task("arn:aws:states:::dynamodb:getItem") == "Task dynamodb:getItem"
    invoke = "arn:aws:states:::lambda:invoke.waitForTaskToken"
    assert (
        task(invoke, Parameters={"FunctionName": f"{arn}:$LATEST"})
        == "Task lambda:invoke.waitForTaskToken work"
    )
    assert task(invoke, Arguments={"FunctionName": "{% $f %}"}).endswith(" $f")
    assert task("arn:aws:states:us-east-1:123456789012:activity:ask") == "Task activity ask"


def test_what_is_tried_again_is_said_with_its_numbers_and_defaults() -> None:
    retry = [
        {"ErrorEquals": ["A", "B"], "IntervalSeconds": 2, "MaxAttempts": 6, "MaxDelaySeconds": 9},
        {"ErrorEquals": ["C"], "BackoffRate": 1},
        {"ErrorEquals": ["D"], "MaxAttempts": 0},
        {"ErrorEquals": ["States.ALL"]},
    ]
    assert retries({"Retry": retry}) == [
        "↻ 6×, 2 s ×2 up to 9 s on A, B",
        "↻ 3×, 1 s on C",
        "↻ never on D",
        "↻ 3×, 1 s ×2 on States.ALL",
    ]


def test_rules_that_lead_to_one_state_share_a_line() -> None:
    machine = {
        "StartAt": "A",
        "States": {
            "A": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.a", "NumericEquals": 1, "Next": "B"},
                    {"Variable": "$.a", "NumericEquals": 2, "Next": "B"},
                ],
            },
            "B": {"Type": "Succeed"},
        },
    }
    (line,) = (line for line in layout(machine).lines if line.transition.source == "A")
    assert " ".join(line.label) == "$.a = 1; $.a = 2"


def test_a_catch_is_dashed_and_a_way_that_was_taken_is_thick() -> None:
    machine = {
        "StartAt": "A",
        "States": {
            "A": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Next": "B",
                "Catch": [{"ErrorEquals": ["E"], "Next": "B"}],
            },
            "B": {"Type": "Succeed"},
        },
    }
    notes = {"A": Note(Status.CAUGHT, "⤳ caught E")}
    drawn = ElementTree.fromstring(draw(layout(machine, noted=True), notes, {("A", "B", True)}))
    paths = [element.attrib for element in drawn.iter() if element.tag.endswith("path")]
    (thick,) = (path for path in paths if path["stroke-width"] == "2.6")
    assert "stroke-dasharray" in thick
    assert sum("stroke-dasharray" in path for path in paths) == 1
    assert "⤳ caught E" in [element.text for element in drawn.iter()]


def test_a_note_that_is_too_long_for_its_box_is_shortened() -> None:
    machine = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
    graph = layout(machine, noted=True)
    words = "✗ failed " + "x" * 99
    texts = [
        element.text or ""
        for element in ElementTree.fromstring(draw(graph, {"A": Note(Status.FAILED, words)})).iter()
    ]
    (shown,) = (text for text in texts if text.startswith("✗ failed x"))
    assert shown.endswith("…")
    assert len(shown) * LETTER <= graph.boxes[0].place.wide


def test_a_picture_has_a_sentence_and_a_twin_in_words() -> None:
    picture = state_graph((HERE / "definitions" / "job_poller.json").read_text("utf-8"))
    assert picture.alt == (
        "State machine with 6 states, which begins with SubmitJob: SubmitJob, WaitSomeTime, "
        "GetJobStatus, JobComplete?, JobFailed, GetFinalStatus."
    )
    lines = picture.text.splitlines()
    assert lines[:3] == [
        "begins with SubmitJob",
        "SubmitJob: Task Lambda SubmitJob",
        "  ↻ 3×, 1 s ×2 on States.ALL",
    ]
    assert '  if $.status = "FAILED" → JobFailed' in lines
    assert "  otherwise → WaitSomeTime" in lines


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("{", "not JSON"),
        ("[]", "a state machine is an object"),
        ({"StartAt": "A"}, 'put them into "States"'),
        ({"StartAt": "B", "States": {"A": {"Type": "Succeed"}}}, "StartAt leads to B"),
        (
            {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "C"}}},
            "state A leads to C, and the states are A",
        ),
        ({"StartAt": "A", "States": {"A": 1}}, "state A is not an object"),
        (
            {"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": {"Next": "A"}}}},
            "state A: Choices is not a list of objects",
        ),
        (
            {"StartAt": "A", "States": {"A": {"Type": "Task", "End": True, "Catch": ["B"]}}},
            "state A: Catch is not a list of objects",
        ),
        (
            {"StartAt": "A", "States": {"A": {"Type": "Map", "ItemProcessor": {}, "End": True}}},
            "state A, branch 1 has no states",
        ),
    ],
)
def test_what_is_no_definition_is_refused_with_the_reason(definition: Any, said: str) -> None:
    with pytest.raises(LabError, match=said):
        state_graph(definition)
