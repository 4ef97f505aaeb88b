"""A program in a process of its own, which has ended when the block ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from labkit.bench.interrupt import held_back
from labkit.errors import LabError

SECONDS = 60.0
"""How long a program may take to get ready, or to end by itself."""

LAST_SECONDS = 15.0
"""How long it may take to end when it is told to."""

POLL = 0.02
"""Seconds between two looks at a program that is not ready yet."""

_TOLD = 1_500


class ProgramFailed(LabError):
    """A program ended, or was not ready in time."""


class Program:
    """A command, which runs while a ``with`` block does.

    It leads a process group of its own, so that Ctrl-C in a terminal reaches the bench alone, which
    then ends its programs in order.  What is left of the group afterwards is killed.

    Args:
        command: the program and its arguments.
        output: a file for all that it prints; without one it says it to whoever reads
            ``self._process.stdout``, and its errors to standard error.
        folder: where it runs; here if not given.
        environment: its environment variables; this process's if not given.

    Attributes:
        started: when it was started, by ``time.perf_counter()``.
        pid: its process id.
    """

    started: float
    pid: int

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: Path | None = None,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = list(command)
        self._output = output
        self._folder = folder
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return Path(self._command[0]).name

    def until(self, ready: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Wait until the program is ready.

        Args:
            ready: says whether it is; an ``OSError`` of it counts as no.
            seconds: how long it may take.

        Raises:
            ProgramFailed: it has ended, or is not ready after so many seconds.
        """
        assert self._process is not None
        deadline = time.perf_counter() + seconds
        while self._process.poll() is None and time.perf_counter() < deadline:
            with contextlib.suppress(OSError):
                if ready():
                    return
            time.sleep(POLL)
        status = self._process.poll()
        what = f"is not ready after {seconds:g} s" if status is None else f"ended with {status}"
        raise ProgramFailed(f"{self.name} {what}. It said last: {self._said()!r}")

    def _said(self) -> str:
        if self._output is None:
            return ""
        return self._output.read_text("utf-8", errors="replace")[-_TOLD:]

    def wait(self, seconds: float = SECONDS) -> None:
        """Wait until it has ended by itself.

        Raises:
            ProgramFailed: it has not ended within so many seconds, or not well.
        """
        assert self._process is not None
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"{self.name} did not end within {seconds:g} s.") from None
        if status:
            raise ProgramFailed(f"{self.name} ended with status {status}.")

    def kill(self) -> None:
        """End it at once; the system closes its sockets."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        try:
            with held_back(), contextlib.ExitStack() as opened:
                output = (
                    subprocess.PIPE
                    if self._output is None
                    else opened.enter_context(self._output.open("w"))
                )
                self.started = time.perf_counter()
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=None if self._output is None else subprocess.STDOUT,
                    text=True,
                    cwd=self._folder,
                    env=self._environment,
                    process_group=0 if os.name == "posix" else None,
                )
                self.pid = self._process.pid
            return self
        except KeyboardInterrupt:
            self._end()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        """End it in order, or at once if it takes too long."""
        process = self._process
        if process is None:
            return
        try:
            if process.poll() is None:
                process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
            process.wait(LAST_SECONDS)
        except BaseException as error:  # Ctrl-C while it ends must not leave it behind
            self.kill()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
        finally:
            if os.name == "posix":
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


def free_port() -> int:
    """A port of this machine that nobody uses now, for a program that has to be told one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
