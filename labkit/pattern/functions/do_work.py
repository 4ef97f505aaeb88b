"""``DoWork``: price the order, reserve its stock, and report on the way.

Step Functions runs a task again when it cannot tell how it ended, so this function may run twice for
one order, and nothing may happen twice.  One transaction takes the stock of all articles *and* writes
the reservation into the execution's item, on condition that there is none yet: a second run takes
nothing, finds the first one's reservation and gives the same answer.  There is never half an order.
"""

from __future__ import annotations

import json
import os
from decimal import Decimal
from typing import Any

import boto3

from . import connection, execution, message
from .order import Order, Product, Rejected

dynamodb = boto3.client("dynamodb")

PRODUCTS_TABLE = os.environ["PRODUCTS_TABLE"]
MANAGEMENT_ENDPOINT = os.environ["MANAGEMENT_ENDPOINT"]


class StockContended(Exception):
    """Another order took from the same stock at the same moment; the state machine tries again."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Do the work for ``{"execution": name, "order": {…}}``.

    Returns:
        The message with the result: ``accepted``, or ``rejected`` with the reason.

    Raises:
        StockContended: try again.
    """
    name = event["execution"]
    order = Order.parse(event["order"])
    try:
        priced = order.price(_products(order))
        _report(name, message.PRICED, step="priced", total=priced["total"])
        reserved = _reserve(name, order, priced)
    except Rejected as no:
        return message.result(name, "rejected", orderId=name, reason=no.reason, sku=no.sku)
    if reserved is None:
        return message.result(name, "failed", orderId=name, reason="the work was given up")
    _report(name, message.RESERVED, step="reserved", articles=len(order.lines))
    return message.result(name, "accepted", orderId=name, **reserved)


def _products(order: Order) -> dict[str, Product]:
    keys = [{"sku": {"S": line.sku}} for line in order.lines]
    products: dict[str, Product] = {}
    while keys:
        answer = dynamodb.batch_get_item(RequestItems={PRODUCTS_TABLE: {"Keys": keys}})
        for item in answer["Responses"][PRODUCTS_TABLE]:
            product = Product(
                item["sku"]["S"],
                item["name"]["S"],
                Decimal(item["unitPrice"]["N"]),
                item["currency"]["S"],
            )
            products[product.sku] = product
        # "BatchGetItem returns a partial result if the response size limit is exceeded …"
        keys = answer.get("UnprocessedKeys", {}).get(PRODUCTS_TABLE, {}).get("Keys", [])
    return products


def _reserve(name: str, order: Order, priced: dict[str, Any]) -> dict[str, Any] | None:
    """Take the stock of all lines, or of none.

    Returns:
        The order as it was reserved: now, or when this ran before; ``None`` if the work was given
        up and the reservation released.

    Raises:
        Rejected: there is too little of an article.
        StockContended: another transaction is under way.
    """
    take = [
        {
            "Update": {
                "TableName": PRODUCTS_TABLE,
                "Key": {"sku": {"S": line.sku}},
                "UpdateExpression": "SET available = available - :quantity",
                "ConditionExpression": "available >= :quantity",
                "ExpressionAttributeValues": {":quantity": {"N": str(line.quantity)}},
            }
        }
        for line in order.lines
    ]
    note = {
        "Update": {
            "TableName": execution.TABLE,
            "Key": {"executionName": {"S": name}},
            "UpdateExpression": "SET reservation = :priced",
            "ConditionExpression": "attribute_not_exists(reservation)",
            "ExpressionAttributeValues": {":priced": {"S": json.dumps(priced)}},
        }
    }
    try:
        dynamodb.transact_write_items(TransactItems=[note, *take])
        return priced
    except dynamodb.exceptions.TransactionCanceledException as cancelled:
        reasons = [reason["Code"] for reason in cancelled.response["CancellationReasons"]]
    # Whatever the reasons say of the stock: with a reservation, this order has got its share.
    before = execution.read(name).get("reservation", {}).get("S")
    if before is not None:
        return None if before == "released" else json.loads(before)
    for line, reason in zip(order.lines, reasons[1:], strict=True):
        if reason == "ConditionalCheckFailed":
            raise Rejected("out of stock", line.sku)
    raise StockContended(", ".join(reasons))


def _report(name: str, sequence: int, **body: Any) -> None:
    """Store the progress; if somebody listens, send it."""
    news = message.progress(name, sequence, **body)
    listener = execution.report(name, news)
    if listener:
        connection.deliver(MANAGEMENT_ENDPOINT, listener, json.dumps(news))
