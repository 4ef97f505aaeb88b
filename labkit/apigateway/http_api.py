"""HTTP APIs: a request comes in, a Lambda function runs, its answer goes out.

The rules are elsewhere (:mod:`~labkit.apigateway.http_routes`,
:mod:`~labkit.apigateway.http_events`, :mod:`~labkit.apigateway.http_cors`); this module puts them in
order, invokes the function, and writes what happens to the log.

Source: the HTTP API chapters of the Amazon API Gateway developer guide.  Its answers to what goes
wrong are ``{"message":"Not Found"}`` (404: no stage, no route), ``{"message":"Internal Server
Error"}`` (500: the function failed, is not there, or answered out of form), ``{"message":"Service
Unavailable"}`` (503: no answer in time), ``{"message":"Too Many Requests"}`` (429: over the limits of
the stage or the route, see :mod:`~labkit.apigateway.throttle`) and ``{"message":"Request Entity Too
Large"}`` (413).  What AWS would write to its access log as ``$context.integrationErrorMessage`` stands
in the ``http.response`` event as ``error``.

Not verified: 431 for headers that are too large, and its text;
500 for a route without a target; 413 for a body that Lambda finds too large, of 6 to 10 MB.

Not emulated, and answered with 501 and a ``cloud.warning``: integrations other than Lambda functions
(``HTTP_PROXY``, AWS services, VPC links), JWT and Lambda authorizers.  Not emulated either, and passed
over with a ``cloud.warning``: IAM authorization, parameter mapping.  Left out: custom domains.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from http.client import responses
from typing import Final

from labkit.apigateway import http_cors
from labkit.apigateway.events import method_arn, new_id
from labkit.apigateway.http_events import MalformedAnswer, event_of, response_of
from labkit.apigateway.http_message import HttpRequest, HttpResponse
from labkit.apigateway.http_routes import Match, locate, select
from labkit.apigateway.integrations import NotEmulated, function_of
from labkit.apigateway.model import Integration, Invoke, Protocol, Stage
from labkit.apigateway.throttle import Throttle, rate_of
from labkit.errors import AwsError
from labkit.eventlog import EventLog
from labkit.faults import Action, Faults
from labkit.functions.model import Invocation
from labkit.trace import Trace

__all__ = ["HttpApis", "HttpRequest", "HttpResponse"]

LARGEST_BODY: Final = 10 * 1024 * 1024
"""Bytes.  ("Payload size: 10 MB")"""

LARGEST_HEAD: Final = 10_240
"""Bytes.  ("Total combined size of request line and header values: 10240 bytes")"""

LONGEST_INTEGRATION_MS: Final = 30_000
"""Milliseconds.  ("Maximum integration timeout: 30 seconds")"""

GONE: Final = 499
"""The status in the log of a request whose client did not wait (our choice, nginx's)."""

MESSAGES: Final = {
    404: "Not Found",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""What API Gateway says of itself."""


class _Refusal(Exception):
    """The gateway answers by itself; ``why`` is for the log, ``message`` for the caller."""

    def __init__(self, status: int, why: str = "", message: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.message = message or MESSAGES.get(status) or responses.get(status, "")


class HttpApis:
    """All HTTP APIs of the cloud.

    Args:
        log: what happens.
        faults: what is to go wrong, at the step ``http.request``.
        stage: the stage of an API (its id, the stage's name) that serves now.
        invoke: runs a function.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        faults: Faults,
        stage: Callable[[str, str], Stage | None],
        invoke: Invoke,
    ) -> None:
        self._log = log
        self._faults = faults
        self._stage = stage
        self._invoke = invoke
        self._throttle = Throttle()
        self._running: set[asyncio.Task[Invocation]] = set()

    async def answer(self, api_id: str, request: HttpRequest) -> HttpResponse:
        """Answer a request to an API.

        Args:
            api_id: the API's id; one that no API has is answered with 404.
            request: the request; its path is that behind ``/execute-api/{apiId}``, so its first
                segment may name a stage.

        Returns:
            The response, with an ``apigw-requestid``.  To cancel the call is to say that the client has
            gone.
        """
        began = time.perf_counter()
        request_id = new_id()
        located = locate(request.path, lambda name: self._http_stage(api_id, name))
        stage, path = located or (None, request.path)
        match = select(stage.api.routes, request.method, path) if stage else None
        trace = request.trace or Trace.new()
        arrived = self._log.append(
            "http.request",
            trace,
            api=api_id,
            stage=stage.name if stage else "",
            method=request.method,
            path=request.path,
            route=match.route.key if match else "",
        )
        trace = trace.after(arrived.seq)
        problem = {}
        try:
            response = await self._respond(api_id, stage, match, request, request_id, trace)
        except asyncio.CancelledError:
            self._log.append(
                "http.response", trace, api=api_id, status=GONE, error="the client has gone"
            )
            raise
        except _Refusal as refusal:
            response = HttpResponse.message(refusal.status, refusal.message)
            if refusal.why:
                problem = {"error": refusal.why}
        if stage and match and stage.api.cors:
            http_cors.decorate(stage.api.cors, request, response)
        response.headers.append(("apigw-requestid", request_id))
        milliseconds = round((time.perf_counter() - began) * 1000, 3)
        self._log.append(
            "http.response",
            trace,
            api=api_id,
            status=response.status,
            durationMs=milliseconds,
            **problem,
        )
        return response

    async def _respond(
        self,
        api_id: str,
        stage: Stage | None,
        match: Match | None,
        request: HttpRequest,
        request_id: str,
        trace: Trace,
    ) -> HttpResponse:
        _check_size(request)
        if stage is None:
            raise _Refusal(404, "no stage of that name serves, and no $default stage")
        await self._strike(api_id, stage, match, trace)
        if match is None:
            if stage.api.cors and http_cors.is_preflight(request):
                return http_cors.preflight(stage.api.cors, request)
            raise _Refusal(
                404, f"no route of stage {stage.name} takes {request.method} of this path"
            )
        if not self._takes(stage, match):
            raise _Refusal(429, f"stage {stage.name} has a throttling limit for {match.route.key}")
        integration, function = self._target(stage, match, trace)
        event = event_of(
            stage,
            match,
            request,
            version=integration.payload_format_version,
            request_id=request_id,
            now=int(time.time() * 1000),
            trace=trace,
        )
        payload = json.dumps(event, separators=(",", ":")).encode()
        role = integration.raw.get("CredentialsArn")
        # A route's key is in the ARN as in "$default", or "POST/orders".
        source = "" if role else method_arn(stage, match.route.key.replace(" ", ""))
        invocation = await self._run(stage, integration, function, payload, trace, source)
        if invocation.function_error:
            raise _Refusal(500, "the function failed; its log says how")
        try:
            return response_of(invocation.payload, version=integration.payload_format_version)
        except MalformedAnswer as error:
            raise _Refusal(500, str(error)) from None

    def _takes(self, stage: Stage, match: Match) -> bool:
        """Count a request to a route; ``False`` if there are too many."""
        rate = rate_of(stage.settings, match.route.key)
        key = (stage.api.id, stage.name, match.route.key)
        return rate is None or self._throttle.admits(key, rate, time.monotonic())

    async def _strike(self, api_id: str, stage: Stage, match: Match | None, trace: Trace) -> None:
        context = {
            "api": api_id,
            "stage": stage.name,
            "route": match.route.key if match else "",
        }
        step = "http.request"
        if fault := self._faults.strike(step, trace, Action.DELAY, **context):
            await asyncio.sleep(fault.seconds)
        if self._faults.strike(step, trace, Action.THROTTLE, **context):
            raise _Refusal(429, "a fault was set")
        if fault := self._faults.strike(step, trace, Action.ERROR, **context):
            raise _Refusal(fault.status, "a fault was set")

    def _target(self, stage: Stage, match: Match, trace: Trace) -> tuple[Integration, str]:
        """The integration behind a route and the function that it means."""
        route, api = match.route, stage.api
        if route.authorization_type not in ("", "NONE", "AWS_IAM"):
            raise self._not_emulated(
                trace,
                f"Route {route.key!r} has a {route.authorization_type} authorizer, which the local "
                "cloud does not emulate. Use AuthorizationType NONE and check the caller in the "
                "function.",
            )
        if route.authorization_type == "AWS_IAM":
            self._warn(trace, f"Route {route.key!r}: the local cloud checks no IAM signatures.")
        integration = api.integration_of(route)
        if integration is None:
            raise _Refusal(500, f"route {route.key!r} has no target; give it one in update_route()")
        try:
            function = function_of(integration, stage.settings.variables)
        except NotEmulated as error:
            raise self._not_emulated(trace, str(error)) from None
        for mapping in ("RequestParameters", "ResponseParameters"):
            if integration.raw.get(mapping):
                self._warn(trace, f"Route {route.key!r}: the local cloud ignores {mapping}.")
        return integration, function

    async def _run(
        self,
        stage: Stage,
        integration: Integration,
        function: str,
        payload: bytes,
        trace: Trace,
        source_arn: str,
    ) -> Invocation:
        """The function's answer; a function that takes longer than the integration runs on."""
        run = asyncio.ensure_future(
            self._invoke(
                function,
                payload,
                trace=trace,
                account=stage.api.account,
                region=stage.api.region,
                source_arn=source_arn,
            )
        )
        self._running.add(run)
        run.add_done_callback(self._finished)
        limit = min(integration.timeout_ms or LONGEST_INTEGRATION_MS, LONGEST_INTEGRATION_MS)
        try:
            await asyncio.wait({run}, timeout=limit / 1000)
            in_time = run.done()
        finally:
            run.cancel()  # nobody waits any more; a function that has begun runs on
        if not in_time:
            raise _Refusal(503, f"no answer within {limit} ms; the function runs on")
        try:
            return run.result()
        except AwsError as error:
            statuses = {"TooManyRequestsException": 503, "RequestTooLargeException": 413}
            raise _Refusal(statuses.get(error.code, 500), str(error)) from None

    def _finished(self, run: asyncio.Task[Invocation]) -> None:
        self._running.discard(run)
        if not run.cancelled():
            run.exception()  # an error after the time-out has no one left to tell

    def _http_stage(self, api_id: str, name: str) -> Stage | None:
        stage = self._stage(api_id, name)
        return stage if stage is not None and stage.api.protocol is Protocol.HTTP else None

    def _not_emulated(self, trace: Trace, message: str) -> _Refusal:
        self._warn(trace, message)
        return _Refusal(501, "not emulated", message)

    def _warn(self, trace: Trace, message: str) -> None:
        self._log.append("cloud.warning", trace, message=message)


def _check_size(request: HttpRequest) -> None:
    if len(request.body) > LARGEST_BODY:
        raise _Refusal(413, f"the body has {len(request.body)} bytes; {LARGEST_BODY} are allowed")
    line = len(request.method) + len(request.path) + len(request.query) + len(" ? HTTP/1.1")
    head = line + sum(len(value) for _, value in request.headers)
    if head > LARGEST_HEAD:
        raise _Refusal(
            431, f"request line and headers have {head} bytes; {LARGEST_HEAD} are allowed"
        )
