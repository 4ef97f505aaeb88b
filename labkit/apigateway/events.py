"""The events that a WebSocket API hands to a Lambda function, built from plain data.

Source: the WebSocket chapters of the Amazon API Gateway developer guide, and events that were
captured on AWS and published.  What matters in them:

- ``queryStringParameters`` and its multi-value twin are absent, not null, without a query string.
- A MESSAGE event has no headers and no query; a DISCONNECT event has four headers, three of them
  empty.
- ``extendedRequestId`` equals ``requestId``; ``connectedAt`` is the same in all events of a
  connection; ids are 16 characters: 11 bytes in URL-safe base64 with one ``=``.  (Those of connections
  and messages have 20 in captures of September 2026; AWS documents no form.)

Not verified: the order of an event's members, that AWS appends to an ``X-Forwarded-For`` that the
client sent, and ``stageVariables`` in MESSAGE and DISCONNECT events.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from labkit.apigateway.model import Stage
from labkit.apigateway.routes import CONNECT, DISCONNECT
from labkit.apigateway.times import request_time
from labkit.trace import HEADER

Event = dict[str, Any]

_HANDSHAKE_ONLY = frozenset({"connection", "upgrade"})


def new_id() -> str:
    """A connection, message or request id, such as ``R1kmxc2VNjMCFIA=``."""
    return base64.urlsafe_b64encode(os.urandom(11)).decode("ascii")


@dataclass(frozen=True, slots=True)
class Origin:
    """What every event of a connection says about it.

    Attributes:
        connection_id: see :func:`new_id`.
        connected_at: milliseconds since the epoch.
        source_ip: the client's address.
        user_agent: the client's ``User-Agent``, empty if it sent none.
        authorizer: the context that a Lambda authorizer returned, ``None`` without one.
    """

    connection_id: str
    connected_at: int
    source_ip: str
    user_agent: str = ""
    authorizer: Mapping[str, Any] | None = None


def request_context(
    stage: Stage,
    origin: Origin,
    route_key: str,
    event_type: str,
    request_id: str,
    now: int,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """``requestContext`` of an event, which is ``$context`` of templates and access logs too.

    Args:
        stage: the stage that is asked.
        origin: the connection.
        route_key: the route that was selected.
        event_type: ``CONNECT``, ``MESSAGE`` or ``DISCONNECT``.
        request_id: the request's id.
        now: milliseconds since the epoch.
        more: members that only some events have.
    """
    identity = {"sourceIp": origin.source_ip}
    if origin.user_agent:
        identity["userAgent"] = origin.user_agent
    context: dict[str, Any] = {"routeKey": route_key}
    if more:
        context.update(more)
    if origin.authorizer:
        context["authorizer"] = dict(origin.authorizer)
    context.update(
        eventType=event_type,
        extendedRequestId=request_id,
        requestTime=request_time(now),
        messageDirection="IN",
        stage=stage.name,
        connectedAt=origin.connected_at,
        requestTimeEpoch=now,
        identity=identity,
        requestId=request_id,
        domainName=stage.api.domain_name,
        connectionId=origin.connection_id,
        apiId=stage.api.id,
    )
    return context


def connect_event(
    stage: Stage,
    origin: Origin,
    *,
    request_id: str,
    now: int,
    headers: Iterable[tuple[str, str]] = (),
    query: str = "",
    trace_root: str = "",
) -> Event:
    """The event of the ``$connect`` route.

    Args:
        stage: the stage that the client connects to.
        origin: the connection.
        request_id: the handshake's id.
        now: milliseconds since the epoch.
        headers: the handshake's headers as the client sent them.
        query: the query string as sent, without ``?``.
        trace_root: X-Ray's trace id.
    """
    single, multiple = _headers(stage, origin, headers, trace_root)
    event: Event = {"headers": single, "multiValueHeaders": multiple}
    parameters = parse_qsl(query, keep_blank_values=True)
    if parameters:
        event["queryStringParameters"] = dict(parameters)
        event["multiValueQueryStringParameters"] = _grouped(parameters)
    if stage.settings.variables:
        event["stageVariables"] = dict(stage.settings.variables)
    event["requestContext"] = request_context(stage, origin, CONNECT, "CONNECT", request_id, now)
    event["isBase64Encoded"] = False
    return event


def authorizer_event(
    stage: Stage,
    origin: Origin,
    *,
    request_id: str,
    now: int,
    headers: Iterable[tuple[str, str]] = (),
    query: str = "",
    trace_root: str = "",
) -> Event:
    """The event of the authorizer of the ``$connect`` route.

    It has the headers of the upgrade, and its maps are there even if they are empty: so it is in
    AWS's example of "an input to a REQUEST authorizer for a WebSocket API".

    Args:
        stage: the stage that the client connects to.
        origin: the connection.
        request_id: the handshake's id.
        now: milliseconds since the epoch.
        headers: the handshake's headers as the client sent them.
        query: the query string as sent, without ``?``.
        trace_root: X-Ray's trace id.
    """
    single, multiple = _headers(stage, origin, headers, trace_root, hidden=frozenset())
    parameters = parse_qsl(query, keep_blank_values=True)
    return {
        "type": "REQUEST",
        "methodArn": method_arn(stage, CONNECT),
        "headers": single,
        "multiValueHeaders": multiple,
        "queryStringParameters": dict(parameters),
        "multiValueQueryStringParameters": _grouped(parameters),
        "stageVariables": dict(stage.settings.variables),
        "requestContext": request_context(stage, origin, CONNECT, "CONNECT", request_id, now),
    }


def method_arn(stage: Stage, route_key: str) -> str:
    """The ARN under which a policy names a route of a stage."""
    api = stage.api
    return f"arn:aws:execute-api:{api.region}:{api.account}:{api.id}/{stage.name}/{route_key}"


def authorizer_arn(stage: Stage, authorizer_id: str) -> str:
    """The ARN under which a function's resource policy names an authorizer of an API."""
    api = stage.api
    return f"arn:aws:execute-api:{api.region}:{api.account}:{api.id}/authorizers/{authorizer_id}"


