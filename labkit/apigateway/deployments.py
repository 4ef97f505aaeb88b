"""Deployments: which stage serves which snapshot of an API.

Source: the API reference of Amazon API Gateway version 2 (``Deployment``, ``Stage``): a deployment is
"an immutable representation of an API that can be called by users" and "must be associated with a
Stage for it to be callable"; with ``AutoDeploy`` "updates to an API automatically trigger a new
deployment".  The refusal to deploy an API without routes is AWS's text, different for the two
protocols.

Not verified: the texts of the other refusals.  Our choice: a deployment is there at once, never
``PENDING``.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, unquote

from labkit.apigateway.model import Api, Protocol, Stage, StageSettings
from labkit.apigateway.times import iso_8601
from labkit.errors import AwsError
from labkit.wire import AwsRequest, AwsResponse, Headers

LONGEST_DESCRIPTION = 1024

_PATH = re.compile(r"^/v2/apis/(?P<api>[^/]+)/deployments(?:/(?P<deployment>[^/]+))?/?$")
_NO_ROUTES = {
    Protocol.WEBSOCKET: "At least one route is required before deploying the Api",
    Protocol.HTTP: "Unable to deploy API because no routes exist in this API",
}


@dataclass(slots=True)
class Deployment:
    """A snapshot of an API.

    Attributes:
        id: the deployment's id.
        api: the API as it was.
        created: milliseconds since the epoch.
        description: what its author says about it; empty without a description.
        automatic: whether ``AutoDeploy`` made it.
    """

    id: str
    api: Api
    created: int
    description: str = ""
    automatic: bool = False

    def to_json(self) -> dict[str, Any]:
        """The deployment as AWS answers it."""
        shown: dict[str, Any] = {
            "autoDeployed": self.automatic,
            "createdDate": iso_8601(self.created),
            "deploymentId": self.id,
            "deploymentStatus": "DEPLOYED",
        }
        if self.description:
            shown["description"] = self.description
        return shown


class Deployments:
    """The deployments of all APIs.  Safe to use from any thread.

    Args:
        api: an API as it is now, or ``None`` if there is none.
        stages: an API's stages as they are now.
        set_deployment: writes a stage's deployment down: API id, stage name, deployment id.
        new_id: makes a deployment's id.
        now: milliseconds since the epoch.
    """

    def __init__(
        self,
        *,
        api: Callable[[str], Api | None],
        stages: Callable[[str], list[StageSettings]],
        set_deployment: Callable[[str, str, str], None],
        new_id: Callable[[], str],
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._api = api
        self._stages = stages
        self._set_deployment = set_deployment
        self._new_id = new_id
        self._now = now
        self._lock = threading.Lock()
        self._deployments: dict[str, dict[str, Deployment]] = {}
        self._serving: dict[str, dict[str, Stage]] = {}

    def stage(self, api_id: str, name: str) -> Stage | None:
        """The stage that serves now; ``None`` if there is none or nothing is deployed to it.

        Args:
            api_id: the API's id.
            name: the stage's name.
        """
        serving = self._serving.get(api_id)
        return serving.get(name) if serving is not None else None

    def changed(self, api_id: str) -> None:
        """Take note that an API or one of its stages has changed or is gone.

        Stages with ``AutoDeploy`` get a new deployment if what they serve has changed.

        Args:
            api_id: the API's id.
        """
        with self._lock:
            api = self._api(api_id)
            if api is None:
                self._deployments.pop(api_id, None)
                self._serving.pop(api_id, None)
                return
            self._serve(api)

    def answer(self, request: AwsRequest) -> AwsResponse | None:
        """Answer ``CreateDeployment`` and its like.

        Args:
            request: a call to API Gateway.

        Returns:
            AWS's answer, or ``None`` if the call is about something else.
        """
        found = _PATH.match(request.path)
        if found is None:
            return None
        try:
            with self._lock:
                return self._answer(request, unquote(found["api"]), found["deployment"])
        except AwsError as error:
            return AwsResponse.error(error)

    def _answer(
        self, request: AwsRequest, api_id: str, deployment_id: str | None
    ) -> AwsResponse | None:
        api = self._api(api_id)
        if api is None:
            raise _not_found(f"Invalid API identifier specified {api_id}")
        deployments = self._deployments.setdefault(api_id, {})
        if deployment_id is None:
            if request.method == "POST":
                return self._create(api, request.json())
            if request.method == "GET":
                return _page(list(deployments.values()), request.query)
            return None
        deployment = deployments.get(unquote(deployment_id))
        if deployment is None:
            raise _not_found("Invalid Deployment identifier specified")
        if request.method == "GET":
            return AwsResponse.json(deployment.to_json())
        if request.method == "PATCH":
            wish = request.json()
            if "description" in wish:
                deployment.description = _description(wish)
            return AwsResponse.json(deployment.to_json())
        if request.method == "DELETE":
            if any(stage.deployment_id == deployment.id for stage in self._stages(api_id)):
                raise _bad_request(
                    "Active stages pointing to this deployment must be moved or deleted"
                )
            del deployments[deployment.id]
            return AwsResponse(204, Headers())
        return None

    def _create(self, api: Api, wish: dict[str, Any]) -> AwsResponse:
        description = _description(wish)
        if not api.routes:
            raise _bad_request(_NO_ROUTES[api.protocol])
        name = wish.get("stageName")
        if name is not None:
            stage = next((s for s in self._stages(api.id) if s.name == name), None)
            if stage is None:
                raise _not_found("Invalid stage identifier specified")
            if stage.auto_deploy:
                raise _bad_request(
                    f"Stage {name} has AutoDeploy: its deployment cannot be set by hand"
                )
        deployment = self._snapshot(api, description=description)
        if name is not None:
            self._set_deployment(api.id, name, deployment.id)
        self._serve(api)
        return AwsResponse.json(deployment.to_json(), 201)

    def _snapshot(self, api: Api, description: str = "", automatic: bool = False) -> Deployment:
        deployment = Deployment(self._new_id(), api, self._now(), description, automatic)
        self._deployments.setdefault(api.id, {})[deployment.id] = deployment
        return deployment

    def _serve(self, api: Api) -> None:
        """Work out what each stage serves."""
        deployments = self._deployments.setdefault(api.id, {})
        serving: dict[str, Stage] = {}
        for settings in self._stages(api.id):
            deployment = deployments.get(settings.deployment_id)
            outdated = deployment is None or deployment.api != api
            if settings.auto_deploy and api.routes and outdated:
                deployment = self._automatic(api)
                self._set_deployment(api.id, settings.name, deployment.id)
                settings = replace(settings, deployment_id=deployment.id)
            if deployment is not None:
                serving[settings.name] = Stage(settings, deployment.api)
        self._serving[api.id] = serving

    def _automatic(self, api: Api) -> Deployment:
        """The deployment that ``AutoDeploy`` makes; stages share it."""
        newest = next(reversed(self._deployments[api.id].values()), None)
        if newest is not None and newest.automatic and newest.api == api:
            return newest
        return self._snapshot(
            api, "Automatic deployment triggered by changes to the Api", automatic=True
        )


def _page(deployments: list[Deployment], query: str) -> AwsResponse:
    """One page of the list; ``nextToken`` is where the next begins."""
    wish = parse_qs(query)
    try:
        start = int(wish.get("nextToken", ["0"])[0])
        size = int(wish.get("maxResults", [str(max(len(deployments), 1))])[0])
    except ValueError:
        raise _bad_request("Invalid nextToken or maxResults specified") from None
    if start < 0 or size < 1:
        raise _bad_request("Invalid nextToken or maxResults specified")
    body: dict[str, Any] = {"items": [d.to_json() for d in deployments[start : start + size]]}
    if start + size < len(deployments):
        body["nextToken"] = str(start + size)
    return AwsResponse.json(body)


def _description(wish: dict[str, Any]) -> str:
    description = wish.get("description") or ""
    if not isinstance(description, str) or len(description) > LONGEST_DESCRIPTION:
        raise _bad_request(f"A description is a string of at most {LONGEST_DESCRIPTION} characters")
    return description


def _bad_request(message: str) -> AwsError:
    return AwsError("BadRequestException", message, 400)


def _not_found(message: str) -> AwsError:
    return AwsError("NotFoundException", message, 404)
