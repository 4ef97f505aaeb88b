"""Lambda authorizers of WebSocket APIs, as pure rules: what they get, and what their answer means.

Source: "Control access to WebSocket APIs with AWS Lambda REQUEST authorizers" in the Amazon API
Gateway developer guide, "Output from an API Gateway Lambda authorizer" there, and ``CreateAuthorizer``
in the API reference:

- Identity sources are "headers, query string parameters, stage variables, and context parameters".
  They must be "present in the request, not null, and non-empty", otherwise the gateway "returns a 401
  Unauthorized response without calling the Lambda function".
- ``methodArn`` has no HTTP method and ends with the route, ``$connect``.
- The answer is a ``principalId``, a ``policyDocument`` that allows or denies ``execute-api:Invoke``, and
  a ``context`` of strings, numbers and booleans, whose values reach all later events as strings.  A
  function that raises ``Unauthorized``, in these letters, means 401.  ("You must return the string
  Unauthorized")
- ``AuthorizerResultTtlInSeconds``, ``EnableSimpleResponses`` and payload format versions are "supported
  only for HTTP API" authorizers: here every handshake asks the function.
- Quota: "AWS Lambda authorizer result size: 8 KB".

The context has ``integrationLatency``, too, the milliseconds that the function took (captured).

Not emulated: the authorizer's ``AuthorizerCredentialsArn``, and conditions in its policy; an Allow with
conditions allows nothing, and a Deny denies as if it had none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from labkit.apigateway.lambda_uri import function_in, with_variables
from labkit.errors import LabError

CONDITION_WARNING = (
    "The authorizer's policy has a Condition, which the local cloud does not evaluate: an Allow with a "
    "Condition allows nobody. Check it in the function instead."
)
"""What is said of a policy with a ``Condition``."""

ROLE_WARNING = (
    "The authorizer's function is invoked as the role that AuthorizerCredentialsArn names, whatever that "
    "role may do: the local cloud does not check it."
)
"""What is said of an authorizer with a role."""

LARGEST_ANSWER = 8 * 1024
"""Bytes of an authorizer's answer."""

INVOKE = "execute-api:Invoke"
UNAUTHORIZED = "Unauthorized"
"""The error message of a function that means 401."""

_SOURCE = re.compile(
    r"^(?:route\.request\.(?P<place>header|querystring)|(?P<other>stageVariables|context))\."
    r"(?P<name>.+)$"
)


class AuthorizerProblem(LabError):
    """An authorizer, or its answer, is not what API Gateway expects; the message says why."""


class Verdict(StrEnum):
    """What an authorizer's policy says of a request."""

    ALLOW = "Allow"
    DENY = "Deny"


def function_of(authorizer: Mapping[str, Any], variables: Mapping[str, str]) -> str:
    """The ARN of an authorizer's function.

    Args:
        authorizer: its members under AWS's names.
        variables: the stage's variables.

    Raises:
        AuthorizerProblem: it is no REQUEST authorizer, or its URI names no function.
    """
    kind, uri = authorizer.get("AuthorizerType"), str(authorizer.get("AuthorizerUri") or "")
    if kind != "REQUEST":
        raise AuthorizerProblem(
            f"it is of type {kind!r}; an authorizer that is a Lambda function is of type 'REQUEST'"
        )
    function = function_in(with_variables(uri, variables))
    if function is None:
        raise AuthorizerProblem(
            f"its AuthorizerUri names no Lambda function: {uri!r}. It looks like arn:aws:apigateway:"
            "REGION:lambda:path/2015-03-31/functions/FUNCTION_ARN/invocations"
        )
    return function


def missing_source(authorizer: Mapping[str, Any], event: Mapping[str, Any]) -> str | None:
    """The first identity source that a request lacks; ``None`` if it has all of them.

    Args:
        authorizer: its members under AWS's names.
        event: the event that the authorizer's function would get.

    Raises:
        AuthorizerProblem: an identity source is malformed.
    """
    for source in authorizer.get("IdentitySource") or ():
        if not _value(str(source).strip(), event):
            return str(source)
    return None


