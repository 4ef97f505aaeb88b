"""Functions for ``$connect``, two of them right, each other with one fault.

One function has them all, and the header ``Variant`` of the handshake says which one answers.  It is
packaged by the check of exercise 3.5, and runs in a process of its own.
"""

from __future__ import annotations

import math
import os
import time
from typing import Any

import boto3

dynamodb = boto3.client("dynamodb")
EXECUTIONS = os.environ["EXECUTIONS_TABLE"]
CONNECTIONS = os.environ["CONNECTIONS_TABLE"]
Failed = dynamodb.exceptions.ConditionalCheckFailedException
TWO_HOURS = 2 * 3600


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    """Let a variant answer."""
    variant = globals()[event["headers"]["Variant"]]
    name = (event.get("queryStringParameters") or {}).get("execution")
    if not name and variant is not crashes:
        return {"statusCode": 400}
    return {"statusCode": variant(event, event["requestContext"]["connectionId"], name)}


# -- right ----------------------------------------------------------------------------------------


def put_first(event: dict[str, Any], me: str, name: str) -> int:
    """Takes its item back if there is no such execution."""
    put(me, name)
    try:
        update(me, name)
    except Failed:
        delete(me)
        return 403
    return 200


def update_first(event: dict[str, Any], me: str, name: str) -> int:
    """Has nothing to take back; rounds the time up, and writes one attribute more."""
    try:
        update(me, name)
    except Failed:
        return 403
    put(me, name, math.ceil(time.time()) + TWO_HOURS, stage={"S": "prod"})
    return 204


# -- wrong ----------------------------------------------------------------------------------------


def crashes(event: dict[str, Any], me: str, name: str) -> int:
    """Takes the query for granted."""
    return put_first(event, me, event["queryStringParameters"]["execution"])


def lets_in(event: dict[str, Any], me: str, name: str) -> int:
    """Makes the execution's item if there is none."""
    put(me, name)
    update(me, name, condition="")
    return 200


def leaves(event: dict[str, Any], me: str, name: str) -> int:
    """Forgets the connection's item when it refuses."""
    put(me, name)
    try:
        update(me, name)
    except Failed:
        return 403
    return 200


def milliseconds(event: dict[str, Any], me: str, name: str) -> int:
    """Gives the time in milliseconds."""
    put(me, name, int(time.time() * 1000) + TWO_HOURS * 1000)
    try:
        update(me, name)
    except Failed:
        delete(me)
        return 403
    return 200


def posts(event: dict[str, Any], me: str, name: str) -> int:
    """Greets the client before the connection exists."""
    request = event["requestContext"]
    endpoint = f"https://{request['domainName']}/{request['stage']}"
    api = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)
    try:
        api.post_to_connection(ConnectionId=me, Data=b"welcome")
    except api.exceptions.GoneException:
        print("gone")
    return put_first(event, me, name)


def forgets(event: dict[str, Any], me: str, name: str) -> int:
    """Writes no item of the connection."""
    try:
        update(me, name)
    except Failed:
        return 403
    return 200


def deaf(event: dict[str, Any], me: str, name: str) -> int:
    """Looks whether the execution exists, and does not write down who listens."""
    found = dynamodb.get_item(
        TableName=EXECUTIONS, Key={"executionName": {"S": name}}, ConsistentRead=True
    )
    if "Item" not in found:
        return 403
    put(me, name)
    return 200


def locks_out(event: dict[str, Any], me: str, name: str) -> int:
    """Lets only the first connection listen."""
    put(me, name)
    try:
        update(me, name, "attribute_exists(executionName) AND attribute_not_exists(connectionId)")
    except Failed:
        delete(me)
        return 403
    return 200


# -- what they do ---------------------------------------------------------------------------------


def put(me: str, name: str, expires: int = 0, **more: dict[str, str]) -> None:
    """Write the connection's item."""
    expires = expires or int(time.time()) + TWO_HOURS
    item = {"executionName": {"S": name}, "expiresAt": {"N": str(expires)}, **more}
    dynamodb.put_item(TableName=CONNECTIONS, Item={"connectionId": {"S": me}, **item})


def delete(me: str) -> None:
    """Delete the connection's item."""
    dynamodb.delete_item(TableName=CONNECTIONS, Key={"connectionId": {"S": me}})


def update(me: str, name: str, condition: str = "attribute_exists(executionName)") -> None:
    """Write into the execution's item who listens."""
    dynamodb.update_item(
        TableName=EXECUTIONS,
        Key={"executionName": {"S": name}},
        UpdateExpression="SET connectionId = :me",
        ExpressionAttributeValues={":me": {"S": me}},
        **({"ConditionExpression": condition} if condition else {}),
    )
