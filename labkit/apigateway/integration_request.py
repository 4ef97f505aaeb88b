"""What an integration sends to its backend, as pure rules: ``AWS``, ``HTTP``, ``HTTP_PROXY`` and ``MOCK``.

Source: "Set up a WebSocket API integration request in API Gateway", "Data transformations for WebSocket
APIs" and ``CreateIntegration`` in the API reference:

- ``TemplateSelectionExpression`` chooses one of ``RequestTemplates``; ``PassthroughBehavior`` says what
  happens without one: ``WHEN_NO_MATCH`` passes the message through, ``WHEN_NO_TEMPLATES`` only if there
  are no templates, ``NEVER`` never.
- The URI of an AWS service is ``arn:aws:apigateway:REGION:SERVICE:action/ACTION``.
- A ``MOCK`` integration's request template gives its status: ``{"statusCode": 200}``.

Our choices: the template ``$default`` counts where the expression's does not exist; a ``MOCK`` integration
without a template answers 200; a message that may not pass through is an internal server error.

Not emulated: AWS services other than Step Functions, DynamoDB and Lambda; their ``path/…`` form;
``VPC_LINK``; ``ContentHandlingStrategy``; HTTP backends that are not on this machine, because nothing leaves
it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from labkit.apigateway.data_mapping import RouteRequest, mapped
from labkit.apigateway.integrations import IntegrationProblem, NotEmulated
from labkit.apigateway.lambda_uri import function_in, with_variables
from labkit.apigateway.model import Integration
from labkit.apigateway.selection import chosen, evaluate
from labkit.apigateway.template import render
from labkit.apigateway.template_methods import variables
from labkit.wire import AwsRequest, Headers

JSON = "application/json"

TARGETS: Mapping[str, tuple[str, str]] = {
    "states": ("AWSStepFunctions", "application/x-amz-json-1.0"),
    "dynamodb": ("DynamoDB_20120810", "application/x-amz-json-1.0"),
}
"""The services whose actions an integration can call: the prefix of ``X-Amz-Target``, the content type."""

_SERVICE = re.compile(
    r"^arn:aws[a-z-]*:apigateway:(?P<region>[a-z0-9-]+):(?P<service>[a-z0-9.-]+):"
    r"(?P<kind>action|path)/(?P<what>.+)$"
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Mock:
    """Nothing is asked: the integration answers with a status."""

    status: int


@dataclass(frozen=True, slots=True)
class FunctionRequest:
    """A function is invoked with a payload that is not API Gateway's event."""

    function: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """An action of an AWS service is called with the credentials of a role."""

    request: AwsRequest
    role: str


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """An HTTP backend is asked."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


Request = Mock | FunctionRequest | ServiceRequest | HttpRequest


def request_of(integration: Integration, request: RouteRequest) -> Request:
    """What an integration sends to its backend.

    Args:
        integration: an integration that is no Lambda proxy integration.
        request: the message, or the opening or closing of a connection.

    Raises:
        NotEmulated: the local cloud has no such backend.
        IntegrationProblem: the integration is not set up as AWS wants it.
        TemplateProblem: its request template cannot be rendered.
        MappingProblem: its request parameters are malformed.
    """
    if integration.type == "MOCK":
        return _mock(integration, request)
    if integration.raw.get("ConnectionType") == "VPC_LINK":
        raise NotEmulated(f"Integration {integration.id} uses a VPC link; there is none here.")
    if integration.type in ("HTTP", "HTTP_PROXY"):
        return _http(integration, request)
    if integration.type == "AWS":
        return _service(integration, request)
    raise NotEmulated(
        f"Integration {integration.id} is of type {integration.type!r}, which WebSocket APIs lack: "
        "they have AWS, AWS_PROXY, HTTP, HTTP_PROXY and MOCK."
    )


def passed_over(integration: Integration) -> list[str]:
    """What an integration asks for that the local cloud passes over, each as a sentence's subject."""
    raws = [("the integration", integration.raw)]
    raws += [(f"integration response {key}", raw) for key, raw in integration.responses.items()]
    return [
        f"{member} of {whose}"
        for whose, raw in raws
        for member in ("ContentHandlingStrategy", "ResponseParameters")
        if raw.get(member)
    ]


