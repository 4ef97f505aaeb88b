from typing import Any

import pytest

from labkit import steps as told
from labkit.eventlog import Event, EventLog
from labkit.steps import Kind, Step, nested, steps
from labkit.timeline import outline, timeline
from labkit.trace import Trace


class Story:
    """Writes a log, with causes by name instead of by number."""

    def __init__(self) -> None:
        self.log = EventLog()

    def then(self, kind: str, cause: Event | None = None, **data: Any) -> Event:
        return self.log.append(kind, Trace("1-a-b", cause.seq if cause else None), **data)

    @property
    def steps(self) -> list[Step]:
        return steps(self.log)

    @property
    def sentences(self) -> list[str]:
        return [step.sentence for step in self.steps]


def invoked(story: Story, cause: Event | None, function: str = "work") -> Event:
    return story.then("function.invoked", cause, function=function, request="r", cold=False)


def call(story: Story, cause: Event | None, service: str, operation: str, **data: Any) -> Event:
    facts = {"status": 200, **data}
    return story.then("aws.call", cause, service=service, operation=operation, **facts)


def entered(story: Story, cause: Event | None, state: str) -> Event:
    return story.then("state.entered", cause, execution="arn:e", state=state, type="Task", input="")


def test_a_request_goes_from_the_client_through_the_api_to_the_function_and_back() -> None:
    story = Story()
    request = story.then("http.request", method="POST", path="/orders")
    function = invoked(story, request, "place-order")
    call(story, function, "dynamodb", "PutItem", table="executions")
    story.then("function.returned", function, function="place-order", durationMs=12.34, error=None)
    story.then("http.response", request, status=202)
    assert story.sentences == [
        "Client → HTTP API: POST /orders",
        "HTTP API → Lambda: place-order runs",
        "Lambda → DynamoDB: PutItem on executions",
        "Lambda → HTTP API: place-order is done",
        "HTTP API → Client: 202",
    ]
    assert [step.kind for step in story.steps] == ["call", "call", "call", "answer", "answer"]
    assert [step.measured for step in story.steps] == ["", "", "", "12.3 ms", ""]


def test_what_differs_from_run_to_run_is_kept_apart() -> None:
    story = Story()
    handshake = story.then("handshake.request", connection="c=")
    story.then("function.invoked", handshake, function="connect", request="r", cold=True)
    story.then("connection.opened", handshake, connection="c=")
    assert [(step.what, step.measured) for step in story.steps] == [
        ("handshake", ""),
        ("connect runs", "cold"),
        ("connection is open", "c="),
    ]


def test_a_message_is_posted_before_it_is_sent() -> None:
    # The log has them the other way round: a call is noted when it is answered.
    story = Story()
    function = invoked(story, None)
    frame = story.then("frame.out", function, connection="c", body='{"type": "result"}', size=18)
    post = call(story, function, "apigatewaymanagementapi", "PostToConnection", connection="c")
    work, posted, sent = story.steps
    assert (posted.seq, sent.seq) == (post.seq, frame.seq)
    assert posted.sentence == "Lambda → WebSocket API: PostToConnection"
    assert sent.sentence == "WebSocket API → Client: type result"
    assert (posted.parent, sent.parent) == (work.seq, post.seq)
    assert posted.time == sent.time


def test_each_message_belongs_to_the_call_for_its_own_connection() -> None:
    story = Story()
    function = invoked(story, None)
    for connection in ("one", "two"):
        story.then("frame.out", function, connection=connection, body="", size=0)
    posts = [
        call(story, function, "apigatewaymanagementapi", "PostToConnection", connection=connection)
        for connection in ("two", "one")
    ]
    parents = [step.parent for step in story.steps if step.kind is Kind.MESSAGE]
    assert parents == [posts[1].seq, posts[0].seq]


def test_a_message_that_does_not_arrive_is_a_failed_call_without_a_message() -> None:
    story = Story()
    service = "apigatewaymanagementapi"
    call(story, invoked(story, None), service, "PostToConnection", connection="c", status=410)
    failed = story.steps[-1]
    assert failed.sentence == "Lambda → WebSocket API: PostToConnection failed with 410"
    assert failed.failed


def test_starting_an_execution_is_one_step() -> None:
    story = Story()
    function = invoked(story, None)
    started = story.then("execution.started", function, execution="arn:e", name="e", machine="m")
    entered(story, started, "DoWork")
    call(story, function, "states", "StartExecution")
    assert story.sentences[1:] == [
        "Lambda → Step Functions: StartExecution",
        "Step Functions: state DoWork",
    ]


def test_a_start_that_started_nothing_is_still_told() -> None:
    # StartExecution is idempotent: the same name and input answer 200 once more.
    story = Story()
    call(story, invoked(story, None), "states", "StartExecution")
    assert story.sentences[1:] == ["Lambda → Step Functions: StartExecution"]


