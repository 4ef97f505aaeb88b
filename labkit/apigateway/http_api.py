"""HTTP APIs: a request comes in, an integration runs, its answer goes out.

The rules are elsewhere (:mod:`~labkit.apigateway.http_routes`, :mod:`~labkit.apigateway.http_cors`), as is
who may use a route (:mod:`~labkit.apigateway.http_admission`) and what stands behind it
(:mod:`~labkit.apigateway.http_integrations`); this module puts them in order, and writes what happens to the
log.

Source: the HTTP API chapters of the Amazon API Gateway developer guide.  Its answers to what goes
wrong are ``{"message":"Not Found"}`` (404: no stage, no route), ``{"message":"Unauthorized"}`` (401) and
``{"message":"Forbidden"}`` (403) where an authorizer guards the route, ``{"message":"Internal Server
Error"}`` (500: the function failed, is not there, or answered out of form), ``{"message":"Service
Unavailable"}`` (503: no answer in time), ``{"message":"Too Many Requests"}`` (429: over the limits of
the stage or the route, see :mod:`~labkit.apigateway.throttle`) and ``{"message":"Request Entity Too
Large"}`` (413).  What AWS would write to its access log as ``$context.integrationErrorMessage`` stands
in the ``http.response`` event as ``error``.

Not verified: 503 for a backend that cannot be reached; 431 for headers that are too large, and its text; 500 for
a route without a target; 413 for a body that Lambda finds too large, of 6 to 10 MB.

Not emulated, and answered with 501 and a ``cloud.warning``: VPC links, backends on other machines, AWS services
other than Step Functions, JWT authorizers.  Not emulated either, and passed over with a ``cloud.warning``: IAM
authorization.  Left out: custom domains.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from labkit.apigateway import http_cors
from labkit.apigateway.events import new_id
from labkit.apigateway.http_admission import HttpAdmission
from labkit.apigateway.http_integrations import HttpIntegrations
from labkit.apigateway.http_message import HttpRequest, HttpResponse, Refusal
from labkit.apigateway.http_routes import Match, locate, select
from labkit.apigateway.http_served import Served
from labkit.apigateway.integrations import NotEmulated
from labkit.apigateway.model import CallAws, Invoke, Protocol, Stage
from labkit.apigateway.throttle import Throttle, rate_of
from labkit.clock import Clock
from labkit.eventlog import EventLog
from labkit.faults import Action, Faults
from labkit.trace import Trace

__all__ = ["HttpApis", "HttpRequest", "HttpResponse"]

LARGEST_BODY: Final = 10 * 1024 * 1024
"""Bytes.  ("Payload size: 10 MB")"""

LARGEST_HEAD: Final = 10_240
"""Bytes.  ("Total combined size of request line and header values: 10240 bytes")"""

GONE: Final = 499
"""The status in the log of a request whose client did not wait (our choice, nginx's)."""


class HttpApis:
    """All HTTP APIs of the cloud.

    Args:
        log: what happens.
        faults: what is to go wrong, at the step ``http.request``.
        stage: the stage of an API (its id, the stage's name) that serves now.
        invoke: runs a function.
        call_aws: calls an action of an AWS service.
        clock: scales how long the answers of authorizers are kept.
        now: real seconds, from any moment on.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        faults: Faults,
        stage: Callable[[str, str], Stage | None],
        invoke: Invoke,
        call_aws: CallAws,
        clock: Clock,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._faults = faults
        self._stage = stage
        self._throttle = Throttle()
        self._admission = HttpAdmission(invoke=invoke, clock=clock, now=now, warn=self._warn)
        self._integrations = HttpIntegrations(invoke=invoke, call_aws=call_aws)

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
            response = await self._respond(api_id, stage, match, request, path, request_id, trace)
        except asyncio.CancelledError:
            self._log.append(
                "http.response", trace, api=api_id, status=GONE, error="the client has gone"
            )
            raise
        except Refusal as refusal:
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
        path: str,
        request_id: str,
        trace: Trace,
    ) -> HttpResponse:
        _check_size(request)
        if stage is None:
            raise Refusal(404, "no stage of that name serves, and no $default stage")
        await self._strike(api_id, stage, match, trace)
        if match is None:
            if stage.api.cors and http_cors.is_preflight(request):
                return http_cors.preflight(stage.api.cors, request)
            raise Refusal(
                404, f"no route of stage {stage.name} takes {request.method} of this path"
            )
        if not self._takes(stage, match):
            raise Refusal(429, f"stage {stage.name} has a throttling limit for {match.route.key}")
        served = Served(stage, match, request, path, request_id, int(time.time() * 1000))
        try:
            answer = await self._admission.admit(served, trace)
            if answer is not None:
                served = replace(served, caller=answer.caller)
            return await self._integrations.run(served, answer, trace)
        except NotEmulated as error:
            self._warn(trace, str(error))
            raise Refusal(501, "not emulated", str(error)) from None

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
            raise Refusal(429, "a fault was set")
        if fault := self._faults.strike(step, trace, Action.ERROR, **context):
            raise Refusal(fault.status, "a fault was set")

    def _http_stage(self, api_id: str, name: str) -> Stage | None:
        stage = self._stage(api_id, name)
        return stage if stage is not None and stage.api.protocol is Protocol.HTTP else None

    def _warn(self, trace: Trace, message: str) -> None:
        self._log.append("cloud.warning", trace, message=message)


def _check_size(request: HttpRequest) -> None:
    if len(request.body) > LARGEST_BODY:
        raise Refusal(413, f"the body has {len(request.body)} bytes; {LARGEST_BODY} are allowed")
    line = len(request.method) + len(request.path) + len(request.query) + len(" ? HTTP/1.1")
    head = line + sum(len(value) for _, value in request.headers)
    if head > LARGEST_HEAD:
        raise Refusal(
            431, f"request line and headers have {head} bytes; {LARGEST_HEAD} are allowed"
        )