def _value(source: str, event: Mapping[str, Any]) -> str:
    found = _SOURCE.match(source)
    if found is None:
        raise AuthorizerProblem(
            f"its identity source {source!r} names nothing. It looks like route.request.header.Auth, "
            "route.request.querystring.token, stageVariables.NAME or context.NAME"
        )
    name = found["name"]
    if found["place"] == "header":
        headers = {key.lower(): value for key, value in event["headers"].items()}
        return str(headers.get(name.lower(), ""))
    if found["place"] == "querystring":
        return str(event["queryStringParameters"].get(name, ""))
    if found["other"] == "stageVariables":
        return str(event["stageVariables"].get(name, ""))
    value: Any = event["requestContext"]
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Decision:
    """What an authorizer decided.

    Attributes:
        verdict: whether the caller may connect.
        context: ``requestContext.authorizer`` of all events of the connection.
        usage_key: ``usageIdentifierKey``: the API key of the caller, if the authorizer says.
        conditions: whether the policy has conditions, which are not emulated.
    """

    verdict: Verdict
    context: Mapping[str, Any] = field(default_factory=dict)
    usage_key: str = ""
    conditions: bool = False

    @classmethod
    def parse(cls, payload: bytes, arn: str, latency: int) -> Decision:
        """Read an authorizer's answer.

        Args:
            payload: what the function returned, as JSON.
            arn: what the caller wants to invoke, its ``methodArn``.
            latency: milliseconds that the function took.

        Raises:
            AuthorizerProblem: the answer is malformed.
        """
        answer = answer_in(payload)
        principal = answer.get("principalId")
        if not isinstance(principal, str) or not principal:
            raise AuthorizerProblem("principalId is no string, or missing")
        statements = statements_in(answer.get("policyDocument"))
        context = {"principalId": principal, "integrationLatency": latency}
        context |= _context(answer.get("context"))
        return cls(
            verdict_on(statements, arn),
            context,
            str(answer.get("usageIdentifierKey") or ""),
            any(statement.get("Condition") for statement in statements),
        )


def answer_in(payload: bytes) -> dict[str, Any]:
    """An authorizer's answer, as far as every authorizer's has the same form.

    Args:
        payload: what the function returned, as JSON.

    Raises:
        AuthorizerProblem: it is too long, no JSON or no object.
    """
    if len(payload) > LARGEST_ANSWER:
        raise AuthorizerProblem(
            f"its answer has {len(payload)} bytes; {LARGEST_ANSWER} are allowed"
        )
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise AuthorizerProblem(f"its answer is not JSON: {error}") from error
    if not isinstance(answer, dict):
        raise AuthorizerProblem("its answer is no object")
    return answer


def _context(context: object) -> dict[str, str]:
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise AuthorizerProblem("context is no object")
    shown = {}
    for name, value in context.items():
        if isinstance(value, dict | list):
            raise AuthorizerProblem(
                f"context.{name} is an object or a list; strings, numbers and booleans are allowed. "
                "json.dumps makes a string of it"
            )
        if value is not None:
            shown[name] = value if isinstance(value, str) else json.dumps(value)
    return shown


def statements_in(policy: object) -> list[Mapping[str, Any]]:
    """The statements of a policy.

    Args:
        policy: ``policyDocument`` of an authorizer's answer.

    Raises:
        AuthorizerProblem: the policy is malformed.
    """
    if not isinstance(policy, dict):
        raise AuthorizerProblem("policyDocument is no object, or missing")
    found = policy.get("Statement")
    statements = [found] if isinstance(found, dict) else found
    if not isinstance(statements, list) or not statements:
        raise AuthorizerProblem("policyDocument.Statement is no list of statements, or missing")
    for statement in statements:
        if not isinstance(statement, dict) or statement.get("Effect") not in list(Verdict):
            raise AuthorizerProblem("a statement of policyDocument has no Effect, Allow or Deny")
        for member in ("Action", "Resource"):
            if not _strings(statement.get(member)):
                raise AuthorizerProblem(f"a statement of policyDocument has no {member}")
    return statements


def verdict_on(statements: Iterable[Mapping[str, Any]], arn: str) -> Verdict:
    """What a policy says of a request.

    An explicit Deny wins, and what nothing allows is denied, as with every policy of IAM.

    Args:
        statements: the policy's statements, well-formed.
        arn: what the caller wants to invoke.
    """
    verdict = Verdict.DENY
    for statement in statements:
        if not (
            any(_matches(action, INVOKE, True) for action in _strings(statement["Action"]))
            and any(_matches(resource, arn) for resource in _strings(statement["Resource"]))
        ):
            continue
        if statement["Effect"] == Verdict.DENY:
            return Verdict.DENY
        if not statement.get("Condition"):
            verdict = Verdict.ALLOW
    return verdict


def _matches(pattern: str, text: str, ignore_case: bool = False) -> bool:
    """Whether a text matches a pattern of IAM's: ``*`` is any text, ``?`` one character."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.IGNORECASE if ignore_case else 0) is not None


def _strings(value: object) -> Sequence[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return value
    return ()
