"""Whether API Gateway may invoke a function, as a pure rule: the function's resource-based policy.

Source: "Viewing resource-based IAM policies in Lambda" and ``AddPermission`` in the documentation of AWS
Lambda; "Condition operators" in the IAM user guide.  In short:

- What no statement allows is refused.  A statement without ``SourceArn`` or ``SourceAccount`` holds for
  every API of every account.
- ``SourceArn`` is compared by ``ArnLike``: "each of the six colon-delimited components of the ARN is
  checked separately", and ``*`` and ``?`` in it stand for any characters and for one, slashes included.
- To a statement that was given with a qualifier "the invoker must use the full Amazon Resource Name
  (ARN) of that version or alias".

A statement with any other condition allows nothing, because API Gateway belongs to no organization.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

API_GATEWAY = "apigateway.amazonaws.com"

_INVOKE = ("lambda:InvokeFunction", "lambda:*", "*")


@dataclass(frozen=True, slots=True)
class Permission:
    """A statement that lets API Gateway invoke a function.

    Attributes:
        function: the function's ARN, with the qualifier for which it was given, if any.
        source_arn: a pattern for the ARN of who invokes; empty for anyone.
        source_account: the account of who invokes; empty for any.
    """

    function: str
    source_arn: str = ""
    source_account: str = ""


def permissions(statements: Iterable[Mapping[str, Any]]) -> tuple[Permission, ...]:
    """What a policy's statements allow API Gateway to do.

    Args:
        statements: ``Statement`` of what ``GetPolicy`` answers.
    """
    return tuple(found for each in statements if (found := _permission(each)) is not None)


def _permission(statement: Mapping[str, Any]) -> Permission | None:
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        principal = principal.get("Service", principal.get("AWS"))
    if principal not in (API_GATEWAY, "*") or statement.get("Action") not in _INVOKE:
        return None
    conditions = {
        (operator.lower(), key.lower()): str(value)
        for operator, compared in (statement.get("Condition") or {}).items()
        for key, value in compared.items()
    }
    source_arn = conditions.pop(("arnlike", "aws:sourcearn"), "")
    source_account = conditions.pop(("stringequals", "aws:sourceaccount"), "")
    if conditions or statement.get("Effect") != "Allow":
        return None
    return Permission(str(statement.get("Resource")), source_arn, source_account)


@lru_cache(maxsize=4096)
def allows(given: tuple[Permission, ...], function: str, source_arn: str) -> bool:
    """Whether something of an API may invoke a function.

    Args:
        given: what the function's policy allows.
        function: the ARN that is invoked, with its qualifier if it has one.
        source_arn: who invokes, such as ``arn:aws:execute-api:REGION:ACCOUNT:API/prod/$connect``.
    """
    account = source_arn.split(":")[4]
    function = function.removesuffix(":$LATEST")
    return any(
        each.function == function
        and each.source_account in ("", account)
        and (not each.source_arn or _is_like(each.source_arn, source_arn))
        for each in given
    )


def _is_like(pattern: str, arn: str) -> bool:
    """``ArnLike``."""
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(map(_matches, patterns, parts))


def _matches(pattern: str, text: str) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


def refusal(given: tuple[Permission, ...], function: str, source_arn: str) -> str:
    """Why API Gateway may not invoke a function, and what mends it.

    Args:
        given: what the function's policy allows.
        function: the ARN that is invoked, with its qualifier if it has one.
        source_arn: who invokes.
    """
    name, _, qualifier = function.rpartition(":function:")[2].partition(":")
    rest = source_arn.split(":", 5)[5]
    api, _, part = rest.partition("/")
    what = "authorizer" if part.startswith("authorizers/") else "route"
    shown = part.removeprefix("authorizers/") if what == "authorizer" else part.partition("/")[2]
    patterns = ", ".join(each.source_arn for each in given if each.source_arn)
    allowed = f"it allows {patterns}" if patterns else "nothing in it allows that"
    chosen = f", Qualifier={qualifier!r}" if qualifier else ""
    everything = f"{source_arn.partition('/')[0]}/*"
    return (
        f"API Gateway may not invoke the function {name} for {what} {shown} of API {api}: the function's "
        f"resource policy does not let it ({allowed}). Permit it with boto3: client('lambda')."
        f"add_permission(FunctionName={name!r}{chosen}, StatementId='invoked-by-{api}', "
        f"Action='lambda:InvokeFunction', Principal={API_GATEWAY!r}, SourceArn={everything!r})."
    )
