import json
from dataclasses import replace
from typing import Any

import pytest

from labkit.apigateway.deployments import Deployments
from labkit.apigateway.model import Api, Protocol, Route, StageSettings
from labkit.wire import AwsRequest, AwsResponse
from tests.fidelity.plugin import Values

CREATED = 1_588_277_433_036


class ControlPlane:
    """What moto knows, in three dictionaries."""

    def __init__(self) -> None:
        self.apis: dict[str, Api] = {}
        self.stages: dict[str, dict[str, StageSettings]] = {}
        self.made = 0
        self.deployments = Deployments(
            api=self.apis.get,
            stages=lambda api_id: list(self.stages.get(api_id, {}).values()),
            set_deployment=self.set_deployment,
            new_id=self.new_id,
            now=lambda: CREATED,
        )

    def new_id(self) -> str:
        self.made += 1
        return f"d{self.made}"

    def set_deployment(self, api_id: str, stage: str, deployment_id: str) -> None:
        settings = self.stages[api_id][stage]
        self.stages[api_id][stage] = replace(settings, deployment_id=deployment_id)

    def create_api(self, *keys: str, protocol: Protocol = Protocol.WEBSOCKET) -> None:
        self.apis["a1"] = Api(
            "a1", "orders", protocol, "123456789012", "eu-central-1", "$request.body.action"
        )
        self.stages["a1"] = {}
        for key in keys:
            self.add_route(key)

    def add_route(self, key: str) -> None:
        api = self.apis["a1"]
        self.apis["a1"] = replace(api, routes={**api.routes, key: Route(f"r-{key}", key, "i1")})
        self.deployments.changed("a1")

    def create_stage(self, name: str, **settings: Any) -> None:
        self.stages["a1"][name] = StageSettings(name, **settings)
        self.deployments.changed("a1")

    def call(self, method: str, path: str, query: str = "", **body: Any) -> AwsResponse | None:
        return self.deployments.answer(
            AwsRequest(
                method, "apigateway", "eu-central-1", path, query, body=json.dumps(body).encode()
            )
        )

    def deploy(self, **body: Any) -> dict[str, Any]:
        return self.ok(self.call("POST", "/v2/apis/a1/deployments", **body), 201)

    def keys(self, stage: str) -> set[str] | None:
        serves = self.deployments.stage("a1", stage)
        return set(serves.api.routes) if serves else None

    @staticmethod
    def ok(response: AwsResponse | None, status: int = 200) -> dict[str, Any]:
        assert response is not None
        assert response.status == status, response.body
        answer: dict[str, Any] = json.loads(response.body)
        return answer

    @staticmethod
    def refused(response: AwsResponse | None) -> tuple[int, str, str]:
        assert response is not None
        message = json.loads(response.body)["message"]
        return response.status, response.headers["x-amzn-ErrorType"], message


@pytest.fixture
def plane() -> ControlPlane:
    return ControlPlane()


@pytest.mark.behaviour("websocket.deployments.none")
def test_stage_without_a_deployment_serves_nothing(plane: ControlPlane) -> None:
    plane.create_api("$default")
    plane.create_stage("prod")
    assert plane.keys("prod") is None


@pytest.mark.behaviour("websocket.deployments.next")
def test_change_reaches_a_stage_with_the_next_deployment(plane: ControlPlane) -> None:
    plane.create_api("$default")
    plane.create_stage("prod")
    plane.deploy(stageName="prod")
    plane.add_route("send")
    assert plane.keys("prod") == {"$default"}
    plane.deploy(stageName="prod")
    assert plane.keys("prod") == {"$default", "send"}


def test_stage_can_go_back_to_an_earlier_deployment(plane: ControlPlane) -> None:
    plane.create_api("$default")
    plane.create_stage("prod")
    first = plane.deploy(stageName="prod")["deploymentId"]
    plane.add_route("send")
    plane.deploy(stageName="prod")
    plane.create_stage("prod", deployment_id=first)
    assert plane.keys("prod") == {"$default"}


def test_stage_created_with_a_deployment_serves_it(plane: ControlPlane) -> None:
    plane.create_api("$default")
    made = plane.deploy()
    assert plane.keys("prod") is None
    plane.create_stage("prod", deployment_id=made["deploymentId"])
    assert plane.keys("prod") == {"$default"}


@pytest.mark.behaviour("websocket.deployments.automatic")
def test_stage_with_auto_deploy_follows_every_change(plane: ControlPlane) -> None:
    plane.create_api("$default")
    plane.create_stage("dev", auto_deploy=True)
    assert plane.keys("dev") == {"$default"}
    plane.add_route("send")
    assert plane.keys("dev") == {"$default", "send"}
    listed = plane.ok(plane.call("GET", "/v2/apis/a1/deployments"))["items"]
    assert [each["autoDeployed"] for each in listed] == [True, True]
    assert plane.stages["a1"]["dev"].deployment_id == listed[-1]["deploymentId"]
    stage = plane.deployments.stage("a1", "dev")
    assert stage is not None
    assert stage.settings.deployment_id == listed[-1]["deploymentId"]


def test_auto_deploy_makes_no_deployment_when_the_api_is_the_same(plane: ControlPlane) -> None:
    plane.create_api("$default")
    plane.create_stage("dev", auto_deploy=True)
    plane.deployments.changed("a1")
    plane.create_stage("test", auto_deploy=True)
    assert len(plane.ok(plane.call("GET", "/v2/apis/a1/deployments"))["items"]) == 1


