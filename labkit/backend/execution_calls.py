"""Step Functions' operations on executions: StartSyncExecution, RedriveExecution, DescribeExecution and so on."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from labkit.backend import executions, here, interpreter, seam
from labkit.backend.replacement import Replacement
from labkit.errors import AwsError
from labkit.states import express, redrive


def execution_of(response: Any) -> Any:
    """The execution that a call names."""
    arn = response._get_param("executionArn")
    if express.is_execution(arn):
        raise AwsError("InvalidArn", express.NO_EXECUTION)
    return response.stepfunction_backend.describe_execution(arn)


def result(data: Mapping[str, Any]) -> Any:
    """What moto writes as the answer."""
    return sys.modules["moto.core.responses"].ActionResult(dict(data))


def _described(execution: Any) -> dict[str, Any]:
    described: dict[str, Any] = {
        "executionArn": execution.execution_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": execution.start_date,
    }
    if execution.status != "RUNNING":
        described["stopDate"] = execution.stop_date
    return described


def _start_sync_execution(_: Any) -> Any:
    def start_sync_execution(self: Any) -> Any:
        backend, arn = self.stepfunction_backend, self._get_param("stateMachineArn")
        if backend.describe_state_machine(arn).type != express.EXPRESS:
            raise AwsError("StateMachineTypeNotSupported", express.NOT_SUPPORTED)
        trace_header = self._get_param("traceHeader")
        execution = backend.start_execution(
            arn, self._get_param("name"), self._get_param("input"), trace_header
        )
        run = seam.here.executions.run(execution.execution_arn)
        if run:
            with seam.here.giving_way():
                run.done.wait()
        if execution.status not in ("SUCCEEDED", "FAILED", "TIMED_OUT"):
            raise AwsError("ServiceUnavailable", "The local cloud is stopping.", 503)
        described = _described(execution) | _given_and_made(execution)
        described["billingDetails"] = express.billing(execution.stop_date - execution.start_date)
        if trace_header:
            described["traceHeader"] = trace_header
        return result(described)

    return start_sync_execution


def _given_and_made(execution: Any) -> dict[str, Any]:
    """An execution's input, and its output or error as far as there is one."""
    shown = {"input": execution.execution_input, "inputDetails": {"included": True}}
    if execution.status == "SUCCEEDED":
        shown["output"] = json.dumps(execution.output, separators=(",", ":"))
        shown["outputDetails"] = {"included": True}
    for name in ("error", "cause"):
        if getattr(execution, name) is not None:
            shown[name] = getattr(execution, name)
    return shown


def _describe_execution(_: Any) -> Any:
    def describe_execution(self: Any) -> Any:
        execution = execution_of(self)
        described = _described(execution) | _given_and_made(execution) | _redriven(execution)
        described |= redrive.status_of(execution.status)
        return result(described)

    return describe_execution


def _redriven(execution: Any) -> dict[str, Any]:
    """How often and when an execution was redriven."""
    resumed: here.Resumption | None = getattr(execution, "resumption", None)
    if resumed is None:
        return {"redriveCount": 0}
    return {"redriveCount": resumed.count, "redriveDate": resumed.date}


def _redrive_execution(_: Any) -> Any:
    def redrive_execution(self: Any) -> Any:
        execution = execution_of(self)
        reason = redrive.status_of(execution.status).get("redriveStatusReason")
        if reason:
            message = f"Execution {execution.execution_arn} invalid for redrive as: {reason}"
            raise AwsError("ExecutionNotRedrivable", message)
        date = datetime.now(UTC)
        count = _redriven(execution)["redriveCount"] + 1
        resumed = here.Resumption(count, date, execution.exec_worker.env)
        worker = execution._get_start_execution_worker()
        execution.exec_worker, execution.resumption = worker, resumed
        execution.exec_status = interpreter.enum("ExecutionStatus").RUNNING
        execution.stop_date = execution.error = execution.cause = None

        def start() -> None:
            here.resumption.set(resumed)
            worker.start()

        seam.here.executions.begun(execution.execution_arn, execution.state_machine.name, start)
        return result({"redriveDate": date})

    return redrive_execution


