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
from typing import Protocol as TypingProtocol

from labkit.functions.model import Invocation
from labkit.trace import Trace
from labkit.wire import LOCAL_ACCOUNT, AwsRequest, AwsResponse

NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return NOTHING


class Protocol(StrEnum):
    """``ProtocolType`` of an API."""

    WEBSOCKET = "WEBSOCKET"
    HTTP = "HTTP"


@dataclass(frozen=True, slots=True)
class Integration:
    """What stands behind a route.  Raw members are kept in ``raw`` under AWS's names.

    ``responses`` are the integration responses by their keys, under AWS's names too.
    """

    id: str
    type: str
    uri: str
    timeout_ms: int
    payload_format_version: str = "1.0"
    responses: Mapping[str, Mapping[str, Any]] = field(default_factory=_nothing)
    raw: Mapping[str, Any] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Route:
    """A route; ``integration_id`` is empty if it has no target."""

    id: str
    key: str
    integration_id: str
    response_keys: frozenset[str] = frozenset()
    authorization_type: str = "NONE"
    authorizer_id: str = ""
    raw: Mapping[str, Any] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Api:
    """An API with everything that a deployment freezes.  ``routes`` is by route key.

    ``models`` are by their names.
    """

    id: str
    name: str
    protocol: Protocol
    account: str
    region: str
    route_selection_expression: str
    routes: Mapping[str, Route] = field(default_factory=_nothing)
    integrations: Mapping[str, Integration] = field(default_factory=_nothing)
    authorizers: Mapping[str, Mapping[str, Any]] = field(default_factory=_nothing)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=_nothing)
    cors: Mapping[str, Any] = field(default_factory=_nothing)
    raw: Mapping[str, Any] = field(default_factory=_nothing)

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
    raw: Mapping[str, Any] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that serves: its settings and the API as it was deployed to it."""

    settings: StageSettings
    api: Api

    @property
    def name(self) -> str:
        """The stage's name, such as ``prod`` or ``$default``."""
        return self.settings.name


class CallAws(TypingProtocol):
    """How an integration calls an action of an AWS service."""

    async def __call__(self, request: AwsRequest, *, role: str, account: str) -> AwsResponse:
        """Make a call and wait for its answer.

        Args:
            request: the call, not yet signed.
            role: the ARN of the role whose credentials sign it.
            account: the account of the API that calls.

        Returns:
            AWS's answer, an error included.
        """
        ...  # pragma: no cover


class Invoke(TypingProtocol):
    """How an integration runs a Lambda function (``Functions.invoke``)."""

    async def __call__(
        self,
        function: str,
        payload: bytes,
        *,
        invocation_type: str = "RequestResponse",
        trace: Trace | None = None,
        account: str = LOCAL_ACCOUNT,
        region: str = "us-east-1",
        source_arn: str = "",
    ) -> Invocation:
        """Run a function and wait for its answer.

        Cancelling the call does not end the function: on AWS, too, it runs on when the caller has
        gone.  One that has not begun, because every process is busy, never begins.

        Args:
            function: name, partial ARN or ARN, with or without a qualifier.
            payload: the event, as JSON.
            invocation_type: ``RequestResponse``, ``Event`` or ``DryRun``.
            trace: the trace that the invocation belongs to, with the event that caused it.
            account: the account of the API that calls.
            region: the region of the API that calls.
            source_arn: what calls, such as a route of a stage, if it has no role: then the function's
                resource policy must allow it.

        Raises:
            AwsError: the invocation was refused: ``ResourceNotFoundException``,
                ``TooManyRequestsException``, ``RequestTooLargeException``,
                ``AccessDeniedException``, …
        """
        ...  # pragma: no cover
