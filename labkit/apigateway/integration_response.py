"""What comes back from a backend that is no Lambda proxy, as pure rules.

Source: "Set up an integration response for WebSocket APIs" in the Amazon API Gateway developer guide:
``IntegrationResponseSelectionExpression`` gives a key, such as the backend's status; the integration
response of this key counts, or one whose key is a regular expression between slashes, or ``$default``.  Its
``TemplateSelectionExpression`` chooses one of its ``ResponseTemplates``; without one the backend's body goes
through.  "To set up two-way communication" with an integration that is no proxy, the route needs a route
response *and* the integration an integration response.

Our choices: without an expression, the status is the key; a backend that answers with an error for which
there is no integration response is an internal server error, as far as messages go.

Not emulated: ``ResponseParameters`` and ``ContentHandlingStrategy``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.apigateway.data_mapping import RouteRequest
from labkit.apigateway.json_path import MISSING
from labkit.apigateway.model import Integration
from labkit.apigateway.selection import Path, chosen, evaluate, member
from labkit.apigateway.template import render
from labkit.apigateway.template_methods import variables

STATUS = "${integration.response.statuscode}"


@dataclass(frozen=True, slots=True)
class BackendAnswer:
    """What a backend answered."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def client_body(
    integration: Integration, request: RouteRequest, answer: BackendAnswer
) -> str | None:
    """What the client is to get; ``None`` if no integration response says.

    Args:
        integration: an integration that is no proxy integration.
        request: the request that was sent to the backend.
        answer: what the backend answered.

    Raises:
        TemplateProblem: the response template cannot be rendered.
    """
    try:
        data = json.loads(answer.body)
    except ValueError:
        data = answer.body

    def look_up(path: Path) -> Any:
        match path:
            case ("integration", "response", "statuscode"):
                return answer.status
            case ("integration", "response", "header" | "multivalueheader", name):
                lower = {key.lower(): value for key, value in answer.headers.items()}
                return lower.get(name.lower(), MISSING)
            case ("integration", "response", "body", *rest):
                return member(data, rest)
        return request.look_up(path)

    expression = integration.raw.get("IntegrationResponseSelectionExpression") or STATUS
    response = chosen(integration.responses, evaluate(str(expression), look_up))
    if response is None:
        return None
    templates: Mapping[str, str] = response.get("ResponseTemplates") or {}
    selection = response.get("TemplateSelectionExpression") or r"\$default"
    template = chosen(templates, evaluate(str(selection), look_up))
    if template is None:
        return answer.body
    return render(template, variables(answer.body, request.context, request.stage_variables))