def _list_executions(_: Any) -> Any:
    def list_executions(self: Any) -> Any:
        machine = self.stepfunction_backend.describe_state_machine(
            self._get_param("stateMachineArn")
        )
        if machine.type == express.EXPRESS:
            raise AwsError("StateMachineTypeNotSupported", express.NOT_SUPPORTED)
        found, token = self.stepfunction_backend.list_executions(
            self._get_param("stateMachineArn"),
            status_filter=self._get_param("statusFilter"),
            max_results=self._get_int_param("maxResults"),
            next_token=self._get_param("nextToken"),
        )
        return result(
            {"executions": [_described(one) | _redriven(one) for one in found], "nextToken": token}
        )

    return list_executions


def _stop_execution(_: Any) -> Any:
    def stop_execution(self: Any) -> Any:
        execution = execution_of(self)
        run = seam.here.executions.run(execution.execution_arn)
        if run and execution.status == "RUNNING":
            run.begun.wait(executions.LONGEST_END)
            execution.stop(
                stop_date=datetime.now(UTC),
                error=self._get_param("error"),
                cause=self._get_param("cause"),
            )
            run.stop()
            run.done.wait(executions.LONGEST_END)
        return result({"stopDate": execution.stop_date or datetime.now(UTC)})

    return stop_execution


def _get_execution_history(_: Any) -> Any:
    def get_execution_history(self: Any) -> Any:
        events = execution_of(self).to_history_output()["events"]
        if self._get_bool_param("reverseOrder"):
            events.reverse()
        if self._get_bool_param("includeExecutionData") is False:
            events = [_without_data(event) for event in events]
        size = self._get_int_param("maxResults") or 100
        token = self._get_param("nextToken")
        try:
            first = int(base64.b64decode(token)) if token else 0
        except ValueError as error:
            raise AwsError("InvalidToken", f"Invalid Token: '{token}'") from error
        page: dict[str, Any] = {"events": events[first : first + size]}
        if first + size < len(events):
            page["nextToken"] = base64.b64encode(str(first + size).encode()).decode()
        return result(page)

    return get_execution_history


def _without_data(event: Mapping[str, Any]) -> dict[str, Any]:
    hidden = {"input", "output", "inputDetails", "outputDetails"}
    return {
        name: {n: v for n, v in value.items() if n not in hidden}
        if isinstance(value, dict)
        else value
        for name, value in event.items()
    }


def _describe_machine_of(_: Any) -> Any:
    def describe_state_machine_for_execution(self: Any) -> Any:
        machine = execution_of(self).state_machine
        return result(
            {
                "stateMachineArn": machine.arn,
                "name": machine.name,
                "definition": machine.definition,
                "roleArn": machine.roleArn,
                "updateDate": machine.update_date,
                "loggingConfiguration": machine.loggingConfiguration,
                "tracingConfiguration": machine.tracingConfiguration,
                "encryptionConfiguration": machine.encryptionConfiguration,
            }
        )

    return describe_state_machine_for_execution


REPLACEMENTS: tuple[Replacement, ...] = (
    *(
        Replacement("moto.stepfunctions.responses", f"StepFunctionResponse.{name}", by, why)
        for name, by, why in (
            ("start_sync_execution", _start_sync_execution, "moto has no StartSyncExecution"),
            ("redrive_execution", _redrive_execution, "moto has no RedriveExecution"),
            ("describe_execution", _describe_execution, "a string as output; stopDate"),
            ("list_executions", _list_executions, "stopDate of what timed out"),
            ("stop_execution", _stop_execution, "error and cause; ABORTED when it returns"),
            ("get_execution_history", _get_execution_history, "order and pages"),
            (
                "describe_state_machine_for_execution",
                _describe_machine_of,
                "the definition that the execution began with",
            ),
        )
    ),
)
