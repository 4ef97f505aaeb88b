"""``resume`` with small solutions and kept answers: which part is whose, and what stays."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import websocket

from labkit import Lab
from labkit.course import resuming
from labkit.course.exercise import CourseError
from labkit.course.journal import Standing
from labkit.course.resuming import build
from labkit.course.system import System
from labkit.errors import LabNotRunning
from labkit.lab import running
from labkit.resources import clear, integration

CREATE_TABLES = """
def create_tables(dynamodb, executions, connections):
    for table, key in ((executions, "executionName"), (connections, "connectionId")):
        try:
            dynamodb.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        except dynamodb.exceptions.ResourceInUseException:
            pass
"""
BUILD_API = """
import boto3

def build_api(name, routes):
    from labkit.resources import integration

    apis = boto3.client("apigatewayv2")
    api = apis.create_api(
        Name=name, ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    for key, function in routes.items():
        target = f"integrations/{integration(api['ApiId'], function)}"
        apis.create_route(ApiId=api["ApiId"], RouteKey=key, Target=target)
    apis.create_stage(ApiId=api["ApiId"], StageName="prod", AutoDeploy=True)
    return api["ApiId"], f"{api['ApiEndpoint']}/prod"
"""
BUILD_HTTP_API = """
import boto3

def build_http_api(name, function_arn):
    from labkit.resources import integration

    apis = boto3.client("apigatewayv2")
    api = apis.create_api(Name=name, ProtocolType="HTTP")
    target = f"integrations/{integration(api['ApiId'], function_arn)}"
    apis.create_route(ApiId=api["ApiId"], RouteKey="POST /orders", Target=target)
    apis.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    return api["ApiEndpoint"]
"""
TICKET = """%%handler ticket
def sign(execution, key, expires):
    return f"{execution}.{key}"

def verify(text, key, now):
    return text.partition(".")[0]
"""


def handler(name: str, says: str) -> str:
    """A handler that answers any event with a text and its environment."""
    return (
        f"%%handler {name}\n"
        "import os\n"
        "def handler(event, context):\n"
        f"    return {{'statusCode': 200, 'body': {says!r}, 'environment': dict(os.environ)}}\n"
    )


MACHINE = {
    "StartAt": "DoWork",
    "States": {
        "DoWork": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {
                "FunctionName": "${DoWorkFunctionArn}",
                "Payload.$": "$$.Execution.Name",
            },
            "ResultSelector": {
                "said.$": "$.Payload.body",
                "of": "${WebSocketApiId} ${ExecutionsTable}",
            },
            "End": True,
        }
    },
}

SOLUTIONS = {
    "2.6": CREATE_TABLES,
    "1.6": BUILD_API,
    "3.2": handler("connect", "connect of 3.2"),
    "3.3": handler("disconnect", "disconnect of 3.3"),
    "3.6": handler("default", "default of 3.6"),
    "4.3": TICKET,
    "4.4": handler("connect", "connect of 4.4"),
    "4.6": BUILD_HTTP_API,
    "4.7": "%%handler place_order\nimport ticket, os\ndef handler(event, context):\n"
    "    return ticket.sign('e1', os.environ['TICKET_KEY'], 0)\n",
    "5.2": handler("do_work", "work of 5.2"),
    "5.5": handler("notify", "notify of 5.5"),
    "5.8": f'definition = """\n{json.dumps(MACHINE, indent=2)}\n"""',
    "6.2": handler("subscribe", "subscribe of 6.2"),
    "6.4": handler("do_work", "work of 6.4"),
    "6.6": handler("cancel", "cancel of 6.6"),
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


@pytest.fixture(autouse=True)
def nothing_is_left(lab: Lab) -> Iterator[None]:
    yield
    clear(
        "orders-executions", "orders-connections", "orders-websocket", "orders-http", "orders-work"
    )
    clear(*(each["FunctionName"] for each in client("lambda").list_functions()["Functions"]))


def client(service: str) -> Any:
    make: Callable[..., Any] = boto3.client
    return make(service, region_name="us-east-1")


def kept(**answers: str) -> dict[str, Standing]:
    """The standings of a student who has solved these: ``of_3_6="…"``."""
    numbers = {name.removeprefix("of_").replace("_", "."): text for name, text in answers.items()}
    return {number: Standing(solved="2026", answer=text) for number, text in numbers.items()}


def built(lesson: int, **answers: str) -> tuple[System, list[str]]:
    return build(lesson, kept(**answers), SOLUTIONS.__getitem__)


def call(name: str) -> Any:
    answer = client("lambda").invoke(FunctionName=name, Payload=b"{}")
    return json.load(answer["Payload"])


def run(lab: Lab, system: System) -> Any:
    """The output of an execution of the system's state machine."""
    states = client("stepfunctions")
    arn = states.start_execution(stateMachineArn=system.state_machine_arn)["executionArn"]
    lab.log.wait(lambda e: e.kind == "execution.ended" and e["execution"] == arn, timeout=10)
    return json.loads(states.describe_execution(executionArn=arn)["output"])


# -- which parts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lesson", [0, 2])
def test_lesson_before_there_are_parts_needs_nothing(lesson: int) -> None:
    assert built(lesson) == (System(), [])


def test_lesson_3_needs_the_tables() -> None:
    system, said = built(3)
    assert said == ["create_tables: the solution (2.6 is not solved yet)"]
    assert (system.functions, system.websocket_url, system.orders_url) == ({}, "", "")
    tables = {"EXECUTIONS_TABLE": "orders-executions", "CONNECTIONS_TABLE": "orders-connections"}
    assert system.environment == tables
    assert client("dynamodb").list_tables()["TableNames"] == list(tables.values())


def test_lesson_4_needs_the_websocket_api_with_three_functions() -> None:
    system, said = built(4)
    assert [line.partition(":")[0] for line in said] == [
        *("create_tables", "connect.py", "disconnect.py", "default.py", "build_api")
    ]
    assert system.websocket_url.endswith(f"/execute-api/{system.websocket_api_id}/prod")
    assert call("orders-connect")["body"] == "connect of 3.2"
    socket = websocket.create_connection(system.websocket_url, timeout=10)
    socket.close()
    assert "TICKET_KEY" not in system.environment
    assert system.state_machine_arn == ""


def test_lesson_5_needs_tickets_the_http_api_and_a_stand_in(lab: Lab) -> None:
    system, said = built(5)
    assert "connect.py: the solution (4.4 is not solved yet)" in said
    assert said[-1] == "build_http_api: the solution (4.6 is not solved yet)"
    request = urllib.request.Request(system.orders_url, b"{}", method="POST")
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer) == f"e1.{system.environment['TICKET_KEY']}"
    assert run(lab, system) == {}


