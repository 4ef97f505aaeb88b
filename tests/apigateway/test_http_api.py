"""HTTP APIs as a caller meets them: what reaches the function, what comes back, what the log says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from labkit.apigateway.http_api import HttpApis
from labkit.apigateway.http_integrations import LONGEST_INTEGRATION_MS
from labkit.apigateway.http_message import HttpRequest, HttpResponse
from labkit.apigateway.model import Api, Integration, Protocol, Route, Stage, StageSettings
from labkit.clock import Clock
from labkit.errors import AwsError
from labkit.eventlog import EventLog
from labkit.faults import Faults
from labkit.functions.model import Invocation
from labkit.trace import Trace
from labkit.wire import LOCAL_ACCOUNT, AwsRequest, AwsResponse
from tests.fidelity.plugin import Values

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:orders"
URI = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
LAMBDA = Integration("i1", "AWS_PROXY", URI, 30_000, "2.0")
API = Api(
    id="a1b2c3d4e5",
    name="orders",
    protocol=Protocol.HTTP,
    account="123456789012",
    region="us-east-1",
    route_selection_expression="$request.method $request.path",
    routes={"POST /orders": Route("r1", "POST /orders", "i1")},
    integrations={"i1": LAMBDA},
)
POST = HttpRequest("POST", "/orders", headers=[("content-type", "application/json")], body=b"{}")

Handler = Callable[[dict[str, Any]], Awaitable[Any]]


class Lambda:
    """Stands in for Lambda: answers with a handler, and remembers what it was asked."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.calls: list[tuple[str, dict[str, Any], Trace | None]] = []

    async def __call__(
        self,
        function: str,
        payload: bytes,
        *,
        invocation_type: str = "RequestResponse",
        trace: Trace | None = None,
        account: str = LOCAL_ACCOUNT,
        region: str = "us-east-1",
        source_arn: str = "",
    ) -> Invocation:
        event = json.loads(payload)
        self.calls.append((function, event, trace))
        running = asyncio.ensure_future(self.handler(event))
        running.add_done_callback(lambda done: done.exception())  # nobody may wait for it
        answer = await asyncio.shield(running)
        return (
            answer
            if isinstance(answer, Invocation)
            else Invocation(200, json.dumps(answer).encode())
        )


class Gateway:
    """One HTTP API behind a ``$default`` stage, and all that its tests look at."""

    def __init__(self, handler: Handler, api: Api = API, **stages: Stage) -> None:
        self.function = Lambda(handler)
        self.seconds = 0.0
        self.aws_calls: list[tuple[AwsRequest, str, str]] = []
        self.aws_answer = AwsResponse.json({})
        self.log = EventLog()
        self.faults = Faults(self.log)
        self.stages: Mapping[str, Stage] = stages or {
            "$default": Stage(StageSettings("$default"), api)
        }
        self.apis = HttpApis(
            log=self.log,
            faults=self.faults,
            stage=lambda api_id, name: self.stages.get(name) if api_id == API.id else None,
            invoke=self.function,
            call_aws=self.call_aws,
            clock=Clock(speed=2.0),
            now=lambda: self.seconds,
        )

    async def call_aws(self, request: AwsRequest, *, role: str, account: str) -> AwsResponse:
        """Stands in for AWS's services: keeps the calls and always gives ``aws_answer``."""
        self.aws_calls.append((request, role, account))
        return self.aws_answer

    async def send(self, request: HttpRequest = POST, api_id: str = API.id) -> HttpResponse:
        return await self.apis.answer(api_id, request)

    def logged(self, kind: str) -> dict[str, Any]:
        [event] = [event for event in self.log if event.kind == kind]
        return event.data


async def ok(event: dict[str, Any]) -> Any:
    return {"statusCode": 202, "body": "taken"}


def api_with(integration: Integration = LAMBDA, **changes: Any) -> Api:
    return replace(API, integrations={"i1": integration}, **changes)


def message(response: HttpResponse) -> bytes:
    assert dict(response.headers)["content-type"] == "application/json"
    return response.body


