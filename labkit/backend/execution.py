"""An execution's life, from its name and input to its final status."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moto.moto_api._internal import mock_random

from labkit.backend import executions, here, interpreter, seam, state_machine
from labkit.backend.interpreter import ASL, PARSER
from labkit.backend.replacement import Replacement
from labkit.errors import AwsError
from labkit.states import errors, express, history, json_text, progress, retention, running
from labkit.states.timestamp import timestamp


def _start_execution(original: Any) -> Any:
    def start_execution(
        self: Any,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: str | None = None,
        trace_header: str | None = None,
    ) -> Any:
        machine = self.describe_state_machine(state_machine_arn)
        if name is not None:
            state_machine.check_name(name)
        name = name or str(mock_random.uuid4())
        text = "{}" if execution_input is None else execution_input
        _check_input(text)
        if machine.type == express.EXPRESS:
            return _start_express(self, machine, name, text, trace_header)
        if len(machine.executions) > retention.KEPT:
            running_ = interpreter.enum("ExecutionStatus").RUNNING
            machine.executions[:] = retention.kept(
                machine.executions, lambda one: one.exec_status not in (None, running_)
            )
        existing = machine._handle_name_input_idempotency(name, text)
        if existing is not None:
            return existing
        arn = (
            f"arn:{self.partition}:states:{self.region_name}:{self.account_id}"
            f":execution:{machine.name}:{name}"
        )
        return seam.here.executions.begun(
            arn, machine.name, original, self, state_machine_arn, name, text, trace_header
        )

    return start_execution


def _start_express(
    backend: Any, machine: Any, name: str, text: str, trace_header: str | None
) -> Any:
    """Start an execution that its state machine does not keep."""
    limited = copy.copy(machine)
    limited.definition = express.limited(machine.definition)
    execution = sys.modules[f"{PARSER}.backend.execution"].Execution(
        name=name,
        sm_type=machine.type,
        role_arn=machine.roleArn,
        exec_arn=express.arn_of(machine.arn, name, str(mock_random.uuid4())),
        account_id=backend.account_id,
        region_name=backend.region_name,
        state_machine=limited,
        start_date=datetime.now(UTC),
        cloud_watch_logging_session=None,
        input_data=text,
        trace_header=trace_header,
        activity_store={},
    )
    seam.here.executions.begun(execution.execution_arn, machine.name, execution.start)
    return execution


def _check_input(text: str) -> None:
    if len(text.encode("utf-8", "replace")) > errors.LARGEST_PAYLOAD:
        raise AwsError(
            "InvalidExecutionInput",
            f"Invalid State Machine Execution Input: 'The input is longer than "
            f"{errors.LARGEST_PAYLOAD} bytes'",
        )
    try:
        json_text.parse(text)
    except ValueError as error:
        raise AwsError(
            "InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'"
        ) from error


def _execution_logic(original: Any) -> Any:
    def execution_logic(self: Any) -> None:
        run = running.current.get()
        try:
            original(self)
        except Exception as error:
            if run is None:
                raise
            run.failed(error)
            execution = self._execution_communication.execution
            execution.exec_status = interpreter.enum("ExecutionStatus").FAILED
            execution.error, execution.cause = errors.RUNTIME, str(error)
            execution.stop_date = datetime.now(UTC)
            run.outcome = ("FAILED", errors.RUNTIME)
            seam.here.executions.end(run)

    return execution_logic


def _terminated(original: Any) -> Any:
    def terminated(self: Any) -> None:
        run = running.current.get()
        if run:
            run.ended.wait(
                executions.LONGEST_END
            )  # the history is complete when the status is final
        original(self)
        execution = self.execution
        state = execution.exec_worker.env.program_state()
        if execution.status == "ABORTED":
            execution.error, execution.cause = state.error, state.cause
        sys.modules[f"{PARSER}.utils"].TMP_THREADS.clear()
        if run:
            seam.here.executions.end(run)

    return terminated


def _set_timed_out(original: Any) -> Any:
    def set_timed_out(self: Any) -> None:
        original(self)
        run = running.current.get()
        if run:
            run.stop()

    return set_timed_out


def _set_error(original: Any) -> Any:
    def set_error(self: Any, error: Any) -> None:
        if type(self.program_state()).__name__ not in ("ProgramStopped", "ProgramTimedOut"):
            original(self, error)

    return set_error


def _environment(original: Any) -> Any:
    def environment(self: Any) -> Any:
        made = original(self)
        execution = made.states.context_object.context_object_data["Execution"]
        execution["StartTime"] = timestamp(execution["StartTime"])
        execution["RedriveCount"] = 0
        resumed = here.resumption.get()
        made.progress = resumed.before.progress.again() if resumed else progress.Progress()
        here.progress.set(made.progress)
        if resumed:
            execution["RedriveCount"] = resumed.count
            execution["RedriveTime"] = timestamp(resumed.date)
            made.event_manager = resumed.before.event_manager
            last = len(made.event_manager.get_event_history())
            made.event_history_context.source_event_id = last
            made.event_history_context.last_published_event_id = last
        return made

    return environment


def _add_event(original: Any) -> Any:
    def add_event(
        self: Any, context: Any, event_type: Any, event_details: Any = None, *args: Any, **kw: Any
    ) -> int:
        run = running.current.get()
        if run is None:
            return int(original(self, context, event_type, event_details, *args, **kw))
        if run.ended.is_set():  # a branch that had not heard of the end yet
            return int(context.last_published_event_id)
        type_ = str(getattr(event_type, "value", event_type))
        resumed = here.resumption.get()
        if resumed and type_ == "ExecutionStarted":
            event_type = interpreter.enum("HistoryEventType").ExecutionRedriven
            event_details = {"executionRedrivenEventDetails": {"redriveCount": resumed.count}}
        number = int(context.last_published_event_id)
        if not _never_began(type_, event_details):
            number = int(original(self, context, event_type, event_details, *args, **kw))
        if type_.endswith(history.STARTED):
            states = here.progress.get()
            if states:
                states.starts()
        seam.here.executions.happened(run, type_, event_details)
        if type_.endswith(history.ENTERED):
            run.begun.set()
        if type_ in history.ENDS:
            run.ended.set()
        return number

    return add_event


def _never_began(type_: str, details: Mapping[str, Any] | None) -> bool:
    """Whether a task failed before it was scheduled, as by a path into nothing in its parameters.

    AWS's history goes on with ``ExecutionFailed`` then, as an answer of its shows that was published.
    """
    failed = (details or {}).get("taskFailedEventDetails") or {}
    return (
        type_ == "TaskFailed"
        and failed.get("error") == errors.RUNTIME
        and ("resource" not in failed)
    )


REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        f"{PARSER}.models",
        "StepFunctionsParserBackend.start_execution",
        _start_execution,
        "without a name moto makes an execution named None; names and input are not checked",
    ),
    Replacement(
        f"{PARSER}.backend.execution_worker",
        "ExecutionWorker._execution_logic",
        _execution_logic,
        "an exception in it would be printed and leave the execution running for ever",
    ),
    Replacement(
        f"{PARSER}.backend.execution_worker",
        "ExecutionWorker._get_evaluation_environment",
        _environment,
        "StartTime in the context object is a Python object, RedriveCount is missing",
    ),
    Replacement(
        f"{PARSER}.backend.execution",
        "BaseExecutionWorkerCommunication.terminated",
        _terminated,
        "the log is told, and left-over threads end",
    ),
    Replacement(
        f"{ASL}.eval.environment",
        "Environment.set_timed_out",
        _set_timed_out,
        "states would wait on after the execution's time is over",
    ),
    Replacement(
        f"{ASL}.eval.environment",
        "Environment.set_error",
        _set_error,
        "a state that was at work when the execution was stopped would make it FAILED",
    ),
    Replacement(
        f"{ASL}.eval.event.event_manager",
        "EventManager.add_event",
        _add_event,
        "the event log is written from the history",
    ),
)
