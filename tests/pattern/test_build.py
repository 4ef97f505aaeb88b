"""What is built, what each part of it may do, and that nothing of it stays."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from labkit.pattern import client
from labkit.pattern.build import System, build, teardown
from tests.pattern.conftest import ORDER, PATTERN, Shop
from tests.pattern.in_process import (
    Aws,
    Call,
    World,
    connect_event,
    event,
    imported,
    order_event,
    ticket,
)


@pytest.fixture
def system(shop: Shop) -> Iterator[System]:
    """A second system beside the shop."""
    yield build("second")
    teardown("second")


def everything() -> set[str]:
    """The names of all that there is of what the pattern is made of."""
    functions, apis = boto3.client("lambda"), boto3.client("apigatewayv2")
    states, iam = boto3.client("stepfunctions"), boto3.client("iam")
    secrets, logs = boto3.client("secretsmanager"), boto3.client("logs")
    return {
        *boto3.client("dynamodb").list_tables()["TableNames"],
        *(each["FunctionName"] for each in functions.list_functions()["Functions"]),
        *(each["ApiId"] for each in apis.get_apis()["Items"]),
        *(each["name"] for each in states.list_state_machines()["stateMachines"]),
        *(each["RoleName"] for each in iam.list_roles()["Roles"]),
        *(each["Name"] for each in secrets.list_secrets()["SecretList"]),
        *(each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]),
    }


def test_building_again_finds_what_there_is(system: System) -> None:
    before = everything()
    assert build("second") == system
    assert everything() == before


def test_api_gateway_answers_before_a_client_gives_up(system: System) -> None:
    apis, functions = boto3.client("apigatewayv2"), boto3.client("lambda")
    mine = [api for api in apis.get_apis()["Items"] if api["Name"].startswith("second-")]
    integrations = [
        each for api in mine for each in apis.get_integrations(ApiId=api["ApiId"])["Items"]
    ]
    assert len(integrations) == 5
    for integration in integrations:
        arn = re.search("functions/(.*)/invocations", integration["IntegrationUri"])
        assert arn is not None
        function = functions.get_function_configuration(FunctionName=arn[1])
        waits = integration["TimeoutInMillis"] / 1000
        assert function["Timeout"] < waits < client.ANSWER


def test_building_again_fills_the_shop_up(shop: Shop, system: System) -> None:
    products = boto3.resource("dynamodb").Table(system.products_table)
    full = products.get_item(Key={"sku": "tea-green-100"})["Item"]["available"]
    second = Shop(shop.lab, system)
    second.ended(second.place(ORDER))
    assert products.get_item(Key={"sku": "tea-green-100"})["Item"]["available"] == full - 2
    build("second")
    assert products.get_item(Key={"sku": "tea-green-100"})["Item"]["available"] == full


def test_pages_of_other_origins_may_send_orders(shop: Shop, system: System) -> None:
    asks = {
        "Origin": "http://localhost:8000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,idempotency-key",
    }
    boto3.client("apigatewayv2").delete_cors_configuration(ApiId=system.http_api_id)
    build("second")  # brings up to date what there is
    request = urllib.request.Request(system.orders_url, headers=asks, method="OPTIONS")
    with urllib.request.urlopen(request, timeout=10) as answer:
        told = {name.lower(): value for name, value in answer.headers.items()}
    assert told["access-control-allow-origin"] == "*"
    assert told["access-control-allow-methods"] == "POST"
    assert set(told["access-control-allow-headers"].split(",")) == {
        "content-type",
        "idempotency-key",
    }


def test_teardown_ends_and_deletes_all_of_it_and_nothing_else(shop: Shop) -> None:
    before = everything()
    second = Shop(shop.lab, build("second"))
    second.faults.add("state.enter", "delay", state="GetConn", seconds=600)
    placed = second.place(ORDER)
    socket = second.connect(placed.websocket_url)
    second.wait("fault.applied", step="state.enter")
    assert everything() > before
    assert teardown("second") == []
    assert second.ended(placed) == "ABORTED"
    while socket.recv():  # progress, then websocket-client's sign that the other side closed
        pass
    socket.shutdown()
    assert second.wait("connection.closed", connection=socket.connection)["code"] == 1000
    assert everything() == before
    assert teardown("second") == []
    assert not [event for event in shop.log if event.kind == "cloud.error"]


# -- permissions -----------------------------------------------------------------------------------


def may(role: str) -> set[tuple[str, str]]:
    """What a role allows: actions, and the table for those of DynamoDB."""
    policy = boto3.client("iam").get_role_policy(RoleName=role, PolicyName="what-it-does")
    return {
        (action, _table(statement["Resource"]))
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
        if not action.startswith("logs:")
    }


def _table(resource: Any) -> str:
    found = re.search(r":table/orders-(\w+)$", str(resource))
    return found[1] if found else ""


def done_by(call: Call) -> set[tuple[str, str]]:
    """The actions that IAM is asked about for a call."""
    service, operation, asked = call
    match service, operation:
        case "dynamodb", "TransactWriteItems":
            tables = [action["Update"]["TableName"] for action in asked["TransactItems"]]
            return {("dynamodb:UpdateItem", table) for table in tables}
        case "dynamodb", "BatchGetItem":
            return {("dynamodb:BatchGetItem", table) for table in asked["RequestItems"]}
        case "dynamodb", _:
            return {(f"dynamodb:{operation}", asked["TableName"])}
        case "apigatewaymanagementapi", _:
            return {("execute-api:ManageConnections", "")}
        case "secrets-manager", _:
            return {("secretsmanager:GetSecretValue", "")}
        case "sfn", _:
            return {(f"states:{operation}", "")}
    raise NotImplementedError(call)


@pytest.fixture(scope="module")
def done() -> dict[str, set[tuple[str, str]]]:
    """What each function did in a story with all that can happen to it."""
    aws, world = Aws(), World()
    done: dict[str, set[tuple[str, str]]] = {}
    order = {"customer": "c", "currency": "EUR", "items": [{"sku": "tea", "quantity": 1}]}
    work = {"execution": "order-1", "order": order}
    world.stock("tea", 1)
    world.executions["order-1"] = {"executionName": {"S": "order-1"}}
    with imported(aws, PATTERN) as modules:

        def run(file: str, given: dict[str, Any]) -> None:
            modules["connect"].signing_key.cache_clear()

            def answer(call: Call) -> tuple[int, dict[str, Any]]:
                done.setdefault(file, set()).update(done_by(call))
                return world.answer(call)

            aws.answer = answer
            modules[file].handler(given, None)

        run("connect", connect_event("C", ticket("order-1", "n")))
        world.open("C")
        run("connect", connect_event("D", ticket("order-1", "n")))  # which is spent
        for _ in range(2):
            run("place_order", order_event(order, "key"))
            run("do_work", work)
            run("subscribe", event("websocket_message", "C"))
            run("default", event("websocket_message", "C"))
        run("release_stock", work)
        run("disconnect", event("websocket_disconnect", "C"))
    return done


@pytest.mark.parametrize(
    "file",
    ["place_order", "connect", "subscribe", "disconnect", "default", "do_work", "release_stock"],
)
def test_role_of_a_function_allows_what_it_does_and_nothing_more(
    shop: Shop, done: dict[str, set[tuple[str, str]]], file: str
) -> None:
    assert may(f"orders-{file.replace('_', '-')}-role") == done[file]


def test_role_of_the_state_machine_allows_what_its_states_do(shop: Shop) -> None:
    machine = json.loads((PATTERN / "state_machine.asl.json").read_text("utf-8"))
    needs = {
        "lambda:invoke": ("lambda:InvokeFunction", ""),
        "dynamodb:getItem": ("dynamodb:GetItem", "executions"),
        "dynamodb:updateItem": ("dynamodb:UpdateItem", "executions"),
        "apigateway:invoke": ("execute-api:ManageConnections", ""),
    }
    resources = [state.get("Resource", "") for state in machine["States"].values()]
    assert may("orders-work-role") == {
        needs[resource.rpartition(":::")[2]] for resource in resources if resource
    }


def test_secret_is_in_nobodys_environment(shop: Shop) -> None:
    secrets, functions = boto3.client("secretsmanager"), boto3.client("lambda")
    secret = secrets.get_secret_value(SecretId=shop.system.ticket_secret)["SecretString"]
    assert len(secret) == 64
    for name in shop.system.functions.values():
        assert secret not in str(functions.get_function_configuration(FunctionName=name))
