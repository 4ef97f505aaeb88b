"""Answers whose cell did not run to its end, so that a check would judge what they were before.

A cell with a syntax error runs not at all, and one that raises only as far as the error.  What its
names meant before, they mean still, and a check cell below it runs as if nothing had happened.  So the
notebook's shell is watched: of a cell that failed, those names are remembered that it would have given
a value and did not, until a cell gives them one.

The file of a ``%%handler`` cell outlives the kernel, and another lesson may write one of the same name.
A check takes it only if a cell of its own notebook wrote it, in this kernel.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from labkit.errors import LabError
from labkit.handler_magic import handlers_folder, is_ours

_BINDS = re.compile(
    r"^(?:(?:async\s+)?def\s+|class\s+)(\w+)|^(\w+)\s*(?::[^=\n]+)?=(?!=)", re.MULTILINE
)

_watched: weakref.WeakSet[Any] = weakref.WeakSet()
_before: dict[str, Any] = {}
_left: dict[str, tuple[Any, str]] = {}
"""By the name: the value that it had before the cell that failed, and how that failed."""


class NotRun(LabError):
    """The cell with the answer failed or did not run: the answer is not what the notebook shows."""

    def _render_traceback_(self) -> list[str]:
        # IPython shows this instead of the frames of the lab's own machinery, which say nothing here.
        return [f"{type(self).__name__}: {self}"]


def watch(ipython: Any) -> None:
    """Remember from now on which names a failed cell leaves as they were.

    Args:
        ipython: the notebook's shell.
    """
    if ipython in _watched:
        return
    _watched.add(ipython)

    def begins(info: Any) -> None:
        names = ipython.user_ns
        _before.clear()
        _before.update((name, names[name]) for name in bound(info.raw_cell) if name in names)

    def ended(result: Any) -> None:
        error = result and (result.error_before_exec or result.error_in_exec)
        for name, value in _before.items():
            if error and ipython.user_ns.get(name) is value:
                _left[name] = (value, _in_words(error))
            else:
                _left.pop(name, None)
        _before.clear()

    ipython.events.register("pre_run_cell", begins)
    ipython.events.register("post_run_cell", ended)


def refuse(answer: Sequence[Any]) -> None:
    """Refuse an answer whose cell failed or did not run.

    Args:
        answer: what was given to ``check``.

    Raises:
        NotRun: it says which cell, and how it failed.
    """
    for file in answer:
        if isinstance(file, Path) and file.parent == handlers_folder() and not is_ours(file):
            raise NotRun(
                f"{file.name} is not what a cell of this notebook wrote: the cell has not run since the "
                "kernel started, or a cell of another notebook has written a file of the same name "
                f"since. Run the cell that begins with '%%handler {file.stem}', then this one again."
            )
    for name, (value, error) in _left.items():
        if any(part is value for part in answer):
            raise NotRun(
                f"{name} is still what it was before you changed its cell: when that ran last, it "
                f"stopped with {error}. Mend the cell, run it, then run this one again."
            )


def bound(cell: str) -> Iterable[str]:
    """The names that the lines of a cell give a value, whether or not it is Python.

    Args:
        cell: its text.
    """
    return {function or variable for function, variable in _BINDS.findall(cell)}


def _in_words(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__} in line {error.lineno}: {error.msg}"
    return f"{type(error).__name__}: {error}".partition("\n")[0]
