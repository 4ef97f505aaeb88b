"""Access logs of a stage: one line for each handshake, message and end of a connection.

Source: "Configure logging for a WebSocket API" in the Amazon API Gateway developer guide:
``AccessLogSettings`` has the ARN of a log group and a format, which is text with ``$context`` variables and
"must include at least ``$context.requestId`` or ``$context.extendedRequestId``".

Our choices: a variable that has no value is ``-``; ``status`` is 200 for what succeeded; all lines of a
stage go to one log stream of its name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

from labkit.apigateway.json_path import MISSING
from labkit.apigateway.model import Stage
from labkit.apigateway.selection import member, text

_VARIABLE = re.compile(r"\$context((?:\.[A-Za-z_][\w-]*)+)")
_GROUP = re.compile(
    r"^arn:aws[a-z-]*:logs:(?P<region>[^:]+):(?P<account>\d{12}):log-group:(?P<group>[^:]+)(?::\*)?$"
)

Lines = list[tuple[int, str]]
Write = Callable[[str, str, str, str, Lines], None]


def line(form: str, context: Mapping[str, Any]) -> str:
    """A line of an access log.

    Args:
        form: the stage's format.
        context: the members of ``$context``.
    """

    def value(found: re.Match[str]) -> str:
        seen = member(context, found[1][1:].split("."))
        return "-" if seen is MISSING or seen is None or seen == "" else text(seen)

    return _VARIABLE.sub(value, form).rstrip("\n")


class AccessLogs:
    """Writes the access logs of all stages, without making anybody wait.

    Args:
        write: writes to CloudWatch Logs from any thread: account, region, group, stream and pairs of
            milliseconds since the epoch and line.
        warn: writes a ``cloud.warning``.
    """

    def __init__(self, *, write: Write, warn: Callable[[str], None]) -> None:
        self._write = write
        self._warn = warn
        self._pending: dict[tuple[str, str, str, str], Lines] = {}
        self._writing: asyncio.Task[None] | None = None

    def record(self, stage: Stage, context: Mapping[str, Any], now: int) -> None:
        """Note a request, if the stage has an access log.

        Args:
            stage: the stage that was asked.
            context: the members of ``$context``, with ``status``.
            now: milliseconds since the epoch.
        """
        settings = stage.settings.raw.get("AccessLogSettings")
        if not settings or not settings.get("format"):
            return
        destination = str(settings.get("destinationArn") or "")
        group = _GROUP.match(destination)
        if group is None:
            self._warn(
                f"Stage {stage.name}: the access log's DestinationArn {destination!r} names no log "
                "group. It looks like arn:aws:logs:REGION:ACCOUNT:log-group:NAME."
            )
            return
        key = (group["account"], group["region"], group["group"], f"{stage.api.id}/{stage.name}")
        self._pending.setdefault(key, []).append((now, line(settings["format"], context)))
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._drain())

    async def stop(self) -> None:
        """Wait until all is written."""
        if self._writing is not None:
            await self._writing

    async def _drain(self) -> None:
        try:
            while self._pending:
                key, lines = self._pending.popitem()
                await asyncio.to_thread(self._write, *key, lines)
        except Exception as error:
            self._warn(f"An access log could not be written: {error}")
        finally:
            self._writing = None
