"""A limit for code that may not end, such as a loop that an answer has got wrong."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Endless(KeyboardInterrupt):
    """Code that was ended because it ran for too long; checks let an interrupt through."""


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Interrupt a block that runs too long, where the system can: on the main thread, not on Windows.

    Args:
        seconds: after which it is too long.

    Raises:
        Endless: within the block.
    """
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def end(*_: object) -> None:
        raise Endless

    # A test's own limit uses the same timer; it goes on where it was.
    begun = time.monotonic()
    handler = signal.signal(signal.SIGALRM, end)
    rest, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if rest:
            left = rest - (time.monotonic() - begun)
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.001), interval)
