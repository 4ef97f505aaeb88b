"""The executions that run: their traces in the event log, the faults that strike them, their end."""

from __future__ import annotations

import contextvars
import functools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from labkit.backend import here
from labkit.clock import Clock
from labkit.errors import AwsError
from labkit.eventlog import EventLog
from labkit.faults import Action, Faults
from labkit.states import api_call, express, history, running
from labkit.trace import Trace
from labkit.wire import AwsResponse, Headers

LONGEST_END = 2.0
"""Seconds that :meth:`Executions.stop` waits for the threads of executions.  One that waits for a
function's answer ends with the function."""

T = TypeVar("T")


class CallApi(Protocol):
    """How the task ``apigateway:invoke`` reaches an API, blocking."""

    def __call__(
        self,
        host: str,
        path: str,
        method: str,
        query: str,
        headers: Headers,
        body: bytes,
        trace: Trace | None,
    ) -> AwsResponse:
        """Send a request to ``https://{host}{path}?{query}`` and return the answer."""
        ...


def where(error: BaseException) -> str:
    """File and line in which an error was raised, for the log."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""


class Executions:
    """What the replaced parts of moto's interpreter tell and ask.

    Attributes:
        closed: whether the cloud is ending.

    Args:
        log: where it is written what happens.
        faults: the fault seam (steps ``state.enter`` and ``state.wait``).
        clock: how fast Wait, Retry and time-outs run.
        call_api: answers a call to an API (``apigateway:invoke``); may block.
    """

    def __init__(
        self, log: EventLog, faults: Faults, clock: Clock, call_api: CallApi | None
    ) -> None:
        self.closed = False
        self._log = log
        self._faults = faults
        self._clock = clock
        self._call_api = call_api
        self._runs: dict[str, running.Run] = {}

    def begin(self, arn: str, machine: str) -> running.Run:
        """Note that an execution begins, in the trace of the call that started it."""
        trace = here.caller.get() or Trace.new()
        event = self._log.append(
            "execution.started",
            trace,
            execution=arn,
            name=express.execution_name(arn),
            machine=machine,
        )
        trace = trace.after(event.seq)
        run = running.Run(
            arn, machine, self._clock, trace, functools.partial(self.failed, arn, trace)
        )
        self._runs[arn] = run
        return run

    def begun(self, arn: str, machine: str, start: Callable[..., T], *args: Any) -> T:
        """What ``start`` returns, called as part of the execution that it starts.

        Args:
            arn: the execution's.
            machine: the state machine's name.
            start: called in a context of its own.
            *args: what it is called with.
        """
        run = self.begin(arn, machine)

        def begin() -> T:
            running.current.set(run)
            here.trace.set(run.trace)
            here.resumption.set(None)  # one that goes on may start it
            return start(*args)

        return contextvars.copy_context().run(begin)

    def run(self, arn: str) -> running.Run | None:
        """An execution that runs."""
        return self._runs.get(arn)

    def end(self, run: running.Run) -> None:
        """Note that an execution's status is final, and let go of it."""
        self._runs.pop(run.arn, None)
        status, error = run.outcome
        run.done.set()
        run.stop()
        self._log.append(
            "execution.ended", run.trace, execution=run.arn, status=status, error=error
        )

    def happened(self, run: running.Run, type_: str, details: Mapping[str, Any] | None) -> None:
        """Write a history event to the log, as far as the log shows it."""
        if type_ == history.ITERATION_STARTED:
            here.iterate(details or {})
            return
        entry = history.log_entry(type_, details, here.state.get())
        if entry is None:
            return
        kind, data = entry
        if kind == "execution.ended":
            run.outcome = (data["status"], data["error"])
            run.trace = here.trace.get() or run.trace
            return
        entered = kind == "state.entered"
        iteration = here.iteration.get()
        cause = (here.trace.get() if entered else here.entered.get()) or run.trace
        if entered and iteration:
            data["iteration"] = iteration.index
        elif kind == "iteration.ended" and iteration:
            cause = iteration.cause or cause
        event = self._log.append(kind, cause, execution=run.arn, **data)
        if entered:
            here.state.set(data["state"])
            here.entered.set(cause.after(event.seq))
        if kind in ("state.entered", "state.exited"):
            here.trace.set(cause.after(event.seq))

    def handled(self, run: running.Run, kind: str, **data: Any) -> None:
        """Write what became of a failure, which no history event says."""
        self._log.append(kind, here.entered.get() or run.trace, execution=run.arn, **data)

    def strike(self, run: running.Run, state: str) -> AwsError | None:
        """Ask the fault seam at ``state.enter``; a delay is waited for here."""
        fault = self._faults.strike(
            "state.enter", here.trace.get(), state=state, machine=run.machine
        )
        if fault is None:
            return None
        if fault.action is Action.DELAY:
            running.pause(fault.seconds * self._clock.speed)
            return None
        return AwsError(fault.code, "A fault that was set struck here.", fault.status)

    def waits(self, run: running.Run, seconds: float) -> bool:
        """Ask the fault seam at ``state.wait``; whether a Wait or a Retry is to wait at all."""
        return not self._faults.strike(
            "state.wait",
            here.trace.get(),
            Action.DROP,
            state=here.state.get(),
            machine=run.machine,
            seconds=seconds,
        )

    def call_api(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The task ``apigateway:invoke``.

        Args:
            parameters: the task's parameters.

        Raises:
            ApiCallError: the parameters are wrong, or the answer is not 2xx.
        """
        if self._call_api is None:
            raise api_call.ApiCallError("ApiGateway.UnknownHostException", "No API can be reached.")
        asked = api_call.request_of(parameters)
        try:
            answer = self._call_api(
                asked.host,
                asked.path,
                asked.method,
                asked.query,
                asked.headers,
                asked.body,
                here.trace.get(),
            )
        except AwsError as error:
            raise api_call.ApiCallError(f"ApiGateway.{error.code}", error.message) from error
        return api_call.result_of(answer.status, answer.headers.items(), answer.body)

    def failed(self, what: str, trace: Trace | None, error: BaseException) -> None:
        """Write that the local cloud itself failed; what fails while it ends says nothing."""
        if not self.closed:
            message = f"{what} failed in the local cloud: {error!r}"
            self._log.append("cloud.error", trace, message=message, detail=where(error))

    def stop(self, account: str | None = None) -> None:
        """Stop the executions of one account, or all, and wait until their threads have ended."""
        runs = [run for run in self._runs.values() if account in (None, run.arn.split(":")[4])]
        for run in runs:
            self._runs.pop(run.arn, None)
            run.stop()
        deadline = time.monotonic() + LONGEST_END
        for run in runs:
            for thread in run.threads:
                if thread is not threading.current_thread():
                    threading.Thread.join(thread, max(0.0, deadline - time.monotonic()))
            run.done.set()