def body_of(integration: Integration, request: RouteRequest) -> str:
    """The body of an integration request: a template's text, or the message.

    Raises:
        IntegrationProblem: the message may not pass through.
        TemplateProblem: the template cannot be rendered.
    """
    templates: Mapping[str, str] = integration.raw.get("RequestTemplates") or {}
    expression = integration.raw.get("TemplateSelectionExpression") or r"\$default"
    key = evaluate(str(expression), request.look_up)
    template = chosen(templates, key)
    if template is not None:
        seen = variables(request.body, request.context, request.stage_variables)
        return render(template, seen)
    passing = integration.raw.get("PassthroughBehavior") or "WHEN_NO_MATCH"
    if passing == "NEVER" or (passing == "WHEN_NO_TEMPLATES" and templates):
        raise IntegrationProblem(
            f"no request template is called {key!r} (TemplateSelectionExpression {expression!r}), and "
            f"PassthroughBehavior {passing} keeps the message back"
        )
    return request.body


def _mock(integration: Integration, request: RouteRequest) -> Mock:
    if not integration.raw.get("RequestTemplates"):
        return Mock(200)
    text = body_of(integration, request)
    try:
        status = json.loads(text)["statusCode"]
        return Mock(int(status))
    except (ValueError, TypeError, KeyError):
        raise IntegrationProblem(
            f'the request template of a MOCK integration gives {{"statusCode": 200}}, not {text!r}'
        ) from None


def _http(integration: Integration, request: RouteRequest) -> HttpRequest:
    found = mapped(integration.raw.get("RequestParameters") or {}, request)
    url = with_variables(integration.uri, request.stage_variables)
    for name, value in found["path"].items():
        url = url.replace("{" + name + "}", quote(value, safe=""))
    if found["querystring"]:
        url += ("&" if "?" in url else "?") + urlencode(found["querystring"])
    check_on_this_machine(integration, url)
    proxy = integration.type == "HTTP_PROXY"
    body = request.body if proxy else body_of(integration, request)
    method = str(integration.raw.get("IntegrationMethod") or "POST")
    if method == "ANY":
        method = "POST"
    return HttpRequest(method, url, {"Content-Type": JSON} | found["header"], body)


def check_on_this_machine(integration: Integration, url: str) -> None:
    """Refuse a backend that is somewhere else.

    Raises:
        NotEmulated: the URL leaves this machine.
    """
    target = urlsplit(url)
    if target.scheme not in ("http", "https") or target.hostname not in _LOOPBACK:
        raise NotEmulated(
            f"Integration {integration.id} goes to {url!r}. Nothing leaves this machine: the local "
            "cloud reaches http://127.0.0.1 and http://localhost."
        )


def _service(integration: Integration, request: RouteRequest) -> FunctionRequest | ServiceRequest:
    uri = with_variables(integration.uri, request.stage_variables)
    if function := function_in(uri):
        body = body_of(integration, request) or "{}"
        try:
            json.loads(body)
        except ValueError as error:
            raise IntegrationProblem(f"the function's payload is not JSON: {error}") from None
        return FunctionRequest(function, body.encode())
    found = _SERVICE.match(uri)
    if found is None:
        raise NotEmulated(
            f"The URI of integration {integration.id} names no service: {integration.uri!r}. It looks "
            "like arn:aws:apigateway:REGION:states:action/StartExecution."
        )
    service, action = found["service"], found["what"]
    if service not in TARGETS or found["kind"] != "action":
        raise NotEmulated(
            f"Integration {integration.id} goes to {integration.uri!r}. The local cloud calls actions "
            f"of {' and '.join(sorted(TARGETS))}, and Lambda functions."
        )
    role = str(integration.raw.get("CredentialsArn") or "")
    if not role:
        raise IntegrationProblem(
            "an integration with an AWS service needs a role that may call it: give create_integration "
            "a CredentialsArn"
        )
    prefix, content_type = TARGETS[service]
    headers = Headers({"Content-Type": content_type})
    for name, value in mapped(integration.raw.get("RequestParameters") or {}, request)[
        "header"
    ].items():
        headers[name] = value
    headers["X-Amz-Target"] = f"{prefix}.{action}"
    return ServiceRequest(
        AwsRequest(
            "POST",
            service,
            found["region"],
            "/",
            headers=headers,
            body=body_of(integration, request).encode(),
        ),
        role,
    )
