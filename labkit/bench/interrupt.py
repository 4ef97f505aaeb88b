"""Ctrl-C, held back for the moments in which it would leave something behind.

Python raises ``KeyboardInterrupt`` between any two instructions.  Between the start of a process and the
note of who is to end it, that would leave the process for ever.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_holding = 0
_struck = False


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` within the block when the process is to end, by whichever signal.

    Call it in the main thread.
    """
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), _strike) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


@contextmanager
def held_back() -> Iterator[None]:
    """Raise no ``KeyboardInterrupt`` before the end of the block.

    Nothing is held back outside of :func:`interruptible`.
    """
    global _holding, _struck
    _holding += 1
    try:
        yield
    finally:
        _holding -= 1
    if _struck and not _holding:
        _struck = False
        raise KeyboardInterrupt


def _strike(number: int, frame: FrameType | None) -> None:
    global _struck
    if not _holding:
        raise KeyboardInterrupt
    _struck = True
