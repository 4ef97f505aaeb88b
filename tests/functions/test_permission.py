"""What a function's resource policy lets API Gateway do, by rule and by invocation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from labkit.errors import AwsError
from labkit.functions.permission import Permission, allows, permissions, refusal
from tests.functions.conftest import Account

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:orders"
API = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3"
CONNECT = f"{API}/prod/$connect"
AUTHORIZER = f"{API}/authorizers/auth1"


def statement(**changes: Any) -> dict[str, Any]:
    """A statement as Lambda keeps it."""
    return {
        "Sid": "s",
        "Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": FUNCTION,
        **changes,
    }


def from_source(pattern: str) -> dict[str, Any]:
    return {"Condition": {"ArnLike": {"AWS:SourceArn": pattern}}}


def from_account(account: str) -> dict[str, Any]:
    return {"Condition": {"StringEquals": {"AWS:SourceAccount": account}}}


@pytest.mark.parametrize(
    ("pattern", "source", "allowed"),
    [
        (f"{API}/*", CONNECT, True),
        (f"{API}/*/*", CONNECT, True),
        (f"{API}/prod/$connect", CONNECT, True),
        (f"{API}/pr?d/$connect", CONNECT, True),
        ("arn:aws:execute-api:*:123456789012:*", CONNECT, True),
        (f"{API}/*", AUTHORIZER, True),
        (f"{API}/authorizers/*", AUTHORIZER, True),
        (f"{API}/*/*/orders", f"{API}/$default/POST/orders", True),
        (f"{API}/*/POST/*", f"{API}/$default/POST/orders/of/mine", True),
        (f"{API}/*", f"{API}/prod/a:b", True),
        # what misses
        (API, CONNECT, False),
        (f"{API}/test/*", CONNECT, False),
        (f"{API}/*/$default", CONNECT, False),
        (f"{API}/*/GET/*", f"{API}/$default/POST/orders", False),
        (f"{API}/prod/*/*", CONNECT, False),
        (f"{API}/authorizers/*", CONNECT, False),
        (f"{API[:-1]}4/*", CONNECT, False),
        (f"{API}/prod/.connect", CONNECT, False),  # a full stop is a full stop
        ("arn:aws:execute-api:us-east-1:*", CONNECT, False),  # a part stands for one part
        ("*", CONNECT, False),
        ("arn:aws:s3:::bucket", CONNECT, False),
    ],
)
def test_source_arn_is_compared_part_by_part(pattern: str, source: str, allowed: bool) -> None:
    given = permissions([statement(**from_source(pattern))])
    assert allows(given, FUNCTION, source) is allowed


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": "apigateway.amazonaws.com"}, True),
        ({"Action": "lambda:*"}, True),
        (from_account("123456789012"), True),
        ({"Principal": {"Service": "events.amazonaws.com"}}, False),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, False),
        ({"Action": "lambda:GetFunction"}, False),
        ({"Effect": "Deny"}, False),
        (from_account("210987654321"), False),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, False),
        (
            {
                "Condition": {
                    "ArnLike": {"AWS:SourceArn": f"{API}/*"},
                    "StringEquals": {"AWS:SourceAccount": "210987654321"},
                }
            },
            False,
        ),
    ],
)
def test_statement_allows_what_it_says(changes: dict[str, Any], allowed: bool) -> None:
    assert allows(permissions([statement(**changes)]), FUNCTION, CONNECT) is allowed


def test_any_statement_is_enough_and_none_is_not() -> None:
    other = statement(**from_source(f"{API}/test/*"))
    mine = statement(**from_source(CONNECT))
    assert allows(permissions([other, mine]), FUNCTION, CONNECT)
    assert not allows(permissions([other]), FUNCTION, CONNECT)
    assert not allows((), FUNCTION, CONNECT)


@pytest.mark.behaviour("websocket.integrations.permission-qualifier")
@pytest.mark.parametrize(
    ("given_to", "invoked", "allowed"),
    [
        (FUNCTION, FUNCTION, True),
        (FUNCTION, f"{FUNCTION}:$LATEST", True),
        (f"{FUNCTION}:live", f"{FUNCTION}:live", True),
        (f"{FUNCTION}:live", FUNCTION, False),
        (FUNCTION, f"{FUNCTION}:live", False),
        (f"{FUNCTION}:live", f"{FUNCTION}:1", False),
    ],
)
def test_permission_of_an_alias_is_for_that_alias(
    given_to: str, invoked: str, allowed: bool
) -> None:
    assert allows((Permission(given_to),), invoked, CONNECT) is allowed


@pytest.mark.parametrize(
    ("function", "source", "words"),
    [
        (FUNCTION, CONNECT, ["'orders'", "route $connect of API a1b2c3", f"SourceArn='{API}/*'"]),
        (FUNCTION, AUTHORIZER, ["authorizer auth1 of API a1b2c3", f"SourceArn='{API}/*'"]),
        (FUNCTION, f"{API}/$default/POST/orders", ["route POST/orders of API a1b2c3"]),
        (f"{FUNCTION}:live", CONNECT, ["FunctionName='orders', Qualifier='live'"]),
    ],
)
def test_refusal_says_which_call_mends_it(function: str, source: str, words: list[str]) -> None:
    said = refusal((), function, source)
    assert [word for word in words if word not in said] == []
    call = said.partition("add_permission(")[2].removesuffix(").")
    members = eval(f"dict({call})")  # what a student would paste into a cell
    given = permissions(
        [
            statement(
                Action=members["Action"],
                Principal={"Service": members["Principal"]},
                Resource=function,
                **from_source(members["SourceArn"]),
            )
        ]
    )
    assert allows(given, function, source)


def test_refusal_names_what_is_allowed_instead() -> None:
    given = permissions([statement(**from_source(f"{API}/test/*"))])
    assert f"it allows {API}/test/*" in refusal(given, FUNCTION, CONNECT)


@pytest.mark.asyncio(loop_scope="module")
async def test_function_runs_only_for_what_its_policy_allows(account: Account) -> None:
    name = account.deploy("def handler(event, context):\n    return 'ran'\n")
    arn = account.deployed[name].arn
    before = account.log.last
    with pytest.raises(AwsError) as refused:
        await account.invoke(arn, source_arn=CONNECT)
    assert (refused.value.code, refused.value.status) == ("AccessDeniedException", 403)
    (warning,) = [e for e in account.log.after(before) if e.kind == "cloud.warning"]
    assert f"FunctionName={name!r}" in warning["message"]
    assert account.pids(name) == []

    allowed = Permission(arn, f"{API}/*")
    account.deployed[name] = replace(account.deployed[name], policy=(allowed,))
    assert await account.value(arn, source_arn=CONNECT) == "ran"


@pytest.mark.asyncio(loop_scope="module")
async def test_caller_with_credentials_needs_no_permission(account: Account) -> None:
    name = account.deploy("def handler(event, context):\n    return 'ran'\n")
    assert await account.value(name) == "ran"
