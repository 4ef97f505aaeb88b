"""Step Functions' operations on task tokens: SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat."""

from __future__ import annotations

import json
from typing import Any

from labkit.backend import execution_calls
from labkit.backend.replacement import Replacement
from labkit.errors import AwsError


def _send_task_failure(_: Any) -> Any:
    def send_task_failure(self: Any) -> Any:
        _checked_token(self)
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"),
            error=self._get_param("error"),
            cause=self._get_param("cause"),
        )
        return execution_calls.result({})

    return send_task_failure


def _send_task_success(_: Any) -> Any:
    def send_task_success(self: Any) -> Any:
        output = self._get_param("output")
        try:
            json.loads(output)
        except (ValueError, TypeError) as error:
            message = f"Invalid Output: 'Invalid JSON in output: {error}'"
            raise AwsError("InvalidOutput", message) from error
        _checked_token(self)
        self.stepfunction_backend.send_task_success(self._get_param("taskToken"), output)
        return execution_calls.result({})

    return send_task_success


def _send_task_heartbeat(_: Any) -> Any:
    def send_task_heartbeat(self: Any) -> Any:
        # The task may have no time for heartbeats, or not have begun to measure it.
        _checked_token(self).notify_heartbeat()
        return execution_calls.result({})

    return send_task_heartbeat


def _checked_token(response: Any) -> Any:
    """What waits with a token; refuses one that is unknown, or whose task has gone on."""
    token = response._get_param("taskToken")
    for execution in response.stepfunction_backend._get_executions():
        env = execution.exec_worker.env
        endpoint = env.callback_pool_manager.get(token) if env else None
        if endpoint is None:
            continue
        if execution.status != "RUNNING":
            raise AwsError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        if endpoint.get_outcome() is not None:
            raise AwsError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        return endpoint
    raise AwsError("InvalidToken", "Invalid Token: 'Invalid token'")


REPLACEMENTS: tuple[Replacement, ...] = (
    *(
        Replacement("moto.stepfunctions.responses", f"StepFunctionResponse.{name}", by, why)
        for name, by, why in (
            ("send_task_failure", _send_task_failure, "the cause; tokens of ended tasks"),
            ("send_task_success", _send_task_success, "InvalidOutput; tokens of ended tasks"),
            ("send_task_heartbeat", _send_task_heartbeat, "tokens of ended tasks; early ones"),
        )
    ),
)
