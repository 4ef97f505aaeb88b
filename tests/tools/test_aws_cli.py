"""The AWS CLI builds the pattern's pieces on ``labkit serve`` and sends to a connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from labkit import package

DEADLINE = 30.0
HANDLER = b"""
import boto3
table = boto3.resource('dynamodb').Table('cli-connections')
def handler(event, context):
    about = event['requestContext']
    if about['routeKey'] == '$connect':
        table.put_item(Item={'connectionId': about['connectionId']})
    return {'statusCode': 200, 'body': 'you said ' + (event.get('body') or '')}
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}

pytestmark = pytest.mark.timeout(300)  # the tools may have to be downloaded

Aws = Callable[..., Any]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    command = [sys.executable, "-m", "labkit", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["endpoint"])
        finally:
            process.terminate()
            process.wait(DEADLINE)


@pytest.fixture(scope="module")
def aws(tools: str, endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Aws:
    """Run ``aws …`` as a user does whose environment names the local cloud."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    environment = {
        **kept,
        "HOME": str(tmp_path_factory.mktemp("home")),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_PAGER": "",
    }

    def aws(*arguments: str) -> Any:
        done = subprocess.run(
            [tools, "-m", "awscli", *arguments, "--output", "json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    return aws


def test_cli_builds_a_websocket_api_and_sends_to_a_connection(
    aws: Aws, endpoint: str, tmp_path: Path
) -> None:
    aws(
        *("dynamodb", "create-table", "--table-name", "cli-connections"),
        *("--key-schema", "AttributeName=connectionId,KeyType=HASH"),
        *("--attribute-definitions", "AttributeName=connectionId,AttributeType=S"),
        *("--billing-mode", "PAY_PER_REQUEST"),
    )
    aws("dynamodb", "wait", "table-exists", "--table-name", "cli-connections")
    role = aws(
        *("iam", "create-role", "--role-name", "cli"),
        *("--assume-role-policy-document", json.dumps(TRUST)),
    )["Role"]["Arn"]
    (tmp_path / "app.zip").write_bytes(package({"app.py": HANDLER}))
    function = aws(
        *("lambda", "create-function", "--function-name", "cli", "--runtime", "python3.13"),
        *("--handler", "app.handler", "--role", role, "--timeout", "20"),
        *("--zip-file", f"fileb://{tmp_path / 'app.zip'}"),
    )["FunctionArn"]
    api = aws(
        *("apigatewayv2", "create-api", "--name", "cli", "--protocol-type", "WEBSOCKET"),
        *("--route-selection-expression", "$request.body.action"),
    )
    integration = aws(
        *("apigatewayv2", "create-integration", "--api-id", api["ApiId"]),
        *("--integration-type", "AWS_PROXY", "--integration-method", "POST"),
        "--integration-uri",
        f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{function}/invocations",
    )["IntegrationId"]
    for key in ("$connect", "say"):
        route = aws(
            *("apigatewayv2", "create-route", "--api-id", api["ApiId"], "--route-key", key),
            *("--target", f"integrations/{integration}"),
            *("--route-response-selection-expression", "$default"),
        )["RouteId"]
        aws(
            *("apigatewayv2", "create-route-response", "--api-id", api["ApiId"]),
            *("--route-id", route, "--route-response-key", "$default"),
        )
    aws(
        *("lambda", "add-permission", "--function-name", "cli", "--statement-id", "api"),
        *("--action", "lambda:InvokeFunction", "--principal", "apigateway.amazonaws.com"),
        *("--source-arn", f"arn:aws:execute-api:eu-west-1:123456789012:{api['ApiId']}/*"),
    )
    deployment = aws("apigatewayv2", "create-deployment", "--api-id", api["ApiId"])["DeploymentId"]
    aws(
        *("apigatewayv2", "create-stage", "--api-id", api["ApiId"], "--stage-name", "prod"),
        *("--deployment-id", deployment),
    )

    with connect(f"{api['ApiEndpoint']}/prod", open_timeout=DEADLINE) as client:
        client.send('{"action": "say"}')
        assert client.recv(DEADLINE) == 'you said {"action": "say"}'
        (item,) = aws("dynamodb", "scan", "--table-name", "cli-connections")["Items"]
        management = (
            *("--connection-id", item["connectionId"]["S"]),
            *("--endpoint-url", f"{endpoint}/execute-api/{api['ApiId']}/prod"),
        )
        (tmp_path / "message").write_text("from the command line")
        aws(
            *("apigatewaymanagementapi", "post-to-connection", *management),
            *("--data", f"file://{tmp_path / 'message'}"),
        )
        assert client.recv(DEADLINE) == "from the command line"
        about = aws("apigatewaymanagementapi", "get-connection", *management)
        assert about["Identity"]["SourceIp"] == "127.0.0.1"
    with pytest.raises(RuntimeError, match="GoneException"):
        aws(
            *("apigatewaymanagementapi", "post-to-connection", *management),
            *("--data", f"file://{tmp_path / 'message'}"),
        )


def test_cli_runs_a_state_machine(aws: Aws) -> None:
    definition = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 7, "End": True}}}
    machine = aws(
        *("stepfunctions", "create-state-machine", "--name", "cli", "--type", "EXPRESS"),
        *("--definition", json.dumps(definition)),
        *("--role-arn", "arn:aws:iam::123456789012:role/any"),
    )["stateMachineArn"]
    done = aws("stepfunctions", "start-sync-execution", "--state-machine-arn", machine)
    assert (done["status"], done["output"]) == ("SUCCEEDED", "7")
