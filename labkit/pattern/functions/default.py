"""``$default``: a message that no route is for.  Tell the client what it can send."""

from __future__ import annotations

import json
from typing import Any

from . import connection

HELP = json.dumps(
    {"type": "help", "body": {"message": 'Send {"action": "subscribe"} to receive your order.'}}
)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer any message."""
    connection_id = event["requestContext"]["connectionId"]
    if connection.execution_of(connection_id) is not None:
        connection.deliver(connection.endpoint_of(event), connection_id, HELP)
    return {"statusCode": 200}
