"""CPU time, memory and number of a process and its descendants, from Linux's ``/proc``.

Elsewhere nothing is measured: what would be a figure is ``None``.

Source: ``proc_pid_stat(5)`` and ``proc_pid_smaps(5)``.
"""

from __future__ import annotations

import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

QUIET = 0.05
"""The share of a core that a process at rest uses at most."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its descendants use.

    Attributes:
        cpu: seconds of CPU time, user and system, of all of them and of those that have ended.
        processes: how many there are, the process itself included.
    """

    cpu: float
    processes: int


def usage(pid: int) -> Usage | None:
    """What a process uses now, or ``None`` if it is gone or the system does not tell."""
    stats = {}
    for folder in _PROC.glob("[0-9]*"):
        try:
            # The name in parentheses may itself hold spaces and parentheses.
            _, _, rest = (folder / "stat").read_text().rpartition(") ")
        except OSError:
            continue  # it has ended meanwhile
        stats[int(folder.name)] = rest.split()
    if pid not in stats:
        return None
    children: dict[int, list[int]] = {}
    for child, fields in stats.items():
        children.setdefault(int(fields[1]), []).append(child)
    family = [pid]
    for member in family:
        family += children.get(member, [])
    # Fields 14 to 17 of the manual page: utime, stime and those of children that were waited for.
    ticks = sum(int(ticks) for member in family for ticks in stats[member][11:15])
    return Usage(ticks / _TICKS, len(family))


def memory(pid: int) -> int | None:
    """Bytes of memory that a process itself has in use (RSS), without its descendants.

    ``smaps_rollup`` counts pages; the figure in ``stat`` may lag behind by some hundred KB.
    """
    try:
        rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return None
    found = re.search(r"^Rss:\s+(\d+) kB$", rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


@dataclass(frozen=True, slots=True)
class Holding:
    """What a process holds at a moment.

    Attributes:
        memory: MB that it has in use itself (RSS).
        threads: its threads.
        descriptors: its open files and sockets.
        processes: how many it and its descendants are.
    """

    memory: float
    threads: int
    descriptors: int
    processes: int


def holding(pid: int) -> Holding | None:
    """What a process holds now, or ``None`` if it is gone or the system does not tell."""
    used, all_of_it = memory(pid), usage(pid)
    try:
        threads = len(os.listdir(_PROC / str(pid) / "task"))
        descriptors = len(os.listdir(_PROC / str(pid) / "fd"))
    except OSError:
        return None
    if used is None or all_of_it is None:
        return None
    return Holding(used / 1024 / 1024, threads, descriptors, all_of_it.processes)


def cpu_share(pid: int, seconds: float) -> float | None:
    """Watch a process and its descendants for so many seconds; percent of one core that they used."""
    before = usage(pid)
    began = time.perf_counter()
    time.sleep(seconds)
    after = usage(pid)
    if before is None or after is None:
        return None
    return 100 * (after.cpu - before.cpu) / (time.perf_counter() - began)


def settle(pid: int, seconds: float = 10.0) -> None:
    """Wait until a process does nothing any more, but no longer than so many seconds.

    A server that has just started loads this and that in the background; what is measured
    afterwards is not to share the machine with it.
    """
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        share = cpu_share(pid, 0.25)
        if share is None or share <= 100 * QUIET:
            return


class Watch:
    """Looks at a process ten times a second while a block runs.

    Attributes:
        processes: the most processes that were seen at a time; 0 where the system does not tell.
    """

    def __init__(self, pid: int, seconds: float = 0.1) -> None:
        self.processes = 0
        self._pid = pid
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="bench-watch", daemon=True)

    def _look(self) -> None:
        while True:
            if seen := usage(self._pid):
                self.processes = max(self.processes, seen.processes)
            if self._ended.wait(self._seconds):
                break

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
