"""HTTP APIs in front of Step Functions without a function between."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from labkit.apigateway.http_message import HttpRequest
from labkit.apigateway.http_services import SUBTYPES
from labkit.apigateway.model import Integration, Route
from labkit.errors import AwsError
from labkit.trace import HEADER, Trace
from labkit.wire import AwsRequest, AwsResponse
from tests.apigateway.test_http_api import API, Gateway, api_with, ok
from tests.fidelity.plugin import Values

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:orders"
ROLE = "arn:aws:iam::123456789012:role/starts"
POST = HttpRequest("POST", "/orders/o-1", body=b'{"order": {"id": "o-1", "items": [1]}}')
START = {"StateMachineArn": MACHINE, "Input": "$request.body.order", "Name": "$request.path.id"}


def start(
    parameters: dict[str, str] = START,
    subtype: str = "StepFunctions-StartExecution",
    version: str = "1.0",
    **raw: Any,
) -> Gateway:
    members = {
        "IntegrationSubtype": subtype,
        "RequestParameters": parameters,
        "CredentialsArn": ROLE,
        **raw,
    }
    route = Route("r1", "POST /orders/{id}", "i1")
    integration = Integration("i1", "AWS_PROXY", "", 30_000, version, raw=members)
    return Gateway(ok, api_with(integration, routes={route.key: route}))


async def called(gateway: Gateway, request: HttpRequest = POST) -> AwsRequest:
    """The call that a request became."""
    assert (await gateway.send(request)).status == 200
    [(call, role, account)] = gateway.aws_calls
    assert (role, account) == (ROLE, API.account)
    return call


@pytest.mark.behaviour("http.services.subtypes")
async def test_request_becomes_a_call_of_the_action(expected: Values) -> None:
    assert sorted(expected.subtypes) == sorted(SUBTYPES)
    for subtype in expected.subtypes:
        first = "ExecutionArn" if subtype.endswith("StopExecution") else "StateMachineArn"
        call = await called(start({first: MACHINE}, subtype))
        assert call.headers["X-Amz-Target"] == f"AWSStepFunctions.{subtype.partition('-')[2]}"
        assert (call.service, call.region) == ("states", "us-east-1")
        assert call.json() == {first[0].lower() + first[1:]: MACHINE}


@pytest.mark.behaviour("http.services.parameters")
async def test_parameters_are_taken_from_the_request() -> None:
    call = await called(start({**START, "Region": "eu-central-1"}))
    assert call.region == "eu-central-1"
    body = call.json()
    assert json.loads(body.pop("input")) == {"id": "o-1", "items": [1]}
    assert body == {"stateMachineArn": MACHINE, "name": "o-1"}


@pytest.mark.behaviour("http.services.parameters")
async def test_whole_body_passes_through() -> None:
    call = await called(start({**START, "Input": "$request.body"}))
    assert call.json()["input"] == POST.body.decode()


@pytest.mark.behaviour("http.services.missing")
async def test_parameter_without_a_value_is_left_out() -> None:
    call = await called(start({**START, "Name": "$request.header.x-name"}))
    assert "name" not in call.json()


async def test_call_goes_on_with_the_trace() -> None:
    gateway = start()
    call = await called(gateway)
    arrived = next(iter(gateway.log))
    assert arrived.trace is not None
    assert call.headers[HEADER] == Trace(arrived.trace, arrived.seq).header


@pytest.mark.behaviour("http.services.answer")
async def test_answer_and_error_reach_the_caller() -> None:
    gateway = start()
    gateway.aws_answer = AwsResponse.json({"executionArn": "arn"})
    response = await gateway.send(POST)
    assert (response.status, json.loads(response.body)) == (200, {"executionArn": "arn"})
    assert dict(response.headers)["content-type"] == "application/json"
    gateway.aws_answer = AwsResponse.error(AwsError("ExecutionAlreadyExists", "there is one"))
    response = await gateway.send(POST)
    assert response.status == 400
    assert json.loads(response.body)["__type"] == "ExecutionAlreadyExists"


@pytest.mark.behaviour("http.mapping.response")
async def test_answer_of_a_service_is_mapped() -> None:
    gateway = start(ResponseParameters={"200": {"overwrite:statuscode": "202"}})
    assert (await gateway.send(POST)).status == 202


@pytest.mark.behaviour("http.services.malformed")
@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        (start(CredentialsArn=None), "CredentialsArn"),
        (start({"Input": "{}"}), "lack StateMachineArn"),
        (start({**START, "Cause": "1"}), "no parameter Cause"),
        (start({**START, "Input": "$request.body.a..b"}), "does not know"),
        (start(version="2.0"), "must be '1.0'"),
    ],
)
async def test_integration_that_aws_would_not_create_is_500(
    gateway: Gateway, said: str, expected: Values
) -> None:
    assert (await gateway.send(POST)).status == expected.status
    assert said in gateway.logged("http.response")["error"]
    assert gateway.aws_calls == []


async def test_route_without_a_body_still_calls() -> None:
    call = await called(start({**START, "Input": "$request.body"}), replace(POST, body=b""))
    assert "input" not in call.json()
