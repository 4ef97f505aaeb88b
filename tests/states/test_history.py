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


def test_map_state_says_how_many_items_it_has():
    details = {"mapStateStartedEventDetails": {"length": 3}}
    assert log_entry("MapStateStarted", details, "M") == (
        "map.started",
        {"state": "M", "length": 3},
    )


def test_iteration_ends_with_its_map_state_its_index_and_its_status():
    details = {"mapIterationAbortedEventDetails": {"name": "M", "index": 2}}
    assert log_entry("MapIterationAborted", details, "Inner") == (
        "iteration.ended",
        {"state": "M", "index": 2, "status": "ABORTED"},
    )


def test_other_events_are_not_shown():
    assert log_entry("TaskScheduled", {"taskScheduledEventDetails": {}}, "A") is None
