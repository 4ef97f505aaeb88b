"""What moto keeps of APIs and functions, as labkit's own models."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from werkzeug.exceptions import HTTPException

from labkit.apigateway import model
from labkit.backend import loading
from labkit.functions.model import FunctionConfiguration
from labkit.functions.permission import permissions


def _capital(data: Mapping[str, Any]) -> dict[str, Any]:
    """API Gateway's members as boto3 names them: ``routeKey`` is ``RouteKey``."""
    return {name[:1].upper() + name[1:]: value for name, value in data.items()}


def api_record(api: Any) -> model.Api:
    """An API with its routes, integrations and authorizers."""
    protocol = model.Protocol(api.protocol_type)
    return model.Api(
        id=api.api_id,
        name=api.name,
        protocol=protocol,
        account=api.backend.account_id,
        region=api.backend.region_name,
        route_selection_expression=api.route_selection_expression,
        routes={route.route_key: route_record(route) for route in api.routes.values()},
        integrations={i.id: integration_record(i, protocol) for i in api.integrations.values()},
        authorizers={a.id: _capital(a.to_json()) for a in api.authorizers.values()},
        models={one.name: _capital(one.to_json()) for one in api.models.values()},
        cors=_capital(api.cors_configuration or {}),
        raw=_capital(api.to_json()),
    )


def route_record(route: Any) -> model.Route:
    """A route."""
    responses = route.route_responses.values()
    return model.Route(
        id=route.route_id,
        key=route.route_key,
        integration_id=(route.target or "").partition("integrations/")[2],
        response_keys=frozenset(response.route_response_key for response in responses),
        authorization_type=route.authorization_type or "NONE",
        authorizer_id=route.authorizer_id or "",
        raw=_capital(route.to_json()),
    )


LONGEST_INTEGRATION_MS = {model.Protocol.WEBSOCKET: 29_000, model.Protocol.HTTP: 30_000}
"""``TimeoutInMillis`` where none is given, and at most.  (API reference, CreateIntegration.)"""


def integration_record(integration: Any, protocol: model.Protocol) -> model.Integration:
    """An integration."""
    return model.Integration(
        id=integration.id,
        type=integration.integration_type,
        uri=integration.integration_uri or "",
        timeout_ms=min(int(integration.timeout_in_millis), LONGEST_INTEGRATION_MS[protocol]),
        payload_format_version=integration.payload_format_version or "1.0",
        responses={
            response.integration_response_key: _capital(response.to_json())
            for response in integration.responses.values()
        },
        raw=_capital(integration.to_json()),
    )


def stage_record(stage: Any) -> model.StageSettings:
    """A stage."""
    return model.StageSettings(
        name=stage.name,
        deployment_id=stage.config.get("deploymentId") or "",
        auto_deploy=bool(stage.auto_deploy),
        variables=dict(stage.stage_variables or {}),
        raw=_capital(stage.to_json()),
    )


FUNCTION_REF = re.compile(
    r"^(?:arn:aws[^:]*:lambda:(?P<region>[^:]+):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[\w-]+)(?::(?P<qualifier>[\w$-]+))?$"
)
"""``FunctionName`` of Invoke: name, partial ARN or ARN, each with or without a qualifier."""


def function_record(ref: str, account: str, region: str) -> FunctionConfiguration | None:
    """A function; ``None`` if there is none."""
    match = FUNCTION_REF.match(unquote(ref))
    if not match:
        return None
    account, region = match["account"] or account, match["region"] or region
    backends = loading.backends_of("lambda")
    try:
        found: Any = backends[account][region].get_function(match["name"], match["qualifier"])
    except HTTPException:  # moto's UnknownFunctionException
        return None
    except KeyError:  # a region that there is not
        return None
    if found is None:
        return None
    settings = found.get_configuration()
    arn = str(found.function_arn)
    if str(found.version) != "$LATEST":
        arn = arn.rpartition(":")[0]
    identity = json.dumps(
        [found.code.get("UUID"), found.code_sha_256, settings["Version"]]
        + [settings.get(name) for name in ("Handler", "Runtime", "Timeout", "MemorySize", "Role")]
        + [found.environment_vars, str(found.reserved_concurrency), settings["Layers"]],
        sort_keys=True,
    )
    reserved = found.reserved_concurrency
    return FunctionConfiguration(
        name=found.function_name,
        arn=arn,
        account=account,
        region=region,
        handler=found.handler or "",
        runtime=found.run_time or "",
        package=getattr(found, "code_bytes", b""),
        revision=hashlib.sha256(identity.encode()).hexdigest()[:16],
        version=str(found.version),
        role=found.role,
        timeout=float(found.timeout),
        memory=int(found.memory_size),
        environment=dict(found.environment_vars),
        reserved_concurrency=None if reserved is None else int(reserved),
        log_group=found.logs_group_name,
        policy=permissions(found.policy.statements),
    )