def test_stage_variables_change_without_a_deployment(plane: ControlPlane) -> None:
    plane.create_api("$default")
    deployment_id = plane.deploy()["deploymentId"]
    plane.create_stage("prod", deployment_id=deployment_id, variables={"table": "new"})
    stage = plane.deployments.stage("a1", "prod")
    assert stage is not None
    assert stage.settings.variables == {"table": "new"}


def test_deleted_stage_and_deleted_api_serve_nothing(plane: ControlPlane) -> None:
    plane.create_api("$default")
    plane.create_stage("dev", auto_deploy=True)
    plane.create_stage("test", auto_deploy=True)
    del plane.stages["a1"]["test"]
    plane.deployments.changed("a1")
    assert (plane.keys("dev"), plane.keys("test")) == ({"$default"}, None)
    del plane.apis["a1"]
    plane.deployments.changed("a1")
    assert plane.keys("dev") is None


def test_deployment_is_answered_with_awss_members(plane: ControlPlane) -> None:
    plane.create_api("$default")
    made = plane.deploy(description="first")
    assert made == {
        "autoDeployed": False,
        "createdDate": "2020-04-30T20:10:33.036Z",
        "deploymentId": "d1",
        "deploymentStatus": "DEPLOYED",
        "description": "first",
    }
    assert plane.ok(plane.call("GET", "/v2/apis/a1/deployments/d1")) == made


def test_description_can_be_changed(plane: ControlPlane) -> None:
    plane.create_api("$default")
    plane.deploy()
    plane.ok(plane.call("PATCH", "/v2/apis/a1/deployments/d1", description="better"))
    shown = plane.ok(plane.call("GET", "/v2/apis/a1/deployments/d1"))
    assert shown["description"] == "better"


def test_list_is_paged(plane: ControlPlane) -> None:
    plane.create_api("$default")
    for _ in range(3):
        plane.deploy()
    first = plane.ok(plane.call("GET", "/v2/apis/a1/deployments", "maxResults=2"))
    rest = plane.ok(
        plane.call("GET", "/v2/apis/a1/deployments", f"maxResults=2&nextToken={first['nextToken']}")
    )
    ids = [each["deploymentId"] for each in first["items"] + rest["items"]]
    assert ids == ["d1", "d2", "d3"]
    assert "nextToken" not in rest


@pytest.mark.behaviour("websocket.deployments.no-routes", "http.routes.no-routes")
@pytest.mark.parametrize(
    ("protocol", "behaviour"),
    [
        (Protocol.WEBSOCKET, "websocket.deployments.no-routes"),
        (Protocol.HTTP, "http.routes.no-routes"),
    ],
)
def test_api_without_routes_cannot_be_deployed(
    plane: ControlPlane, protocol: Protocol, behaviour: str, expected: Values
) -> None:
    plane.create_api(protocol=protocol)
    refused = plane.refused(plane.call("POST", "/v2/apis/a1/deployments"))
    assert refused == (400, "BadRequestException", expected[behaviour].message)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v2/apis/other/deployments", {}),
        ("POST", "/v2/apis/a1/deployments", {"stageName": "nope"}),
        ("GET", "/v2/apis/a1/deployments/nope", {}),
        ("PATCH", "/v2/apis/a1/deployments/nope", {}),
        ("DELETE", "/v2/apis/a1/deployments/nope", {}),
    ],
)
def test_what_is_not_there_is_not_found(
    plane: ControlPlane, method: str, path: str, body: dict[str, str]
) -> None:
    plane.create_api("$default")
    status, code, _ = plane.refused(plane.call(method, path, **body))
    assert (status, code) == (404, "NotFoundException")


def test_deployment_that_a_stage_serves_cannot_be_deleted(plane: ControlPlane) -> None:
    plane.create_api("$default")
    plane.create_stage("prod")
    plane.deploy(stageName="prod")
    status, code, _ = plane.refused(plane.call("DELETE", "/v2/apis/a1/deployments/d1"))
    assert (status, code) == (400, "BadRequestException")


def test_deployment_that_no_stage_serves_can_be_deleted(plane: ControlPlane) -> None:
    plane.create_api("$default")
    plane.deploy()
    response = plane.call("DELETE", "/v2/apis/a1/deployments/d1")
    assert response is not None
    assert response.status == 204
    assert plane.refused(plane.call("GET", "/v2/apis/a1/deployments/d1"))[0] == 404


def test_stage_with_auto_deploy_takes_no_deployment_by_hand(plane: ControlPlane) -> None:
    plane.create_api("$default")
    plane.create_stage("dev", auto_deploy=True)
    status, code, _ = plane.refused(plane.call("POST", "/v2/apis/a1/deployments", stageName="dev"))
    assert (status, code) == (400, "BadRequestException")


@pytest.mark.parametrize(
    "path", ["/v2/apis/a1/routes", "/v2/apis/a1", "/v2/apis", "/v2/apis/a1/stages/deployments"]
)
def test_other_calls_are_left_to_others(plane: ControlPlane, path: str) -> None:
    plane.create_api("$default")
    assert plane.call("GET", path) is None
