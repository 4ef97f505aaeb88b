"""Times as API Gateway writes them, in any locale."""

from __future__ import annotations

import time

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def request_time(epoch_ms: int) -> str:
    """A time as events have it: ``09/Feb/2024:18:11:43 +0000``.

    Args:
        epoch_ms: milliseconds since the epoch.
    """
    t = time.gmtime(epoch_ms // 1000)
    return (
        f"{t.tm_mday:02}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year:04}"
        f":{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} +0000"
    )


def iso_8601(epoch_ms: int) -> str:
    """A time as the APIs answer it: ``2020-04-30T20:10:33.236Z``.

    Args:
        epoch_ms: milliseconds since the epoch.
    """
    t = time.gmtime(epoch_ms // 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", t) + f".{epoch_ms % 1000:03}Z"