def test_lesson_6_needs_the_real_state_machine_with_its_names_filled_in(lab: Lab) -> None:
    system, _ = built(6)
    of = f"{system.websocket_api_id} orders-executions"
    assert run(lab, system) == {"said": "work of 5.2", "of": of}
    assert not {"subscribe", "cancel"} & system.functions.keys()


def test_after_lesson_6_everything_is_there(lab: Lab) -> None:
    system, said = built(7)
    assert len(said) == len({line.partition(":")[0] for line in said}) == 13
    assert "do_work.py: the solution (6.4 is not solved yet)" in said
    assert run(lab, system)["said"] == "work of 6.4"
    apis = client("apigatewayv2")
    routes = apis.get_routes(ApiId=system.websocket_api_id)["Items"]
    assert {route["RouteKey"] for route in routes} == {
        *("$connect", "$disconnect", "$default", "subscribe", "cancel")
    }


def test_each_function_has_the_whole_environment() -> None:
    system, _ = built(7)
    assert set(system.environment) == {
        *("EXECUTIONS_TABLE", "CONNECTIONS_TABLE", "STATE_MACHINE_ARN", "WEBSOCKET_URL"),
        *("MANAGEMENT_ENDPOINT", "TICKET_KEY"),
    }
    assert system.environment["STATE_MACHINE_ARN"] == system.state_machine_arn
    for name in system.functions.values():
        found = client("lambda").get_function_configuration(FunctionName=name)
        assert found["Environment"]["Variables"] == system.environment


# -- whose answers --------------------------------------------------------------------------------


def test_students_answers_are_used_and_named(lab: Lab) -> None:
    mine = json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": 1, "End": True}}})
    system, said = built(
        6,
        of_3_3=handler("disconnect", "mine").replace("%%", "# %%"),
        of_3_2="# an older connect, which 4.4 replaces",
        of_5_8=mine,
    )
    assert call("orders-disconnect")["body"] == "mine"
    assert call("orders-connect")["body"] == "connect of 4.4"
    assert run(lab, system) == 1
    assert [line for line in said if "your" in line] == [
        "disconnect.py: your answer to 3.3",
        "state machine: your answer to 5.8",
    ]


def test_function_of_another_name_is_used_too() -> None:
    _, said = built(3, of_2_6=CREATE_TABLES.replace("def create_tables", "def tables"))
    assert said == ["create_tables: your answer to 2.6"]


def test_what_an_answer_prints_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    built(3, of_2_6=f"print('loading')\n{CREATE_TABLES}    print('made')\n")
    assert capsys.readouterr().out == ""


def test_answer_that_was_not_kept_is_the_solutions() -> None:
    _, said = built(3, of_2_6="")
    assert said == ["create_tables: the solution (your answer to 2.6 was not kept)"]


