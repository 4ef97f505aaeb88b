"""A lab attached to a cloud in another process: the same log and the same faults, over HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

from labkit.errors import EnvironmentProblem
from labkit.eventlog import Event, EventLog
from labkit.faults import Action, Fault, Faults, known

PATIENCE = 10.0
"""Seconds that the cloud may take for an answer; something else may never give one."""


class AttachedCloud:
    """The cloud at an endpoint.

    Args:
        endpoint: ``http://127.0.0.1:N``, as ``labkit serve`` prints it.

    Raises:
        EnvironmentProblem: no local cloud answers there.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint.rstrip("/")
        try:
            who = _ask(self.endpoint, "GET", "/_labkit")
        except ValueError:
            who = None
        if not isinstance(who, dict) or "version" not in who:
            raise EnvironmentProblem(_nobody(self.endpoint, "something else answers"))
        self.log = EventLog()
        self.faults: Faults = AttachedFaults(self.endpoint, self.log)
        self._follower = _Follower(self.endpoint, self.log)
        self._follower.start()

    def close(self) -> None:
        """Let go of the cloud."""
        self._follower.close()


class AttachedFaults(Faults):
    """Faults that are set in the other process."""

    def __init__(self, endpoint: str, log: EventLog) -> None:
        super().__init__(log)
        self._endpoint = endpoint

    def add(
        self,
        step: str,
        action: str | Action,
        *,
        times: int | None = 1,
        seconds: float = 0.0,
        status: int = 500,
        code: str = "InternalServerError",
        **match: Any,
    ) -> Fault:
        """Set a fault in the other process; see :meth:`labkit.faults.Faults.add`."""
        known(step, action)  # the same errors as in process
        wish = {
            "step": step,
            "action": str(action),
            "times": times,
            "seconds": seconds,
            "status": status,
            "code": code,
            "match": match,
        }
        fault = _fault(_ask(self._endpoint, "POST", "/_labkit/faults", wish))
        self.changes += 1
        return fault

    def clear(self, fault: Fault | int | None = None) -> None:
        """Take back one fault, or all of them, in the other process."""
        number = fault.id if isinstance(fault, Fault) else fault
        path = "/_labkit/faults" + ("" if number is None else f"/{number}")
        _ask(self._endpoint, "DELETE", path)
        self.changes += 1

    def __iter__(self) -> Any:
        return iter([_fault(record) for record in _ask(self._endpoint, "GET", "/_labkit/faults")])


def _fault(record: dict[str, Any]) -> Fault:
    return Fault(**{**record, "action": Action(record["action"])})


class _Follower(threading.Thread):
    """Copies the other process's log as it grows; ends with the stream or with :meth:`close`."""

    def __init__(self, endpoint: str, log: EventLog) -> None:
        super().__init__(name="labkit-log", daemon=True)
        self._log = log
        self._connection = _connect(endpoint)
        self._connection.request("GET", "/_labkit/events?after=0")
        self._response = self._connection.getresponse()
        self._socket = self._connection.sock

    def run(self) -> None:
        """Read until the stream ends."""
        try:
            for line in self._response:
                self._log.restore([Event.from_dict(json.loads(line))])
        except (OSError, ValueError, http.client.HTTPException):
            return  # the cloud is gone or we let go; the next call says so

    def close(self) -> None:
        """End the stream and the thread."""
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.join(timeout=5)
        self._connection.close()


def _connect(endpoint: str, timeout: float | None = None) -> http.client.HTTPConnection:
    parts = urlsplit(endpoint)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is no number
        host = port = None
    if parts.scheme != "http" or not host or not port:
        raise EnvironmentProblem(
            f"LABKIT_ENDPOINT is {endpoint!r}; it must look like http://127.0.0.1:4566."
        )
    return http.client.HTTPConnection(host, port, timeout=timeout)


def _ask(endpoint: str, method: str, path: str, body: Any = None) -> Any:
    connection = _connect(endpoint, PATIENCE)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        content = json.loads(answer.read() or b"null")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise EnvironmentProblem(_nobody(endpoint, str(error))) from error
    finally:
        connection.close()
    if answer.status >= 400:
        told = content.get("message") if isinstance(content, dict) else None
        raise ValueError(told or f"the cloud answered {answer.status}")
    return content


def _nobody(endpoint: str, why: str) -> str:
    return (
        f"No local cloud answers at {endpoint} ({why}). "
        "Start one with `labkit serve`, or unset LABKIT_ENDPOINT to run it in this process."
    )
