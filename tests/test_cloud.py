"""The parts together: who reaches whom, and that the cloud goes on whatever fails."""

from __future__ import annotations

import json
import socket
import struct
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
import websocket
from botocore.exceptions import ClientError

from labkit import package
from labkit.attached import AttachedCloud
from labkit.lab import Lab, running
from labkit.resources import permission, role
from tests.fidelity.plugin import Values

DEADLINE = 20.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


# -- a state machine, an HTTP API and a function --------------------------------------------------

ANSWER = b"""
import json

def handler(event, context):
    query = event.get("queryStringParameters") or {}
    seen = {name: event[name] for name in ("rawPath", "rawQueryString", "pathParameters")}
    seen |= {"body": json.loads(event["body"]), "stage": event["requestContext"]["stage"]}
    return {"statusCode": int(query.get("status", 200)), "body": json.dumps(seen)}
"""


@pytest.fixture(scope="module")
def http_api(lab: Lab) -> str:
    """The id of an API with the stages ``prod`` and ``$default``, whose function says what it got."""
    role = boto3.client("iam").create_role(RoleName="http", AssumeRolePolicyDocument="{}")
    function = boto3.client("lambda").create_function(
        FunctionName="answer",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="answer.handler",
        Code={"ZipFile": package({"answer.py": ANSWER})},
    )
    apis = boto3.client("apigatewayv2")
    api: str = apis.create_api(Name="answer", ProtocolType="HTTP")["ApiId"]
    integration = apis.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationUri=function["FunctionArn"],
        PayloadFormatVersion="2.0",
    )
    target = f"integrations/{integration['IntegrationId']}"
    apis.create_route(ApiId=api, RouteKey="POST /things/{id}", Target=target)
    permission(function["FunctionArn"], api)
    for stage in ("prod", "$default"):
        apis.create_stage(ApiId=api, StageName=stage, AutoDeploy=True)
    return api


@pytest.mark.behaviour("cloud.machine.host")
@pytest.mark.parametrize(
    ("where", "stage", "path"),
    [
        ("/execute-api/{api}/prod/things/7", "prod", "/prod/things/7"),
        ("/execute-api/{api}/things/7", "$default", "/things/7"),
        ("/prod/things/7", "prod", "/prod/things/7"),
        ("/things/7", "$default", "/things/7"),
    ],
)
def test_http_api_is_reached_by_path_and_by_host(
    lab: Lab, http_api: str, where: str, stage: str, path: str
) -> None:
    host = f"{http_api}.execute-api.us-east-1.amazonaws.com"
    request = Request(
        lab.endpoint + where.format(api=http_api),
        data=b"{}",
        headers={"Content-Type": "application/json"},
    )
    if "{api}" not in where:
        request.add_header("Host", host)
    with urlopen(request, timeout=DEADLINE) as answer:
        seen = json.load(answer)
    assert (seen["stage"], seen["rawPath"], seen["pathParameters"]) == (stage, path, {"id": "7"})


@pytest.mark.parametrize("stage", ["prod", None])
def test_state_machine_calls_an_http_api(lab: Lab, http_api: str, stage: str | None) -> None:
    output = json.loads(run_task(lab, http_api, stage, {"k": ["a", "b"]})["output"])
    assert output["StatusCode"] == 200
    assert output["ResponseBody"] == {
        "rawPath": "/prod/things/7" if stage else "/things/7",
        "rawQueryString": "k=a&k=b",
        "pathParameters": {"id": "7"},
        "body": {"x": 5},
        "stage": stage or "$default",
    }


def test_status_of_an_http_api_is_the_error_of_the_task(lab: Lab, http_api: str) -> None:
    failed = run_task(lab, http_api, "prod", {"status": ["418"]})
    assert (failed["status"], failed["error"]) == ("FAILED", "ApiGateway.418")
    assert json.loads(failed["cause"])["body"] == {"x": 5}


