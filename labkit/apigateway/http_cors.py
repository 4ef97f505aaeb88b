"""Cross-origin requests to an HTTP API with a CORS configuration, as pure rules.

Source: "Configure CORS for HTTP APIs" in the Amazon API Gateway developer guide:

- "API Gateway automatically sends a response to preflight OPTIONS requests, even if there isn't an
  OPTIONS route configured for your API.  For a CORS request, API Gateway adds the configured CORS
  headers to the response from an integration."
- "API Gateway ignores CORS headers returned from your backend integration."
- "To return CORS headers, your request must contain an ``origin`` header.  For the OPTIONS method,
  your request must contain an ``origin`` header and an ``Access-Control-Request-Method`` header."
- "The ``$default`` route catches requests for all methods and routes that you haven't explicitly
  defined, including OPTIONS requests", and so does an ``ANY`` route: such a preflight reaches the
  integration (also reported by users of the service).
- ``https://*`` and ``http://*`` "allow any origin that begins with" them.

Where origins are named, ``access-control-allow-origin`` is the request's own, and the answer has ``vary:
origin`` (captured).

Not verified: that a preflight from another origin gets the same 204 without CORS headers; that
``access-control-allow-origin`` is ``*`` where any origin is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.apigateway.http_message import HttpRequest, HttpResponse

Configuration = Mapping[str, Any]
"""``CorsConfiguration``: ``AllowOrigins``, ``AllowMethods``, ``AllowHeaders``, ``ExposeHeaders``,
``MaxAge`` (seconds), ``AllowCredentials``."""

_PREFIX = "access-control-"


def is_preflight(request: HttpRequest) -> bool:
    """Whether a browser asks if it may send a request."""
    return (
        request.method == "OPTIONS"
        and bool(request.header("origin"))
        and bool(request.header("access-control-request-method"))
    )


def preflight(cors: Configuration, request: HttpRequest) -> HttpResponse:
    """API Gateway's own answer to a preflight."""
    headers = _both(cors, request)
    if headers:
        for name, member in (("allow-methods", "AllowMethods"), ("allow-headers", "AllowHeaders")):
            if values := cors.get(member):
                headers.append((_PREFIX + name, ",".join(values)))
        if cors.get("MaxAge") is not None:
            headers.append((_PREFIX + "max-age", str(cors["MaxAge"])))
    return HttpResponse(204, headers)


def decorate(cors: Configuration, request: HttpRequest, response: HttpResponse) -> None:
    """Give an integration's response the configured headers instead of its own."""
    kept = [item for item in response.headers if not item[0].lower().startswith(_PREFIX)]
    response.headers = kept + _both(cors, request)


def _both(cors: Configuration, request: HttpRequest) -> list[tuple[str, str]]:
    """The headers that preflights and responses have in common; none for a foreign origin."""
    allowed = _allowed(cors.get("AllowOrigins") or (), request.header("origin"))
    if not allowed:
        return []
    headers = [(_PREFIX + "allow-origin", allowed)]
    if allowed != "*":
        headers.append(("vary", "origin"))
    if cors.get("AllowCredentials"):
        headers.append((_PREFIX + "allow-credentials", "true"))
    if exposed := cors.get("ExposeHeaders"):
        headers.append((_PREFIX + "expose-headers", ",".join(exposed)))
    return headers


def _allowed(origins: list[str] | tuple[str, ...], origin: str) -> str:
    if not origin:
        return ""
    if "*" in origins:
        return "*"
    return origin if any(_matches(pattern, origin) for pattern in origins) else ""


def _matches(pattern: str, origin: str) -> bool:
    if pattern.endswith("://*"):
        return origin.startswith(pattern[:-1])
    return pattern == origin
