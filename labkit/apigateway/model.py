"""API Gateway's nouns, as plain immutable data.

What boto3 created is read from moto into an :class:`Api`; a deployment is such a snapshot, and a
:class:`Stage` serves one.  The rules (:mod:`labkit.apigateway.routes`,
:mod:`labkit.apigateway.events`) know only these classes.

Source: API reference of Amazon API Gateway version 2; the names are AWS's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Protocol(StrEnum):
    """``ProtocolType`` of an API."""

    WEBSOCKET = "WEBSOCKET"
    HTTP = "HTTP"


@dataclass(frozen=True, slots=True)
class Integration:
    """What stands behind a route.  Raw members are kept in ``raw`` under AWS's names."""

    id: str
    type: str
    uri: str
    timeout_ms: int
    payload_format_version: str = "1.0"
    raw: Mapping[str, Any] = NOTHING


@dataclass(frozen=True, slots=True)
class Route:
    """A route; ``integration_id`` is empty if it has no target."""

    id: str
    key: str
    integration_id: str
    response_keys: frozenset[str] = frozenset()
    authorization_type: str = "NONE"
    authorizer_id: str = ""
    raw: Mapping[str, Any] = NOTHING


@dataclass(frozen=True, slots=True)
class Api:
    """An API with everything that a deployment freezes."""

    id: str
    name: str
    protocol: Protocol
    account: str
    region: str
    route_selection_expression: str
    routes: Mapping[str, Route] = NOTHING
    integrations: Mapping[str, Integration] = NOTHING
    authorizers: Mapping[str, Mapping[str, Any]] = NOTHING
    cors: Mapping[str, Any] = NOTHING
    raw: Mapping[str, Any] = NOTHING

    @property
    def domain_name(self) -> str:
        """The host that AWS gives the API; ``requestContext.domainName`` in events."""
        return f"{self.id}.execute-api.{self.region}.amazonaws.com"

    def integration_of(self, route: Route) -> Integration | None:
        """The integration that a route points to, if it is there."""
        return self.integrations.get(route.integration_id)


@dataclass(frozen=True, slots=True)
class StageSettings:
    """A stage as the control plane knows it."""

    name: str
    deployment_id: str = ""
    auto_deploy: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[str, Any] = NOTHING


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that serves: its settings and the API as it was deployed to it."""

    settings: StageSettings
    api: Api

    @property
    def name(self) -> str:
        """The stage's name, such as ``prod`` or ``$default``."""
        return self.settings.name
