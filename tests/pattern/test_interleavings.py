"""The rules of the pattern in every order of steps: no result is lost, none is given twice.

What runs are the deployed functions and the deployed state machine; a step is one call to AWS.  The
orders are gone through completely, not drawn at random.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.pattern import state_machine
from tests.pattern.conftest import PATTERN, results
from tests.pattern.explorer import End, Explorer, Program
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

NAME = "order-1"
ORDER = {"customer": "c", "currency": "EUR", "items": [{"sku": "tea", "quantity": 1}]}
RESULT = {"execution": NAME, "sequence": 3, "type": "result", "body": {"status": "accepted"}}
MACHINE = json.loads((PATTERN / "state_machine.asl.json").read_text("utf-8"))


class Pattern:
    """The programs of the pattern.

    Args:
        explorer: runs them.
        functions: the functions' modules.
        machine: the state machine's definition.
    """

    def __init__(
        self, explorer: Explorer, functions: Mapping[str, ModuleType], machine: dict[str, Any]
    ) -> None:
        self._explorer = explorer
        self._functions = functions
        self._machine = machine

    def handler(self, file: str, event: dict[str, Any]) -> Any:
        """Run a function."""
        return self._functions[file].handler(event, None)

    def ends(self, programs: Mapping[str, Program]) -> list[End]:
        """How the programs can end, once an order has been placed."""
        return self._explorer.ends(placed(), programs)

    # -- the client's side -----------------------------------------------------------------------

    def client(self, connection: str, nonce: str, *, back: str = "") -> dict[str, Program]:
        """A client that opens a connection and subscribes.

        Args:
            connection: the connection's id.
            nonce: its ticket's.
            back: the connection that it had before, and that must be over first.
        """

        def handshake() -> int:
            status = int(
                self.handler("connect", connect_event(connection, ticket(NAME, nonce)))[
                    "statusCode"
                ]
            )
            if status == 200:
                self._explorer.call("socket", "open", connection=connection)
            return status

        def subscribe() -> int:
            message = event("websocket_message", connection)
            return int(self.handler("subscribe", message)["statusCode"])

        return {
            f"{connection}: $connect": Program(
                handshake, lambda world: not back or back in world.state["gone"]
            ),
            f"{connection}: subscribe": Program(
                subscribe, lambda world: connection in world.state["open"]
            ),
        }

    def leave(self, connection: str) -> dict[str, Program]:
        """The connection ends at any moment, and ``$disconnect`` runs at any moment after that."""

        def go() -> None:
            self._explorer.call("socket", "cut", connection=connection)

        def disconnect() -> None:
            self.handler("disconnect", event("websocket_disconnect", connection))

        return {
            f"{connection}: leaves": Program(go, lambda world: connection in world.state["open"]),
            f"{connection}: $disconnect": Program(
                disconnect, lambda world: connection in world.state["gone"]
            ),
        }

    # -- the execution's side --------------------------------------------------------------------

    def execution(self, *, start: str = "", data: Any = None) -> dict[str, Program]:
        """The execution of the state machine."""

        def run() -> str:
            given = data or {"order": ORDER}
            return state_machine.run(self._machine, NAME, given, self._task, start)

        return {"execution": Program(run)}

    def _task(self, state: str, resource: str, parameters: dict[str, Any]) -> Any:
        match resource.rpartition(":::")[2]:
            case "lambda:invoke":
                file = {"DoWork": "do_work", "ReleaseStock": "release_stock"}[state]
                return {"Payload": self.handler(file, parameters["Payload"])}
            case "dynamodb:getItem" | "dynamodb:updateItem" as resource:
                operation = {"dynamodb:getItem": "GetItem", "dynamodb:updateItem": "UpdateItem"}
                asked = {**parameters, "TableName": "executions"}
                status, answer = self._explorer.call("dynamodb", operation[resource], **asked)
                if status != 200:
                    raise state_machine.TaskFailed(f"DynamoDB.{answer['Error']['Code']}")
                return answer
            case "apigateway:invoke":
                status, answer = self._explorer.call(
                    "apigatewaymanagementapi",
                    "PostToConnection",
                    ConnectionId=parameters["Path"].rpartition("/")[2],
                    Data=json.dumps(parameters["RequestBody"]),
                )
                if status != 200:
                    raise state_machine.TaskFailed("ApiGateway.410")
                return answer
        raise NotImplementedError(resource)


def concerns_nobody_else(call: Call) -> bool:
    """Whether a step's moment makes no difference, with one order in the world.

    Nobody else reads the stock or the reservation, and nobody knows a connection's item before its
    handshake is over.
    """
    _, operation, asked = call
    return operation in ("BatchGetItem", "TransactWriteItems") or (
        operation == "PutItem" and asked["TableName"] == "connections"
    )


@pytest.fixture(scope="module")
def aws() -> Aws:
    return Aws()


@contextmanager
def warm(aws: Aws, folder: Path) -> Iterator[dict[str, ModuleType]]:
    """The functions, with their secret fetched: a step that is taken once cannot be replayed."""
    with imported(aws, folder) as functions:
        aws.answer = World().answer
        functions["connect"].signing_key()
        yield functions


@pytest.fixture(scope="module")
def functions(aws: Aws) -> Iterator[dict[str, ModuleType]]:
    with warm(aws, PATTERN) as functions:
        yield functions


@pytest.fixture
def pattern(aws: Aws, functions: dict[str, ModuleType]) -> Pattern:
    return Pattern(Explorer(aws, concerns_nobody_else), functions, MACHINE)


@pytest.fixture
def explorer(aws: Aws) -> Explorer:
    """One that takes every step for one that matters."""
    return Explorer(aws)


def placed(*names: str, tea: int = 10) -> World:
    """Orders for one tea each have been placed."""
    world = World()
    world.stock("tea", tea)
    for name in names or (NAME,):
        world.executions[name] = {
            "executionName": {"S": name},
            "order": {"S": json.dumps(ORDER)},
            "expiresAt": {"N": "4000000000"},
        }
    return world


def without_the_result(ends: list[End], connection: str) -> list[str]:
    """The ways that end without exactly one result for the code behind a client's last connection.

    What was sent to its earlier connections counts only as a duplicate: it may have been on the way
    when they ended.
    """
    return [
        " → ".join(end.way)
        for end in ends
        if len(results(end.world.frames("C1", "C2"))) != 1
        or len(results(end.world.frames(connection))) != 1
        or end.results["execution"] != "SUCCEEDED"
    ]


# -- the result meets its client --------------------------------------------------------------------


def one_client(pattern: Pattern) -> list[End]:
    return pattern.ends({**pattern.client("C1", "n1"), **pattern.execution()})


def back_after_subscribing(pattern: Pattern) -> list[End]:
    programs = {
        **pattern.client("C1", "n1"),
        **pattern.leave("C1"),
        **pattern.client("C2", "n2", back="C1"),
        **pattern.execution(start="SaveResult", data={"message": RESULT}),
    }
    return pattern.ends(programs)


def back_before_subscribing(pattern: Pattern) -> list[End]:
    first = pattern.client("C1", "n1")
    del first["C1: subscribe"]
    programs = {
        **first,
        **pattern.leave("C1"),
        **pattern.client("C2", "n2", back="C1"),
        **pattern.execution(),
    }
    return pattern.ends(programs)


def back_while_the_handshake_hangs(pattern: Pattern) -> list[End]:
    programs = {
        **pattern.client("C1", "n1"),
        **pattern.client("C2", "n2"),
        **pattern.execution(start="SaveResult", data={"message": RESULT}),
    }
    return pattern.ends(programs)


def test_a_client_is_given_the_result_once(pattern: Pattern) -> None:
    ends = one_client(pattern)
    assert without_the_result(ends, "C1") == []
    # Both ways of delivery are met, and both at once.
    assert {len(end.world.frames("C1")) for end in ends} >= {1, 2, 3}


@pytest.mark.parametrize(
    "story", [back_after_subscribing, back_before_subscribing, back_while_the_handshake_hangs]
)
def test_a_client_that_came_back_is_given_the_result_once(
    pattern: Pattern, story: Callable[[Pattern], list[End]]
) -> None:
    assert without_the_result(story(pattern), "C2") == []


def test_notify_during_the_handshake_is_told_410_and_the_first_message_brings_the_result(
    pattern: Pattern,
) -> None:
    saved = pattern.execution(start="SaveResult", data={"message": RESULT})
    ends = pattern.ends({**pattern.client("C1", "n1"), **saved})
    assert any(_posts_before_it_opens(end) for end in ends)
    assert without_the_result(ends, "C1") == []


def _posts_before_it_opens(end: End) -> bool:
    posts, opens = "execution: PostToConnection", "C1: $connect: open"
    return posts in end.way and end.way.index(posts) < end.way.index(opens)


NAMED_ONCE = (
    "subscribe",
    'item = execution.claim(name, connection_id, event["requestContext"]["connectedAt"])',
    "item = execution.read(name)",
)


def test_who_listens_need_not_be_written_again_because_the_result_is_stored_before_notify(
    aws: Aws, tmp_path: Path
) -> None:
    with warm(aws, changed(tmp_path, *NAMED_ONCE)) as functions:
        pattern = Pattern(Explorer(aws, concerns_nobody_else), functions, MACHINE)
        assert without_the_result(one_client(pattern), "C1") == []


def test_without_a_client_the_result_waits_in_the_table(pattern: Pattern) -> None:
    programs = {**pattern.client("C1", "n1"), **pattern.leave("C1"), **pattern.execution()}
    for end in pattern.ends(programs):
        assert end.results["execution"] == "SUCCEEDED"
        stored = json.loads(end.world.executions[NAME]["result"]["S"])
        assert stored["body"]["status"] == "accepted"


@pytest.mark.parametrize(
    ("file", "before", "after", "story"),
    [
        # the client's first message tells nothing
        ("subscribe", "if stored:", "if False:", one_client),
        # progress that is answered with 410 forgets a connection whose handshake was under way
        (
            "do_work",
            "        connection.deliver(MANAGEMENT_ENDPOINT, listener, json.dumps(news))",
            "        if not connection.deliver(MANAGEMENT_ENDPOINT, listener, json.dumps(news)):\n"
            "            execution.forget(name, listener)",
            one_client,
        ),
        # a function that runs late takes the place of a newer connection
        (
            "execution",
            '" AND (attribute_not_exists(connectedAt) OR connectedAt <= :at)"',
            '""',
            back_after_subscribing,
        ),
        (
            "execution",
            '" AND (attribute_not_exists(connectedAt) OR connectedAt <= :at)"',
            '""',
            back_while_the_handshake_hangs,
        ),
        # a late $disconnect forgets the newer connection
        (
            "execution",
            'ConditionExpression="connectionId = :mine"',
            'ConditionExpression="attribute_exists(executionName)"',
            back_before_subscribing,
        ),
    ],
)
def test_a_mistake_in_a_function_is_noticed(
    aws: Aws,
    tmp_path: Path,
    file: str,
    before: str,
    after: str,
    story: Callable[[Pattern], list[End]],
) -> None:
    with warm(aws, changed(tmp_path, file, before, after)) as functions:
        pattern = Pattern(Explorer(aws, concerns_nobody_else), functions, MACHINE)
        last = "C1" if story is one_client else "C2"
        assert without_the_result(story(pattern), last) != []


def changed(folder: Path, file: str, before: str, after: str) -> Path:
    """A copy of the functions, of which one is changed."""
    shutil.copytree(PATTERN / "functions", folder / "functions")
    path = folder / "functions" / f"{file}.py"
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")
    return folder


def test_a_mistake_in_the_state_machine_is_noticed(
    aws: Aws, functions: dict[str, ModuleType]
) -> None:
    machine = json.loads(json.dumps(MACHINE))
    states = machine["States"]
    states["DoWork"]["Next"] = "GetConn"
    states["GetConn"]["Next"] = "SaveResult"
    states["SaveResult"]["Next"] = "IsConnected"
    pattern = Pattern(Explorer(aws, concerns_nobody_else), functions, machine)
    assert without_the_result(one_client(pattern), "C1") != []


# -- whatever may happen once happens once ----------------------------------------------------------


def test_of_two_handshakes_with_one_ticket_one_succeeds(
    pattern: Pattern, explorer: Explorer
) -> None:
    first, second = pattern.client("C1", "n1"), pattern.client("C2", "n1")
    for end in explorer.ends(placed(), {**first, **second}):
        assert sorted([end.results["C1: $connect"], end.results["C2: $connect"]]) == [200, 403]
        (listener,) = end.world.state["open"]
        assert end.world.executions[NAME]["connectionId"] == {"S": listener}
        assert listener in end.world.connections


def test_a_handshake_whose_function_runs_twice_leads_to_the_result(
    pattern: Pattern, explorer: Explorer
) -> None:
    client = pattern.client("C1", "n1")

    def again() -> int:
        handshake = connect_event("C1", ticket(NAME, "n1"))
        return int(pattern.handler("connect", handshake)["statusCode"])

    world = placed()
    world.executions[NAME]["result"] = {"S": json.dumps(RESULT)}
    for end in explorer.ends(world, {**client, "C1: again": Program(again)}):
        assert [end.results[name] for name in ("C1: $connect", "C1: again")] == [200, 200]
        assert len(results(end.world.frames("C1"))) == 1

    # Notify meets the handshake, is told 410 and deletes the entry; then the ticket is spent, and
    # nothing says by whom.  The later run is refused, and must not make the connection deaf.
    saved = pattern.execution(start="SaveResult", data={"message": RESULT})
    ends = pattern.ends({**client, "C1: again": Program(again), **saved})
    assert any(end.results["C1: again"] == 403 for end in ends)
    for end in ends:
        assert end.results["C1: $connect"] == 403 or len(results(end.world.frames("C1"))) == 1


def test_two_requests_with_one_key_start_one_execution(
    pattern: Pattern, explorer: Explorer
) -> None:
    def request() -> dict[str, Any]:
        answer = pattern.handler("place_order", order_event(ORDER, "key"))
        assert answer["statusCode"] == 202
        answered: dict[str, Any] = json.loads(answer["body"])
        return answered

    world = World()
    for end in explorer.ends(world, {"one": Program(request), "two": Program(request)}):
        one, two = end.results["one"], end.results["two"]
        assert one["orderId"] == two["orderId"]
        assert one["executionArn"] == two["executionArn"]
        assert list(end.world.state["started"]) == list(end.world.executions) == [one["orderId"]]


def test_of_two_different_orders_with_one_key_one_is_refused(
    pattern: Pattern, explorer: Explorer
) -> None:
    def request(customer: str) -> int:
        order = {**ORDER, "customer": customer}
        return int(pattern.handler("place_order", order_event(order, "key"))["statusCode"])

    programs = {"a": Program(partial(request, "a")), "b": Program(partial(request, "b"))}
    for end in explorer.ends(World(), programs):
        assert sorted(end.results.values()) == [202, 422]
        (winner,) = [name for name, status in end.results.items() if status == 202]
        (started,) = end.world.state["started"].values()
        assert json.loads(started)["order"]["customer"] == winner


def test_of_two_orders_for_the_last_article_one_is_accepted(
    pattern: Pattern, explorer: Explorer
) -> None:
    def work(name: str) -> str:
        message = pattern.handler("do_work", {"execution": name, "order": ORDER})
        return str(message["body"]["status"])

    programs = {name: Program(partial(work, name)) for name in ("a", "b")}
    for end in explorer.ends(placed("a", "b", tea=1), programs):
        assert sorted(end.results.values()) == ["accepted", "rejected"]
        assert end.world.available("tea") == 0


def test_work_that_runs_twice_reserves_once_and_says_the_same(
    pattern: Pattern, explorer: Explorer
) -> None:
    def work() -> Any:
        return pattern.handler("do_work", {"execution": NAME, "order": ORDER})

    for end in explorer.ends(placed(tea=1), {"one": Program(work), "two": Program(work)}):
        assert end.results["one"] == end.results["two"]
        assert end.results["one"]["body"]["status"] == "accepted"
        assert end.world.available("tea") == 0


def test_work_that_was_given_up_keeps_nothing_even_if_it_still_runs(
    pattern: Pattern, explorer: Explorer
) -> None:
    asked = {"execution": NAME, "order": ORDER}

    def work() -> None:
        pattern.handler("do_work", asked)

    def release() -> str:
        try:
            message = pattern.handler("release_stock", asked)
        except ClientError:  # the work came in between; the state machine tries again
            message = pattern.handler("release_stock", asked)
        return str(message["body"]["status"])

    for end in explorer.ends(placed(), {"work": Program(work), "release": Program(release)}):
        assert end.results["release"] == "failed"
        assert end.world.available("tea") == 10
        assert end.world.executions[NAME]["reservation"] == {"S": "released"}
