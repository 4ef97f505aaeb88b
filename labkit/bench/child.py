"""A program of ours in a process of its own, which says in a line of JSON how far it is."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

from labkit.bench.program import SECONDS, Program, ProgramFailed


class Child(Program):
    """``python -m MODULE ARGUMENTS…``, which runs while a ``with`` block does.

    Args:
        module: the module to run.
        arguments: its command line.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        super().__init__([sys.executable, "-m", module, *arguments])
        self._module = module

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._module

    def ask(self) -> Any:
        """Send it an empty line; the line that it answers with, as JSON data.

        Raises:
            ProgramFailed: as :meth:`line`.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.line()

    def line(self, seconds: float = SECONDS) -> Any:
        """The next line that it prints, as JSON data.

        Raises:
            ProgramFailed: it ended, printed something else, or nothing within so many seconds.
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
            raise ProgramFailed(
                f"{self._module} said {text.strip()!r} within {seconds:g} s instead of a line of "
                "JSON; what it printed on standard error tells why."
            ) from None
