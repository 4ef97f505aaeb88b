"""How Step Functions writes a time."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(moment: datetime | str) -> str:
    """A time as in the context object: ``2026-11-24T08:00:00.000Z``.

    Args:
        moment: with a time zone, or as text of ISO 8601.
    """
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
