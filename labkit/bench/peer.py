"""Who is measured.  A measurement knows only these interfaces, never who is behind them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from labkit.errors import LabError


class NotOffered(LabError):
    """A peer cannot do what is to be measured."""


class System(Protocol):
    """A server that runs, in a process of its own, with nothing deployed yet."""

    @property
    def pid(self) -> int:
        """The process that holds the connections; function processes descend from it."""

    def deploy_echo(self) -> str:
        """Deploy a WebSocket API that sends each message back; a function nobody has run yet.

        Returns:
            Where to connect, ``ws://…``.
        """

    def deploy_watched(self) -> tuple[str, Path]:
        """Deploy a WebSocket API with a function for ``$connect`` and one for ``$disconnect``.

        Returns:
            Where to connect; and a file that grows by one byte for each connection whose end has
            been dealt with.
        """

    def deploy_function(self) -> str:
        """Deploy a function that builds a DynamoDB and an ``@connections`` client at import.

        Returns:
            Its name.  Each call deploys another one.

        Raises:
            NotOffered: there are no functions.
        """

    def invoke(self, function: str) -> None:
        """Invoke a function and wait for its answer.

        Raises:
            NotOffered: there are no functions.
        """

    def deploy_pattern(self, *, portable: bool) -> str:
        """Deploy the whole pattern.

        Args:
            portable: whether its state machine does without what only AWS and labkit run.

        Returns:
            Where orders are posted to.

        Raises:
            NotOffered: the pattern needs services that are not there.
        """

    def reach(self, url: str) -> str:
        """Where a client connects, given an address that the system's answers name."""


@dataclass(frozen=True, slots=True)
class EchoOnly:
    """A system that serves one WebSocket API from its start, and nothing of AWS's beside it.

    Attributes:
        pid: as for :class:`System`.
        url: where to connect.
        left: the file that grows with each connection whose end has been dealt with.
        no_functions: why no function can be deployed.
        no_services: why the pattern cannot be.
    """

    pid: int
    url: str
    left: Path
    no_functions: str
    no_services: str

    def deploy_echo(self) -> str:
        """It is there."""
        return self.url

    def deploy_watched(self) -> tuple[str, Path]:
        """It is there."""
        return self.url, self.left

    def deploy_function(self) -> str:
        """Not offered."""
        raise NotOffered(self.no_functions)

    def invoke(self, function: str) -> None:
        """Not offered."""
        raise NotOffered(self.no_functions)

    def deploy_pattern(self, *, portable: bool) -> str:
        """Not offered."""
        raise NotOffered(self.no_services)

    def reach(self, url: str) -> str:
        """Addresses are as they are."""
        return url


class Peer(Protocol):
    """Something that can be started and measured."""

    @property
    def name(self) -> str:
        """The name in tables."""

    def serve(self) -> AbstractContextManager[System]:
        """Start a fresh server, which has ended when the block ends."""
