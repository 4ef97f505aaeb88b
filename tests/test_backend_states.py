"""State machines in the local cloud's interpreter, through boto3."""

import asyncio
import json
import threading
import time
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from labkit.backend import Backend
from labkit.backend.services import THREADS
from labkit.clock import Clock
from labkit.errors import AwsError
from labkit.eventlog import EventLog
from labkit.faults import Faults
from labkit.functions.outcome import timed_out
from labkit.trace import Trace
from labkit.wire import AwsRequest, AwsResponse, Headers

ACCOUNT, REGION = "123456789012", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/states"
INVOKE = "arn:aws:states:::lambda:invoke"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:work"
API = "a1b2c3.execute-api.us-east-1.amazonaws.com"
SOON = 10
"""Seconds within which what is waited for must have happened."""


class World:
    """A backend whose functions and APIs are plain Python functions."""

    def __init__(self, speed: float = 1000.0) -> None:
        self.log = EventLog()
        self.faults = Faults(self.log)
        self.calls: list[AwsRequest] = []
        self.requests: list[tuple[str, str, str, bytes, Trace | None]] = []
        self.function = lambda payload: payload
        self.api_status = 200
        self.backend = Backend(
            log=self.log,
            faults=self.faults,
            clock=Clock(speed),
            dispatch=lambda request: self.dispatch(request),
            call_api=self._call_api,
        )
        self.sfn = self.backend.client("stepfunctions", REGION, ACCOUNT)
        self.calls.clear()

    def dispatch(self, request: AwsRequest) -> AwsResponse:
        self.calls.append(request)
        if request.service != "lambda":
            return self.backend.call(request)
        try:
            answer = self.function(json.loads(request.body))
        except AwsError as error:
            return AwsResponse.error(error)
        if isinstance(answer, BaseException):
            error = {"errorType": type(answer).__name__, "errorMessage": str(answer)}
            return AwsResponse.json(error, X_Amz_Function_Error="Unhandled")
        return AwsResponse.json(answer)

    def _call_api(self, host, path, method, query, headers, body, trace):
        self.requests.append((host, path, method, body, trace))
        if self.api_status == 200:
            return AwsResponse(200, Headers({"Content-Type": "application/json"}), b"")
        return AwsResponse(self.api_status, Headers(), b'{"message":"Gone"}')

    def machine(self, states, *, start=None, name="m", **top):
        definition = {"StartAt": start or next(iter(states)), "States": states, **top}
        answer = self.sfn.create_state_machine(
            name=name, definition=json.dumps(definition), roleArn=ROLE
        )
        return answer["stateMachineArn"]

    def start(self, states, given=None, **top):
        arn = self.machine(states, **top)
        answer = self.sfn.start_execution(stateMachineArn=arn, input=json.dumps(given or {}))
        return answer["executionArn"]

    def ended(self, execution):
        self.log.wait(
            lambda e: e.kind == "execution.ended" and e["execution"] == execution, timeout=SOON
        )
        return self.sfn.describe_execution(executionArn=execution)

    def run(self, states, given=None, **top):
        return self.ended(self.start(states, given, **top))

    def result(self, states, given=None, **top):
        done = self.run(states, given, **top)
        assert done["status"] == "SUCCEEDED", (done.get("error"), done.get("cause"))
        return json.loads(done["output"])

    def redriven(self, execution):
        since = self.log.last
        self.sfn.redrive_execution(executionArn=execution)
        self.log.wait(
            lambda e: e.seq > since and e.kind == "execution.ended" and e["execution"] == execution,
            timeout=SOON,
        )
        return self.sfn.describe_execution(executionArn=execution)

    def types(self, execution):
        pages = self.sfn.get_paginator("get_execution_history").paginate(executionArn=execution)
        return [event["type"] for page in pages for event in page["events"]]


@pytest.fixture
def world():
    made = World()
    yield made
    made.backend.close()


@pytest.fixture
def table(world):
    dynamodb = world.backend.client("dynamodb", REGION, ACCOUNT)
    dynamodb.create_table(
        TableName="t",
        KeySchema=[
            {"AttributeName": "order", "KeyType": "HASH"},
            {"AttributeName": "connection", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "order", "AttributeType": "S"},
            {"AttributeName": "connection", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return dynamodb


def task(resource, /, **fields):
    return {"Type": "Task", "Resource": resource, "End": True, **fields}


def invoke(payload=None, **fields):
    parameters = {"FunctionName": "work", **(payload or {"Payload.$": "$"})}
    return task(INVOKE, Parameters=parameters, **fields)


@contextmanager
def refused_as(error, words=""):
    """A call that must be refused with this error, and with these words in its message."""
    with pytest.raises(ClientError) as refused:
        yield
    told = refused.value.response["Error"]
    assert told["Code"] == error
    assert words in told["Message"]


def goes_on(state, to):
    """The state with a transition in the place of its end."""
    return {name: value for name, value in state.items() if name != "End"} | {"Next": to}


# Names and lives of executions


@pytest.mark.behaviour("states.executions.context")
def test_execution_without_a_name_is_named_by_a_uuid_that_the_context_object_tells(world, expected):
    arn = world.start(
        {"A": {"Type": "Pass", "Parameters": {"n.$": "$$.Execution.Name"}, "End": True}}
    )
    name = arn.rpartition(":")[2]
    assert json.loads(world.ended(arn)["output"]) == {"n": name}
    assert len(name) == expected.length


def test_context_object_has_times_in_the_form_of_aws(world):
    states = {"A": {"Type": "Pass", "Parameters": {"c.$": "$$"}, "End": True}}
    context = world.result(states)["c"]
    for moment in (context["Execution"]["StartTime"], context["State"]["EnteredTime"]):
        assert time.strptime(moment, f"%Y-%m-%dT%H:%M:%S.{moment[20:23]}Z")
    assert context["Execution"]["RedriveCount"] == 0
    assert context["StateMachine"]["Name"] == "m"


@pytest.mark.behaviour("states.executions.idempotent")
def test_same_name_and_input_is_the_same_execution_while_it_runs(world, expected):
    arn = world.machine({"W": {"Type": "Wait", "Seconds": 10**6, "End": True}})
    begin = {"stateMachineArn": arn, "name": "order-1", "input": '{"a":1}'}
    first = world.sfn.start_execution(**begin)
    assert world.sfn.start_execution(**begin)["executionArn"] == first["executionArn"]
    with refused_as(expected.error):
        world.sfn.start_execution(**{**begin, "input": "{}"})
    world.sfn.stop_execution(executionArn=first["executionArn"])
    with refused_as(expected.error):
        world.sfn.start_execution(**begin)
    assert [e["name"] for e in world.log if e.kind == "execution.started"] == ["order-1"]


@pytest.mark.behaviour("states.executions.name")
@pytest.mark.parametrize("name", ["a b", "a*b", None, "a/b", "a:b"])
def test_name_with_forbidden_characters_is_refused(world, name, expected):
    arn = world.machine({"A": {"Type": "Succeed"}})
    longest = "x" * expected.longest
    world.sfn.start_execution(stateMachineArn=arn, name=longest)
    with refused_as(expected.error):
        world.sfn.start_execution(stateMachineArn=arn, name=name or f"{longest}x")


@pytest.mark.behaviour("states.executions.input")
@pytest.mark.parametrize("text", ["{", '"' + "x" * 262_143 + '"'])
def test_input_that_is_no_json_or_too_long_is_refused(world, text, expected):
    arn = world.machine({"A": {"Type": "Succeed"}})
    with refused_as(expected.error):
        world.sfn.start_execution(stateMachineArn=arn, input=text)


def test_stopped_execution_is_aborted_when_the_call_returns(world):
    arn = world.start({"W": {"Type": "Wait", "Seconds": 10**6, "End": True}})
    world.sfn.stop_execution(executionArn=arn, error="Enough", cause="seen it all")
    done = world.sfn.describe_execution(executionArn=arn)
    assert (done["status"], done["error"], done["cause"]) == ("ABORTED", "Enough", "seen it all")
    assert world.types(arn)[-1] == "ExecutionAborted"


def test_execution_that_is_stopped_at_any_moment_is_aborted(world):
    states = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "C"},
              "C": {"Type": "Choice", "Choices": [
                  {"Variable": "$.never", "IsPresent": True, "Next": "D"}], "Default": "A"},
              "D": {"Type": "Succeed"}}  # fmt: skip
    arn = world.machine(states)
    ends = []
    for _ in range(25):
        execution = world.sfn.start_execution(stateMachineArn=arn)["executionArn"]
        world.sfn.stop_execution(executionArn=execution)
        ends.append(world.sfn.describe_execution(executionArn=execution)["status"])
    assert set(ends) == {"ABORTED"}


def test_stop_does_not_wait_for_a_task_token(world):
    resource = f"{INVOKE}.waitForTaskToken"
    parameters = {"FunctionName": "work", "Payload": {"t.$": "$$.Task.Token"}}
    arn = world.start({"A": task(resource, Parameters=parameters)})
    world.log.wait(lambda e: e.kind == "state.entered", timeout=SOON)
    world.sfn.stop_execution(executionArn=arn)
    assert world.sfn.describe_execution(executionArn=arn)["status"] == "ABORTED"


def test_execution_that_takes_too_long_is_timed_out(world):
    arn = world.start({"W": {"Type": "Wait", "Seconds": 10**6, "End": True}}, TimeoutSeconds=60)
    done = world.ended(arn)
    assert done["status"] == "TIMED_OUT"
    assert done["stopDate"] > done["startDate"]
    assert world.types(arn)[-1] == "ExecutionTimedOut"


def test_output_that_is_a_string_is_json(world):
    done = world.run({"A": {"Type": "Pass", "Result": "done", "End": True}})
    assert done["output"] == '"done"'


def test_history_comes_in_pages_and_backwards(world):
    arn = world.start({"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Succeed"}})
    world.ended(arn)
    whole = world.types(arn)
    assert whole == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "SucceedStateEntered",
        "SucceedStateExited",
        "ExecutionSucceeded",
    ]
    page = world.sfn.get_execution_history(executionArn=arn, maxResults=4)
    rest = world.sfn.get_execution_history(executionArn=arn, nextToken=page["nextToken"])
    assert [e["type"] for e in page["events"] + rest["events"]] == whole
    back = world.sfn.get_execution_history(executionArn=arn, reverseOrder=True)
    assert [e["type"] for e in back["events"]] == whole[::-1]


