"""AWS's own client for the Runtime API, as the runtime that a package brings."""

from __future__ import annotations

import base64
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from websockets.sync.client import connect

from labkit import Lab
from labkit.resources import integration, permission, role

DEADLINE = 20.0
pytestmark = [
    pytest.mark.timeout(300),  # the tools may have to be downloaded
    pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric is for Linux"),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start() as lab:
        yield lab


def package(python: str, code: str) -> bytes:
    """A package for an OS-only runtime."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        bootstrap = zipfile.ZipInfo("bootstrap")
        bootstrap.external_attr = 0o755 << 16
        file.writestr(bootstrap, f'#!/bin/sh\nexec {python} -m awslambdaric "$_HANDLER"\n')
        file.writestr("app.py", code)
    return buffer.getvalue()


def create(python: str, name: str, code: str) -> str:
    made = boto3.client("lambda").create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Handler="app.handler",
        Role=role(),
        Timeout=20,
        Code={"ZipFile": package(python, code)},
    )
    return str(made["FunctionArn"])


def invoke(name: str, event: object = None) -> tuple[str | None, Any, str]:
    answer = boto3.client("lambda").invoke(
        FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail"
    )
    log = base64.b64decode(answer["LogResult"]).decode()
    return answer.get("FunctionError"), json.load(answer["Payload"]), log


@pytest.mark.behaviour("lambda.invocations.runtime-api")
def test_function_runs_and_its_process_is_kept(lab: Lab, tools: str) -> None:
    create(
        tools,
        "counts",
        "import sys\nimport awslambdaric\ncount = 0\n"
        "def handler(event, context):\n"
        "    global count\n"
        "    count += 1\n"
        "    print('counted')\n"
        "    return {'event': event, 'count': count, 'id': context.aws_request_id,\n"
        "            'runtime': 'awslambdaric.bootstrap' in sys.modules}\n",
    )
    _, first, log = invoke("counts", {"n": 1})
    assert first == {"event": {"n": 1}, "count": 1, "id": first["id"], "runtime": True}
    assert f"START RequestId: {first['id']}" in log
    assert "counted\n" in log
    _, second, _ = invoke("counts", None)
    assert (second["count"], second["event"]) == (2, None)
    assert second["id"] != first["id"]


def test_function_that_fails_at_import(lab: Lab, tools: str) -> None:
    create(tools, "no-import", "import nothing_of_this_name\n")
    kind, error, _ = invoke("no-import")
    assert (kind, error["errorType"]) == ("Unhandled", "Runtime.ImportModuleError")
    assert "No module named 'nothing_of_this_name'" in error["errorMessage"]


def test_function_that_raises(lab: Lab, tools: str) -> None:
    create(tools, "raises", "def handler(event, context):\n    raise KeyError('sku')\n")
    kind, error, log = invoke("raises")
    assert (kind, error["errorType"], error["errorMessage"]) == ("Unhandled", "KeyError", "'sku'")
    assert "[ERROR] KeyError: 'sku'" in log


@pytest.mark.behaviour("lambda.invocations.runtime-api")
def test_function_that_sends_to_a_connection(lab: Lab, tools: str) -> None:
    function = create(
        tools,
        "sends",
        "import boto3\n"
        "def handler(event, context):\n"
        "    about = event['requestContext']\n"
        "    if about['eventType'] == 'MESSAGE':\n"
        "        boto3.client('apigatewaymanagementapi',\n"
        "            endpoint_url='https://%(domainName)s/%(stage)s' % about,\n"
        "        ).post_to_connection(ConnectionId=about['connectionId'], Data=b'sent by awslambdaric')\n"
        "    return {'statusCode': 200}\n",
    )
    apis = boto3.client("apigatewayv2")
    api = apis.create_api(
        Name="a", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    target = f"integrations/{integration(api['ApiId'], function)}"
    for key in ("$connect", "$default"):
        apis.create_route(ApiId=api["ApiId"], RouteKey=key, Target=target)
    permission(function, api["ApiId"])
    apis.create_stage(ApiId=api["ApiId"], StageName="prod", AutoDeploy=True)
    with connect(f"{api['ApiEndpoint']}/prod", open_timeout=DEADLINE) as client:
        client.send("hello")
        assert client.recv(DEADLINE) == "sent by awslambdaric"
