"""Who may use a route of an HTTP API: asks the Lambda authorizer, and keeps its answer if that is wished.

The rules are in :mod:`labkit.apigateway.http_authorizer`.  Source: "Control access to HTTP APIs with AWS
Lambda authorizers" in the Amazon API Gateway developer guide: without an identity source "the client receives
a ``401`` error"; "If API Gateway can't invoke your Lambda authorizer, or your Lambda authorizer returns a
response in an invalid format, clients receive a ``500 Internal Server Error``."

Not verified: the bodies of 401 and 403; that an authorizer may take as long as an integration.

Not emulated: JWT authorizers, and of IAM authorization all but that a request must be signed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from labkit.address import is_signed
from labkit.apigateway.authorizer import (
    CONDITION_WARNING,
    ROLE_WARNING,
    AuthorizerProblem,
    function_of,
)
from labkit.apigateway.events import authorizer_arn
from labkit.apigateway.http_authorizer import (
    Answer,
    AnswerCache,
    Kept,
    MissingSource,
    authorizer_event,
    identities,
    version_of,
)
from labkit.apigateway.http_events import event_of
from labkit.apigateway.http_message import Refusal
from labkit.apigateway.http_served import Served
from labkit.apigateway.integrations import NotEmulated
from labkit.apigateway.model import Invoke
from labkit.clock import Clock
from labkit.errors import AwsError
from labkit.trace import Trace

LONGEST_SECONDS: Final = 30.0
"""Real seconds that an authorizer may take."""


class HttpAdmission:
    """Decides who may use the routes of HTTP APIs.

    Args:
        invoke: runs a function.
        clock: scales how long answers are kept.
        now: real seconds, from any moment on.
        warn: writes a ``cloud.warning``.
    """

    def __init__(
        self,
        *,
        invoke: Invoke,
        clock: Clock,
        now: Callable[[], float],
        warn: Callable[[Trace, str], None],
    ) -> None:
        self._invoke = invoke
        self._clock = clock
        self._now = now
        self._warn = warn
        self._cache = AnswerCache()

    async def admit(self, served: Served, trace: Trace) -> Answer | None:
        """Ask whoever guards a route.

        Args:
            served: the request.
            trace: its trace.

        Returns:
            What the authorizer says of the caller; ``None`` if the route has none.

        Raises:
            Refusal: the caller may not use the route.
            NotEmulated: the route is guarded by something that the local cloud lacks.
        """
        route = served.match.route
        if route.authorization_type == "AWS_IAM":
            self._check_signature(served, trace)
        if route.authorization_type in ("", "NONE", "AWS_IAM"):
            return None
        if route.authorization_type != "CUSTOM":
            raise NotEmulated(
                f"Route {route.key!r} has a {route.authorization_type} authorizer, which the local "
                "cloud does not emulate. Use a Lambda authorizer (AuthorizationType CUSTOM), and check "
                "the token in its function."
            )
        try:
            answer = await self._answer(served, trace)
        except AuthorizerProblem as error:
            message = f"The authorizer of route {route.key!r} ({route.authorizer_id}): {error}."
            self._warn(trace, message)
            raise Refusal(500, message) from error
        if answer.conditions:
            self._warn(trace, CONDITION_WARNING)
        if not answer.allows(served.route_arn):
            raise Refusal(403, f"the authorizer does not allow {served.route_arn}")
        return answer

    def _check_signature(self, served: Served, trace: Trace) -> None:
        request = served.request
        if not is_signed({"Authorization": request.header("authorization")}, request.query):
            raise Refusal(403, "the route has IAM authorization, and the request is not signed")
        self._warn(
            trace,
            f"Route {served.match.route.key!r} has IAM authorization: the local cloud asks for a "
            "signature, and does not check that it is right, nor what its owner may do.",
        )

    async def _answer(self, served: Served, trace: Trace) -> Answer:
        stage, name = served.stage, served.match.route.authorizer_id
        authorizer = stage.api.authorizers.get(name)
        if authorizer is None:
            raise AuthorizerProblem("there is no authorizer of this id")
        function = function_of(authorizer, stage.settings.variables)
        version = version_of(authorizer)
        try:
            values = identities(authorizer, served)
        except MissingSource as missing:
            raise Refusal(401, f"the identity source {missing} is missing or empty") from None
        except ValueError as error:
            raise AuthorizerProblem(str(error)) from None
        seconds = int(authorizer.get("AuthorizerResultTtlInSeconds") or 0)
        keeps = seconds > 0 and bool(values)
        key = (stage.api.id, stage.name, name, values)
        if keeps and (kept := self._cache.get(key, authorizer, self._now())):
            return kept
        event = event_of(
            stage,
            served.match,
            served.request,
            version=version,
            request_id=served.request_id,
            now=served.now,
            trace=trace,
        )
        shown = authorizer_event(event, served.route_arn, values)
        payload = await self._run(served, authorizer, function, json.dumps(shown).encode(), trace)
        answer = Answer.parse(payload, simple=bool(authorizer.get("EnableSimpleResponses")))
        if keeps:
            now = self._now()
            until = now + self._clock.real(seconds)
            self._cache.keep(key, Kept(authorizer, answer, until), now)
        return answer

    async def _run(
        self,
        served: Served,
        authorizer: Mapping[str, Any],
        function: str,
        payload: bytes,
        trace: Trace,
    ) -> bytes:
        stage, role = served.stage, authorizer.get("AuthorizerCredentialsArn")
        if role:
            self._warn(trace, ROLE_WARNING)
        arn = authorizer_arn(stage, served.match.route.authorizer_id)
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                invocation = await self._invoke(
                    function,
                    payload,
                    trace=trace,
                    account=stage.api.account,
                    region=stage.api.region,
                    source_arn="" if role else arn,
                )
        except TimeoutError:
            raise Refusal(500, "the authorizer took too long") from None
        except AwsError as error:
            raise Refusal(500, f"the authorizer could not be invoked: {error}") from error
        if invocation.function_error is not None:
            raise Refusal(500, "the authorizer's function failed; its log says how")
        return invocation.payload
