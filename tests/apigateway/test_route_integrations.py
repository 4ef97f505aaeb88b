"""Integrations that are no Lambda proxies: what the backend gets, and what the client hears."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from labkit.apigateway.data_mapping import MappingProblem, RouteRequest, mapped
from labkit.apigateway.integration_request import (
    FunctionRequest,
    HttpRequest,
    Mock,
    ServiceRequest,
    body_of,
    request_of,
)
from labkit.apigateway.integrations import IntegrationProblem, NotEmulated
from labkit.apigateway.model import Integration, Stage
from labkit.errors import LabError
from labkit.wire import AwsResponse
from tests.fidelity.plugin import Values

START = "arn:aws:apigateway:eu-central-1:states:action/StartExecution"
ROLE = "arn:aws:iam::123456789012:role/gateway"
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:plain"
Start = Callable[..., Any]
MakeStage = Callable[..., Stage]


def integration(
    kind: str, uri: str = "", responses: Mapping[str, Any] | None = None, **raw: Any
) -> Integration:
    return Integration(
        id="i1", type=kind, uri=uri, timeout_ms=29_000, responses=responses or {}, raw=raw
    )


def message(body: Any, **event: Any) -> RouteRequest:
    text = body if isinstance(body, str) else json.dumps(body)
    context = {"connectionId": "R1kmxc2VNjMCFIA=", "authorizer": {"principalId": "ada"}}
    seen = {"requestContext": context, "body": text, **event}
    return RouteRequest(seen, text, body, {"table": "orders", "port": "8000"})


# -- the rules ------------------------------------------------------------------------------------


@pytest.mark.behaviour("websocket.integrations.request-template")
@pytest.mark.parametrize(
    ("raw", "body"),
    [
        ({}, '{"kind": "a"}'),
        ({"RequestTemplates": {"$default": "t"}}, "t"),
        ({"RequestTemplates": {"a": "A", "b": "B"}, "TemplateSelectionExpression": "b"}, "B"),
        (
            {
                "RequestTemplates": {"a": "A", "b": "B"},
                "TemplateSelectionExpression": "${request.body.kind}",
            },
            "A",
        ),
        (
            {"RequestTemplates": {"b": "B"}, "TemplateSelectionExpression": "${request.body.kind}"},
            '{"kind": "a"}',
        ),
        ({"PassthroughBehavior": "WHEN_NO_TEMPLATES"}, '{"kind": "a"}'),
        (
            {
                "RequestTemplates": {
                    "$default": "$context.authorizer.principalId $stageVariables.table"
                }
            },
            "ada orders",
        ),
    ],
)
def test_request_template_is_chosen_or_the_message_passes(raw: dict[str, Any], body: str) -> None:
    assert body_of(integration("AWS", **raw), message({"kind": "a"})) == body


@pytest.mark.behaviour("websocket.integrations.request-template")
@pytest.mark.parametrize(
    "raw",
    [
        {"PassthroughBehavior": "NEVER"},
        {"PassthroughBehavior": "WHEN_NO_TEMPLATES", "RequestTemplates": {"b": "B"}},
    ],
)
def test_message_that_may_not_pass_is_explained(raw: dict[str, Any]) -> None:
    with pytest.raises(IntegrationProblem, match="PassthroughBehavior"):
        body_of(integration("AWS", **raw), message({"kind": "a"}))


@pytest.mark.behaviour("websocket.integrations.parameters")
def test_parameters_are_mapped_from_everywhere() -> None:
    request = message(
        {"order": {"id": 7, "lines": ["x"]}},
        headers={"Accept-Language": "de"},
        queryStringParameters={"tag.a": "t"},
    )
    parameters = {
        "integration.request.header.Content-Type": "'text/plain'",
        "integration.request.header.lang": "route.request.header.accept-language",
        "integration.request.header.gone": "route.request.header.Missing",
        "integration.request.querystring.tag": "route.request.querystring.tag.a",
        "integration.request.querystring.line": "route.request.body.order.lines[0]",
        "integration.request.path.id": "route.request.body.order.id",
        "integration.request.path.who": "context.authorizer.principalId",
        "integration.request.path.table": "stageVariables.table",
    }
    assert mapped(parameters, request) == {
        "header": {"Content-Type": "text/plain", "lang": "de"},
        "querystring": {"tag": "t", "line": "x"},
        "path": {"id": "7", "who": "ada", "table": "orders"},
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("integration.request.cookie.a", "'x'"),
        ("integration.request.header.", "'x'"),
        ("header.a", "'x'"),
        ("integration.request.header.a", "x"),
        ("integration.request.header.a", "method.request.header.a"),
        ("integration.request.header.a", "route.request.body.a..b"),
    ],
)
def test_malformed_mapping_is_refused(key: str, value: str) -> None:
    with pytest.raises(MappingProblem, match="RequestParameters"):
        mapped({key: value}, message({}))


@pytest.mark.behaviour("websocket.integrations.aws")
def test_action_of_a_service_is_called_as_the_role() -> None:
    asked = request_of(
        integration(
            "AWS",
            START,
            CredentialsArn=ROLE,
            RequestTemplates={"$default": '{"input": "$util.escapeJavaScript($input.body)"}'},
        ),
        message({"a": 1}),
    )
    assert isinstance(asked, ServiceRequest)
    assert asked.role == ROLE
    assert (asked.request.service, asked.request.region) == ("states", "eu-central-1")
    assert asked.request.headers["X-Amz-Target"] == "AWSStepFunctions.StartExecution"
    assert json.loads(json.loads(asked.request.body)["input"]) == {"a": 1}


@pytest.mark.behaviour("websocket.integrations.http")
def test_http_backend_of_this_machine_is_asked_and_the_uri_is_filled_in() -> None:
    asked = request_of(
        integration(
            "HTTP",
            "http://127.0.0.1:${stageVariables.port}/orders/{id}?a=1",
            IntegrationMethod="PUT",
            RequestParameters={
                "integration.request.path.id": "route.request.body.id",
                "integration.request.querystring.q": "'x y'",
            },
        ),
        message({"id": "a/b"}),
    )
    assert asked == HttpRequest(
        "PUT",
        "http://127.0.0.1:8000/orders/a%2Fb?a=1&q=x+y",
        {"Content-Type": "application/json"},
        '{"id": "a/b"}',
    )


@pytest.mark.behaviour("websocket.integrations.aws-lambda")
def test_function_without_proxy_gets_what_the_template_gives() -> None:
    asked = request_of(
        integration("AWS", FUNCTION, RequestTemplates={"$default": '{"n": 1}'}), message("hello")
    )
    assert asked == FunctionRequest(FUNCTION, b'{"n": 1}')


@pytest.mark.behaviour("websocket.integrations.mock", "websocket.integrations.mock-default")
def test_mock_takes_its_status_from_its_template(expected: Values) -> None:
    template = {"418": '{"statusCode": 418}'}
    teapot = integration("MOCK", RequestTemplates=template, TemplateSelectionExpression="418")
    assert request_of(teapot, message("hello")) == Mock(418)
    assert request_of(integration("MOCK"), message("hello")) == Mock(expected.status)


@pytest.mark.behaviour("websocket.integrations.elsewhere", "websocket.integrations.other-services")
@pytest.mark.parametrize(
    ("made", "error", "why"),
    [
        (integration("AWS", START), IntegrationProblem, "CredentialsArn"),
        (integration("AWS", FUNCTION), IntegrationProblem, "not JSON"),
        (integration("AWS", "states"), NotEmulated, "names no service"),
        (integration("AWS", START.replace("states", "s3")), NotEmulated, "dynamodb and states"),
        (integration("HTTP", "https://example.com/"), NotEmulated, "Nothing leaves this machine"),
        (integration("HTTP", "file://localhost/etc"), NotEmulated, "Nothing leaves this machine"),
        (integration("HTTP_PROXY", "http://localhost.example.com"), NotEmulated, "Nothing leaves"),
        (integration("HTTP", "http://a", ConnectionType="VPC_LINK"), NotEmulated, "VPC link"),
        (integration("OTHER"), NotEmulated, "'OTHER'"),
        (
            integration("MOCK", RequestTemplates={"$default": "{}"}),
            IntegrationProblem,
            "statusCode",
        ),
    ],
)
def test_what_cannot_be_asked_is_explained(
    made: Integration, error: type[LabError], why: str
) -> None:
    with pytest.raises(error, match=why):
        request_of(made, message("hello"))


# -- on real sockets ------------------------------------------------------------------------------


def stage_of(stage_with: MakeStage, key: str, made: Integration, *, responds: bool = True) -> Stage:
    """A stage with one route and its integration."""
    stage = stage_with(key, responses=(key,) if responds else ())
    return replace(
        stage, api=replace(stage.api, integrations={f"i-{key}": replace(made, id=f"i-{key}")})
    )


async def heard(url: str, text: str) -> Any:
    """The first frame that comes back."""
    async with asyncio.timeout(5), connect(url) as client:
        await client.send(text)
        return await client.recv()


@asynccontextmanager
async def backend(answer: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    """An HTTP backend on loopback."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.behaviour("websocket.integrations.response", "websocket.integrations.mock")
async def test_mock_answers_by_its_integration_response(
    start: Start, stage_with: MakeStage
) -> None:
    made = integration(
        "MOCK",
        RequestTemplates={"$default": '{"statusCode": 200}'},
        responses={
            "$default": {"ResponseTemplates": {"$default": "other"}},
            "/2\\d\\d/": {
                "TemplateSelectionExpression": "${request.body.lang}",
                "ResponseTemplates": {"de": "hallo $context.connectionId", "en": "hello"},
            },
        },
    )
    async with start(stage_of(stage_with, "$default", made)) as gateway:
        assert await heard(gateway.url, '{"lang": "en"}') == "hello"
        german = await heard(gateway.url, '{"lang": "de"}')
        opened = [event["connection"] for event in gateway.log if event.kind == "connection.opened"]
        assert german == f"hallo {opened[1]}"
        assert gateway.functions.events == []


