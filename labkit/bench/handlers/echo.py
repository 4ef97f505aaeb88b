"""Send each message back through ``@connections``."""

import functools
from typing import Any

import boto3


@functools.cache
def connections(domain_name: str, stage: str) -> Any:
    """The client of the stage that the event came from."""
    return boto3.client("apigatewaymanagementapi", endpoint_url=f"https://{domain_name}/{stage}")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle a message of ``$default``."""
    where = event["requestContext"]
    connections(where["domainName"], where["stage"]).post_to_connection(
        ConnectionId=where["connectionId"], Data=event["body"].encode()
    )
    return {"statusCode": 200}
