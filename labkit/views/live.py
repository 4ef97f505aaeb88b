"""A view that follows what happens, in the cell that showed it.

Nobody waits for it and nobody pays for it: a thread looks at the log ten times a second, draws only
when something has happened, and draws the more rarely the longer a drawing takes, so that all its
frames together take no more than :data:`SHARE` of a core.  It never prints: a frame is an update of one
display, which reaches its own cell from any thread.

When nothing happens any more, and at the end of each cell, it shows the picture in the form that a
notebook keeps.  A program that runs a notebook (nbclient, nbval) therefore stores what was there at the
end of a cell.  Under ``LABKIT_STILL=1`` a live view is shown once, at the end of its cell: nbval
compares outputs one by one and knows no updates.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from labkit.eventlog import EventLog
from labkit.views.view import View

STILL_VARIABLE = "LABKIT_STILL"

FRAME = 0.1
"""Seconds between two frames, at least."""

SHARE = 0.03
"""Part of a core that drawing may take."""

QUIET = 0.5
"""Seconds without an event after which the picture is shown in its lasting form."""


def is_still() -> bool:
    """Whether what is shown is only to be stored or compared; nobody looks on."""
    return os.environ.get(STILL_VARIABLE, "") not in ("", "0")


class Display(Protocol):
    """Where a view is shown: :class:`IPython.display.DisplayHandle` is one."""

    def display(self, obj: Any, **kwargs: Any) -> None:
        """Show it for the first time."""

    def update(self, obj: Any, **kwargs: Any) -> None:
        """Put it in the place of what is shown."""


class Live:
    """A view that follows the log.  It is there until :meth:`close`, or until the lab stops.

    Args:
        log: what is followed.
        draw: draws the view of what has happened so far; called from a thread, one call at a time.
        display: where it is shown.
        still: show it once only, when :meth:`settle` is called.
        version: what is another whenever there may be something new to draw; the number of the log's
            newest event if not given.
        clock: a thread's own seconds of work, for what a drawing costs.
    """

    def __init__(
        self,
        log: EventLog,
        draw: Callable[[], View],
        display: Display,
        *,
        still: bool = False,
        version: Callable[[], object] | None = None,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._log = log
        self._draw = draw
        self._display = display
        self._still = still
        self._version = version or (lambda: log.last)
        self._clock = clock
        self._drawing = threading.Lock()
        self._closed = threading.Event()
        self._drawn: object = None  # the version that is in the picture
        self._shown = ""
        self._view: View | None = None
        self.frames = 0
        cost = 0.0 if still else self._frame(lasting=True)
        self._thread = threading.Thread(
            target=self._follow, args=[cost], name="labkit-view", daemon=True
        )
        if not still:
            self._thread.start()

    @property
    def view(self) -> View:
        """The view of what has happened so far."""
        return self._draw()

    @property
    def text(self) -> str:
        """Its twin in plain text."""
        return self.view.text

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        state = "closed" if self._closed.is_set() else "open"
        return f"<live view, {state}, {self.frames} frames>"

    def _ipython_display_(self) -> None:
        """Nothing: it is shown already, where it was made."""

    def settle(self) -> None:
        """Show the newest picture now, in the form that a notebook keeps; a still view for good."""
        if not self._closed.is_set():
            self._frame(lasting=True)
            if self._still:
                self._closed.set()

    def close(self) -> None:
        """Show the last picture and follow no longer; a second call does nothing."""
        if not self._closed.is_set():
            self.settle()
            self._closed.set()
            if self._thread.is_alive() and self._thread is not threading.current_thread():
                self._thread.join(timeout=5)

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _follow(self, cost: float) -> None:
        pause, changed = max(FRAME, cost / SHARE), time.monotonic()
        settled = True
        while not self._closed.wait(pause):
            if self._version() != self._drawn:
                cost = self._frame(lasting=False)
                pause = max(FRAME, cost / SHARE)
                changed, settled = time.monotonic(), False
            elif not settled and time.monotonic() - changed >= QUIET:
                self._frame(lasting=True)
                pause, settled = FRAME, True

    def _frame(self, *, lasting: bool) -> float:
        """Draw and show.

        Returns:
            Seconds of work that it took.
        """
        with self._drawing:
            if self._closed.is_set():
                return 0.0
            began = self._clock()
            upto = self._version()
            if upto != self._drawn or self._view is None:
                try:
                    self._view = self._draw()
                except Exception as error:
                    # A thread raises nothing: the log has it, and whoever reads the view sees it.
                    self._log.append(
                        "cloud.error",
                        message=f"A view failed: {type(error).__name__}: {error}",
                        detail="",
                    )
                    self._closed.set()
                    return 0.0
                self._drawn = upto
            html = self._view.html if lasting else self._view.moving
            if html != self._shown:
                bundle = {"text/plain": self._view.text, "text/html": html}
                show = self._display.update if self._shown else self._display.display
                show(bundle, raw=True)
                self._shown = html
                self.frames += 1
            return self._clock() - began


class Gallery:
    """The live views that are open.  One of each name: showing it again closes the one before."""

    def __init__(self) -> None:
        self._open: dict[str, Live] = {}
        self._hooked = False

    def show(
        self,
        name: str,
        log: EventLog,
        draw: Callable[[], View],
        version: Callable[[], object] | None = None,
    ) -> Live:
        """Show a live view in the cell that runs.

        Args:
            name: what it shows; a view of the same name is closed.
            log: what it follows.
            draw: draws it.
            version: as for :class:`Live`.
        """
        from IPython.display import DisplayHandle

        if before := self._open.pop(name, None):
            before.close()
        self._hook()
        live = Live(log, draw, DisplayHandle(), still=is_still(), version=version)
        self._open[name] = live
        return live

    def settle(self, *_: object) -> None:
        """Show all of them as they are now; called at the end of each cell."""
        for live in list(self._open.values()):
            live.settle()

    def close(self) -> None:
        """Close all of them."""
        while self._open:
            self._open.popitem()[1].close()

    def _hook(self) -> None:
        from IPython import get_ipython

        shell = get_ipython()
        if shell is not None and not self._hooked:
            shell.events.register("post_run_cell", self.settle)
            self._hooked = True