@pytest.mark.behaviour("websocket.integrations.aws")
async def test_service_is_called_and_its_answer_is_turned_into_a_message(
    start: Start, stage_with: MakeStage
) -> None:
    made = integration(
        "AWS",
        START,
        CredentialsArn=ROLE,
        RequestTemplates={"$default": '{"name": "$input.path(\'$.id\')"}'},
        responses={"200": {"ResponseTemplates": {"$default": "$input.path('$.executionArn')"}}},
    )
    async with start(stage_of(stage_with, "$default", made)) as gateway:
        gateway.aws_answer = AwsResponse.json({"executionArn": "arn:o-1"})
        assert await heard(gateway.url, '{"id": "o-1"}') == "arn:o-1"
        [(call, role, account)] = gateway.calls
        assert (role, account, json.loads(call.body)) == (ROLE, "123456789012", {"name": "o-1"})
        assert call.trace is not None


@pytest.mark.behaviour("websocket.integrations.backend-error")
async def test_error_of_a_service_without_a_response_for_it_is_an_internal_server_error(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    made = integration("AWS", START, CredentialsArn=ROLE, responses={"200": {}})
    async with start(stage_of(stage_with, "$default", made, responds=False)) as gateway:
        gateway.aws_answer = AwsResponse.json({"__type": "ExecutionAlreadyExists"}, 400)
        frame = json.loads(await heard(gateway.url, "{}"))
        assert frame["message"] == expected.message
        assert "ExecutionAlreadyExists" in (await gateway.event("cloud.warning"))["message"]


@pytest.mark.behaviour("websocket.integrations.one-way")
async def test_answer_is_kept_back_without_a_route_response_or_an_integration_response(
    start: Start, stage_with: MakeStage
) -> None:
    with_response = integration(
        "MOCK", responses={"$default": {"ResponseTemplates": {"$default": "x"}}}
    )
    for made, responds in ((with_response, False), (integration("MOCK"), True)):
        async with start(stage_of(stage_with, "$default", made, responds=responds)) as gateway:
            async with connect(gateway.url) as client:
                await client.send("hello")
                await gateway.event("message.handled")
            assert gateway.count("frame.out") == 0


@pytest.mark.behaviour("websocket.integrations.http-proxy")
async def test_http_proxy_passes_message_and_answer_through(
    start: Start, stage_with: MakeStage
) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.method} {request.path} {await request.text()}")

    async with backend(echo) as url:
        made = integration("HTTP_PROXY", f"{url}/echo", IntegrationMethod="POST")
        async with start(stage_of(stage_with, "$default", made)) as gateway:
            assert await heard(gateway.url, "hello") == "POST /echo hello"


