"""API keys: whether a client's key opens a stage, as pure rules.

Source: "API keys" among the access controls of WebSocket APIs and "Usage plans and API keys" in the Amazon
API Gateway developer guide, and ``CreateApi`` in the API reference: ``ApiKeySelectionExpression`` is
``$request.header.x-api-key`` (the default) or ``$context.authorizer.usageIdentifierKey``.  A key opens the
stages of the usage plans that it is in.

Not emulated: the quotas and the throttling of usage plans; ``ApiKeyRequired`` on other routes than
``$connect``.  Who uses them gets a ``cloud.warning``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

HEADER = "$request.header.x-api-key"
AUTHORIZER = "$context.authorizer.usageIdentifierKey"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key.

    Attributes:
        value: what a client sends.
        enabled: whether it counts.
        stages: pairs of the API's id and the stage's name that its usage plans open.
        limited: whether one of its usage plans has a quota or throttling.
    """

    value: str
    enabled: bool
    stages: frozenset[tuple[str, str]]
    limited: bool = False


def opens(keys: Iterable[ApiKey], value: str, api_id: str, stage: str) -> bool:
    """Whether a key's value opens a stage."""
    return bool(value) and any(
        key.value == value and key.enabled and (api_id, stage) in key.stages for key in keys
    )