async def test_function_gets_the_event_and_the_caller_its_answer() -> None:
    gateway = Gateway(ok)
    response = await gateway.send()
    [(function, event, _)] = gateway.function.calls
    assert function == FUNCTION
    assert (event["version"], event["routeKey"], event["body"]) == ("2.0", "POST /orders", "{}")
    assert (response.status, response.body) == (202, b"taken")


@pytest.mark.behaviour("http.integration.request-id")
async def test_each_response_has_the_request_id_of_its_event(expected: Values) -> None:
    gateway = Gateway(ok)
    first, second = await gateway.send(), await gateway.send()
    given = [dict(response.headers)[expected.header] for response in (first, second)]
    seen = [event["requestContext"]["requestId"] for _, event, _ in gateway.function.calls]
    assert given == seen
    assert given[0] != given[1]


@pytest.mark.behaviour("http.integration.event")
async def test_integration_of_format_1_gets_and_answers_format_1() -> None:
    gateway = Gateway(ok, api_with(replace(LAMBDA, payload_format_version="1.0")))
    assert (await gateway.send()).status == 202
    assert gateway.function.calls[0][1]["version"] == "1.0"


async def test_stage_variable_in_the_uri_names_the_function() -> None:
    uri = URI.replace(":orders/", ":${stageVariables.name}/")
    settings = StageSettings("prod", variables={"name": "orders-v2"})
    stage = Stage(settings, api_with(replace(LAMBDA, uri=uri)))
    gateway = Gateway(ok, prod=stage)
    await gateway.send(replace(POST, path="/prod/orders"))
    assert gateway.function.calls[0][0].endswith(":function:orders-v2")


@pytest.mark.behaviour("http.routes.nowhere")
@pytest.mark.parametrize("path", ["/unknown", "/orders/1", "/prod/orders"])
async def test_no_route_is_404(path: str, expected: Values) -> None:
    response = await Gateway(ok).send(replace(POST, path=path))
    assert (response.status, message(response)) == (expected.status, expected.body.encode())


@pytest.mark.behaviour("http.routes.nowhere")
async def test_no_stage_is_404(expected: Values) -> None:
    gateway = Gateway(ok, prod=Stage(StageSettings("prod"), API))
    response = await gateway.send()
    assert (response.status, message(response)) == (expected.status, expected.body.encode())


@pytest.mark.behaviour("http.routes.nowhere")
async def test_no_api_is_404(expected: Values) -> None:
    response = await Gateway(ok).send(api_id="zzzzzzzzzz")
    assert (response.status, message(response)) == (expected.status, expected.body.encode())


async def test_stage_of_a_websocket_api_serves_no_plain_request() -> None:
    response = await Gateway(ok, replace(API, protocol=Protocol.WEBSOCKET)).send()
    assert response.status == 404


@pytest.mark.behaviour("http.integration.fails")
async def test_function_that_raises_is_500(expected: Values) -> None:
    async def fails(event: dict[str, Any]) -> Any:
        return Invocation(200, b'{"errorMessage": "secret"}', function_error="Unhandled")

    gateway = Gateway(fails)
    response = await gateway.send()
    assert (response.status, message(response)) == (expected.status, expected.body.encode())
    assert "the function failed" in gateway.logged("http.response")["error"]


@pytest.mark.behaviour("http.integration.fails")
async def test_answer_out_of_form_is_500_and_the_log_says_why(expected: Values) -> None:
    async def careless(event: dict[str, Any]) -> Any:
        return {"statusCode": 200, "body": {"order": 1}}

    gateway = Gateway(careless)
    response = await gateway.send()
    assert (response.status, message(response)) == (expected.status, expected.body.encode())
    assert "'body' must be a string" in gateway.logged("http.response")["error"]


