"""The table of the simulation answers as DynamoDB on the local cloud does, call by call.

What functions and state machine ask in some seeds is asked again over boto3, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from labkit.lab import Lab
from tests.pattern.simulation.cloud import Answered
from tests.pattern.simulation.run import simulate
from tests.pattern.simulation.schedule import virtual_time
from tests.pattern.simulation.variants import pattern

SEEDS = range(25)
KEYS = {"executions": "executionName", "connections": "connectionId", "products": "sku"}


@pytest.fixture(scope="module")
def dynamodb(lab: Lab) -> Any:
    return boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def tables(dynamodb: Any) -> Iterator[None]:
    """The three tables, empty."""
    for name, key in KEYS.items():
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    yield
    for name in KEYS:
        dynamodb.delete_table(TableName=name)


@pytest.fixture(scope="module")
def calls() -> dict[int, list[Answered]]:
    """What was asked and answered, by seed."""
    with pattern() as code, virtual_time():
        return {seed: simulate(code, seed).calls for seed in SEEDS}


def ask(dynamodb: Any, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Make a call; an error is an answer, too."""
    call = getattr(dynamodb, xform_name(operation))
    try:
        answer: dict[str, Any] = call(**asked)
    except ClientError as error:
        answer = dict(error.response)
    return answer


def compared(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without wording, and without the order of what has none."""
    kept: dict[str, Any] = {
        name: _plain(answer[name]) for name in ("Attributes", "Item") if answer.get(name)
    }
    if "Error" in answer:
        kept["Error"] = answer["Error"]["Code"]
    if "CancellationReasons" in answer:
        kept["CancellationReasons"] = [each["Code"] for each in answer["CancellationReasons"]]
    if "Responses" in answer:
        items = map(_plain, answer["Responses"]["products"])
        kept["Responses"] = sorted(items, key=lambda item: str(item["sku"]))
    return kept


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """An item in Python's types, where 1.00 is 1 and a set has no order."""
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_each_call_is_answered_alike(
    dynamodb: Any, tables: None, calls: dict[int, list[Answered]], seed: int
) -> None:
    for operation, asked, answer in calls[seed]:
        assert compared(ask(dynamodb, operation, asked)) == compared(answer), (operation, asked)


def test_the_seeds_ask_for_everything_that_the_pattern_does(
    calls: dict[int, list[Answered]],
) -> None:
    every = [call for seed in SEEDS for call in calls[seed]]
    assert {operation for operation, _, _ in every} == {
        "GetItem",
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "BatchGetItem",
        "TransactWriteItems",
    }
    assert {answer["Error"]["Code"] for _, _, answer in every if "Error" in answer} == {
        "ConditionalCheckFailedException",
        "TransactionCanceledException",
    }
