"""How much an API may have: routes, integrations, stages and authorizers, as pure rules.

Source: "Quotas for configuring and running a WebSocket API in API Gateway" and "Quotas for configuring and
running an HTTP API" in the Amazon API Gateway developer guide, whose numbers are the same.  AWS raises most
of them on request; here they are what a new account has.

What is refused is a ``ConflictException``, but with 429, and says that the "Maximum number of Authorizers for
this API has been reached" (captured, for authorizers and integrations).
"""

from __future__ import annotations

from collections.abc import Mapping

from labkit.apigateway.model import Api
from labkit.errors import AwsError

MOST: Mapping[str, int] = {
    "CreateRoute": 300,
    "CreateIntegration": 300,
    "CreateStage": 10,
    "CreateAuthorizer": 10,
}
"""For each operation, how many of what it makes an API may have."""


def check_quota(operation: str, api: Api, stages: int) -> None:
    """Refuse what would be one too many.

    Args:
        operation: one of :data:`MOST`.
        api: the API as it is.
        stages: how many stages it has.

    Raises:
        AwsError: ``ConflictException``.
    """
    there = {
        "CreateRoute": len(api.routes),
        "CreateIntegration": len(api.integrations),
        "CreateStage": stages,
        "CreateAuthorizer": len(api.authorizers),
    }[operation]
    if there >= MOST[operation]:
        what = operation.removeprefix("Create") + "s"
        raise AwsError(
            "ConflictException",
            f"Maximum number of {what} for this API has been reached. API {api.id} has {there}, as many "
            "as it may have. Delete one that is not used.",
            429,
        )
