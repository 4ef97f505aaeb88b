"""Who may open a connection, and who may send: throttling, authorizers and API keys.

The rules are in :mod:`labkit.apigateway.throttle`, :mod:`~labkit.apigateway.authorizer` and
:mod:`~labkit.apigateway.api_key`.  The statuses of an authorizer are those of "Control access to
WebSocket APIs with AWS Lambda REQUEST authorizers": 401 for a missing identity source, 403 for a
policy that does not allow, 500 for a function that fails or answers out of form.  What is throttled gets
429.  With IAM authorization a handshake must be signed, in a header or in the URL ("Control access to
WebSocket APIs with IAM authorization").

Our choices: 403 for an API key that is missing or does not open the stage, which is asked for after the
authorizer; messages that no route takes count for ``$default``.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from labkit.address import is_signed
from labkit.apigateway import events
from labkit.apigateway.api_key import AUTHORIZER, HEADER, ApiKey, opens
from labkit.apigateway.authorizer import (
    CONDITION_WARNING,
    ROLE_WARNING,
    UNAUTHORIZED,
    AuthorizerProblem,
    Decision,
    Verdict,
    function_of,
    missing_source,
)
from labkit.apigateway.events import Event, Origin, authorizer_arn
from labkit.apigateway.handshake import Refused
from labkit.apigateway.integrations import NotEmulated
from labkit.apigateway.limits import Limits
from labkit.apigateway.model import Invoke, Route, Stage
from labkit.apigateway.routes import CONNECT
from labkit.apigateway.throttle import Rate, Throttle, rate_of
from labkit.errors import AwsError
from labkit.functions.model import Invocation
from labkit.trace import Trace
from labkit.wire import as_text


class Admission:
    """Decides on handshakes.

    Args:
        invoke: runs a function.
        api_keys: the API keys of an account in a region; asked in a thread of its own.
        limits: how long an authorizer may take, and how many connections may be opened.
        warn: writes a ``cloud.warning``.
    """

    def __init__(
        self,
        *,
        invoke: Invoke,
        api_keys: Callable[[str, str], Iterable[ApiKey]],
        limits: Limits,
        warn: Callable[[Trace | None, str], None],
    ) -> None:
        self._invoke = invoke
        self._api_keys = api_keys
        self._throttle = Throttle()
        self._limits = limits
        self._warn = warn

    def count(self, stage: Stage) -> None:
        """Count a connection that is to be opened.

        Raises:
            Refused: there are too many in this second.
        """
        account = (stage.api.account, stage.api.region)
        quota = self._limits.new_connections
        if not self._throttle.admits(account, Rate(quota, quota), time.monotonic()):
            raise Refused(429, f"an account opens at most {quota} connections a second")
        if not self.takes(stage, CONNECT):
            raise Refused(429, f"stage {stage.name} has a throttling limit for $connect")

    def takes(self, stage: Stage, route_key: str) -> bool:
        """Count a request to a route; ``False`` if there are too many."""
        rate = rate_of(stage.settings, route_key)
        key = (stage.api.id, stage.name, route_key)
        return rate is None or self._throttle.admits(key, rate, time.monotonic())

    async def admit(
        self,
        request: web.BaseRequest,
        stage: Stage,
        route: Route,
        origin: Origin,
        *,
        request_id: str,
        now: int,
        trace: Trace,
    ) -> Origin:
        """Ask whoever guards a route.

        Args:
            request: the handshake.
            stage: the stage that the client connects to.
            route: the ``$connect`` route.
            origin: the connection that may come of it.
            request_id: the handshake's id.
            now: milliseconds since the epoch.
            trace: the handshake's trace.

        Returns:
            The origin, with what the authorizer says of the caller.

        Raises:
            Refused: the caller may not connect.
            NotEmulated: the route is guarded by something that the local cloud lacks.
        """
        _check_route(route)
        usage_key = ""
        if route.authorization_type == "AWS_IAM":
            self._check_signature(request, trace)
        if route.authorization_type == "CUSTOM":
            decision = await self._authorize(
                request, stage, route, origin, request_id=request_id, now=now, trace=trace
            )
            origin = replace(origin, authorizer=decision.context)
            usage_key = decision.usage_key
        if route.raw.get("ApiKeyRequired"):
            await self._check_key(request, stage, usage_key, trace)
        return origin

    def _check_signature(self, request: web.BaseRequest, trace: Trace) -> None:
        if not is_signed(request.headers, request.query_string):
            raise Refused(403, "$connect has IAM authorization, and the handshake is not signed")
        self._warn(
            trace,
            "$connect has IAM authorization: the local cloud asks for a signature, and does not check "
            "that it is right, nor what its owner may do.",
        )

    async def _check_key(
        self, request: web.BaseRequest, stage: Stage, usage_key: str, trace: Trace
    ) -> None:
        api = stage.api
        expression = api.raw.get("ApiKeySelectionExpression") or HEADER
        if expression == AUTHORIZER:
            value = usage_key
        elif expression == HEADER:
            value = request.headers.get("x-api-key", "")
        else:
            raise NotEmulated(
                f"ApiKeySelectionExpression is {expression!r}; it is {HEADER!r} or {AUTHORIZER!r}."
            )
        keys = await asyncio.to_thread(self._api_keys, api.account, api.region)
        if not opens(keys, value, api.id, stage.name):
            raise Refused(
                403,
                "the API key is missing, disabled, or in no usage plan with this stage"
                if value
                else f"an API key is required, and {expression} has none",
            )
        if any(key.limited for key in keys if key.value == value):
            self._warn(
                trace,
                "A usage plan of this API key has a quota or throttling, which the local cloud does "
                "not count: the key is let in as often as it comes.",
            )

    async def _authorize(
        self,
        request: web.BaseRequest,
        stage: Stage,
        route: Route,
        origin: Origin,
        *,
        request_id: str,
        now: int,
        trace: Trace,
    ) -> Decision:
        event = events.authorizer_event(
            stage,
            origin,
            request_id=request_id,
            now=now,
            headers=as_text(request.headers.items()),
            query=request.raw_path.partition("?")[2],
            trace_root=trace.root,
        )
        authorizer = stage.api.authorizers.get(route.authorizer_id)
        try:
            if authorizer is None:
                raise AuthorizerProblem("there is no authorizer of this id")
            if authorizer.get("AuthorizerResultTtlInSeconds"):
                self._warn(
                    trace,
                    "AuthorizerResultTtlInSeconds has no effect: API Gateway caches the answers of "
                    "authorizers of HTTP APIs only, and asks this function at every handshake.",
                )
            if authorizer.get("AuthorizerCredentialsArn"):
                self._warn(trace, ROLE_WARNING)
            decision = await self._decide(authorizer, stage, route, event, trace)
        except AuthorizerProblem as error:
            message = f"The authorizer of route {route.key!r} ({route.authorizer_id}): {error}."
            self._warn(trace, message)
            raise Refused(500, message) from error
        if decision.conditions:
            self._warn(trace, CONDITION_WARNING)
        if decision.verdict is Verdict.DENY:
            raise Refused(403, f"the authorizer's policy does not allow {event['methodArn']}")
        return decision

    async def _decide(
        self,
        authorizer: Mapping[str, Any],
        stage: Stage,
        route: Route,
        event: Event,
        trace: Trace,
    ) -> Decision:
        role = authorizer.get("AuthorizerCredentialsArn")
        function = function_of(authorizer, stage.settings.variables)
        missing = missing_source(authorizer, event)
        if missing is not None:
            raise Refused(401, f"the identity source {missing} is missing or empty")
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._limits.integration):
                invocation = await self._invoke(
                    function,
                    json.dumps(event).encode(),
                    trace=trace,
                    account=stage.api.account,
                    region=stage.api.region,
                    source_arn="" if role else authorizer_arn(stage, route.authorizer_id),
                )
        except TimeoutError:
            raise Refused(500, "the authorizer took too long") from None
        except AwsError as error:
            raise Refused(500, f"the authorizer could not be invoked: {error}") from error
        if invocation.function_error is not None:
            if _error_message(invocation) == UNAUTHORIZED:
                raise Refused(401, "the authorizer raised 'Unauthorized'")
            raise Refused(500, "the authorizer's function failed; its log says how")
        latency = round((time.perf_counter() - began) * 1000)
        return Decision.parse(invocation.payload, event["methodArn"], latency)


def _error_message(invocation: Invocation) -> object:
    try:
        return json.loads(invocation.payload).get("errorMessage")
    except (ValueError, AttributeError):
        return None


def _check_route(route: Route) -> None:
    if route.authorization_type not in ("NONE", "CUSTOM", "AWS_IAM"):
        raise NotEmulated(
            f"It has an authorizer ({route.authorization_type}), which the local "
            "cloud does not run: nobody gets in. Use a Lambda authorizer (AuthorizationType CUSTOM)."
        )
