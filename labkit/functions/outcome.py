"""How an invocation ends, and what Lambda says of it: payloads of errors and lines of the log.

Sources: "Lambda execution environment lifecycle" and "Troubleshoot execution issues in Lambda" in
the AWS Lambda developer guide (log lines, ``Runtime.ExitError``); payloads of ``Sandbox.Timedout``
and ``Function.ResponseSizeTooLarge`` as AWS answers them in published captures.  The log has the
lines of AWS's older style as well (``Task timed out after 3.00 seconds``, ``Error: Runtime exited
…``): they say what happened, and tutorials show them.
"""

from __future__ import annotations

import datetime
import json
import math
import signal
from dataclasses import dataclass

from labkit.functions.runtime_api import MAX_RESPONSE


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended.

    Attributes:
        payload: what the caller gets.
        error: AWS's error type; ``None`` if the function returned.
        status: ``success``, ``error`` or ``timeout``, as the REPORT line says.
        line: a line that the platform adds to the log.
        crashed: the process ended, or had to be ended.
    """

    payload: bytes
    error: str | None = None
    status: str = "success"
    line: str = ""
    crashed: bool = False


def failed(payload: bytes) -> Outcome:
    """The runtime reported an error."""
    return Outcome(payload, error_type(payload), "error")


def error_type(payload: bytes) -> str:
    """The ``errorType`` of an error object; ``Unhandled`` if it has none."""
    try:
        kind = json.loads(payload).get("errorType")
    except (ValueError, AttributeError, RecursionError):
        kind = None
    return kind if isinstance(kind, str) and kind else "Unhandled"


def timed_out(request_id: str, seconds: float, now: float) -> Outcome:
    """The function took longer than it may.

    Args:
        request_id: the invocation's id.
        seconds: the function's time-out.
        now: seconds since the epoch.
    """
    what = f"Task timed out after {seconds:.2f} seconds"
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Outcome(
        _error("Sandbox.Timedout", f"RequestId: {request_id} Error: {what}"),
        "Sandbox.Timedout",
        "timeout",
        f"{stamp} {request_id} {what}",
        crashed=True,
    )


def exited(request_id: str, code: int) -> Outcome:
    """The process ended without an answer.

    Args:
        request_id: the invocation's id.
        code: its exit status; minus the signal if one killed it.
    """
    message = f"RequestId: {request_id} Error: {exit_reason(code)}"
    return Outcome(
        _error("Runtime.ExitError", message),
        "Runtime.ExitError",
        "error",
        f"{message}\rRuntime.ExitError",
        crashed=True,
    )


def exit_reason(code: int) -> str:
    """Why a process ended, in AWS's words."""
    if code == 0:
        return "Runtime exited without providing a reason"
    if code > 0:
        return f"Runtime exited with error: exit status {code}"
    try:
        name = SIGNALS.get(-code) or signal.strsignal(-code) or str(-code)
    except ValueError:
        name = str(-code)
    return f"Runtime exited with error: signal: {name.lower()}"


SIGNALS = {6: "aborted", 9: "killed", 11: "segmentation fault", 15: "terminated"}
"""Names of signals as Go prints them, in which AWS's platform is written."""


def too_large() -> Outcome:
    """The answer is over 6 MB."""
    message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
    # The members' order is AWS's.
    payload = json.dumps({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"})
    return Outcome(payload.encode(), "Function.ResponseSizeTooLarge", "error")


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


# -- lines of the log -------------------------------------------------------------------------


def start_line(request_id: str, version: str) -> str:
    """The line before an invocation's own."""
    return f"START RequestId: {request_id} Version: {version}"


def end_line(request_id: str) -> str:
    """The line after an invocation's own."""
    return f"END RequestId: {request_id}"


def report_line(
    request_id: str,
    outcome: Outcome,
    *,
    duration: float,
    init: float | None,
    memory: int,
    used: int,
) -> str:
    """The line that says what an invocation took.

    Args:
        request_id: the invocation's id.
        outcome: how it ended.
        duration: milliseconds of the invocation.
        init: milliseconds of initialisation before it, ``None`` for a warm process.  Since August
            2025 AWS bills it too.
        memory: the function's memory size, MB.
        used: the most the process has used, MB.
    """
    billed = math.ceil(duration + (init or 0.0))
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration:.2f} ms",
        f"Billed Duration: {billed} ms",
        f"Memory Size: {memory} MB",
        f"Max Memory Used: {used} MB",
    ]
    if init is not None:
        fields.append(f"Init Duration: {init:.2f} ms")
    if outcome.status == "timeout":
        fields.append("Status: timeout")
    elif outcome.crashed:
        fields.append(f"Status: error\tError Type: {outcome.error}")
    return "\t".join(fields) + "\t"


def init_report_line(duration: float, status: str, error: str | None = None) -> str:
    """The line for an initialisation that failed.

    Args:
        duration: milliseconds.
        status: ``timeout`` or ``error``.
        error: the error type.
    """
    kind = f"\tError Type: {error}" if error else ""
    return f"INIT_REPORT Init Duration: {duration:.2f} ms\tPhase: init\tStatus: {status}{kind}"
