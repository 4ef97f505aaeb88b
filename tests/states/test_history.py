from labkit.states.history import log_entry


def test_state_entered_has_its_type_and_input():
    details = {"stateEnteredEventDetails": {"name": "DoWork", "input": '{"a":1}'}}
    assert log_entry("TaskStateEntered", details, "") == (
        "state.entered",
        {"state": "DoWork", "type": "Task", "input": '{"a":1}'},
    )


def test_failure_belongs_to_the_present_state():
    details = {"lambdaFunctionFailedEventDetails": {"error": "Boom", "cause": "because"}}
    assert log_entry("LambdaFunctionFailed", details, "DoWork") == (
        "task.failed",
        {"state": "DoWork", "error": "Boom", "cause": "because"},
    )


def test_end_has_the_status_of_describe_execution():
    kind, data = log_entry("ExecutionTimedOut", {}, "") or ("", {})
    assert (kind, data["status"]) == ("execution.ended", "TIMED_OUT")


def test_other_events_are_not_shown():
    assert log_entry("TaskScheduled", {"taskScheduledEventDetails": {}}, "A") is None
