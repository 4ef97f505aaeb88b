"""The event that an HTTP API hands to a Lambda function, and the answer it takes back.

Source: "Create AWS Lambda proxy integrations for HTTP APIs" in the Amazon API Gateway developer
guide, and events that were captured on AWS and published.  What matters in them:

- In format 2.0 "duplicate headers are combined with commas", "duplicate query strings are combined
  with commas", cookies stand in ``cookies`` only, and a map that would be empty is absent.
- ``rawPath`` and ``requestContext.http.path`` are decoded and begin with the stage's name, except in
  the ``$default`` stage.
- A text body is handed on as it is; AWS does not say which content types are text.  Measured on AWS
  by a third party: ``text/*``, ``application/json``, ``application/xml`` and
  ``application/javascript``; everything else, a form or no content type included, is base64.
- "API Gateway can infer the response format for you" in format 2.0 "if your Lambda function returns
  valid JSON and doesn't return a ``statusCode``".  AWS's own test tool for Lambda, compared with the
  service by its authors, says that the body is then the function's answer as it is, and that an
  answer without a content type is sent as ``text/plain; charset=utf-8``.

Not verified: that a text body which is not UTF-8 is handed on as base64; that ``headers`` of format
1.0 holds the last of several values; that a body which is no string is refused; that a number in a
string is taken as a status (AWS's blueprints return one).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from labkit.apigateway.http_message import HttpRequest, HttpResponse
from labkit.apigateway.http_routes import Match
from labkit.apigateway.model import Stage
from labkit.apigateway.times import request_time
from labkit.trace import HEADER, Trace

Event = dict[str, Any]

JSON = "application/json"
PLAIN = "text/plain; charset=utf-8"

_TEXT = frozenset({"application/json", "application/xml", "application/javascript"})

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110 7.6.1: for one connection only; an intermediary does not hand them on."""


TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110 5.6.2: what a header's name is made of."""

NO_VALUE = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
"""RFC 9110 5.5: what a header's value does not hold."""


class MalformedAnswer(Exception):
    """A function's answer is not of the form that API Gateway takes; the text says why."""


def event_of(
    stage: Stage,
    match: Match,
    request: HttpRequest,
    *,
    version: str,
    request_id: str,
    now: int,
    trace: Trace,
    authorizer: Mapping[str, Any] | None = None,
) -> Event:
    """The event for a request.

    Args:
        stage: the stage that serves it.
        match: the route that serves it.
        request: the request.
        version: the integration's ``PayloadFormatVersion``, ``2.0`` or ``1.0``.
        request_id: the request's id.
        now: milliseconds since the epoch.
        trace: the trace that the request belongs to.
        authorizer: ``requestContext.authorizer``, if the route has an authorizer.
    """
    build = _event_2 if version == "2.0" else _event_1
    event = build(stage, match, request, request_id, now, trace)
    if authorizer is not None:
        event["requestContext"]["authorizer"] = dict(authorizer)
    return event


def _event_2(
    stage: Stage, match: Match, request: HttpRequest, request_id: str, now: int, trace: Trace
) -> Event:
    headers = _headers(stage, request, trace)
    cookies = [
        cookie.strip() for line in headers.pop("cookie", ()) for cookie in line.split(";") if cookie
    ]
    path = unquote(request.path)
    query = _grouped(parse_qsl(request.query, keep_blank_values=True))
    body, encoded = _body(request)
    event: Event = {
        "version": "2.0",
        "routeKey": match.route.key,
        "rawPath": path,
        "rawQueryString": request.query,
    }
    if cookies:
        event["cookies"] = cookies
    event["headers"] = {name: ",".join(values) for name, values in headers.items()}
    if query:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in query.items()}
    event["requestContext"] = {
        "accountId": stage.api.account,
        "apiId": stage.api.id,
        "domainName": stage.api.domain_name,
        "domainPrefix": stage.api.id,
        "http": {
            "method": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent"),
        },
        "requestId": request_id,
        "routeKey": match.route.key,
        "stage": stage.name,
        "time": request_time(now),
        "timeEpoch": now,
    }
    if match.parameters:
        event["pathParameters"] = dict(match.parameters)
    if stage.settings.variables:
        event["stageVariables"] = dict(stage.settings.variables)
    if body is not None:
        event["body"] = body
    event["isBase64Encoded"] = encoded
    return event


_NOBODY = dict.fromkeys(
    (
        "accessKey",
        "accountId",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "user",
        "userArn",
    )
)


def _event_1(
    stage: Stage, match: Match, request: HttpRequest, request_id: str, now: int, trace: Trace
) -> Event:
    headers = _headers(stage, request, trace)
    query = _grouped(parse_qsl(request.query, keep_blank_values=True))
    path = unquote(request.path)
    resource = match.route.key.partition(" ")[2] or match.route.key
    body, encoded = _body(request)
    return {
        "version": "1.0",
        "resource": resource,
        "path": path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": {
            "accountId": stage.api.account,
            "apiId": stage.api.id,
            "authorizer": {"claims": None, "scopes": None},
            "domainName": stage.api.domain_name,
            "domainPrefix": stage.api.id,
            "extendedRequestId": request_id,
            "httpMethod": request.method,
            "identity": {
                **_NOBODY,
                "sourceIp": request.source_ip,
                "userAgent": request.header("user-agent"),
            },
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "requestTime": request_time(now),
            "requestTimeEpoch": now,
            "resourceId": None,
            "resourcePath": resource,
            "stage": stage.name,
        },
        "pathParameters": dict(match.parameters) or None,
        "stageVariables": dict(stage.settings.variables) or None,
        "body": body,
        "isBase64Encoded": encoded,
    }


