"""API Gateway: stages as AWS keeps them, and names that are taken."""

from __future__ import annotations

import functools
import inspect
import json
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from labkit.backend.replacement import Replacement


def _conflict(message: str) -> Exception:
    from moto.apigatewayv2.exceptions import APIGatewayV2Error

    error: Exception = APIGatewayV2Error("ConflictException", message)
    vars(error)["code"] = 409
    return error


def _create_stage(original: Any) -> Any:
    @functools.wraps(original)
    def create_stage(self: Any, config: dict[str, Any]) -> Any:
        if config.get("stageName") in self.stages:
            raise _conflict("Stage already exists")
        return original(self, config)

    return create_stage


def _create_route(original: Any) -> Any:
    @functools.wraps(original)
    def create_route(self: Any, *args: Any, **kw: Any) -> Any:
        key = inspect.signature(original).bind(self, *args, **kw).arguments["route_key"]
        if any(route.route_key == key for route in self.routes.values()):
            raise _conflict(f"Route with key {key} already exists for this API")
        return original(self, *args, **kw)

    return create_route


def _stage_json(original: Any) -> Any:
    def to_json(self: Any) -> dict[str, Any]:
        shown: dict[str, Any] = original(self)
        if self.config.get("deploymentId"):
            shown["deploymentId"] = self.config["deploymentId"]
        return shown

    return to_json


STAGE_SETTINGS = {
    "accessLogSettings": "access_log_settings",
    "autoDeploy": "auto_deploy",
    "clientCertificateId": "client_certificate_id",
    "defaultRouteSettings": "default_route_settings",
    "description": "description",
    "routeSettings": "route_settings",
    "stageVariables": "stage_variables",
}


def _update_stage(_: Any) -> Any:
    def update_stage(self: Any) -> Any:
        api_id, _stages, name = self.path.split("/")[-3:]
        stage = self.apigatewayv2_backend.get_stage(api_id, unquote(name))
        changes = json.loads(self.body or "{}")
        for member, attribute in STAGE_SETTINGS.items():
            if member in changes:
                setattr(stage, attribute, changes[member])
        if "deploymentId" in changes:
            stage.config["deploymentId"] = changes["deploymentId"]
        stage.updated = datetime.now()  # noqa: DTZ005 - as moto has it
        return 200, {}, json.dumps(stage.to_json())

    return update_stage


REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        "moto.apigatewayv2.models", "Stage.to_json", _stage_json, "moto keeps no DeploymentId"
    ),
    Replacement(
        "moto.apigatewayv2.models",
        "Api.create_stage",
        _create_stage,
        "moto puts a new stage in the place of one of the same name; AWS answers ConflictException",
    ),
    Replacement(
        "moto.apigatewayv2.models",
        "Api.create_route",
        _create_route,
        "moto takes a route key twice; AWS answers ConflictException",
    ),
    Replacement(
        "moto.apigatewayv2.responses",
        "ApiGatewayV2Response.update_stage",
        _update_stage,
        "moto has no UpdateStage",
    ),
)