def test_execution_keeps_the_definition_that_it_began_with(world):
    arn = world.machine({"W": {"Type": "Wait", "Seconds": 10**6, "End": True}})
    execution = world.sfn.start_execution(stateMachineArn=arn)["executionArn"]
    new = json.dumps({"StartAt": "B", "States": {"B": {"Type": "Succeed"}}})
    world.sfn.update_state_machine(stateMachineArn=arn, definition=new)
    kept = world.sfn.describe_state_machine_for_execution(executionArn=execution)
    assert json.loads(kept["definition"])["StartAt"] == "W"
    assert world.sfn.describe_state_machine(stateMachineArn=arn)["definition"] == new


def test_machine_of_the_same_name_with_another_definition_is_refused(world):
    states = {"A": {"Type": "Succeed"}}
    assert world.machine(states) == world.machine(states)
    with pytest.raises(world.sfn.exceptions.StateMachineAlreadyExists):
        world.machine({"B": {"Type": "Succeed"}})


@pytest.mark.behaviour("states.definitions.unknown-resource")
@pytest.mark.parametrize("operation", ["create", "update"])
def test_resource_that_aws_does_not_know_is_refused(world, operation, expected):
    unknown = "arn:aws:states:::aws-sdk:apigatewaymanagementapi:postToConnection"
    definition = json.dumps({"StartAt": "X", "States": {"X": task(unknown)}})
    arn = world.machine({"A": {"Type": "Succeed"}})
    call = {
        "create": lambda: world.sfn.create_state_machine(
            name="n", definition=definition, roleArn=ROLE
        ),
        "update": lambda: world.sfn.update_state_machine(
            stateMachineArn=arn, definition=definition
        ),
    }
    with pytest.raises(world.sfn.exceptions.InvalidDefinition) as raised:
        call[operation]()
    assert raised.value.response["Error"]["Message"] == (
        f"Invalid State Machine Definition: '{expected.begins}{unknown}{expected.ends} "
        "at /States/X/Resource'"
    )


def test_definition_that_only_the_grammar_refuses_is_invalid_too(world):
    with pytest.raises(world.sfn.exceptions.InvalidDefinition):
        world.machine({"A": {"Type": "Wait", "Seconds": "soon", "End": True}})


# Functions


@pytest.mark.behaviour("states.lambda.payload")
def test_optimised_integration_wraps_the_result_in_payload(world, expected):
    assert world.result({"A": invoke()}, {"n": 1})[expected.member] == {"n": 1}


@pytest.mark.behaviour("states.lambda.payload")
def test_bare_function_arn_gives_the_result_itself(world):
    assert world.result({"A": task(FUNCTION)}, {"n": 1}) == {"n": 1}


@pytest.mark.behaviour("states.lambda.exception")
@pytest.mark.parametrize("state", [invoke(), task(FUNCTION)], ids=["invoke", "bare"])
def test_exception_of_a_function_is_an_error_of_its_name(world, state):
    world.function = lambda payload: KeyError("sku")
    done = world.run({"A": state})
    assert (done["status"], done["error"]) == ("FAILED", "KeyError")
    assert json.loads(done["cause"])["errorMessage"] == "'sku'"


@pytest.mark.behaviour("states.lambda.throttled")
@pytest.mark.parametrize("state", [invoke(), task(FUNCTION)], ids=["invoke", "bare"])
def test_throttled_invocation_is_retried_as_aws_recommends(world, state, expected):
    answers = iter([True, True, False])

    def work(payload):
        if next(answers):
            raise AwsError("TooManyRequestsException", "Rate Exceeded.", 429)
        return {"ok": True}

    world.function = work
    retry = {
        "ErrorEquals": ["Lambda.ServiceException", expected.error],
        "IntervalSeconds": 2,
        "MaxAttempts": 6,
        "BackoffRate": 2,
    }
    assert world.run({"A": {**state, "Retry": [retry]}})["status"] == "SUCCEEDED"
    assert len([c for c in world.calls if c.service == "lambda"]) == 3


def fails_with(world, payload):
    """Let every function fail with an error object of its own."""
    original = world.dispatch

    def dispatch(request):
        if request.service == "lambda":
            return AwsResponse.json(payload, X_Amz_Function_Error="Unhandled")
        return original(request)

    world.dispatch = dispatch


@pytest.mark.behaviour("states.lambda.unknown")
def test_failure_without_a_type_is_lambda_unknown(world, expected):
    fails_with(world, {"message": "?"})
    assert world.run({"A": invoke()})["error"] == expected.error


@pytest.mark.behaviour("states.lambda.timed-out")
@pytest.mark.parametrize("state", [invoke(), task(FUNCTION)], ids=["invoke", "bare"])
def test_function_that_takes_too_long_has_an_error_of_its_own(world, state, expected):
    ended = timed_out("r", 3, 0)  # as Lambda answers it here
    fails_with(world, json.loads(ended.payload))
    states = {
        "A": {**goes_on(state, "B"), "Catch": [{"ErrorEquals": [expected.error], "Next": "C"}]},
        "B": {"Type": "Fail"},
        "C": {"Type": "Succeed"},
    }
    assert world.result(states)["Error"] == expected.error


def test_retries_end_and_the_catcher_gets_error_and_cause(world):
    world.function = lambda payload: ValueError("no")
    states = {
        "A": invoke(
            Retry=[{"ErrorEquals": ["ValueError"], "MaxAttempts": 2, "IntervalSeconds": 1}],
            Catch=[{"ErrorEquals": ["ValueError"], "ResultPath": "$.failed", "Next": "B"}],
        ),
        "B": {"Type": "Pass", "End": True},
    }
    result = world.result(states, {"order": 1})
    assert result["order"] == 1
    assert result["failed"]["Error"] == "ValueError"
    assert json.loads(result["failed"]["Cause"])["errorMessage"] == "no"
    assert len([c for c in world.calls if c.service == "lambda"]) == 3


@pytest.mark.behaviour("states.errors.timeout")
def test_task_that_takes_too_long_is_a_states_timeout(world, expected):
    released = threading.Event()

    def work(payload):
        released.wait(SOON)
        return {}

    world.function = work
    states = {
        "A": invoke(TimeoutSeconds=60, Catch=[{"ErrorEquals": [expected.error], "Next": "B"}]),
        "B": {"Type": "Succeed"},
    }
    try:
        assert world.result(states)["Error"] == expected.error
    finally:
        released.set()


@pytest.mark.behaviour("states.errors.limit", "states.errors.all")
def test_result_over_the_limit_fails_and_all_does_not_catch_it(world, expected):
    largest = expected["states.errors.limit"].largest
    world.function = lambda payload: {"text": "x" * largest}
    states = {
        "A": invoke(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "B"}]),
        "B": {"Type": "Succeed"},
    }
    done = world.run(states)
    error = expected["states.errors.limit"].error
    assert (done["status"], done["error"]) == ("FAILED", error)
    assert error in expected["states.errors.all"].terminal


@pytest.mark.behaviour("states.errors.limit")
def test_output_of_exactly_262144_bytes_is_allowed(world, expected):
    text = '"' + "x" * (expected.largest - 2) + '"'
    arn = world.machine({"A": {"Type": "Pass", "End": True}})
    execution = world.sfn.start_execution(stateMachineArn=arn, input=text)["executionArn"]
    assert world.ended(execution)["output"] == text


def test_failure_of_the_cloud_itself_fails_the_task_and_is_in_the_log(world):
    def work(payload):
        raise OSError("the cloud is broken")

    world.function = work
    assert world.run({"A": invoke()})["status"] == "FAILED"
    failures = [e for e in world.log if e.kind == "cloud.error"]
    assert "the cloud is broken" in failures[0]["message"]


@pytest.mark.behaviour("states.errors.path", "states.errors.all")
def test_path_into_nothing_is_a_runtime_error_that_all_does_not_catch(world, expected):
    states = {
        "A": invoke(
            {"Payload.$": "$.nothing"}, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "B"}]
        ),
        "B": {"Type": "Succeed"},
    }
    done = world.run(states)
    assert (done["status"], done["error"]) == ("FAILED", expected.error)
    assert expected.error in expected.terminal


