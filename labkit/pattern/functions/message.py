"""The messages that a client receives, and why it can tell a duplicate.  No I/O.

    {"id": "order-4f1c…#3", "execution": "order-4f1c…", "sequence": 3,
     "type": "result", "body": {"status": "accepted", …}}

The same step always has the same sequence number, also when it runs twice.  So whatever is sent
again (a task that Step Functions retries, a stored result that ``subscribe`` and ``Notify`` both
deliver) has the id it had before, and a client that keeps the highest sequence number it has seen
needs nothing else to drop it.
"""

from __future__ import annotations

from typing import Any

PRICED, RESERVED, RESULT = 1, 2, 3
"""The sequence numbers: two steps of the work, then the result, which is always the last."""


def progress(execution: str, sequence: int, **body: Any) -> dict[str, Any]:
    """A message that tells how far the work is."""
    return _message(execution, sequence, "progress", body)


def result(execution: str, status: str, **body: Any) -> dict[str, Any]:
    """The message that ends it; ``status`` is ``accepted``, ``rejected`` or ``failed``."""
    return _message(execution, RESULT, "result", {"status": status, **body})


def _message(execution: str, sequence: int, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{execution}#{sequence}",
        "execution": execution,
        "sequence": sequence,
        "type": kind,
        "body": body,
    }
