"""A state's life: entered, struck by faults, retried, caught."""

from __future__ import annotations

import types
from datetime import UTC, datetime
from typing import Any

from labkit.backend import interpreter, seam
from labkit.backend.interpreter import ASL, STATE
from labkit.backend.replacement import Replacement, always
from labkit.eventlog import shorten
from labkit.states import running
from labkit.states.json_copy import json_copy
from labkit.states.timestamp import timestamp


def _eval_state_body(original: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        try:
            original(self, env)
        except running.Stopped:
            if env.is_running():
                env.set_stop(stop_date=datetime.now(UTC), error=None, cause=None)

    return eval_body


def _eval_state_input(original: Any) -> Any:
    def eval_state_input(self: Any, env: Any) -> None:
        state = env.states.context_object.context_object_data["State"]
        state["EnteredTime"] = timestamp(state["EnteredTime"])
        if not hasattr(self, "retry"):  # a Task, Parallel or Map is struck at each attempt
            _strike(self, env)
        original(self, env)

    return eval_state_input


def _evaluate_with_timeout(original: Any) -> Any:
    def evaluate(self: Any, env: Any) -> None:
        context = env.states.context_object
        if context.context_object_data["State"]["RetryCount"] and (
            "Task" in context.context_object_data
        ):
            env.callback_pool_manager.add(context.update_task_token())
        _strike(self, env)
        original(self, env)

    return evaluate


def _handle_retry(original: Any) -> Any:
    def handle_retry(self: Any, env: Any, failure_event: Any) -> Any:
        outcome = original(self, env, failure_event)
        if outcome.name == "CanRetry":
            retries = env.states.context_object.context_object_data["State"]["RetryCount"]
            _handled("state.retried", self, failure_event, attempt=retries + 1)
        return outcome

    return handle_retry


def _handle_catch(original: Any) -> Any:
    def handle_catch(self: Any, env: Any, failure_event: Any) -> None:
        original(self, env, failure_event)
        if env.stack[-1].name == "Caught":
            _handled("state.caught", self, failure_event)

    return handle_catch


def _handled(kind: str, state: Any, failure_event: Any, **data: Any) -> None:
    run = running.current.get()
    if run:
        failure = state._construct_error_output_value(failure_event)
        error, cause = failure["Error"] or "", shorten(failure["Cause"] or "")
        seam.here.executions.handled(run, kind, state=state.name, **data, error=error, cause=cause)


def _strike(state: Any, env: Any) -> None:
    run = running.current.get()
    error = seam.here.executions.strike(run, state.name) if run else None
    if error:
        raise interpreter.failure(env, error.code, error.message)


def _json_copies(original: Any) -> Any:
    """The ``copy`` module, for data that is JSON."""
    return types.SimpleNamespace(**{**vars(original), "deepcopy": json_copy})


REPLACEMENTS: tuple[Replacement, ...] = (
    *(
        Replacement(
            f"{ASL}.{module}", "copy", _json_copies, "it copies a state's data at every step"
        )
        for module in (
            "eval.states",
            "component.common.path.result_path",
            "component.common.string.string_expression",
            "component.state.exec.execute_state",
        )
    ),
    Replacement(
        f"{STATE}.state",
        "CommonStateField._eval_body",
        _eval_state_body,
        "a state that is stopped ends here",
    ),
    Replacement(
        f"{STATE}.state",
        "CommonStateField._eval_state_input",
        _eval_state_input,
        "the fault seam; EnteredTime in AWS's form",
    ),
    Replacement(
        f"{STATE}.exec.execute_state",
        "ExecutionState._evaluate_with_timeout",
        _evaluate_with_timeout,
        "the fault seam at each attempt; a retried task needs a new token",
    ),
    Replacement(
        f"{STATE}.exec.execute_state",
        "ExecutionState._handle_retry",
        _handle_retry,
        "no history event says that a state is tried again",
    ),
    Replacement(
        f"{STATE}.exec.execute_state",
        "ExecutionState._handle_catch",
        _handle_catch,
        "no history event says that an error was caught",
    ),
    *(
        Replacement(
            f"{ASL}.component.eval_component",
            f"EvalComponent.{name}",
            always(lambda self, *_, **__: None),
            "it writes the whole component out for a log that nobody reads",
        )
        for name in ("_log_failure_event_exception", "_log_exception")
    ),
)
