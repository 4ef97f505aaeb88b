"""Bodies that come packed, nested too deeply, or only when they are asked for."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import tracemalloc
import zlib

import boto3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.bad_input.port import SCOPE, Answer, Port, answer, is_said_kindly
from tests.bad_input.test_frames import CONT, LARGEST_FRAME, TEXT, Client, Frame
from tests.fidelity.plugin import Values

SAME = """
import json
def handler(event, context):
    if "requestContext" not in event:
        return event
    got = {name: event.get(name) for name in ("body", "isBase64Encoded")}
    if "connectionId" in event["requestContext"] and got["body"]:
        return {"statusCode": 200, "body": f"{len(got['body'])} on {event['requestContext']['routeKey']}"}
    return {"statusCode": 200, "body": json.dumps(got)}
"""
"""A function that tells what it got."""

PACKED = {"gzip": gzip.compress, "deflate": zlib.compress}
LEVELS = 100_000
DEEP = {"arrays": "[" * LEVELS + "]" * LEVELS, "objects": '{"a":' * LEVELS + "1" + "}" * LEVELS}
MB = 1024 * 1024


@pytest.fixture(scope="module")
def http_path(port: Port) -> str:
    return port.deploy("HTTP", SAME, "$default")


@pytest.fixture(scope="module")
def socket_path(port: Port) -> bytes:
    return port.deploy("WEBSOCKET", SAME, "$connect", "$default", responses=True).encode()


@pytest.fixture(scope="module")
def function(http_path: str) -> str:
    """The function behind the HTTP API."""
    [found] = [
        each["FunctionName"]
        for each in boto3.client("lambda").list_functions()["Functions"]
        if each["FunctionName"].startswith("bad-input-")
    ][:1]
    return str(found)


def send(port: Port, service: str, body: bytes, path: str = "/", **headers: str) -> Answer:
    """Send a body to a service, with more headers."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {service}.us-east-1.amazonaws.com",
        f"Authorization: AWS4-HMAC-SHA256 {SCOPE.format(service=service)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
    ]
    return port.ask("\r\n".join([*lines, "", ""]).encode() + body, "POST")


def invocation(function: str) -> str:
    return f"/2015-03-31/functions/{function}/invocations"


# -- packed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", PACKED)
def test_packed_call_is_answered_as_if_it_were_not(
    port: Port, function: str, encoding: str
) -> None:
    event = b'{"packed": true}'
    with port.unharmed():
        got = send(
            port, "lambda", PACKED[encoding](event), invocation(function), Content_Encoding=encoding
        )
        assert (got.status, got.json()) == (200, {"packed": True})
        got = send(
            port,
            "iam",
            PACKED[encoding](b"Action=ListRoles&Version=2010-05-08"),
            Content_Encoding=encoding,
            Content_Type="application/x-www-form-urlencoded",
        )
    assert (got.status, b"<ListRolesResult>" in got.body) == (200, True)
    called = [event for event in port.lab.log if event.kind == "aws.call"][-1]
    assert (called["service"], called["operation"]) == ("iam", "ListRoles")


@given(
    st.sampled_from(list(PACKED)), st.integers(0, 40), st.binary(max_size=4), st.sampled_from("ab")
)
@example("gzip", 0, b"{}", "a")
@example("gzip", 12, b"", "b")
@example("deflate", 9, b"", "b")
def test_packing_that_is_damaged_is_the_callers_mistake(
    port: Port, encoding: str, at: int, damage: bytes, rest: str
) -> None:
    whole = PACKED[encoding](b'{"Limit": 5}')
    body = whole[:at] + damage + (whole[at + len(damage) :] if rest == "a" else b"")
    with port.unharmed():
        got = send(
            port,
            "dynamodb",
            body,
            Content_Encoding=encoding,
            Content_Type="application/x-amz-json-1.0",
            X_Amz_Target="DynamoDB_20120810.ListTables",
        )
    if got.status != 200:
        is_said_kindly(got)
        assert got.headers["x-amzn-errortype"] == "SerializationException"


@pytest.mark.parametrize("encoding", PACKED)
def test_packed_body_that_is_cut_off_is_refused(port: Port, encoding: str) -> None:
    with port.unharmed():
        got = send(port, "dynamodb", PACKED[encoding](b"{}")[:-1], Content_Encoding=encoding)
    is_said_kindly(got)
    assert got.json()["message"] == f"The body, packed by {encoding}, is cut off."


