"""The names of errors and what a ``Retry`` or a ``Catch`` matches; the limit of a state's data."""

from __future__ import annotations

import json
import sys
from typing import Any

from botocore.exceptions import ClientError

from labkit.backend import interpreter
from labkit.backend.interpreter import ASL, STATE, TASK
from labkit.backend.replacement import Replacement, always
from labkit.states import errors


def _failed_details(original: Any) -> Any:
    def get_execution_failed_event_details(self: Any) -> Any:
        error, cause = self.extract_error_cause_pair() or (None, None)
        if cause and cause.startswith("An error occurred while executing the state '"):
            return {"error": error, "cause": cause}
        return original(self)

    return get_execution_failed_event_details


def _error_equals(_: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        raised = env.stack.pop()
        names = [raised.error_name]
        if getattr(raised, "missed_heartbeat", False):
            names.append(errors.HEARTBEAT_TIMEOUT)
        wanted = [name.error_name for name in self.error_names]
        env.stack.append(errors.matches(wanted, *(name for name in names if name)))

    return eval_body


def _task_error(original: Any) -> Any:
    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        event = original(self, env, ex)
        if type(ex).__name__ == "HeartbeatTimeoutError":
            event.error_name.missed_heartbeat = True
        return event

    return from_error


def _own_errors_only(original: Any) -> Any:
    """For tasks that call any exception an error of their service: time-outs, paths into nothing."""

    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        if isinstance(ex, ClientError):
            return original(self, env, ex)
        base = sys.modules[f"{TASK}.state_task"].StateTask
        return base._from_error(self, env=env, ex=ex)

    return from_error


def _lambda_error(original: Any) -> Any:
    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        optimised = hasattr(self.resource, "service_name")
        event = "TaskFailed" if optimised else "LambdaFunctionFailed"
        where = {"resource": "invoke", "resourceType": "lambda"} if optimised else {}
        if type(ex).__name__ == "LambdaFunctionErrorException":
            payload = str(getattr(ex, "payload", ""))
            try:
                error = str(json.loads(payload)["errorType"])
            except (ValueError, KeyError, TypeError):
                cause = (
                    "The cause could not be determined because Lambda did not return an error "
                    f"type. Returned payload: {payload}"
                )
                return interpreter.failure_event(env, "Lambda.Unknown", cause, event=event, **where)
            return interpreter.failure_event(env, error, payload, event=event, **where)
        if isinstance(ex, ClientError) and not optimised:
            about = ex.response["Error"]
            return interpreter.failure_event(
                env, f"Lambda.{about['Code']}", about["Message"], event=event
            )
        return original(self, env, ex)

    return from_error


def _within_quota(_: Any) -> Any:
    def is_within_size_quota(value: Any) -> bool:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
        return len(text.encode("utf-8", "replace")) <= errors.LARGEST_PAYLOAD

    return is_within_size_quota


REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        f"{ASL}.component.common.error_name.custom_error_name",
        "CustomErrorName.__init__",
        always(lambda self, error_name: setattr(self, "error_name", error_name)),
        "in a Map or Parallel state, States.Timeout and its like would become another error",
    ),
    Replacement(
        f"{ASL}.component.common.error_name.failure_event",
        "FailureEventException.get_execution_failed_event_details",
        _failed_details,
        "the state within is the one that failed; the Map or Parallel state would be named, too",
    ),
    Replacement(
        f"{ASL}.component.common.error_name.error_equals_decl",
        "ErrorEqualsDecl._eval_body",
        _error_equals,
        "States.ALL does not catch States.Runtime and States.DataLimitExceeded",
    ),
    Replacement(
        f"{TASK}.state_task", "StateTask._from_error", _task_error, "States.HeartbeatTimeout"
    ),
    Replacement(
        f"{TASK}.service.state_task_service_dynamodb",
        "StateTaskServiceDynamoDB._from_error",
        _own_errors_only,
        "a time-out is not DynamoDB's error, nor is a path into nothing, which nothing catches",
    ),
    Replacement(
        f"{TASK}.service.state_task_service_lambda",
        "StateTaskServiceLambda._from_error",
        _lambda_error,
        "Lambda.Unknown",
    ),
    Replacement(
        f"{TASK}.state_task_lambda",
        "StateTaskLambda._from_error",
        _lambda_error,
        "Lambda.Unknown, Lambda.TooManyRequestsException and the like, not Exception",
    ),
    *(
        Replacement(module, "is_within_size_quota", _within_quota, "262,144 bytes are allowed")
        for module in (
            f"{STATE}.state",
            f"{TASK}.state_task_lambda",
            f"{TASK}.service.state_task_service",
        )
    ),
)
