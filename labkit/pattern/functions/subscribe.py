"""``subscribe``: the client's first message.  Deliver what is stored.

The connection is written down again, although ``$connect`` did so: between the two, ``Notify`` may
have tried to send the result, been told 410 since the handshake was still under way, and deleted the
entry.  After this write the connection is live *and* known, so a result that is stored later will be
sent to it, and one that was stored earlier is in the item that the same write returns.
"""

from __future__ import annotations

from typing import Any

from . import connection, execution


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle the message ``{"action": "subscribe"}``."""
    connection_id = event["requestContext"]["connectionId"]
    # Whom a connection listens to was settled by its ticket; the message has no say in it.
    name = connection.execution_of(connection_id)
    if name is None:
        return {"statusCode": 403}
    try:
        item = execution.claim(name, connection_id, event["requestContext"]["connectedAt"])
    except execution.NotClaimed as newer:
        item = newer.item  # Another connection listens; this one may still hear what is stored.
    stored = item.get("result") or item.get("progress")
    if stored:
        connection.deliver(connection.endpoint_of(event), connection_id, stored["S"])
    return {"statusCode": 200}
