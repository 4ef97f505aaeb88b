"""Idle connections: what it takes to open them, to hold them, and to lose all of them at once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.bench.child import Child
from labkit.bench.client import Client
from labkit.bench.holder import SECONDS
from labkit.bench.measurement import Quantity
from labkit.bench.peer import Peer
from labkit.bench.process_tree import Watch, cpu_share, memory, settle, usage


@dataclass(frozen=True, slots=True)
class Idle:
    """Connections of another process, which is killed in the end.

    Attributes:
        connections: how many.
        watched: seconds for which CPU time is watched while nothing happens.
    """

    connections: int
    watched: float = 2.0

    lab_alone = False

    @property
    def name(self) -> str:
        """What ``--only`` calls it."""
        return f"idle-{self.connections}"

    @property
    def quantities(self) -> Sequence[Quantity]:
        """The figures of one run."""
        return (
            Quantity("open", f"{self.connections:,} connections opened, with $connect", "s"),
            Quantity("cpu", "CPU time of it, all processes", "s"),
            Quantity("memory", "memory for each", "KB"),
            Quantity("idle", "CPU while they idle", "% of a core"),
            Quantity("lost", "all lost at once, until the last $disconnect has run", "s"),
            Quantity("processes", "processes at a time, at most", ""),
            Quantity("afterwards", "CPU afterwards", "% of a core"),
        )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once, with a fresh server."""
        measured: dict[str, float | None] = {}
        with peer.serve() as system:
            url, left = system.deploy_watched()
            # One connection comes and goes, so that what is shared is not counted as theirs.
            with Client(url):
                pass
            _wait_for_size(left, 1)
            settle(system.pid)
            cpu, held = usage(system.pid), memory(system.pid)
            with Child("labkit.bench.holder", url, str(self.connections)) as holder:
                with Watch(system.pid) as watch:
                    measured["open"] = float(holder.line(SECONDS)["seconds"])
                    settle(system.pid)
                    if (now := usage(system.pid)) and cpu:
                        measured["cpu"] = now.cpu - cpu.cpu
                    if (holds := memory(system.pid)) and held:
                        measured["memory"] = (holds - held) / self.connections / 1024
                    measured["idle"] = cpu_share(system.pid, self.watched)
                    began = time.perf_counter()
                    holder.kill()
                    _wait_for_size(left, 1 + self.connections)
                    measured["lost"] = time.perf_counter() - began
                settle(system.pid)
                measured["afterwards"] = cpu_share(system.pid, self.watched)
                measured["processes"] = watch.processes or None
        return {key: value for key, value in measured.items() if value is not None}


def _wait_for_size(path: Path, size: int) -> None:
    """Wait until a file has so many bytes.

    Raises:
        TimeoutError: it has not after :data:`~labkit.bench.holder.SECONDS`.
    """
    deadline = time.perf_counter() + SECONDS
    while (seen := path.stat().st_size) < size:
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{seen} of {size} connections were dealt with in {SECONDS:g} s")
        time.sleep(0.005)