# DynamoDB


KEY = {"order": {"S": "o1"}, "connection": {"S": "c1"}}


def item(operation, **parameters):
    return f"arn:aws:states:::dynamodb:{operation}", {"TableName": "t", **parameters}


@pytest.mark.behaviour("states.dynamodb.missing")
def test_missing_item_succeeds_without_item(world, table):
    resource, parameters = item("getItem", Key=KEY, ConsistentRead=True)
    states = {
        "Get": goes_on(task(resource, Parameters=parameters, ResultPath="$.got"), "There"),
        "There": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.got.Item", "IsPresent": True, "Next": "Yes"}],
            "Default": "No",
        },
        "Yes": {"Type": "Pass", "Result": "yes", "End": True},
        "No": {"Type": "Pass", "Result": "no", "End": True},
    }
    assert world.result(states) == "no"
    table.put_item(TableName="t", Item=KEY)
    assert world.result(states) == "yes"


def update(value):
    return item(
        "updateItem",
        Key=KEY,
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": value},
    )


@pytest.mark.behaviour("states.dynamodb.type")
def test_object_where_dynamodb_wants_a_text_does_not_start_the_task(world, table, expected):
    resource, parameters = update({"S.$": "$.message"})
    done = world.run({"A": task(resource, Parameters=parameters)}, {"message": {"a": 1}})
    assert done["error"] == expected.error
    assert (
        "could not be used to start the Task: [The value for the field 'S' must be a STRING]"
        in (done["cause"])
    )
    assert "Item" not in table.get_item(TableName="t", Key=KEY)
    assert [e for e in world.log if e.kind == "cloud.error"] == []


def test_task_that_cannot_be_started_has_not_failed_but_the_execution_has(world, table):
    resource, parameters = update({"S.$": "$.nothing"})
    done = world.run({"A": task(resource, Parameters=parameters)})
    assert world.types(done["executionArn"]) == [
        "ExecutionStarted",
        "TaskStateEntered",
        "ExecutionFailed",
    ]


def test_path_into_nothing_is_no_error_of_dynamodb(world, table):
    resource, parameters = update({"S.$": "States.JsonToString($.nothing)"})
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}]
    done = world.run({"A": task(resource, Parameters=parameters, Retry=retry)})
    assert done["error"] == "States.Runtime"
    assert len([e for e in world.log if e.kind == "task.failed"]) == 1


def test_put_update_and_delete_change_the_table(world, table):
    put, put_parameters = item("putItem", Item={**KEY, "n": {"N": "1"}})
    update, update_parameters = item(
        "updateItem",
        Key=KEY,
        UpdateExpression="SET n = n + :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="ALL_NEW",
    )
    delete, delete_parameters = item("deleteItem", Key=KEY)
    result = world.result(
        {
            "P": {"Type": "Task", "Resource": put, "Parameters": put_parameters, "Next": "U"},
            "U": {"Type": "Task", "Resource": update, "Parameters": update_parameters,
                  "ResultPath": "$.new", "Next": "D"},
            "D": {"Type": "Task", "Resource": delete, "Parameters": delete_parameters,
                  "ResultPath": None, "End": True},
        }
    )  # fmt: skip
    assert result["new"]["Attributes"]["n"] == {"N": "2"}
    assert "Item" not in table.get_item(TableName="t", Key=KEY)


@pytest.mark.behaviour("states.dynamodb.metadata")
def test_optimised_integration_says_how_the_answer_came_and_the_sdk_does_not(
    world, table, expected
):
    # As in results of AWS that were published; the headers are this cloud's own.
    resource, parameters = update({"S": "x"})
    result = world.result({"A": task(resource, Parameters=parameters)})
    assert list(result) == expected.members
    http = result["SdkHttpMetadata"]
    assert (http["HttpStatusCode"], http["HttpHeaders"]["Content-Length"]) == (200, "2")
    assert http["AllHttpHeaders"] == {name: [value] for name, value in http["HttpHeaders"].items()}
    invoked = world.result({"A": invoke()}, name="invoke")
    assert {"Payload", "SdkHttpMetadata", "SdkResponseMetadata", "StatusCode"} <= set(invoked)
    assert invoked["SdkResponseMetadata"]["RequestId"] != ""
    sdk = task(
        "arn:aws:states:::aws-sdk:dynamodb:getItem", Parameters={"TableName": "t", "Key": KEY}
    )
    assert set(world.result({"A": sdk}, name="sdk")) == {"Item"}


@pytest.mark.behaviour("states.dynamodb.condition")
def test_failed_condition_has_the_name_to_catch(world, table, expected):
    table.put_item(TableName="t", Item=KEY)
    resource, parameters = item(
        "putItem",
        Item=KEY,
        ConditionExpression="attribute_not_exists(#o)",
        ExpressionAttributeNames={"#o": "order"},
    )
    done = world.run({"A": task(resource, Parameters=parameters)})
    assert done["error"] == expected.error


@pytest.mark.behaviour("states.dynamodb.query")
def test_query_is_an_sdk_integration_with_errors_of_its_own_prefix(world, table, expected):
    table.put_item(TableName="t", Item=KEY)
    query = {
        "TableName": "t",
        "KeyConditionExpression": "#o = :o",
        "ExpressionAttributeNames": {"#o": "order"},
        "ExpressionAttributeValues": {":o": {"S": "o1"}},
    }
    resource = "arn:aws:states:::aws-sdk:dynamodb:query"
    assert world.result({"A": task(resource, Parameters=query)})["Items"] == [KEY]
    missing = {"A": task(resource, Parameters={**query, "TableName": "nothing"})}
    done = world.run(missing, name="n")
    assert done["error"] == f"{expected.prefix}ResourceNotFoundException"


# APIs


NOTIFY = {
    "ApiEndpoint": API,
    "Stage": "prod",
    "Path.$": "States.Format('/@connections/{}', $.connection)",
    "Method": "POST",
    "AuthType": "IAM_ROLE",
    "RequestBody": {"status.$": "$.status"},
}


@pytest.mark.behaviour("states.api.notify")
def test_notification_reaches_the_api(world):
    state = task("arn:aws:states:::apigateway:invoke", Parameters=NOTIFY)
    result = world.result({"A": state}, {"connection": "abc=", "status": "DONE"})
    assert (result["StatusCode"], result["StatusText"]) == (200, "OK")
    host, path, method, body, _ = world.requests[0]
    assert (host, path, method) == (API, "/prod/@connections/abc=", "POST")
    assert json.loads(body) == {"status": "DONE"}


@pytest.mark.behaviour("states.api.error")
def test_gone_connection_is_caught_as_410(world, expected):
    world.api_status = 410
    states = {
        "A": task(
            "arn:aws:states:::apigateway:invoke",
            Parameters=NOTIFY,
            Catch=[{"ErrorEquals": [expected.error], "ResultPath": "$.gone", "Next": "B"}],
        ),
        "B": {"Type": "Pass", "End": True},
    }
    result = world.result(states, {"connection": "abc=", "status": "DONE"})
    assert result["gone"] == {"Error": expected.error, "Cause": '{"message":"Gone"}'}


# Choice, Wait, Parallel, Map


def test_wait_runs_on_the_clock_of_the_cloud(world):
    started = time.monotonic()
    world.result({"W": {"Type": "Wait", "Seconds": 600, "End": True}})
    assert 0.5 < time.monotonic() - started < SOON


@pytest.mark.behaviour("states.errors.no-choice")
def test_choice_without_a_match_names_that(world, expected):
    states = {
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "D"}]},
        "D": {"Type": "Succeed"},
    }
    assert world.run(states)["error"] == expected.error


@pytest.mark.parametrize(
    "test",
    [
        {"StringMatches": "*"},
        {"IsNull": False},
        {"IsString": True},
        {"StringEqualsPath": "$.there"},
        {"NumericGreaterThan": 1},
    ],
    ids=lambda test: next(iter(test)),
)
def test_choice_by_what_is_not_there_fails_even_with_a_default(world, test):
    # AWS: "If the state input doesn't contain the $.type field, the execution fails."
    rule = {"Variable": "$.missing.S", **test, "Next": "D"}
    states = {"C": {"Type": "Choice", "Choices": [rule], "Default": "D"}, "D": {"Type": "Succeed"}}
    done = world.run(states, {"there": "x"})
    assert (done["status"], done["error"]) == ("FAILED", "States.Runtime")
    assert "Invalid path '$.missing.S'" in done["cause"]


def test_presence_is_asked_before_the_value(world):
    rules = [
        {"Variable": "$.a", "IsPresent": True},
        {"Variable": "$.a", "StringMatches": "x*"},
    ]
    states = {
        "C": {"Type": "Choice", "Choices": [{"And": rules, "Next": "Yes"}], "Default": "No"},
        "Yes": {"Type": "Pass", "Result": "yes", "End": True},
        "No": {"Type": "Pass", "Result": "no", "End": True},
    }
    assert [world.result(states, given) for given in ({}, {"a": "y"}, {"a": "xy"})] == [
        "no",
        "no",
        "yes",
    ]


