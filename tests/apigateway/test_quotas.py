"""How much an API may have; ``test_quick_create.py`` asks for one more with boto3."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.apigateway.model import Api, Protocol
from labkit.apigateway.quotas import check_quota
from labkit.errors import AwsError
from tests.fidelity.plugin import Values


def api_with(**parts: int) -> Api:
    """An API that has so many of each."""
    made: dict[str, Any] = {name: dict.fromkeys(range(count)) for name, count in parts.items()}
    return Api("a1", "orders", Protocol.WEBSOCKET, "123456789012", "us-east-1", "", **made)


@pytest.mark.behaviour("websocket.quotas.routes", "websocket.quotas.refusal")
def test_api_has_only_so_many_routes(expected: Values) -> None:
    check_quota("CreateRoute", api_with(routes=expected.most - 1), 0)
    with pytest.raises(AwsError, match=r"a1 has \d+, as many as it may have") as refused:
        check_quota("CreateRoute", api_with(routes=expected.most), 0)
    assert (refused.value.status, refused.value.code) == (expected.status, expected.code)
    assert refused.value.message.startswith(f"{expected.words} ")


@pytest.mark.behaviour("websocket.quotas.integrations")
def test_api_has_only_so_many_integrations(expected: Values) -> None:
    check_quota("CreateIntegration", api_with(integrations=expected.most - 1), 0)
    with pytest.raises(AwsError, match="Integrations"):
        check_quota("CreateIntegration", api_with(integrations=expected.most), 0)


@pytest.mark.behaviour("websocket.quotas.authorizers")
def test_api_has_only_so_many_authorizers(expected: Values) -> None:
    check_quota("CreateAuthorizer", api_with(authorizers=expected.most - 1), 0)
    with pytest.raises(AwsError, match="Authorizers"):
        check_quota("CreateAuthorizer", api_with(authorizers=expected.most), 0)


@pytest.mark.behaviour("websocket.quotas.stages")
def test_api_has_only_so_many_stages(expected: Values) -> None:
    check_quota("CreateStage", api_with(), expected.most - 1)
    with pytest.raises(AwsError, match="Stages"):
        check_quota("CreateStage", api_with(), expected.most)
