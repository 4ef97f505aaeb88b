"""Send the result of an order to whoever listens, as the pattern's last task."""

import json
import os
from typing import Any

import boto3

connections = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["ENDPOINT"])


def handler(event: dict[str, Any], context: object) -> None:
    """Handle ``{"connectionId": …, "message": …}``; a connection that is gone is an error."""
    connections.post_to_connection(
        ConnectionId=event["connectionId"], Data=json.dumps(event["message"]).encode()
    )
