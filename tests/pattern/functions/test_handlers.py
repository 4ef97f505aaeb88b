"""Each function by itself: its event, its answer, and what it leaves in the tables."""

from __future__ import annotations

import base64
import json
import time
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.pattern import dynamodb
from tests.pattern.in_process import (
    Aws,
    Call,
    World,
    connect_event,
    event,
    order_event,
    ticket,
)

ORDER = {"customer": "c", "currency": "EUR", "items": [{"sku": "tea", "quantity": 2}]}
NAME = "order-1"
HOUR = 3600

Modules = dict[str, ModuleType]


@pytest.fixture
def run(modules: Modules, world: World) -> Any:
    """Runs a function by its file's name."""
    return lambda file, event: modules[file].handler(event, None)


@pytest.fixture
def order(world: World) -> dict[str, Any]:
    """An order that was placed: its execution's item."""
    item: dict[str, Any] = {
        "executionName": {"S": NAME},
        "order": {"S": json.dumps(ORDER)},
        "expiresAt": {"N": "4000000000"},
    }
    world.executions[NAME] = item
    world.stock("tea", 10, "1.50")
    return item


def seconds_from_now(item: dict[str, Any]) -> float:
    return int(item["expiresAt"]["N"]) - time.time()


# -- place_order ----------------------------------------------------------------------------------


def test_order_is_answered_with_where_to_listen(run: Any, world: World) -> None:
    answer = run("place_order", order_event(ORDER, "key"))
    assert answer["statusCode"] == 202
    body = json.loads(answer["body"])
    assert body["executionArn"].endswith(f":execution:work:{body['orderId']}")
    url, _, query = body["websocketUrl"].partition("?ticket=")
    assert url == "wss://a1b2c3.execute-api.us-east-1.amazonaws.com/prod"
    assert run("connect", connect_event("C", query))["statusCode"] == 200
    assert json.loads(world.state["started"][body["orderId"]]) == {"order": ORDER}


def test_items_expire_in_seconds_and_not_in_milliseconds(run: Any, world: World) -> None:
    body = json.loads(run("place_order", order_event(ORDER))["body"])
    assert 89 * 24 * HOUR < seconds_from_now(world.executions[body["orderId"]]) <= 90 * 24 * HOUR
    run("connect", connect_event("C", ticket(body["orderId"])))
    assert HOUR < seconds_from_now(world.connections["C"]) <= 2 * HOUR


def test_same_request_again_starts_nothing_and_brings_a_fresh_ticket(
    run: Any, world: World
) -> None:
    first, second = (
        json.loads(run("place_order", order_event(ORDER, "key"))["body"]) for _ in range(2)
    )
    assert first["orderId"] == second["orderId"]
    assert first["websocketUrl"] != second["websocketUrl"]
    assert len(world.state["started"]) == len(world.executions) == 1


def test_requests_without_a_key_are_orders_of_their_own(run: Any, world: World) -> None:
    for _ in range(2):
        assert run("place_order", order_event(ORDER))["statusCode"] == 202
    assert len(world.state["started"]) == 2


def test_crash_between_the_item_and_the_start_is_mended_by_the_next_request(
    run: Any, world: World
) -> None:
    run("place_order", order_event(ORDER, "key"))
    world.state["started"].clear()
    assert run("place_order", order_event(ORDER, "key"))["statusCode"] == 202
    assert list(world.state["started"]) == list(world.executions)


def test_body_in_base64_is_an_order_too(run: Any) -> None:
    encoded = base64.b64encode(json.dumps(ORDER).encode()).decode()
    request = {**order_event(encoded), "isBase64Encoded": True}
    assert run("place_order", request)["statusCode"] == 202


@pytest.mark.parametrize(
    ("body", "field"),
    [("", ""), ("{", ""), ("[]", ""), ({**ORDER, "items": [{"sku": "x"}]}, "items[0].quantity")],
)
def test_malformed_order_is_400_and_writes_nothing(
    run: Any, world: World, body: object, field: str
) -> None:
    answer = run("place_order", order_event(body))
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["field"] == field
    assert json.loads(answer["body"])["message"]
    assert not world.executions
    assert not world.state["started"]


# -- $connect -------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [None, {}, {"ticket": ""}, {"ticket": "x.y"}, {"token": "t"}])
def test_handshake_without_a_ticket_of_ours_is_401(
    run: Any, world: World, order: dict[str, Any], query: dict[str, str] | None
) -> None:
    handshake = event("websocket_connect", "C", queryStringParameters=query)
    if query is None:
        del handshake["queryStringParameters"]  # "absent, not null"
    assert run("connect", handshake) == {"statusCode": 401}
    assert not world.connections
    assert "connectionId" not in order


