"""Lambda authorizers: the rules, and handshakes on real sockets that they let in or refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from labkit.apigateway.authorizer import AuthorizerProblem, Decision, Verdict
from labkit.apigateway.limits import Limits
from labkit.apigateway.model import Stage
from tests.fidelity.plugin import Values

ARN = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/prod/$connect"
AUTHORIZER = "arn:aws:lambda:eu-central-1:123456789012:function:authorizer"
Start = Callable[..., Any]
MakeStage = Callable[..., Stage]


def policy(*statements: tuple[str, Any, Any], **more: Any) -> dict[str, Any]:
    """An authorizer's answer, of effects with their actions and resources."""
    return {
        "principalId": "ada",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": effect, "Action": action, "Resource": resource}
                for effect, action, resource in statements
            ],
        },
        **more,
    }


ALLOW = policy(("Allow", "execute-api:Invoke", ARN))


def decide(answer: Any) -> Decision:
    return Decision.parse(json.dumps(answer).encode(), ARN, 7)


# -- the rules ------------------------------------------------------------------------------------


@pytest.mark.behaviour("websocket.authorizer.policy")
@pytest.mark.parametrize(
    ("statements", "verdict"),
    [
        ([("Allow", "execute-api:Invoke", ARN)], Verdict.ALLOW),
        ([("Allow", "execute-api:*", "*")], Verdict.ALLOW),
        ([("Allow", "EXECUTE-API:invoke", ARN)], Verdict.ALLOW),
        ([("Allow", ["logs:*", "*"], ["nothing", ARN.replace("$connect", "*")])], Verdict.ALLOW),
        ([("Allow", "execute-api:Invoke", ARN.replace("prod", "pr?d"))], Verdict.ALLOW),
        ([("Deny", "execute-api:Invoke", ARN)], Verdict.DENY),
        ([("Allow", "*", "*"), ("Deny", "execute-api:Invoke", ARN)], Verdict.DENY),
        ([("Deny", "*", "*"), ("Allow", "*", "*")], Verdict.DENY),
        ([("Allow", "execute-api:ManageConnections", ARN)], Verdict.DENY),
        ([("Allow", "execute-api:Invoke", ARN.replace("prod", "dev"))], Verdict.DENY),
        ([("Allow", "execute-api:Invoke", ARN.replace("$connect", ""))], Verdict.DENY),
        ([("Allow", "*", "*"), ("Deny", "*", ARN.replace("prod", "dev"))], Verdict.ALLOW),
    ],
)
def test_policy_is_evaluated_as_iam_does(statements: list[Any], verdict: Verdict) -> None:
    assert decide(policy(*statements)).verdict is verdict


@pytest.mark.behaviour(
    "websocket.authorizer.context",
    "websocket.authorizer.context-strings",
    "websocket.authorizer.latency",
)
def test_context_values_become_strings_and_stand_beside_the_principal(expected: Values) -> None:
    context = {"key": "value", "numKey": 1, "boolKey": True, "none": None}
    assert decide(ALLOW | {"context": context}).context == {
        expected.principal: "ada",
        expected.member: 7,
        "key": "value",
        "numKey": "1",
        "boolKey": expected.true,
    }


@pytest.mark.behaviour("websocket.authorizer.largest")
def test_answer_has_a_largest_size(expected: Values) -> None:
    padded = len(json.dumps(ALLOW | {"context": {"long": ""}}))
    largest = ALLOW | {"context": {"long": "x" * (expected.largest - padded)}}
    assert decide(largest).verdict is Verdict.ALLOW
    with pytest.raises(AuthorizerProblem, match=f"{expected.largest} are allowed"):
        decide(largest | {"context": {"long": largest["context"]["long"] + "x"}})


@pytest.mark.behaviour("websocket.authorizer.condition")
def test_a_condition_allows_nothing_and_is_reported() -> None:
    answer = policy(("Allow", "*", "*"))
    answer["policyDocument"]["Statement"][0]["Condition"] = {
        "IpAddress": {"aws:SourceIp": "192.0.2.0/24"}
    }
    decision = decide(answer)
    assert (decision.verdict, decision.conditions) == (Verdict.DENY, True)


