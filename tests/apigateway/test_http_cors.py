"""Cross-origin requests, by the guide's table of parameters."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.apigateway.http_cors import decorate, is_preflight, preflight
from labkit.apigateway.http_message import HttpRequest, HttpResponse
from tests.fidelity.plugin import Values

SHOP = "https://www.example.com"
CORS = {
    "AllowOrigins": [SHOP],
    "AllowMethods": ["GET", "POST"],
    "AllowHeaders": ["authorization", "content-type"],
    "ExposeHeaders": ["date", "x-api-id"],
    "MaxAge": 300,
    "AllowCredentials": True,
}


def request(method: str = "OPTIONS", origin: str = SHOP, **headers: str) -> HttpRequest:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return HttpRequest(method, "/orders", headers=[("Origin", origin), *named])


def allowed(origins: list[str], origin: str) -> str | None:
    made = preflight({"AllowOrigins": origins}, request(origin=origin))
    return dict(made.headers).get("access-control-allow-origin")


@pytest.mark.behaviour("http.cors.preflight")
def test_preflight_needs_origin_and_requested_method() -> None:
    assert is_preflight(request(Access_Control_Request_Method="PUT"))
    assert not is_preflight(request())
    assert not is_preflight(request("GET", Access_Control_Request_Method="PUT"))
    bare = HttpRequest("OPTIONS", "/", headers=[("Access-Control-Request-Method", "PUT")])
    assert not is_preflight(bare)


@pytest.mark.behaviour("http.cors.preflight")
def test_preflight_is_answered_with_the_configuration(expected: Values) -> None:
    made = preflight(CORS, request())
    assert (made.status, made.body) == (expected.status, b"")
    assert dict(made.headers) == {
        "access-control-allow-origin": SHOP,
        "vary": "origin",
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "date,x-api-id",
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "authorization,content-type",
        "access-control-max-age": "300",
    }


@pytest.mark.behaviour("http.cors.foreign")
def test_preflight_from_a_foreign_origin_gets_no_permission(expected: Values) -> None:
    made = preflight(CORS, request(origin="https://evil.example"))
    assert (made.status, made.headers) == (expected.status, [])


@pytest.mark.parametrize(
    ("origins", "origin", "expected"),
    [
        (["https://*"], SHOP, SHOP),
        (["https://*"], "http://www.example.com", None),
        (["http://*"], "http://localhost:8888", "http://localhost:8888"),
        (["https://other.example", SHOP], SHOP, SHOP),
        ([SHOP], SHOP + ".evil.example", None),
        ([], SHOP, None),
    ],
)
def test_allowed_origin(origins: list[str], origin: str, expected: str | None) -> None:
    assert allowed(origins, origin) == expected


@pytest.mark.behaviour("http.cors.headers")
def test_configured_headers_replace_the_functions_own() -> None:
    own: list[tuple[str, str]] = [("Access-Control-Allow-Origin", "*"), ("x-a", "b")]
    response = HttpResponse(200, own)
    decorate(CORS, request("GET"), response)
    assert dict(response.headers) == {
        "x-a": "b",
        "access-control-allow-origin": SHOP,
        "vary": "origin",
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "date,x-api-id",
    }


@pytest.mark.behaviour("http.cors.headers")
def test_request_without_an_origin_gets_no_cors_headers() -> None:
    configuration: dict[str, Any] = {"AllowOrigins": ["*"]}
    response = HttpResponse(200, [("x-a", "b")])
    decorate(configuration, HttpRequest("GET", "/"), response)
    assert response.headers == [("x-a", "b")]


@pytest.mark.behaviour("http.cors.any")
def test_any_origin_is_allowed_as_such(expected: Values) -> None:
    made = preflight({"AllowOrigins": ["*"]}, request())
    assert made.headers == [("access-control-allow-origin", expected.any)]


@pytest.mark.behaviour("http.cors.own")
def test_named_origin_is_allowed_alone_and_caches_are_told(expected: Values) -> None:
    named: dict[str, Any] = {"AllowOrigins": ["https://other.example", SHOP]}
    allow, vary = preflight(named, request()).headers
    assert allow == ("access-control-allow-origin", SHOP)
    assert vary == (expected.name, expected.value)
    response = HttpResponse(200, [("vary", "accept-encoding")])
    decorate(named, request("GET"), response)
    assert response.headers == [("vary", "accept-encoding"), allow, vary]
