"""Notifying everybody: many connections are held, and each is sent a message of its own."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from labkit.bench.client import SECONDS, Client, frame_out, message
from labkit.bench.crowd import crowd
from labkit.bench.measurement import Quantity
from labkit.bench.peer import Peer
from labkit.bench.process_tree import memory, settle
from labkit.bench.summary import percentile
from labkit.eventlog import Event, open_connections


@dataclass(frozen=True, slots=True)
class Notify:
    """``PostToConnection`` to every connection, by one program with boto3, one call after the other.

    Attributes:
        connections: how many are held.
        seconds: until all must be open.
    """

    connections: int
    seconds: float = 120.0

    lab_alone = True

    @property
    def name(self) -> str:
        """What ``--only`` calls it."""
        return f"notify-{self.connections}"

    @property
    def quantities(self) -> Sequence[Quantity]:
        """The figures of one run."""
        return (
            Quantity("seconds", f"{self.connections:,} connections notified", "s"),
            Quantity("p50", "PostToConnection by boto3, p50", "ms"),
            Quantity("p99", "PostToConnection by boto3, p99", "ms"),
            Quantity("failed", "calls that failed", ""),
            Quantity("missed", "clients that got none, or something else", ""),
            Quantity("memory", "memory for each connection and its message", "KB"),
        )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once, with a fresh server."""
        measured: dict[str, float] = {}
        with peer.serve() as system:
            url = system.deploy_echo()
            with Client(url):
                pass
            settle(system.pid)
            others, before = set(opened(url)), memory(system.pid)
            with crowd(url, self.connections, self.seconds) as sockets:
                settle(system.pid)
                ids = [one for one in opened(url) if one not in others]
                api = management_api(url)
                times, failed = [], 0
                began = time.perf_counter()
                for number, connection in enumerate(ids):
                    posted = time.perf_counter()
                    try:
                        api.post_to_connection(ConnectionId=connection, Data=message(number))
                    except (ClientError, BotoCoreError):
                        failed += 1
                    times.append((time.perf_counter() - posted) * 1000)
                received = [_received(one, len(frame_out(message(0)))) for one in sockets]
                measured["seconds"] = time.perf_counter() - began
                after = memory(system.pid)
        wanted = {frame_out(message(number)) for number in range(self.connections)}
        measured["missed"] = self.connections - len(wanted.intersection(received))
        measured["failed"] = failed
        measured["p50"], measured["p99"] = percentile(times, 50), percentile(times, 99)
        if before and after:
            measured["memory"] = max(0.0, (after - before) / self.connections / 1024)
        return measured


def opened(url: str) -> list[str]:
    """The ids of the connections that are open.

    Args:
        url: where they connected to; the lab's event log is on the same port.
    """
    with urlopen(f"http://{urlsplit(url).netloc}/_labkit/events?follow=0", timeout=SECONDS) as log:
        return open_connections(Event.from_dict(json.loads(line)) for line in log)


def management_api(url: str) -> Any:
    """boto3's client for ``@connections`` of the stage that clients connect to."""
    return boto3.Session(region_name="us-east-1").client(
        "apigatewaymanagementapi",
        endpoint_url=url.replace("ws://", "http://", 1),
        config=Config(retries={"total_max_attempts": 1}),  # a call that fails is to be counted
    )


def _received(connection: socket.socket, size: int) -> bytes:
    """All that has arrived over a connection, as soon as it has at least so many bytes."""
    connection.settimeout(SECONDS)
    data = b""
    with suppress(TimeoutError):
        while len(data) < size and (more := connection.recv(65_536)):
            data += more
    return data
