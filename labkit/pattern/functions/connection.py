"""A connection: which execution it was opened for, and how to send it something.

The item is written by ``$connect`` and read by every later event of the connection: a MESSAGE and a
DISCONNECT carry neither the URL nor its ticket, and what a client says about itself proves nothing.
"""

from __future__ import annotations

import functools
import json
import os
import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from . import execution

dynamodb = boto3.client("dynamodb")

TABLE = os.environ["CONNECTIONS_TABLE"]


def remember(connection_id: str, execution_name: str) -> None:
    """Write the connection down; DynamoDB deletes it if ``$disconnect`` never comes."""
    dynamodb.put_item(
        TableName=TABLE,
        Item={
            "connectionId": {"S": connection_id},
            "executionName": {"S": execution_name},
            # Time to live is given in epoch seconds.  In milliseconds it would be in some 50,000
            # years, and DynamoDB would keep the item without a word.
            "expiresAt": {"N": str(int(time.time()) + execution.CONNECTION_LASTS)},
        },
    )


def execution_of(connection_id: str) -> str | None:
    """The execution that the connection was opened for, or ``None`` if it is over."""
    answer = dynamodb.get_item(
        TableName=TABLE, Key={"connectionId": {"S": connection_id}}, ConsistentRead=True
    )
    item = answer.get("Item")
    # DynamoDB deletes an expired item within days, not at once: whoever reads it must look.
    if item is None or int(item["expiresAt"]["N"]) <= time.time():
        return None
    return str(item["executionName"]["S"])


def forget(connection_id: str) -> str | None:
    """Delete the connection; the execution that it was opened for, or ``None``."""
    answer = dynamodb.delete_item(
        TableName=TABLE, Key={"connectionId": {"S": connection_id}}, ReturnValues="ALL_OLD"
    )
    item = answer.get("Attributes")
    return str(item["executionName"]["S"]) if item else None


def deliver(endpoint: str, connection_id: str, message: str) -> bool:
    """Send a message to the connection, as well as can be.

    The order does not depend on it: whatever goes wrong here is logged, and the message stays in
    the execution's item for the client's next ``subscribe``.  A connection that is gone is not
    forgotten here.  410 is also the answer while its handshake is under way, and by the time that
    it were deleted it might live; ``Notify`` may do so, since it comes after the result.

    Args:
        endpoint: the WebSocket API's address for ``@connections``.
        connection_id: the connection.
        message: JSON.

    Returns:
        Whether API Gateway took the message.
    """
    api = _management_api(endpoint)
    try:
        api.post_to_connection(ConnectionId=connection_id, Data=message.encode())
        return True
    except api.exceptions.GoneException:
        print(json.dumps({"event": "connection gone", "connection": connection_id}))
    except (ClientError, BotoCoreError) as error:
        print(json.dumps({"event": "message not sent", "error": str(error)}))
    return False


def endpoint_of(event: dict[str, Any]) -> str:
    """The address for ``@connections`` of the API and stage that an event came through."""
    context = event["requestContext"]
    return f"https://{context['domainName']}/{context['stage']}"


@functools.cache
def _management_api(endpoint: str) -> Any:
    # "standard" tries again after 429 and 5xx, and never after 410.
    config = Config(
        connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3}
    )
    return boto3.client("apigatewaymanagementapi", endpoint_url=endpoint, config=config)
