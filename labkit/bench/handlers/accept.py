"""Accept every connection."""

from typing import Any


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle ``$connect``."""
    return {"statusCode": 200}
