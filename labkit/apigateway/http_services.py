"""Integrations of HTTP APIs with AWS services, as pure rules: which call a request becomes.

Source: "Integrate HTTP APIs with AWS services" and "Integration subtype reference" in the Amazon API Gateway
developer guide: a subtype such as ``StepFunctions-StartExecution`` names a service's action, and
``RequestParameters`` its parameters, each a static value or a variable of the request.  "You must configure all
required parameters"; the integration's role must be allowed to make the call.

Our choice: a parameter whose variable has no value is left out, so that the service says what it lacks.  Not
verified: the service's answer and its errors reach the caller as they are.

Not emulated: subtypes of other services than Step Functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from labkit.apigateway.http_served import Served, value_of
from labkit.apigateway.integration_request import TARGETS, ServiceRequest
from labkit.apigateway.integrations import IntegrationProblem, NotEmulated
from labkit.apigateway.model import Integration
from labkit.wire import AwsRequest, Headers

REGION = "Region"


@dataclass(frozen=True, slots=True)
class Subtype:
    """An action of a service, the parameters that it must have, and those that it may have."""

    service: str
    action: str
    required: frozenset[str]
    optional: frozenset[str]


_START = frozenset({"StateMachineArn"})
SUBTYPES: Mapping[str, Subtype] = {
    "StepFunctions-StartExecution": Subtype(
        "states", "StartExecution", _START, frozenset({"Name", "Input", REGION})
    ),
    "StepFunctions-StartSyncExecution": Subtype(
        "states",
        "StartSyncExecution",
        _START,
        frozenset({"Name", "Input", REGION, "TraceHeader"}),
    ),
    "StepFunctions-StopExecution": Subtype(
        "states",
        "StopExecution",
        frozenset({"ExecutionArn"}),
        frozenset({"Cause", "Error", REGION}),
    ),
}
"""The subtypes that the local cloud runs."""


def service_request(integration: Integration, served: Served) -> ServiceRequest:
    """The call that a request becomes.

    Args:
        integration: an integration with an ``IntegrationSubtype``.
        served: the request.

    Raises:
        NotEmulated: the local cloud has no such subtype.
        IntegrationProblem: the integration is not set up as AWS wants it.
    """
    name = str(integration.raw.get("IntegrationSubtype"))
    if name not in SUBTYPES:
        raise NotEmulated(
            f"Integration {integration.id} has the subtype {name!r}. The local cloud runs "
            f"{', '.join(SUBTYPES)}."
        )
    parameters: Mapping[str, str] = integration.raw.get("RequestParameters") or {}
    role = str(integration.raw.get("CredentialsArn") or "")
    check_parameters(name, parameters, version=integration.payload_format_version, role=role)
    subtype = SUBTYPES[name]
    try:
        given = {key: value_of(text, served.look_up) for key, text in parameters.items()}
    except ValueError as error:
        raise IntegrationProblem(f"RequestParameters: {error}") from None
    region = given.pop(REGION, None) or served.stage.api.region
    prefix, content_type = TARGETS[subtype.service]
    body = {key[0].lower() + key[1:]: value for key, value in given.items() if value is not None}
    headers = Headers({"Content-Type": content_type, "X-Amz-Target": f"{prefix}.{subtype.action}"})
    request = AwsRequest(
        "POST", subtype.service, region, "/", headers=headers, body=json.dumps(body).encode()
    )
    return ServiceRequest(request, role)


def check_parameters(name: str, parameters: Mapping[str, str], *, version: str, role: str) -> None:
    """Refuse an integration that is not set up as AWS wants it.

    Args:
        name: one of :data:`SUBTYPES`.
        parameters: ``RequestParameters``.
        version: ``PayloadFormatVersion``.
        role: ``CredentialsArn``; empty without one.

    Raises:
        IntegrationProblem: what is wrong.
    """
    subtype = SUBTYPES[name]
    if version != "1.0":
        raise IntegrationProblem(f"{name} has PayloadFormatVersion {version!r}; it must be '1.0'")
    if not role:
        raise IntegrationProblem(
            f"{name} needs a role that may call the service: give create_integration a CredentialsArn"
        )
    missing = sorted(subtype.required - parameters.keys())
    if missing:
        raise IntegrationProblem(f"RequestParameters of {name} lack {', '.join(missing)}")
    unknown = sorted(parameters.keys() - subtype.required - subtype.optional)
    if unknown:
        known = ", ".join(sorted(subtype.required | subtype.optional))
        raise IntegrationProblem(
            f"{name} has no parameter {', '.join(unknown)}; RequestParameters may be {known}"
        )
