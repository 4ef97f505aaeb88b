"""Data mappings: what of a request goes into which header, query parameter or part of a URI.

Source: "Set up data mapping for WebSocket APIs" in the Amazon API Gateway developer guide: the keys of
``RequestParameters`` are ``integration.request.header.NAME``, ``integration.request.querystring.NAME`` and
``integration.request.path.NAME``; their values are ``route.request.header.NAME``,
``route.request.querystring.NAME``, ``route.request.body.JSONPATH``, ``context.NAME``,
``stageVariables.NAME`` and static text in single quotes.

Our choice: what a request lacks is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.apigateway.json_path import MISSING, find
from labkit.apigateway.selection import Path, member, text
from labkit.errors import LabError

PLACES = ("header", "querystring", "path")


class MappingProblem(LabError):
    """A data mapping is malformed; the message says which."""


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """What an integration's expressions and mappings can see of a request.

    Attributes:
        event: what a Lambda proxy integration would get.
        body: the message, empty for ``$connect`` and ``$disconnect``.
        data: the body as JSON data, or as text if it is none.
        stage_variables: the stage's variables.
    """

    event: Mapping[str, Any]
    body: str
    data: Any
    stage_variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, event: Mapping[str, Any], stage_variables: Mapping[str, str]) -> RouteRequest:
        """The request of an event."""
        body = event.get("body", "")
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = body
        return cls(event, body, data, stage_variables)

    @property
    def context(self) -> Mapping[str, Any]:
        """``$context``."""
        found: Mapping[str, Any] = self.event["requestContext"]
        return found

    def look_up(self, path: Path) -> Any:
        """The value of a variable in a selection expression."""
        match path:
            case ("request", "body", *rest):
                return member(self.data, rest)
            case ("request", "header", name):
                return self.header(name)
            case ("request", "querystring", name):
                return (self.event.get("queryStringParameters") or {}).get(name, MISSING)
            case ("context", *rest):
                return member(self.context, rest)
            case ("stageVariables", name):
                return self.stage_variables.get(name, MISSING)
        return MISSING

    def header(self, name: str) -> Any:
        """A header of the handshake; case does not matter."""
        for spelled, value in (self.event.get("headers") or {}).items():
            if spelled.lower() == name.lower():
                return value
        return MISSING


def mapped(parameters: Mapping[str, str], request: RouteRequest) -> dict[str, dict[str, str]]:
    """The headers, query parameters and path parts of an integration request.

    Args:
        parameters: ``RequestParameters``.
        request: the request that they are taken from.

    Returns:
        Names and values under ``header``, ``querystring`` and ``path``.

    Raises:
        MappingProblem: a key or a value is malformed.
    """
    found: dict[str, dict[str, str]] = {place: {} for place in PLACES}
    for key, source in parameters.items():
        place, _, name = key.removeprefix("integration.request.").partition(".")
        if not key.startswith("integration.request.") or place not in PLACES or not name:
            raise MappingProblem(
                f"RequestParameters: the key {key!r} is not integration.request.header.NAME, "
                "integration.request.querystring.NAME or integration.request.path.NAME"
            )
        value = _value(source, request)
        if value is not MISSING and value is not None:
            found[place][name] = text(value)
    return found


def _value(source: str, request: RouteRequest) -> Any:
    if len(source) > 1 and source[0] == source[-1] == "'":
        return source[1:-1]
    match source.split("."):
        case ["route", "request", "header" | "querystring", _, *_] as parts:
            return request.look_up((parts[1], parts[2], ".".join(parts[3:])))
        case ["route", "request", "body", *path]:
            try:
                return find(request.data, ".".join(["$", *path]))
            except ValueError as error:
                raise MappingProblem(f"RequestParameters: {error}") from None
        case ["context" | "stageVariables", *_] as parts:
            return request.look_up(tuple(parts))
    raise MappingProblem(
        f"RequestParameters: the value {source!r} is not route.request.header.NAME, "
        "route.request.querystring.NAME, route.request.body.NAME, context.NAME, stageVariables.NAME "
        "or 'text in single quotes'"
    )