@pytest.mark.behaviour("cloud.machine.packed")
@pytest.mark.parametrize("service", ["dynamodb", "lambda", "iam", "apigateway"])
def test_small_body_that_unpacks_to_a_huge_one_is_refused(
    port: Port, service: str, expected: Values
) -> None:
    bomb = gzip.compress(bytes(200 * MB), 1)
    with port.unharmed():
        tracemalloc.start()
        try:
            got = send(port, service, bomb, Content_Encoding="gzip")
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    is_said_kindly(got)
    assert got.headers["x-amzn-errortype"] == expected.error
    assert f"more than {expected.largest} bytes" in got.json()["message"]
    assert most < 40 * MB


def test_packed_object_is_kept_by_s3_as_it_was_sent(port: Port) -> None:
    sent = gzip.compress(b"an object")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="packed")
    s3.put_object(Bucket="packed", Key="object", Body=sent, ContentEncoding="gzip")
    kept = s3.get_object(Bucket="packed", Key="object")
    assert (kept["ContentEncoding"], kept["Body"].read()) == ("gzip", sent)


@pytest.mark.parametrize("body", [gzip.compress(b'{"a": 1}'), gzip.compress(bytes(200 * MB), 9)])
def test_packed_body_reaches_a_function_as_it_was_sent(
    port: Port, http_path: str, body: bytes
) -> None:
    with port.unharmed():
        head = (
            f"POST {http_path}/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        got = port.ask(head.encode() + body, "POST").json()
    assert got["isBase64Encoded"] is True
    assert base64.b64decode(got["body"]) == body


# -- nested -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", DEEP)
@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
def test_event_that_is_nested_too_deep_is_refused(
    port: Port, function: str, shape: str, kind: str
) -> None:
    with port.unharmed():
        got = send(
            port,
            "lambda",
            DEEP[shape].encode(),
            invocation(function),
            X_Amz_Invocation_Type=kind,
        )
    is_said_kindly(got)
    assert got.headers["x-amzn-errortype"] == "InvalidRequestContentException"


@pytest.mark.parametrize("shape", DEEP)
def test_members_that_are_nested_too_deep_are_refused(port: Port, shape: str) -> None:
    with port.unharmed():
        got = port.aws(
            "dynamodb", "DynamoDB_20120810.ListTables", b'{"a":%s}' % DEEP[shape].encode()
        )
    is_said_kindly(got)
    assert got.headers["x-amzn-errortype"] == "SerializationException"
    assert "nested too deep" in got.json()["message"]


@pytest.mark.parametrize("shape", DEEP)
def test_input_that_is_nested_too_deep_starts_nothing(port: Port, shape: str) -> None:
    definition = {"StartAt": "Same", "States": {"Same": {"Type": "Pass", "End": True}}}
    machine = boto3.client("stepfunctions").create_state_machine(
        name=f"deep-{shape}",
        definition=json.dumps(definition),
        roleArn="arn:aws:iam::123456789012:role/states",
    )["stateMachineArn"]
    members = {"stateMachineArn": machine, "input": DEEP[shape]}
    with port.unharmed():
        got = port.aws("states", "AWSStepFunctions.StartExecution", json.dumps(members).encode())
    is_said_kindly(got)
    assert got.headers["x-amzn-errortype"] == "InvalidExecutionInput"
    assert (
        boto3.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == []
    )


@pytest.mark.parametrize(
    "message", ["[" * 60_000 + "]" * 60_000, '{"action":' * 10_000 + '"$connect"' + "}" * 10_000]
)
def test_message_that_is_nested_too_deep_goes_to_default(
    port: Port, socket_path: bytes, message: str
) -> None:
    pieces = [message[at : at + LARGEST_FRAME] for at in range(0, len(message), LARGEST_FRAME)]
    with port.unharmed(), Client(port, socket_path) as client:
        for number, piece in enumerate(pieces, 1):
            opcode = TEXT if number == 1 else CONT
            client.send(Frame(opcode, piece.encode(), fin=number == len(pieces)).wire)
        assert client.frame() == (0x80 | TEXT, f"{len(message)} on $default".encode())


@pytest.mark.parametrize("shape", DEEP)
def test_body_that_is_nested_too_deep_reaches_a_function(
    port: Port, http_path: str, shape: str
) -> None:
    body = DEEP[shape].encode()
    head = (
        f"POST {http_path}/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with port.unharmed():
        got = port.ask(head.encode() + body, "POST")
    assert got.json() == {"body": DEEP[shape], "isBase64Encoded": False}


# -- only when it is asked for ----------------------------------------------------------------------


def expecting(path: str, size: int, version: str = "1.1", more: str = "") -> bytes:
    return (
        f"POST {path} HTTP/{version}\r\nHost: localhost\r\nExpect: 100-Continue\r\n{more}"
        f"Content-Length: {size}\r\n\r\n"
    ).encode()


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SIGNED = f"Authorization: AWS4-HMAC-SHA256 {SCOPE.format(service='lambda')}\r\n"


@pytest.fixture(scope="module")
def paths(http_path: str, socket_path: bytes, function: str) -> dict[str, tuple[str, str]]:
    """A path that takes a body, and what else the head must say, of each part behind the port."""
    return {
        "AWS": (invocation(function), SIGNED),
        "HTTP API": (f"{http_path}/x", ""),
        "@connections": (f"{socket_path.decode()}/@connections/L0SM9cOFvHcCIhw=", SIGNED),
        "lab": ("/_labkit/faults", ""),
    }


@pytest.mark.parametrize("part", ["AWS", "HTTP API", "@connections", "lab"])
def test_client_that_waits_with_its_body_is_told_to_go_on(
    port: Port, paths: dict[str, tuple[str, str]], part: str
) -> None:
    path, more = paths[part]
    with port.unharmed(), port.open() as connection:
        for _ in range(2):  # on the same connection
            connection.sendall(expecting(path, 2, more=more))
            assert connection.recv(len(CONTINUE)) == CONTINUE
            connection.sendall(b"{}")
            assert answer(connection, "POST").status in (200, 400, 410)


def says(connection: socket.socket) -> bytes:
    """The first status line, which ``http.client`` would pass over if it is 100."""
    with connection.makefile("rb") as received:
        return bytes(received.readline()).rstrip()


def test_client_of_http_1_0_is_not_told_to_go_on(port: Port, http_path: str) -> None:
    with port.unharmed(), port.open() as connection:
        connection.sendall(expecting(f"{http_path}/x", 2, "1.0") + b"{}")
        assert says(connection) == b"HTTP/1.0 200 OK"


def test_client_without_a_body_is_not_told_to_go_on(port: Port, http_path: str) -> None:
    with port.unharmed(), port.open() as connection:
        connection.sendall(expecting(f"{http_path}/x", 0))
        assert says(connection) == b"HTTP/1.1 200 OK"


def test_client_whose_body_is_too_large_is_not_told_to_go_on(port: Port, http_path: str) -> None:
    with port.unharmed(), port.open() as connection:
        connection.sendall(expecting(f"{http_path}/x", 101 * MB))
        assert says(connection) == b"HTTP/1.1 413 Request Entity Too Large"


def test_client_that_is_told_to_go_on_and_leaves_harms_nobody(port: Port, http_path: str) -> None:
    with port.unharmed(), port.open() as connection:
        connection.sendall(expecting(f"{http_path}/x", 5))
        assert connection.recv(len(CONTINUE)) == CONTINUE
        connection.sendall(b"{")


@pytest.mark.parametrize("expect", ["", "Expect: 100-continue\r\n"])
def test_body_that_ceases_to_be_http_is_answered(port: Port, http_path: str, expect: str) -> None:
    head = (
        f"POST {http_path}/x HTTP/1.1\r\nHost: localhost\r\n{expect}"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    with port.unharmed(), port.open() as connection:
        connection.sendall(head.encode() + (b"" if expect else b"2\r\n{}\r\n"))
        if expect:
            assert connection.recv(len(CONTINUE)) == CONTINUE
        port.is_well()  # what comes now comes by itself
        connection.sendall(b"no length\r\n")
        got = answer(connection, "POST")
    assert got.status == 400
    assert "Invalid character in chunk size" in got.json()["message"]