def test_parallel_gives_the_results_of_its_branches_in_order(world):
    def branch(result):
        return {
            "StartAt": result,
            "States": {result: {"Type": "Pass", "Result": result, "End": True}},
        }

    states = {"P": {"Type": "Parallel", "Branches": [branch("a"), branch("b")], "End": True}}
    assert world.result(states) == ["a", "b"]


def test_failed_branch_fails_the_whole_and_can_be_caught(world):
    failing = {"StartAt": "X", "States": {"X": {"Type": "Fail", "Error": "Boom", "Cause": "c"}}}
    waiting = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 10**6, "End": True}}}
    states = {
        "P": {
            "Type": "Parallel",
            "Branches": [failing, waiting],
            "Catch": [{"ErrorEquals": ["Boom"], "Next": "B"}],
            "End": True,
        },
        "B": {"Type": "Succeed"},
    }
    assert world.result(states)["Error"] == "Boom"


def test_map_notifies_each_and_one_failure_does_not_hold_up_the_others(world):
    world.function = lambda payload: ValueError("gone") if payload == "b" else payload
    processor = {
        "ProcessorConfig": {"Mode": "INLINE"},
        "StartAt": "N",
        "States": {
            "N": task(FUNCTION, Catch=[{"ErrorEquals": ["ValueError"], "Next": "Lost"}]),
            "Lost": {"Type": "Pass", "Result": "lost", "End": True},
        },
    }
    states = {"M": {"Type": "Map", "ItemsPath": "$.to", "ItemProcessor": processor, "End": True}}
    assert world.result(states, {"to": ["a", "b", "c"]}) == ["a", "lost", "c"]


def within(kind, state):
    """A Map of one item or a Parallel of one branch, with the state in it."""
    machine = {"StartAt": "Inner", "States": {"Inner": state}}
    fields = {"ItemProcessor": machine} if kind == "Map" else {"Branches": [machine]}
    return {"Type": kind, **fields, "End": True}


@pytest.mark.parametrize("kind", ["Map", "Parallel"])
def test_error_of_the_interpreter_within_a_state_is_the_states_error(world, kind):
    # States.ALL does not catch States.Runtime.
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Z"}]
    lost = {"Type": "Pass", "Parameters": {"to.$": "$.nowhere"}, "End": True}
    states = {"M": {**within(kind, lost), "Catch": catch}, "Z": {"Type": "Succeed"}}
    done = world.run(states, [1])
    assert (done["status"], done["error"]) == ("FAILED", "States.Runtime")
    assert done["cause"].startswith("An error occurred while executing the state 'Inner'")
    assert done["cause"].count("An error occurred") == 1
    assert (
        "The JSONPath '$.nowhere' specified for the field 'to.$' could not be found"
        in done["cause"]
    )


@pytest.mark.parametrize("kind", ["Map", "Parallel"])
def test_time_out_within_a_state_can_be_caught_outside_of_it(world, kind):
    waits = waiting_for_a_token(TimeoutSeconds=1)
    catch = [{"ErrorEquals": ["States.Timeout"], "Next": "Z"}]
    states = {"M": {**within(kind, waits), "Catch": catch}, "Z": {"Type": "Succeed"}}
    assert world.result(states, [1])["Error"] == "States.Timeout"


@pytest.mark.parametrize("service", ["dynamodb", "aws-sdk:dynamodb"])
def test_text_in_the_place_of_a_value_of_dynamodb_is_no_start_for_the_task(world, table, service):
    update = {
        "TableName": "t",
        "Key": {"order": {"S": "o"}, "connection": {"S": "c"}},
        "UpdateExpression": "SET n = :n",
        "ExpressionAttributeValues": {":n.$": "$.n"},
    }
    states = {"U": task(f"arn:aws:states:::{service}:updateItem", Parameters=update)}
    done = world.run(states, {"n": "text"})
    assert (done["status"], done["error"]) == ("FAILED", "States.Runtime")
    assert done["cause"].endswith(
        "could not be used to start the Task: [The value for the field ':n' must be an OBJECT]"
    )


DISTRIBUTED = {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}


def distributed(**fields):
    processor = {
        "ProcessorConfig": DISTRIBUTED,
        "StartAt": "N",
        "States": {"N": task(FUNCTION)},
    }
    return {"Type": "Map", "Label": "Each", "ItemProcessor": processor, "End": True, **fields}


@pytest.mark.behaviour("states.executions.distributed")
def test_distributed_map_runs_inside_the_execution_and_that_is_said(world):
    world.function = lambda payload: payload * 2
    assert world.result({"M": distributed(MaxConcurrency=2)}, [1, 2, 3]) == [2, 4, 6]
    (warning,) = [e["message"] for e in world.log if e.kind == "cloud.warning"]
    assert "The Map state M is distributed." in warning


def test_iteration_of_a_distributed_map_that_fails_fails_the_map(world):
    world.function = lambda payload: ValueError("no") if payload == 2 else payload
    assert world.run({"M": distributed()}, [1, 2, 3])["error"] == "ValueError"


@pytest.mark.behaviour("states.executions.distributed-only")
@pytest.mark.parametrize("operation", ["create", "update"])
def test_what_is_not_emulated_is_refused_before_anything_runs(world, operation):
    read = distributed(ItemReader={"Resource": "arn:aws:states:::s3:getObject"})
    arn = world.machine({"A": {"Type": "Succeed"}})
    changed = json.dumps({"StartAt": "M", "States": {"M": read}})
    call = {
        "create": lambda: world.machine({"M": read}, name="n"),
        "update": lambda: world.sfn.update_state_machine(stateMachineArn=arn, definition=changed),
    }
    with pytest.raises(ClientError, match="does not emulate ItemReader of a Map") as refused:
        call[operation]()
    assert refused.value.response["Error"]["Code"] == "NotImplemented"
    assert [m["name"] for m in world.sfn.list_state_machines()["stateMachines"]] == ["m"]


# Task tokens


def waiting_for_a_token(**fields):
    parameters = {"FunctionName": "work", "Payload": {"token.$": "$$.Task.Token"}}
    return task(f"{INVOKE}.waitForTaskToken", Parameters=parameters, **fields)


@pytest.fixture
def tokens(world):
    """The tokens that the function was given, in order."""
    given, arrived = [], threading.Condition()

    def work(payload):
        with arrived:
            given.append(payload["token"])
            arrived.notify_all()
        return {}

    def number(n):
        with arrived:
            assert arrived.wait_for(lambda: len(given) >= n, SOON)
        return given[n - 1]

    world.function = work
    return number


@pytest.fixture
def real_time():
    made = World(speed=1.0)
    yield made
    made.backend.close()


@pytest.mark.behaviour("states.executions.token")
def test_task_goes_on_with_the_output_that_comes_with_its_token(world, tokens):
    arn = world.start({"A": waiting_for_a_token()})
    world.sfn.send_task_success(taskToken=tokens(1), output='{"by":"hand"}')
    assert json.loads(world.ended(arn)["output"]) == {"by": "hand"}


@pytest.mark.behaviour("states.executions.token")
def test_failure_by_token_has_error_and_cause(world, tokens):
    arn = world.start({"A": waiting_for_a_token()})
    world.sfn.send_task_failure(taskToken=tokens(1), error="Refused", cause="no stock")
    done = world.ended(arn)
    assert (done["error"], done["cause"]) == ("Refused", "no stock")


def test_retried_task_has_a_new_token(world, tokens):
    retry = [{"ErrorEquals": ["Again"], "MaxAttempts": 1, "IntervalSeconds": 1}]
    arn = world.start({"A": waiting_for_a_token(Retry=retry)})
    world.sfn.send_task_failure(taskToken=tokens(1), error="Again")
    assert tokens(2) != tokens(1)
    world.sfn.send_task_success(taskToken=tokens(2), output='"second"')
    assert json.loads(world.ended(arn)["output"]) == "second"


@pytest.mark.behaviour("states.executions.token")
def test_token_of_a_task_that_has_gone_on_is_refused(world, tokens, expected):
    arn = world.start({"A": waiting_for_a_token()})
    world.sfn.send_task_success(taskToken=tokens(1), output="{}")
    world.ended(arn)
    with refused_as(expected.error):
        world.sfn.send_task_success(taskToken=tokens(1), output="{}")
    with pytest.raises(world.sfn.exceptions.InvalidToken):
        world.sfn.send_task_success(taskToken="nothing", output="{}")
    with pytest.raises(world.sfn.exceptions.InvalidOutput):
        world.sfn.send_task_success(taskToken="nothing", output="{")


@pytest.mark.behaviour("states.errors.heartbeat")
@pytest.mark.parametrize("place", [0, 1])
def test_task_without_a_heartbeat_is_timed_out(world, tokens, place, expected):
    states = {
        "A": waiting_for_a_token(
            HeartbeatSeconds=60,
            TimeoutSeconds=10**6,
            Catch=[{"ErrorEquals": [expected.names[place]], "Next": "B"}],
        ),
        "B": {"Type": "Succeed"},
    }
    assert world.result(states)["Error"] == "States.Timeout"


# JSONata