@pytest.mark.behaviour("websocket.authorizer.fails")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "no object"),
        ({"isAuthorized": True}, "principalId"),
        (ALLOW | {"principalId": ""}, "principalId"),
        ({"principalId": "ada"}, "policyDocument"),
        (ALLOW | {"policyDocument": {}}, "Statement"),
        (ALLOW | {"policyDocument": {"Statement": []}}, "Statement"),
        (policy(("allow", "*", "*")), "Effect"),
        (policy(("Allow", None, "*")), "no Action"),
        (policy(("Allow", "*", 1)), "no Resource"),
        (ALLOW | {"context": "ada"}, "context is no object"),
        (ALLOW | {"context": {"roles": ["a"]}}, r"context\.roles .* json\.dumps"),
    ],
)
def test_malformed_answer_is_explained(answer: Any, why: str) -> None:
    with pytest.raises(AuthorizerProblem, match=why):
        decide(answer)


# -- on real sockets ------------------------------------------------------------------------------


def guarded(stage_with: MakeStage, *keys: str, **members: Any) -> Stage:
    """A stage whose ``$connect`` route has an authorizer."""
    authorizer = {"AuthorizerType": "REQUEST", "AuthorizerUri": AUTHORIZER, **members}
    stage = stage_with("$connect", *keys, authorizers={"a1": authorizer})
    route = replace(stage.api.routes["$connect"], authorization_type="CUSTOM", authorizer_id="a1")
    return replace(stage, api=replace(stage.api, routes={**stage.api.routes, "$connect": route}))


def answers(answer: Any) -> Any:
    async def handler(event: dict[str, Any]) -> Any:
        return answer

    return handler


def raises(message: str) -> Any:
    async def handler(event: dict[str, Any]) -> Any:
        raise RuntimeError(message)

    return handler


async def status_of(url: str, **options: Any) -> int:
    """101, or the status with which a handshake is refused."""
    try:
        async with connect(url, **options):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.behaviour(
    "websocket.authorizer.context",
    "websocket.authorizer.latency",
    "websocket.authorizer.event",
)
async def test_context_is_on_every_event_of_the_connection(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    stage = guarded(stage_with, "$default", "$disconnect")
    async with start(stage) as gateway:
        gateway.functions["authorizer"] = answers(ALLOW | {"context": {"tenant": 7}})
        async with connect(gateway.url) as client:
            await client.send("hello")
            await gateway.invoked("MESSAGE")
        await gateway.invoked("DISCONNECT")
        asked, *events = gateway.functions.events
        assert asked["type"] == expected.type
        assert asked["methodArn"].endswith(expected.ends)
        assert "authorizer" not in asked["requestContext"]
        assert [e["requestContext"]["eventType"] for e in events] == expected.events
        for event in events:
            seen = event["requestContext"]["authorizer"]
            assert isinstance(seen.pop(expected.member), int)
            assert seen == {expected.principal: "ada", "tenant": "7"}
        ids = {e["requestContext"]["connectionId"] for e in gateway.functions.events}
        assert len(ids) == 1


@pytest.mark.behaviour(
    "websocket.authorizer.denied",
    "websocket.authorizer.unauthorized",
    "websocket.authorizer.fails",
)
@pytest.mark.parametrize(
    ("handler", "outcome"),
    [
        (answers(ALLOW), None),
        (answers(policy(("Deny", "execute-api:Invoke", ARN))), "denied"),
        (None, "unauthorized"),
        (raises("Unauthorized!"), "fails"),
        (answers({"isAuthorized": True}), "fails"),
        (answers(b"{"), "fails"),
    ],
    ids=["allow", "deny", "unauthorized", "crash", "simple-response", "not-json"],
)
async def test_authorizer_decides_and_connect_runs_only_if_it_allows(
    start: Start, stage_with: MakeStage, handler: Any, outcome: str | None, expected: Values
) -> None:
    async with start(guarded(stage_with)) as gateway:
        gateway.functions["authorizer"] = handler or raises(expected.error)
        status = expected[f"websocket.authorizer.{outcome}"].status if outcome else 101
        assert await status_of(gateway.url) == status
        routes = [e.get("type", "integration") for e in gateway.functions.events]
        assert routes == ["REQUEST"] + ["integration"] * (status == 101)


@pytest.mark.behaviour("websocket.authorizer.missing-source")
@pytest.mark.parametrize(
    ("source", "missing", "given"),
    [
        ("route.request.querystring.ticket", "?ticket=", "?ticket=t"),
        ("route.request.header.Authorization", "", "header"),
        ("context.identity.userAgent", "no agent", ""),
        ("stageVariables.tenant", "", None),
    ],
)
async def test_missing_identity_source_is_401_and_the_function_is_not_asked(
    start: Start,
    stage_with: MakeStage,
    source: str,
    missing: str,
    given: str | None,
    expected: Values,
) -> None:
    async def attempt(how: str) -> int:
        headers = {"authorization": "secret"} if how == "header" else {}
        agent = {"user_agent_header": None} if how == "no agent" else {}
        query = how if how.startswith("?") else ""
        return await status_of(gateway.url + query, additional_headers=headers, **agent)

    async with start(guarded(stage_with, IdentitySource=[source])) as gateway:
        gateway.functions["authorizer"] = answers(ALLOW)
        assert await attempt(missing) == expected.status
        assert gateway.functions.events == []
        assert source in (await gateway.event("handshake.refused"))["reason"]
        if given is not None:
            assert await attempt(given) == 101


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"AuthorizerType": "JWT"}, "'JWT'"),
        ({"AuthorizerUri": "authorizer"}, "AuthorizerUri"),
        ({"IdentitySource": ["$request.header.Auth"]}, "identity source"),
    ],
)
async def test_authorizer_that_aws_would_not_run_is_explained(
    start: Start, stage_with: MakeStage, members: dict[str, Any], why: str
) -> None:
    async with start(guarded(stage_with, **members)) as gateway:
        assert await status_of(gateway.url) == 500
        assert why in (await gateway.event("cloud.warning"))["message"]


