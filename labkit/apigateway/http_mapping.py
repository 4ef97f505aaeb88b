"""Parameter mapping of HTTP APIs, as pure rules: what is changed on the way to a backend, and back.

Source: "Transform API requests and responses for HTTP APIs in API Gateway" in the Amazon API Gateway developer
guide.  The keys are ``append|overwrite|remove:header.NAME``, ``append|overwrite|remove:querystring.NAME`` and
``overwrite:path`` for requests, ``append|overwrite|remove:header.NAME`` and ``overwrite:statuscode`` for
responses, "for each status code that your integration returns".  Reserved headers cannot be mapped.

Our choices: all values are taken from the request, or the response, as it came; what has no value is not
appended and overwrites nothing; a mapping that turns out to be malformed is an internal server error.  Not verified: the path that a function sees is the mapped one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from labkit.apigateway.data_mapping import MappingProblem
from labkit.apigateway.http_events import NO_VALUE, TOKEN
from labkit.apigateway.http_message import HttpRequest, HttpResponse
from labkit.apigateway.http_served import Served, in_body, value_of
from labkit.apigateway.json_path import MISSING
from labkit.apigateway.selection import Path

Pairs = list[tuple[str, str]]

_KEY = re.compile(r"(append|overwrite|remove):(header|querystring)\.(.+)")
RESERVED = frozenset(
    {
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-location",
        "forwarded",
        "keep-alive",
        "origin",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    }
)
"""Headers that cannot be mapped, in lower case."""

RESERVED_BEGINNINGS = ("access-control-", "apigw-", "x-amz-", "x-amzn-")
"""What the names of other headers begin with that cannot be mapped either."""


@dataclass(frozen=True, slots=True)
class _Change:
    """``append``, ``overwrite`` or ``remove``, where, what and its new value."""

    how: str
    place: str
    name: str
    value: str


def mapped_request(parameters: Mapping[str, str], served: Served) -> tuple[HttpRequest, bool]:
    """The request as its backend is to get it.

    Args:
        parameters: the integration's ``RequestParameters``.
        served: the request as it came.

    Returns:
        The request, and whether its path was overwritten.

    Raises:
        MappingProblem: a mapping is malformed.
    """
    request = served.request
    changes = _changes(parameters, served.look_up, "overwrite:path")
    headers, query = list(request.headers), parse_qsl(request.query, keep_blank_values=True)
    path = ""
    for change in changes:
        if change.place == "path":
            path = quote("/" + change.value.removeprefix("/"), safe="/%:@!$&'()*+,;=~")
        elif change.place == "header":
            headers = _changed(headers, change, str.lower)
        else:
            query = _changed(query, change, str)
    text = request.query
    if any(change.place == "querystring" for change in changes):
        text = urlencode(query)
    changed = replace(request, headers=headers, query=text, path=path or request.path)
    return changed, bool(path)


def mapped_response(
    parameters: Mapping[str, Mapping[str, str]], response: HttpResponse, served: Served
) -> HttpResponse:
    """The response as the caller is to get it.

    Args:
        parameters: the integration's ``ResponseParameters``, by status.
        response: the response as it came from the backend.
        served: the request.

    Raises:
        MappingProblem: a mapping is malformed.
    """

    def look_up(path: Path) -> Any:
        match path:
            case ("response", "header", *names):
                name = ".".join(names).lower()
                values = [value for key, value in response.headers if key.lower() == name]
                return ",".join(values) if values else MISSING
            case ("response", "body", *names):
                return in_body(response.body, names)
            case ("context" | "stageVariables", *_):
                return served.look_up(path)
        return MISSING

    status, headers = response.status, list(response.headers)
    for change in _changes(
        parameters.get(str(response.status)) or {}, look_up, "overwrite:statuscode"
    ):
        if change.place == "header":
            headers = _changed(headers, change, str.lower)
        elif re.fullmatch(r"[2-5]\d\d", change.value):
            status = int(change.value)
        else:
            raise MappingProblem(
                f"ResponseParameters: overwrite:statuscode gives {change.value!r}, which is no status"
            )
    return HttpResponse(status, headers, response.body)


def check_mappings(request: Mapping[str, str], response: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse mappings that are malformed, whatever values they will have.

    Args:
        request: ``RequestParameters``.
        response: ``ResponseParameters``, by status.

    Raises:
        MappingProblem: what is wrong.
    """

    def nothing(_: Path) -> Any:
        return MISSING

    _changes(request, nothing, "overwrite:path")
    for mappings in response.values():
        _changes(mappings, nothing, "overwrite:statuscode")


def _changes(
    parameters: Mapping[str, str], look_up: Callable[[Path], Any], special: str
) -> Sequence[_Change]:
    """The changes that have a value; ``special`` is the key that names no header."""
    requests = special == "overwrite:path"
    where = "RequestParameters" if requests else "ResponseParameters"
    found = []
    for key, expression in parameters.items():
        if key == special:
            how, place, name = "overwrite", special.partition(":")[2], ""
        elif (parsed := _KEY.fullmatch(key)) and (requests or parsed[2] == "header"):
            how, place, name = parsed[1], parsed[2], parsed[3]
        else:
            places = "header.NAME, :querystring.NAME" if requests else "header.NAME"
            raise MappingProblem(
                f"{where}: the key {key!r} is none of append, overwrite or remove:{places}, and not "
                f"{special}"
            )
        if place == "header" and _is_reserved(name.lower()):
            raise MappingProblem(
                f"{where}: the header {name!r} is reserved and cannot be mapped; take another name"
            )
        if place == "header" and not TOKEN.fullmatch(name):
            raise MappingProblem(f"{where}: {name!r} is no name of a header")
        try:
            value = "" if how == "remove" else value_of(expression, look_up)
        except ValueError as error:
            raise MappingProblem(f"{where}: {error}") from None
        if place == "header" and value and NO_VALUE.search(value):
            raise MappingProblem(
                f"{where}: the value of {key!r} holds a line break, or what else no header can"
            )
        if value is not None:
            found.append(_Change(how, place, name, value))
    return found


def _changed(pairs: Pairs, change: _Change, fold: Callable[[str], str]) -> Pairs:
    if change.how != "append":
        pairs = [pair for pair in pairs if fold(pair[0]) != fold(change.name)]
    if change.how != "remove":
        pairs = [*pairs, (change.name, change.value)]
    return pairs


def _is_reserved(name: str) -> bool:
    return name in RESERVED or name.startswith(RESERVED_BEGINNINGS)
