"""A WebSocket API on a real socket, with functions that are coroutines of the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from labkit.address import is_signed
from labkit.apigateway.api_key import ApiKey
from labkit.apigateway.limits import AWS, Limits
from labkit.apigateway.model import Api, Integration, Protocol, Route, Stage, StageSettings
from labkit.apigateway.websocket_api import WebSocketApis
from labkit.clock import Clock
from labkit.eventlog import Event, EventLog
from labkit.faults import Faults
from labkit.functions.model import Invocation
from labkit.trace import HEADER, Trace
from labkit.wire import AwsRequest, AwsResponse

REGION = "eu-central-1"
ACCOUNT = "123456789012"
API = "a1b2c3d4e5"
STAGE = "prod"
OK = {"statusCode": 200}
DEADLINE = 5.0

Handler = Callable[[dict[str, Any]], Awaitable[Any]]


def arn(function: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"


def uri(function: str) -> str:
    path = f"functions/{arn(function)}/invocations"
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/{path}"


def make_stage(
    *keys: str,
    responses: tuple[str, ...] = (),
    variables: dict[str, str] | None = None,
    timeout_ms: int = 29_000,
    name: str = STAGE,
    **changes: Any,
) -> Stage:
    """A stage whose routes have these keys; behind each lies the function of the same name."""
    api = Api(
        id=API,
        name="orders",
        protocol=Protocol.WEBSOCKET,
        account=ACCOUNT,
        region=REGION,
        route_selection_expression="$request.body.action",
        routes={
            key: Route(
                id=f"r-{key}",
                key=key,
                integration_id=f"i-{key}",
                response_keys=frozenset({"$default"} if key in responses else ()),
            )
            for key in keys
        },
        integrations={
            f"i-{key}": Integration(
                id=f"i-{key}", type="AWS_PROXY", uri=uri(key.strip("$")), timeout_ms=timeout_ms
            )
            for key in keys
        },
    )
    settings = StageSettings(name, deployment_id="d1", variables=variables or {})
    return Stage(settings, replace(api, **changes))


@pytest.fixture
def stage_with() -> Callable[..., Stage]:
    """Makes a stage: see :func:`make_stage`."""
    return make_stage


class Functions:
    """Stands in for Lambda: each function is a coroutine function of the test."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.events: list[dict[str, Any]] = []
        self.traces: list[Trace | None] = []
        self.invoked = asyncio.Condition()
        self.running: set[asyncio.Future[Any]] = set()

    def __setitem__(self, name: str, handler: Handler) -> None:
        self.handlers[name] = handler

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        invocation_type: str = "RequestResponse",
        trace: Trace | None = None,
        account: str = ACCOUNT,
        region: str = REGION,
        source_arn: str = "",
    ) -> Invocation:
        event = json.loads(payload)
        self.events.append(event)
        self.traces.append(trace)
        async with self.invoked:
            self.invoked.notify_all()
        name = function.rpartition(":")[2]
        handler = self.handlers.get(name)
        if handler is None:
            return Invocation(200, json.dumps(OK).encode())
        running = asyncio.ensure_future(handler(event))
        self.running.add(running)
        running.add_done_callback(self.running.discard)
        try:
            answer = await asyncio.shield(running)  # a function goes on when its caller has gone
        except RuntimeError as error:
            failure = {"errorMessage": str(error), "errorType": "RuntimeError"}
            return Invocation(200, json.dumps(failure).encode(), function_error="Unhandled")
        if isinstance(answer, bytes):
            return Invocation(200, answer)
        return Invocation(200, json.dumps(answer).encode())

    def of(self, event_type: str) -> list[dict[str, Any]]:
        return [e for e in self.events if e["requestContext"]["eventType"] == event_type]


class Gateway:
    """A running WebSocket API."""

    def __init__(self, stages: list[Stage], limits: Limits, speed: float) -> None:
        self.log = EventLog()
        self.faults = Faults(self.log)
        self.functions = Functions()
        self.calls: list[tuple[AwsRequest, str, str]] = []
        self.api_keys: list[ApiKey] = []
        self.lines: list[tuple[str, ...]] = []
        self.aws_answer = AwsResponse.json({})
        self.stages = {(stage.api.id, stage.name): stage for stage in stages}
        self.apis = WebSocketApis(
            log=self.log,
            faults=self.faults,
            clock=Clock(speed),
            stage=lambda api, name: self.stages.get((api, name)),
            invoke=self.functions.invoke,
            call_aws=self.call_aws,
            api_keys=lambda account, region: self.api_keys,
            write_logs=self.write_logs,
            limits=limits,
        )
        self.server = web.Server(self.answer, access_log=None)
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/{API}/{STAGE}"

    def write_logs(
        self, account: str, region: str, group: str, stream: str, lines: list[tuple[int, str]]
    ) -> None:
        """Stands in for CloudWatch Logs."""
        self.lines += [(account, region, group, stream, text) for _, text in lines]

    async def call_aws(self, request: AwsRequest, *, role: str, account: str) -> AwsResponse:
        """Stands in for AWS's services: keeps the calls and always gives ``aws_answer``."""
        self.calls.append((request, role, account))
        return self.aws_answer

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        _, api, stage, *rest = request.path.split("/")
        if rest[:1] != ["@connections"]:
            return await self.apis.handshake(request, api, stage)
        answer = await self.apis.manage(
            request.method,
            api,
            stage,
            rest[1],
            await request.read(),
            trace=Trace.parse(request.headers.get(HEADER)),
            signed=is_signed(request.headers, request.query_string),
        )
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async def manage(
        self,
        method: str,
        connection_id: str,
        body: bytes = b"",
        *,
        api: str = API,
        stage: str = STAGE,
        trace: Trace | None = None,
        signed: bool = True,
    ) -> AwsResponse:
        return await self.apis.manage(
            method, api, stage, connection_id, body, trace=trace, signed=signed
        )

    async def post(self, connection_id: str, body: bytes | str) -> AwsResponse:
        data = body.encode() if isinstance(body, str) else body
        return await self.manage("POST", connection_id, data)

    async def event(self, kind: str, **data: Any) -> Event:
        """The first event of a kind with these data, now or soon."""

        def is_it(event: Event) -> bool:
            return event.kind == kind and all(event.get(k) == v for k, v in data.items())

        return await asyncio.to_thread(self.log.wait, is_it, timeout=DEADLINE)

    async def invoked(self, event_type: str, times: int = 1) -> list[dict[str, Any]]:
        """The events that functions got of a type, as soon as there are so many."""
        async with asyncio.timeout(DEADLINE), self.functions.invoked:
            await self.functions.invoked.wait_for(
                lambda: len(self.functions.of(event_type)) >= times
            )
        return self.functions.of(event_type)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the event loop turn until a condition holds that nothing announces."""
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0)

    def count(self, kind: str) -> int:
        return sum(event.kind == kind for event in self.log)


Start = Callable[..., Any]


@pytest.fixture
def start() -> Start:
    """``async with start(stage, …) as gateway``: a WebSocket API that listens on loopback."""

    @asynccontextmanager
    async def started(
        *stages: Stage, limits: Limits = AWS, speed: float = 1.0
    ) -> AsyncIterator[Gateway]:
        gateway = Gateway(list(stages), limits, speed)
        runner = web.ServerRunner(gateway.server, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        gateway.port = runner.addresses[0][1]
        try:
            async with asyncio.timeout(30):
                yield gateway
        finally:
            await gateway.apis.stop()
            await runner.cleanup()

    return started
