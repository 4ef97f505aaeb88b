"""Runs what stands behind the routes of HTTP APIs: a request goes in, a response comes back.

The rules are elsewhere: :mod:`~labkit.apigateway.http_events` for Lambda functions,
:mod:`~labkit.apigateway.http_proxy` for HTTP backends, :mod:`~labkit.apigateway.http_services` for AWS services,
and :mod:`~labkit.apigateway.http_mapping` for what is changed on the way.
"""

from __future__ import annotations

import asyncio
import json
from typing import Final

from labkit.apigateway.data_mapping import MappingProblem
from labkit.apigateway.events import method_arn
from labkit.apigateway.http_authorizer import Answer
from labkit.apigateway.http_events import MalformedAnswer, event_of, response_of
from labkit.apigateway.http_mapping import mapped_request, mapped_response
from labkit.apigateway.http_message import HttpRequest, HttpResponse, Refusal
from labkit.apigateway.http_proxy import fetch, outgoing
from labkit.apigateway.http_served import Served
from labkit.apigateway.http_services import service_request
from labkit.apigateway.integrations import IntegrationProblem, NotEmulated, function_of
from labkit.apigateway.model import CallAws, Integration, Invoke
from labkit.errors import AwsError
from labkit.trace import HEADER, Trace

LONGEST_INTEGRATION_MS: Final = 30_000
"""Milliseconds.  ("Maximum integration timeout: 30 seconds")"""


class HttpIntegrations:
    """The integrations of HTTP APIs.

    Args:
        invoke: runs a function.
        call_aws: calls an action of an AWS service.
    """

    def __init__(self, *, invoke: Invoke, call_aws: CallAws) -> None:
        self._invoke = invoke
        self._call_aws = call_aws

    async def run(self, served: Served, answer: Answer | None, trace: Trace) -> HttpResponse:
        """Run a route's integration within its time limit; a function goes on after it.

        Args:
            served: the request.
            answer: what an authorizer said of the caller.
            trace: the request's trace.

        Raises:
            Refusal: the gateway answers by itself.
            NotEmulated: the local cloud has no such backend.
        """
        route = served.match.route
        integration = served.stage.api.integration_of(route)
        if integration is None:
            raise Refusal(500, f"route {route.key!r} has no target; give it one in update_route()")
        limit = min(integration.timeout_ms or LONGEST_INTEGRATION_MS, LONGEST_INTEGRATION_MS)
        try:
            async with asyncio.timeout(limit / 1000):
                response = await self._ask(integration, served, answer, trace)
            mappings = integration.raw.get("ResponseParameters") or {}
            return mapped_response(mappings, response, served)
        except TimeoutError:
            raise Refusal(503, f"no answer within {limit} ms; a function runs on") from None
        except (IntegrationProblem, MappingProblem, MalformedAnswer) as error:
            raise Refusal(500, str(error)) from None

    async def _ask(
        self, integration: Integration, served: Served, answer: Answer | None, trace: Trace
    ) -> HttpResponse:
        if integration.raw.get("ConnectionType") == "VPC_LINK":
            raise NotEmulated(f"Integration {integration.id} uses a VPC link; there is none here.")
        if integration.raw.get("IntegrationSubtype"):
            return await self._call(integration, served, trace)
        parameters = integration.raw.get("RequestParameters") or {}
        request, own_path = mapped_request(parameters, served)
        if integration.type == "HTTP_PROXY":
            sent = outgoing(integration, served, request, own_path=own_path, trace=trace)
            try:
                return await fetch(sent)
            except IntegrationProblem as error:
                raise Refusal(503, str(error)) from None
        return await self._run_function(integration, served, request, answer, trace)

    async def _run_function(
        self,
        integration: Integration,
        served: Served,
        request: HttpRequest,
        answer: Answer | None,
        trace: Trace,
    ) -> HttpResponse:
        stage, version = served.stage, integration.payload_format_version
        function = function_of(integration, stage.settings.variables)
        event = event_of(
            stage,
            served.match,
            request,
            version=version,
            request_id=served.request_id,
            now=served.now,
            trace=trace,
            authorizer=None if answer is None else answer.shown(version),
        )
        role = integration.raw.get("CredentialsArn")
        # A route's key is in the ARN as in "$default", or "POST/orders".
        source = method_arn(stage, served.match.route.key.replace(" ", ""))
        try:
            invocation = await self._invoke(
                function,
                json.dumps(event, separators=(",", ":")).encode(),
                trace=trace,
                account=stage.api.account,
                region=stage.api.region,
                source_arn="" if role else source,
            )
        except AwsError as error:
            statuses = {"TooManyRequestsException": 503, "RequestTooLargeException": 413}
            raise Refusal(statuses.get(error.code, 500), str(error)) from None
        if invocation.function_error:
            raise Refusal(500, "the function failed; its log says how")
        return response_of(invocation.payload, version=version)

    async def _call(self, integration: Integration, served: Served, trace: Trace) -> HttpResponse:
        call = service_request(integration, served)
        call.request.headers[HEADER] = trace.header
        answer = await self._call_aws(
            call.request, role=call.role, account=served.stage.api.account
        )
        content_type = answer.headers.get("Content-Type", "application/json")
        return HttpResponse(answer.status, [("content-type", content_type)], answer.body)
