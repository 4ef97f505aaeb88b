"""What an emulator does, seen by boto3 and by WebSocket clients: the same script for all of them.

Each observation is a function with the name of a behaviour in ``behaviours.toml``; what it returns is
data that can be compared.  It looks at one thing and leaves nothing behind that another would see.
"""

from __future__ import annotations

import contextlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import websocket
from botocore.exceptions import ClientError
from websocket import ABNF

from tests.differential.emulator import Api, Emulator
from tests.differential.recorder import QUIET, SECONDS, Recorder

ALL = {
    "$connect": "connect",
    "$default": "message",
    "known": "known",
    "$disconnect": "disconnect",
}
NO_CONNECT = {"$default": "message"}
NO_DEFAULT = {"$connect": "connect", "known": "known"}

NOT_THERE = "not there"
"""What is observed of a service that an emulator does not have."""

NOTHING = "nothing"
"""What is observed where something might have come."""


@dataclass(frozen=True)
class Scene:
    """What an observation has to do with: an emulator, and what its functions tell."""

    emulator: Emulator
    recorder: Recorder

    def api(self) -> Api:
        """The API that most observations use."""
        return self.emulator.websocket_api(ALL)

    @contextmanager
    def connected(self, query: str = "", api: Api | None = None, **options: Any) -> Iterator[Visit]:
        """A client of the API, connected."""
        self.recorder.forget()
        url = (api or self.api()).url + query
        client = websocket.create_connection(url, timeout=SECONDS, **options)
        try:
            connect = self.recorder.next("connect")
            assert connect is not None
            yield Visit(client, connect, self.recorder)
        finally:
            client.shutdown()


@dataclass(frozen=True)
class Visit:
    """A connection, from the client's side and from the functions'.

    Attributes:
        client: a client of websocket-client.
        connect: what ``$connect`` told.
        recorder: what functions tell.
    """

    client: Any
    connect: dict[str, Any]
    recorder: Recorder

    @property
    def id(self) -> str:
        """The connection's id."""
        return str(self.connect["event"]["requestContext"]["connectionId"])

    def told(self, *functions: str, seconds: float = SECONDS) -> dict[str, Any] | None:
        """What the next of these functions tells of this connection, ``None`` if none does."""
        return self.recorder.next(*functions, connection=self.id, seconds=seconds)

    def ran(self, *functions: str) -> str:
        """Which of these functions runs next."""
        told = self.told(*functions)
        return str(told["function"]) if told else NOTHING

    def close(self, payload: bytes) -> None:
        """Send a close frame with this payload, and wait for the server's, as clients do."""
        self.client.send(payload, ABNF.OPCODE_CLOSE)
        while not isinstance(received := frame(self.client, 3 * QUIET), str):
            if received.opcode == ABNF.OPCODE_CLOSE:
                break
        self.client.shutdown()


def handshake(url: str, **options: Any) -> tuple[Any, str]:
    """How a handshake ends: ``101`` or the status of its refusal, and the refusal's body."""
    try:
        client = websocket.create_connection(url, timeout=SECONDS, **options)
    except websocket.WebSocketBadStatusException as refused:
        return refused.status_code, (refused.resp_body or b"").decode()
    except (websocket.WebSocketException, OSError) as error:
        return type(error).__name__, ""
    client.shutdown()
    return 101, ""


def frame(client: Any, seconds: float = SECONDS) -> Any:
    """The next frame: its opcode and data, or :data:`NOTHING`."""
    client.settimeout(seconds)
    try:
        received = client.recv_frame()
    except websocket.WebSocketTimeoutException:
        return NOTHING
    except (websocket.WebSocketException, OSError):
        return "the end"
    return received


def close_code(client: Any) -> Any:
    """With which code the server closes, or what else it does."""
    received = frame(client, 3 * QUIET)
    if received == NOTHING or not (isinstance(received, str) or is_close(received)):
        return "goes on"
    if isinstance(received, str) or not received.data:
        return "no code"
    return int.from_bytes(received.data[:2], "big")


def is_close(received: Any) -> bool:
    """Whether a frame is a close frame."""
    return bool(received.opcode == ABNF.OPCODE_CLOSE)


def text(client: Any, seconds: float = QUIET) -> Any:
    """The next frame's text, as data if it is JSON."""
    received = frame(client, seconds)
    if isinstance(received, str):
        return received
    if is_close(received):
        return f"the connection is closed with {int.from_bytes(received.data[:2], 'big')}"
    with contextlib.suppress(ValueError):
        return json.loads(received.data)
    return received.data.decode(errors="replace")


def error_frame(client: Any, seconds: float = QUIET) -> Any:
    """A frame that reports an error: its message, and the names of its members."""
    seen = text(client, seconds)
    return {"message": seen["message"], "members": sorted(seen)} if isinstance(seen, dict) else seen


def refusal(call: Callable[..., Any], **arguments: Any) -> Any:
    """The status and the error that a call is refused with; its status alone if it is not."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        return refused(error)
    return [answer["ResponseMetadata"]["HTTPStatusCode"]]


def refused(error: ClientError) -> list[Any]:
    """The status of an error, and its code as boto3 reads it."""
    return [error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]]


def members(told: dict[str, Any] | None) -> Any:
    """The names of an event's members."""
    return sorted(told["event"]) if told else NOTHING


# -- routes ----------------------------------------------------------------------------------------


def message_named_connect(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.client.send('{"action": "$connect"}')
        return visit.ran("connect", "message", "known")


def message_of_a_route(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.client.send('{"action": "known"}')
        return visit.ran("message", "known")


def message_that_is_no_json(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.client.send("good morning")
        return visit.ran("message", "known")


def message_without_a_route(scene: Scene) -> Any:
    with scene.connected(api=scene.emulator.websocket_api(NO_DEFAULT)) as visit:
        visit.client.send('{"action": "unknown"}')
        return error_frame(visit.client)


def default_at_the_ends(scene: Scene) -> Any:
    scene.recorder.forget()
    status, _ = handshake(scene.emulator.websocket_api(NO_CONNECT).url)
    told = scene.recorder.next("message", seconds=QUIET)
    return [status, told["event"]["requestContext"]["eventType"] if told else NOTHING]


def reply_without_route_response(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.client.send("say something")
        return text(visit.client)


# -- the handshake ---------------------------------------------------------------------------------


def unknown_stage(scene: Scene) -> Any:
    return handshake(scene.api().elsewhere)[0]


def status_of_connect(scene: Scene) -> Any:
    return handshake(scene.api().url + "?status=401")[0]


def connect_that_raises(scene: Scene) -> Any:
    status, body = handshake(scene.api().url + "?raise=1")
    return [status, "secret told" if "secret" in body else "secret kept"]


def subprotocol(scene: Scene) -> Any:
    offered = ["Sec-WebSocket-Protocol: chat, talk"]
    with scene.connected("?protocol=chat", header=offered) as visit:
        return visit.client.getheaders().get("sec-websocket-protocol", NOTHING)


def subprotocol_that_no_function_returned(scene: Scene) -> Any:
    with scene.connected(header=["Sec-WebSocket-Protocol: chat"]) as visit:
        return visit.client.getheaders().get("sec-websocket-protocol", NOTHING)


def post_during_the_handshake(scene: Scene) -> Any:
    with scene.connected("?post=1") as visit:
        return "sent" if visit.connect["post"] == "sent" else "refused"


# -- events ----------------------------------------------------------------------------------------


def connect_event(scene: Scene) -> Any:
    with scene.connected() as visit:
        return members(visit.connect)


def message_event(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.client.send("hello")
        return members(visit.told("message"))


def disconnect_event(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.close(b"\x03\xe8")
        return members(visit.told("disconnect"))


def message_context(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.client.send("hello")
        told = visit.told("message")
        return sorted(told["event"]["requestContext"]) if told else NOTHING


def connection_id(scene: Scene) -> Any:
    with scene.connected() as visit:
        form = re.fullmatch(r"[A-Za-z0-9_-]{15}=", visit.id)
        return "15 characters and =" if form else "another form"


def connected_at(scene: Scene) -> Any:
    with scene.connected() as visit:
        told = [visit.connect]
        for _ in range(2):
            visit.client.send("hello")
            told.append(visit.told("message") or {"event": {"requestContext": {}}})
        times = {one["event"]["requestContext"].get("connectedAt") for one in told}
        return "the same" if len(times) == 1 and None not in times else "differs"


def request_ids(scene: Scene) -> Any:
    with scene.connected() as visit:
        seen = []
        for _ in range(2):
            visit.client.send("hello")
            told = visit.told("message")
            seen.append(told["event"]["requestContext"] if told else {})
        different = len({one.get("requestId") for one in seen}) == 2
        alike = all(one.get("requestId") == one.get("extendedRequestId") for one in seen)
        return [
            "new for each" if different else "not new for each",
            "extendedRequestId is the same" if alike else "extendedRequestId is another",
        ]


# -- ends ------------------------------------------------------------------------------------------


def _end(told: dict[str, Any] | None) -> list[Any]:
    if told is None:
        return [NOTHING]
    context = told["event"]["requestContext"]
    named = ("disconnectStatusCode", "disconnectReason")
    return [context.get(name, "absent") for name in named]


def client_closes_with_a_reason(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.close((4001).to_bytes(2, "big") + b"had enough")
        return _end(visit.told("disconnect"))


def client_closes_without_a_status(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.close(b"")
        return _end(visit.told("disconnect"))


def connection_is_deleted(scene: Scene) -> Any:
    with scene.connected() as visit:
        scene.api().connections.delete_connection(ConnectionId=visit.id)
        code = close_code(visit.client)
        return {"the client gets": code, "$disconnect gets": _end(visit.told("disconnect"))}


def binary_frame(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.client.send_binary(b"\x00\x01")
        return close_code(visit.client)


def frame_over_32_kb(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.client.send("x" * (32 * 1024 + 1))
        return close_code(visit.client)


# -- errors ----------------------------------------------------------------------------------------


def message_function_that_raises(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.client.send("raise")
        return error_frame(visit.client, SECONDS)


def answer_out_of_form(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.client.send("malformed")
        return error_frame(visit.client, 3 * QUIET)


def two_messages_at_once(scene: Scene) -> Any:
    scene.recorder.go_on.clear()
    try:
        with scene.connected() as visit:
            visit.client.send("hold 1")
            visit.client.send("hold 2")
            told = [visit.told("message"), visit.told("message", seconds=5 * QUIET)]
            return "at the same time" if all(told) else "one after the other"
    finally:
        scene.recorder.go_on.set()


# -- @connections ----------------------------------------------------------------------------------


def posted_data(scene: Scene) -> Any:
    with scene.connected() as visit:
        scene.api().connections.post_to_connection(ConnectionId=visit.id, Data=b"news")
        received = frame(visit.client)
        if isinstance(received, str):
            return received
        return ["text" if received.opcode == ABNF.OPCODE_TEXT else "binary", received.data.decode()]


def get_connection(scene: Scene) -> Any:
    with scene.connected() as visit:
        try:
            answer = scene.api().connections.get_connection(ConnectionId=visit.id)
        except ClientError as error:
            return refused(error)
        answer.pop("ResponseMetadata")
        return sorted(answer)


def connection_that_is_gone(scene: Scene) -> Any:
    with scene.connected() as visit:
        visit.close(b"\x03\xe8")
        visit.told("disconnect")
        post = scene.api().connections.post_to_connection
        return refusal(post, ConnectionId=visit.id, Data=b"late")


def malformed_connection_id(scene: Scene) -> Any:
    return refusal(scene.api().connections.post_to_connection, ConnectionId="no", Data=b"lost")


def data_over_128_kb(scene: Scene) -> Any:
    with scene.connected() as visit:
        post = scene.api().connections.post_to_connection
        return refusal(post, ConnectionId=visit.id, Data=b"x" * (128 * 1024 + 1))


# -- HTTP APIs -------------------------------------------------------------------------------------


def _http(url: str) -> list[Any]:
    """Status and body of an answer, as data if it is JSON."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            status, body = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read().decode()
    with contextlib.suppress(ValueError):
        return [status, json.loads(body)]
    return [status, body]


def _in_short(answer: list[Any]) -> list[Any]:
    """Status, message, and whether a function's error is told to everybody."""
    status, body = answer
    message = body.get("message", "another body") if isinstance(body, dict) else "another body"
    return [status, message, "secret told" if "secret" in json.dumps(body) else "secret kept"]


def http_result_without_status(scene: Scene) -> Any:
    return _http(f"{scene.emulator.http_api()}/there")


def http_event(scene: Scene) -> Any:
    root = scene.emulator.http_api()
    scene.recorder.forget()
    _http(f"{root}/there")
    told = scene.recorder.next("http")
    return [told["event"].get("version"), *members(told)] if told else NOTHING


def http_no_route(scene: Scene) -> Any:
    return _in_short(_http(f"{scene.emulator.http_api()}/elsewhere"))[:2]


def http_function_that_raises(scene: Scene) -> Any:
    return _in_short(_http(f"{scene.emulator.http_api()}/there?raise=1"))


# -- Step Functions --------------------------------------------------------------------------------


def _machine(scene: Scene, name: str, **state: Any) -> Any:
    states = scene.emulator.client("stepfunctions")
    if states is None:
        return NOT_THERE
    definition = {"StartAt": "S", "States": {"S": {"End": True, **state}}}
    try:
        return states.create_state_machine(
            name=name,
            definition=json.dumps(definition),
            roleArn="arn:aws:iam::000000000000:role/r",
        )["stateMachineArn"]
    except ClientError as error:
        return refused(error)


def _ended(scene: Scene, machine: str) -> Any:
    """An execution's description, once it has ended."""
    states = scene.emulator.client("stepfunctions")
    data = json.dumps({"until": "2999-12-31T00:00:00Z"})
    started = states.start_execution(stateMachineArn=machine, input=data)
    return _over(states, started["executionArn"])


def _over(states: Any, arn: str) -> Any:
    # Step Functions tells nobody that an execution has ended; each question takes a while.
    while (described := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        pass
    return described


def post_to_connection_as_a_task(scene: Scene) -> Any:
    resource = "arn:aws:states:::aws-sdk:apigatewaymanagementapi:postToConnection"
    made = _machine(scene, "sdk", Type="Task", Resource=resource, Parameters={})
    return "created" if isinstance(made, str) and made != NOT_THERE else made


def call_of_an_api_as_a_task(scene: Scene) -> Any:
    states = scene.emulator.client("stepfunctions")
    if states is None:
        return NOT_THERE
    with scene.connected() as visit:
        host = re.sub(r"^\w+://|/.*$", "", scene.api().connections.meta.endpoint_url)
        machine = _machine(
            scene,
            "invoke",
            Type="Task",
            Resource="arn:aws:states:::apigateway:invoke",
            Parameters={
                "ApiEndpoint": host,
                "Stage": "dev",
                "Method": "POST",
                "Path": f"/@connections/{visit.id}",
                "RequestBody": {"result": 1},
                "AuthType": "IAM_ROLE",
            },
        )
        return [_ended(scene, machine)["status"], text(visit.client)]


def choice_between_two_timestamps(scene: Scene) -> Any:
    states = scene.emulator.client("stepfunctions")
    if states is None:
        return NOT_THERE
    definition = {
        "StartAt": "C",
        "States": {
            "C": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Variable": "$$.State.EnteredTime",
                        "TimestampLessThanPath": "$.until",
                        "Next": "Earlier",
                    }
                ],
                "Default": "Later",
            },
            "Earlier": {"Type": "Pass", "Result": "earlier", "End": True},
            "Later": {"Type": "Pass", "Result": "later", "End": True},
        },
    }
    machine = states.create_state_machine(
        name="choice",
        definition=json.dumps(definition),
        roleArn="arn:aws:iam::000000000000:role/r",
    )["stateMachineArn"]
    return json.loads(_ended(scene, machine)["output"])


def same_name_after_the_end(scene: Scene) -> Any:
    states = scene.emulator.client("stepfunctions")
    if states is None:
        return NOT_THERE
    machine = _machine(scene, "pass", Type="Pass")
    states.start_execution(stateMachineArn=machine, name="one", input="{}")
    _over(states, machine.replace(":stateMachine:", ":execution:") + ":one")
    return refusal(states.start_execution, stateMachineArn=machine, name="one", input='{"a": 1}')


OBSERVATIONS: dict[str, Callable[[Scene], Any]] = {
    observe.__name__: observe
    for observe in (
        message_of_a_route,
        message_that_is_no_json,
        message_named_connect,
        message_without_a_route,
        default_at_the_ends,
        reply_without_route_response,
        unknown_stage,
        status_of_connect,
        connect_that_raises,
        subprotocol,
        subprotocol_that_no_function_returned,
        post_during_the_handshake,
        connect_event,
        message_event,
        disconnect_event,
        message_context,
        connection_id,
        connected_at,
        request_ids,
        client_closes_with_a_reason,
        client_closes_without_a_status,
        connection_is_deleted,
        binary_frame,
        frame_over_32_kb,
        message_function_that_raises,
        answer_out_of_form,
        two_messages_at_once,
        posted_data,
        get_connection,
        connection_that_is_gone,
        malformed_connection_id,
        data_over_128_kb,
        http_result_without_status,
        http_event,
        http_no_route,
        http_function_that_raises,
        post_to_connection_as_a_task,
        call_of_an_api_as_a_task,
        choice_between_two_timestamps,
        same_name_after_the_end,
    )
}
