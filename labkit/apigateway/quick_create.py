"""Quick create: an HTTP API that works as soon as it is created, as pure rules.

Source: ``CreateApi`` in the API reference of Amazon API Gateway version 2: "Quick create produces an API with
an integration, a default catch-all route, and a default stage which is configured to automatically deploy
changes. For HTTP integrations, specify a fully qualified URL. For Lambda integrations, specify a function
ARN. The type of the integration will be HTTP_PROXY or AWS_PROXY, respectively. Supported only for HTTP
APIs."; and of ``RouteKey``: "If you don't specify a routeKey, a default route of $default is created."

Not verified: the text of the refusals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.apigateway.lambda_uri import function_in
from labkit.errors import AwsError

QUICK_STAGE: Mapping[str, Any] = {"stageName": "$default", "autoDeploy": True}
"""The stage that quick create makes."""


def check_quick_create(wish: Mapping[str, Any]) -> None:
    """Refuse what quick create cannot do.

    Args:
        wish: the members of ``CreateApi``.

    Raises:
        AwsError: ``BadRequestException``.
    """
    if not any(wish.get(member) for member in ("target", "routeKey", "credentialsArn")):
        return
    if wish.get("protocolType") != "HTTP":
        raise _refused("Target, RouteKey and CredentialsArn are supported only for HTTP APIs")
    target = wish.get("target")
    if not target:
        raise _refused("RouteKey and CredentialsArn need a Target")
    if not _is_url(target) and function_in(str(target)) is None:
        raise _refused("Target is neither the ARN of a Lambda function nor a fully qualified URL")


def quick_integration(wish: Mapping[str, Any]) -> dict[str, Any]:
    """The members of the ``CreateIntegration`` that belongs to a ``CreateApi``."""
    target = str(wish["target"])
    credentials = {"credentialsArn": wish["credentialsArn"]} if wish.get("credentialsArn") else {}
    if _is_url(target):
        kind = {
            "integrationType": "HTTP_PROXY",
            "integrationMethod": "ANY",
            "payloadFormatVersion": "1.0",
        }
    else:
        kind = {"integrationType": "AWS_PROXY", "payloadFormatVersion": "2.0"}
    return {"integrationUri": target, **kind, **credentials}


def quick_route(wish: Mapping[str, Any], integration_id: str) -> dict[str, Any]:
    """The members of the ``CreateRoute`` that belongs to a ``CreateApi``."""
    return {
        "routeKey": wish.get("routeKey") or "$default",
        "target": f"integrations/{integration_id}",
    }


def _is_url(target: object) -> bool:
    return str(target).startswith(("http://", "https://"))


def _refused(message: str) -> AwsError:
    return AwsError("BadRequestException", message, 400)
