"""``POST /orders``: start the execution, and answer with the URL to listen at.

Sending the same request again is safe and useful.  The header ``Idempotency-Key`` becomes the
execution's name, so a second request finds the first one's execution, also when this function
crashed half-way; and it gets a fresh ticket, which is how a client comes back after its connection
was lost.  The key is what proves that a caller is the one who ordered: a client makes it up at
random (a UUID) and keeps it to itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import time
import uuid
from typing import Any
from urllib.parse import urlencode

import boto3

from . import execution
from .order import Malformed, Order
from .secret import signing_key
from .ticket import LIFETIME, Ticket

states = boto3.client("stepfunctions")

STATE_MACHINE_ARN = os.environ["STATE_MACHINE_ARN"]
WEBSOCKET_URL = os.environ["WEBSOCKET_URL"]


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer an HTTP API's request (payload format 2.0).

    Returns:
        202 with ``orderId``, ``executionArn`` and ``websocketUrl``; 400 for what is no order, with
        the field; 422 if the key was used for another order.
    """
    try:
        order = Order.parse(_json_body(event))
    except Malformed as error:
        return _answer(400, {"message": str(error), "field": error.field})

    name = _execution_name(event["headers"].get("idempotency-key") or str(uuid.uuid4()))
    try:
        execution.create(name, order.to_dict())
    except execution.AnotherOrder:
        message = "This Idempotency-Key was used for another order. Use a new key for a new order."
        return _answer(422, {"message": message})

    # First the item, then the start: the state machine finds what it writes to.  A crash in between
    # leaves an item without an execution, and the client's next try starts it.
    arn = _start(name, order)
    ticket = Ticket(name, int(time.time()) + LIFETIME, secrets.token_urlsafe(16))
    query = urlencode({"ticket": ticket.sign(signing_key())})
    return _answer(
        202,
        {"orderId": name, "executionArn": arn, "websocketUrl": f"{WEBSOCKET_URL}?{query}"},
    )


def _execution_name(key: str) -> str:
    # A name has at most 80 characters, and not all of them; a key may be any text.
    return f"order-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _start(name: str, order: Order) -> str:
    """Start the execution, or find the one that was started under this name."""
    try:
        started = states.start_execution(
            stateMachineArn=STATE_MACHINE_ARN,
            name=name,
            input=json.dumps({"order": order.to_dict()}),
        )
        return str(started["executionArn"])
    except states.exceptions.ExecutionAlreadyExists:
        # "If the execution is closed …, StartExecution returns a 400 ExecutionAlreadyExists error."
        # While it runs, the same name and input give the same answer again.
        return f"{STATE_MACHINE_ARN.replace(':stateMachine:', ':execution:')}:{name}"


def _json_body(event: dict[str, Any]) -> object:
    body: str | bytes = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed("", f"The request's body is not JSON: {error}.") from error


def _answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(body),
    }
