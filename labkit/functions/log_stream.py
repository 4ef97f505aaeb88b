"""A function's log: from the bytes of a pipe to events in CloudWatch Logs.

A log stream belongs to one process, as on AWS, where it belongs to one execution environment, and is
named ``2026/11/24/[$LATEST]<32 hex digits>``.

Sources: "Using CloudWatch Logs with Lambda" in the AWS Lambda developer guide.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

TAIL = 4096
"""Bytes of the log that ``LogResult`` holds."""

WriteLogs = Callable[[str, str, str, str, list[tuple[int, str]]], None]
"""``(account, region, group, stream, [(epoch milliseconds, message)])``; may block."""


def stream_name(version: str, now: float) -> str:
    """A new log stream's name.

    Args:
        version: the function's version.
        now: seconds since the epoch.
    """
    day = time.strftime("%Y/%m/%d", time.gmtime(now))
    return f"{day}/[{version}]{os.urandom(16).hex()}"


def tail(lines: list[str]) -> bytes:
    """The last 4 KB of an invocation's log."""
    return "".join(f"{line}\n" for line in lines).encode()[-TAIL:]


class Lines:
    """Cuts a process's output into log events, one a line.

    A carriage return within a line is a line break within the event; AWS's runtime writes errors and
    records of several lines that way.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""

    def feed(self, data: bytes) -> list[str]:
        """Take in output; returns the lines that are complete."""
        *lines, self._rest = (self._rest + self._decode(data)).split("\n")
        return [event(line) for line in lines]

    def finish(self) -> list[str]:
        """The line that has no end yet, if there is one."""
        rest, self._rest = self._rest, ""
        return [event(rest)] if rest else []


def event(line: str) -> str:
    """A line of output as a log event's message."""
    return line.rstrip("\r").replace("\r", "\n")


@dataclass(frozen=True, slots=True)
class LogStream:
    """Where a process's log goes."""

    account: str
    region: str
    group: str
    name: str


class LogWriter:
    """Writes log events in batches, from a thread, so that nothing waits for CloudWatch Logs.

    Args:
        write: writes a batch; called in a thread, never twice at a time.
        pause: seconds in which events are collected before a batch is written.
    """

    def __init__(self, write: WriteLogs, pause: float = 0.05) -> None:
        self._write = write
        self._pause = pause
        self._pending: dict[LogStream, list[tuple[int, str]]] = {}
        self._task: asyncio.Task[None] | None = None
        self.problem: Callable[[Exception], None] = lambda _: None
        """Told of a batch that could not be written."""

    def add(self, stream: LogStream, messages: list[str]) -> None:
        """Add events, now, to a stream; each message ends with a line break, as on AWS."""
        now = int(time.time() * 1000)
        events = self._pending.setdefault(stream, [])
        events += [(now, f"{message}\n") for message in messages]
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._flush(self._pause))

    async def flush(self) -> None:
        """Write everything that has been added; returns when it is written."""
        if self._task is not None:
            await self._task
        await self._flush(0)

    async def _flush(self, pause: float) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            # Also between batches: each one costs a change of threads, however small it is.
            if pause:
                await asyncio.sleep(pause)
            batch, self._pending = self._pending, {}
            await loop.run_in_executor(None, self._write_batch, batch)

    def _write_batch(self, batch: dict[LogStream, list[tuple[int, str]]]) -> None:
        for stream, events in batch.items():
            try:
                self._write(stream.account, stream.region, stream.group, stream.name, events)
            except Exception as error:  # a log that cannot be written must not stop a function
                self.problem(error)
