"""``ReleaseStock``: the work failed for good.  Take back what it reserved, and say so.

The compensation of ``DoWork``.  It may run twice, and a run of ``DoWork`` that everybody has given up
may still be under way: so the reservation is not deleted but marked ``released``, which the
transaction of ``DoWork`` takes for a reservation and leaves alone.
"""

from __future__ import annotations

import os
from typing import Any

import boto3

from . import execution, message
from .order import Order

dynamodb = boto3.client("dynamodb")

PRODUCTS_TABLE = os.environ["PRODUCTS_TABLE"]


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Undo the work for ``{"execution": name, "order": {…}}``; the message says ``failed``."""
    name = event["execution"]
    before = execution.read(name).get("reservation")
    if before != {"S": "released"}:
        _release(name, before, Order.parse(event["order"]))
    return message.result(
        name,
        "failed",
        orderId=name,
        reason="the order could not be processed; nothing is reserved",
    )


def _release(name: str, before: dict[str, str] | None, order: Order) -> None:
    """Mark the reservation as released, if it is still what it was, and give its stock back."""
    values: dict[str, Any] = {":released": {"S": "released"}}
    condition = "attribute_not_exists(reservation)"
    give_back = []
    if before is not None:
        values[":before"] = before
        condition = "reservation = :before"
        give_back = [
            {
                "Update": {
                    "TableName": PRODUCTS_TABLE,
                    "Key": {"sku": {"S": line.sku}},
                    "UpdateExpression": "SET available = available + :quantity",
                    "ExpressionAttributeValues": {":quantity": {"N": str(line.quantity)}},
                }
            }
            for line in order.lines
        ]
    note = {
        "Update": {
            "TableName": execution.TABLE,
            "Key": {"executionName": {"S": name}},
            "UpdateExpression": "SET reservation = :released",
            "ConditionExpression": condition,
            "ExpressionAttributeValues": values,
        }
    }
    # If a run of DoWork came in between, the condition fails, and so does this run: the state
    # machine's retry finds the reservation and gives it back.
    dynamodb.transact_write_items(TransactItems=[note, *give_back])