def message_event(
    stage: Stage,
    origin: Origin,
    *,
    route_key: str,
    message_id: str,
    request_id: str,
    now: int,
    body: str,
) -> Event:
    """The event of a message.

    Args:
        stage: the stage that serves the connection.
        origin: the connection.
        route_key: the route that was selected.
        message_id: the message's id.
        request_id: the request's id.
        now: milliseconds since the epoch.
        body: the message's text.
    """
    context = request_context(
        stage, origin, route_key, "MESSAGE", request_id, now, {"messageId": message_id}
    )
    event: Event = {"requestContext": context, "body": body, "isBase64Encoded": False}
    if stage.settings.variables:
        event["stageVariables"] = dict(stage.settings.variables)
    return event


def disconnect_event(
    stage: Stage, origin: Origin, *, request_id: str, now: int, code: int, reason: str
) -> Event:
    """The event of the ``$disconnect`` route.

    Args:
        stage: the stage that served the connection.
        origin: the connection.
        request_id: the request's id.
        now: milliseconds since the epoch.
        code: the close frame's status code.
        reason: the close frame's reason.
    """
    headers = {
        "Host": stage.api.domain_name,
        "x-api-key": "",
        "X-Forwarded-For": "",
        "x-restapi": "",
    }
    end = {"disconnectStatusCode": code, "disconnectReason": reason}
    event: Event = {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": request_context(
            stage, origin, DISCONNECT, "DISCONNECT", request_id, now, end
        ),
        "isBase64Encoded": False,
    }
    if stage.settings.variables:
        event["stageVariables"] = dict(stage.settings.variables)
    return event


def _headers(
    stage: Stage,
    origin: Origin,
    sent: Iterable[tuple[str, str]],
    trace_root: str,
    hidden: frozenset[str] = _HANDSHAKE_ONLY,
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The handshake's headers as an integration sees them: one value a name, and all values."""
    spelling: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in sent:
        lower = name.lower()
        if lower not in hidden:
            spelling.setdefault(lower, name)
            values.setdefault(lower, []).append(value)

    def put(name: str, value: str) -> None:
        spelling[name.lower()] = name
        values[name.lower()] = [value]

    put("Host", stage.api.domain_name)
    if trace_root:
        put(HEADER, f"Root={trace_root}")
    put("X-Forwarded-For", ", ".join([*values.get("x-forwarded-for", ()), origin.source_ip]))
    put("X-Forwarded-Port", "443")
    put("X-Forwarded-Proto", "https")
    named = {spelling[lower]: values[lower] for lower in sorted(values)}
    return {name: all_values[-1] for name, all_values in named.items()}, named


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped
