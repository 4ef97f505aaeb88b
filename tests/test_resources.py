"""``labkit.resources``: what is made, made again and cleared, in the local cloud."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import websocket
from botocore.exceptions import ClientError

from labkit import Lab
from labkit.errors import HandlerProblem, LabNotRunning, PackageProblem
from labkit.lab import running
from labkit.resources import (
    clear,
    function,
    integration,
    management_endpoint,
    permission,
    role,
    state_machine,
    texts,
)
from labkit.runtime import redirect

REGION = "us-east-1"
ECHO = "def handler(event, context):\n    return event\n"
WAIT = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}
PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": "new", "End": True}}}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def call(name: str, event: Any = None) -> Any:
    answer = client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return json.load(answer["Payload"])


# -- functions ------------------------------------------------------------------------------------


def test_function_of_a_file_runs_with_its_environment(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "hello.py"
    file.write_text("import os\ndef on_hello(event, context):\n    return os.environ['WHO']\n")
    arn = function("hello", file, environment={"WHO": "Ada"})
    assert arn == f"arn:aws:lambda:{REGION}:123456789012:function:hello"
    assert call("hello") == "Ada"


def test_function_called_again_runs_new_code_in_a_new_environment(lab: Lab) -> None:
    first = function("again", {"a.py": ECHO}, environment={"OLD": "1"}, timeout=5)
    assert call("again", 1) == 1
    text = "import os\ndef handler(event, context):\n    return ['OLD' in os.environ, os.environ['NEW']]"
    assert function("again", {"b.py": text}, environment={"NEW": "2"}) == first
    assert call("again") == [False, "2"]
    assert client("lambda").get_function_configuration(FunctionName="again")["Timeout"] == 3


def test_function_of_several_files_imports_those_after_the_first(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "prices.py").write_text("TEA = '4.00'\ndef price(sku, currency):\n    return TEA\n")
    (tmp_path / "shop.py").write_text(
        "import prices\ndef handler(event, _):\n    return prices.TEA\n"
    )
    function("shop", [tmp_path / "shop.py", tmp_path / "prices.py"])
    assert call("shop") == "4.00"


def test_function_without_a_plain_handler_is_refused_before_anything_is_made(lab: Lab) -> None:
    with pytest.raises(HandlerProblem, match=r"prices\.py has no function .*def handler\(event"):
        function("refused", {"prices.py": "TEA = 1\n"})
    with pytest.raises(HandlerProblem, match=r"Line 2 of a\.py is not Python"):
        function("refused", {"a.py": "import os\ndef handler(event, context)\n"})
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client("lambda").get_function(FunctionName="refused")


def test_source_that_is_none_says_what_a_source_is(tmp_path: Path) -> None:
    with pytest.raises(PackageProblem, match=r"connect\.py cannot be read: No such file"):
        texts(tmp_path / "connect.py")
    with pytest.raises(PackageProblem, match="this is 'connect'"):
        texts("connect")  # type: ignore[arg-type]
    with pytest.raises(PackageProblem, match="holds no file"):
        function("empty", {})


# -- roles, state machines ------------------------------------------------------------------------


def test_role_is_made_once_and_lets_functions_and_state_machines_in(lab: Lab) -> None:
    arn = role("a-role")
    assert role("a-role") == arn
    trust = client("iam").get_role(RoleName="a-role")["Role"]["AssumeRolePolicyDocument"]
    services = trust["Statement"][0]["Principal"]["Service"]
    assert services == ["lambda.amazonaws.com", "states.amazonaws.com"]
    assert client("iam").list_role_policies(RoleName="a-role")["PolicyNames"] == ["lab"]


def test_state_machine_called_again_has_the_new_definition(lab: Lab) -> None:
    arn = state_machine("work", WAIT)
    assert state_machine("work", json.dumps(PASS)) == arn
    states = client("stepfunctions")
    execution = states.start_execution(stateMachineArn=arn)["executionArn"]
    lab.log.wait(lambda e: e.kind == "execution.ended" and e["execution"] == execution, timeout=10)
    assert states.describe_execution(executionArn=execution)["output"] == '"new"'


def test_state_machine_that_is_wrong_is_refused_in_awss_words(lab: Lab) -> None:
    with pytest.raises(ClientError, match="InvalidDefinition"):
        state_machine("wrong", {"StartAt": "Nowhere", "States": {}})


# -- APIs -----------------------------------------------------------------------------------------


def test_integration_is_found_again_and_routes_to_the_function(lab: Lab) -> None:
    echo = function("http-echo", {"e.py": "def handler(event, _):\n    return event['version']\n"})
    apis = client("apigatewayv2")
    api = apis.create_api(Name="http", ProtocolType="HTTP")
    made = integration(api["ApiId"], echo)
    assert integration(api["ApiId"], echo) == made
    assert integration(api["ApiId"], function("other", {"e.py": ECHO})) != made
    permission(echo, api["ApiId"])
    apis.create_route(ApiId=api["ApiId"], RouteKey="GET /", Target=f"integrations/{made}")
    apis.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    with urllib.request.urlopen(f"{api['ApiEndpoint']}/") as answer:
        assert answer.read() == b'"2.0"'


def test_integration_of_a_websocket_api_has_no_payload_format_of_its_own(lab: Lab) -> None:
    apis = client("apigatewayv2")
    api = apis.create_api(
        Name="ws", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    made = integration(api, function("ws-echo", {"e.py": ECHO}))
    (found,) = apis.get_integrations(ApiId=api)["Items"]
    assert found["IntegrationId"] == made
    assert found.get("PayloadFormatVersion", "1.0") == "1.0"


def test_permission_names_the_api_and_may_be_given_twice(lab: Lab) -> None:
    arn = function("permitted", {"e.py": ECHO})
    permission(arn, "abc123")
    permission(arn, "abc123")
    permission(arn, "def456")
    policy = json.loads(client("lambda").get_policy(FunctionName="permitted")["Policy"])
    sources = [each["Condition"]["ArnLike"]["AWS:SourceArn"] for each in policy["Statement"]]
    assert sources == [
        f"arn:aws:execute-api:{REGION}:123456789012:{api}/*" for api in ("abc123", "def456")
    ]


# -- clear ----------------------------------------------------------------------------------------


def test_clear_of_what_is_not_there_is_silent(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    clear("nothing", "nothing-either")
    assert capsys.readouterr().out == ""


def test_clear_deletes_every_api_of_the_name_and_no_other(lab: Lab) -> None:
    apis = client("apigatewayv2")
    api: Any = None
    for _ in range(2):
        api = apis.create_api(
            Name="doomed", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
        )
    kept = apis.create_api(Name="doomed-not", ProtocolType="HTTP")["ApiId"]
    target = f"integrations/{integration(api['ApiId'], function('doomed', {'e.py': ECHO}))}"
    apis.create_route(ApiId=api["ApiId"], RouteKey="$default", Target=target)
    apis.create_stage(ApiId=api["ApiId"], StageName="prod", AutoDeploy=True)
    url = f"{api['ApiEndpoint']}/prod"
    websocket.create_connection(url, timeout=10).close()
    clear("doomed")
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(url, timeout=10)
    names = [each["Name"] for each in apis.get_apis()["Items"]]
    assert "doomed" not in names
    assert "doomed-not" in names
    apis.delete_api(ApiId=kept)


def test_clear_of_a_running_executions_state_machine_frees_its_name(lab: Lab) -> None:
    states = client("stepfunctions")
    arn = state_machine("waiting", WAIT)
    execution = states.start_execution(stateMachineArn=arn)["executionArn"]
    lab.log.wait(lambda e: e.kind == "state.entered" and e["execution"] == execution, timeout=10)
    clear("waiting")
    lab.log.wait(lambda e: e.kind == "execution.ended" and e["execution"] == execution, timeout=10)
    assert state_machine("waiting", PASS) == arn
    again = states.start_execution(stateMachineArn=arn)["executionArn"]
    lab.log.wait(lambda e: e.kind == "execution.ended" and e["execution"] == again, timeout=10)
    assert states.describe_execution(executionArn=again)["output"] == '"new"'


def test_clear_of_a_busy_function_deletes_it_and_a_new_one_answers(lab: Lab) -> None:
    busy = "import time\ndef handler(event, _):\n    print('busy')\n    time.sleep(30)\n"
    function("busy", {"b.py": busy}, timeout=60)
    client("lambda").invoke(FunctionName="busy", InvocationType="Event")
    lab.log.wait(lambda e: e.kind == "function.log" and "busy" in e["line"], timeout=10)
    clear("busy")
    function("busy", {"b.py": ECHO})
    assert call("busy", "free") == "free"


def test_clear_deletes_tables_functions_and_logs_of_the_name(lab: Lab) -> None:
    dynamodb, logs = client("dynamodb"), client("logs")
    dynamodb.create_table(
        TableName="everything",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    function("everything", {"e.py": ECHO})
    function("everything-else", {"e.py": ECHO})
    for name in ("everything", "everything-else"):
        logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
    clear("everything", "nothing")
    clear("everything")
    assert "everything" not in dynamodb.list_tables()["TableNames"]
    names = [each["FunctionName"] for each in client("lambda").list_functions()["Functions"]]
    assert "everything" not in names
    assert "everything-else" in names
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/everything")["logGroups"]
    assert [each["logGroupName"] for each in groups] == ["/aws/lambda/everything-else"]


# -- where ----------------------------------------------------------------------------------------


def test_management_endpoint_is_the_address_of_the_region(lab: Lab) -> None:
    endpoint = "https://abc.execute-api.us-east-1.amazonaws.com/prod"
    assert management_endpoint("abc", "prod") == endpoint


def test_clients_made_within_another_account_are_not_used_afterwards(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")  # where no client has been made yet
    keys = client("sts").assume_role(
        RoleArn="arn:aws:iam::210987654321:role/check", RoleSessionName="check"
    )["Credentials"]
    with redirect.acting_as(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]):
        assert function("theirs", {"e.py": ECHO}).split(":")[4] == "210987654321"
    assert function("mine", {"e.py": ECHO}).split(":")[4] == "123456789012"


def test_without_lab_and_region_the_first_cell_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    running_lab = Lab.current()
    if running_lab:
        running_lab.stop()
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(LabNotRunning, match=r"Lab\.start\(\)"):
        management_endpoint("abc", "prod")
