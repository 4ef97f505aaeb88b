"""HTTP proxy integrations of HTTP APIs: the request goes on to a backend, its response comes back.

Source: "Create HTTP proxy integrations for HTTP APIs" in the Amazon API Gateway developer guide: "API Gateway
passes the entire request and response between the frontend and the backend"; "You can reference path variables
in the integration URI", greedy ones as ``{proxy+}``.

Not verified: the query of the request follows that of the URI; a backend sees ``Forwarded`` and ``Via``.  Our
choice: what the URI does not name of the request's path does not reach the backend.

Not emulated: ``VPC_LINK``; backends that are not on this machine, because nothing leaves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp

from labkit.apigateway.http_events import HOP_BY_HOP, OUR_OWN
from labkit.apigateway.http_message import HttpRequest, HttpResponse
from labkit.apigateway.http_served import Served
from labkit.apigateway.integration_request import check_on_this_machine
from labkit.apigateway.integrations import IntegrationProblem
from labkit.apigateway.lambda_uri import with_variables
from labkit.apigateway.model import Integration
from labkit.trace import HEADER, Trace

_NOT_PASSED = HOP_BY_HOP | {
    "content-length",
    "expect",  # answered already: the body is here
    "forwarded",
    "host",
    "via",
    HEADER.lower(),
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to a backend."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes


def outgoing(
    integration: Integration, served: Served, request: HttpRequest, *, own_path: bool, trace: Trace
) -> Outgoing:
    """What a backend is asked.

    Args:
        integration: an integration of the type ``HTTP_PROXY``.
        served: the request as it came.
        request: the request as parameter mapping leaves it.
        own_path: whether its path counts instead of the URI's.
        trace: the request's trace.

    Raises:
        NotEmulated: the backend is not on this machine.
    """
    url = with_variables(integration.uri, served.stage.settings.variables)
    for name, value in served.match.parameters.items():
        url = url.replace("{" + name + "+}", quote(value, safe="/"))
        url = url.replace("{" + name + "}", quote(value, safe="/"))
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, request.query) if part)
    path = request.path if own_path else parts.path
    url = urlunsplit((parts.scheme, parts.netloc, path or "/", query, ""))
    check_on_this_machine(integration, url)
    method = str(integration.raw.get("IntegrationMethod") or "ANY")
    # aiohttp takes names of other case for other headers, and sends the last only.
    headers = [(name.lower(), value) for name, value in request.headers]
    headers = [pair for pair in headers if pair[0] not in _NOT_PASSED]
    host = served.stage.api.domain_name
    headers += [
        ("Forwarded", f"for={request.source_ip};host={host};proto=https"),
        ("Via", "HTTP/1.1 AmazonAPIGateway"),
        (HEADER, trace.header),
    ]
    return Outgoing(request.method if method == "ANY" else method, url, headers, request.body)


async def fetch(request: Outgoing) -> HttpResponse:
    """Ask a backend.

    Returns:
        Its response, whatever the status; redirects are not followed.

    Raises:
        IntegrationProblem: it cannot be reached, or its answer is not HTTP.
    """
    try:
        async with (
            aiohttp.ClientSession(
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            ) as session,
            session.request(
                request.method,
                request.url,
                data=request.body or None,
                headers=request.headers,
                allow_redirects=False,
            ) as response,
        ):
            body = await response.read()
            headers = [pair for pair in response.headers.items() if pair[0].lower() not in OUR_OWN]
            return HttpResponse(response.status, headers, body)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise IntegrationProblem(f"{request.method} {request.url} failed: {error}") from error