def test_states_stand_side_by_side_and_their_calls_inside_them() -> None:
    story = Story()
    started = story.then("execution.started", execution="arn:e", name="e", machine="m")
    first = entered(story, started, "GetConn")
    call(story, first, "dynamodb", "GetItem", table="t")
    left = story.then("state.exited", first, execution="arn:e", state="GetConn", output="")
    second = entered(story, left, "Notify")
    left = story.then("state.exited", second, execution="arn:e", state="Notify", output="")
    story.then("execution.ended", left, execution="arn:e", status="SUCCEEDED", error=None)
    assert [(depth, step.what) for depth, step in nested(story.steps)] == [
        (0, "StartExecution"),
        (1, "GetConn"),
        (2, "GetItem on t"),
        (1, "Notify"),
        (1, "execution SUCCEEDED"),
    ]


def test_a_task_that_invokes_a_function_is_one_step() -> None:
    story = Story()
    state = entered(story, None, "DoWork")
    function = invoked(story, state)
    story.then("function.returned", function, function="work", durationMs=1.0, error="Boom")
    call(story, state, "lambda", "Invoke")
    assert story.sentences == [
        "Step Functions: state DoWork",
        "Step Functions → Lambda: work runs",
        "Lambda → Step Functions: work failed: Boom",
    ]
    assert [step.failed for step in story.steps] == [False, False, True]


def test_a_call_from_a_cell_comes_from_the_notebook() -> None:
    story = Story()
    call(story, None, "sqs", "SendMessage")
    assert story.sentences == ["Notebook → sqs: SendMessage"]


def test_what_went_wrong_is_marked() -> None:
    story = Story()
    story.then("http.response", None, status=500)
    story.then("handshake.refused", None, status=403)
    story.then("task.failed", None, state="Notify", error="ApiGateway.410")
    story.then("execution.ended", None, status="TIMED_OUT")
    assert all(step.failed for step in story.steps)
    assert story.sentences[2] == "Step Functions: state Notify failed: ApiGateway.410"


def test_a_fault_is_noted_where_it_strikes() -> None:
    story = Story()
    story.then("fault.applied", step="function.invoke", action="delay")
    story.then("fault.applied", step="aws.call", action="throttle", service="dynamodb")
    story.then("fault.applied", step="frame.out", action="drop")
    assert [step.source for step in story.steps] == ["Lambda", "DynamoDB", "WebSocket API"]
    assert story.sentences[0] == "Lambda: fault: delay at function.invoke"


def test_a_message_is_told_by_its_action_or_type_else_by_its_size() -> None:
    story = Story()
    for body in ('{"action": "subscribe"}', '{"type": "result"}', "[1]", "no JSON", '{"type": 3}'):
        story.then("frame.in", None, connection="c", body=body, size=len(body))
    assert [step.what for step in story.steps] == [
        "action subscribe",
        "type result",
        "3 bytes",
        "7 bytes",
        "11 bytes",
    ]


def test_warning_stands_where_it_was_caused() -> None:
    story = Story()
    function = invoked(story, story.then("http.request", method="GET", path="/"))
    story.then("cloud.warning", function, message="It may not.")
    warning = steps(story.log)[-1]
    assert (warning.sentence, warning.measured) == ("Lambda: warning", "It may not.")
    assert (warning.parent, warning.failed) == (function.seq, False)


class Anything(dict[str, Any]):
    """Data with every member."""

    def __missing__(self, name: str) -> int:
        return 1


@pytest.mark.parametrize("kind", sorted(told._TOLD))
def test_every_kind_that_is_told_has_a_meaning(kind: str) -> None:
    (step,) = steps([Event(1, 0.0, kind, None, None, Anything(body="x"))])
    assert step.sentence


def test_events_that_begin_in_the_middle_lose_only_their_causes() -> None:
    story = Story()
    function = invoked(story, story.then("http.request", method="GET", path="/"))
    call(story, function, "dynamodb", "GetItem")
    (step,) = steps(story.log.after(function.seq))
    assert step.sentence == "Notebook → DynamoDB: GetItem"
    assert step.parent is None


def interleaved(order: str) -> Story:
    """Two functions that run at the same time: "a" and "b" call in the given order."""
    story = Story()
    functions = {name: invoked(story, None, name) for name in "ab"}
    for name in order:
        call(story, functions[name], "dynamodb", "PutItem", table=name)
    return story


def test_the_outline_is_the_same_however_branches_interleave() -> None:
    one, other = interleaved("aabb"), interleaved("baba")
    assert one.sentences != other.sentences
    assert outline(one.log) == outline(other.log)
    assert outline(one.log).splitlines() == [
        "Notebook → Lambda: a runs",
        "  Lambda → DynamoDB: PutItem on a",
        "  Lambda → DynamoDB: PutItem on a",
        "Notebook → Lambda: b runs",
        "  Lambda → DynamoDB: PutItem on b",
        "  Lambda → DynamoDB: PutItem on b",
    ]


def test_the_timeline_indents_what_was_caused_and_says_what_was_measured() -> None:
    events = [
        Event(1, 10.0, "http.request", "1-a-b", None, {"method": "POST", "path": "/orders"}),
        Event(2, 10.0125, "function.invoked", "1-a-b", 1, {"function": "place", "cold": True}),
    ]
    assert timeline(events).splitlines() == [
        "     0.0 ms  Client → HTTP API: POST /orders",
        "    12.5 ms    HTTP API → Lambda: place runs (cold)",
    ]


def test_nothing_is_said_in_words() -> None:
    assert timeline([]) == outline([]) == "Nothing happened."
