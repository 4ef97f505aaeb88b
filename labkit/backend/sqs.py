"""SQS: long polling that lets other calls through."""

from __future__ import annotations

import functools
import time
from typing import Any

from labkit.backend import seam
from labkit.backend.replacement import Replacement

POLL = 0.02
"""Seconds between two looks into an empty queue."""


def _receive_message(original: Any) -> Any:
    @functools.wraps(original)
    def receive_message(
        self: Any, queue_name: str, count: int, wait_seconds_timeout: int, *args: Any, **kw: Any
    ) -> Any:
        deadline = time.monotonic() + (wait_seconds_timeout or 0)
        while True:
            found = original(self, queue_name, count, 0, *args, **kw)
            if found or time.monotonic() >= deadline or seam.here.executions.closed:
                return found
            with seam.here.giving_way():
                time.sleep(POLL)

    return receive_message


REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        "moto.sqs.models",
        "SQSBackend.receive_message",
        _receive_message,
        "moto would poll for up to 20 seconds while every other call waits",
    ),
)