def _headers(stage: Stage, request: HttpRequest, trace: Trace) -> dict[str, list[str]]:
    """The headers as an integration sees them: lower case, sorted, with those that AWS adds."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        if name.lower() not in HOP_BY_HOP:
            headers.setdefault(name.lower(), []).append(value)
    forwarded = [*headers.get("x-forwarded-for", ()), request.source_ip]
    headers["content-length"] = [str(len(request.body))]
    headers["host"] = [stage.api.domain_name]
    headers[HEADER.lower()] = [f"Root={trace.root}"]
    headers["x-forwarded-for"] = [", ".join(forwarded)]
    headers["x-forwarded-port"] = ["443"]
    headers["x-forwarded-proto"] = ["https"]
    return dict(sorted(headers.items()))


def _body(request: HttpRequest) -> tuple[str | None, bool]:
    """The body as the event holds it, and whether that is base64."""
    if not request.body:
        return None, False
    if _is_text(request.header("content-type")):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode("ascii"), True


def _is_text(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.startswith("text/") or media_type in _TEXT


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def response_of(answer: bytes, *, version: str) -> HttpResponse:
    """The response that a function's answer means.

    Args:
        answer: the function's answer, JSON.
        version: the integration's ``PayloadFormatVersion``.

    Raises:
        MalformedAnswer: it is not of the form that the version asks for.
    """
    try:
        parsed = json.loads(answer)
    except (ValueError, RecursionError):
        raise MalformedAnswer("the function's answer is not JSON") from None
    if not isinstance(parsed, dict) or "statusCode" not in parsed:
        if version == "2.0":
            return HttpResponse(200, [("content-type", JSON)], answer)
        raise MalformedAnswer(
            "format 1.0 asks for an object with 'statusCode' and 'body'; the function returned "
            + (
                f"one with {', '.join(map(repr, parsed)) or 'no member'}"
                if isinstance(parsed, dict)
                else _kind(parsed)
            )
        )
    headers = [(name, _text(name, value)) for name, value in _map(parsed, "headers")]
    if version == "2.0":
        cookies = parsed.get("cookies") or []
        if not isinstance(cookies, list):
            raise MalformedAnswer(f"'cookies' must be a list of strings, not {_kind(cookies)}")
        headers += [("set-cookie", _text("cookies", cookie)) for cookie in cookies]
    else:
        several = dict(_map(parsed, "multiValueHeaders"))
        given = {name.lower() for name in several}
        headers = [(name, value) for name, value in headers if name.lower() not in given]
        for name, values in several.items():
            if not isinstance(values, list):
                raise MalformedAnswer(
                    f"'multiValueHeaders' must hold lists; {name!r} is {_kind(values)}"
                )
            headers += [(name, _text(name, value)) for value in values]
    headers = [(name, value) for name, value in headers if name.lower() not in OUR_OWN]
    if all(name.lower() != "content-type" for name, _ in headers):
        headers.append(("content-type", PLAIN))
    return HttpResponse(_status(parsed["statusCode"]), headers, _content(parsed))


OUR_OWN = HOP_BY_HOP | {"content-length", "apigw-requestid"}
"""What the gateway says of its own answer, whatever a function says."""


def _status(value: Any) -> int:
    is_number = isinstance(value, str) and re.fullmatch(r"[2-5]\d\d", value)
    status: Any = int(value) if is_number else value
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise MalformedAnswer(f"'statusCode' must be a number from 200 to 599, not {value!r}")
    return status


def _content(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedAnswer(
            f"'body' must be a string, not {_kind(body)}; json.dumps() makes one of it"
        )
    if answer.get("isBase64Encoded") is not True:
        return body.encode("utf-8", "replace")  # half a surrogate pair is no character
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedAnswer("'isBase64Encoded' is true, but 'body' is not base64") from None


def _map(answer: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    value = answer.get(name)
    if value is None:
        return []
    if not isinstance(value, dict):
        raise MalformedAnswer(f"{name!r} must be an object, not {_kind(value)}")
    return list(value.items())


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int | float):
        text = str(value)
    else:
        raise MalformedAnswer(f"the value of {name!r} must be a string, not {_kind(value)}")
    if TOKEN.fullmatch(name) is None:
        raise MalformedAnswer(f"{name!r} is no name of a header")
    if NO_VALUE.search(text):
        raise MalformedAnswer(
            f"the value of {name!r} holds a line break, or what else no header can"
        )
    return text


def _kind(value: Any) -> str:
    """A JSON value's kind, in words."""
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else kinds.get(type(value), "a number")