@pytest.mark.behaviour("states.api.signature")
def test_state_machine_that_signs_nothing_is_refused_by_connections(
    lab: Lab, expected: Values
) -> None:
    apis = boto3.client("apigatewayv2")
    api = apis.create_api(
        Name="signed", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    apis.create_route(ApiId=api, RouteKey="$default")
    apis.create_stage(ApiId=api, StageName="prod", AutoDeploy=True)
    nobody = {"Stage": "prod", "Path": "/@connections/R1kmxc2VNjMCFIA="}
    unsigned, before = call_api(lab, api, nobody), lab.log.last
    assert unsigned["error"] == expected.error
    assert json.loads(unsigned["cause"])["message"] == "Missing Authentication Token"
    signed = call_api(lab, api, {**nobody, "AuthType": "IAM_ROLE"})
    assert signed["error"] == "ApiGateway.410"
    assert [e for e in lab.log.after(before) if e.kind == "cloud.warning"] == []


def run_task(lab: Lab, api: str, stage: str | None, query: dict[str, list[str]]) -> Any:
    """Run a state machine that calls the HTTP API; how its execution ended."""
    where = {"Stage": stage} if stage else {}
    more = {"Path": "/things/7", "QueryParameters": query, "AuthType": "IAM_ROLE"}
    return call_api(lab, api, {**where, **more})


def call_api(lab: Lab, api: str, parameters: dict[str, Any]) -> Any:
    """Run a state machine that posts to an API; how its execution ended."""
    states = boto3.client("stepfunctions")
    call = {
        "Type": "Task",
        "Resource": "arn:aws:states:::apigateway:invoke",
        "Parameters": {
            "ApiEndpoint": f"{api}.execute-api.us-east-1.amazonaws.com",
            "Method": "POST",
            "RequestBody": {"x.$": "$.y"},
            **parameters,
        },
        "End": True,
    }
    machine = states.create_state_machine(
        name=f"calls-{uuid.uuid4().hex}",
        definition=json.dumps({"StartAt": "Call", "States": {"Call": call}}),
        roleArn="arn:aws:iam::123456789012:role/http",
    )
    started = states.start_execution(
        stateMachineArn=machine["stateMachineArn"], input=json.dumps({"y": 5})
    )
    arn = started["executionArn"]
    lab.log.wait(
        lambda event: event.kind == "execution.ended" and event["execution"] == arn,
        timeout=DEADLINE,
    )
    return states.describe_execution(executionArn=arn)


# -- state machines and functions that call each other -----------------------------------------------

CALLS_STATES = b"""
import json
import boto3

def handler(event, context):
    states = boto3.client("stepfunctions")
    match event:
        case {"machine": machine}:
            done = states.start_sync_execution(stateMachineArn=machine, input='{"n": 20}')
            return {"status": done["status"], "output": json.loads(done["output"])}
        case {"token": token, "order": "good"}:
            states.send_task_heartbeat(taskToken=token)
            states.send_task_success(taskToken=token, output='{"by": "function"}')
        case {"token": token, "order": "bad"}:
            states.send_task_failure(taskToken=token, error="NoStock", cause="sold out")
        case {"n": number}:
            return number + 1
"""


@pytest.fixture(scope="module")
def calls_states(lab: Lab) -> str:
    made = boto3.client("lambda").create_function(
        FunctionName="calls-states",
        Runtime="python3.13",
        Handler="app.handler",
        Role=role(),
        Timeout=20,
        Code={"ZipFile": package({"app.py": CALLS_STATES})},
    )
    return str(made["FunctionArn"])


def test_sync_execution_is_run_by_the_kernel_and_by_a_function(calls_states: str) -> None:
    states = boto3.client("stepfunctions")
    work = {"Type": "Task", "Resource": calls_states, "End": True}
    machine = states.create_state_machine(
        name=f"express-{uuid.uuid4().hex}",
        type="EXPRESS",
        definition=json.dumps({"StartAt": "Work", "States": {"Work": work}}),
        roleArn=role("states"),
    )["stateMachineArn"]
    done = states.start_sync_execution(stateMachineArn=machine, input='{"n": 41}')
    assert (done["status"], done["output"]) == ("SUCCEEDED", "42")
    answer = boto3.client("lambda").invoke(
        FunctionName=calls_states, Payload=json.dumps({"machine": machine})
    )
    assert json.load(answer["Payload"]) == {"status": "SUCCEEDED", "output": 21}


@pytest.mark.parametrize(
    ("order", "ends"),
    [("good", ("SUCCEEDED", '{"by":"function"}', None)), ("bad", ("FAILED", None, "NoStock"))],
)
def test_function_that_was_given_a_token_ends_the_task(
    lab: Lab, calls_states: str, order: str, ends: tuple[str, str | None, str | None]
) -> None:
    states = boto3.client("stepfunctions")
    waits = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {
            "FunctionName": calls_states,
            "Payload": {"token.$": "$$.Task.Token", "order.$": "$.order"},
        },
        "HeartbeatSeconds": 600,
        "End": True,
    }
    machine = states.create_state_machine(
        name=f"waits-{uuid.uuid4().hex}",
        definition=json.dumps({"StartAt": "Wait", "States": {"Wait": waits}}),
        roleArn=role("states"),
    )["stateMachineArn"]
    arn = states.start_execution(stateMachineArn=machine, input=json.dumps({"order": order}))[
        "executionArn"
    ]
    lab.log.wait(
        lambda event: event.kind == "execution.ended" and event["execution"] == arn,
        timeout=DEADLINE,
    )
    done = states.describe_execution(executionArn=arn)
    assert (done["status"], done.get("output"), done.get("error")) == ends


