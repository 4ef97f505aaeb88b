"""A WebSocket API without functions of its own but an authorizer, built with boto3 as on AWS."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import websocket

from labkit import package
from labkit.lab import Lab, running
from labkit.resources import permission

DEADLINE = 20.0
AUTHORIZER = b"""
def handler(event, context):
    user = event["queryStringParameters"]["user"]
    return {
        "principalId": user,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{
                "Action": "execute-api:Invoke",
                "Effect": "Deny" if user == "eve" else "Allow",
                "Resource": event["methodArn"],
            }],
        },
        "context": {"tenant": 7},
    }
"""
MACHINE = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


@dataclass
class Direct:
    """The API under test."""

    api: str
    url: str
    table: Any

    def open(self, user: str = "ada") -> websocket.WebSocket:
        return websocket.create_connection(f"{self.url}?user={user}", timeout=DEADLINE)


@pytest.fixture(scope="module")
def direct(lab: Lab) -> Direct:
    """``$connect`` and ``$disconnect`` write a table, ``start`` starts a state machine, ``ping`` is a mock."""
    apis, region = boto3.client("apigatewayv2"), boto3.session.Session().region_name
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = boto3.client("iam").create_role(RoleName="direct", AssumeRolePolicyDocument=policy)
    role_arn = role["Role"]["Arn"]
    table = boto3.resource("dynamodb").create_table(
        TableName="direct",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    machine = boto3.client("stepfunctions").create_state_machine(
        name="direct", definition=json.dumps(MACHINE), roleArn=role_arn
    )
    function = boto3.client("lambda").create_function(
        FunctionName="direct-authorizer",
        Runtime="python3.13",
        Role=role_arn,
        Handler="authorizer.handler",
        Code={"ZipFile": package({"authorizer.py": AUTHORIZER})},
    )
    api = apis.create_api(
        Name="direct", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    api_id = api["ApiId"]
    invoke = f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions"
    authorizer = apis.create_authorizer(
        ApiId=api_id,
        Name="who",
        AuthorizerType="REQUEST",
        AuthorizerUri=f"{invoke}/{function['FunctionArn']}/invocations",
        IdentitySource=["route.request.querystring.user"],
    )
    permission(function["FunctionArn"], api_id)

    def route(key: str, kind: str, action: str, template: dict[str, Any], **more: Any) -> None:
        uri = {"IntegrationUri": f"arn:aws:apigateway:{region}:{action}"} if action else {}
        integration = apis.create_integration(
            ApiId=api_id,
            IntegrationType=kind,
            IntegrationMethod="POST",
            CredentialsArn=role_arn,
            RequestTemplates={"$default": json.dumps(template)},
            TemplateSelectionExpression=r"\$default",
            **uri,
        )["IntegrationId"]
        apis.create_integration_response(
            ApiId=api_id,
            IntegrationId=integration,
            IntegrationResponseKey="$default",
            ResponseTemplates={
                "$default": '{"about": "$context.routeKey", "got": $input.json(\'$\')}'
            },
            TemplateSelectionExpression=r"\$default",
        )
        made = apis.create_route(
            ApiId=api_id, RouteKey=key, Target=f"integrations/{integration}", **more
        )
        if not key.startswith("$"):
            apis.create_route_response(
                ApiId=api_id, RouteId=made["RouteId"], RouteResponseKey="$default"
            )

    key = {"id": {"S": "$context.connectionId"}}
    item = {
        "who": {"S": "$context.authorizer.principalId"},
        "tenant": {"N": "$context.authorizer.tenant"},
        "stage": {"S": "$stageVariables.colour"},
    }
    guard = {"AuthorizationType": "CUSTOM", "AuthorizerId": authorizer["AuthorizerId"]}
    named = {"TableName": "direct"}
    route("$connect", "AWS", "dynamodb:action/PutItem", named | {"Item": key | item}, **guard)
    route("$disconnect", "AWS", "dynamodb:action/DeleteItem", named | {"Key": key})
    start = {
        "stateMachineArn": machine["stateMachineArn"],
        "input": "$util.escapeJavaScript($input.body)",
    }
    route("start", "AWS", "states:action/StartExecution", start)
    route("ping", "MOCK", "", {"statusCode": 200})
    apis.create_stage(
        ApiId=api_id, StageName="prod", AutoDeploy=True, StageVariables={"colour": "blue"}
    )
    return Direct(api_id, f"{api['ApiEndpoint']}/prod", table)


@pytest.mark.behaviour("websocket.integrations.aws")
def test_connection_is_written_and_deleted_without_a_function(lab: Lab, direct: Direct) -> None:
    client = direct.open()
    [item] = direct.table.scan()["Items"]
    assert (item["who"], item["tenant"], item["stage"]) == ("ada", 7, "blue")
    client.close()
    lab.log.wait(
        lambda e: e.kind == "disconnect.handled" and e["connection"] == item["id"],
        timeout=DEADLINE,
    )
    assert direct.table.scan()["Items"] == []


@pytest.mark.behaviour("websocket.integrations.aws")
def test_message_starts_an_execution_and_the_client_hears_its_arn(direct: Direct) -> None:
    client = direct.open()
    message = json.dumps({"action": "start", "note": 'a "quoted" ä'})
    client.send(message)
    answer = json.loads(client.recv())
    client.close()
    assert answer["about"] == "start"
    execution = boto3.client("stepfunctions").describe_execution(
        executionArn=answer["got"]["executionArn"]
    )
    assert json.loads(execution["input"]) == json.loads(message)


@pytest.mark.behaviour("websocket.integrations.mock")
def test_mock_answers_by_itself(direct: Direct) -> None:
    client = direct.open()
    client.send('{"action": "ping"}')
    assert json.loads(client.recv())["about"] == "ping"
    client.close()


@pytest.mark.behaviour("websocket.authorizer.denied")
@pytest.mark.parametrize(("query", "status"), [("?user=eve", 403), ("", 401)])
def test_authorizer_keeps_strangers_out(direct: Direct, query: str, status: int) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(direct.url + query, timeout=DEADLINE)
    assert refused.value.status_code == status


def test_many_clients_at_once_are_each_asked_about(direct: Direct) -> None:
    """Each connection has its own caller, however the authorizer's answers overlap."""
    names = [f"user-{number}" for number in range(8)]
    clients: list[websocket.WebSocket] = []
    threads = [threading.Thread(target=lambda n=n: clients.append(direct.open(n))) for n in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = [item["who"] for item in direct.table.scan()["Items"]]
    assert sorted(who for who in written if who.startswith("user-")) == names
    for client in clients:
        client.close()


# -- a stage with settings of every kind ----------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(lab: Lab) -> tuple[str, str]:
    """The id and the URL of an API with an API key, a model, a throttled route and an access log."""
    apis, keys = boto3.client("apigatewayv2"), boto3.client("apigateway")
    logs, region = boto3.client("logs"), boto3.session.Session().region_name
    logs.create_log_group(logGroupName="guarded-access")
    api = apis.create_api(
        Name="guarded", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    api_id = api["ApiId"]
    mock = apis.create_integration(ApiId=api_id, IntegrationType="MOCK")["IntegrationId"]
    apis.create_integration_response(
        ApiId=api_id,
        IntegrationId=mock,
        IntegrationResponseKey="$default",
        ResponseTemplates={"$default": "fits"},
        TemplateSelectionExpression=r"\$default",
    )
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", "required": ["text"]}
    apis.create_model(
        ApiId=api_id, Name="note", ContentType="application/json", Schema=json.dumps(schema)
    )
    target = f"integrations/{mock}"
    apis.create_route(ApiId=api_id, RouteKey="$connect", Target=target, ApiKeyRequired=True)
    note = apis.create_route(
        ApiId=api_id,
        RouteKey="note",
        Target=target,
        RequestModels={"$default": "note"},
        ModelSelectionExpression=r"\$default",
        RouteResponseSelectionExpression="$default",
    )
    apis.create_route_response(ApiId=api_id, RouteId=note["RouteId"], RouteResponseKey="$default")
    apis.create_stage(
        ApiId=api_id,
        StageName="prod",
        AutoDeploy=True,
        RouteSettings={"note": {"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 2}},
        AccessLogSettings={
            "DestinationArn": f"arn:aws:logs:{region}:123456789012:log-group:guarded-access",
            "Format": "$context.requestId $context.routeKey $context.status",
        },
    )
    for name, stage in (("right", "prod"), ("wrong", "test")):
        key = keys.create_api_key(name=name, enabled=True, value=name * 4)
        plan = keys.create_usage_plan(name=name, apiStages=[{"apiId": api_id, "stage": stage}])
        keys.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    return api_id, f"{api['ApiEndpoint']}/prod"


def test_stage_settings_that_boto3_made_are_in_force(guarded: tuple[str, str]) -> None:
    _, url = guarded
    for header in ({}, {"x-api-key": "wrong" * 4}):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            websocket.create_connection(url, timeout=DEADLINE, header=header)
        assert refused.value.status_code == 403
    client = websocket.create_connection(url, timeout=DEADLINE, header={"x-api-key": "right" * 4})
    heard = []
    for message in ('{"action": "note"}', '{"action": "note", "text": "x"}', '{"action": "note"}'):
        client.send(message)
        heard.append(client.recv())
    client.close()
    assert json.loads(heard[0])["message"] == "Bad request body"
    assert heard[1] == "fits"
    assert json.loads(heard[2])["message"] == "Too Many Requests"


@pytest.mark.behaviour("websocket.access-log.lines")
def test_access_log_has_a_line_for_each_request(guarded: tuple[str, str]) -> None:
    api_id, url = guarded
    websocket.create_connection(url, timeout=DEADLINE, header={"x-api-key": "right" * 4}).close()

    def lines() -> list[str]:
        found = boto3.client("logs").filter_log_events(logGroupName="guarded-access")
        return [event["message"].split(" ", 1)[1] for event in found["events"]]

    deadline = time.monotonic() + DEADLINE
    while "$connect 200" not in lines():  # nothing announces a line
        assert time.monotonic() < deadline
    assert set(lines()) <= {"$connect 200", "$connect 403", "note 400", "note 200", "note 429"}
    streams = boto3.client("logs").describe_log_streams(logGroupName="guarded-access")
    assert [s["logStreamName"] for s in streams["logStreams"]] == [f"{api_id}/prod"]