@pytest.mark.behaviour("websocket.integrations.http")
async def test_http_backend_decides_by_its_status(start: Start, stage_with: MakeStage) -> None:
    async def answer(request: web.Request) -> web.Response:
        status = 200 if request.query["user"] == "ada" else 403
        return web.Response(status=status, headers={"Sec-WebSocket-Protocol": "orders.v1"})

    async with backend(answer) as url:
        made = integration(
            "HTTP",
            url,
            IntegrationMethod="GET",
            RequestParameters={
                "integration.request.querystring.user": "route.request.querystring.user"
            },
        )
        async with start(stage_of(stage_with, "$connect", made)) as gateway:
            ada = f"{gateway.url}?user=ada"
            async with connect(ada, subprotocols=[Subprotocol("orders.v1")]) as client:
                assert client.subprotocol == "orders.v1"
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{gateway.url}?user=eve")
            assert refused.value.response.status_code == 403


@pytest.mark.behaviour("websocket.integrations.backend-silent")
async def test_backend_that_does_not_answer_is_an_internal_server_error(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async def never(request: web.Request) -> web.Response:
        raise AssertionError("nobody listens")

    async with backend(never) as url:
        pass
    async with start(stage_of(stage_with, "$default", integration("HTTP_PROXY", url))) as gateway:
        assert json.loads(await heard(gateway.url, "x"))["message"] == expected.message
        assert url in (await gateway.event("cloud.warning"))["message"]


@pytest.mark.behaviour("websocket.integrations.aws-lambda")
async def test_function_without_proxy_answers_with_any_json(
    start: Start, stage_with: MakeStage
) -> None:
    made = integration(
        "AWS",
        FUNCTION,
        RequestTemplates={"$default": "{\"text\": $input.json('$.text')}"},
        responses={"$default": {}},
    )

    async def plain(event: dict[str, Any]) -> Any:
        return [event["text"]]

    async with start(stage_of(stage_with, "$default", made)) as gateway:
        gateway.functions["plain"] = plain
        assert json.loads(await heard(gateway.url, '{"text": "ä"}')) == ["ä"]


@pytest.mark.behaviour("websocket.integrations.passed-over")
async def test_what_is_passed_over_is_warned_of(start: Start, stage_with: MakeStage) -> None:
    made = integration(
        "MOCK",
        ContentHandlingStrategy="CONVERT_TO_TEXT",
        responses={"$default": {"ResponseParameters": {"a": "b"}}},
    )
    async with start(stage_of(stage_with, "$default", made)) as gateway:
        async with connect(gateway.url) as client:
            await client.send("hello")
            await gateway.event("message.handled")
        warnings = [event["message"] for event in gateway.log if event.kind == "cloud.warning"]
        assert len(warnings) == 2
        assert "ContentHandlingStrategy of the integration" in warnings[0]
        assert "ResponseParameters of integration response $default" in warnings[1]


@pytest.mark.behaviour("websocket.integrations.templates")
async def test_template_that_fails_is_explained_in_the_log_and_not_to_the_client(
    start: Start, stage_with: MakeStage
) -> None:
    made = integration("MOCK", RequestTemplates={"$default": "$util.secret()"})
    async with start(stage_of(stage_with, "$default", made)) as gateway:
        frame = await heard(gateway.url, "hello")
        assert json.loads(frame)["message"] == "Internal server error"
        assert "secret" not in frame
        assert "$util has no method secret()" in (await gateway.event("cloud.warning"))["message"]


@pytest.mark.behaviour("websocket.integrations.elsewhere", "websocket.integrations.directives")
@pytest.mark.parametrize(
    ("made", "why"),
    [
        (integration("HTTP", "https://example.com/"), "Nothing leaves this machine"),
        (integration("MOCK", RequestTemplates={"$default": "#macro(a)#end"}), "#macro"),
        (integration("MOCK", RequestTemplates={"$default": "$input.params()"}), "params"),
    ],
    ids=["elsewhere", "macro", "params"],
)
async def test_what_is_not_emulated_is_warned_of(
    start: Start, stage_with: MakeStage, made: Integration, why: str
) -> None:
    async with start(stage_of(stage_with, "$default", made)) as gateway:
        assert json.loads(await heard(gateway.url, "{}"))["message"] == "Internal server error"
        assert why in (await gateway.event("cloud.warning"))["message"]
