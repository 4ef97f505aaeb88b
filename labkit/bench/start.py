"""Start: how long it takes from nothing to a lab, to an echo, and to a delivered result."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.bench.child import Child
from labkit.bench.client import BadAnswer, Client, message
from labkit.bench.measurement import Quantity
from labkit.bench.peer import Peer


@dataclass(frozen=True, slots=True)
class Start:
    """``Lab.start()`` in a fresh process, what has to be imported apart."""

    name = "start"
    lab_alone = True
    quantities: Sequence[Quantity] = (
        Quantity("imports", "import boto3, moto and aiohttp", "s"),
        Quantity("start", "Lab.start() beyond these imports", "s"),
    )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once."""
        with Child("labkit.bench.starting") as child:
            told = child.line()
            child.wait()
        return {"imports": float(told["imports"]), "start": float(told["start"])}


@dataclass(frozen=True, slots=True)
class FirstEcho:
    """From the start of the server's process to the first message that comes back.

    The API and its function are deployed on the way, by boto3 in a process that has it loaded.
    """

    name = "first-echo"
    lab_alone = False
    quantities: Sequence[Quantity] = (
        Quantity("seconds", "process started to first echo, deployment included", "s"),
    )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once."""
        began = time.perf_counter()
        with peer.serve() as system, Client(system.deploy_echo()) as client:
            client.echo(message(0))
            return {"seconds": time.perf_counter() - began}


@dataclass(frozen=True, slots=True)
class FirstResult:
    """From the start of a fresh Python process to the result of its first order.

    It does what the first cells of the first notebook do: start the lab, build the pattern, place an
    order.  Jupyter itself is not measured.
    """

    name = "first-result"
    lab_alone = True
    quantities: Sequence[Quantity] = (
        Quantity("seconds", "fresh kernel to first delivered result", "s"),
    )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once."""
        with Child("labkit.bench.first_cells") as child:
            told = child.line()
            seconds = time.perf_counter() - child.started
            child.wait()
        if told["status"] != "accepted":
            raise BadAnswer(f"The order was not accepted; its status is {told['status']!r}.")
        return {"seconds": seconds}
