"""Choices, variables and JSONata."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from typing import Any

from labkit.backend import interpreter
from labkit.backend.interpreter import ASL, STATE
from labkit.backend.replacement import Replacement
from labkit.states import errors, jsonata


def _string_to_timestamp(original: Any) -> Any:
    """The States Language's timestamps: RFC 3339 with an upper-case T, and Z or an offset."""

    def string_to_timestamp(string: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(string) if "T" in string else None
        except (TypeError, ValueError):
            return None
        return moment if moment and moment.tzinfo else None

    return string_to_timestamp


def _choice(original: Any) -> Any:
    def eval_state(self: Any, env: Any) -> None:
        try:
            original(self, env)
        except RuntimeError as error:
            if not str(error.args[0]).startswith("No branching option"):
                raise
            cause = "Failed to transition out of the state. No choice rule matched."
            raise interpreter.failure(
                env, "States.NoChoiceMatched", cause, event="ExecutionFailed"
            ) from error

    return eval_state


def _present(original: Any) -> Any:
    """Only ``IsPresent`` may ask for what is not there.

    Developer guide, Choice state: "You must specify the ``$.type`` field.  If the state input doesn't
    contain the ``$.type`` field, the execution fails."
    """

    def eval_body(self: Any, env: Any) -> None:
        self.variable.eval(env)
        missing = type(env.stack[-1]).__name__ == "NoSuchVariable"
        if missing and self.comparison_function.operator_type.name != "IsPresent":
            path = self.variable.string_sampler.literal_value
            cause = f"Invalid path '{path}': The choice state's condition path references an invalid value."
            raise interpreter.failure(env, errors.RUNTIME, cause, event="ExecutionFailed")
        self.comparison_function.eval(env)

    return eval_body


def _variables(env: Any) -> dict[str, Any]:
    store = env.variable_store
    return {**store._outer_scope, **store._inner_scope}


def _jsonata(env: Any, expression: str) -> Any:
    try:
        return jsonata.evaluate(expression, env.states._states_data, _variables(env))
    except jsonata.JsonataError as error:
        failure: Any = interpreter.failure(
            env, errors.QUERY_EVALUATION_ERROR, str(error), event="EvaluationFailed"
        )
        env.event_manager.add_event(
            context=env.event_history_context,
            event_type=interpreter.enum("HistoryEventType").EvaluationFailed,
            event_details={
                "evaluationFailedEventDetails": failure.get_evaluation_failed_event_details()
            },
        )
        raise failure from error


def _eval_jsonata(_: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        env.stack.append(_jsonata(env, self.expression))

    return eval_body


_VARIABLE = re.compile(r"^\$(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<path>.*)$", re.DOTALL)


def _eval_variable(_: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        if self.query_language_mode.name == "JSONata":
            env.stack.append(_jsonata(env, self.expression))
            return
        found = _VARIABLE.match(self.expression)
        if not found:
            raise interpreter.failure(env, errors.RUNTIME, f"{self.expression} names no variable.")
        value = env.variable_store.get(found["name"])
        if found["path"]:
            extract = sys.modules[f"{ASL}.utils.json_path"].extract_json
            value = extract(f"${found['path']}", value)
        env.stack.append(json.loads(json.dumps(value)))

    return eval_body


REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        f"{STATE}.choice.comparison.operator.implementations.is_operator",
        "IsTimestamp.string_to_timestamp",
        _string_to_timestamp,
        "moto knows neither fractions of a second, as in the context object's times, nor offsets",
    ),
    Replacement(
        f"{STATE}.choice.state_choice",
        "StateChoice._eval_state",
        _choice,
        "States.NoChoiceMatched",
    ),
    Replacement(
        f"{STATE}.choice.comparison.comparison_variable",
        "ComparisonVariable._eval_body",
        _present,
        "for moto, a variable that is not there differs from every value",
    ),
    Replacement(
        f"{ASL}.component.common.string.string_expression",
        "StringJSONata._eval_body",
        _eval_jsonata,
        "moto's JSONata needs a Java machine",
    ),
    Replacement(
        f"{ASL}.component.common.string.string_expression",
        "StringVariableSample._eval_body",
        _eval_variable,
        "moto's JSONata needs a Java machine",
    ),
)