@pytest.mark.behaviour("states.executions.jsonata")
def test_jsonata_machine_uses_states_variables_arguments_and_conditions(world):
    world.function = lambda payload: {"price": payload["n"] * 2}
    states = {
        "Work": {
            "Type": "Task",
            "Resource": INVOKE,
            "Arguments": {"FunctionName": "work", "Payload": {"n": "{% $states.input.n %}"}},
            "Assign": {
                "price": "{% $states.result.Payload.price %}",
                "name": "{% $states.context.Execution.Name %}",
            },
            "Output": {"kept": "{% $states.input.n %}"},
            "Next": "Dear",
        },
        "Dear": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $price > 10 %}", "Next": "Yes"}],
            "Default": "No",
        },
        "Yes": {
            "Type": "Pass",
            "Output": "{% {'price': $price, 'in': $states.input, 'n': $length($name)} %}",
            "End": True,
        },
        "No": {"Type": "Fail", "Error": "Cheap"},
    }
    result = world.result(states, {"n": 6}, QueryLanguage="JSONata")
    assert result == {"price": 12, "in": {"kept": 6}, "n": 36}


def test_jsonata_catcher_sees_the_error_output(world):
    world.function = lambda payload: ValueError("no")
    states = {
        "A": {
            "Type": "Task",
            "Resource": INVOKE,
            "Arguments": {"FunctionName": "work", "Payload": {}},
            "Catch": [
                {
                    "ErrorEquals": ["ValueError"],
                    "Output": {"why": "{% $states.errorOutput.Error %}"},
                    "Assign": {"lost": True},
                    "Next": "B",
                }
            ],
            "End": True,
        },
        "B": {
            "Type": "Pass",
            "Output": {"why": "{% $states.input.why %}", "lost": "{% $lost %}"},
            "End": True,
        },
    }
    assert world.result(states, QueryLanguage="JSONata") == {"why": "ValueError", "lost": True}


@pytest.mark.behaviour("states.executions.jsonata")
def test_jsonata_that_has_no_value_is_a_query_evaluation_error(world, expected):
    states = {"A": {"Type": "Pass", "Output": "{% $states.input.nothing %}", "End": True}}
    done = world.run(states, QueryLanguage="JSONata")
    assert (done["status"], done["error"]) == ("FAILED", expected.error)
    assert "$states.input.nothing" in done["cause"]


def test_variables_are_there_in_jsonpath_too(world):
    states = {
        "A": {"Type": "Pass", "Assign": {"order.$": "$.order", "fixed": 1}, "Next": "B"},
        "B": {"Type": "Pass", "Parameters": {"id.$": "$order.id", "f.$": "$fixed"}, "End": True},
    }
    assert world.result(states, {"order": {"id": "o1"}}) == {"id": "o1", "f": 1}


def test_intrinsic_functions_work(world):
    parameters = {
        "text.$": "States.Format('{}!', $.a)",
        "json.$": "States.StringToJson($.j)",
        "sum.$": "States.MathAdd($.n, 1)",
    }
    states = {"A": {"Type": "Pass", "Parameters": parameters, "End": True}}
    assert world.result(states, {"a": "hi", "j": '{"x":1}', "n": 2}) == {
        "text": "hi!",
        "json": {"x": 1},
        "sum": 3,
    }


# Redrive


@pytest.mark.behaviour("states.executions.redrive")
def test_redriven_execution_goes_on_with_the_state_that_failed(world):
    fails = iter([True, False])

    def work(payload):
        return ValueError("not yet") if next(fails) else {"got": payload}

    world.function = work
    states = {
        "A": {
            "Type": "Pass",
            "Assign": {"kept.$": "$.order"},
            "ResultPath": "$.copy",
            "Next": "B",
        },
        "B": goes_on(task(FUNCTION), "C"),
        "C": {
            "Type": "Pass",
            "Parameters": {
                "b.$": "$",
                "kept.$": "$kept",
                "count.$": "$$.Execution.RedriveCount",
                "time.$": "$$.Execution.RedriveTime",
                "input.$": "$$.Execution.Input",
            },
            "End": True,
        },
    }
    failed = world.run(states, {"order": 7})
    assert (failed["redriveStatus"], failed["redriveCount"]) == ("REDRIVABLE", 0)
    arn = failed["executionArn"]
    before = world.types(arn)
    since = world.log.last
    date = world.sfn.redrive_execution(executionArn=arn)["redriveDate"]
    world.log.wait(
        lambda e: e.seq > since and e.kind == "execution.ended" and e["execution"] == arn,
        timeout=SOON,
    )
    done = world.sfn.describe_execution(executionArn=arn)
    assert done.get("cause") is None, done["cause"]
    assert done["status"] == "SUCCEEDED"
    assert (done["redriveCount"], done["redriveDate"]) == (1, date)
    assert "error" not in done
    assert "SUCCEEDED and cannot be redriven" in done["redriveStatusReason"]
    output = json.loads(done["output"])
    moment = output.pop("time")
    assert time.strptime(moment, f"%Y-%m-%dT%H:%M:%S.{moment[20:23]}Z")
    assert output == {
        "b": {"got": {"order": 7, "copy": {"order": 7}}},
        "kept": 7,
        "count": 1,
        "input": {"order": 7},
    }
    # The history goes on; A did not run again.
    assert world.types(arn)[: len(before) + 2] == [*before, "ExecutionRedriven", "TaskStateEntered"]
    events = world.sfn.get_execution_history(executionArn=arn)["events"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert events[len(before)]["executionRedrivenEventDetails"] == {"redriveCount": 1}
    (listed,) = world.sfn.list_executions(stateMachineArn=done["stateMachineArn"])["executions"]
    assert (listed["status"], listed["redriveCount"]) == ("SUCCEEDED", 1)


def test_execution_that_fails_again_can_be_redriven_again(world):
    world.function = lambda payload: ValueError("never")
    arn = world.run({"A": task(FUNCTION)})["executionArn"]
    for count in (1, 2):
        again = world.redriven(arn)
        assert (again["status"], again["error"], again["redriveCount"]) == (
            "FAILED",
            "ValueError",
            count,
        )


def test_stopped_execution_goes_on_and_can_be_stopped_again(world):
    arn = world.start({"W": {"Type": "Wait", "Seconds": 10**6, "End": True}})
    world.sfn.stop_execution(executionArn=arn)
    world.sfn.redrive_execution(executionArn=arn)
    running = world.sfn.describe_execution(executionArn=arn)
    assert (running["status"], "stopDate" in running) == ("RUNNING", False)
    with pytest.raises(world.sfn.exceptions.ExecutionNotRedrivable, match="RUNNING"):
        world.sfn.redrive_execution(executionArn=arn)
    world.sfn.stop_execution(executionArn=arn)
    assert world.sfn.describe_execution(executionArn=arn)["status"] == "ABORTED"


class Fails:
    """A function that fails once for each failure that is planned, and otherwise tells its caller.

    Args:
        world: in which it is the function.
        *failures: who is failed, by ``who`` in the payload, and the events that come before that.
    """

    def __init__(self, world, *failures):
        self._world, self._failures, self._calls = world, list(failures), []
        self._seen = set()
        world.function = self

    def __call__(self, payload):
        who = payload["who"]
        self._calls.append(who)
        self._world.log.append("function.called", None, who=who)
        planned = [each for each in self._failures if each[0] == who]
        if not planned:
            return {"by": who}
        self._failures.remove(planned[0])
        for kind, data in planned[0][1]:
            self._comes(kind, data)
        return ValueError("not yet")

    def _comes(self, kind, data):
        """Wait for an event that was not waited for before."""
        event = self._world.log.wait(
            lambda e: e.kind == kind and e.seq not in self._seen and data.items() <= e.data.items(),
            timeout=SOON,
        )
        self._seen.add(event.seq)

    def calls(self):
        """Who called since this was asked last, sorted."""
        calls, self._calls = self._calls, []
        return sorted(calls)


def left(*names):
    return [("state.exited", {"state": name}) for name in names]


def iterated(*indexes):
    return [("iteration.ended", {"index": index, "status": "SUCCEEDED"}) for index in indexes]


def called(who, **fields):
    return task(FUNCTION, Parameters={"who": who}, **fields)


def part(states):
    return {"StartAt": next(iter(states)), "States": states}


def parallel(*branches, **fields):
    return {"Type": "Parallel", "Branches": [*map(part, branches)], "End": True, **fields}


def each(states, **fields):
    selector = {"who.$": "$$.Map.Item.Value"}
    return {
        "Type": "Map",
        "ItemProcessor": part(states),
        "ItemSelector": selector,
        "End": True,
        **fields,
    }


def since_redrive(world, arn):
    """Of the history since the last redrive: all types, and the states that were entered."""
    pages = world.sfn.get_paginator("get_execution_history").paginate(executionArn=arn)
    events = [event for page in pages for event in page["events"]]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    types = [event["type"] for event in events]
    first = len(types) - types[::-1].index("ExecutionRedriven")
    details = [event.get("stateEnteredEventDetails") for event in events[first:]]
    return types[first:], [entered["name"] for entered in details if entered]


@pytest.mark.behaviour("states.executions.redrive-branches")
def test_redriven_parallel_runs_only_the_branch_that_failed_from_where_it_failed(world):
    function = Fails(world, ("b2", left("A", "C2")))
    branches = (
        {"A": called("a")},
        {
            "B1": goes_on(called("b1"), "B2"),
            "B2": goes_on(called("b2", ResultPath="$.b2"), "B3"),
            "B3": {"Type": "Pass", "End": True},
        },
        {"C1": goes_on(called("c1"), "C2"), "C2": {"Type": "Pass", "End": True}},
    )
    states = {
        "P": goes_on(parallel(*branches, ResultPath="$.results"), "Z"),
        "Z": {"Type": "Succeed"},
    }
    failed = world.run(states, {"order": 7})
    assert (failed["status"], failed["error"]) == ("FAILED", "ValueError")
    assert function.calls() == ["a", "b1", "b2", "c1"]
    done = world.redriven(failed["executionArn"])
    assert (done["status"], done["redriveCount"]) == ("SUCCEEDED", 1)
    assert function.calls() == ["b2"]
    results = [{"by": "a"}, {"by": "b1", "b2": {"by": "b2"}}, {"by": "c1"}]
    assert json.loads(done["output"]) == {"order": 7, "results": results}
    assert since_redrive(world, failed["executionArn"])[1] == ["P", "B2", "B3", "Z"]
    entered = [e["state"] for e in world.log.after(0) if e.kind == "state.entered"]
    assert (entered.count("A"), entered.count("B2")) == (1, 2)


@pytest.mark.behaviour("states.executions.redrive-branches")
def test_branch_that_succeeds_in_a_redrive_does_not_run_in_the_next(world):
    function = Fails(
        world,
        ("a", [*left("C"), ("function.called", {"who": "b"})]),
        ("b", [("execution.ended", {})]),
        ("b", left("A")),
    )
    branches = ({"A": called("a")}, {"B": called("b")}, {"C": called("c")})
    arn = world.run({"P": parallel(*branches)})["executionArn"]
    assert function.calls() == ["a", "b", "c"]
    again = world.redriven(arn)
    assert (again["status"], again["redriveCount"]) == ("FAILED", 1)
    assert function.calls() == ["a", "b"]
    done = world.redriven(arn)
    assert (done["status"], done["redriveCount"]) == ("SUCCEEDED", 2)
    assert json.loads(done["output"]) == [{"by": "a"}, {"by": "b"}, {"by": "c"}]
    assert function.calls() == ["b"]
    assert since_redrive(world, arn)[1] == ["P", "B"]


@pytest.mark.behaviour("states.executions.redrive-branches")
@pytest.mark.parametrize(
    ("most", "kept", "run"), [(0, (0, 2), ["b"]), (2, (0, 2), ["b"]), (1, (0,), ["b", "c"])]
)
def test_redriven_map_runs_only_the_iterations_that_did_not_succeed(world, most, kept, run):
    function = Fails(world, ("b", iterated(*kept)))
    number = {"by.$": "$.by", "n.$": "$$.Map.Item.Index"}
    mapped = each(
        {
            "N": goes_on(task(FUNCTION), "T"),
            "T": {"Type": "Pass", "Parameters": number, "End": True},
        },
        MaxConcurrency=most,
        ItemsPath="$.to",
        ResultSelector={"all.$": "$"},
        ResultPath="$.results",
    )
    arn = world.run({"M": mapped}, {"to": ["a", "b", "c"]})["executionArn"]
    assert function.calls() == sorted({"a", "b", "c"} - ({"c"} if most == 1 else set()))
    done = world.redriven(arn)
    assert done["status"] == "SUCCEEDED", done["cause"]
    assert function.calls() == run
    results = [{"by": who, "n": n} for n, who in enumerate("abc")]
    assert json.loads(done["output"])["results"] == {"all": results}
    types, entered = since_redrive(world, arn)
    assert entered == ["M", *["N", "T"] * len(run)]
    for event in ("MapIterationStarted", "MapIterationSucceeded"):
        assert types.count(event) == len(run)


@pytest.mark.behaviour("states.executions.redrive-branches")
@pytest.mark.parametrize("kind", ["Map", "Parallel"])
def test_retry_runs_all_branches_in_a_redriven_execution_too(world, kind):
    before = iterated(0) if kind == "Map" else left("A")
    function = Fails(world, ("b", before), ("b", before), ("b", []))
    retry = [{"ErrorEquals": ["ValueError"], "MaxAttempts": 1}]
    if kind == "Map":
        state = each({"N": task(FUNCTION)}, Retry=retry)
    else:
        state = parallel({"A": called("a")}, {"B": called("b")}, Retry=retry)
    failed = world.run({"M": state}, ["a", "b"])
    assert (failed["status"], function.calls()) == ("FAILED", ["a", "a", "b", "b"])
    done = world.redriven(failed["executionArn"])
    assert json.loads(done["output"]) == [{"by": "a"}, {"by": "b"}]
    # The redrive runs b alone; when that fails, its Retry begins anew and runs both.
    assert function.calls() == ["a", "b", "b"]


@pytest.mark.behaviour("states.executions.redrive-branches")
def test_results_that_a_branch_caught_or_tried_again_are_kept(world):
    function = Fails(world, ("a", []), ("b", []), ("c", left("Lost", "B")))
    catch = [{"ErrorEquals": ["ValueError"], "ResultPath": "$.error", "Next": "Lost"}]
    lost = {"Type": "Pass", "Parameters": {"lost.$": "$.error.Error"}, "End": True}
    branches = (
        {"A": called("a", Catch=catch), "Lost": lost},
        {"B": called("b", Retry=[{"ErrorEquals": ["ValueError"], "MaxAttempts": 1}])},
        {"C": called("c")},
    )
    failed = world.run({"P": parallel(*branches)})
    assert function.calls() == ["a", "b", "b", "c"]
    done = world.redriven(failed["executionArn"])
    assert json.loads(done["output"]) == [{"lost": "ValueError"}, {"by": "b"}, {"by": "c"}]
    assert function.calls() == ["c"]


@pytest.mark.behaviour("states.executions.redrive-branches")
def test_map_in_a_branch_goes_on_with_its_own_iterations_and_variables(world):
    function = Fails(world, ("two", [*left("A"), *iterated(0)]))
    branch = {
        "Keep": {"Type": "Pass", "Assign": {"kept": 1}, "Next": "M"},
        "M": goes_on(each({"N": task(FUNCTION)}, ItemsPath="$.to"), "Got"),
        "Got": {"Type": "Pass", "Parameters": {"k.$": "$kept", "by.$": "$[*].by"}, "End": True},
    }
    failed = world.run({"P": parallel({"A": called("a")}, branch)}, {"to": ["one", "two"]})
    assert function.calls() == ["a", "one", "two"]
    done = world.redriven(failed["executionArn"])
    assert json.loads(done["output"]) == [{"by": "a"}, {"k": 1, "by": ["one", "two"]}]
    assert function.calls() == ["two"]
    assert since_redrive(world, failed["executionArn"])[1] == ["P", "M", "N", "Got"]


@pytest.mark.behaviour("states.executions.redrive-branches")
def test_parallel_that_is_entered_once_more_after_a_redrive_runs_all_its_branches(world):
    function = Fails(world, ("b", left("A")))
    again = {"Variable": "$.again", "IsPresent": True, "Next": "Z"}
    states = {
        "P": goes_on(parallel({"A": called("a")}, {"B": called("b")}, ResultPath="$.p"), "C"),
        "C": {"Type": "Choice", "Choices": [again], "Default": "Mark"},
        "Mark": {"Type": "Pass", "Result": True, "ResultPath": "$.again", "Next": "P"},
        "Z": {"Type": "Succeed"},
    }
    failed = world.run(states)
    assert function.calls() == ["a", "b"]
    assert world.redriven(failed["executionArn"])["status"] == "SUCCEEDED"
    assert function.calls() == ["a", "b", "b"]


@pytest.mark.behaviour("states.executions.redrive-branches")
def test_stopped_execution_goes_on_in_the_branch_that_was_at_work(world):
    function = Fails(world)
    waits = {"W": {"Type": "Wait", "Seconds": 10**6, "Next": "B"}, "B": called("b")}
    arn = world.start({"P": parallel({"A": called("a")}, waits)})
    for kind, state in (("state.exited", "A"), ("state.entered", "W")):
        world.log.wait(
            lambda e, kind=kind, state=state: e.kind == kind and e["state"] == state, timeout=SOON
        )
    world.sfn.stop_execution(executionArn=arn)
    world.faults.add("state.wait", "drop", state="W")
    done = world.redriven(arn)
    assert json.loads(done["output"]) == [{"by": "a"}, {"by": "b"}]
    assert function.calls() == ["a", "b"]
    assert since_redrive(world, arn)[1] == ["P", "W", "B"]


@pytest.mark.behaviour("states.executions.redrive")
def test_choice_that_was_made_is_not_made_again(world):
    function = Fails(world, ("a", []))
    states = {
        "C": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.o", "IsPresent": True, "Next": "A"}],
        },
        "A": called("a"),
    }
    failed = world.run(states, {"o": 1})
    done = world.redriven(failed["executionArn"])
    assert (done["status"], function.calls()) == ("SUCCEEDED", ["a", "a"])
    assert since_redrive(world, failed["executionArn"])[1] == ["A"]


