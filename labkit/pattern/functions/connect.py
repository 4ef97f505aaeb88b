"""``$connect``: let the holder of a ticket in, once, and write down who listens.

Nothing is sent from here.  The handshake is still under way while this runs, and API Gateway answers
410 to a message for a connection that does not exist yet; what waits for the client is delivered on
its first message, by ``subscribe``.
"""

from __future__ import annotations

import time
from typing import Any

from . import connection, execution
from .secret import signing_key
from .ticket import Expired, Forged, Ticket


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer the handshake: 200, 401 without a ticket of ours, 403 if it is over."""
    # The query is absent, not empty, if the URL has none.
    query = event.get("queryStringParameters") or {}
    try:
        ticket = Ticket.verify(query.get("ticket", ""), signing_key(), time.time())
    except Forged:
        return {"statusCode": 401}
    except Expired:
        return {"statusCode": 403}

    connection_id = event["requestContext"]["connectionId"]
    connected_at = event["requestContext"]["connectedAt"]
    # In this order: a connection that is named without having an item would be deaf.  The item of one
    # that is refused leads nobody anywhere, and expires.  It is not deleted here: this may be a second
    # run for a handshake that the first has let in.
    connection.remember(connection_id, ticket.execution)
    try:
        execution.claim(ticket.execution, connection_id, connected_at, spend=ticket.nonce)
    except execution.NotClaimed:
        return {"statusCode": 403}
    return {"statusCode": 200}
