import json

import pytest

from labkit.states.definition import message, problems

LAMBDA = "arn:aws:states:::lambda:invoke"


def refused(machine):
    return problems(json.dumps(machine))


def test_whole_machine_has_no_problems():
    assert (
        refused(
            {
                "StartAt": "Work",
                "States": {
                    "Work": {
                        "Type": "Task",
                        "Resource": LAMBDA,
                        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Sorry"}],
                        "Next": "Which",
                    },
                    "Which": {
                        "Type": "Choice",
                        "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "Done"}],
                        "Default": "Sorry",
                    },
                    "Done": {"Type": "Succeed"},
                    "Sorry": {"Type": "Fail"},
                },
            }
        )
        == []
    )


@pytest.mark.behaviour("states.definitions.unknown-resource")
def test_unknown_resource_is_refused_in_the_words_of_aws(expected):
    machine = {
        "StartAt": "X",
        "States": {
            "X": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:apigatewaymanagementapi:postToConnection",
                "End": True,
            }
        },
    }
    assert message(refused(machine)) == (
        f"Invalid State Machine Definition: '{expected.begins}"
        "arn:aws:states:::aws-sdk:apigatewaymanagementapi:postToConnection"
        f"{expected.ends} at /States/X/Resource'"
    )


@pytest.mark.behaviour("states.definitions.targets")
def test_missing_target_and_unreachable_state_are_named_as_aws_does(expected):
    machine = {
        "StartAt": "pass1",
        "States": {
            "pass1": {"Type": "Pass", "Next": "pass3"},
            "pass2": {"Type": "Pass", "End": True},
        },
    }
    assert message(refused(machine)) == (
        f"Invalid State Machine Definition: '{expected.missing}pass3 at /States/pass1/Next, "
        f'MISSING_TRANSITION_TARGET: State "pass2"{expected.unreachable} at /States/pass2\''
    )


def test_every_kind_of_target_is_called_next():
    machine = {
        "StartAt": "nope",
        "States": {
            "T": {
                "Type": "Task",
                "Resource": LAMBDA,
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "nope"}],
                "Next": "C",
            },
            "C": {"Type": "Choice", "Choices": [{"Next": "nope"}], "Default": "nope"},
            "E": {"Type": "Succeed"},
        },
    }
    places = [p.split(" at ")[1] for p in refused(machine) if "Missing 'Next' target: nope" in p]
    assert places == [
        "/StartAt",
        "/States/T/Catch[0]/Next",
        "/States/C/Default",
        "/States/C/Choices[0]/Next",
    ]


@pytest.mark.behaviour("states.definitions.targets")
def test_loop_without_an_end_is_one_problem(expected):
    machine = {
        "StartAt": "A",
        "States": {
            "A": {"Type": "Pass", "Next": "B"},
            "B": {"Type": "Pass", "Next": "A"},
            "Lost": {"Type": "Pass", "Next": "A"},
        },
    }
    assert refused(machine) == [expected.endless]


def test_states_of_branches_and_of_maps_are_looked_into():
    def wrong(name):
        state = {"Type": "Task", "Resource": "no", "End": True}
        return {"StartAt": name, "States": {name: state}}

    machine = {
        "StartAt": "P",
        "States": {
            "P": {"Type": "Parallel", "Branches": [wrong("X")], "Next": "M"},
            "M": {"Type": "Map", "ItemProcessor": wrong("Y"), "End": True},
        },
    }
    assert [p.rpartition(" at ")[2] for p in refused(machine)] == [
        "/States/P/Branches[0]/States/X/Resource",
        "/States/M/ItemProcessor/States/Y/Resource",
    ]


@pytest.mark.behaviour("states.definitions.duplicate-name")
def test_name_that_two_states_have_is_refused_wherever_they_are(expected):
    inner = {"StartAt": "X", "States": {"X": {"Type": "Pass", "End": True}}}
    machine = {
        "StartAt": "P",
        "States": {
            "P": {"Type": "Parallel", "Branches": [inner, inner], "Next": "M"},
            "M": {"Type": "Map", "ItemProcessor": inner, "Next": "Y"},
            "Y": {"Type": "Pass", "End": True},
        },
    }
    assert refused(machine) == [
        f"{expected.begins}X at /States/P/Branches[1]/States/X",
        f"{expected.begins}X at /States/M/ItemProcessor/States/X",
    ]


@pytest.mark.behaviour("states.definitions.duplicate-name")
def test_name_that_an_object_has_twice_is_not_overlooked(expected):
    state = '"X": {"Type": "Pass", "End": true}'
    found = problems(f'{{"StartAt": "X", "States": {{{state}, {state}}}}}')
    assert found == [f"{expected.begins}X at /States/X"]


@pytest.mark.behaviour("states.definitions.missing-field")
def test_missing_fields_are_named_with_their_place(expected):
    assert [p.rpartition(" at ")[2] for p in refused({})] == ["/", "/"]
    missing = refused({"States": {"A": {"Type": "Succeed"}}})[0]
    assert missing.startswith(f'{expected.begins}"StartAt"')
    assert '"Type"' in refused({"StartAt": "A", "States": {"A": {"End": True}}})[0]
    assert (
        '"Resource"' in refused({"StartAt": "A", "States": {"A": {"Type": "Task", "End": True}}})[0]
    )


def test_text_that_is_no_json_is_called_that():
    assert problems("{").pop().startswith("INVALID_JSON_DESCRIPTION: ")
    assert problems("[]") != []