def test_execution_that_a_redriven_one_starts_begins_as_any_other(world):
    inner = world.machine({"I": {"Type": "Pass", "End": True}}, name="inner")
    started = []

    def start(payload):
        answer = world.sfn.start_execution(stateMachineArn=inner, input="{}")
        started.append(answer["executionArn"])
        return ValueError("not yet") if len(started) == 1 else {}

    world.function = start
    failed = world.run({"A": task(FUNCTION)})
    assert world.redriven(failed["executionArn"])["status"] == "SUCCEEDED"
    done = world.ended(started[1])
    assert (done["status"], done["redriveCount"]) == ("SUCCEEDED", 0)
    expected = ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
    assert world.types(started[1]) == expected


@pytest.mark.behaviour("states.executions.not-redrivable", "states.executions.not-redrivable-words")
def test_execution_that_succeeded_is_not_redriven(world, expected):
    arn = world.run({"A": {"Type": "Succeed"}})["executionArn"]
    with refused_as(expected.error, f"Execution {arn}{expected.words}"):
        world.sfn.redrive_execution(executionArn=arn)


# Express


def express(world, states, *, name="x", **top):
    definition = {"StartAt": next(iter(states)), "States": states, **top}
    answer = world.sfn.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=ROLE, type="EXPRESS"
    )
    return answer["stateMachineArn"]


@pytest.mark.behaviour("states.express.sync")
def test_sync_execution_answers_with_the_output(world, table):
    resource, parameters = item("putItem", Item={**KEY, "n": {"N": "1"}})
    states = {
        "Put": goes_on(task(resource, Parameters=parameters, ResultPath=None), "Work"),
        "Work": task(FUNCTION),
    }
    world.function = lambda payload: {"got": payload}
    arn = express(world, states)
    done = world.sfn.start_sync_execution(stateMachineArn=arn, name="order-1", input='{"a": 1}')
    assert done["status"] == "SUCCEEDED"
    assert json.loads(done["output"]) == {"got": {"a": 1}}
    # As in an answer of AWS that was published.
    assert done["billingDetails"]["billedDurationInMilliseconds"] % 100 == 0
    assert done["billingDetails"]["billedMemoryUsedInMB"] == 64
    assert (done["input"], done["name"], done["stateMachineArn"]) == ('{"a": 1}', "order-1", arn)
    assert done["inputDetails"] == done["outputDetails"] == {"included": True}
    assert done["stopDate"] >= done["startDate"]
    kind, machine, name, unique = done["executionArn"].split(":")[5:]
    assert (kind, machine, name, len(unique)) == ("express", "x", "order-1", 36)
    assert table.get_item(TableName="t", Key=KEY)["Item"]["n"] == {"N": "1"}


@pytest.mark.behaviour("states.express.sync")
def test_failed_sync_execution_is_answered_with_200_and_its_error(world, expected):
    arn = express(world, {"A": {"Type": "Fail", "Error": "NoStock", "Cause": "sold out"}})
    done = world.sfn.start_sync_execution(stateMachineArn=arn)
    assert done["ResponseMetadata"]["HTTPStatusCode"] == expected.status
    assert (done["status"], done["error"], done["cause"]) == ("FAILED", "NoStock", "sold out")
    assert "output" not in done


@pytest.mark.behaviour("states.express.longest")
def test_express_execution_ends_after_five_minutes(world):
    arn = express(world, {"W": {"Type": "Wait", "Seconds": 10**6, "End": True}})
    started = time.monotonic()
    done = world.sfn.start_sync_execution(stateMachineArn=arn)
    assert done["status"] == "TIMED_OUT"
    assert 0.3 <= time.monotonic() - started < SOON  # 300 s at the speed of this world


@pytest.mark.behaviour("states.express.names")
def test_express_executions_of_one_name_are_many_and_are_kept_nowhere(world, expected):
    arn = express(
        world, {"A": {"Type": "Pass", "Parameters": {"n.$": "$$.Execution.Name"}, "End": True}}
    )
    begin = {"stateMachineArn": arn, "name": "order-1"}
    first, second = (world.sfn.start_execution(**begin)["executionArn"] for _ in range(2))
    assert first != second
    for execution in (first, second):
        world.log.wait(
            lambda e, arn=execution: e.kind == "execution.ended" and e["execution"] == arn,
            timeout=SOON,
        )
    started = [e for e in world.log if e.kind == "execution.started"]
    assert [(e["name"], e["machine"]) for e in started] == [("order-1", "x")] * 2
    # The words are those of answers of AWS that were published.
    calls = [
        world.sfn.describe_execution,
        world.sfn.get_execution_history,
        world.sfn.stop_execution,
        world.sfn.describe_state_machine_for_execution,
    ]
    for call in calls:
        with refused_as(
            expected.describe, "Invalid Arn: 'Resource type not valid in this context: express'"
        ):
            call(executionArn=first)
    with refused_as(expected.list, "This operation is not supported by this type of state machine"):
        world.sfn.list_executions(stateMachineArn=arn)


@pytest.mark.behaviour("states.express.standard")
def test_standard_machine_has_no_sync_execution(world, expected):
    arn = world.machine({"A": {"Type": "Succeed"}})
    with refused_as(expected.error):
        world.sfn.start_sync_execution(stateMachineArn=arn)


@pytest.mark.behaviour("states.express.no-token")
@pytest.mark.parametrize("operation", ["create", "update"])
def test_task_token_in_an_express_machine_is_refused(world, operation, expected):
    waits = {"A": task(f"{INVOKE}.waitForTaskToken", Parameters={"FunctionName": "work"})}
    changed = json.dumps({"StartAt": "A", "States": waits})
    arn = express(world, {"A": {"Type": "Succeed"}})
    call = {
        "create": lambda: express(world, waits, name="y"),
        "update": lambda: world.sfn.update_state_machine(stateMachineArn=arn, definition=changed),
    }
    with refused_as("InvalidDefinition", expected.words):
        call[operation]()


@pytest.fixture
def slower():
    made = World(speed=50)
    yield made
    made.backend.close()


