"""Runs what stands behind the routes of WebSocket APIs: an event goes in, an answer comes back.

The rules are elsewhere: :mod:`~labkit.apigateway.integrations` for Lambda proxies,
:mod:`~labkit.apigateway.integration_request` and :mod:`~labkit.apigateway.integration_response` for the
other types.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import aiohttp

from labkit.apigateway.data_mapping import MappingProblem, RouteRequest
from labkit.apigateway.events import Event, method_arn
from labkit.apigateway.integration_request import (
    FunctionRequest,
    HttpRequest,
    Mock,
    Request,
    ServiceRequest,
    passed_over,
    request_of,
)
from labkit.apigateway.integration_response import BackendAnswer, client_body
from labkit.apigateway.integrations import (
    LAMBDA_PROXY,
    FunctionFailed,
    IntegrationProblem,
    NotEmulated,
    ProxyAnswer,
    function_of,
)
from labkit.apigateway.limits import Limits
from labkit.apigateway.model import CallAws, Integration, Invoke, Route, Stage
from labkit.apigateway.template import TemplateProblem
from labkit.functions.model import Invocation
from labkit.trace import HEADER, Trace


class RouteIntegrations:
    """The integrations of WebSocket APIs.

    Args:
        invoke: runs a function.
        call_aws: calls an action of an AWS service.
        limits: how long an integration may take.
        warn: writes a ``cloud.warning``.
    """

    def __init__(
        self,
        *,
        invoke: Invoke,
        call_aws: CallAws,
        limits: Limits,
        warn: Callable[[Trace | None, str], None],
    ) -> None:
        self._warn = warn
        self._invoke = invoke
        self._call_aws = call_aws
        self._limits = limits

    def seconds(self, stage: Stage, route: Route) -> float:
        """How many seconds a route's integration may take.

        Raises:
            NotEmulated: the route has none.
        """
        timeout_ms = _integration(stage, route).timeout_ms
        limit = self._limits.integration
        return min(timeout_ms / 1000, limit) if timeout_ms > 0 else limit

    async def run(self, stage: Stage, route: Route, event: Event, trace: Trace) -> ProxyAnswer:
        """Run a route's integration with an event, however long it takes.

        Returns:
            The backend's status and headers, and the body that a client gets if its route has a
            route response.

        Raises:
            NotEmulated: the local cloud has no such backend.
            AwsError: a function could not be invoked.
            FunctionFailed: a function raised.
            OutOfForm: a function's answer is malformed.
            IntegrationProblem: the integration is set up otherwise than AWS wants it, or its backend
                failed.
        """
        integration = _integration(stage, route)
        if integration.type == LAMBDA_PROXY:
            function = function_of(integration, stage.settings.variables)
            invocation = await self._run_function(
                stage, route, function, json.dumps(event).encode(), trace
            )
            return ProxyAnswer.parse(invocation.payload)
        for what in passed_over(integration):
            self._warn(trace, f"Route {route.key!r}: the local cloud passes over {what}.")
        request = RouteRequest.of(event, stage.settings.variables)
        try:
            answer = await self._ask(stage, route, request_of(integration, request), trace)
            if integration.type == "HTTP_PROXY":
                return ProxyAnswer(answer.status, answer.body, _lower(answer))
            shown = client_body(integration, request, answer)
        except (TemplateProblem, MappingProblem) as error:
            raise IntegrationProblem(str(error)) from error
        if shown is None and answer.status >= 400 and event["requestContext"].get("messageId"):
            raise IntegrationProblem(f"the backend answered {answer.status}: {answer.body[:500]}")
        return ProxyAnswer(answer.status, shown, _lower(answer))

    async def run_within(
        self, stage: Stage, route: Route, event: Event, trace: Trace
    ) -> ProxyAnswer:
        """Run a route's integration within its time limit; a function goes on after it.

        Raises:
            TimeoutError: it takes too long.
            LabError: as :meth:`run`.
        """
        # What is given up here is the wait: whoever invokes a function lets it go on.
        async with asyncio.timeout(self.seconds(stage, route)):
            return await self.run(stage, route, event, trace)

    async def _run_function(
        self, stage: Stage, route: Route, function: str, payload: bytes, trace: Trace
    ) -> Invocation:
        role = _integration(stage, route).raw.get("CredentialsArn")
        invocation = await self._invoke(
            function,
            payload,
            trace=trace,
            account=stage.api.account,
            region=stage.api.region,
            source_arn="" if role else method_arn(stage, route.key),
        )
        if invocation.function_error is not None:
            raise FunctionFailed(f"{function} failed: {invocation.function_error}")
        return invocation

    async def _ask(
        self, stage: Stage, route: Route, request: Request, trace: Trace
    ) -> BackendAnswer:
        match request:
            case Mock():
                return BackendAnswer(request.status)
            case FunctionRequest():
                invocation = await self._run_function(
                    stage, route, request.function, request.payload, trace
                )
                return BackendAnswer(200, invocation.payload.decode("utf-8", "replace"))
            case ServiceRequest():
                request.request.headers[HEADER] = trace.header
                response = await self._call_aws(
                    request.request, role=request.role, account=stage.api.account
                )
                body = response.body.decode("utf-8", "replace")
                return BackendAnswer(response.status, body, dict(response.headers))
            case HttpRequest():
                return await _fetch(request, trace)


async def _fetch(request: HttpRequest, trace: Trace) -> BackendAnswer:
    headers = {**request.headers, HEADER: trace.header}
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, request.url, data=request.body or None, headers=headers
            ) as response,
        ):
            return BackendAnswer(response.status, await response.text(), dict(response.headers))
    except (aiohttp.ClientError, OSError) as error:
        raise IntegrationProblem(f"{request.method} {request.url} failed: {error}") from error


def _integration(stage: Stage, route: Route) -> Integration:
    integration = stage.api.integration_of(route)
    if integration is None:
        raise NotEmulated("It has no integration: set its Target to integrations/INTEGRATION_ID.")
    return integration


def _lower(answer: BackendAnswer) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}