@pytest.mark.parametrize(
    "good_once",
    [ticket(NAME, expires=1_000_000_000), ticket("order-that-is-not-there")],
    ids=["expired", "without an execution"],
)
def test_handshake_with_a_ticket_that_is_over_is_403(
    run: Any, world: World, order: dict[str, Any], good_once: str
) -> None:
    assert run("connect", connect_event("C", good_once)) == {"statusCode": 403}
    assert list(world.executions.values()) == [order]


def test_spent_ticket_is_403_and_does_not_change_who_listens(
    run: Any, world: World, order: dict[str, Any]
) -> None:
    assert run("connect", connect_event("C1", ticket(NAME, "n")))["statusCode"] == 200
    before = json.dumps(world.executions)
    assert run("connect", connect_event("C2", ticket(NAME, "n"))) == {"statusCode": 403}
    assert json.dumps(world.executions) == before


def test_connect_that_runs_twice_for_one_handshake_lets_it_in_twice(
    run: Any, world: World, order: dict[str, Any]
) -> None:
    # Lambda may run an event twice, and whichever answer API Gateway takes must be right.
    handshake = connect_event("C", ticket(NAME))
    assert [run("connect", handshake)["statusCode"] for _ in range(2)] == [200, 200]
    assert list(world.connections) == ["C"]


def test_ticket_gives_no_right_to_another_execution(
    run: Any, world: World, order: dict[str, Any]
) -> None:
    payload = base64.urlsafe_b64encode(json.dumps([NAME, 4_000_000_000, "n"]).encode()).decode()
    _, _, signature = ticket("order-2").partition(".")
    forged = f"{payload.rstrip('=')}.{signature}"
    assert run("connect", connect_event("C", forged)) == {"statusCode": 401}


def test_nothing_is_sent_while_the_handshake_is_under_way(
    run: Any, world: World, order: dict[str, Any]
) -> None:
    order["result"] = {"S": "{}"}
    run("connect", connect_event("C", ticket(NAME)))
    assert world.state["frames"] == {}


# -- subscribe and $default -----------------------------------------------------------------------


@pytest.fixture
def listening(run: Any, world: World, order: dict[str, Any]) -> str:
    """A connection that was opened for the order."""
    assert run("connect", connect_event("C", ticket(NAME)))["statusCode"] == 200
    world.open("C")
    return "C"


def test_first_message_brings_the_result_or_else_the_newest_progress(
    run: Any, world: World, listening: str
) -> None:
    message = event("websocket_message", listening)
    run("subscribe", message)
    assert world.frames(listening) == []
    world.executions[NAME]["progress"] = {"S": "progress"}
    run("subscribe", message)
    world.executions[NAME]["result"] = {"S": "result"}
    run("subscribe", message)
    assert world.frames(listening) == ["progress", "result"]


def test_subscribe_writes_down_again_who_listens(run: Any, world: World, listening: str) -> None:
    # As ForgetConn may have done when Notify met a handshake under way.
    del world.executions[NAME]["connectionId"]
    run("subscribe", event("websocket_message", listening))
    assert world.executions[NAME]["connectionId"] == {"S": listening}


def in_a_transaction(aws: Aws, world: World, times: int) -> None:
    """Refuse so many updates of the execution's item, as DynamoDB does while a transaction has it."""
    left = [times]

    def answer(call: Call) -> tuple[int, dict[str, Any]]:
        if call[1] == "UpdateItem" and left[0]:
            left[0] -= 1
            return 400, dynamodb.Failed("TransactionConflictException").answer
        return world.answer(call)

    aws.answer = answer


def test_subscribe_that_meets_a_transaction_is_tried_again(
    run: Any, aws: Aws, world: World, listening: str
) -> None:
    world.executions[NAME]["result"] = {"S": "result"}
    in_a_transaction(aws, world, times=4)
    assert run("subscribe", event("websocket_message", listening)) == {"statusCode": 200}
    assert world.frames(listening) == ["result"]


def test_transaction_that_does_not_end_fails_the_function(
    run: Any, aws: Aws, world: World, listening: str
) -> None:
    in_a_transaction(aws, world, times=5)
    with pytest.raises(ClientError, match="TransactionConflictException"):
        run("subscribe", event("websocket_message", listening))


def test_older_connection_is_told_what_is_stored_and_displaces_nobody(
    run: Any, world: World, listening: str
) -> None:
    assert run("connect", connect_event("D", ticket(NAME, "m")))["statusCode"] == 200
    world.executions[NAME]["result"] = {"S": "result"}
    run("subscribe", event("websocket_message", listening))
    assert world.frames(listening) == ["result"]
    assert world.executions[NAME]["connectionId"] == {"S": "D"}


@pytest.mark.parametrize("expired", [True, False])
def test_connection_that_is_over_or_unknown_is_told_nothing(
    run: Any, world: World, listening: str, expired: bool
) -> None:
    world.executions[NAME]["result"] = {"S": "result"}
    if expired:  # DynamoDB deletes an item some time after it expired
        world.connections[listening]["expiresAt"] = {"N": str(int(time.time()) - 1)}
    else:
        del world.connections[listening]
    message = event("websocket_message", listening)
    assert run("subscribe", message) == {"statusCode": 403}
    run("default", message)
    assert world.frames(listening) == []


def test_any_other_message_is_answered_with_what_can_be_sent(
    run: Any, world: World, listening: str
) -> None:
    run("default", event("websocket_message", listening))
    (text,) = world.frames(listening)
    assert json.loads(text)["type"] == "help"
    assert '{"action": "subscribe"}' in json.loads(text)["body"]["message"]


# -- $disconnect ----------------------------------------------------------------------------------


def test_connection_that_ended_is_forgotten(run: Any, world: World, listening: str) -> None:
    goodbye = event("websocket_disconnect", listening)
    for _ in range(2):
        assert run("disconnect", goodbye) == {"statusCode": 200}
        assert not world.connections
        assert not {"connectionId", "connectedUntil"} & world.executions[NAME].keys()


def test_late_disconnect_leaves_the_newer_connection(
    run: Any, world: World, listening: str
) -> None:
    run("connect", connect_event("D", ticket(NAME, "m")))
    run("disconnect", event("websocket_disconnect", listening))
    assert list(world.connections) == ["D"]
    assert world.executions[NAME]["connectionId"] == {"S": "D"}


# -- DoWork and ReleaseStock ----------------------------------------------------------------------

WORK = {"execution": NAME, "order": ORDER}


def test_work_prices_the_order_takes_the_stock_and_says_how_far_it_is(
    run: Any, world: World, listening: str
) -> None:
    message = run("do_work", WORK)
    assert message["id"] == f"{NAME}#3"
    assert message["body"]["status"] == "accepted"
    assert message["body"]["total"] == "3.00"
    assert world.available("tea") == 8
    news = [json.loads(text) for text in world.frames(listening)]
    assert [(each["sequence"], each["body"]["step"]) for each in news] == [
        (1, "priced"),
        (2, "reserved"),
    ]
    assert json.loads(world.executions[NAME]["progress"]["S"]) == news[-1]


def test_work_does_not_depend_on_who_listens(
    run: Any, world: World, order: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run("connect", connect_event("C", ticket(NAME)))  # and its handshake is never finished
    assert run("do_work", WORK)["body"]["status"] == "accepted"
    assert '"event": "connection gone"' in capsys.readouterr().out
    # It may live by now, so it is not forgotten.
    assert world.executions[NAME]["connectionId"] == {"S": "C"}


def test_nothing_is_sent_to_a_connection_that_must_be_over(
    run: Any, world: World, listening: str
) -> None:
    world.executions[NAME]["connectedUntil"] = {"S": "2020-01-01T00:00:00Z"}
    run("do_work", WORK)
    assert world.frames(listening) == []


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([{"sku": "tea", "quantity": 11}], "out of stock"),
        ([{"sku": "gold", "quantity": 1}], "unknown article"),
        ([{"sku": "tea", "quantity": 1}, {"sku": "cup", "quantity": 6}], "out of stock"),
    ],
)
def test_order_that_cannot_be_filled_is_a_result_and_takes_nothing(
    run: Any, world: World, order: dict[str, Any], items: list[dict[str, Any]], reason: str
) -> None:
    world.stock("cup", 5)
    message = run("do_work", {"execution": NAME, "order": {**ORDER, "items": items}})
    assert (message["type"], message["sequence"]) == ("result", 3)
    assert message["body"] == {
        "status": "rejected",
        "orderId": NAME,
        "reason": reason,
        "sku": items[-1]["sku"],
    }
    assert (world.available("tea"), world.available("cup")) == (10, 5)


def test_released_stock_is_given_back_once(run: Any, world: World, order: dict[str, Any]) -> None:
    run("do_work", WORK)
    for _ in range(2):
        message = run("release_stock", WORK)
        assert (message["sequence"], message["body"]["status"]) == (3, "failed")
        assert world.available("tea") == 10


def test_secret_is_fetched_once(modules: Modules, aws: Aws, world: World) -> None:
    modules["connect"].signing_key.cache_clear()
    fetched = []

    def answer(call: Any) -> Any:
        fetched.extend([call[1]] if call[0] == "secrets-manager" else [])
        return world.answer(call)

    aws.answer = answer
    for connection in ("C", "D"):
        modules["connect"].handler(connect_event(connection, ticket(NAME)), None)
    assert fetched == ["GetSecretValue"]
