"""A deaf client: one that is sent to and does not read, beside others that talk."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from labkit.bench.client import SECONDS, Client, message
from labkit.bench.crowd import crowd
from labkit.bench.measurement import Quantity
from labkit.bench.notify import management_api, opened
from labkit.bench.peer import Peer
from labkit.bench.process_tree import memory, settle
from labkit.bench.summary import percentile

MESSAGE = b"x" * 32_768
PAUSE = 0.005
"""Seconds between two messages to those that are sent to."""


@dataclass
class _Sender:
    """Sends messages to connections in turn, in a thread, while a block runs.

    Attributes:
        sent: how many calls were answered 200.
        refused: how many 429.
    """

    api: Any
    connections: Sequence[str]
    sent: int = 0
    refused: int = 0
    problem: BaseException | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def _send(self) -> None:
        try:
            number = 0
            while not self._ended.wait(PAUSE):
                one = self.connections[number % len(self.connections)]
                number += 1
                try:
                    self.api.post_to_connection(ConnectionId=one, Data=MESSAGE)
                    self.sent += 1
                except self.api.exceptions.LimitExceededException:
                    self.refused += 1
        except ClientError as error:
            self.problem = error

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Send while the block runs."""
        thread = threading.Thread(target=self._send, name="bench-sender", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
        if self.problem is not None:
            raise self.problem


@dataclass(frozen=True, slots=True)
class Deaf:
    """Round trips of one client, while another program sends to clients that read, then to deaf ones.

    Both get the same messages, as often, so that what differs is the reading alone.

    Attributes:
        clients: how many are sent to.
        messages: round trips that are measured beside each.
    """

    clients: int = 4
    messages: int = 1_000

    name = "deaf"
    lab_alone = True

    @property
    def quantities(self) -> Sequence[Quantity]:
        """The figures of one run."""
        return (
            Quantity("reading", f"round trip beside {self.clients} clients that read, p50", "ms"),
            Quantity("deaf", f"round trip beside {self.clients} that do not, p50", "ms"),
            Quantity("times", "the second divided by the first", ""),
            Quantity("refused", "messages to deaf clients answered with 429", "%"),
            Quantity("memory", "memory for each deaf client, beyond one that reads", "KB"),
        )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once, with a fresh server."""
        with peer.serve() as system:
            url = system.deploy_echo()
            with Client(url) as talker:
                talker.echo(message(0))
                reading, _, usual = self._beside(system.pid, url, talker, reads=True)
                deaf, sender, grown = self._beside(system.pid, url, talker, reads=False)
        measured = {
            "reading": reading,
            "deaf": deaf,
            "times": deaf / reading,
            "refused": 100 * sender.refused / (sender.sent + sender.refused),
        }
        if grown is not None and usual is not None:
            measured["memory"] = max(0.0, (grown - usual) / self.clients / 1024)
        return measured

    def _beside(
        self, pid: int, url: str, talker: Client, *, reads: bool
    ) -> tuple[float, _Sender, int | None]:
        """The round trip beside clients that are sent to; the sender; by how much memory has grown."""
        others = set(opened(url))
        with crowd(url, self.clients, SECONDS) as sockets, _read(sockets, reads):
            settle(pid)
            before = memory(pid)
            sender = _Sender(management_api(url), [one for one in opened(url) if one not in others])
            with sender.at_work():
                if not reads:
                    _wait_for_refusals(sender, 3 * self.clients)
                times = [_round_trip(talker, number) for number in range(self.messages)]
            after = memory(pid)
        grown = after - before if after is not None and before is not None else None
        return percentile(times, 50), sender, grown


def _round_trip(client: Client, number: int) -> float:
    """Milliseconds until a message has come back."""
    text = message(number)
    began = time.perf_counter()
    client.echo(text)
    return (time.perf_counter() - began) * 1000


def _wait_for_refusals(sender: _Sender, count: int, seconds: float = 60.0) -> None:
    """Wait until so much is unsent that more is refused, to each that is sent to.

    Before that, the operating system takes some megabytes for each.
    """
    deadline = time.perf_counter() + seconds
    while sender.refused < count and sender.problem is None:
        if time.perf_counter() > deadline:
            raise TimeoutError(
                f"{sender.refused} messages were refused within {seconds:g} s; {sender.sent} were sent"
            )
        time.sleep(PAUSE)


@contextmanager
def _read(sockets: Sequence[socket.socket], reading: bool) -> Iterator[None]:
    """Read what arrives while the block runs, or do not."""
    for one in sockets:
        # What the system itself keeps for a client that does not read is to be little.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    threads = []
    for one in sockets if reading else ():
        one.settimeout(None)
        threads.append(threading.Thread(target=_drain, args=(one,), daemon=True))
        threads[-1].start()
    try:
        yield
    finally:
        for one in sockets:
            one.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def _drain(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass
