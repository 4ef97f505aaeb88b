"""``$disconnect``: forget the connection.

AWS calls this "best effort": it may come late, when the client is back under a new id, or never.  So
it deletes only its own entry, and everything else works without it: entries expire, and whoever is
told 410 cleans up.
"""

from __future__ import annotations

from typing import Any

from . import connection, execution


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle the end of a connection."""
    connection_id = event["requestContext"]["connectionId"]
    name = connection.forget(connection_id)
    if name is not None:
        execution.forget(name, connection_id)
    return {"statusCode": 200}