@pytest.mark.behaviour("websocket.authorizer.slow")
async def test_authorizer_that_is_gone_or_slow_lets_nobody_in(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    stage = guarded(stage_with)
    stage = replace(stage, api=replace(stage.api, authorizers={}))
    async with start(stage) as gateway:
        assert await status_of(gateway.url) == expected.status
    async with start(guarded(stage_with), limits=Limits(integration=0.05)) as gateway:
        release = asyncio.Event()

        async def slow(event: dict[str, Any]) -> Any:
            await release.wait()
            return ALLOW

        gateway.functions["authorizer"] = slow
        assert await status_of(gateway.url) == expected.status
        release.set()


@pytest.mark.behaviour("websocket.authorizer.not-cached")
async def test_answers_are_not_cached_and_a_wish_for_it_is_warned_of(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(guarded(stage_with, AuthorizerResultTtlInSeconds=300)) as gateway:
        gateway.functions["authorizer"] = answers(ALLOW)
        assert await status_of(gateway.url) == 101
        gateway.functions["authorizer"] = answers(policy(("Deny", "*", "*")))
        assert await status_of(gateway.url) == 403
        assert "HTTP APIs only" in (await gateway.event("cloud.warning"))["message"]


@pytest.mark.behaviour("websocket.authorizer.credentials", "websocket.authorizer.condition")
async def test_what_an_authorizer_asks_for_in_vain_is_warned_of(
    start: Start, stage_with: MakeStage
) -> None:
    role = "arn:aws:iam::123456789012:role/gateway"
    async with start(guarded(stage_with, AuthorizerCredentialsArn=role)) as gateway:
        answer = policy(("Allow", "*", "*"))
        answer["policyDocument"]["Statement"].append(
            {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {}}}
        )
        gateway.functions["authorizer"] = answers(answer)
        assert await status_of(gateway.url) == 101
        first, second = [e["message"] for e in gateway.log if e.kind == "cloud.warning"]
        assert "AuthorizerCredentialsArn" in first
        assert "Condition" in second


@pytest.mark.behaviour("websocket.authorizer.connect-only")
async def test_authorizer_of_another_route_has_no_effect_and_is_warned_of(
    start: Start, stage_with: MakeStage
) -> None:
    stage = stage_with("$default")
    route = replace(stage.api.routes["$default"], authorization_type="CUSTOM", authorizer_id="a1")
    stage = replace(stage, api=replace(stage.api, routes={"$default": route}))
    async with start(stage) as gateway, connect(gateway.url) as client:
        await client.send("hello")
        assert [e["body"] for e in await gateway.invoked("MESSAGE")] == ["hello"]
        assert "$connect only" in (await gateway.event("cloud.warning"))["message"]


@pytest.mark.behaviour("websocket.authorizer.stage-variable")
async def test_stage_variable_names_the_authorizers_function(
    start: Start, stage_with: MakeStage
) -> None:
    uri = AUTHORIZER.replace("authorizer", "${stageVariables.guard}")
    stage = guarded(stage_with, AuthorizerUri=uri)
    stage = replace(stage, settings=replace(stage.settings, variables={"guard": "keeper"}))
    async with start(stage) as gateway:
        gateway.functions["keeper"] = answers(policy(("Deny", "*", "*")))
        assert await status_of(gateway.url) == 403