async def test_sync_executions_leave_the_threads_to_the_calls_that_they_make(slower):
    arn = express(
        slower,
        {
            "W": {"Type": "Wait", "Seconds": 10, "Next": "List"},
            "List": task("arn:aws:states:::aws-sdk:dynamodb:listTables", Parameters={}),
        },
    )
    loop = asyncio.get_running_loop()

    def dispatch(request):
        answer = asyncio.run_coroutine_threadsafe(slower.backend.answer(request), loop)
        return answer.result(SOON)

    slower.dispatch = dispatch
    target = "AWSStepFunctions.StartSyncExecution"
    request = AwsRequest(
        method="POST",
        service="states",
        region=REGION,
        path="/",
        headers=Headers({"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}),
        body=json.dumps({"stateMachineArn": arn}).encode(),
    )
    answers = await asyncio.wait_for(
        asyncio.gather(*(slower.backend.answer(request) for _ in range(THREADS + 8))), 2 * SOON
    )
    assert {json.loads(answer.body)["status"] for answer in answers} == {"SUCCEEDED"}


# The event log and the fault seam


def test_log_tells_what_caused_what(world):
    arn = world.start({"A": goes_on(invoke(), "B"), "B": {"Type": "Succeed"}})
    world.ended(arn)
    events = [e for e in world.log if e.get("execution") == arn]
    assert [e.kind for e in events] == [
        "execution.started",
        "state.entered",
        "state.exited",
        "state.entered",
        "state.exited",
        "execution.ended",
    ]
    assert len({e.trace for e in events}) == 1
    assert [e.cause for e in events[1:]] == [e.seq for e in events[:-1]]
    call = next(c for c in world.calls if c.service == "lambda")
    assert call.trace == Trace(events[0].trace, events[1].seq)


def test_execution_belongs_to_the_trace_of_the_call_that_started_it(world):
    trace = Trace.new().after(world.log.append("aws.call", service="test").seq)
    arn = world.machine({"A": {"Type": "Succeed"}})
    answer = world.backend.call(
        AwsRequest(
            method="POST",
            service="states",
            region=REGION,
            path="/",
            headers=Headers(
                {
                    "X-Amz-Target": "AWSStepFunctions.StartExecution",
                    "Content-Type": "application/x-amz-json-1.0",
                    "X-Amzn-Trace-Id": trace.header,
                }
            ),
            body=json.dumps({"stateMachineArn": arn}).encode(),
        )
    )
    execution = json.loads(answer.body)["executionArn"]
    started = world.log.wait(lambda e: e.get("execution") == execution, timeout=SOON)
    assert (started.trace, started.cause) == (trace.root, trace.cause)


def test_failed_task_is_in_the_log_with_its_state(world):
    world.function = lambda payload: ValueError("no")
    world.run({"A": invoke()})
    failed = next(e for e in world.log if e.kind == "task.failed")
    assert (failed["state"], failed["error"]) == ("A", "ValueError")
    ended = next(e for e in world.log if e.kind == "execution.ended")
    assert (ended["status"], ended["error"]) == ("FAILED", "ValueError")


def test_each_retry_and_the_catch_that_ends_them_are_in_the_log(world):
    world.function = lambda payload: ValueError("no")
    retry = [{"ErrorEquals": ["ValueError"], "MaxAttempts": 2, "IntervalSeconds": 1}]
    catch = [{"ErrorEquals": ["ValueError"], "Next": "B"}]
    world.run({"A": invoke(Retry=retry, Catch=catch), "B": {"Type": "Succeed"}})
    entered = next(e for e in world.log if e.kind == "state.entered")
    told = [(e.kind, e.get("attempt"), e.get("error")) for e in world.log if e.cause == entered.seq]
    failed = ("task.failed", None, "ValueError")
    assert told == [
        failed,
        ("state.retried", 2, "ValueError"),
        failed,
        ("state.retried", 3, "ValueError"),
        failed,
        ("state.caught", None, "ValueError"),
        ("state.exited", None, None),
    ]
    caught = next(e for e in world.log if e.kind == "state.caught")
    assert (caught["state"], json.loads(caught["cause"])["errorMessage"]) == ("A", "no")


@pytest.mark.parametrize("most", [1, 2, 0])
def test_iterations_are_in_the_log_with_their_index_and_what_they_belong_to(world, most):
    inner = {"StartAt": "In", "States": {"In": {"Type": "Pass", "End": True}}}
    outer = {
        "StartAt": "Check",
        "States": {
            "Check": {"Type": "Pass", "Next": "Each"},
            "Each": {"Type": "Map", "MaxConcurrency": most, "ItemProcessor": inner, "End": True},
        },
    }
    states = {
        "All": {"Type": "Map", "MaxConcurrency": most, "ItemProcessor": outer, "Next": "Z"},
        "Z": {"Type": "Succeed"},
    }
    world.run(states, [["a", "b"], ["c"]])
    events = {e.seq: e for e in world.log}

    def around(event):
        """The state that an entered one is in: what follows a state is beside it."""
        cause = events[event.cause]
        if cause.kind == "state.exited":
            cause = events[events[cause.cause].cause]
            return cause if cause.kind == "state.entered" else None
        return cause

    def entered(name):
        return [e for e in world.log if e.kind == "state.entered" and e["state"] == name]

    (whole,) = entered("All")
    assert [e.get("iteration") for e in (whole, *entered("Z"))] == [None, None]
    assert sorted(e["iteration"] for e in entered("Check")) == [0, 1]
    assert {around(e).seq for e in [*entered("Check"), *entered("Each")]} == {whole.seq}
    within = sorted((around(e)["iteration"], e["iteration"]) for e in entered("In"))
    assert within == [(0, 0), (0, 1), (1, 0)]
    assert {around(e)["state"] for e in entered("In")} == {"Each"}
    ends = [e for e in world.log if e.kind == "iteration.ended"]
    assert {e["status"] for e in ends} == {"SUCCEEDED"}
    assert sorted(e["index"] for e in ends if e.cause == whole.seq) == [0, 1]
    assert len(ends) == 5
    started = [
        (events[e.cause]["state"], e["length"]) for e in world.log if e.kind == "map.started"
    ]
    assert sorted(started) == [("All", 2), ("Each", 1), ("Each", 2)]


def test_iteration_that_fails_is_in_the_log_and_so_is_the_catch_around_it(world):
    failing = {"Type": "Fail", "Error": "Boom", "Cause": "why"}
    catch = [{"ErrorEquals": ["Boom"], "Next": "B"}]
    states = {"M": {**within("Map", failing), "Catch": catch}, "B": {"Type": "Succeed"}}
    world.run(states, [1])
    (ended,) = (e for e in world.log if e.kind == "iteration.ended")
    assert (ended["state"], ended["index"], ended["status"]) == ("M", 0, "FAILED")
    (caught,) = (e for e in world.log if e.kind == "state.caught")
    assert (caught["state"], caught["error"], caught["cause"]) == ("M", "Boom", "why")


def test_fault_at_a_state_is_a_failure_that_retry_handles(world):
    world.faults.add("state.enter", "error", state="A", code="Struck")
    retry = [{"ErrorEquals": ["Struck"], "IntervalSeconds": 1}]
    assert world.run({"A": invoke(Retry=retry)})["status"] == "SUCCEEDED"
    assert [e["error"] for e in world.log if e.kind == "task.failed"] == ["Struck"]


def test_fault_at_a_state_without_retry_fails_the_execution(world):
    world.faults.add("state.enter", "error", state="A", machine="m", code="Struck")
    assert world.run({"A": {"Type": "Pass", "End": True}})["error"] == "Struck"


def test_delay_at_a_state_takes_real_seconds(world):
    world.faults.add("state.enter", "delay", seconds=0.3)
    started = time.monotonic()
    world.result({"A": {"Type": "Pass", "End": True}})
    assert 0.3 <= time.monotonic() - started < SOON


def test_retries_and_waits_can_be_told_not_to_wait(real_time):
    real_time.faults.add("state.wait", "drop", times=None, machine="m")
    real_time.faults.add("state.enter", "error", state="A", code="Struck", times=3)
    retry = [{"ErrorEquals": ["Struck"], "IntervalSeconds": 30, "BackoffRate": 2}]
    states = {"A": goes_on(invoke(Retry=retry), "W"), "W": {"Type": "Wait", "Seconds": 600}}
    started = time.monotonic()
    real_time.result({**states, "W": {**states["W"], "End": True}})
    assert time.monotonic() - started < SOON
    dropped = [e for e in real_time.log if e.get("step") == "state.wait"]
    assert [(e["state"], e["seconds"]) for e in dropped] == [
        ("A", 30),
        ("A", 60),
        ("A", 120),
        ("W", 600),
    ]


# The end


def test_close_ends_the_threads_of_executions_that_wait(real_time):
    for name in ("a", "b"):
        real_time.start(
            {
                "P": {
                    "Type": "Parallel",
                    "Branches": [
                        {
                            "StartAt": "W",
                            "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}},
                        }
                    ],
                    "End": True,
                }
            },
            name=name,
        )
    real_time.log.wait(
        lambda e: e.kind == "state.entered" and e["state"] == "W" and ":b:" in e["execution"],
        timeout=SOON,
    )
    assert [t for t in threading.enumerate() if t.name.startswith("labkit-execution")]
    started = time.monotonic()
    real_time.backend.close()
    assert time.monotonic() - started < 2
    left = [t for t in threading.enumerate() if t.name.startswith("labkit-")]
    for thread in left:  # one that was being started when the end came ends by itself
        thread.join(SOON)
    assert not [t for t in left if t.is_alive()]


def test_reset_forgets_machines_and_stops_executions(world):
    arn = world.start({"W": {"Type": "Wait", "Seconds": 10**6, "End": True}})
    world.backend.reset()
    sfn = world.backend.client("stepfunctions", REGION, ACCOUNT)
    with pytest.raises(ClientError, match="ExecutionDoesNotExist"):
        sfn.describe_execution(executionArn=arn)
    assert sfn.list_state_machines()["stateMachines"] == []


def test_time_that_a_state_was_entered_compares_with_a_stored_time(world):
    # The States Language: timestamps conform to RFC 3339, so fractions and offsets are allowed.
    choice = {
        "Type": "Choice",
        "Choices": [
            {
                "Variable": "$$.State.EnteredTime",
                "TimestampLessThanPath": "$.until",
                "Next": "Early",
            }
        ],
        "Default": "Late",
    }
    states = {
        "When": choice,
        "Early": {"Type": "Pass", "Result": "early", "End": True},
        "Late": {"Type": "Pass", "Result": "late", "End": True},
    }
    assert world.result(states, {"until": "2100-01-01T00:00:00Z"}, name="a") == "early"
    assert world.result(states, {"until": "2100-01-01T00:00:00.5+02:00"}, name="b") == "early"
    assert world.result(states, {"until": "2001-01-01T00:00:00Z"}, name="c") == "late"


# -- services with names in camelCase --------------------------------------------------------------


def inner(world):
    made = {"I": {"Type": "Pass", "Result": {"inner": True}, "End": True}}
    return world.machine(made, name="inner")


@pytest.mark.behaviour("states.executions.member-names")
@pytest.mark.parametrize("resource", ["states:startExecution", "aws-sdk:sfn:startExecution"])
def test_task_starts_another_execution(world, resource):
    parameters = {"StateMachineArn": inner(world), "Name": "n", "Input": "{}"}
    done = world.run({"A": task(f"arn:aws:states:::{resource}", Parameters=parameters)})
    assert done["status"] == "SUCCEEDED", done.get("cause")
    arn = json.loads(done["output"])["ExecutionArn"]
    assert world.ended(arn)["name"] == "n"


def test_task_waits_for_another_execution_and_gets_its_output(world):
    parameters = {"StateMachineArn": inner(world), "Input": {"o": 1}}
    resource = "arn:aws:states:::states:startExecution.sync:2"
    done = world.run({"A": task(resource, Parameters=parameters)})
    assert done["status"] == "SUCCEEDED", done.get("cause")
    output = json.loads(done["output"])
    assert (output["Status"], output["Input"], output["Output"]) == (
        "SUCCEEDED",
        {"o": 1},
        {"inner": True},
    )


def test_names_within_lists_of_an_answer_are_those_of_a_state_machine(world):
    arn = inner(world)
    listed = task("arn:aws:states:::aws-sdk:sfn:listStateMachines", Parameters={})
    output = json.loads(world.run({"A": listed})["output"])
    assert arn in [machine["StateMachineArn"] for machine in output["StateMachines"]]
