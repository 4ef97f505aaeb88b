"""Everything that is replaced in moto: one table, put together from those of the modules."""

from __future__ import annotations

from labkit.backend import (
    apigateway,
    core,
    dynamodb,
    execution,
    execution_calls,
    expressions,
    functions,
    progress,
    sqs,
    state_errors,
    state_machine,
    states,
    task_tokens,
    tasks,
    waiting,
)
from labkit.backend.replacement import Replacement

REPLACEMENTS: tuple[Replacement, ...] = (
    *core.REPLACEMENTS,
    *dynamodb.REPLACEMENTS,
    *apigateway.REPLACEMENTS,
    *functions.REPLACEMENTS,
    *sqs.REPLACEMENTS,
    *waiting.REPLACEMENTS,
    *state_machine.REPLACEMENTS,
    *execution.REPLACEMENTS,
    *states.REPLACEMENTS,
    *progress.REPLACEMENTS,
    *state_errors.REPLACEMENTS,
    *expressions.REPLACEMENTS,
    *tasks.REPLACEMENTS,
    *execution_calls.REPLACEMENTS,
    *task_tokens.REPLACEMENTS,
)
"""Applied once a process, when a service is first used."""
