"""What an integration of an HTTP API must not be, refused when it is created, as pure rules.

Source: "Integrate HTTP APIs with AWS services" in the Amazon API Gateway developer guide, "You must configure all
required parameters to create an integration", and "Transform API requests and responses for HTTP APIs", of reserved
headers: "You can't configure request or response mappings for these headers."

Not verified: the texts of the refusals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.apigateway.data_mapping import MappingProblem
from labkit.apigateway.http_mapping import check_mappings
from labkit.apigateway.http_services import SUBTYPES, check_parameters
from labkit.apigateway.integrations import IntegrationProblem
from labkit.apigateway.model import Protocol
from labkit.errors import AwsError


def check_integration(wish: Mapping[str, Any], protocol: Protocol) -> None:
    """Refuse an integration that could never work.

    Args:
        wish: the members of ``CreateIntegration``.
        protocol: the API's protocol; only integrations of HTTP APIs are checked.

    Raises:
        AwsError: ``BadRequestException``.
    """
    if protocol is not Protocol.HTTP:
        return
    parameters = wish.get("requestParameters") or {}
    subtype = str(wish.get("integrationSubtype") or "")
    try:
        if subtype in SUBTYPES:
            check_parameters(
                subtype,
                parameters,
                version=str(wish.get("payloadFormatVersion") or ""),
                role=str(wish.get("credentialsArn") or ""),
            )
        check_mappings({} if subtype else parameters, wish.get("responseParameters") or {})
    except (IntegrationProblem, MappingProblem) as error:
        raise AwsError("BadRequestException", str(error), 400) from None
