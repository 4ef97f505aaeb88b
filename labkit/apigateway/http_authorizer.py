"""Lambda authorizers of HTTP APIs, as pure rules: what they get, and what their answer means.

Source: "Control access to HTTP APIs with AWS Lambda authorizers" in the Amazon API Gateway developer guide,
and ``CreateAuthorizer`` in the API reference:

- ``AuthorizerPayloadFormatVersion`` 1.0 or 2.0 is "Required for HTTP API Lambda authorizers"; format 2.0 has
  ``routeArn`` and a list of identity sources, format 1.0 ``methodArn`` and a text of them.
- With ``EnableSimpleResponses``, in format 2.0 only, the answer is ``{"isAuthorized": true, "context": {…}}``;
  else it is a policy, as that of a WebSocket API's authorizer.
- "If you specify identity sources, clients must include them in the request."
- With ``AuthorizerResultTtlInSeconds`` "API Gateway uses the authorizer's identity sources as the cache key";
  "To enable caching, your authorizer must have at least one identity source."

Not verified: ``identitySource`` is null without identity sources; ``requestContext.authorizer`` in format 1.0
of an integration has ``principalId`` beside the context; no answer is kept without
``AuthorizerResultTtlInSeconds``.

Not emulated: conditions in the policy, and what ``AuthorizerCredentialsArn`` allows; see
:mod:`labkit.apigateway.authorizer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labkit.apigateway.authorizer import (
    AuthorizerProblem,
    Verdict,
    answer_in,
    statements_in,
    verdict_on,
)
from labkit.apigateway.http_events import Event
from labkit.apigateway.http_served import Served, value_of

FORMATS = ("1.0", "2.0")

_PREFIXES = ("$request.header.", "$request.querystring.", "$context.", "$stageVariables.")


class MissingSource(Exception):
    """A request lacks an identity source, which is the text of the error."""


def version_of(authorizer: Mapping[str, Any]) -> str:
    """The format of an authorizer's event.

    Raises:
        AuthorizerProblem: it has none, or one that does not go with simple responses.
    """
    version = str(authorizer.get("AuthorizerPayloadFormatVersion") or "")
    if version not in FORMATS:
        raise AuthorizerProblem(
            f"its AuthorizerPayloadFormatVersion is {version!r}; it must be '1.0' or '2.0'. Set it with "
            "update_authorizer()"
        )
    if version == "1.0" and authorizer.get("EnableSimpleResponses"):
        raise AuthorizerProblem(
            "EnableSimpleResponses goes with AuthorizerPayloadFormatVersion '2.0' only"
        )
    return version


def identities(authorizer: Mapping[str, Any], served: Served) -> tuple[str, ...]:
    """The values of an authorizer's identity sources in a request.

    Args:
        authorizer: its members under AWS's names.
        served: the request.

    Raises:
        MissingSource: the request lacks one.
        AuthorizerProblem: an identity source is malformed.
    """
    found = []
    for source in authorizer.get("IdentitySource") or ():
        if not str(source).startswith(_PREFIXES):
            raise AuthorizerProblem(
                f"its identity source {source!r} names nothing. It looks like $request.header.NAME, "
                "$request.querystring.NAME, $context.NAME or $stageVariables.NAME"
            )
        value = value_of(str(source), served.look_up)
        if not value:
            raise MissingSource(str(source))
        found.append(value)
    return tuple(found)


_ALIKE_1 = ("resource", "path", "httpMethod", "headers")
_MAPS_1 = ("queryStringParameters", "pathParameters", "stageVariables")


def authorizer_event(event: Event, route_arn: str, values: Sequence[str]) -> Event:
    """What an authorizer's function gets.

    Args:
        event: the event of a Lambda proxy integration of the same format for the request.
        route_arn: what the caller wants to invoke.
        values: the values of the identity sources.
    """
    if event["version"] == "2.0":
        shown = {name: value for name, value in event.items() if name not in _BODY}
        head = {"version": "2.0", "type": "REQUEST", "routeArn": route_arn}
        return {**head, "identitySource": list(values) or None, **shown}
    source = ",".join(values) or None
    return {
        "version": "1.0",
        "type": "REQUEST",
        "methodArn": route_arn,
        "identitySource": source,
        "authorizationToken": source,
        **{name: event[name] for name in _ALIKE_1},
        **{name: event[name] or {} for name in _MAPS_1},
        "requestContext": {
            name: value for name, value in event["requestContext"].items() if name != "authorizer"
        },
    }


_BODY = ("body", "isBase64Encoded")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an authorizer said; with a policy, it may allow one route and deny another.

    Attributes:
        allowed: the answer's ``isAuthorized``, if responses are simple.
        statements: the policy's statements, if they are not.
        context: ``context``, if there is one.
        principal: ``principalId``; empty with a simple response.
    """

    allowed: bool = False
    statements: Sequence[Mapping[str, Any]] = ()
    context: Mapping[str, Any] | None = None
    principal: str = ""

    @classmethod
    def parse(cls, payload: bytes, *, simple: bool) -> Answer:
        """Read an authorizer's answer.

        Args:
            payload: what the function returned, as JSON.
            simple: ``EnableSimpleResponses``.

        Raises:
            AuthorizerProblem: the answer is malformed.
        """
        answer = answer_in(payload)
        context = answer.get("context")
        if context is not None and not isinstance(context, dict):
            raise AuthorizerProblem("context is no object")
        if simple:
            allowed = answer.get("isAuthorized")
            if not isinstance(allowed, bool):
                raise AuthorizerProblem(
                    "isAuthorized is neither true nor false, or missing; with EnableSimpleResponses the "
                    'answer looks like {"isAuthorized": true}'
                )
            return cls(allowed=allowed, context=context)
        principal = answer.get("principalId")
        if not isinstance(principal, str) or not principal:
            raise AuthorizerProblem(
                "principalId is no string, or missing; without EnableSimpleResponses the answer is a "
                "policy"
            )
        statements = statements_in(answer.get("policyDocument"))
        return cls(statements=statements, context=context, principal=principal)

    @property
    def conditions(self) -> bool:
        """Whether the policy has conditions, which are not emulated."""
        return any(statement.get("Condition") for statement in self.statements)

    def allows(self, route_arn: str) -> bool:
        """Whether the caller may invoke a route."""
        return self.allowed or verdict_on(self.statements, route_arn) is Verdict.ALLOW

    def shown(self, version: str) -> dict[str, Any]:
        """``requestContext.authorizer`` of an integration's event.

        Args:
            version: the format of the event.
        """
        return {"lambda": self.context} if version == "2.0" else self.caller

    @property
    def caller(self) -> dict[str, Any]:
        """``$context.authorizer``."""
        principal = {"principalId": self.principal} if self.principal else {}
        return {**(self.context or {}), **principal}


@dataclass(slots=True)
class Kept:
    """An answer that is used again.

    Attributes:
        authorizer: the authorizer as it was.
        answer: what it said.
        until: when it is forgotten, in seconds of the clock that whoever keeps it reads.
    """

    authorizer: Mapping[str, Any]
    answer: Answer
    until: float


@dataclass(slots=True)
class AnswerCache:
    """The answers of authorizers that are used again."""

    kept: dict[tuple[Any, ...], Kept] = field(default_factory=dict)

    def get(self, key: tuple[Any, ...], authorizer: Mapping[str, Any], now: float) -> Answer | None:
        """An answer that is still good; an authorizer that was changed has none."""
        found = self.kept.get(key)
        if found is None or found.until <= now or found.authorizer != authorizer:
            return None
        return found.answer

    def keep(self, key: tuple[Any, ...], found: Kept, now: float) -> None:
        """Keep an answer, and forget those that are too old."""
        self.kept = {name: one for name, one in self.kept.items() if one.until > now}
        self.kept[key] = found
