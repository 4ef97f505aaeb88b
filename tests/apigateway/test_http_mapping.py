"""Parameter mapping of HTTP APIs: what a function, or the caller, sees of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from labkit.apigateway.http_mapping import RESERVED, RESERVED_BEGINNINGS
from labkit.apigateway.http_message import HttpRequest, HttpResponse
from labkit.apigateway.http_routes import Match
from labkit.apigateway.http_served import LONGEST_SEARCHED, Served, value_of
from labkit.apigateway.model import Route, Stage, StageSettings
from tests.apigateway.test_http_api import API, LAMBDA, Gateway, api_with
from tests.fidelity.plugin import Values

REQUEST = HttpRequest(
    "POST",
    "/prod/pets/6%20a",
    query="kind=cat&kind=dog&Kind=cow",
    headers=[("X-Name", "ada"), ("x-name", "bob"), ("user-agent", "tests")],
    body=json.dumps({"order": {"items": [{"id": 7}, {"id": 8}]}, "note": None}).encode(),
)
ROUTE = Route("r1", "POST /pets/{id}", "i1")
STAGE = Stage(StageSettings("prod", variables={"color": "blue"}), API)
SERVED = Served(
    STAGE,
    Match(ROUTE, {"id": "6 a"}),
    REQUEST,
    "/pets/6%20a",
    "request-1",
    1_583_348_638_390,
    {"user": "ada"},
)


async def ok(event: dict[str, Any]) -> Any:
    return {"statusCode": 200, "headers": {"x-total": "3"}, "body": '{"state": {"n": 5}}'}


def gateway(request: dict[str, str] | None = None, response: Any = None) -> Gateway:
    raw = {"RequestParameters": request, "ResponseParameters": response}
    api = api_with(replace(LAMBDA, raw=raw), routes={ROUTE.key: ROUTE})
    return Gateway(ok, prod=replace(STAGE, api=api))


async def seen(mappings: dict[str, str]) -> dict[str, Any]:
    """What a function gets."""
    made = gateway(mappings)
    assert (await made.send(REQUEST)).status == 200
    [(_, event, _)] = made.function.calls
    return event


async def answered(mappings: Any) -> HttpResponse:
    return await gateway(response=mappings).send(REQUEST)


@pytest.mark.behaviour("http.mapping.values")
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("text", "text"),
        ("", ""),
        ("$request.header.X-NAME", "ada,bob"),
        ("${request.header.x-name}", "ada,bob"),
        ("$request.querystring.kind", "cat,dog"),
        ("$request.querystring.Kind", "cow"),
        ("$request.path", "/pets/6 a"),
        ("$request.path.id", "6 a"),
        ("$request.body", REQUEST.body.decode()),
        ("$request.body.order.items[1].id", "8"),
        ("${request.body.order.items[0]}", '{"id":7}'),
        ("$request.body.note", None),
        ("$request.body.order.none", None),
        ("$request.header.none", None),
        ("$context.requestId", "request-1"),
        ("$context.identity.sourceIp", "127.0.0.1"),
        ("$context.routeKey", "POST /pets/{id}"),
        ("$context.authorizer.user", "ada"),
        ("$context.requestTimeEpoch", "1583348638390"),
        ("$stageVariables.color", "blue"),
        ("$stageVariables.none", None),
        ("a ${stageVariables.color} pet, ${request.path.id}", "a blue pet, 6 a"),
        ("none: ${stageVariables.none}.", "none: ."),
        ("${request.path}/new", "/pets/6 a/new"),
        ("/v1$request.path/new", "/v1/pets/6 a/new"),
        ("$request.path.id/new", "6 a/new"),
        ("${stageVariables.color}${request.path.id}", "blue6 a"),
        ("$request.header.user-agent", "tests"),
    ],
)
def test_expression_has_the_value_of_its_variables(expression: str, value: str | None) -> None:
    assert value_of(expression, SERVED.look_up) == value


@pytest.mark.behaviour("http.mapping.body")
def test_path_is_looked_for_in_the_beginning_of_a_body(expected: Values) -> None:
    assert expected.bytes == LONGEST_SEARCHED
    body = b'{"id": 7}'
    for filling, found in ((expected.bytes - len(body), "7"), (expected.bytes, None)):
        request = replace(REQUEST, body=b" " * filling + body)
        look_up = replace(SERVED, request=request).look_up
        assert value_of("$request.body.id", look_up) == found
        assert value_of("$request.body", look_up) == request.body.decode()


def test_body_that_is_not_json_has_no_paths() -> None:
    served = replace(SERVED, request=replace(REQUEST, body=b"{"))
    assert value_of("$request.body.id", served.look_up) is None


@pytest.mark.behaviour("http.mapping.request")
async def test_headers_are_appended_overwritten_and_removed() -> None:
    event = await seen(
        {
            "append:header.x-name": "eve",
            "append:header.x-id": "$request.path.id",
            "overwrite:header.User-Agent": "$context.stage",
        }
    )
    assert event["headers"]["x-name"] == "ada,bob,eve"
    assert event["headers"]["x-id"] == "6 a"
    assert event["headers"]["user-agent"] == "prod"
    assert event["rawPath"] == "/prod/pets/6 a"
    event = await seen({"remove:header.X-Name": "''"})
    assert "x-name" not in event["headers"]


@pytest.mark.behaviour("http.mapping.request")
async def test_header_is_renamed_as_the_developer_guide_says() -> None:
    event = await seen(
        {"remove:header.x-name": "''", "append:header.x-new": "$request.header.x-name"}
    )
    assert "x-name" not in event["headers"]
    assert event["headers"]["x-new"] == "ada,bob"


@pytest.mark.behaviour("http.mapping.request")
async def test_query_is_changed_by_names_with_their_case() -> None:
    event = await seen(
        {
            "overwrite:querystring.kind": "a&b",
            "remove:querystring.none": "",
            "append:querystring.Kind": "pig",
        }
    )
    assert event["queryStringParameters"] == {"kind": "a&b", "Kind": "cow,pig"}
    assert event["rawQueryString"] == "Kind=cow&kind=a%26b&Kind=pig"
    assert (await seen({"append:header.a": "b"}))["rawQueryString"] == REQUEST.query


@pytest.mark.behaviour("http.mapping.path-function")
async def test_function_sees_the_path_that_was_overwritten() -> None:
    event = await seen({"overwrite:path": "/animals/$request.path.id"})
    assert event["rawPath"] == "/animals/6 a"
    assert event["pathParameters"] == {"id": "6 a"}


@pytest.mark.behaviour("http.mapping.nothing")
async def test_what_has_no_value_changes_nothing() -> None:
    event = await seen(
        {
            "append:header.x-new": "$request.header.none",
            "overwrite:header.x-name": "$request.body.order.none",
            "overwrite:path": "$stageVariables.none",
        }
    )
    assert "x-new" not in event["headers"]
    assert event["headers"]["x-name"] == "ada,bob"
    assert event["rawPath"] == "/prod/pets/6 a"


@pytest.mark.behaviour("http.mapping.response")
async def test_response_of_one_status_is_changed() -> None:
    response = await answered(
        {
            "200": {
                "overwrite:statuscode": "403",
                "append:header.x-n": "$response.body.state.n",
                "append:header.x-copy": "$response.header.X-Total",
                "append:header.x-stage": "${stageVariables.color} $context.stage",
                "remove:header.x-total": "''",
                "overwrite:header.content-type": "text/html",
            },
            "403": {"append:header.x-never": "1"},
        }
    )
    headers = dict(response.headers)
    assert response.status == 403
    assert headers["x-n"] == "5"
    assert headers["x-copy"] == "3"
    assert headers["x-stage"] == "blue prod"
    assert headers["content-type"] == "text/html"
    assert not {"x-total", "x-never"} & headers.keys()
    assert response.body == b'{"state": {"n": 5}}'


@pytest.mark.behaviour("http.mapping.response")
async def test_response_of_another_status_is_as_it_was() -> None:
    response = await answered({"404": {"overwrite:statuscode": "410"}, "500": {}})
    assert (response.status, dict(response.headers)["x-total"]) == (200, "3")


@pytest.mark.behaviour("http.mapping.reserved")
async def test_reserved_headers_cannot_be_mapped(expected: Values) -> None:
    assert (frozenset(expected.headers), tuple(expected.beginnings)) == (
        RESERVED,
        RESERVED_BEGINNINGS,
    )
    for header in ["Via", *expected.headers, *(name + "any" for name in expected.beginnings)]:
        for made in (
            gateway({f"append:header.{header}": "1"}),
            gateway(response={"200": {f"remove:header.{header}": "''"}}),
        ):
            assert (await made.send(REQUEST)).status == 500
            assert "is reserved" in made.logged("http.response")["error"]


@pytest.mark.behaviour("http.mapping.malformed")
@pytest.mark.parametrize(
    ("request_", "response", "said"),
    [
        ({"add:header.a": "1"}, {}, "overwrite:path"),
        ({"append:path": "1"}, {}, "'append:path'"),
        ({"append:header.": "1"}, {}, "'append:header.'"),
        ({"overwrite:statuscode": "403"}, {}, "'overwrite:statuscode'"),
        ({"append:header.a": "$request.body.a..b"}, {}, "does not know"),
        ({"append:header.a b": "1"}, {}, "'a b'"),
        ({"append:header.a": "one\ntwo"}, {}, "line break"),
        ({}, {"200": {"append:header.a": "one\r\ntwo"}}, "line break"),
        ({}, {"200": {"append:querystring.a": "1"}}, "overwrite:statuscode"),
        ({}, {"200": {"overwrite:statuscode": "fine"}}, "'fine'"),
    ],
)
async def test_malformed_mapping_is_500_and_the_log_says_why(
    request_: dict[str, str], response: Any, said: str, expected: Values
) -> None:
    made = gateway(request_, response)
    assert (await made.send(REQUEST)).status == expected.status
    assert said in made.logged("http.response")["error"]
