"""The pattern's functions in this process, call by call.

The functions are the files that are deployed, imported as Lambda imports them, with boto3 as it is.
botocore hands each call over before it is sent (its event ``before-call``), and a :class:`World` answers:
tables, open sockets, started executions.  Nothing of the functions is replaced.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import unquote

import boto3
import pytest

from labkit.pattern.functions.ticket import Ticket
from tests.pattern import dynamodb

SECRET = "a secret of sixty-four letters, or so"
ENVIRONMENT = {
    "EXECUTIONS_TABLE": "executions",
    "CONNECTIONS_TABLE": "connections",
    "PRODUCTS_TABLE": "products",
    "TICKET_SECRET": "ticket-secret",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:work",
    "WEBSOCKET_URL": "wss://a1b2c3.execute-api.us-east-1.amazonaws.com/prod",
    "MANAGEMENT_ENDPOINT": "https://a1b2c3.execute-api.us-east-1.amazonaws.com/prod",
}
FILES = ["place_order", "connect", "subscribe", "disconnect", "default", "do_work", "release_stock"]

Call = tuple[str, str, dict[str, Any]]
"""Service, operation, parameters."""


class World:
    """What the functions' calls change.  It is JSON, so it can be kept, compared and taken back.

    Attributes:
        state: ``tables``; ``open`` and ``gone``, lists of connections; ``frames``, what was sent, by
            connection; ``started``, executions with their input.
    """

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state: dict[str, Any] = state or {
            "tables": {"executions": {}, "connections": {}, "products": {}},
            "open": [],
            "gone": [],
            "frames": {},
            "started": {},
        }

    @property
    def executions(self) -> dict[str, dynamodb.Item]:
        """The items of executions, by name."""
        items: dict[str, dynamodb.Item] = self.state["tables"]["executions"]
        return items

    @property
    def connections(self) -> dict[str, dynamodb.Item]:
        """The items of connections, by id."""
        items: dict[str, dynamodb.Item] = self.state["tables"]["connections"]
        return items

    def stock(self, sku: str, available: int, price: str = "1.00", currency: str = "EUR") -> None:
        """Put an article into the shop."""
        self.state["tables"]["products"][sku] = {
            "sku": {"S": sku},
            "name": {"S": f"The {sku}"},
            "unitPrice": {"N": price},
            "currency": {"S": currency},
            "available": {"N": str(available)},
        }

    def available(self, sku: str) -> int:
        """How many there are of an article."""
        return int(self.state["tables"]["products"][sku]["available"]["N"])

    def open(self, connection: str) -> None:
        """Finish a handshake: the connection exists from now on."""
        self.state["open"].append(connection)

    def cut(self, connection: str) -> None:
        """End a connection."""
        self.state["open"].remove(connection)
        self.state["gone"].append(connection)

    def frames(self, *connections: str) -> list[str]:
        """What was sent to connections."""
        return [text for name in connections for text in self.state["frames"].get(name, [])]

    def answer(self, call: Call) -> tuple[int, dict[str, Any]]:
        """Take one step.

        Returns:
            The HTTP status, and the answer as botocore parses it.
        """
        service, operation, asked = call
        try:
            return 200, self._answer(service, operation, asked)
        except dynamodb.Failed as failed:
            return 400, failed.answer

    def _answer(self, service: str, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        match service, operation:
            case "dynamodb", _:
                return dynamodb.call(self.state["tables"], operation, asked)
            case "apigatewaymanagementapi", "PostToConnection":
                connection = asked["ConnectionId"]
                if connection not in self.state["open"]:
                    raise dynamodb.Failed("GoneException")
                self.state["frames"].setdefault(connection, []).append(asked["Data"])
                return {}
            case "secrets-manager", "GetSecretValue":
                return {"SecretString": SECRET}
            case "sfn", "StartExecution":
                started, name = self.state["started"], asked["name"]
                if started.setdefault(name, asked["input"]) != asked["input"]:
                    raise dynamodb.Failed("ExecutionAlreadyExists")
                machine = asked["stateMachineArn"]
                arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
                return {"executionArn": arn}
            case "socket", "open":
                self.open(asked["connection"])
                return {}
            case "socket", "cut":
                self.cut(asked["connection"])
                return {}
        raise NotImplementedError(f"{service} {operation}")


class Aws:
    """Where the functions' calls arrive.

    Attributes:
        answer: answers a call with an HTTP status and a body; a test sets it.
    """

    def __init__(self) -> None:
        self.answer: Callable[[Call], tuple[int, dict[str, Any]]] = World().answer
        self.session = boto3.Session(
            region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
        )
        self.session.events.register("before-call", self._before_call)

    def _before_call(self, model: Any, params: dict[str, Any], **_: Any) -> Any:
        service = str(model.service_model.service_id.hyphenize())
        asked: dict[str, Any]
        if model.name == "PostToConnection":
            connection = unquote(params["url_path"].rpartition("/")[2])
            asked = {"ConnectionId": connection, "Data": bytes(params["body"]).decode()}
        else:
            asked = json.loads(params["body"])
        status, answer = self.answer((service, model.name, asked))
        return SimpleNamespace(status_code=status, headers={}), answer


@contextmanager
def imported(aws: Aws, folder: Path) -> Iterator[dict[str, ModuleType]]:
    """The functions' modules, imported from a folder as from a deployment package.

    Each time they are new: modules of another folder with the same names are out of the way until
    this ends.

    Args:
        aws: where their calls go.
        folder: holds the package ``functions``.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", aws.session)
        patch.syspath_prepend(str(folder))
        others = _without_functions()
        try:
            yield {file: importlib.import_module(f"functions.{file}") for file in FILES}
        finally:
            _without_functions()
            sys.modules.update(others)


def _without_functions() -> dict[str, ModuleType]:
    """Take the functions' modules out of those that are imported; what was taken out."""
    names = [name for name in sys.modules if name.partition(".")[0] == "functions"]
    return {name: sys.modules.pop(name) for name in names}


# -- events, as API Gateway makes them -------------------------------------------------------------

EVENTS = Path(__file__).parents[1] / "events"


def event(kind: str, connection: str = "", **members: Any) -> dict[str, Any]:
    """A golden event with other members, from or for a connection."""
    made: dict[str, Any] = json.loads((EVENTS / f"{kind}.json").read_text("utf-8"))
    made.update(members)
    if connection:
        made["requestContext"]["connectionId"] = connection
        # Of two connections, the one with the later name began later.
        made["requestContext"]["connectedAt"] += int.from_bytes(connection.encode())
    return made


def connect_event(connection: str, ticket: str) -> dict[str, Any]:
    """The handshake of a client with a ticket."""
    return event("websocket_connect", connection, queryStringParameters={"ticket": ticket})


def order_event(order: object, key: str = "") -> dict[str, Any]:
    """The request that places an order."""
    made = event("http_2_0", body=order if isinstance(order, str) else json.dumps(order))
    if key:
        made["headers"]["idempotency-key"] = key
    return made


def ticket(execution: str, nonce: str = "n", expires: int = 4_000_000_000) -> str:
    """A ticket that is good."""
    return Ticket(execution, expires, nonce).sign(SECRET.encode())
