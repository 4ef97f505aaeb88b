"""The execution's item in DynamoDB: what is known of one order, and who listens.

============================  ====================================================================
``executionName``             the key
``order``                     the order, as JSON
``progress``, ``result``      the newest message of each kind, as JSON: one half of the meeting
``connectionId``              who listens now: the other half
``connectedUntil``            when that connection is over at the latest
``connectedAt``               when the newest connection began, in milliseconds; stays when it ends
``usedTickets``               nonces of the tickets that were spent
``reservation``               what was reserved, or ``released``
``expiresAt``                 DynamoDB deletes the item after this time, in epoch **seconds**
============================  ====================================================================

Both halves of the meeting lie in one item on purpose.  Whoever has a result writes it here and then
looks for a connection; whoever has a connection writes it here and then looks for a result.  Writes
to one item come one after the other, so the later of the two sees the earlier one, and no result is
lost between them, whatever the moment.  Both may see each other; then the message goes out twice,
with one id, and the client drops one.
"""

from __future__ import annotations

import functools
import json
import os
import random
import time
from typing import Any

import boto3

dynamodb = boto3.client("dynamodb")

TABLE = os.environ["EXECUTIONS_TABLE"]

KEPT = 90 * 24 * 3600
"""Seconds.  Step Functions refuses the name of a finished execution for 90 days; an item that went
earlier would promise an execution that cannot be started."""

CONNECTION_LASTS = 2 * 3600
"""Seconds.  API Gateway closes every WebSocket connection after two hours."""

PAUSES = (0.05, 0.1, 0.2, 0.4)
"""Seconds before each further try at most, while a transaction holds the item; it takes less."""


class NotClaimed(Exception):
    """The ticket was spent before, or a newer connection listens, or there is no such execution.

    Attributes:
        item: the item as it is, in DynamoDB's form; empty if there is none.
    """

    def __init__(self, name: str, item: dict[str, Any]) -> None:
        super().__init__(name)
        self.item = item


class AnotherOrder(Exception):
    """There is an execution of this name, for another order."""


def create(name: str, order: dict[str, Any]) -> None:
    """Write the execution's item, once.

    Doing it again for the same order changes nothing.

    Raises:
        AnotherOrder: the item is there, for another order.
    """
    text = json.dumps(order, separators=(",", ":"))
    try:
        dynamodb.put_item(
            TableName=TABLE,
            Item={
                "executionName": {"S": name},
                "order": {"S": text},
                "expiresAt": {"N": str(int(time.time()) + KEPT)},
            },
            # The same order again is no conflict, whether it was sent twice or a crash came between
            # this write and the start of the execution.
            ConditionExpression="attribute_not_exists(executionName)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as there:
        if there.response["Item"]["order"]["S"] != text:
            raise AnotherOrder(name) from None


def claim(name: str, connection_id: str, connected_at: int, *, spend: str = "") -> dict[str, Any]:
    """Write down that this connection listens, and read what there is for it, in one step.

    The newest connection listens.  A function may run late, when its client has given this
    connection up and is back under a new id: it must not take that one's place.

    Args:
        name: the execution's name.
        connection_id: the connection; it takes the place of any older one.
        connected_at: when it began, ``connectedAt`` of its events, in milliseconds.
        spend: the nonce of a ticket to spend.  The same conditional write spends it and names the
            connection, so two handshakes with one ticket cannot both succeed.

    Returns:
        The item as it is now, in DynamoDB's form.

    Raises:
        NotClaimed: nothing was written.
    """
    values: dict[str, Any] = {
        ":mine": {"S": connection_id},
        ":at": {"N": str(connected_at)},
        ":until": {"S": _timestamp(time.time() + CONNECTION_LASTS)},
    }
    change = "SET connectionId = :mine, connectedAt = :at, connectedUntil = :until"
    condition = (
        "attribute_exists(executionName)"
        " AND (attribute_not_exists(connectedAt) OR connectedAt <= :at)"
    )
    if spend:
        values |= {":nonce": {"S": spend}, ":nonces": {"SS": [spend]}}
        change += " ADD usedTickets :nonces"
        condition += " AND NOT contains(usedTickets, :nonce)"
    try:
        answer = _update(
            name,
            change,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as refused:
        there: dict[str, Any] = refused.response.get("Item", {})
        if there.get("connectionId") == {"S": connection_id}:
            return there  # Written before: the function ran twice, or its call was sent again.
        raise NotClaimed(name, there) from None
    item: dict[str, Any] = answer["Attributes"]
    return item


def forget(name: str, connection_id: str) -> None:
    """Write down that this connection no longer listens.

    A ``$disconnect`` may come late, when the client is back under a new connection id: the
    condition keeps it from deleting that one.
    """
    try:
        _update(
            name,
            "REMOVE connectionId, connectedUntil",
            ConditionExpression="connectionId = :mine",
            ExpressionAttributeValues={":mine": {"S": connection_id}},
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        pass  # Somebody else listens by now, or nobody: there is nothing of ours to delete.


def report(name: str, message: dict[str, Any]) -> str | None:
    """Write the newest progress down, and read who listens, in one step.

    Returns:
        The id of the connection that listens, or ``None``.
    """
    answer = _update(
        name,
        "SET progress = :message",
        ExpressionAttributeValues={":message": {"S": json.dumps(message)}},
        ReturnValues="ALL_NEW",
    )
    return listener(answer["Attributes"])


def read(name: str) -> dict[str, Any]:
    """The item as it is now, in DynamoDB's form; empty if there is none."""
    answer = dynamodb.get_item(
        TableName=TABLE, Key={"executionName": {"S": name}}, ConsistentRead=True
    )
    item: dict[str, Any] = answer.get("Item", {})
    return item


def listener(item: dict[str, Any]) -> str | None:
    """Who listens, according to an item; a connection that must be over by now does not count."""
    if "connectionId" not in item or item["connectedUntil"]["S"] <= _timestamp(time.time()):
        return None
    return str(item["connectionId"]["S"])


def _update(name: str, change: str, **asked: Any) -> Any:
    """Update the item; again, while it is in a transaction such as that of ``DoWork``.

    DynamoDB refuses any other write to the item meanwhile, with ``TransactionConflictException``.
    Of all errors that pass, this is the one that botocore does not try again by itself.
    (DynamoDB developer guide, "Transaction conflict handling in DynamoDB".)
    """
    update = functools.partial(
        dynamodb.update_item,
        TableName=TABLE,
        Key={"executionName": {"S": name}},
        UpdateExpression=change,
        **asked,
    )
    for pause in PAUSES:
        try:
            return update()
        except dynamodb.exceptions.TransactionConflictException:
            # Drawn at random, so that those who wait do not meet again.
            time.sleep(random.uniform(0, pause))
    return update()


def _timestamp(epoch: float) -> str:
    # In this form timestamps sort as text, and a Choice state can compare them.
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
