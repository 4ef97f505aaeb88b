"""What the replaced parts of moto reach the cloud by.

moto's objects do not know in which cloud they are, so the one of this process stands here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from labkit.backend import here as thread
from labkit.backend.clients import Clients
from labkit.backend.executions import Executions
from labkit.backend.written import Written
from labkit.eventlog import EventLog


@dataclass(frozen=True, slots=True)
class Seam:
    """One cloud, as seen from within moto.

    Attributes:
        log: where it is written what happens.
        executions: those that run.
        clients: of its state machines.
        written: what the call at work has written to DynamoDB.
        lock: held by the call at work.
    """

    log: EventLog
    executions: Executions
    clients: Clients
    written: Written
    lock: threading.RLock = field(default_factory=threading.RLock)

    @contextlib.contextmanager
    def giving_way(self) -> Iterator[None]:
        """Let other calls through; for a call that waits for one of them."""
        self.lock.release()
        try:
            yield
        finally:
            self.lock.acquire()

    def warn(self, message: str) -> None:
        """Write that something is used which is not emulated."""
        self.log.append("cloud.warning", thread.caller.get(), message=message)


here: Seam
"""The cloud of this process."""
