"""Exercise 4.5: versions of the function behind ``POST /orders``, and the shop that runs them."""

from __future__ import annotations

import json
import uuid
from typing import Any

from labkit.course.lessons.l04_request_and_reply.order_desk import Desk, name_of, parsed

RIGHT = ("plain", "other words")
"""Both do all that is asked for.  The second makes its names and writes its orders differently."""

WRONG = {
    "waits": ("PASSES_WAITING", "waits for the result, and answers 200 with it"),
    "start first": ("PASSES_LATE_ITEM", "starts the execution before it writes the item"),
    "no item": ("PASSES_NO_ITEM", "writes no item"),
    "no start": ("PASSES_NO_START", "starts nothing"),
    "empty input": ("PASSES_NO_START", "starts the execution without the order"),
    "any ticket": ("PASSES_TICKET", "gives a ticket for another execution"),
    "new names": ("PASSES_NEW_NAMES", "makes up a name for each request"),
    "one name": ("PASSES_ONE_NAME", "gives every order the same name"),
    "overwrites": ("PASSES_OTHER_ORDER", "lets another order take the key"),
    "only new": ("PASSES_NEVER_STARTED", "starts nothing if the item is there already"),
    "crashes": ("PASSES_CRASH", "raises for an order without items, so the client gets 500"),
    "takes all": ("PASSES_MALFORMED", "accepts an order without items"),
}
"""Versions with one fault each: the diagnosis of a test that accepts it, and the fault in words."""


class Raised(Exception):
    """The version raises; the client reads what API Gateway says then."""


class Shop:
    """A shop with one version of the function, as a student's test sees it.

    Args:
        desk: tables and a state machine, which versions may share: no two use the same names.
        version: one of :data:`RIGHT` and :data:`WRONG`.

    Attributes:
        calls: the AWS operations that the version has called, in order.
    """

    def __init__(self, desk: Desk, version: str) -> None:
        self.calls: list[str] = []
        self._desk = desk
        self._version = version
        self._refuses = False

    def post(self, order: Any, key: str | None = None) -> tuple[int, Any]:
        """Send an order; a text is sent as it is."""
        text = order if isinstance(order, str) else json.dumps(order)
        try:
            return self._take(text, f"{self._version} {key or uuid.uuid4()}")
        except Raised:
            return 500, {"message": "Internal Server Error"}

    def refuse_start(self) -> None:
        """Let Step Functions refuse the next start, once."""
        self._refuses = True

    def item(self, name: Any) -> dict[str, Any] | None:
        """The execution's item."""
        return self._desk.item(str(name))

    def started(self, name: Any) -> bool:
        """Whether an execution of this name was started with the order in its item."""
        order = parsed((self.item(name) or {}).get("order"))
        data = self._desk.input_of(str(name))
        return order is not None and data is not None and data.get("order") == order

    def execution_of(self, url: Any) -> str | None:
        """The execution that a URL's ticket is good for."""
        return self._desk.execution_of(url)

    # -- the function, right but for what its version says -----------------------------------------

    def _take(self, text: str, key: str) -> tuple[int, Any]:
        version = self._version
        order = parsed(text)
        if not isinstance(order, dict):
            return 400, {"message": "This is no order.", "field": ""}
        if not order.get("items") and version == "crashes":
            raise Raised
        if not order.get("items") and version != "takes all":
            return 400, {"message": "There is nothing in it.", "field": "items"}

        name = name_of(key)
        if version == "new names":
            name = f"order-{uuid.uuid4().hex}"
        elif version == "one name":
            name = name_of(self._desk.key)
        elif version == "other words":
            name = f"o-{uuid.uuid5(uuid.NAMESPACE_URL, key).hex}"

        if version == "start first":
            self._start(name, order)
        new = version == "no item" or self._put(name, order)
        if new is None:
            return 422, {"message": "This key was used for another order."}
        if version not in ("no start", "start first") and (new or version != "only new"):
            self._start(name, {} if version == "empty input" else order)

        ticket = self._desk.sign("order-of-somebody" if version == "any ticket" else name)
        body = {
            "orderId": name,
            "executionArn": self._desk.execution_arn(name),
            "websocketUrl": f"{self._desk.environment['WEBSOCKET_URL']}?ticket={ticket}",
        }
        if version == "waits":
            return 200, {**body, "result": {"status": "accepted"}}
        return 202, body

    def _put(self, name: str, order: Any) -> bool | None:
        """Write the item: whether it is new; ``None`` if another order has the name."""
        self.calls.append("PutItem")
        dynamodb = self._desk.aws.client("dynamodb")
        text = json.dumps(order, indent=1 if self._version == "other words" else None)
        item = {"executionName": {"S": name}, "order": {"S": text}}
        if self._version == "overwrites":
            dynamodb.put_item(TableName=self._desk.executions, Item=item)
            return True
        try:
            dynamodb.put_item(
                TableName=self._desk.executions,
                Item=item,
                ConditionExpression="attribute_not_exists(executionName)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except dynamodb.exceptions.ConditionalCheckFailedException as there:
            same = json.loads(there.response["Item"]["order"]["S"]) == order
            return False if same or self._version == "one name" else None
        return True

    def _start(self, name: str, order: Any) -> None:
        """Start the execution, or find the one that was started."""
        self.calls.append("StartExecution")
        if self._refuses:
            self._refuses = False
            raise Raised
        self._desk.start(name, {"order": order} if order else {})