@pytest.mark.parametrize(
    ("lesson", "number", "text", "why"),
    [
        (3, "2.6", "def create_tables(:", "SyntaxError: invalid syntax (<answer>, line 1)"),
        (3, "2.6", "def create_tables(*_):\n    return gone()", "NameError: name 'gone' is not defined"),
        (3, "2.6", "def create_tables(*_):\n    raise SystemExit('out')", "SystemExit: out"),
        (3, "2.6", "tables = 1", "it has no function create_tables"),
        (4, "3.3", "def handler(event, context)", "Line 1 of disconnect.py is not Python: expected ':'"),
        (4, "1.6", "def build_api(name, routes): ...", "it made no API orders-websocket"),
        (5, "4.3", "def sign(): ...", "it has no function verify"),
        (5, "4.6", BUILD_HTTP_API.replace("/orders", "/"), "it made no route POST /orders"),
        (6, "5.8", "{", "InvalidDefinition: Invalid State Machine Definition: "),
    ],
)  # fmt: skip
def test_answer_that_does_not_work_any_more_is_replaced_and_named(
    lesson: int, number: str, text: str, why: str
) -> None:
    _, said = built(lesson, **{f"of_{number.replace('.', '_')}": text})
    (line,) = [line for line in said if number in line]
    said_why = f"the solution (your answer to {number} does not work any more: {why}"
    assert line.partition(": ")[2].startswith(said_why)
    assert len(line) < 220


def test_half_an_api_of_an_answer_that_fails_is_not_left(lab: Lab) -> None:
    half = BUILD_API.replace("    return", "    raise ValueError('no')\n    return")
    system, said = built(4, of_1_6=half)
    assert said[-1].endswith("does not work any more: ValueError: no)")
    (api,) = client("apigatewayv2").get_apis()["Items"]
    assert api["ApiId"] == system.websocket_api_id


# -- again ----------------------------------------------------------------------------------------


def test_second_run_says_the_same_and_leaves_everything_as_it_was(lab: Lab) -> None:
    first, said = built(7)
    item = {"executionName": {"S": "e1"}}
    client("dynamodb").put_item(TableName=first.executions_table, Item=item)
    socket = websocket.create_connection(first.websocket_url, timeout=10)
    before = lab.log.last
    assert built(7) == (first, said)
    assert client("dynamodb").scan(TableName=first.executions_table)["Items"] == [item]
    socket.send("{}")
    lab.log.wait(lambda e: e.kind == "message.handled", after=before, timeout=10)
    socket.close()


def test_route_that_a_student_adds_stays() -> None:
    system, _ = built(6)
    apis, arn = client("apigatewayv2"), system.functions["default"]
    target = f"integrations/{integration(system.websocket_api_id, arn)}"
    apis.create_route(ApiId=system.websocket_api_id, RouteKey="mine", Target=target)
    again, _ = built(6)
    routes = apis.get_routes(ApiId=again.websocket_api_id)["Items"]
    assert "mine" in {route["RouteKey"] for route in routes}


def test_api_is_built_anew_by_another_answer_and_where_a_part_is_missing() -> None:
    first, _ = built(4)
    second, _ = built(4, of_1_6=BUILD_API + "# mine\n")
    assert second.websocket_api_id != first.websocket_api_id
    client("apigatewayv2").delete_stage(ApiId=second.websocket_api_id, StageName="prod")
    third, _ = built(4, of_1_6=BUILD_API + "# mine\n")
    assert third.websocket_api_id != second.websocket_api_id
    assert call("orders-connect")["environment"]["WEBSOCKET_URL"] == third.websocket_url


def test_going_back_to_an_earlier_lesson_brings_its_parts_back(lab: Lab) -> None:
    built(7)
    assert run(lab, built(5)[0]) == {}
    built(4)
    assert call("orders-connect")["body"] == "connect of 3.2"


# -- in a notebook and on the command line --------------------------------------------------------


def test_resume_prints_a_line_a_part(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path))
    assert resuming.resume(3).executions_table == "orders-executions"
    assert capsys.readouterr().out == "create_tables: the solution (2.6 is not solved yet)\n"
    resuming.resume(1)
    assert capsys.readouterr().out == "Lesson 1 needs nothing from the exercises before it.\n"


def test_lesson_that_is_not_there_is_refused() -> None:
    with pytest.raises(CourseError, match=r"There is no lesson 77\. Lessons: 00_start_here"):
        resuming.resume(77)


def test_command_without_a_cloud_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABKIT_ENDPOINT", raising=False)
    with pytest.raises(LabNotRunning, match=r"labkit serve.*resume\(6\)"):
        resuming.main(["06"])