@pytest.mark.behaviour(
    "http.integration.throttled",
    "http.integration.fails",
    "http.integration.body-refusal",
)
@pytest.mark.parametrize(
    ("code", "behaviour"),
    [
        ("ResourceNotFoundException", "fails"),
        ("TooManyRequestsException", "throttled"),
        ("RequestTooLargeException", "body-refusal"),
    ],
)
async def test_refused_invocation_does_not_show_the_caller_why(
    code: str, behaviour: str, expected: Values
) -> None:
    async def refuses(event: dict[str, Any]) -> Any:
        raise AwsError(code, "no orders function here", 400)

    gateway = Gateway(refuses)
    response = await gateway.send()
    values = expected[f"http.integration.{behaviour}"]
    assert (response.status, message(response)) == (values.status, values.body.encode())
    assert "no orders function here" in gateway.logged("http.response")["error"]


@pytest.mark.behaviour("http.integration.too-slow")
async def test_integration_that_takes_too_long_is_503_and_the_function_runs_on(
    expected: Values,
) -> None:
    may_finish, finished = asyncio.Event(), asyncio.Event()

    async def slow(event: dict[str, Any]) -> Any:
        await may_finish.wait()
        finished.set()

    gateway = Gateway(slow, api_with(replace(LAMBDA, timeout_ms=50)))
    response = await gateway.send()
    assert (response.status, message(response)) == (expected.status, expected.body.encode())
    may_finish.set()
    await asyncio.wait_for(finished.wait(), 5)


async def test_function_that_fails_after_the_time_out_disturbs_nobody() -> None:
    may_finish, finished = asyncio.Event(), asyncio.Event()

    async def slow(event: dict[str, Any]) -> Any:
        await may_finish.wait()
        finished.set()
        raise AwsError("ServiceException", "too late", 500)

    gateway = Gateway(slow, api_with(replace(LAMBDA, timeout_ms=50)))
    await gateway.send()
    may_finish.set()
    await asyncio.wait_for(finished.wait(), 5)
    gateway.function.handler = ok
    assert (await gateway.send()).status == 202


async def test_caller_that_leaves_does_not_end_the_function() -> None:
    began, may_finish, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(event: dict[str, Any]) -> Any:
        began.set()
        await may_finish.wait()
        finished.set()

    gateway = Gateway(slow)
    caller = asyncio.ensure_future(gateway.send())
    await asyncio.wait_for(began.wait(), 5)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert gateway.logged("http.response")["status"] == 499
    may_finish.set()
    await asyncio.wait_for(finished.wait(), 5)


async def test_requests_are_answered_at_the_same_time() -> None:
    together = asyncio.Barrier(3)

    async def meets(event: dict[str, Any]) -> Any:
        await asyncio.wait_for(together.wait(), 5)
        return {"statusCode": 200}

    gateway = Gateway(meets)
    answers = await asyncio.gather(gateway.send(), gateway.send(), gateway.send())
    assert [answer.status for answer in answers] == [200, 200, 200]


@pytest.mark.behaviour("http.integration.body", "http.integration.body-refusal")
async def test_body_over_10_mb_is_413(expected: Values) -> None:
    gateway = Gateway(ok)
    largest = bytes(expected.largest)
    assert (await gateway.send(replace(POST, body=largest))).status == 202
    response = await gateway.send(replace(POST, body=largest + b"x"))
    assert (response.status, message(response)) == (expected.status, expected.body.encode())
    assert len(gateway.function.calls) == 1


@pytest.mark.behaviour("http.integration.head", "http.integration.head-status")
async def test_headers_over_10240_bytes_are_refused(expected: Values) -> None:
    gateway = Gateway(ok)
    room = expected.largest - len("POST /orders? HTTP/1.1")
    response = await gateway.send(replace(POST, headers=[("x-long", "x" * room)]))
    assert response.status == 202
    response = await gateway.send(replace(POST, headers=[("x-long", "x" * (room + 1))]))
    assert response.status == expected.status
    assert len(gateway.function.calls) == 1


@pytest.mark.behaviour("http.integration.others")
@pytest.mark.parametrize(
    "integration",
    [
        Integration("i1", "HTTP_PROXY", "https://example.com", 30_000),
        Integration("i1", "AWS_PROXY", "", 30_000, raw={"IntegrationSubtype": "SQS-SendMessage"}),
        Integration(
            "i1", "HTTP_PROXY", "http://localhost/", 30_000, raw={"ConnectionType": "VPC_LINK"}
        ),
    ],
)
async def test_integration_that_is_not_emulated_is_501_and_a_warning(
    integration: Integration, expected: Values
) -> None:
    gateway = Gateway(ok, api_with(integration))
    response = await gateway.send()
    assert response.status == expected.status
    warning = gateway.logged("cloud.warning")["message"]
    assert json.loads(response.body) == {"message": warning}


@pytest.mark.behaviour("http.authorizer.jwt")
async def test_authorizer_that_is_not_emulated_lets_nobody_in(expected: Values) -> None:
    route = Route("r1", "POST /orders", "i1", authorization_type="JWT", authorizer_id="z1")
    gateway = Gateway(ok, api_with(routes={"POST /orders": route}))
    assert (await gateway.send()).status == expected.status
    assert "JWT" in gateway.logged("cloud.warning")["message"]
    assert gateway.function.calls == []


IAM = Route("r1", "POST /orders", "i1", authorization_type="AWS_IAM")
SIGNED = [("Authorization", "AWS4-HMAC-SHA256 Credential=any")]


@pytest.mark.behaviour("http.authorizer.unsigned")
async def test_iam_authorization_refuses_what_is_not_signed(expected: Values) -> None:
    gateway = Gateway(ok, api_with(routes={"POST /orders": IAM}))
    response = await gateway.send()
    assert (response.status, message(response)) == (expected.status, expected.body.encode())
    assert gateway.function.calls == []


@pytest.mark.behaviour("http.authorizer.iam")
@pytest.mark.parametrize("signed", [{"headers": SIGNED}, {"query": "X-Amz-Signature=any"}])
async def test_any_signature_is_let_in_and_that_is_said(signed: dict[str, Any]) -> None:
    gateway = Gateway(ok, api_with(routes={"POST /orders": IAM}))
    assert (await gateway.send(replace(POST, **signed))).status == 202
    assert "does not check that it is right" in gateway.logged("cloud.warning")["message"]


@pytest.mark.behaviour("http.routes.throttled")
async def test_route_takes_only_so_many_requests(expected: Values) -> None:
    settings = {"RouteSettings": {"POST /orders": {"throttlingRateLimit": 0.001}}}
    settings["RouteSettings"]["POST /orders"]["throttlingBurstLimit"] = 2
    gateway = Gateway(ok, prod=Stage(StageSettings("prod", raw=settings), API))
    request = replace(POST, path="/prod/orders")
    assert [(await gateway.send(request)).status for _ in range(2)] == [202, 202]
    response = await gateway.send(request)
    assert (response.status, message(response)) == (expected.status, expected.body.encode())
    assert len(gateway.function.calls) == 2


@pytest.mark.behaviour("http.integration.longest")
def test_integration_takes_at_most_30_seconds(expected: Values) -> None:
    assert expected.milliseconds == LONGEST_INTEGRATION_MS


@pytest.mark.behaviour("http.integration.no-target")
async def test_route_without_a_target_is_500(expected: Values) -> None:
    gateway = Gateway(ok, api_with(routes={"POST /orders": Route("r1", "POST /orders", "")}))
    assert (await gateway.send()).status == expected.status
    assert "has no target" in gateway.logged("http.response")["error"]


async def test_log_tells_the_request_from_arrival_to_response() -> None:
    gateway = Gateway(ok)
    await gateway.send()
    arrived, left = list(gateway.log)
    assert (arrived.kind, arrived.data) == (
        "http.request",
        {
            "api": API.id,
            "stage": "$default",
            "method": "POST",
            "path": "/orders",
            "route": "POST /orders",
        },
    )
    assert (left.kind, left["api"], left["status"]) == ("http.response", API.id, 202)
    assert left["durationMs"] >= 0
    assert (left.trace, left.cause) == (arrived.trace, arrived.seq)


