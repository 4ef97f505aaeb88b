"""Note that a connection has ended: one byte in the file that ``LEFT`` names."""

import os
from typing import Any

LEFT = os.open(os.environ["LEFT"], os.O_WRONLY | os.O_APPEND)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle ``$disconnect``."""
    os.write(LEFT, b".")  # a write of one byte with O_APPEND is whole, whoever else writes
    return {"statusCode": 200}
