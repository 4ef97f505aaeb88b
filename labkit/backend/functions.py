"""Lambda: what moto would run, and statements of a function's policy."""

from __future__ import annotations

import functools
import json
from typing import Any

from labkit.backend import seam
from labkit.backend.replacement import Replacement


def _never_invoke(_: Any) -> Any:
    def invoke(self: Any, body: Any, request_headers: Any, response_headers: Any) -> str:
        seam.here.warn(
            f"An event source would invoke {self.function_name} on AWS. Event sources (streams, "
            "queues, topics, rules, log subscriptions) are not emulated here: call Invoke."
        )
        return ""

    return invoke


def _add_statement(original: Any) -> Any:
    from moto.awslambda.exceptions import LambdaClientError

    @functools.wraps(original)
    def add_statement(self: Any, raw: str, qualifier: str | None = None) -> Any:
        wanted = json.loads(raw).get("StatementId")
        if any(statement.get("Sid") == wanted for statement in self.statements):
            error = LambdaClientError(
                "ResourceConflictException",
                f"The statement id ({wanted}) provided already exists. Please provide a new statement "
                "id, or remove the existing statement.",
            )
            error.code = 409
            raise error
        return original(self, raw, qualifier)

    return add_statement


REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        "moto.awslambda.models",
        "LambdaFunction.invoke",
        _never_invoke,
        "moto would start Docker for its own event sources",
    ),
    Replacement(
        "moto.awslambda.policy",
        "Policy.add_statement",
        _add_statement,
        "moto takes a statement id twice",
    ),
)