async def test_request_begins_a_trace_that_the_function_is_part_of() -> None:
    gateway = Gateway(ok)
    await gateway.send()
    [(_, event, trace)] = gateway.function.calls
    arrived = next(iter(gateway.log))
    assert arrived.trace is not None
    assert trace == Trace(arrived.trace, arrived.seq)
    assert event["headers"]["x-amzn-trace-id"] == f"Root={arrived.trace}"


async def test_request_of_a_caller_in_a_trace_goes_on_with_it() -> None:
    gateway = Gateway(ok)
    mine = Trace("1-60d75b9e-0d9a8b2473795833227c3af2", 41)
    await gateway.send(replace(POST, trace=mine))
    arrived = next(iter(gateway.log))
    assert (arrived.trace, arrived.cause) == (mine.root, 41)
    assert gateway.function.calls[0][2] == mine.after(arrived.seq)


CORS = {"AllowOrigins": ["https://shop.example"], "AllowMethods": ["POST"]}
PREFLIGHT = HttpRequest(
    "OPTIONS",
    "/orders",
    headers=[("Origin", "https://shop.example"), ("Access-Control-Request-Method", "POST")],
)


@pytest.mark.behaviour("http.cors.preflight")
async def test_preflight_is_answered_without_a_route_and_without_the_function(
    expected: Values,
) -> None:
    gateway = Gateway(ok, api_with(cors=CORS))
    response = await gateway.send(PREFLIGHT)
    headers = dict(response.headers)
    assert response.status == expected.status
    assert headers["access-control-allow-origin"] == "https://shop.example"
    assert headers["access-control-allow-methods"] == "POST"
    assert gateway.function.calls == []


@pytest.mark.behaviour("http.cors.route")
async def test_preflight_that_a_route_takes_reaches_the_function() -> None:
    routes = {"ANY /orders": Route("r1", "ANY /orders", "i1")}
    gateway = Gateway(ok, api_with(cors=CORS, routes=routes))
    response = await gateway.send(PREFLIGHT)
    assert response.status == 202
    assert dict(response.headers)["access-control-allow-origin"] == "https://shop.example"
    assert len(gateway.function.calls) == 1


async def test_preflight_without_a_cors_configuration_is_404() -> None:
    assert (await Gateway(ok).send(PREFLIGHT)).status == 404


@pytest.mark.behaviour("http.cors.headers")
async def test_browser_can_read_the_response() -> None:
    gateway = Gateway(ok, api_with(cors=CORS))
    request = replace(POST, headers=[("Origin", "https://shop.example")])
    headers = dict((await gateway.send(request)).headers)
    assert headers["access-control-allow-origin"] == "https://shop.example"


async def test_fault_throttles_one_route() -> None:
    gateway = Gateway(ok)
    gateway.faults.add("http.request", "throttle", route="POST /orders")
    response = await gateway.send()
    assert (response.status, message(response)) == (429, b'{"message":"Too Many Requests"}')
    assert (await gateway.send()).status == 202


async def test_fault_makes_an_error_of_any_status() -> None:
    gateway = Gateway(ok)
    gateway.faults.add("http.request", "error", status=503, api=API.id)
    response = await gateway.send()
    assert (response.status, message(response)) == (503, b'{"message":"Service Unavailable"}')


async def test_fault_delays_a_request_and_then_lets_it_pass() -> None:
    gateway = Gateway(ok)
    gateway.faults.add("http.request", "delay", seconds=0.02)
    assert (await gateway.send()).status == 202
    assert gateway.logged("http.response")["durationMs"] >= 20
    assert gateway.logged("fault.applied")["action"] == "delay"


async def test_status_that_no_fault_should_have_still_gives_a_response() -> None:
    gateway = Gateway(ok)
    gateway.faults.add("http.request", "error", status=599)
    assert (await gateway.send()).status == 599