# -- whatever fails -------------------------------------------------------------------------------

CODE = """
import os, signal

import boto3

def handler(event, context):
    context_ = event["requestContext"]
    match event["body"]:
        case "raise":
            raise ValueError("on purpose")
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "loop":
            while True:
                pass
        case "memory":
            hoard = b"x" * 2_000_000_000
        case "large":
            return {"statusCode": 200, "body": "x" * 7_000_000}
        case "object":
            return {"statusCode": 200, "body": object()}
        case "text":
            return "no answer of this form is known"
        case "flood":
            api = boto3.client("apigatewaymanagementapi",
                endpoint_url=f"https://{context_['domainName']}/{context_['stage']}")
            while True:
                try:
                    api.post_to_connection(ConnectionId=context_["connectionId"], Data=b"x" * 100_000)
                except api.exceptions.GoneException:
                    print("gone")
                    break
                except api.exceptions.LimitExceededException:
                    pass
    return {"statusCode": 200, "body": event["body"]}
"""


class Echo:
    """A WebSocket API whose one function answers with what it gets, or does harm."""

    def __init__(self, lab: Lab) -> None:
        self.log = lab.log
        role = boto3.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")
        function = boto3.client("lambda").create_function(
            FunctionName="echo",
            Runtime="python3.13",
            Role=role["Role"]["Arn"],
            Handler="echo.handler",
            Timeout=1,
            MemorySize=256,
            Code={"ZipFile": package({"echo.py": CODE.encode()})},
        )
        apis = boto3.client("apigatewayv2")
        api = apis.create_api(
            Name="echo", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
        )
        uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function['FunctionArn']}/invocations"
        integration = apis.create_integration(
            ApiId=api["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=uri
        )
        route = apis.create_route(
            ApiId=api["ApiId"],
            RouteKey="$default",
            Target=f"integrations/{integration['IntegrationId']}",
            RouteResponseSelectionExpression="$default",
        )
        apis.create_route_response(
            ApiId=api["ApiId"], RouteId=route["RouteId"], RouteResponseKey="$default"
        )
        permission(function["FunctionArn"], api["ApiId"])
        apis.create_stage(ApiId=api["ApiId"], StageName="prod", AutoDeploy=True)
        self.url = f"{api['ApiEndpoint']}/prod"

    def connect(self) -> websocket.WebSocket:
        client: websocket.WebSocket = websocket.create_connection(self.url, timeout=DEADLINE)
        return client

    def ask(self, client: websocket.WebSocket, text: str) -> Any:
        client.send(text)
        return client.recv()

    def connection(self, before: int) -> str:
        """The id of the connection that was opened last."""
        opened = self.log.wait(lambda event: event.kind == "connection.opened", after=before)
        return str(opened["connection"])


@pytest.fixture(scope="module")
def built(lab: Lab) -> Echo:
    return Echo(lab)


@pytest.fixture
def echo(built: Echo) -> Iterator[Echo]:
    """The API; somebody is connected all the while and is served when it is over, as is a newcomer."""
    before = built.log.last
    bystander = built.connect()
    yield built
    assert built.ask(bystander, "still there?") == "still there?"
    bystander.close()
    newcomer = built.connect()
    assert built.ask(newcomer, "hello") == "hello"
    newcomer.close()
    assert [event for event in built.log.after(before) if event.kind == "cloud.error"] == []


@pytest.mark.parametrize("attached", [False, True])
def test_silent_connection_is_dropped_at_once_and_the_client_gets_no_close_frame(
    lab: Lab, echo: Echo, attached: bool
) -> None:
    before = echo.log.last
    cloud = AttachedCloud(lab.endpoint) if attached else None
    client = echo.connect()
    try:
        connection = echo.connection(before)
        (cloud or lab).faults.drop_connection(connection)
        with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
            client.recv()  # nothing was sent in either direction
        closed = echo.log.wait(lambda event: event.kind == "connection.closed", after=before)
        assert (closed["connection"], closed["code"]) == (connection, 1006)
        struck = [e for e in echo.log.after(before) if e.kind == "fault.applied"]
        assert [event["connection"] for event in struck] == [connection]
        assert list(lab.faults) == []
    finally:
        client.close()
        lab.faults.clear()
        if cloud is not None:
            cloud.close()


@pytest.mark.parametrize(
    ("harm", "error", "told"),
    [
        ("raise", "ValueError", "ValueError: on purpose"),
        ("exit", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("kill", "Runtime.ExitError", "Runtime exited with error: signal: killed"),
        ("loop", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("memory", "Runtime.ExitError", "Runtime exited with error: signal: killed"),
        ("large", "Function.ResponseSizeTooLarge", ""),
        ("object", "Runtime.MarshalError", "Object of type object is not JSON serializable"),
    ],
)
def test_function_that_fails_is_logged_and_answered_with_an_error_frame(
    echo: Echo, harm: str, error: str, told: str
) -> None:
    before = echo.log.last
    client = echo.connect()
    answer = json.loads(echo.ask(client, harm))
    assert answer["message"] == "Internal server error"
    returned = echo.log.wait(lambda event: event.kind == "function.returned", after=before)
    assert returned["error"] == error
    lines = [event["line"] for event in echo.log.after(before) if event.kind == "function.log"]
    assert told in "\n".join(lines)
    assert echo.ask(client, "and now?") == "and now?"
    client.close()


def test_answer_out_of_form_is_logged_and_answered_with_an_error_frame(echo: Echo) -> None:
    before = echo.log.last
    client = echo.connect()
    assert json.loads(echo.ask(client, "text"))["message"] == "Internal server error"
    (warning,) = [event for event in echo.log.after(before) if event.kind == "cloud.warning"]
    assert "it is no object with a statusCode" in warning["message"]
    assert echo.ask(client, "and now?") == "and now?"
    client.close()


@pytest.mark.parametrize("text", ["{", '{"action": ', "\x00", "[1, 2", '{"action": {}}'])
def test_message_that_is_no_json_is_a_message_like_any_other(echo: Echo, text: str) -> None:
    client = echo.connect()
    assert echo.ask(client, text) == text
    client.close()


@pytest.mark.parametrize(
    ("service", "path", "headers"),
    [
        (
            "dynamodb",
            "/",
            {
                "X-Amz-Target": "DynamoDB_20120810.PutItem",
                "Content-Type": "application/x-amz-json-1.0",
            },
        ),
        ("lambda", "/2015-03-31/functions", {}),
        ("apigateway", "/v2/apis", {}),
    ],
)
@pytest.mark.parametrize("body", [b'{"TableName": ', b"[]", b"\xff"])
def test_request_that_is_no_json_object_is_the_callers_mistake(
    echo: Echo, service: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    scope = f"Credential=k/20260101/us-east-1/{service}/aws4_request"
    request = Request(
        f"http://127.0.0.1:{_port(echo.url)}{path}",
        data=body,
        headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}", **headers},
    )
    with pytest.raises(HTTPError) as caught, urlopen(request, timeout=DEADLINE):
        pass
    with caught.value as answer:
        assert answer.code == 400
        assert answer.headers["x-amzn-ErrorType"] == "SerializationException"


def test_message_to_an_endpoint_that_names_no_api_is_refused_with_the_form_of_one_that_does(
    lab: Lab,
) -> None:
    management = boto3.client("apigatewaymanagementapi")
    with pytest.raises(ClientError, match=r"endpoint_url='https://API_ID\.execute-api") as refused:
        management.post_to_connection(ConnectionId="R1kmxc2VNjMCFIA=", Data=b"hi")
    assert refused.value.response["Error"]["Code"] == "UnknownEndpoint"


def test_client_that_goes_in_the_middle_of_sending_is_gone(echo: Echo) -> None:
    before = echo.log.last
    client = echo.connect()
    connection = echo.connection(before)
    frame = websocket.ABNF.create_frame("x" * 10_000, websocket.ABNF.OPCODE_TEXT).format()
    client.sock.sendall(frame[:500])
    _reset(client)
    closed = echo.log.wait(lambda event: event.kind == "connection.closed", after=before)
    assert (closed["connection"], closed["code"]) == (connection, 1006)


def test_client_that_goes_in_the_middle_of_a_request_is_gone(echo: Echo) -> None:
    client = socket.create_connection(("127.0.0.1", _port(echo.url)))
    client.sendall(
        b"POST /execute-api/any/x HTTP/1.1\r\nHost: any\r\nContent-Length: 9999\r\n\r\n{"
    )
    client.close()


def test_client_that_goes_in_the_middle_of_being_sent_to_is_gone_for_the_function_too(
    echo: Echo,
) -> None:
    before = echo.log.last
    client = echo.connect()
    connection = echo.connection(before)
    client.send("flood")
    # It reads the beginning of the first message, while the function goes on to send.
    client.sock.recv(10)
    _reset(client)
    closed = echo.log.wait(lambda event: event.kind == "connection.closed", after=before)
    assert (closed["connection"], closed["code"]) == (connection, 1006)
    line = echo.log.wait(lambda event: event.kind == "function.log", after=closed.seq)
    assert line["line"].strip() == "gone"


def _port(url: str) -> int:
    return int(url.split(":")[2].partition("/")[0])


def _reset(client: websocket.WebSocket) -> None:
    """End the TCP connection as a machine does that crashed: no close frame, no FIN."""
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()
