"""A request that a route of an HTTP API serves, and what expressions see of it.

Source: "Create AWS Lambda authorizers for HTTP APIs", "Transform API requests and responses for HTTP APIs"
and "Integrate HTTP APIs with AWS services" in the Amazon API Gateway developer guide, which have the same
variables: ``$request.header.NAME`` ("Header names are case-insensitive", several values joined by commas),
``$request.querystring.NAME``, ``$request.path``, ``$request.path.NAME``, ``$request.body``,
``$request.body.JSONPATH``, ``$context.NAME`` and ``$stageVariables.NAME``; with braces, ``${request.path}``,
they can stand within text.

Our choice: a variable without braces that is all of an expression may have indexes in its path, as in
``$request.body.items[0]``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote

from labkit.apigateway.http_message import HttpRequest
from labkit.apigateway.http_routes import Match
from labkit.apigateway.json_path import MISSING, find
from labkit.apigateway.model import Stage
from labkit.apigateway.selection import Path, evaluate, member, text
from labkit.apigateway.times import request_time

LONGEST_SEARCHED = 100 * 1024
"""Bytes.  ("API Gateway truncates the request body at 100 KB and then applies the selection expression.")"""

_ALONE = re.compile(r"\$\{([^{}]+)\}|\$([\w-]+(?:\.+[\w-]+|\[[^\]]*\])*)")


@dataclass(frozen=True)
class Served:
    """A request, the stage and the route that serve it.

    Attributes:
        stage: the stage.
        match: the route.
        request: the request.
        path: its path within the stage, percent-encoded.
        request_id: its id.
        now: milliseconds since the epoch.
        caller: what an authorizer says of the caller, by names.
    """

    stage: Stage
    match: Match
    request: HttpRequest
    path: str
    request_id: str
    now: int
    caller: Mapping[str, Any] = field(default_factory=dict)

    @property
    def route_arn(self) -> str:
        """What the caller wants to invoke, as a policy names it."""
        api = self.stage.api
        where = f"{self.stage.name}/{self.request.method}{unquote(self.path)}"
        return f"arn:aws:execute-api:{api.region}:{api.account}:{api.id}/{where}"

    @cached_property
    def context(self) -> Mapping[str, Any]:
        """``$context``."""
        request, api = self.request, self.stage.api
        return {
            "accountId": api.account,
            "apiId": api.id,
            "authorizer": self.caller,
            "domainName": api.domain_name,
            "domainPrefix": api.id,
            "extendedRequestId": self.request_id,
            "httpMethod": request.method,
            "identity": {
                "sourceIp": request.source_ip,
                "userAgent": request.header("user-agent"),
            },
            "path": unquote(request.path),
            "protocol": "HTTP/1.1",
            "requestId": self.request_id,
            "requestTime": request_time(self.now),
            "requestTimeEpoch": self.now,
            "routeKey": self.match.route.key,
            "stage": self.stage.name,
        }

    def look_up(self, path: Path) -> Any:
        """The value of a variable, by the names in it; ``MISSING`` if it has none.

        Raises:
            ValueError: a path into the body is malformed.
        """
        match path:
            case ("request", "header", *name):
                return ",".join(self.request.values(".".join(name).lower())) or MISSING
            case ("request", "querystring", *name):
                pairs = parse_qsl(self.request.query, keep_blank_values=True)
                values = [value for key, value in pairs if key == ".".join(name)]
                return ",".join(values) if values else MISSING
            case ("request", "path"):
                return unquote(self.path)
            case ("request", "path", name):
                return self.match.parameters.get(name, MISSING)
            case ("request", "body"):
                return self.request.body.decode("utf-8", "replace") or MISSING
            case ("request", "body", *names):
                return in_body(self.request.body, names)
            case ("context", *names):
                return member(self.context, names)
            case ("stageVariables", name):
                return self.stage.settings.variables.get(name, MISSING)
        return MISSING


def value_of(expression: str, look_up: Callable[[Path], Any]) -> str | None:
    """What an expression gives.

    Args:
        expression: a variable, or text with variables in it.
        look_up: the value of a variable, by the names in it.

    Returns:
        Text; ``None`` if the expression is one variable and it has no value.

    Raises:
        ValueError: a path into a body is malformed.
    """
    alone = _ALONE.fullmatch(expression)
    if alone is None:
        return evaluate(expression, look_up)
    value = look_up(tuple((alone[1] or alone[2]).split(".")))
    return None if value is MISSING or value is None else text(value)


def in_body(body: bytes, names: list[str]) -> Any:
    """What a JSON path leads to in a body.

    Args:
        body: the body of a request or a response.
        names: the path's parts.

    Returns:
        The value; ``MISSING`` if the path leads nowhere, or the body is not JSON.

    Raises:
        ValueError: the path is malformed.
    """
    try:
        data = json.loads(body[:LONGEST_SEARCHED])
    except (ValueError, RecursionError):
        return MISSING
    return find(data, ".".join(["$", *names]))
