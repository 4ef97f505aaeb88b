"""A program of ours in a process of its own, which says in a line of JSON how far it is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Any

from labkit.bench.interrupt import held_back
from labkit.errors import LabError

SECONDS = 60.0
"""How long a program may take to say its next line."""

LAST_SECONDS = 15.0
"""How long it may take to end."""


class ChildFailed(LabError):
    """A program ended, or said nothing in time."""


class Child:
    """``python -m MODULE ARGUMENTS…``, which runs while a ``with`` block does.

    It leads a process group of its own, so that Ctrl-C in a terminal reaches the bench alone, which
    then ends its children in order.

    Args:
        module: the module to run.
        arguments: its command line.

    Attributes:
        started: when it was started, by ``time.perf_counter()``.
        pid: its process id.
    """

    started: float
    pid: int

    def __init__(self, module: str, *arguments: str) -> None:
        self._module = module
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None

    def line(self, seconds: float = SECONDS) -> Any:
        """The next line that it prints, as JSON data.

        Raises:
            ChildFailed: it ended, printed something else, or nothing within so many seconds.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        # A pipe cannot be read with a time-out on every system; a process can be killed on all.
        watchdog = threading.Timer(seconds, self._process.kill)
        watchdog.start()
        try:
            text = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        try:
            return json.loads(text)
        except ValueError:
            raise ChildFailed(
                f"{self._module} said {text.strip()!r} within {seconds:g} s instead of a line of "
                "JSON; what it printed on standard error tells why."
            ) from None

    def wait(self, seconds: float = SECONDS) -> None:
        """Wait until it has ended by itself.

        Raises:
            ChildFailed: it has not ended within so many seconds, or not well.
        """
        assert self._process is not None
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ChildFailed(f"{self._module} did not end within {seconds:g} s.") from None
        if status:
            raise ChildFailed(f"{self._module} ended with status {status}.")

    def kill(self) -> None:
        """End it at once; the system closes its sockets."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Child:
        try:
            with held_back():
                self.started = time.perf_counter()
                self._process = subprocess.Popen(
                    [sys.executable, "-m", self._module, *self._arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
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
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
